"""Request to search the embedding log for a sound."""

from __future__ import annotations

from collections.abc import Mapping

from edge.embedding_log.log import log_directory
from edge.embedding_log.search_files import search_log
from edge.own_state.place import StatePlace, number_of, text_of
from edge.requests import Answer
from edge.state import state_directory


def search(arguments: Mapping[str, object], place: StatePlace) -> Answer:
    """When a sound, named by a label, an own sound or words that a prototype can be made of, was heard.

    arguments: words; since_unix_s, until_unix_s: the time searched; threshold: a cosine.
    Raises: LabelError, ConfigError, BundleError.
    """
    known = place.pipeline.listening_for(place.config_for([text_of(arguments, "words")]))
    ((name, rule),) = known.rules.items()
    return search_log(
        log_directory(place.config.embedding_log, state_directory()),
        place.encoder_sha256,
        known.prototypes,
        name,
        rule,
        number_of(arguments, "since_unix_s"),
        number_of(arguments, "until_unix_s"),
        number_of(arguments, "threshold"),
    )

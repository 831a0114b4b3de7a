"""Searches the files of the embedding log; what `edge-listen search` is answered."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from edge.embedding_log.file import LogFile, LogFileError, LogPart, log_paths, open_log_file, read_rows
from edge.embedding_log.search import Found, Hit, search
from edge.errors import ConfigError
from edge.scoring import PrototypeSet
from edge.times import rfc3339, utc
from edge.trigger_rule import TriggerRule

logger = logging.getLogger(__name__)


@dataclass
class _Files:
    """The log's files that may hold what is sought, and how many can't be searched."""

    searched: list[LogFile] = field(default_factory=list)
    n_other_encoder: int = 0
    n_unreadable: int = 0


def search_log(  # noqa: PLR0913, PLR0917 - what is sought, where, and by which rule
    directory: Path,
    encoder_sha256: str,
    prototypes: PrototypeSet,
    name: str,
    rule: TriggerRule,
    since_unix_s: float | None,
    until_unix_s: float | None,
    threshold: float | None,
) -> dict[str, object]:
    """Find when a label was heard, by the log.

    Args:
        directory: of the log. It may be written meanwhile.
        encoder_sha256: of the encoder in use; rows of others can't be compared and are left out.
        prototypes: of labels and background.
        name: which of these is sought.
        rule: the label's.
        since_unix_s: earliest time; None for all that there is.
        until_unix_s: latest time; None for all that there is.
        threshold: cosine that a window must reach; None for the rule's.

    Returns: the answer in JSON's types. label: `name`; hits: time, end_time, score, threshold, level_dbfs and
        beaten_by of each, by time; n_hits: how many there were, of which the best 1000 are in hits;
        is_below_threshold: whether none reached it, and hits are the nearest; n_rows and heard_s: how many
        windows and seconds of sound were searched; covers_from: time of the first; n_other_encoder and
        n_unreadable: files left out. Times are in RFC 3339, UTC.

    Raises:
        ConfigError: if there is no log, it cannot be read, or the threshold is no cosine.
    """
    wanted = rule.on_threshold if threshold is None else threshold
    if not -1.0 <= wanted <= 1.0:
        raise ConfigError(f"threshold must be a score within -1 and 1, not {wanted!r}")
    since = -math.inf if since_unix_s is None else since_unix_s
    until = math.inf if until_unix_s is None else until_unix_s
    files = _files(directory, encoder_sha256, since, until)
    found = search(_parts(files.searched, since, until), prototypes, name, rule, wanted)
    return _answer(name, wanted, found, files)


def _files(directory: Path, encoder_sha256: str, since_unix_s: float, until_unix_s: float) -> _Files:
    files = _Files()
    try:
        paths = log_paths(directory)
    except FileNotFoundError:
        raise ConfigError(
            f"there is no embedding log in {directory}: listen with --embedding-log to keep one"
        ) from None
    except OSError as error:
        raise ConfigError(
            f"the embedding log in {directory} cannot be read ({error.strerror}): search as its owner"
        ) from error
    for path in paths:
        try:
            file = open_log_file(path)
        except FileNotFoundError:  # it made room just now
            continue
        except (LogFileError, OSError) as error:
            logger.warning("left out of the search: %s", error)
            files.n_unreadable += 1
            continue
        if not file.may_hold(since_unix_s, until_unix_s):
            continue
        if file.header.encoder_sha256 == encoder_sha256:
            files.searched.append(file)
        else:
            files.n_other_encoder += 1
    files.searched.sort(key=lambda file: file.first_unix_s)
    return files


def _parts(files: Sequence[LogFile], since_unix_s: float, until_unix_s: float) -> Iterator[LogPart]:
    for file in files:
        with suppress(FileNotFoundError):  # it made room just now
            yield from read_rows(file, since_unix_s, until_unix_s)


def _answer(name: str, threshold: float, found: Found, files: _Files) -> dict[str, object]:
    covers_from = found.covers_from_unix_s
    return {
        "label": name,
        "hits": [_hit(hit, threshold) for hit in found.hits],
        "n_hits": found.n_hits,
        "is_below_threshold": found.is_below_threshold,
        "n_rows": found.n_rows,
        "heard_s": round(found.heard_s, 3),
        "covers_from": None if covers_from is None else rfc3339(utc(covers_from)),
        "n_other_encoder": files.n_other_encoder,
        "n_unreadable": files.n_unreadable,
    }


def _hit(hit: Hit, threshold: float) -> dict[str, object]:
    return {
        "time": rfc3339(utc(hit.start_unix_s)),
        "end_time": rfc3339(utc(hit.end_unix_s)),
        "score": round(hit.score, 4),
        "threshold": round(threshold, 4),
        "level_dbfs": round(hit.level_dbfs, 1) if math.isfinite(hit.level_dbfs) else None,
        "beaten_by": hit.beaten_by,
    }

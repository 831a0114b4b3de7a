"""RoBERTa's tokenizer, which a LAION checkpoint needs and doesn't hold: finding it, and checking it."""

from __future__ import annotations

import logging
from pathlib import Path

from edge.errors import BundleError, ConfigError
from edge.text_encoder import TextTokenizer
from export.clap import hub
from export.clap.architecture import TEXT_VOCABULARY
from export.clap.text_encoder import MAX_TOKENS

logger = logging.getLogger(__name__)

REPOSITORY, FILE_NAME = "FacebookAI/roberta-base", "tokenizer.json"
SPECIAL = {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3, "<mask>": TEXT_VOCABULARY - 1}
KNOWN = {
    "This is a sound of dog bark": [0, 713, 16, 10, 2369, 9, 2335, 28847, 2],
    "Kettle-whistle\u2019s 3.14 naïve\n": [
        *(0, 530, 22286, 12, 11613, 22855, 17, 27, 29, 155, 4, 1570, 39300, 50118, 2),
    ],
}
"""Texts and RoBERTa's ids of them: words, parts of words, digits, bytes beyond ASCII, white space."""


def find_tokenizer(given: Path | None, beside: Path | None) -> Path:
    """The tokenizer to use: the one given, else the one beside the checkpoint, else the hub's.

    A vocabulary of another size or other special tokens cannot fit the checkpoint. Other ids of words can, if
    the checkpoint was trained with them, so a tokenizer that was given on purpose may have them.

    Raises:
        ConfigError if it isn't RoBERTa's.
        EncoderError if the package tokenizers isn't installed.
        SoundError if it must be downloaded and cannot be.
    """
    path = given or beside or hub.fetch(REPOSITORY, FILE_NAME)
    try:
        check_tokenizer(path)
    except OtherIdsError as error:
        if not given:
            raise
        logger.warning("%s; texts are embedded wrongly unless the checkpoint was trained with it", error)
    return path


class OtherIdsError(ConfigError):
    """A tokenizer of RoBERTa's size that makes other ids."""


def check_tokenizer(path: Path) -> None:
    """Check that a tokenizer's file is RoBERTa's.

    Raises:
        ConfigError if it isn't; OtherIdsError if only the ids of words differ.
        EncoderError if the package tokenizers isn't installed.
    """
    try:
        tokenizer = TextTokenizer(path, MAX_TOKENS)
    except BundleError as error:
        raise ConfigError(str(error)) from error
    if tokenizer.n_vocabulary != TEXT_VOCABULARY:
        raise ConfigError(_message(path, f"it knows {tokenizer.n_vocabulary} tokens, not {TEXT_VOCABULARY}"))
    for text, token_id in SPECIAL.items():
        _compare(tokenizer, path, text, [0, token_id, 2], ConfigError)
    for text, ids in KNOWN.items():
        _compare(tokenizer, path, text, ids, OtherIdsError)


def _compare(
    tokenizer: TextTokenizer, path: Path, text: str, ids: list[int], error: type[ConfigError]
) -> None:
    found = tokenizer.tokens(text)
    if found != ids:
        raise error(_message(path, f"it makes {found} of {text!r}, not {ids}"))


def _message(path: Path, reason: str) -> str:
    return (
        f"{path} is not RoBERTa's tokenizer: {reason}; give the {FILE_NAME} of {REPOSITORY} with --tokenizer"
    )

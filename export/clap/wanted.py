"""Which labels a person wants in the bundle: from `--labels` and `--labels-file`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edge.custom_labels import checked_label
from edge.errors import ConfigError, LabelError
from edge.labels import fold, quoted


def read_labels(arguments: Sequence[str], file: Path | None) -> list[str]:
    """The labels in the order given.

    arguments: comma-separated, one for each time the option was given.
    file: UTF-8 text with a label on each line; blank lines and lines that begin with # are passed over.
    Raises: LabelError if there are none, one is empty, or two are the same; ConfigError if the file cannot
        be read.
    """
    asked = [
        (part, f"--labels {quoted(argument)} holds an empty label; separate labels by single commas")
        for argument in arguments
        for part in argument.split(",")
    ]
    if file is not None:
        asked += _lines(file)
    labels: dict[str, str] = {}
    for words, if_empty in asked:
        if not fold(words):
            raise LabelError(if_empty)
        label = checked_label(words)
        if fold(label) in labels:
            raise LabelError(f"label {quoted(label)} is given twice; name it once")
        labels[fold(label)] = label
    if not labels:
        raise LabelError('no labels: give some, such as --labels "dog bark,siren"')
    return list(labels.values())


def _lines(file: Path) -> list[tuple[str, str]]:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(f"--labels-file {file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"--labels-file {file} is not UTF-8 text from byte {error.start} on") from error
    lines = enumerate(map(str.strip, text.splitlines()), 1)
    return [
        (line, f"--labels-file {file}: line {number} has no letters; remove it")
        for number, line in lines
        if line and not line.startswith("#")
    ]

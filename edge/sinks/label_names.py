"""Names of labels in a message from outside."""

from __future__ import annotations

import json

MAX_BYTES = 16384


def label_names(payload: bytes) -> tuple[str, ...]:
    """The names in a JSON list of texts, or in text divided by commas; each once, in their order.

    Raises: ValueError, which says in words why it is neither.
    """
    if len(payload) > MAX_BYTES:
        raise ValueError(f"it is longer than {MAX_BYTES} bytes")
    try:
        text = payload.decode().strip()
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8") from None
    names = _from_json(text) if text[:1] in ("[", "{", '"') else text.split(",")
    stripped = tuple(dict.fromkeys(name.strip() for name in names))
    if not all(name and name.isprintable() for name in stripped):
        raise ValueError("a name in it is empty or not printable")
    return stripped


def _from_json(text: str) -> list[str]:
    try:
        names = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("it begins like JSON and is none") from None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError("it is not a JSON list of texts")
    if not names:
        raise ValueError("it names no label")
    return names

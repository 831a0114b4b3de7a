"""Prompts: the sentences that a label's words are put into before a text encoder reads them."""

from __future__ import annotations

from edge.errors import ConfigError

SLOT = "{label}"
DEFAULT_PROMPT = f"This is a sound of {SLOT}"
"""The one of Kushwaha & Fuentes (Interspeech 2023) for LAION-CLAP; without a full stop."""


def check_prompt(template: str) -> None:
    """Refuse a prompt that doesn't hold the slot once, or cannot be shown in a line.

    Raises: ConfigError.
    """
    n_slots = template.count(SLOT)
    if n_slots != 1:
        raise ConfigError(
            f"prompt {template!a} holds {SLOT} {n_slots} times; it must hold it once, "
            f'such as "{DEFAULT_PROMPT}"'
        )
    if not template.isprintable():
        raise ConfigError(f"prompt {template!a} must be printable text of one line")


def fill(template: str, label: str) -> str:
    """The sentence for a label: its words in lower case, `_` as space, each run of space as one.

    A label that begins the sentence gets a capital: without it LAION-CLAP loses about five points of accuracy
    (the paper's code has one too).
    """
    words = " ".join(label.replace("_", " ").split()).lower()
    if template.startswith(SLOT):
        words = words[:1].upper() + words[1:]
    return template.replace(SLOT, words)

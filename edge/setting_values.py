"""A setting's value as a file or a flag gives it → as the program holds it, or what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from edge.errors import ConfigError
from edge.settings import Setting

_NUMBERS = {
    "number": "a number",
    "whole": "a whole number",
    "percent": 'a share such as "25%", a number',
    "rate": 'a rate such as "0.5/h" or "3/day", a number an hour',
}
"""Kinds of settings that are numbers, and how a message names them."""
_HOURS = {"h": 1, "hour": 1, "day": 24}


def _percents_in(text: str) -> object:
    """The number in a text such as "25%"; the text if there is none. A flag may come without the sign."""
    try:
        return float(text.removesuffix("%"))
    except ValueError:
        return text


def _an_hour_in(text: str) -> object:
    """The number an hour in a text such as "0.5/h" or "3/day"; the text if there is none."""
    number, slash, per = text.partition("/")
    hours = _HOURS.get(per.strip() if slash else "h")
    try:
        return text if hours is None else float(number) / hours
    except ValueError:
        return text


_TEXTS: dict[str, Callable[[str], object]] = {"percent": _percents_in, "rate": _an_hour_in}
"""Kinds of settings that are numbers and may come as text, and how it is read."""


def check_value(where: str, setting: Setting, value: object) -> object:
    """A value as the settings hold it.

    where: how to name the setting in an error.
    Raises: ConfigError if it is of the wrong type or out of range.
    """
    if setting.kind == "words":
        return _check_words(where, setting, value)
    if setting.kind == "switch":
        if isinstance(value, bool):
            return value
        raise ConfigError(f"{where} must be true or false, not {value!r}")
    if setting.kind in _TEXTS and isinstance(value, str):
        value = _TEXTS[setting.kind](value)
    if setting.kind in _NUMBERS:
        return _check_number(where, setting, value)
    if setting.kind == "path" and isinstance(value, str | Path) and str(value):
        return Path(value).expanduser()
    if not isinstance(value, str) or not value:
        raise ConfigError(f"{where} must be text in quotes, not {value!r}")
    if setting.choices and value not in setting.choices:
        raise ConfigError(f"{where} must be one of {', '.join(setting.choices)}, not {value!r}")
    return value


def _check_words(where: str, setting: Setting, value: object) -> tuple[str, ...]:
    examples = setting.choices or ("dog bark", "siren")
    if not isinstance(value, list | tuple) or not all(
        isinstance(word, str) and word.strip() for word in value
    ):
        listed = ", ".join(f'"{word}"' for word in examples)
        raise ConfigError(f"{where} must be a list of names, such as [{listed}], not {value!r}")
    unknown = [word for word in value if setting.choices and word not in setting.choices]
    if unknown:
        raise ConfigError(f"{where} may hold {', '.join(setting.choices)}, not {unknown[0]!r}")
    return tuple(value)


def _check_number(where: str, setting: Setting, value: object) -> float:
    allowed = (int,) if setting.kind == "whole" else (int, float)
    kind = _NUMBERS[setting.kind]
    if not isinstance(value, allowed) or isinstance(value, bool):
        raise ConfigError(f"{where} must be {kind}, not {value!r}")
    low, high = setting.range
    if not low <= value <= high:
        raise ConfigError(f"{where} must be {kind} from {low:g} to {high:g}, not {value!r}")
    return value if setting.kind == "whole" else float(value)

"""Plain data, as JSON holds it → frozen dataclasses, checked against their annotations.

Supports what the manifest needs: str, int, float, bool, None, Literal, unions, `tuple[X, ...]`,
`Mapping[str, X]` and dataclasses of these. Nothing is coerced but a whole number where a float is asked for.
"""

from __future__ import annotations

import dataclasses
import json
import math
import types
from collections.abc import Mapping
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

_SCALARS = {
    str: "text",
    int: "a whole number",
    float: "a finite number",
    bool: "true or false",
    type(None): "null",
}


def build(hint: Any, value: object, where: str = "") -> Any:
    """Make a value of the type that `hint` describes.

    Args:
        hint: an annotation.
        value: what `json.loads` gives.
        where: path of the value in the document, for messages: `labels[3].support`.

    Raises: ValueError, one line that names the key, what was expected and what was found.
    """
    origin, args = get_origin(hint), get_args(hint)
    if dataclasses.is_dataclass(hint):
        return _build_object(hint, _expect(dict, value, where, "an object"), where)
    if origin is tuple:
        items = _expect(list, value, where, "a list")
        return tuple(build(args[0], item, f"{where}[{i}]") for i, item in enumerate(items))
    if origin is Mapping:
        items = _expect(dict, value, where, "an object")
        return {key: build(args[1], item, f"{where}[{json.dumps(key)}]") for key, item in items.items()}
    if origin in (Union, types.UnionType):
        return _build_union(args, value, where)
    if origin is Literal:
        if not isinstance(value, str) or value not in args:
            raise ValueError(f"{where} must be {describe_type(hint)}, not {describe(value)}")
        return value
    return _build_scalar(hint, value, where)


def describe(value: object) -> str:
    """What was found, in a few words of one line."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def describe_type(hint: Any) -> str:
    """What was expected, in a few words."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Literal:
        return " or ".join(json.dumps(choice) for choice in args)
    if origin in (Union, types.UnionType):
        return " or ".join(describe_type(arg) for arg in args)
    if origin is tuple:
        return "a list"
    return _SCALARS.get(hint, "an object")


def _expect(kind: type, value: object, where: str, name: str) -> Any:
    if type(value) is not kind:
        raise ValueError(f"{where or 'it'} must be {name}, not {describe(value)}")
    return value


def _build_object(kind: Any, value: dict[str, object], where: str) -> Any:
    prefix = f"{where}." if where else ""
    hints = get_type_hints(kind)
    for key in value:
        if key not in hints:
            raise ValueError(f"unknown key {prefix}{key if key.isidentifier() else json.dumps(key)}")
    for key in hints:
        if key not in value:
            raise ValueError(f"key {prefix}{key} is missing")
    return kind(**{key: build(hint, value[key], prefix + key) for key, hint in hints.items()})


def _build_union(args: tuple[Any, ...], value: object, where: str) -> Any:
    for arg in args:
        # So that what is wrong inside an object is said, not only that it doesn't fit.
        if dataclasses.is_dataclass(arg) and isinstance(value, dict):
            return build(arg, value, where)
    for arg in args:
        try:
            return build(arg, value, where)
        except ValueError:  # noqa: PERF203
            continue
    raise ValueError(f"{where} must be {' or '.join(map(describe_type, args))}, not {describe(value)}")


def _build_scalar(hint: Any, value: object, where: str) -> Any:
    kind = type(None) if hint is None else hint
    if kind is float and isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**53:
        value = float(value)
    # bool is an int to isinstance.
    if type(value) is not kind or (isinstance(value, float) and not math.isfinite(value)):
        raise ValueError(f"{where} must be {_SCALARS[kind]}, not {describe(value)}")
    return value

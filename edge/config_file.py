"""A configuration file and the flags given → `ListenConfig`. Flags win; what isn't known is an error."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from edge.config import ListenConfig, RuleSettings
from edge.errors import ConfigError
from edge.output_settings import OUTPUT_TABLES, keys_of, required_keys
from edge.settings import RULE_NAMES, SETTINGS, SOURCE_NAMES, Setting, flag

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # type: ignore[import-not-found,unused-ignore]

Values = dict[str, Any]


def load_config(
    path: Path | None = None,
    flags: Mapping[str, object] | None = None,
    label_flags: Mapping[str, Mapping[str, object]] | None = None,
) -> ListenConfig:
    """Put together what a file and the flags say, over the defaults.

    A flag wins over everything that the file says of that setting, for single labels too. A source named by
    flags replaces the file's whole [source] table. Labels are split at commas in flags only.

    path: the TOML file, if any.
    flags: settings given as flags, by their names.
    label_flags: rules for single labels given as flags, by label and setting.
    Raises: ConfigError naming the file or flag, and the key.
    """
    from_file: Values = {}
    from_file_labels: dict[str, Values] = {}
    if path is not None:
        from_file, from_file_labels = _read_file(path)
    given: Values = {
        name: check_value(flag(name), SETTINGS[name], value) for name, value in (flags or {}).items()
    }
    if any(name in given for name in SOURCE_NAMES):
        from_file = {
            name: value
            for name, value in from_file.items()
            if name in OUTPUT_TABLES or SETTINGS[name].table != "source"
        }
    values = from_file | given
    common = {name: values.pop(name) for name in list(values) if name in RULE_NAMES}
    common_flags = {name: value for name, value in given.items() if name in RULE_NAMES}
    label_rules = {}
    for label in [*from_file_labels, *(label_flags or {})]:
        own = from_file_labels.get(label, {}) | common_flags | dict((label_flags or {}).get(label, {}))
        own = {name: check_value(f"{flag(name)} of {label!r}", SETTINGS[name], own[name]) for name in own}
        label_rules[label] = replace(RuleSettings(**common), **own)
    return ListenConfig(
        **values, comma_lists="labels" in given, rules=RuleSettings(**common), label_rules=label_rules
    )


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
    if setting.kind == "percent" and isinstance(value, str):
        value = _percents_in(value)
    if setting.kind in ("number", "whole", "percent"):
        return _check_number(where, setting, value)
    if setting.kind == "path" and isinstance(value, str | Path) and str(value):
        return Path(value).expanduser()
    if not isinstance(value, str) or not value:
        raise ConfigError(f"{where} must be text in quotes, not {value!r}")
    if setting.choices and value not in setting.choices:
        raise ConfigError(f"{where} must be one of {', '.join(setting.choices)}, not {value!r}")
    return value


def _percents_in(text: str) -> object:
    """The number in a text such as "25%"; the text if there is none. A flag may come without the sign."""
    try:
        return float(text.removesuffix("%"))
    except ValueError:
        return text


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
    kind = {"whole": "a whole number", "percent": 'a share such as "25%", a number'}.get(
        setting.kind, "a number"
    )
    if not isinstance(value, allowed) or isinstance(value, bool):
        raise ConfigError(f"{where} must be {kind}, not {value!r}")
    low, high = setting.range
    if not low <= value <= high:
        raise ConfigError(f"{where} must be {kind} from {low:g} to {high:g}, not {value!r}")
    return value if setting.kind == "whole" else float(value)


def _read_file(path: Path) -> tuple[Values, dict[str, Values]]:
    """The file's settings by name, and those for single labels by label and name, all checked."""
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read the configuration file {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not a configuration file: it is not UTF-8 text") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from error
    values: Values = {}
    labels: dict[str, Values] = {}
    known_tables = [*dict.fromkeys(setting.table for setting in SETTINGS.values()), *OUTPUT_TABLES]
    for table, entries in tables.items():
        if table not in known_tables:
            raise _unknown(path, table, (*known_tables, *SETTINGS))
        if not isinstance(entries, dict):
            raise ConfigError(f"{path}: {table} must be a table: write [{table}], its keys on lines below")
        if table in OUTPUT_TABLES:
            values[table] = _read_output(path, table, entries)
            continue
        if table == "rules":
            labels = _read_label_rules(path, entries.pop("labels", {}))
        known = {name: setting for name, setting in SETTINGS.items() if setting.table == table}
        values |= _read_table(path, table, entries, known)
    return values, labels


def _read_output(path: Path, table: str, entries: Values) -> object:
    values = _read_table(path, table, entries, keys_of(table))
    for key in required_keys(table):
        if key not in values:
            raise ConfigError(f"{path}: [{table}] needs {key}: {keys_of(table)[key].help}")
    return OUTPUT_TABLES[table](**values)


def _read_label_rules(path: Path, tables: object) -> dict[str, Values]:
    if not isinstance(tables, dict) or not all(isinstance(entries, dict) for entries in tables.values()):
        raise ConfigError(f'{path}: rules for single labels are tables, such as [rules.labels."dog bark"]')
    rules = {name: SETTINGS[name] for name in RULE_NAMES}
    return {
        label: _read_table(path, f'rules.labels."{label}"', entries, rules)
        for label, entries in tables.items()
    }


def _read_table(path: Path, table: str, entries: Values, known: Mapping[str, Setting]) -> Values:
    for name in entries:
        if name not in known:
            raise _unknown(path, f"{table}.{name}", [f"{table}.{other}" for other in known])
    return {
        name: check_value(f"{path}: {table}.{name}", known[name], value) for name, value in entries.items()
    }


def _unknown(path: Path, key: str, known: Iterable[str]) -> ConfigError:
    last = key.rsplit(".", maxsplit=1)[-1]
    elsewhere = [f"{setting.table}.{name}" for name, setting in SETTINGS.items() if name == last]
    elsewhere += [f"{table}.{last}" for table in OUTPUT_TABLES if last in keys_of(table)]
    nearest = elsewhere or difflib.get_close_matches(key, list(known), n=1, cutoff=0)
    return ConfigError(f"{path}: unknown key {key}; the nearest known one is {nearest[0]}")

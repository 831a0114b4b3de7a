"""A configuration file and the flags given → `ListenConfig`. Flags win; what isn't known is an error."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from edge.config import ListenConfig, RuleSettings
from edge.errors import ConfigError
from edge.output_settings import OUTPUT_TABLES, keys_of, required_keys
from edge.rule_presets import preset_settings
from edge.setting_values import check_value
from edge.settings import RULE_NAMES, SETTINGS, SOURCE_NAMES, THRESHOLD_CHOICES, Setting, flag

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

    A flag wins over everything that the file says of that setting, for single labels too. A label's preset
    wins over the times that are given for all labels on the same level, file or flags. A source named by
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
    in_file, in_flags = _rules_in(from_file, f"{path}: [rules]"), _rules_in(given, "options")
    given_labels = {label: _flags_of(label, own) for label, own in (label_flags or {}).items()}
    label_rules = {}
    for label in [*from_file_labels, *given_labels]:
        in_file_own = _rules_in(from_file_labels.get(label, {}), f'{path}: [rules.labels."{label}"]')
        label_rules[label] = _layered(in_file, in_file_own, in_flags, given_labels.get(label, {}))
    values = {name: value for name, value in (from_file | given).items() if name not in RULE_NAMES}
    return ListenConfig(
        **values,
        comma_lists="labels" in given,
        rules=_layered(in_file, in_flags),
        label_rules=label_rules,
    )


def _flags_of(label: str, given: Mapping[str, object]) -> Values:
    checked = {
        name: check_value(f"{flag(name)} of {label!r}", SETTINGS[name], value)
        for name, value in given.items()
    }
    return _rules_in(checked, f"options of {label!r}")


def _rules_in(values: Values, where: str) -> Values:
    """Those of a place's settings that are rules. Raises: ConfigError if they contradict each other."""
    rules = {name: value for name, value in values.items() if name in RULE_NAMES}
    try:
        RuleSettings(**rules)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error
    return rules


def _layered(*levels: Values) -> RuleSettings:
    """Rules of several levels, each of which wins over those before it.

    A preset wins over what it stands for in levels before it, and threshold and false_alarms over each other.
    """
    rules: Values = {}
    for level in levels:
        replaced: set[str] = set(THRESHOLD_CHOICES) if any(n in level for n in THRESHOLD_CHOICES) else set()
        if "preset" in level:
            # Only which settings it stands for, which no window changes.
            replaced.update(preset_settings(level["preset"], window_s=1.0, hop_s=1.0))
        rules = {name: value for name, value in rules.items() if name not in replaced} | level
    return RuleSettings(**rules)


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

from __future__ import annotations

import re
from dataclasses import MISSING, fields, replace
from pathlib import Path
from typing import Any

import pytest

from edge.config import ListenConfig, RuleSettings
from edge.config_file import load_config, tomllib
from edge.errors import ConfigError
from edge.manifest import RuleDefaults
from edge.options import listen_config, parse_args
from edge.output_settings import (
    OUTPUT_TABLES,
    ClipsSettings,
    CommandSettings,
    EventFileSettings,
    HealthSettings,
    MetricsSettings,
    MqttSettings,
    WebhookSettings,
    keys_of,
    required_keys,
)
from edge.setting_values import check_value
from edge.settings import RULE_NAMES, SETTINGS

EXAMPLE = Path(__file__).resolve().parent.parent.parent / "configs" / "edge-listen.toml"


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "edge-listen.toml"
    path.write_text(text, encoding="utf-8")
    return path


def refusal(tmp_path: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(write(tmp_path, text))
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_without_file_and_flags_the_defaults_hold() -> None:
    assert load_config() == ListenConfig()


def test_a_file_holds_whatever_the_flags_do(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """
        [listen]
        labels = ["dog bark", "siren"]
        bundle = "/opt/bundle"
        encoder = "int8"
        provider = "cuda"
        hop_s = 0.24
        gate_dbfs = -50
        budget = "25%"
        nice = 0
        [source]
        input_command = "arecord"
        pcm = "s16le:48000:1"
        [rules]
        threshold = 0.5
        off_margin = 0.05
        margin = -0.02
        rivals = "all"
        confirm_s = 0
        within_s = 3
        release_s = 2.0
        cooldown_s = 30
        preset = "sustained"
        min_s = 2
        max_s = 60
        one_shot = true
        [output]
        json = true
        top = 3
        verbose = true
        debug = true
        """,
    )
    flags = [
        "--labels=dog bark", "--labels=siren", "--bundle=/opt/bundle", "--encoder=int8", "--provider=cuda",
        "--hop-s=0.24", "--gate-dbfs=-50", "--budget=25%", "--nice=0", "--input-command=arecord",
        "--pcm=s16le:48000:1",
        "--threshold=0.5", "--off-margin=0.05", "--margin=-0.02", "--rivals=all", "--confirm-s=0",
        "--within-s=3", "--release-s=2", "--cooldown-s=30", "--preset=sustained", "--min-s=2",
        "--max-s=60", "--one-shot", "--json", "--top=3", "-v", "--debug",
    ]  # fmt: skip
    assert replace(load_config(path), comma_lists=True) == listen_config(parse_args(flags))


def test_every_setting_has_a_default_and_every_default_a_setting() -> None:
    of_rules = {each.name for each in fields(RuleSettings)}
    of_program = {each.name for each in fields(ListenConfig)} - {"rules", "label_rules", "comma_lists"}
    assert set(RULE_NAMES) == of_rules
    assert set(SETTINGS) | set(OUTPUT_TABLES) == of_rules | of_program
    assert not set(SETTINGS) & set(OUTPUT_TABLES)


def example_tables() -> dict[str, Any]:
    """The example with all that is switched off, such as `#hop_s = 0.48` or `#[mqtt]`, switched on."""
    text = re.sub(r"^#(?=\w+ = |\[)", "", EXAMPLE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return tomllib.loads(text)


def test_the_example_holds_every_setting_in_its_table() -> None:
    tables = example_tables()
    assert tables["rules"].pop("labels")
    found = [(table, name) for table, entries in tables.items() for name in entries]
    known = [(setting.table, name) for name, setting in SETTINGS.items()]
    known += [(table, name) for table in OUTPUT_TABLES for name in keys_of(table)]
    assert sorted(found) == sorted(known)


def test_all_that_the_example_switches_off_is_well_written() -> None:
    tables = example_tables()
    for table, entries in tables.items():
        entries.pop("labels", None)
        known = keys_of(table) if table in OUTPUT_TABLES else SETTINGS
        for name, value in entries.items():
            check_value(f"{table}.{name}", known[name], value)


@pytest.mark.parametrize("table", OUTPUT_TABLES)
def test_the_example_shows_the_default_of_every_key_of_an_output_that_has_one(table: str) -> None:
    shown = example_tables()[table]
    for each in fields(OUTPUT_TABLES[table]):
        if each.default is not MISSING and each.default is not None:
            assert check_value(each.name, keys_of(table)[each.name], shown[each.name]) == each.default


def test_the_example_switches_no_output_on() -> None:
    config = load_config(EXAMPLE)
    assert [table for table in OUTPUT_TABLES if getattr(config, table) is not None] == ["health"]


def test_the_example_shows_the_defaults() -> None:
    config = load_config(EXAMPLE)
    assert config.rules == RuleSettings()
    assert config == ListenConfig(labels=config.labels, label_rules=config.label_rules)


def test_a_flag_wins_over_the_file(tmp_path: Path) -> None:
    path = write(
        tmp_path, '[listen]\nlabels = ["siren"]\nhop_s = 0.24\n[rules]\nmargin = 0.1\nrelease_s = 9\n'
    )
    config = load_config(path, {"labels": ["dog bark"], "margin": 0.2})
    assert config.labels == ("dog bark",)
    assert config.rules.margin == 0.2
    assert (config.hop_s, config.rules.release_s) == (0.24, 9.0)


def test_labels_are_split_at_commas_in_flags_only(tmp_path: Path) -> None:
    path = write(tmp_path, '[listen]\nlabels = ["door, slammed"]\n')
    assert not load_config(path).comma_lists
    assert load_config(path, {"labels": ["siren,bus"]}).comma_lists
    assert load_config(path, {"top": 3}).labels == ("door, slammed",)
    assert not load_config(path, {"top": 3}).comma_lists


def test_rules_for_one_label_change_only_what_they_name(tmp_path: Path) -> None:
    path = write(
        tmp_path, '[rules]\nthreshold = 0.5\nmargin = 0.1\n[rules.labels."dog bark"]\nthreshold = 0.7\n'
    )
    config = load_config(path)
    assert config.label_rules == {"dog bark": RuleSettings(threshold=0.7, margin=0.1)}
    assert config.rules == RuleSettings(threshold=0.5, margin=0.1)


def test_a_flag_wins_over_the_files_rules_for_one_label(tmp_path: Path) -> None:
    path = write(tmp_path, '[rules.labels."dog bark"]\nthreshold = 0.7\nmargin = 0.3\n')
    config = load_config(path, {"threshold": 0.2})
    assert config.label_rules["dog bark"] == RuleSettings(threshold=0.2, margin=0.3)


def test_what_is_the_bundles_own_is_none_until_it_is_given() -> None:
    own = {field.name for field in fields(RuleDefaults)} | {"threshold"}
    assert all(getattr(load_config().rules, name) is None for name in own)
    given = dict.fromkeys(own, 0.5) | {"rivals": "none"}
    for name, value in given.items():
        assert getattr(load_config(None, {name: value}).rules, name) == value


def test_thresholds_as_flags_are_for_all_labels_or_for_one() -> None:
    args = parse_args(["--labels", "a", "--threshold", "0.4", "--threshold", "dog bark=0.7"])
    config = listen_config(args)
    assert config.rules.threshold == 0.4
    assert config.label_rules["dog bark"].threshold == 0.7


@pytest.mark.parametrize("text", ["high", "dog bark=high", "dog bark="])
def test_a_threshold_that_is_no_number_is_refused_with_what_to_type(text: str) -> None:
    with pytest.raises(ConfigError, match="LABEL=SCORE"):
        listen_config(parse_args(["--labels", "a", "--threshold", text]))


def test_a_flag_that_names_a_label_is_for_that_label() -> None:
    flags = ["--preset=sustained", "--preset=door knock=impulsive", "--threshold=door knock=0.7"]
    flags += ["--false-alarms=0.5/h", "--false-alarms=dog bark=0.2/h"]
    config = listen_config(parse_args(["--labels", "a", *flags]))
    assert config.rules == RuleSettings(preset="sustained", false_alarms=0.5)
    assert config.label_rules == {
        "door knock": RuleSettings(preset="impulsive", threshold=0.7),
        "dog bark": RuleSettings(preset="sustained", false_alarms=0.2),
    }


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--preset=dog bark=loud"], "--preset of 'dog bark' must be one of impulsive, sustained, beeping"),
        (["--preset=loud"], "--preset must be one of impulsive, sustained, beeping, not 'loud'"),
        (["--preset=dog bark="], "--preset takes PRESET or \"LABEL=PRESET\", not 'dog bark='"),
        (["--false-alarms=dog bark=often"], "--false-alarms of 'dog bark' must be a rate such as \"0.5/h\""),
        (["--false-alarms="], '--false-alarms takes RATE or "LABEL=RATE"'),
    ],
)
def test_a_wrong_value_for_one_label_is_refused_with_what_to_type(flags: list[str], says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        listen_config(parse_args(["--labels", "a", *flags]))
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("text", "an_hour"),
    [
        ('"0.5/h"', 0.5),
        ('"0.5 / h"', 0.5),
        ('"2/hour"', 2.0),
        ('"3/day"', 0.125),
        ('"0.01/h"', 0.01),
        ('"20"', 20.0),
        ("1", 1.0),
        ("0.5", 0.5),
    ],
)
def test_false_alarms_are_a_rate(tmp_path: Path, text: str, an_hour: float) -> None:
    assert load_config(write(tmp_path, f"[rules]\nfalse_alarms = {text}\n")).rules.false_alarms == an_hour
    flag = f"--false-alarms=siren={text.strip(chr(34))}"
    config = listen_config(parse_args(["--labels", "a", flag]))
    assert config.label_rules["siren"].false_alarms == an_hour


@pytest.mark.parametrize(
    "text",
    [
        '"0.5/week"',
        '"/h"',
        '"often"',
        '"0/h"',
        '"0.1/day"',
        '"21/h"',
        '"nan/h"',
        '"-1/h"',
        '"1/2/h"',
        '"1/"',
        '"0.5h"',
        '""',
        "0",
        "true",
        "inf",
    ],
)
def test_false_alarms_that_are_no_rate_or_out_of_range_are_refused_with_what_to_write(
    tmp_path: Path, text: str
) -> None:
    message = refusal(tmp_path, f"[rules]\nfalse_alarms = {text}\n")
    assert 'rules.false_alarms must be a rate such as "0.5/h" or "3/day"' in message


BOTH = "threshold = 0.5\nfalse_alarms = 1\n"


@pytest.mark.parametrize(
    ("text", "where"),
    [(f"[rules]\n{BOTH}", "[rules]:"), (f'[rules.labels."dog bark"]\n{BOTH}', '[rules.labels."dog bark"]:')],
)
def test_a_threshold_and_false_alarms_on_the_same_level_are_refused(
    tmp_path: Path, text: str, where: str
) -> None:
    message = refusal(tmp_path, text)
    assert where in message
    assert "threshold and false_alarms each choose the threshold: give one of them" in message
    assert str(tmp_path / "edge-listen.toml") in message


@pytest.mark.parametrize("label", ["", "siren="])
def test_a_threshold_and_false_alarms_as_flags_are_refused(label: str) -> None:
    flags = [f"--threshold={label}0.5", f"--false-alarms={label}1/h"]
    with pytest.raises(ConfigError, match="give one of them"):
        listen_config(parse_args(["--labels", "a", *flags]))


def test_a_labels_own_choice_of_threshold_wins_over_the_other_one_for_all(tmp_path: Path) -> None:
    path = write(tmp_path, "[rules]\nfalse_alarms = 1\n[rules.labels.siren]\nthreshold = 0.7\n")
    config = load_config(path, None, {"dog bark": {"threshold": 0.6}})
    assert config.rules == RuleSettings(false_alarms=1.0)
    assert config.label_rules["siren"] == RuleSettings(threshold=0.7)
    assert config.label_rules["dog bark"] == RuleSettings(threshold=0.6)
    path = write(tmp_path, "[rules]\nthreshold = 0.7\n[rules.labels.siren]\nfalse_alarms = 1\n")
    assert load_config(path).label_rules["siren"] == RuleSettings(false_alarms=1.0)
    assert load_config(path, {"threshold": 0.2}).label_rules["siren"] == RuleSettings(threshold=0.2)


def test_a_labels_preset_wins_over_times_for_all_that_it_stands_for(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """
        [rules]
        confirm_s = 1
        one_shot = true
        margin = 0.1
        cooldown_s = 30
        [rules.labels.siren]
        preset = "sustained"
        release_s = 9
        """,
    )
    config = load_config(path)
    # What the preset has no opinion on stays, and so does what is the label's own.
    assert config.label_rules["siren"] == RuleSettings(
        preset="sustained", release_s=9.0, margin=0.1, cooldown_s=30.0
    )
    # A flag wins over the file, for single labels too.
    assert load_config(path, {"confirm_s": 0.5}).label_rules["siren"].confirm_s == 0.5


def test_a_label_has_the_preset_for_all_and_its_own_times_win_over_it(tmp_path: Path) -> None:
    path = write(
        tmp_path, '[rules]\npreset = "beeping"\nrelease_s = 9\n[rules.labels.siren]\nconfirm_s = 0\n'
    )
    config = load_config(path)
    assert config.rules == RuleSettings(preset="beeping", release_s=9.0)
    assert config.label_rules["siren"] == RuleSettings(preset="beeping", release_s=9.0, confirm_s=0.0)


@pytest.mark.parametrize("flags", [{"threshold": 1.5}, {"confirm_s": -1.0}, {"hop_s": float("nan")}])
def test_a_flag_out_of_range_is_refused_by_its_name(flags: dict[str, object]) -> None:
    (name,) = flags
    with pytest.raises(ConfigError, match="--" + name.replace("_", "-")):
        load_config(None, flags)


def test_a_source_named_by_a_flag_replaces_the_files_source(tmp_path: Path) -> None:
    path = write(tmp_path, '[source]\ninput = "-"\npcm = "s16le:48000:1"\n')
    config = load_config(path, {"input": "street.wav"})
    assert (config.input, config.pcm) == ("street.wav", None)


def test_two_sources_at_once_are_refused() -> None:
    with pytest.raises(ConfigError, match="--input and --device"):
        load_config(None, {"input": "street.wav", "device": "USB"})


@pytest.mark.parametrize("flags", [{"input": "-"}, {"input_command": "arecord"}])
def test_raw_sound_without_its_format_is_refused_with_what_to_type(flags: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="--pcm s16le:48000:1"):
        load_config(None, flags)


@pytest.mark.parametrize("flags", [{}, {"input": "street.wav"}, {"device": "USB"}])
def test_a_format_for_a_source_that_has_its_own_is_refused(flags: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="--pcm goes with"):
        load_config(None, {**flags, "pcm": "s16le:48000:1"})


@pytest.mark.parametrize(
    ("text", "key", "nearest"),
    [
        ("[rules]\nthreshhold = 0.5\n", "rules.threshhold", "rules.threshold"),
        ("[lisen]\n", "lisen", "listen"),
        ("top = 3\n", "top", "output.top"),
        ("[output]\nhop_s = 1\n", "output.hop_s", "listen.hop_s"),
        ("[mqqt]\n", "mqqt", "mqtt"),
        ('[mqtt]\nhosst = "broker"\n', "mqtt.hosst", "mqtt.host"),
        ("[listen]\nrestart_after_s = 60\n", "listen.restart_after_s", "health.restart_after_s"),
        ("[health]\ntell_after = 60\n", "health.tell_after", "health.tell_after_s"),
        ('[webhook]\nurl = "http://a"\nurls = 1\n', "webhook.urls", "webhook.url"),
        ('[rules.labels."dog bark"]\nconfirm = 1\n', 'rules.labels."dog bark".confirm', "confirm_s"),
    ],
)
def test_an_unknown_key_is_refused_with_the_file_and_the_nearest_known_one(
    tmp_path: Path, text: str, key: str, nearest: str
) -> None:
    message = refusal(tmp_path, text)
    assert key in message
    assert nearest in message.partition("nearest")[2]
    assert str(tmp_path / "edge-listen.toml") in message


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('[listen]\nlabels = "siren"\n', "listen.labels"),
        ("[listen]\nlabels = [1]\n", "listen.labels"),
        ("[listen]\nlabels = ['']\n", "listen.labels"),
        ("[listen]\nhop_s = '1'\n", "listen.hop_s"),
        ("[listen]\nhop_s = true\n", "listen.hop_s"),
        ("[listen]\nhop_s = nan\n", "listen.hop_s"),
        ("[listen]\nhop_s = 0\n", "listen.hop_s"),
        ("[listen]\ngate_dbfs = 3\n", "listen.gate_dbfs"),
        ("[listen]\nprovider = 'gpu'\n", "listen.provider"),
        ("[listen]\nnice = 20\n", "listen.nice"),
        ("[listen]\nnice = 2.5\n", "listen.nice"),
        ("[metrics]\nport = 0\n", "metrics.port"),
        ("[metrics]\nport = 9808.0\n", "metrics.port"),
        ("[metrics]\nhost = ''\n", "metrics.host"),
        ("[health]\nreopen_after_s = 1\n", "health.reopen_after_s"),
        ("[clips]\nno_speech = 'yes'\n", "clips.no_speech"),
        ("[clips]\nlongest_s = inf\n", "clips.longest_s"),
        ("[clips]\ndirectory = ''\n", "clips.directory"),
        ("[command]\nrun = 'true'\nqueue = 0\n", "command.queue"),
        ("mqtt = 'broker'\n", "[mqtt]"),
        ("[[mqtt]]\nhost = 'broker'\n", "[mqtt]"),
        ("[listen]\nbundle = 3\n", "listen.bundle"),
        ("[source]\ndevice = 2\n", "source.device"),
        ("[rules]\nthreshold = 60\n", "rules.threshold"),
        ("[rules]\nrivals = 'some'\n", "rules.rivals"),
        ("[rules]\npreset = 'loud'\n", "rules.preset"),
        ("[rules]\none_shot = 1\n", "rules.one_shot"),
        ("[rules]\nmax_s = 0\n", "rules.max_s"),
        ("[rules]\nmin_s = -1\n", "rules.min_s"),
        ("[output]\ntop = 2.5\n", "output.top"),
        ("[output]\njson = 1\n", "output.json"),
        ('[rules.labels."dog bark"]\nthreshold = 2\n', 'rules.labels."dog bark".threshold'),
        ("rules = 1\n", "[rules]"),
        ("[rules]\nlabels = 1\n", '[rules.labels."dog bark"]'),
    ],
)
def test_a_wrong_value_is_refused_with_the_file_and_the_key(tmp_path: Path, text: str, key: str) -> None:
    message = refusal(tmp_path, text)
    assert key in message
    assert str(tmp_path / "edge-listen.toml") in message


def test_a_file_that_is_not_toml_is_refused_with_the_line(tmp_path: Path) -> None:
    assert "line 2" in refusal(tmp_path, "[listen]\nlabels =\n")


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "edge-listen.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not UTF-8 text"):
        load_config(path)


def test_a_file_that_is_not_there_is_refused_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml: No such file"):
        load_config(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("text", "table", "expected"),
    [
        ('[events_file]\npath = "/a/b"\n', "events_file", EventFileSettings(Path("/a/b"))),
        ('[mqtt]\nhost = "broker"\nport = 1884\n', "mqtt", MqttSettings("broker", port=1884)),
        ('[webhook]\nurl = "http://a"\n', "webhook", WebhookSettings("http://a")),
        (
            '[command]\nrun = "true"\nevents = ["offset", "health"]\n',
            "command",
            CommandSettings("true", events=("offset", "health")),
        ),
        ("[metrics]\n", "metrics", MetricsSettings()),
        ("[clips]\nmax_mb = 5\n", "clips", ClipsSettings(max_mb=5.0)),
        ("[health]\ntell_after_s = 0\n", "health", HealthSettings(tell_after_s=0.0)),
    ],
)
def test_a_table_switches_its_output_on_with_what_it_names(
    tmp_path: Path, text: str, table: str, expected: object
) -> None:
    assert load_config(write(tmp_path, text)) == replace(ListenConfig(), **{table: expected})


def test_outputs_of_the_file_stay_when_a_flag_names_another_source(tmp_path: Path) -> None:
    path = write(tmp_path, '[source]\ndevice = "USB"\n[webhook]\nurl = "http://a"\n')
    config = load_config(path, {"input": "street.wav"})
    assert (config.device, config.webhook) == (None, WebhookSettings("http://a"))


@pytest.mark.parametrize(
    ("table", "key"),
    [("events_file", "path"), ("mqtt", "host"), ("webhook", "url"), ("command", "run")],
)
def test_a_table_without_the_key_that_it_needs_is_refused_with_what_that_means(
    tmp_path: Path, table: str, key: str
) -> None:
    assert required_keys(table) == [key]
    message = refusal(tmp_path, f"[{table}]\n")
    assert f"[{table}] needs {key}: {keys_of(table)[key].help}" in message
    assert str(tmp_path / "edge-listen.toml") in message


@pytest.mark.parametrize(
    ("events", "says"),
    [
        ('["onset", "onsets"]', "may hold onset, offset, health, not 'onsets'"),
        ('["Onset"]', "may hold onset, offset, health, not 'Onset'"),
        ('"onset"', 'must be a list of names, such as ["onset", "offset", "health"]'),
        ("[1]", "must be a list of names"),
        ('[""]', "must be a list of names"),
    ],
)
@pytest.mark.parametrize(
    "start",
    ['[events_file]\npath = "a"', '[mqtt]\nhost = "a"', '[webhook]\nurl = "a"', '[command]\nrun = "a"'],
)
def test_wrong_kinds_of_events_are_refused_with_those_there_are(
    tmp_path: Path, start: str, events: str, says: str
) -> None:
    message = refusal(tmp_path, f"{start}\nevents = {events}\n")
    assert start[1:].partition("]")[0] + ".events" in message
    assert says in message


@pytest.mark.parametrize("text", ['"25%"', "25", "25.0", '"25"', '"25.0 %"'])
def test_a_budget_is_a_share_in_percent(tmp_path: Path, text: str) -> None:
    assert load_config(write(tmp_path, f"[listen]\nbudget = {text}\n")).budget == 25.0
    flag_text = text.strip('"')
    assert listen_config(parse_args(["--labels", "a", "--budget", flag_text])).budget == 25.0


@pytest.mark.parametrize(
    "text", ["x%", "%", "0", "0%", "101", "101%", "nan%", "inf%", "-5%", "5%%", "a quarter"]
)
def test_a_budget_that_is_no_share_is_refused_with_what_to_write(tmp_path: Path, text: str) -> None:
    message = refusal(tmp_path, f'[listen]\nbudget = "{text}"\n')
    assert "listen.budget" in message
    assert '"25%"' in message
    with pytest.raises(ConfigError, match="--budget must be"):
        listen_config(parse_args(["--labels", "a", f"--budget={text}"]))


@pytest.mark.parametrize("text", ["true", "0", "101", "0.5", "[25]"])
def test_a_budget_of_another_type_or_out_of_range_is_refused(tmp_path: Path, text: str) -> None:
    assert "listen.budget" in refusal(tmp_path, f"[listen]\nbudget = {text}\n")


def test_clips_can_be_asked_for_by_flags(tmp_path: Path) -> None:
    config = listen_config(parse_args([f"--clips={tmp_path}", "--no-speech"]))
    assert config.clips == ClipsSettings(directory=tmp_path, no_speech=True)
    path = write(tmp_path, "[clips]\nmax_mb = 5\n")
    config = listen_config(parse_args([f"--config={path}", "--no-speech"]))
    assert config.clips == ClipsSettings(max_mb=5.0, no_speech=True)


def test_no_speech_without_clips_is_refused() -> None:
    with pytest.raises(ConfigError, match="--clips DIR"):
        listen_config(parse_args(["--no-speech"]))

"""What each setting of `edge-listen` may be and means, once, for flags and configuration file alike."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

Provider = Literal["auto", "cpu", "cuda", "tensorrt"]
Rivals = Literal["background", "all", "none"]
Preset = Literal["impulsive", "sustained", "beeping"]


@dataclass(frozen=True)
class Setting:
    """A setting's values and meaning.

    Attributes:
        table: the table of the configuration file that it stands in; empty for `edge.output_settings`.
        kind: type of its values; "words" is a list of texts, "switch" is true or false, "percent" is a number
            or a text such as "25%", "rate" a number an hour or a text such as "0.5/h" or "3/day".
        help: its meaning in plain words, for `--help`, which adds the default.
        metavar: how `--help` names the value, usually its unit.
        range: least and greatest number allowed.
        choices: the values allowed, or of "words" each of them, if they can be listed.
        default: how `--help` names a default that the value itself doesn't say.
    """

    table: Literal["listen", "source", "rules", "output", ""]
    kind: Literal["words", "text", "path", "number", "whole", "percent", "rate", "switch"]
    help: str
    metavar: str = ""
    range: tuple[float, float] = (-math.inf, math.inf)
    choices: tuple[str, ...] = ()
    default: str = ""


def _text(
    table: Literal["listen", "source", "rules"],
    metavar: str,
    meaning: str,
    *,
    choices: tuple[str, ...] = (),
    default: str = "",
) -> Setting:
    return Setting(table, "text", meaning, metavar, choices=choices, default=default)


def _rule(metavar: str, low: float, high: float, meaning: str, default: str = "the bundle's own") -> Setting:
    return Setting("rules", "number", meaning, metavar, (low, high), default=default)


SETTINGS = {
    "labels": Setting(
        "listen",
        "words",
        'the sounds to listen for, such as "dog bark,siren"; repeatable; `edge-listen labels` lists all, and '
        "says if the bundle takes any other words too",
        "NAMES",
    ),
    "bundle": Setting(
        "listen",
        "path",
        "directory of the bundle (encoder and labels) to use",
        "DIR",
        default="the built-in one",
    ),
    "encoder": _text(
        "listen",
        "NAME",
        "which of the bundle's encoders to run",
        default="the one meant for the provider",
    ),
    "provider": _text(
        "listen",
        "",
        "what computes; auto takes the best there is and says so, one that is named must be there",
        choices=get_args(Provider),
    ),
    "hop_s": Setting(
        "listen",
        "number",
        "time from the start of one window to the next; longer costs less and notices later",
        "SECONDS",
        (0.01, 60),
        default="the bundle's own",
    ),
    "gate_dbfs": Setting(
        "listen",
        "number",
        "windows below this level, in dB against full scale, are passed over as quiet",
        "DBFS",
        (-200, 0),
    ),
    "budget": Setting(
        "listen",
        "percent",
        "how much of one processor core it may use, such as 25%; passes windows of a live source over for it",
        "PERCENT",
        (1, 100),
        default="no limit",
    ),
    "nice": Setting(
        "listen",
        "whole",
        "how far it steps back behind other programs that want the processor, for a live source",
        "N",
        (0, 19),
    ),
    "unknown": Setting(
        "listen",
        "switch",
        'tell of any loud sound that is like no label and no background, too, as "unknown sound"',
    ),
    "input": _text(
        "source",
        "FILE",
        "an audio file, or - for raw sound on standard input (with --pcm)",
        default="the microphone",
    ),
    "pcm": _text("source", "FORMAT", "format of raw sound as ENCODING:RATE:CHANNELS, such as s16le:48000:1"),
    "input_command": _text(
        "source",
        "COMMAND",
        'a command that writes raw sound (with --pcm), such as "arecord -q -t raw -f S16_LE -r 48000"',
    ),
    "device": _text(
        "source",
        "NAME",
        "the microphone to use, by name, card or USB identity; `edge-listen devices` lists them",
        default="the system's default",
    ),
    "preset": _text(
        "rules",
        "PRESET",
        "times that suit a kind of sound: impulsive (knock, bark) is told once, sustained (siren, rain) must "
        "last, beeping (alarms) must come again; options below that are given too win over it; "
        '"dog bark=impulsive" sets it for one label; repeatable',
        choices=get_args(Preset),
        default="none",
    ),
    "threshold": _rule(
        "SCORE",
        -1,
        1,
        'score (cosine, -1 to 1) from which a window supports a label; "dog bark=0.7" sets it for one label; '
        "repeatable",
        default="the bundle's own for each label",
    ),
    "false_alarms": Setting(
        "rules",
        "rate",
        'instead of a threshold, how often a label may be told by mistake, such as "0.5/h" or "3/day": its '
        "threshold is the one that comes to this over the bundle's background; "
        '"dog bark=0.2/h" sets it for one label; repeatable',
        "RATE",
        (0.01, 20),
        default="off",
    ),
    "off_margin": _rule(
        "SCORE", 0, 2, "an event that has begun lasts while its score stays above the threshold less this"
    ),
    "margin": _rule(
        "SCORE",
        -2,
        2,
        "by how much a label's score must beat its rivals'; below 0, a rival may be that much better",
    ),
    "rivals": _text(
        "rules",
        "",
        "the sounds that a label must beat: the bundle's background sounds, all of its sounds, or none; "
        "kindred sounds never stop each other",
        choices=get_args(Rivals),
        default="the bundle's own",
    ),
    "confirm_s": _rule(
        "SECONDS",
        0,
        3600,
        "an event begins when windows have supported it for this long, a hop each; 0: one window is enough",
    ),
    "within_s": _rule("SECONDS", 0, 3600, "that support must come within this time"),
    "release_s": _rule("SECONDS", 0, 3600, "an event ends when its score has been too low for this long"),
    "cooldown_s": _rule(
        "SECONDS",
        0,
        86400,
        "after an event, the same label begins none for this long",
        default="0, or the preset's",
    ),
    "min_s": _rule(
        "SECONDS",
        0,
        3600,
        "an event is told only once its sound has lasted this long; a shorter one is none",
        default="0, or the preset's",
    ),
    "max_s": _rule(
        "SECONDS",
        0.01,
        86400,
        "an event ends when it has lasted this long, and the label begins none until its sound has ended",
        default="no limit",
    ),
    "one_shot": Setting(
        "rules",
        "switch",
        "an event is told once, however long its sound goes on, and the label begins none until it has ended",
    ),
    "json": Setting("output", "switch", "write events as JSON, one a line"),
    "top": Setting(
        "output",
        "whole",
        "show live what it hears: the N best labels of each window, their scores and thresholds",
        "N",
        (0, 1000),
        default="off",
    ),
    "explain": Setting(
        "output",
        "switch",
        "say why each event began and ended, what its prototype was made from, and why near misses were none",
    ),
    "near_misses": Setting(
        "output",
        "path",
        "a file for sounds that were nearly events, with what was lacking, as JSON lines",
        "FILE",
    ),
    "verbose": Setting("output", "switch", "say more about what is being done"),
    "debug": Setting("output", "switch", "show an error's full traceback"),
}
"""Every setting by name, in the order of `--help`."""

RULE_NAMES = tuple(name for name, setting in SETTINGS.items() if setting.table == "rules")
"""Settings that can differ from label to label."""
THRESHOLD_CHOICES = ("threshold", "false_alarms")
"""Settings that each choose the threshold; only one may be given at a level."""
PER_LABEL_FLAGS = ("preset", "threshold", "false_alarms")
"""Settings whose flag takes "LABEL=VALUE" for one label too, and may be repeated."""
SOURCE_NAMES = ("input", "input_command", "device")
"""Settings that name a source; only one may be given."""


def flag(name: str) -> str:
    """A setting's name on the command line."""
    return "--" + name.replace("_", "-")

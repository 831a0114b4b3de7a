"""`edge-listen devices`: the microphones of this machine; with `--test`, what one of them hears."""

from __future__ import annotations

import argparse
import math
from typing import TextIO

from edge.daemon import stopped_by_signals
from edge.device_recording import find_microphone
from edge.device_test import DeviceReport, decibels
from edge.errors import AudioSourceError, ConfigError
from edge.sinks.text import standard_output, write_line
from edge.sources.microphone import list_microphones
from edge.sources.microphone_choice import Microphone

UNUSABLE = AudioSourceError.exit_code
_HINT = """
* is used when --device names none; --device takes a name, a part of it, a card id (hw:CARD=...),
a USB device (usb:...) or a USB port (usb-...). To test one: edge-listen devices --test --device NAME"""


def run(args: argparse.Namespace) -> int:
    """Print one microphone a line, or test one; returns the exit code, 5 for one that can't be used.

    Raises: AudioSourceError if there is none; ConfigError if the time of a test is out of range.
    """
    device = getattr(args, "device", None)
    if args.test:
        if not 0.5 <= args.seconds <= 600:
            raise ConfigError(f"--seconds must be from 0.5 to 600, not {args.seconds:g}")
        return _test(device, args.seconds)
    if device is not None:
        raise ConfigError("--device goes with --test: without it, all microphones are listed")
    _list()
    return 0


def _list() -> None:
    microphones = list_microphones()
    if not microphones:
        raise AudioSourceError("no microphone was found: plug one in; without any, try: edge-listen demo")
    stdout = standard_output()
    width = max(len(microphone.name) for microphone in microphones)
    for microphone in microphones:
        mark = "*" if microphone.is_default else " "
        write_line(
            stdout,
            f"{mark} {microphone.name:<{width}}  {', '.join((_facts(microphone), *microphone.identities))}",
        )
    write_line(stdout, _HINT)


def _test(device: str | None, seconds: float) -> int:
    stdout = standard_output()
    trial = find_microphone(device)
    with stopped_by_signals(trial.source):
        report, failure = trial.record(seconds)
    _show(stdout, trial.microphone, report, failure)
    return UNUSABLE if report.problem is not None or failure is not None else 0


def _facts(microphone: Microphone) -> str:
    return f"{microphone.sample_rate_hz} Hz, {microphone.n_channels} channel(s), {microphone.host_api}"


def _show(stdout: TextIO, microphone: Microphone, report: DeviceReport, failure: str | None) -> None:
    lines = {
        "microphone": ", ".join((microphone.name, *microphone.identities)),
        "native": _facts(microphone),
        "recorded": f"{report.recorded_s:.1f} s, {report.lost_s:.2f} s lost",
        "rate": "too short to tell"
        if report.rate_hz is None
        else f"{report.rate_hz:.0f} samples a second came, {report.nominal_rate_hz} should",
        "level": f"{_dbfs(report.level_dbfs)} in the loudest 0.1 s, {_dbfs(report.mean_level_dbfs)} overall",
        "peak": f"{abs(report.peak):.4f} of full scale ({_dbfs(decibels(report.peak))})",
        "clipped": f"{100 * report.clipped_share:.2f} % of the samples",
        "DC offset": f"{round(report.dc_offset, 4) + 0.0:+.4f} of full scale",
        "verdict": report.verdict if failure is None else f"not usable, {failure}",
    }
    width = max(map(len, lines))
    for name, text in lines.items():
        write_line(stdout, f"{name:<{width}}  {text}")


def _dbfs(level: float) -> str:
    if math.isnan(level):
        return "no number"
    return f"{level:.1f} dBFS"

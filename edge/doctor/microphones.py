"""The microphone, or whatever else the sound comes from."""

from __future__ import annotations

import getpass
import grp
import os
import shlex
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from edge.device_recording import find_microphone
from edge.device_test import DeviceReport
from edge.doctor.check import Check, Subject
from edge.errors import AudioSourceError, ConfigError
from edge.sources.microphone import list_microphones
from edge.sources.microphone_choice import Microphone, choose

LISTEN_S = 2.0
_RECORDS = "pcmC*D*c"
_JOIN = "sudo usermod -aG audio {user}, then log in anew"


def other_source(subject: Subject) -> Iterator[Check]:
    """A file or command that the configuration names instead of a microphone."""
    config = subject.config
    if config.input is not None and config.input != "-":
        there = Path(config.input).expanduser().is_file()
        text = f"the file {config.input}" if there else f"there is no file {config.input}"
        yield Check("source", "ok" if there else "fail", text, None if there else "correct input in [source]")
    if config.input_command is not None:
        program = (shlex.split(config.input_command) or [""])[0]
        found = shutil.which(program)
        text = f"the command {found}" if found else f"there is no program {program!r}"
        yield Check(
            "source", "ok" if found else "fail", text, None if found else "install it, or correct its path"
        )


def permission(subject: Subject, dev_snd: Path = Path("/dev/snd")) -> Iterator[Check]:
    """Whether this user may record from the sound cards."""
    nodes = sorted(dev_snd.glob(_RECORDS))
    if not nodes or not subject.has_microphone:
        return
    closed = [node for node in nodes if not os.access(node, os.R_OK | os.W_OK)]
    yield judge_permission(nodes, closed, is_root=os.geteuid() == 0, in_audio=_in_audio_group())


def judge_permission(
    nodes: Sequence[Path], closed: Sequence[Path], *, is_root: bool, in_audio: bool
) -> Check:
    """nodes: devices that record; closed: those of them that this user can't open."""
    names = ", ".join(str(node) for node in closed or nodes)
    if closed:
        remedy = _JOIN.format(user=getpass.getuser())
        text = f"this user may not record from {names}"
        return Check("permission", "warn" if len(closed) < len(nodes) else "fail", text, remedy)
    who = "you run this as root, so it says nothing of other users" if is_root else "this user may record"
    return Check("permission", "ok", f"{who} ({names}{', group audio' if in_audio else ''})")


def _in_audio_group() -> bool:
    try:
        return grp.getgrnam("audio").gr_gid in {os.getegid(), *os.getgroups()}
    except KeyError:
        return False


def microphone(subject: Subject) -> Iterator[Check]:
    """Which there are, and which of them is meant."""
    if not subject.has_microphone:
        return
    yield judge_microphone(list_microphones(), subject.config.device, is_service=subject.is_service)


def judge_microphone(microphones: Sequence[Microphone], wanted: str | None, *, is_service: bool) -> Check:
    """wanted: as the configuration has it. is_service: whether for the service, which has no sound server."""
    try:
        chosen = microphones[choose(microphones, wanted)]
    except (AudioSourceError, ConfigError) as error:
        return Check("microphone", "fail", str(error))
    said = "the default" if wanted is None else repr(wanted)
    text = f"{', '.join((chosen.name, *chosen.identities))} ({said} of {len(microphones)})"
    if is_service and chosen.card_id is None and any(m.card_id for m in microphones):
        remedy = "name a card: device under [source], as edge-listen devices shows it"
        return Check(
            "microphone", "warn", f"{text} may be your sound server's, which a service can't reach", remedy
        )
    return Check("microphone", "ok", text)


def listening(subject: Subject) -> Iterator[Check]:
    """Two seconds of it, unless it is listened to already. AudioSourceError if it can't be opened."""
    if not subject.has_microphone:
        return
    if subject.is_listening:
        yield Check("listening", "ok", "not tested, because an edge-listen is using the microphone")
        return
    try:
        trial = find_microphone(subject.config.device)
    except (AudioSourceError, ConfigError):  # of which `microphone` tells
        return
    yield judge_listening(*trial.record(LISTEN_S))


def judge_listening(report: DeviceReport, failure: str | None) -> Check:
    """failure: why it broke off, if it did."""
    if failure is not None:
        return Check("listening", "fail", failure)
    if report.problem is None:
        text = f"{report.level_dbfs:.0f} dBFS in the loudest 0.1 s of {report.recorded_s:.0f} s"
        return Check("listening", "warn" if report.remarks else "ok", "; ".join((text, *report.remarks)))
    what, _, remedy = report.verdict.partition(": ")
    is_dead = report.problem in ("no sound", "not numbers")
    return Check("listening", "fail" if is_dead else "warn", what, remedy)

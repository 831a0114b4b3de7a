"""The Python packages and the library for sound."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

from edge.doctor.check import Check, Subject
from edge.errors import first_line

NEEDED = ("numpy", "soxr", "soundfile")
ONNX_RUNTIMES = ("onnxruntime", "onnxruntime-gpu")


def packages(_subject: Subject) -> Iterator[Check]:
    """What every run needs; each is imported, since a wheel for another machine fails only then."""
    troubles = {name: trouble for name in NEEDED if (trouble := _trouble(name)) is not None}
    for name, trouble in troubles.items():
        remedy = f"pip install --force-reinstall {name}"
        yield Check("packages", "fail", f"{name} cannot be used: {trouble}", remedy)
    usable = [f"{name} {installed(name) or '(version unknown)'}" for name in NEEDED if name not in troubles]
    if usable:
        yield Check("packages", "ok", ", ".join(usable))


def _trouble(name: str) -> str | None:
    try:
        importlib.import_module(name)
    except (ImportError, OSError) as error:  # OSError: a library in it that can't be loaded
        return first_line(error)
    return None


def onnx_runtime(_subject: Subject) -> Iterator[Check]:
    """Which ONNX Runtime; two in one environment overwrite each other's files."""
    from edge.onnx_session import prefers_gpu  # noqa: PLC0415 - needs numpy, of which `packages` tells

    verdict = judge_onnx_runtimes({name: installed(name) for name in ONNX_RUNTIMES})
    if verdict.verdict != "fail":
        prefers_gpu("auto")  # imports it: EncoderError if that fails
    yield verdict


def judge_onnx_runtimes(versions: dict[str, str | None]) -> Check:
    """versions: distribution → its version, None for one that isn't installed."""
    there = [f"{name} {known}" for name, known in versions.items() if known]
    if len(there) > 1:
        return Check(
            "runtime",
            "fail",
            f"{' and '.join(there)} are both installed and break each other",
            "pip uninstall onnxruntime onnxruntime-gpu, then install the one that you want",
        )
    return Check("runtime", "ok", there[0] if there else "onnxruntime, installed otherwise than by pip")


def portaudio(_subject: Subject) -> Iterator[Check]:
    """The library that records. AudioSourceError without it."""
    from edge.sources.microphone import portaudio_version  # noqa: PLC0415 - needs numpy

    # Such as "PortAudio V19.7.0-devel, revision unknown".
    words = portaudio_version().partition(",")[0]
    yield Check("portaudio", "ok", f"{words}, sounddevice {installed('sounddevice') or '(version unknown)'}")


def extras(subject: Subject) -> Iterator[Check]:
    """What only some outputs need."""
    wanted = {"mqtt": "paho-mqtt", "metrics": "prometheus-client"}
    for table, name in wanted.items():
        if getattr(subject.config, table) is None:
            continue
        known = installed(name)
        if known:
            yield Check("extras", "ok", f"{name} {known} for [{table}]")
        else:
            extra = "mqtt" if table == "mqtt" else "prometheus"
            yield Check("extras", "fail", f"[{table}] needs {name}", f'pip install "edge-listen[{extra}]"')


def installed(distribution: str) -> str | None:
    """Version of a distribution, None if it isn't there."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None

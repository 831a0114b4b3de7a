"""Runs the examinations one by one, so that none can stop the others."""

from __future__ import annotations

import importlib
from collections.abc import Iterator

from edge.doctor.check import Check, Examination, Subject
from edge.doctor.time_limit import within
from edge.errors import SoundError, first_line

LONGEST_S = 120.0
"""For each; only the hashes of a large bundle on a slow card take more than a few seconds."""
EXAMINATIONS = (
    ("python", "machine:python"),
    ("packages", "packages:packages"),
    ("runtime", "packages:onnx_runtime"),
    ("portaudio", "packages:portaudio"),
    ("extras", "packages:extras"),
    ("cpu", "machine:cpu"),
    ("heat", "machine:heat"),
    ("clock", "machine:clock"),
    ("bundle", "bundles:bundle"),
    ("overlay", "bundles:overlay"),
    ("labels", "bundles:labels"),
    ("encoder", "encoders:encoder"),
    ("source", "microphones:other_source"),
    ("permission", "microphones:permission"),
    ("microphone", "microphones:microphone"),
    ("listening", "microphones:listening"),
    ("state", "storage:state"),
    ("clips", "storage:clips"),
    ("events file", "storage:events_file"),
    ("secrets", "outputs:secrets"),
    ("command", "outputs:command"),
    ("mqtt", "network:broker"),
    ("webhook", "network:webhook"),
    ("metrics", "network:metrics"),
    ("service", "service:service"),
    ("running", "service:running"),
)
"""Name → module of this package and function in it. Imported one by one too: a package may be missing."""


def examine(subject: Subject) -> Iterator[Check]:
    """All findings, each as soon as it is there. Raises nothing of its own."""
    for name, place in EXAMINATIONS:
        yield from examined(name, place, subject)


def examined(name: str, place: str, subject: Subject) -> list[Check]:
    """The findings of one examination; what it raises is one more."""
    found: list[Check] = []

    def look() -> None:
        module, _, function = place.partition(":")
        examination: Examination = getattr(importlib.import_module(f"edge.doctor.{module}"), function)
        found.extend(examination(subject))

    try:
        within(LONGEST_S, look)
    except (SoundError, TimeoutError) as error:
        return [*found, Check(name, "fail", str(error))]
    except ModuleNotFoundError as error:
        return [*found, Check(name, "fail", f"not checked: {first_line(error)}", "install edge-listen anew")]
    except Exception as error:  # noqa: BLE001 - one that fails must not keep the others from being seen
        text = f"could not be checked: {type(error).__name__}: {first_line(error)}"
        return [
            *found,
            Check(name, "fail", text, "this is a fault in edge-listen: report it, with this line"),
        ]
    return found

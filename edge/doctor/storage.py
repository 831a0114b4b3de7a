"""Where files are kept: room, and the right to write."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from edge.doctor.check import Check, Subject
from edge.service.layout import Layout
from edge.state import state_directory

LITTLE_BYTES = 100e6
TOO_LITTLE_BYTES = 10e6


def state(subject: Subject) -> Iterator[Check]:
    """The state directory, of this user, or of the service if its settings are checked by root."""
    yield examine_directory("state", state_directory_of(subject))


def clips(subject: Subject) -> Iterator[Check]:
    """Where clips go."""
    if subject.config.clips is not None:
        yield examine_directory(
            "clips", subject.config.clips.directory or state_directory_of(subject) / "clips"
        )


def events_file(subject: Subject) -> Iterator[Check]:
    """Where the file of events is, whose directory must be there already."""
    if subject.config.events_file is None:
        return
    directory = subject.config.events_file.path.absolute().parent
    if directory.is_dir():
        yield examine_directory("events file", directory)
    else:
        yield Check("events file", "fail", f"there is no directory {directory}", f"mkdir -p {directory}")


def state_directory_of(subject: Subject) -> Path:
    """Of this user, or of the service if its settings are checked by root."""
    of_service = Layout(Path("/")).state
    return of_service if subject.is_service and os.access(of_service, os.W_OK) else state_directory()


def examine_directory(name: str, directory: Path) -> Check:
    """A directory, or where it isn't there yet, the one that it will be made in."""
    existing = next(folder for folder in (directory, *directory.absolute().parents) if folder.exists())
    try:
        # Tried, for permissions tell neither of a disk that is read-only nor of a superuser's rights.
        with tempfile.TemporaryFile(dir=existing):
            pass
        free_bytes = shutil.disk_usage(existing).free
    except OSError as error:
        reason = error.strerror or str(error)
        return Check(
            name,
            "fail",
            f"{directory} cannot be written: {reason}",
            "give this user the right, or free the disk",
        )
    return judge_room(name, directory, free_bytes)


def judge_room(name: str, directory: Path, free_bytes: float) -> Check:
    """free_bytes: on the disk that the directory is on."""
    text = f"{directory} can be written, {free_bytes / 1e6:,.0f} MB free"
    if free_bytes >= LITTLE_BYTES:
        return Check(name, "ok", text)
    return Check(name, "fail" if free_bytes < TOO_LITTLE_BYTES else "warn", text, "free the disk")

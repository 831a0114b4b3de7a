from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from daemon.program import ENVIRONMENT, PROGRAM, TIMEOUT_S
from synthetic_bundle import write_synthetic_bundle

OUTSIDE = {
    name: value
    for name, value in ENVIRONMENT.items()
    if name not in ("JOURNAL_STREAM", "XDG_RUNTIME_DIR", "RUNTIME_DIRECTORY", "NOTIFY_SOCKET")
}


@pytest.fixture(scope="module")
def arguments(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """A run that says something of each priority: a rule is without effect, and no sound comes."""
    bundle = tmp_path_factory.mktemp("journal") / "bundle"
    write_synthetic_bundle(bundle)
    return [
        "-v", f"--bundle={bundle}", "--labels=siren", "--threshold", "dog bark=0.5",
        "--input=-", "--pcm=s16le:16000:1",
    ]  # fmt: skip


def lines_on_stderr(arguments: list[str], journal_stream: str | None) -> list[str]:
    """What a run writes to standard error. journal_stream: with {} for the identity of that very stream."""
    reading, writing = os.pipe()
    own = os.fstat(writing)
    environment = dict(OUTSIDE)
    if journal_stream is not None:
        environment["JOURNAL_STREAM"] = journal_stream.format(f"{own.st_dev}:{own.st_ino}")
    with os.fdopen(reading) as stream:
        result = subprocess.run(
            [*PROGRAM, *arguments],
            stdin=subprocess.DEVNULL, stderr=writing, stdout=subprocess.DEVNULL,
            env=environment, timeout=TIMEOUT_S, check=False,
        )  # fmt: skip
        os.close(writing)
        assert result.returncode == 5
        return stream.read().splitlines()


def test_each_line_in_the_journal_has_its_priority(arguments: list[str]) -> None:
    lines = lines_on_stderr(arguments, "{}")
    assert [line for line in lines if not re.match(r"<[3467]>edge-listen: ", line)] == []
    assert lines[-1].startswith("<3>edge-listen: error: ")
    assert any(line.startswith("<4>edge-listen: warning: the rules for 'dog bark'") for line in lines)
    assert any(line.startswith("<6>edge-listen: listening to standard input for siren") for line in lines)
    assert any(line.startswith("<7>edge-listen: no control socket") for line in lines)


@pytest.mark.parametrize("journal_stream", [None, "1:2", "{}0"])
def test_elsewhere_lines_are_for_a_person(arguments: list[str], journal_stream: str | None) -> None:
    lines = lines_on_stderr(arguments, journal_stream)
    assert [line for line in lines if not line.startswith("edge-listen: ")] == []
    assert len(lines) >= 3


def test_lines_that_a_person_redirects_to_a_file_are_for_a_person_too(
    arguments: list[str], tmp_path: Path
) -> None:
    reading, writing = os.pipe()  # the journal, inherited from a service that runs this in a script
    identity = os.fstat(writing)
    with (tmp_path / "log").open("wb") as file:
        subprocess.run(
            [*PROGRAM, *arguments],
            stdin=subprocess.DEVNULL, stderr=file, stdout=subprocess.DEVNULL,
            env={**OUTSIDE, "JOURNAL_STREAM": f"{identity.st_dev}:{identity.st_ino}"},
            timeout=TIMEOUT_S, check=False,
        )  # fmt: skip
    os.close(reading)
    os.close(writing)
    lines = (tmp_path / "log").read_text().splitlines()
    assert lines
    assert [line for line in lines if not line.startswith("edge-listen: ")] == []

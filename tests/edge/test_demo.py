from __future__ import annotations

import io
import time

import numpy as np
import pytest
from synthetic_bundle import SAMPLE_RATE_HZ, TONES_HZ, rain, tone, write_synthetic_bundle

from edge.cli import main
from edge.commands.demo import SceneLog, SceneSource
from edge.events import EventRecord
from edge.scene import SceneSound
from edge.types import Samples

SOUNDS = (
    SceneSound(label="siren", what="a siren", onset_s=3.0, duration_s=4.0),
    SceneSound(label=None, what="rain", onset_s=7.0, duration_s=4.0),
    SceneSound(label="dog bark", what="a dog", onset_s=11.0, duration_s=4.0),
)


def tone_scene(sample_rate_hz: int, seed: int = 0) -> tuple[Samples, tuple[SceneSound, ...]]:
    """What the synthetic bundle hears, without the dog."""
    assert (sample_rate_hz, seed) == (SAMPLE_RATE_HZ, 0)
    return np.concatenate([rain(3), tone(TONES_HZ["siren"], 4), rain(8)]), SOUNDS


def event(label: str, stream_s: float, duration_s: float | None = None) -> EventRecord:
    kind = "onset" if duration_s is None else "offset"
    return EventRecord(
        kind, "1-1", label, 0.8, 0.6, "the demo scene", "ab" * 32, stream_s, None, None, duration_s
    )  # type: ignore[arg-type]


def test_the_demo_prints_what_plays_what_it_hears_and_the_count(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
    capsys: pytest.CaptureFixture[str],
) -> None:
    bundle = tmp_path_factory.mktemp("bundles") / "tones"
    write_synthetic_bundle(bundle)
    monkeypatch.setattr("edge.commands.demo.demo_scene", tone_scene)
    monkeypatch.setattr("edge.commands.demo.DEMO_SOUNDS", SOUNDS)
    began_s = time.monotonic()
    assert main(["demo", "--fast", "--bundle", str(bundle)]) == 0
    assert time.monotonic() - began_s < 10  # the scene lasts 15
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[1].strip() for line in lines if line.startswith("0:00:03.0")] == ["a siren"]
    assert any("siren 0.9" in line or "siren 1.0" in line for line in lines)
    assert lines[-1] == "heard 1 of 2 sounds; 0 false alarms"


def test_an_event_beside_its_sound_is_heard_and_any_other_a_false_alarm() -> None:
    stream = io.StringIO()
    log = SceneLog(stream, SOUNDS, 0.5)
    log.emit(event("siren", 3.4))
    log.emit(event("siren", 7.2, duration_s=3.8))
    log.emit(event("dog bark", 4.0))  # a dog barks, but not now
    log.emit(event("siren", 6.9))  # the same siren once more
    log.summarise()
    assert stream.getvalue().splitlines()[-1] == "heard 1 of 2 sounds; 1 false alarm"
    assert stream.getvalue().count("(false alarm)") == 1


def test_sounds_are_shown_as_they_begin_to_play() -> None:
    stream = io.StringIO()
    log = SceneLog(stream, SOUNDS, 0.5)
    log.progress(2.9)
    assert "siren" not in stream.getvalue()
    log.progress(3.0)
    log.progress(3.1)
    assert stream.getvalue().count("a siren") == 1


def test_the_scene_plays_in_real_time_unless_told_to_be_fast() -> None:
    samples = np.zeros(SAMPLE_RATE_HZ // 2, np.float32)
    took_s = {}
    for fast in (False, True):
        source = SceneSource(samples, SAMPLE_RATE_HZ, fast=fast, progress=lambda _: None)
        began_s = time.monotonic()
        assert sum(len(block.samples) for block in source.blocks()) == len(samples)
        took_s[fast] = time.monotonic() - began_s
    assert took_s[False] >= 0.5
    assert took_s[True] < 0.25


def test_a_stop_ends_the_scene() -> None:
    source = SceneSource(
        np.zeros(SAMPLE_RATE_HZ * 60, np.float32), SAMPLE_RATE_HZ, fast=False, progress=lambda _: None
    )
    blocks = source.blocks()
    next(blocks)
    source.stop()
    assert list(blocks) == []

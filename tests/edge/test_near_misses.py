from __future__ import annotations

import itertools
import json
import logging
import math
import resource
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest
from fakes import SMALL_LOG_MEL, ScriptedEncoder, axis_prototypes
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.errors import SinkError
from edge.explaining.near_miss_file import NearMissFile, NearMissLog
from edge.explaining.near_misses import NearMiss, NearMissTracker, begins_event
from edge.explaining.why_not import told_apart, why_not
from edge.recognizer import Recognizer, RecognizerSettings, WindowReport
from edge.trigger import TriggerRule
from edge.types import AudioBlock, LabelState

RATE = 1000
HOP, WINDOW = 500, 2000
NEVER = -math.inf
START = datetime(2026, 11, 26, 14, 0, 0, tzinfo=timezone.utc)


def state(
    score: float | None,
    phase: str = "idle",
    *,
    label: str = "siren",
    threshold: float = 0.71,
    margin: float = -0.08,
    rival: tuple[str, float] | None = None,
    supported_s: float = 0.0,
) -> LabelState:
    name, rival_score = rival or (None, NEVER)
    supports = score is not None and score >= threshold and score - rival_score >= margin
    return LabelState(
        label, score, threshold, margin, name, rival_score, supports, supported_s, 0.96, phase,  # type: ignore[arg-type]
    )  # fmt: skip


def report(*states: LabelState, n: int = 0, after: int = 0) -> WindowReport:
    """The n-th window, behind a gap of so many samples."""
    start = n * HOP + after
    is_scored = any(each.score is not None for each in states)
    return WindowReport(
        start_sample=start,
        end_sample=start + WINDOW,
        level_dbfs=-20.0,
        state="scored" if is_scored else "quiet",
        scores=None,
        supporting=tuple(each.label for each in states if each.supports),
        states=states,
    )


def misses_of(states: Sequence[LabelState], tracker: NearMissTracker | None = None) -> list[NearMiss]:
    """Of a label's states, window after window, the stream's end included."""
    tracker = tracker or NearMissTracker(RATE)
    found = [miss for n, each in enumerate(states) for miss in tracker.saw(report(each, n=n))]
    return found + tracker.close()


FAR = state(0.2)


def test_a_score_just_under_its_threshold_says_so() -> None:
    (miss,) = misses_of([FAR, state(0.65), state(0.68), state(0.63), FAR, FAR])
    assert miss.reason == "0.68 < 0.71"
    assert (miss.label, miss.score, miss.threshold) == ("siren", 0.68, 0.71)


def test_scores_that_round_to_the_same_are_told_apart() -> None:
    (miss,) = misses_of([state(0.7099)])
    assert miss.reason == "0.7099 < 0.7100"
    assert told_apart(0.5, 0.5 + 1e-9) == ("0.50000", "0.50000")


@pytest.mark.parametrize(
    ("margin", "rival_score", "reason"),
    [
        (-0.08, 0.89, "0.75 beaten by clock alarm 0.89: 0.06 more than the 0.08 allowed"),
        (-0.08, 0.8301, "0.75 beaten by clock alarm 0.83: 0.0001 more than the 0.08 allowed"),
        (0.0, 0.77, "0.75 beaten by clock alarm 0.77"),
        (0.05, 0.74, "0.75 is not 0.05 above clock alarm 0.74"),
    ],
)
def test_a_rival_in_the_way_is_named_with_what_it_is_beyond(
    margin: float, rival_score: float, reason: str
) -> None:
    (miss,) = misses_of([state(0.75, margin=margin, rival=("clock alarm", rival_score)), FAR, FAR])
    assert miss.reason == reason
    assert (miss.best_rival, miss.rival_score) == ("clock alarm", rival_score)


def test_support_that_was_too_short_says_for_how_long() -> None:
    (miss,) = misses_of([state(0.75, "confirming", supported_s=0.48), state(0.3, "confirming"), FAR, FAR])
    assert miss.reason == "0.75 supported for 0.48 s of 0.96 s"


def test_a_sound_confirmed_and_then_over_too_soon_says_that() -> None:
    (miss,) = misses_of([state(0.75, "confirming", supported_s=0.96), FAR, FAR])
    assert miss.reason == "0.75 confirmed, but over before its shortest duration"


@pytest.mark.parametrize(
    ("phase", "reason"),
    [
        ("spent", "0.75 while spent: its last event was ended by its rule"),
        ("cooling down", "0.75 while cooling down after its last event"),
    ],
)
def test_a_sound_too_soon_after_an_event_says_so(phase: str, reason: str) -> None:
    after_event = [state(0.8, "on"), state(0.2, "on"), state(0.2, phase), state(0.2, phase)]
    (miss,) = misses_of([*after_event, state(0.75, phase), FAR, FAR])
    assert miss.reason == reason


@pytest.mark.parametrize("phase", ["spent", "cooling down"])
def test_what_is_too_quiet_after_an_event_is_told_by_its_score(phase: str) -> None:
    after_event = [state(0.8, "on"), state(0.2, phase), state(0.2, phase)]
    (miss,) = misses_of([*after_event, state(0.65, phase), FAR, FAR])
    assert miss.reason == "0.65 < 0.71"


def test_the_reason_is_how_far_it_came_not_how_high_it_scored() -> None:
    beaten = state(0.9, rival=("clock alarm", 0.99))
    unconfirmed = state(0.72, "confirming", supported_s=0.48)
    (miss,) = misses_of([state(0.7), beaten, unconfirmed, state(0.8, rival=("clock alarm", 0.95)), FAR, FAR])
    assert miss.reason.startswith("0.72 supported for")


def test_of_windows_beaten_by_a_rival_the_one_is_told_that_nearly_won() -> None:
    windows = [state(0.9, rival=("clock alarm", 0.99)), state(0.75, rival=("bell", 0.835)), FAR, FAR]
    (miss,) = misses_of(windows)
    assert miss.best_rival == "bell"


def test_a_window_that_was_not_scored_has_no_reason() -> None:
    with pytest.raises(ValueError, match="not scored"):
        why_not(state(None))


def test_an_event_is_no_miss_however_near_the_windows_around_it_were() -> None:
    before = [state(0.65), state(0.75, "confirming", supported_s=0.48)]
    after = [state(0.3, "on"), state(0.65), FAR, FAR]
    assert misses_of([*before, state(0.8, "on"), *after]) == []


@pytest.mark.parametrize("phase", ["spent", "cooling down"])
def test_a_sound_that_goes_on_behind_its_event_is_no_miss(phase: str) -> None:
    assert misses_of([state(0.8, "on"), *[state(0.8, phase)] * 200, FAR, FAR]) == []
    assert misses_of([state(0.8, phase), *[state(0.8, phase)] * 200, FAR, FAR]) == []


def test_support_that_still_counts_keeps_the_episode_open() -> None:
    waiting = [state(0.75, "confirming", supported_s=0.48), *[state(0.2, "confirming", supported_s=0.48)] * 3]
    assert misses_of([*waiting, state(0.8, "on"), FAR, FAR]) == []
    assert len(misses_of([*waiting, FAR, FAR])) == 1


def test_one_window_between_does_not_divide_an_episode_and_two_do() -> None:
    near = state(0.68)
    assert len(misses_of([near, FAR, near, FAR, near])) == 1
    assert len(misses_of([near, FAR, FAR, near])) == 2
    assert len(misses_of([near, state(None), state(None), near])) == 2


def test_an_episode_is_told_as_soon_as_it_is_over() -> None:
    tracker = NearMissTracker(RATE)
    found = [len(tracker.saw(report(each, n=n))) for n, each in enumerate([state(0.68), FAR, FAR, FAR])]
    assert found == [0, 0, 1, 0]
    assert tracker.close() == []


def test_an_episode_lies_where_an_event_would() -> None:
    (miss,) = misses_of([FAR, FAR, state(0.68), state(0.68), FAR, FAR])
    # A hop before the middle of the first near window, to the middle of the last.
    assert (miss.start_sample, miss.end_sample) == (HOP + WINDOW // 2, 3 * HOP + WINDOW // 2)


def test_a_steady_sound_near_its_threshold_is_told_each_minute() -> None:
    n_windows = 10 * 60 * RATE // HOP
    misses = misses_of([state(0.68)] * n_windows)
    assert 9 <= len(misses) <= 11
    for miss in misses[:-1]:
        assert 60.0 <= (miss.end_sample - miss.start_sample) / RATE <= 60.0 + 2 * HOP / RATE


def test_a_long_stretch_without_windows_ends_an_episode_and_a_slow_machine_does_not() -> None:
    for unheard_s, n_misses in ((5, 1), (3600, 2)):
        tracker = NearMissTracker(RATE)
        misses = tracker.saw(report(state(0.68)))
        misses += tracker.saw(report(state(0.69), after=WINDOW + unheard_s * RATE))
        assert len(misses + tracker.close()) == n_misses


def test_a_stream_that_jumps_back_ends_an_episode() -> None:
    tracker = NearMissTracker(RATE)
    assert tracker.saw(report(state(0.68), n=100)) == []
    (miss,) = tracker.saw(report(state(0.69), n=0))
    assert miss.score == 0.68
    (miss,) = tracker.close()
    assert 0 <= miss.start_sample <= miss.end_sample <= WINDOW


def test_each_label_has_episodes_of_its_own() -> None:
    tracker = NearMissTracker(RATE)
    for n in range(3):
        assert tracker.saw(report(state(0.68), state(0.8, "on", label="dog bark"), n=n)) == []
    misses = tracker.saw(report(FAR, state(0.2, label="dog bark"), n=3)) + tracker.close()
    assert [miss.label for miss in misses] == ["siren"]


def test_a_label_no_longer_listened_for_is_told_and_forgotten() -> None:
    tracker = NearMissTracker(RATE)
    tracker.saw(report(state(0.68)))
    assert [miss.label for miss in tracker.saw(report(state(0.2, label="dog bark"), n=1))] == ["siren"]
    assert tracker.close() == []


@pytest.mark.parametrize(
    ("before", "now", "begins"),
    [
        ("idle", "on", True),
        ("confirming", "on", True),
        ("cooling down", "on", True),
        ("on", "on", False),
        ("idle", "spent", True),
        ("confirming", "cooling down", True),
        ("on", "spent", False),
        ("spent", "cooling down", False),
        ("cooling down", "idle", False),
        ("idle", "confirming", False),
    ],
)
def test_which_changes_of_phase_mean_an_event(before: str, now: str, *, begins: bool) -> None:
    assert begins_event(before, now) is begins


scores = st.one_of(st.none(), st.sampled_from([0.2, 0.605, 0.65, 0.7, 0.71, 0.8]))


def is_near(each: LabelState) -> bool:
    return each.score is not None and each.score >= each.threshold - 0.1


@settings(max_examples=150, deadline=None)
@given(st.lists(scores, min_size=1, max_size=40))
def test_without_events_each_near_window_is_in_one_miss_and_misses_are_apart(
    of_windows: list[float | None],
) -> None:
    # What supports is beaten by a rival, so that nothing waits for confirmation.
    states = [state(score, rival=("bell", 0.99)) for score in of_windows]
    misses = misses_of(states)
    middles = {n: n * HOP + WINDOW // 2 for n, each in enumerate(states) if is_near(each)}
    holding = [[n for n, at in middles.items() if m.start_sample < at <= m.end_sample] for m in misses]
    if 0 in middles:  # where there is no window before, an episode begins with its first
        holding[0] = sorted({0, *holding[0]})
    assert [n for held in holding for n in held] == sorted(middles)
    for earlier, later in itertools.pairwise(holding):
        assert later[0] - earlier[-1] > 2
    assert all(b - a <= 2 for held in holding for a, b in itertools.pairwise(held))


PHASES = ["idle", "confirming", "on", "spent", "cooling down"]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(scores, st.sampled_from(PHASES)), min_size=1, max_size=40))
def test_whatever_the_phases_no_window_of_an_event_is_in_a_miss_and_misses_do_not_overlap(
    windows: list[tuple[float | None, str]],
) -> None:
    states = [state(score, phase) for score, phase in windows]
    misses = misses_of(states)
    before = "idle"
    for n, each in enumerate(states):
        middle = n * HOP + WINDOW // 2
        if each.phase == "on" or begins_event(before, each.phase):
            assert not any(miss.start_sample < middle <= miss.end_sample for miss in misses)
        before = each.phase
    for earlier, later in itertools.pairwise(misses):
        assert earlier.end_sample <= later.start_sample
    assert all(0 <= miss.start_sample <= miss.end_sample for miss in misses)


RULES = st.builds(
    TriggerRule,
    on_threshold=st.just(0.6),
    off_threshold=st.sampled_from([0.6, 0.5, 0.3]),
    margin=st.sampled_from([-0.1, 0.0]),
    rivals=st.just("all"),
    confirm_s=st.sampled_from([0.0, 0.4, 0.6]),
    within_s=st.sampled_from([0.6, 2.0]),
    release_s=st.sampled_from([0.0, 0.4]),
    cooldown_s=st.sampled_from([0.0, 1.0]),
    min_s=st.sampled_from([0.0, 0.4]),
    max_s=st.sampled_from([math.inf, 1.0]),
)
REAL = RecognizerSettings(
    SMALL_LOG_MEL, window_s=1.0, clip_s=1.5, hop_s=0.2, padding="repeat", gate_dbfs=-60.0
)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([0.1, 0.55, 0.62, 0.7]), st.sampled_from([0.1, 0.65])),
        min_size=1,
        max_size=40,
    ),
    RULES,
)
def test_heard_by_the_real_recognizer_no_miss_overlaps_an_event(
    of_windows: list[tuple[float, float]], rule: TriggerRule
) -> None:
    encoder = ScriptedEncoder([*of_windows, (0.1, 0.1), (0.1, 0.1)])
    tracker = NearMissTracker(RATE)
    misses: list[NearMiss] = []
    recognizer = Recognizer(
        REAL,
        encoder,
        axis_prototypes(["siren", "bell"]),
        {"siren": rule},
        observe=lambda each: misses.extend(tracker.saw(each)),
    )
    n_samples = 1000 + 200 * (len(of_windows) + 1)
    noise = 0.1 * np.random.default_rng(0).standard_normal(n_samples).astype(np.float32)
    events = recognizer.push(AudioBlock(noise, 0)) + recognizer.flush()
    misses += tracker.close()
    onsets = {event.number: event.onset_sample for event in events if event.kind == "onset"}
    offsets = {event.number: event.offset_sample or 0 for event in events if event.kind == "offset"}
    assert set(onsets) == set(offsets)
    for number, onset in onsets.items():
        for miss in misses:
            assert max(miss.start_sample, onset) >= min(miss.end_sample, offsets[number])
    n_near = sum(score >= 0.5 for score, _ in of_windows)
    assert bool(misses or events) == bool(n_near)


def log_at(path: Path, *, has_time: bool = True) -> NearMissLog:
    def time_of(stream_s: float) -> datetime | None:
        return START + timedelta(seconds=stream_s) if has_time else None

    return NearMissLog(NearMissFile(path), RATE, lambda: "microphone", time_of)


def lines_in(path: Path) -> list[dict[str, object]]:
    content = path.read_bytes()
    assert content == b"" or content.endswith(b"\n")
    return [json.loads(line) for line in content.splitlines()]


def feed(log: NearMissLog, first: int, n_misses: int) -> int:
    """Windows from the first on, until so many more misses are over. Returns: the next window."""
    for n in range(first, first + 3 * n_misses):
        log(report(state(0.68) if n % 3 == 0 else FAR, n=n))
    return first + 3 * n_misses


def test_the_file_has_a_line_for_each_miss(tmp_path: Path) -> None:
    path = tmp_path / "misses.jsonl"
    log = log_at(path)
    log(report(FAR))
    log(report(state(0.75123, rival=("clock alarm", 0.89)), n=1))
    log(report(FAR, n=2))
    log(report(FAR, n=3))
    assert lines_in(path) == [
        {
            "schema_version": 1,
            "event": "near_miss",
            "label": "siren",
            "score": 0.7512,
            "threshold": 0.71,
            "reason": "0.75 beaten by clock alarm 0.89: 0.06 more than the 0.08 allowed",
            "best_rival": "clock alarm",
            "rival_score": 0.89,
            "source": "microphone",
            "stream_s": 1.0,
            "duration_s": 0.5,
            "time": "2026-11-26T14:00:01.000Z",
        }
    ]


def test_what_a_line_cannot_know_is_null(tmp_path: Path) -> None:
    log = log_at(tmp_path / "misses.jsonl", has_time=False)
    feed(log, 0, 1)
    (line,) = lines_in(tmp_path / "misses.jsonl")
    assert (line["time"], line["best_rival"], line["rival_score"]) == (None, None, None)


def test_closing_writes_what_was_not_over(tmp_path: Path) -> None:
    log = log_at(tmp_path / "misses.jsonl")
    log(report(state(0.68)))
    assert lines_in(tmp_path / "misses.jsonl") == []
    log.close()
    log.close()
    assert len(lines_in(tmp_path / "misses.jsonl")) == 1


def test_a_full_file_is_rotated_and_two_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.explaining.near_miss_file.BYTES_PER_MB", 100)
    feed(log_at(tmp_path / "misses.jsonl"), 0, 40)
    files = {path.name: path for path in tmp_path.iterdir()}
    assert set(files) == {"misses.jsonl", "misses.jsonl.1", "misses.jsonl.2"}
    assert all(path.stat().st_size <= 1000 for path in files.values())
    starts = [line["stream_s"] for name in sorted(files, reverse=True) for line in lines_in(files[name])]
    assert starts == sorted(starts)  # type: ignore[type-var]


def test_a_directory_that_is_absent_is_refused_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match=r"--near-misses: there is no directory"):
        NearMissFile(tmp_path / "absent" / "misses.jsonl")


@contextmanager
def files_of_at_most(n_bytes: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_told_once_and_its_end_with_what_was_lost(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "misses.jsonl"
    file = NearMissFile(path)
    log = NearMissLog(file, RATE, lambda: "microphone", lambda _: None)
    n = feed(log, 0, 1)
    size = path.stat().st_size
    for n_lost_before in (0, 5):
        caplog.clear()
        with caplog.at_level(logging.WARNING), files_of_at_most(size + 10):
            n = feed(log, n, 5)
            assert [record.message.partition(":")[0] for record in caplog.records] == ["near misses are lost"]
            assert path.stat().st_size == size
            assert file.n_lost == n_lost_before + 5
        n = feed(log, n, 1)
        assert caplog.records[-1].message == "near misses are written again; 5 were lost"
        assert len(caplog.records) == 2
        size = path.stat().st_size
    assert len(lines_in(path)) == 3


def test_a_disk_that_stays_full_says_at_the_end_how_many_were_lost(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log = log_at(tmp_path / "misses.jsonl")
    with files_of_at_most(10):
        feed(log, 0, 3)
        log.close()
        log.close()
    assert [record.message for record in caplog.records][1:] == ["3 near misses were lost before the end"]

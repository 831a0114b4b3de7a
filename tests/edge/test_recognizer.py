from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from fakes import SMALL_LOG_MEL, BandEncoder, ScriptedEncoder, axis_prototypes
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import ConfigError
from edge.recognizer import Recognizer, RecognizerSettings, WindowReport
from edge.trigger import TriggerRule
from edge.types import AudioBlock, Encoder, SoundEvent

RATE = 1000
SETTINGS = RecognizerSettings(
    log_mel=SMALL_LOG_MEL, window_s=1.0, clip_s=1.5, hop_s=0.2, padding="repeat", gate_dbfs=-60.0
)
RULE = TriggerRule(
    on_threshold=0.6,
    off_threshold=0.5,
    margin=0.0,
    rivals="background",
    confirm_s=0.4,
    within_s=0.6,
    release_s=0.2,
    cooldown_s=0.0,
)
EAGER = replace(RULE, confirm_s=0.0, within_s=0.0, release_s=0.0)
BANDS = axis_prototypes(["low", "middle", "high"], extra_axes=0)
HZ = {"low": 80.0, "middle": 200.0, "high": 410.0}


def tone(hz: float, n: int, amplitude: float = 0.3) -> np.ndarray:
    return (amplitude * np.sin(2 * np.pi * hz * np.arange(n) / RATE)).astype(np.float32)


def scene(parts: Sequence[tuple[str, int]], seed: int) -> np.ndarray:
    """Tones and quiet over a faint noise."""
    sound = np.concatenate([tone(HZ.get(name, 0.0), n) for name, n in parts] or [np.zeros(0, np.float32)])
    return sound + 1e-5 * np.random.default_rng(seed).standard_normal(len(sound)).astype(np.float32)


def make(
    encoder: Encoder | None = None,
    labels: Sequence[str] = ("low", "high"),
    rule: TriggerRule = RULE,
    settings: RecognizerSettings = SETTINGS,
    observe: list[WindowReport] | None = None,
) -> Recognizer:
    return Recognizer(
        settings,
        encoder or BandEncoder(),
        BANDS,
        dict.fromkeys(labels, rule),
        observe=None if observe is None else observe.append,
    )


def feed(
    recognizer: Recognizer, samples: np.ndarray, sizes: Sequence[int] | None = None, start: int = 0
) -> list[SoundEvent]:
    """Push in blocks of these sizes, over and over; in one block without."""
    events, position, turn = [], 0, 0
    while position < len(samples):
        size = sizes[turn % len(sizes)] if sizes else len(samples)
        block = samples[position : position + size]
        events += recognizer.push(AudioBlock(block, start + position))
        position, turn = position + len(block), turn + 1
    return events


def run(samples: np.ndarray, sizes: Sequence[int] | None = None, **options: object) -> list[SoundEvent]:
    recognizer = make(**options)
    return feed(recognizer, samples, sizes) + recognizer.flush()


def shifted(event: SoundEvent, n: int) -> SoundEvent:
    offset = None if event.offset_sample is None else event.offset_sample + n
    return replace(event, number=0, onset_sample=event.onset_sample + n, offset_sample=offset)


scenes = st.builds(
    scene,
    st.lists(
        st.tuples(st.sampled_from(["low", "middle", "high", "quiet"]), st.integers(1, 2500)), max_size=8
    ),
    st.integers(0, 1000),
)


def test_a_tone_between_quiet_is_one_event_about_where_it_was():
    samples = scene([("quiet", 4000), ("high", 2000), ("quiet", 4000)], seed=1)
    reports: list[WindowReport] = []
    onset, offset = run(samples, observe=reports)
    supporting = [report.start_sample for report in reports if report.supporting == ("high",)]
    assert (onset.kind, onset.label, onset.number, onset.offset_sample) == ("onset", "high", 1, None)
    # It fills a hop of the first window that supports it, and nothing is in the others.
    assert supporting[0] == 3200
    assert onset.onset_sample == 3200 + 500 - 200
    assert (offset.kind, offset.number, offset.onset_sample) == ("offset", 1, onset.onset_sample)
    assert offset.offset_sample is not None
    assert supporting[-1] == 5800
    assert offset.offset_sample == 5800 + 500
    assert onset.score == pytest.approx(1.0, abs=0.1)


@given(samples=scenes, sizes=st.lists(st.integers(1, 1500), min_size=1, max_size=6))
def test_events_are_the_same_however_the_stream_is_cut_into_blocks(samples, sizes):
    for rule in (RULE, EAGER):
        assert run(samples, sizes, rule=rule) == run(samples, rule=rule)


def test_the_scenes_of_these_properties_bring_events():
    samples = scene([("low", 2000), ("quiet", 1500), ("high", 1200), ("middle", 900), ("low", 1700)], seed=3)
    events = run(samples, [7])
    both = ["onset", "offset"]
    assert [(e.kind, e.label) for e in events] == [
        (k, label) for label in ("low", "high", "low") for k in both
    ]
    assert events == run(samples)


@given(samples=scenes)
def test_streaming_scores_are_those_of_each_window_by_itself(samples):
    reports: list[WindowReport] = []
    feed(make(observe=reports), samples, [333])
    assert [r.start_sample for r in reports] == list(range(0, len(samples) - 999, 200))
    for report in reports:
        alone: list[WindowReport] = []
        window = samples[report.start_sample : report.end_sample]
        make(observe=alone).push(AudioBlock(window, report.start_sample))
        assert report.state == alone[0].state
        if report.scores is not None:
            np.testing.assert_allclose(report.scores, alone[0].scores, atol=1e-5)


@given(before=scenes, after=scenes, jump=st.integers(-5000, 20000).filter(bool))
def test_after_a_gap_events_are_those_of_a_fresh_recognizer(before, after, jump):
    before = np.append(before, np.float32(0.1))
    # A stretch shorter than a window differs: only a whole stream of that length confirms by it.
    after = np.pad(after, (0, max(0, SETTINGS.window_length - len(after))))
    start = len(before) + jump
    recognizer = make()
    events = feed(recognizer, before, [400])
    n_open = sum(1 if event.kind == "onset" else -1 for event in events)
    closed = recognizer.push(AudioBlock(np.zeros(0, np.float32), start))
    assert [event.kind for event in closed] == ["offset"] * n_open
    found = feed(recognizer, after, [400], start) + recognizer.flush()
    assert [shifted(event, 0) for event in found] == [shifted(event, start) for event in run(after)]


def test_a_gap_ends_the_open_event_where_the_audio_ends_and_events_count_on():
    recognizer = make()
    (onset,) = feed(recognizer, tone(410, 2100))
    closed, *rest = feed(recognizer, tone(410, 2100), start=9000)
    assert closed == replace(onset, kind="offset", score=closed.score, offset_sample=2100)
    assert [(event.kind, event.number) for event in rest] == [("onset", 2)]
    assert rest[0].onset_sample == 9000 + 500 - 200


def test_a_jump_back_to_where_the_next_window_was_due_reuses_no_frame_of_before():
    recognizer = make(observe=(reports := []))
    feed(recognizer, tone(410, 1000))
    feed(recognizer, tone(80, 1000), start=200)
    feed(make(observe=(alone := [])), tone(80, 1000))
    np.testing.assert_array_equal(reports[1].scores, alone[0].scores)


def test_flush_ends_open_events_and_hears_the_tail():
    recognizer = make(rule=EAGER)
    assert feed(recognizer, scene([("quiet", 1000), ("high", 150)], seed=5)) == []
    onset, offset = recognizer.flush()
    # The tail's window begins at 200 and is whole, by the padding.
    assert (onset.kind, onset.onset_sample) == ("onset", 200 + 500 - 200)
    # The sound goes on to the end of the file, not to that of the window padded behind it.
    assert (offset.kind, offset.offset_sample) == ("offset", 1150)
    assert recognizer.flush() == []


@pytest.mark.parametrize("n_samples", [1, 40, 199, 999])
def test_a_file_shorter_than_a_window_is_heard(n_samples):
    reports: list[WindowReport] = []
    recognizer = make(rule=EAGER, observe=reports)
    assert feed(recognizer, np.full(n_samples, 0.1, np.float32) * tone(410, n_samples + 1)[1:]) == []
    events = recognizer.flush()
    assert [(r.start_sample, r.end_sample) for r in reports] == [(0, n_samples)]
    assert [event.kind for event in events] == (["onset", "offset"] if n_samples > 1 else [])


def test_a_file_shorter_than_a_window_confirms_by_its_one_window():
    strict = replace(RULE, confirm_s=0.8, within_s=0.8)
    assert [event.kind for event in run(tone(HZ["low"], 700), rule=strict)] == ["onset", "offset"]
    assert run(tone(HZ["low"], 1000), rule=strict) == [], "a whole window is one of several to come"


def test_a_short_stretch_behind_a_gap_does_not_confirm_by_itself():
    recognizer = make(rule=replace(RULE, confirm_s=0.8, within_s=0.8))
    assert feed(recognizer, np.zeros(3000, np.float32)) == []
    assert feed(recognizer, tone(HZ["low"], 700), start=5000) + recognizer.flush() == []
    # What comes after the flush is another stream.
    assert [e.kind for e in feed(recognizer, tone(HZ["low"], 700)) + recognizer.flush()] == [
        "onset",
        "offset",
    ]


def test_a_scrap_of_sound_between_two_breaks_does_not_confirm_by_itself():
    recognizer = make(rule=replace(RULE, confirm_s=0.8, within_s=0.8))
    assert feed(recognizer, np.zeros(3000, np.float32)) == []
    recognizer.break_off()
    assert feed(recognizer, tone(HZ["low"], 700), start=5000) + recognizer.break_off() == []
    assert feed(recognizer, tone(HZ["low"], 700), start=9000) + recognizer.break_off() == []


def test_an_empty_stream_is_nothing():
    assert run(np.zeros(0, np.float32)) == []


@pytest.mark.parametrize(
    ("spoil", "state"),
    [
        (lambda x: 0 * x, "silent"),
        (lambda x: 0 * x + np.float32(0.25), "dc"),
        (lambda x: np.clip(50 * x, -1, 1), "clipped"),
        (lambda x: np.where(np.arange(len(x)) % 100 == 0, np.float32(np.nan), x), "nonfinite"),
        (lambda x: x * np.float32(1e-3), "quiet"),
    ],
)
def test_what_is_no_sound_is_reported_and_never_embedded_and_ends_the_event(spoil, state):
    reports: list[WindowReport] = []
    encoder = ScriptedEncoder([[0.0, 0.0, 0.9]] * 20)
    recognizer = Recognizer(
        SETTINGS, encoder, axis_prototypes(["low", "middle", "high"]), {"high": EAGER}, reports.append
    )
    events = feed(recognizer, np.concatenate([tone(410, 2000), spoil(tone(410, 2000))]))
    spoiled = [report for report in reports if report.start_sample >= 2000]
    assert len(spoiled) == 6
    assert {(r.state, r.scores, r.supporting) for r in spoiled} == {(state, None, ())}
    assert encoder.n_encoded == sum(report.state == "scored" for report in reports)
    assert [event.kind for event in events][-1] == "offset"


def test_a_short_loud_sound_passes_the_gate():
    samples = np.zeros(1000, np.float32)
    samples[450:550] = tone(200, 100, amplitude=0.0025)
    reports: list[WindowReport] = []
    make(observe=reports).push(AudioBlock(samples, 0))
    assert reports[0].level_dbfs == pytest.approx(-58, abs=1.0)
    assert reports[0].state == "scored"


def test_each_window_is_observed_once_in_order_with_its_scores_and_what_it_supports():
    script = [[0.7, 0.1, 0.3], [0.1, 0.8, 0.2], [0.65, 0.1, 0.62]]
    reports: list[WindowReport] = []
    recognizer = Recognizer(
        SETTINGS,
        ScriptedEncoder(script),
        axis_prototypes(["low", "middle", "high"], background=["middle"]),
        {"high": EAGER, "low": EAGER},
        reports.append,
    )
    events = feed(recognizer, tone(200, 1400))
    assert [(r.start_sample, r.end_sample) for r in reports] == [(0, 1000), (200, 1200), (400, 1400)]
    np.testing.assert_allclose([r.scores for r in reports], script, atol=1e-6)
    assert [r.supporting for r in reports] == [("low",), (), ("high", "low")]
    assert [(e.kind, e.label, e.number) for e in events] == [
        ("onset", "low", 1), ("offset", "low", 1), ("onset", "high", 2), ("onset", "low", 3),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("rivals", "groups", "n_events"),
    [("background", {}, 0), ("all", {}, 0), ("none", {}, 1), ("background", {"rain": "x", "bark": "x"}, 1)],
)
def test_background_vetoes_a_label_unless_it_is_kin_or_rivals_are_off(rivals, groups, n_events):
    recognizer = Recognizer(
        SETTINGS,
        ScriptedEncoder([[0.65, 0.7]]),
        axis_prototypes(["bark", "rain"], background=["rain"], groups=groups),
        {"bark": replace(EAGER, rivals=rivals)},
    )
    assert len(feed(recognizer, tone(200, 1000))) == n_events


def test_another_label_is_a_rival_only_if_all_are():
    for rivals, n_events in (("background", 1), ("all", 0)):
        recognizer = Recognizer(
            SETTINGS,
            ScriptedEncoder([[0.65, 0.7]]),
            axis_prototypes(["bark", "siren"]),
            {"bark": replace(EAGER, rivals=rivals)},
        )
        assert len(feed(recognizer, tone(200, 1000))) == n_events


def test_a_label_without_a_prototype_is_refused_by_name():
    with pytest.raises(ConfigError, match="no prototype for the label 'unicorn'"):
        make(labels=["low", "unicorn"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hop_s": 0.2001}, r"hop_s of 0\.2001 s is 200\.1 samples at 1000 Hz .* try 0\.2"),
        ({"window_s": 1.0005}, "window_s of 1.0005 s"),
        ({"clip_s": 1.5005}, "clip_s of 1.5005 s"),
        ({"hop_s": 1.001}, "hop_s 1.001 is longer than the window of 1 s"),
        ({"hop_s": 0.0}, "hop_s must be above 0"),
        ({"hop_s": -0.2}, "hop_s must be 0 seconds or more"),
        ({"hop_s": float("nan")}, "hop_s must be"),
        ({"clip_s": 0.9}, "window_s 1 is longer than the 0.9 s"),
        ({"padding": "mirror"}, "padding must be one of repeat, zero"),
        ({"gate_dbfs": float("nan")}, "gate_dbfs"),
    ],
)
def test_a_setting_out_of_range_is_refused_by_name(changes, message):
    with pytest.raises(ConfigError, match=message):
        replace(SETTINGS, **changes)


@pytest.mark.parametrize(
    ("rate_hz", "seconds"), [(16000, 2.585), (16000, 0.48), (48000, 0.1), (16000, 3 * 0.16)]
)
def test_decimal_seconds_that_are_whole_samples_are_taken(rate_hz, seconds):
    log_mel = replace(SMALL_LOG_MEL, sample_rate_hz=rate_hz)
    settings = replace(SETTINGS, log_mel=log_mel, window_s=seconds, hop_s=seconds, clip_s=10.0)
    assert settings.window_length == settings.window_hop == round(rate_hz * seconds)


STEADY = replace(RULE, release_s=0.6)


def feed_with_change(
    samples: np.ndarray, sizes: Sequence[int], at: int, rules: dict[str, TriggerRule]
) -> list[SoundEvent]:
    """Events of all labels of `BANDS` by `STEADY`, other rules from the first block that ends behind `at`."""
    recognizer = make(labels=BANDS.names, rule=STEADY)
    events, position, turn, is_changed = [], 0, 0, False
    while position < len(samples):
        if position >= at and not is_changed:
            is_changed = True
            events += recognizer.listen_for(BANDS, rules)
        block = samples[position : position + sizes[turn % len(sizes)]]
        events += recognizer.push(AudioBlock(block, position))
        position, turn = position + len(block), turn + 1
    return events + recognizer.flush()


def of_label(events: Sequence[SoundEvent], label: str) -> list[SoundEvent]:
    return [shifted(event, 0) for event in events if event.label == label]


block_sizes = st.lists(st.integers(1, 1500), min_size=1, max_size=6)
other_rules = st.sampled_from(
    [
        {"low": STEADY},
        {"high": RULE, "low": STEADY},
        {"middle": STEADY, "low": STEADY, "high": STEADY},
        {"low": STEADY, "middle": EAGER},
    ]
)


@given(samples=scenes, sizes=block_sizes, at=st.integers(0, 12000), rules=other_rules)
def test_a_change_of_labels_leaves_those_whose_rule_stays_exactly_as_without_it(samples, sizes, at, rules):
    events = feed_with_change(samples, sizes, at, rules)
    without = run(samples, labels=BANDS.names, rule=STEADY)
    assert of_label(events, "low") == of_label(without, "low")


def test_the_scenes_of_that_property_have_events_on_both_sides_of_a_change():
    samples = scene([("low", 1500), ("quiet", 2000), ("low", 3000), ("quiet", 2000), ("low", 1500)], seed=2)
    events = feed_with_change(samples, [333], 5000, {"low": STEADY})
    assert [event.kind for event in of_label(events, "low")] == ["onset", "offset"] * 3


@given(samples=scenes, sizes=block_sizes, at=st.integers(0, 12000), rules=other_rules)
def test_over_a_change_of_labels_every_event_is_closed_once_and_counted_on(samples, sizes, at, rules):
    events = feed_with_change(samples, sizes, at, rules)
    onsets = [event for event in events if event.kind == "onset"]
    offsets = {event.number: event for event in events if event.kind == "offset"}
    assert [event.number for event in onsets] == list(range(1, len(onsets) + 1))
    assert sorted(offsets) == [event.number for event in onsets]
    assert all(offsets[event.number].label == event.label for event in onsets)


def test_a_label_that_is_added_hears_a_sound_in_a_window_that_began_before():
    samples = np.concatenate([scene([("quiet", 600)], seed=1), tone(HZ["high"], 400)])
    recognizer = make(labels=["low"], rule=EAGER)
    assert feed(recognizer, samples[:999]) == []
    assert recognizer.listen_for(BANDS, {"low": EAGER, "high": EAGER}) == []
    (onset,) = recognizer.push(AudioBlock(samples[999:], 999))
    assert (onset.label, onset.onset_sample) == ("high", 300)


def test_a_label_that_is_dropped_has_its_open_event_closed_where_the_stream_is():
    recognizer = make(labels=["low", "high"], rule=STEADY)
    (onset,) = feed(recognizer, tone(HZ["high"], 2150))
    (offset,) = recognizer.listen_for(BANDS, {"low": STEADY})
    assert offset == replace(onset, kind="offset", score=offset.score, offset_sample=2150)
    assert feed(recognizer, tone(HZ["high"], 2000), start=2150) == []


def test_a_label_that_gets_another_rule_is_closed_and_begins_anew_by_it():
    recognizer = make(labels=["high"], rule=RULE)
    feed(recognizer, tone(HZ["high"], 2000))
    assert [event.kind for event in recognizer.listen_for(BANDS, {"high": EAGER})] == ["offset"]
    (onset,) = recognizer.push(AudioBlock(tone(HZ["high"], 200), 2000))
    assert (onset.kind, onset.number) == ("onset", 2)


@pytest.mark.parametrize(
    "rules", [{"high": EAGER, "unicorn": EAGER}, {"low": EAGER, "high": replace(RULE, release_s=0.0001)}]
)
def test_a_bad_rule_leaves_labels_and_open_events_as_they_were(rules):
    samples = scene([("high", 2000), ("quiet", 1500), ("low", 1500)], seed=4)
    recognizer = make(labels=["high"], rule=RULE)
    events = feed(recognizer, samples[:1900])
    with pytest.raises(ConfigError):
        recognizer.listen_for(BANDS, rules)
    events += feed(recognizer, samples[1900:], start=1900) + recognizer.flush()
    assert events == run(samples, labels=["high"])


def test_labels_can_be_changed_before_there_is_sound_and_between_two_streams():
    recognizer = make(labels=["low"])
    assert recognizer.listen_for(BANDS, {"high": RULE}) == []
    samples = scene([("high", 2000), ("low", 2000)], seed=6)
    assert {event.label for event in feed(recognizer, samples) + recognizer.flush()} == {"high"}
    assert recognizer.listen_for(BANDS, {"low": RULE}) == []
    assert {event.label for event in feed(recognizer, samples) + recognizer.flush()} == {"low"}


def test_scores_are_of_the_prototypes_given_last():
    recognizer = make(labels=["high"], rule=EAGER, observe=(reports := []))
    feed(recognizer, tone(HZ["high"], 1000))
    other = axis_prototypes(["deep", "mid"], extra_axes=1)
    recognizer.listen_for(other, {"deep": EAGER})
    feed(recognizer, tone(HZ["low"], 1000), start=1000)
    assert [len(report.scores) for report in reports] == [3] + [2] * 5
    assert reports[-1].supporting == ("deep",)


@given(samples=scenes, sizes=block_sizes, every=st.sampled_from([2, 3, 4, 7]))
def test_of_n_windows_one_is_heard_from_the_first_on_as_it_is_heard_among_all(samples, sizes, every):
    seldom: list[WindowReport] = []
    recognizer = make(observe=seldom)
    recognizer.hear_every = every
    feed(recognizer, samples, sizes)
    all_reports: list[WindowReport] = []
    feed(make(observe=all_reports), samples, sizes)
    assert [r.start_sample for r in seldom] == [r.start_sample for r in all_reports[::every]]
    assert recognizer.n_skipped == len(all_reports) - len(seldom)
    for heard, among_all in zip(seldom, all_reports[::every], strict=True):
        assert heard.state == among_all.state
        if heard.scores is not None:
            np.testing.assert_allclose(heard.scores, among_all.scores, atol=1e-5)


@given(samples=scenes, sizes=block_sizes, every=st.sampled_from([2, 3, 5]))
def test_events_are_the_same_however_the_stream_is_cut_where_windows_are_passed_over(samples, sizes, every):
    def run_seldom(sizes: Sequence[int] | None) -> list[SoundEvent]:
        recognizer = make()
        recognizer.hear_every = every
        return feed(recognizer, samples, sizes) + recognizer.flush()

    assert run_seldom(sizes) == run_seldom(None)


@pytest.mark.parametrize("every", [1, 2, 3, 4, 8])
def test_a_lasting_sound_is_one_event_about_where_it_was_however_few_windows_are_heard(every):
    samples = scene([("quiet", 4000), ("high", 8000), ("quiet", 6000)], seed=7)
    recognizer = make(rule=replace(RULE, confirm_s=0.6, within_s=1.2))
    recognizer.hear_every = every
    onset, offset = feed(recognizer, samples) + recognizer.flush()
    assert abs(onset.onset_sample - 4000) <= 500 + every * 200
    assert abs(offset.offset_sample - 12000) <= 500 + every * 200


def test_a_window_that_is_passed_over_is_not_embedded_and_not_reported():
    encoder = ScriptedEncoder([[0.0, 0.0, 0.9]] * 3)
    reports: list[WindowReport] = []
    recognizer = Recognizer(
        SETTINGS, encoder, axis_prototypes(["low", "middle", "high"]), {"high": EAGER}, reports.append
    )
    recognizer.hear_every = 4
    feed(recognizer, tone(410, 1000 + 11 * 200))
    assert (encoder.n_encoded, len(reports), recognizer.n_skipped) == (3, 3, 9)


def test_the_first_window_behind_a_gap_is_heard():
    reports: list[WindowReport] = []
    recognizer = make(observe=reports)
    recognizer.hear_every = 4
    feed(recognizer, tone(410, 1400))
    feed(recognizer, tone(410, 2000), start=7000)
    assert [report.start_sample for report in reports] == [0, 7000, 7800]


def test_how_many_are_heard_may_change_in_midstream():
    reports: list[WindowReport] = []
    recognizer = make(observe=reports)
    samples = tone(410, 1000 + 15 * 200)
    feed(recognizer, samples[:1400])
    recognizer.hear_every = 4
    feed(recognizer, samples[1400:3200], start=1400)
    recognizer.hear_every = 1
    feed(recognizer, samples[3200:], start=3200)
    assert [report.start_sample // 200 for report in reports] == [0, 1, 2, 6, 10, 12, 13, 14, 15]


def test_the_tail_of_a_stream_is_heard_whatever_is_passed_over():
    reports: list[WindowReport] = []
    recognizer = make(rule=EAGER, observe=reports)
    recognizer.hear_every = 8
    feed(recognizer, scene([("quiet", 1400), ("high", 150)], seed=5))
    onset, offset = recognizer.flush()
    assert [report.start_sample for report in reports] == [0, 600]
    assert (onset.kind, offset.kind, offset.offset_sample) == ("onset", "offset", 1550)

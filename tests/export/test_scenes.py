"""Scenes hold what they say: which sounds, from which sample on, how loud."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("scipy", reason="needs scipy, from the extra `eval`")
pytest.importorskip("onnx", reason="needs onnx, from the extra `test`")

from synthetic_bundle import SAMPLE_RATE_HZ, synthetic_labels, tone
from tone_scenes import alone, clip_of, hiss, sound_of, write_clip

from edge.errors import ConfigError
from export.evaluation.active_sound import active_frames, active_part, active_rms
from export.evaluation.datasets.dataset import Dataset, LabelledClip, leave_one_out
from export.evaluation.scene_background import background_bed
from export.evaluation.scene_sounds import Part, Sound, arrange, cast, label_of
from export.evaluation.scenes import APART_S, SCENE_S, Scene, SceneMaker
from export.evaluation.seen_clips import Seen
from export.evaluation.stream_clips import labels_heard, playable_clips, warn_of_missing

RATE = SAMPLE_RATE_HZ
LISTENED = ("siren", "dog bark")


def made_up(n: int, label: str | None, name: str) -> list[Sound]:
    return [
        Sound(label, name, f"{name}-{i}.wav", f"{name}-{i // 2}", Path(f"{name}-{i}.wav")) for i in range(n)
    ]


def rms(samples: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))


def tone_and_rest(stretch: np.ndarray, hz: float) -> tuple[float, float]:
    """RMS of the tone in a stretch, by least squares, and of what it isn't."""
    phase = 2 * np.pi * hz * np.arange(len(stretch)) / RATE
    basis = np.stack([np.sin(phase), np.cos(phase)], axis=1)
    held = basis @ np.linalg.lstsq(basis, stretch.astype(np.float64), rcond=None)[0]
    return rms(held), rms(stretch - held)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> list[Scene]:
    """Three sirens and two dogs at three SNRs, four other sounds, over two kinds of hiss."""
    folder = tmp_path_factory.mktemp("clips")
    clips = {
        f"{what}{i}": sound_of(write_clip(folder, f"{what}{i}.wav", clip_of(hz, 1.5 + 0.5 * i)), label, what)
        for what, label, hz, n in [
            ("siren", "siren", 1000.0, 3),
            ("dog", "dog bark", 400.0, 2),
            ("kettle", None, 2200.0, 4),
        ]
        for i in range(n)
    }
    targets = [sound for sound in clips.values() if sound.label]
    others = [sound for sound in clips.values() if not sound.label]
    groups = arrange(targets, others, (0.0, 10.0, 20.0), seed=4)
    return list(SceneMaker(hiss("noise", "hum"), RATE, 2.5, 0.0, seed=4).scenes(groups))


def test_each_target_is_placed_once_at_each_snr_and_distractors_as_often(scenes):
    placed = Counter((s.label, s.clip, s.snr_db) for scene in scenes for s in scene.sounds if s.label)
    assert set(placed.values()) == {1}
    assert len(placed) == 15
    others = Counter(s.clip for scene in scenes for s in scene.sounds if s.label is None)
    assert others.total() == 15
    assert set(others) == {f"kettle{i}.wav" for i in range(4)}


def test_a_fifth_of_the_targets_is_overlapped_by_a_sound_of_the_same_snr_that_begins_within_it(scenes):
    targets = [s for scene in scenes for s in scene.sounds if s.label]
    assert sum(s.overlapped for s in targets) == 3
    for scene in scenes:
        for sound in scene.sounds:
            over = [
                other
                for other in scene.sounds
                if other is not sound
                and other.onset_sample < sound.offset_sample
                and sound.onset_sample < other.offset_sample
            ]
            assert sound.overlapped == bool(over)
            if sound.label and over:
                (other,) = over
                assert other.label is None
                assert other.snr_db == sound.snr_db
                assert sound.onset_sample < other.onset_sample < sound.offset_sample


def test_sounds_of_a_label_are_far_apart_and_none_is_near_the_ends(scenes):
    for scene in scenes:
        assert len(scene.samples) == round(SCENE_S * RATE)
        assert scene.samples.dtype == np.float32
        assert np.abs(scene.samples).max() <= 0.99
        assert min(s.onset_sample for s in scene.sounds) >= 3.5 * RATE
        assert max(s.offset_sample for s in scene.sounds) <= (SCENE_S - 3.5) * RATE
        assert [s.onset_sample for s in scene.sounds] == sorted(s.onset_sample for s in scene.sounds)
        for label in LISTENED:
            own = [s for s in scene.sounds if s.label == label]
            for before, after in pairwise(own):
                assert after.onset_sample - before.offset_sample >= APART_S * RATE


def test_kinds_of_background_take_turns_at_levels_of_a_room(scenes):
    assert [scene.background for scene in scenes] == [["noise", "hum"][i % 2] for i in range(len(scenes))]
    for scene in scenes:
        first = min(s.onset_sample for s in scene.sounds)
        assert -50.5 <= 20 * np.log10(rms(scene.samples[:first])) <= -34.5
        assert 20 * np.log10(rms(scene.samples[:first])) == pytest.approx(scene.level_dbfs, abs=0.3)


def test_the_snr_measured_in_a_scene_is_the_one_stated(scenes):
    hz = {"siren": 1000.0, "dog": 400.0, "kettle": 2200.0}
    n_measured = 0
    for scene in scenes:
        for sound in scene.sounds:
            if not sound.overlapped:
                loudness, noise = tone_and_rest(
                    scene.samples[sound.onset_sample : sound.offset_sample], hz[sound.what]
                )
                # The tone's 5 ms fades count as noise of some thousandths of it.
                inner = scene.samples[sound.onset_sample + 200 : sound.offset_sample - 200]
                noise = tone_and_rest(inner, hz[sound.what])[1]
                assert 20 * np.log10(loudness / noise) == pytest.approx(sound.snr_db, abs=0.1)
                n_measured += 1
    assert n_measured >= 20


def test_a_sound_begins_at_the_sample_stated_whatever_silence_its_clip_begins_with(tmp_path):
    path = write_clip(tmp_path, "late.wav", clip_of(1000.0, 2.0, lead_s=1.23))
    (scene,) = SceneMaker(hiss(), RATE, 2.5, 0.0, seed=1).scenes(alone([sound_of(path, "siren")], [40.0]))
    (sound,) = scene.sounds
    loud = np.flatnonzero(np.abs(scene.samples) > 0.2 * np.abs(scene.samples).max())
    assert 0 <= loud[0] - sound.onset_sample <= 0.005 * RATE
    assert 0 <= sound.offset_sample - loud[-1] <= 0.016 * RATE


def test_a_scene_that_would_clip_is_turned_down_as_a_whole(tmp_path):
    path = write_clip(tmp_path, "loud.wav", clip_of(1000.0))
    (scene,) = SceneMaker(hiss(), RATE, 2.5, 0.0, seed=1).scenes(alone([sound_of(path, "siren")], [60.0]))
    (sound,) = scene.sounds
    assert np.abs(scene.samples).max() == pytest.approx(0.98, abs=1e-3)
    assert scene.level_dbfs < -55.0
    inner = scene.samples[sound.onset_sample + 200 : sound.offset_sample - 200]
    loudness, noise = tone_and_rest(inner, 1000.0)
    assert 20 * np.log10(loudness / noise) == pytest.approx(60.0, abs=0.1)


def test_pauses_within_a_sound_do_not_make_it_louder(tmp_path):
    """Two beeps 1 s apart: their SNR is that of the beeps, not of beeps and pause together."""
    beeps = np.zeros(5 * RATE, np.float32)
    for start in (RATE, 3 * RATE):
        beeps[start : start + RATE] = tone(1000.0, 1.0)
    path = write_clip(tmp_path, "beeps.wav", beeps)
    (scene,) = SceneMaker(hiss(), RATE, 2.5, 0.0, seed=1).scenes(alone([sound_of(path, "siren")], [10.0]))
    (sound,) = scene.sounds
    assert sound.offset_sample - sound.onset_sample == pytest.approx(3 * RATE, abs=2)
    beep = scene.samples[sound.onset_sample + 200 : sound.onset_sample + RATE - 200]
    loudness, noise = tone_and_rest(beep, 1000.0)
    assert 20 * np.log10(loudness / noise) == pytest.approx(10.0, abs=0.15)


def test_a_seed_fixes_every_sample_and_another_makes_other_scenes(tmp_path):
    path = write_clip(tmp_path, "a.wav", clip_of(1000.0))
    groups = alone([sound_of(path, "siren")], [0.0, 10.0])

    def first(seed: int) -> Scene:
        return next(SceneMaker(hiss(), RATE, 2.5, 0.0, seed).scenes(groups))

    one, same, other = first(3), first(3), first(4)
    np.testing.assert_array_equal(one.samples, same.samples)
    assert one.sounds == same.sounds
    assert one.sounds != other.sounds


def test_a_silent_clip_is_left_out_and_named_once(tmp_path, caplog):
    silent = sound_of(write_clip(tmp_path, "silent.wav", np.zeros(RATE, np.float32)), "siren")
    heard = sound_of(write_clip(tmp_path, "heard.wav", clip_of(1000.0)), "siren")
    scenes = list(SceneMaker(hiss(), RATE, 2.5, 0.0, seed=1).scenes(alone([silent, heard], [0.0, 10.0])))
    assert [s.clip for scene in scenes for s in scene.sounds] == ["heard.wav"] * 2
    assert caplog.messages == ["silent.wav holds no sound and is left out"]


def test_a_sound_longer_than_scenes_should_have_is_cut(tmp_path):
    path = write_clip(tmp_path, "long.wav", tone(1000.0, 40.0))
    (scene,) = SceneMaker(hiss(), RATE, 2.5, 0.0, seed=1).scenes(alone([sound_of(path, "siren")], [10.0]))
    length = scene.sounds[0].offset_sample - scene.sounds[0].onset_sample
    assert length == pytest.approx(15 * RATE, abs=2)


def test_without_distractors_targets_of_different_labels_overlap():
    targets = made_up(20, "siren", "s") + made_up(20, "dog bark", "d")
    groups = arrange(targets, [], (0.0, 10.0), seed=1)
    pairs = [group for group in groups if len(group) == 2]
    assert len(pairs) == 8
    assert sum(map(len, groups)) == 80
    for one, other in pairs:
        assert one.snr_db == other.snr_db
        assert {one.sound.label, other.sound.label} == set(LISTENED)


def test_every_distractor_plays_though_there_are_few_targets():
    groups = arrange(made_up(2, "siren", "s"), made_up(50, None, "x"), (0.0, 10.0), seed=1)
    played = Counter(part.sound.clip for group in groups for part in group if part.sound.label is None)
    assert len(played) == played.total() == 50


def test_one_label_and_nothing_else_plays_without_overlaps():
    groups = arrange(made_up(3, "siren", "s"), [], (10.0,), seed=1)
    assert sorted(len(group) for group in groups) == [1, 1, 1]
    assert isinstance(groups[0][0], Part)


def test_a_bed_has_the_level_and_length_asked_for_at_any_rate():
    clips = hiss()["noise"]
    for rate_hz in (16000, 48000):
        bed = background_bed(clips, 30 * rate_hz, rate_hz, -40.0, np.random.default_rng(1))
        assert bed.shape == (30 * rate_hz,)
        assert bed.dtype == np.float32
        assert 20 * np.log10(rms(bed)) == pytest.approx(-40.0, abs=0.01)
        seconds = bed.reshape(30, rate_hz)
        assert 20 * np.log10([rms(second) for second in seconds]) == pytest.approx(-40.0, abs=0.3)
    spectrum = np.abs(np.fft.rfft(bed[:48000])) ** 2
    assert spectrum[8500:].sum() < 1e-4 * spectrum.sum()


@pytest.mark.parametrize("constant", [0.0, 0.15])
def test_the_active_part_is_without_padding_hiss_and_constant_level(constant):
    rng = np.random.default_rng(2)
    clip = np.zeros(5 * RATE, np.float32)
    clip[RATE : 4 * RATE] = 1e-4 * rng.standard_normal(3 * RATE) + constant
    clip[2 * RATE : 3 * RATE] += tone(1000.0, 1.0)
    part = active_part(clip, RATE)
    assert part is not None
    assert len(part) == pytest.approx(RATE, abs=0.02 * RATE)
    assert abs(float(part.mean())) < 0.002
    assert abs(float(part[0])) < 1e-6
    assert active_rms(part, RATE) == pytest.approx(0.3 / np.sqrt(2), rel=0.02)
    assert active_frames(part, RATE).all()


@pytest.mark.parametrize(
    "clip",
    [
        np.zeros(0, np.float32),
        np.zeros(RATE, np.float32),
        np.full(RATE, 0.1, np.float32),
        1e-5 * np.random.default_rng(1).standard_normal(RATE).astype(np.float32),
    ],
)
def test_a_clip_that_holds_nothing_has_no_active_part(clip):
    assert active_part(clip, RATE) is None


def test_a_click_shorter_than_a_frame_is_active():
    clip = np.zeros(RATE, np.float32)
    clip[5000:5040] = 0.5
    clip[5040:5080] = -0.5
    part = active_part(clip, RATE)
    assert part is not None
    assert 80 <= len(part) <= 320


def dataset(clips: list[tuple[str, str, tuple[int, ...]]], classes: tuple[str, ...]) -> Dataset:
    listed = tuple(
        LabelledClip(name, Path(name), fold, places, name.split("-")[0]) for name, fold, places in clips
    )
    return Dataset("made-up", "Made up", classes, listed, leave_one_out(("1", "4")), multi_label=True)


CLASSES = ("dog_bark", "ambulance", "rain", "kettle", "sirens", "smoke alarm")
DATA = dataset(
    [
        ("a.wav", "1", (0,)), ("b.wav", "1", (1,)), ("c.wav", "1", (2,)), ("d.wav", "4", (3,)),
        ("e.wav", "4", (1, 4)), ("f.wav", "4", (0, 1)), ("g.wav", "4", (0, 3)), ("h.wav", "4", (5,)),
        ("i.wav", "4", ()),
    ],
    CLASSES,
)  # fmt: skip


def test_clips_are_parted_by_the_labels_that_their_classes_are_of():
    known = synthetic_labels()
    targets, distractors = cast(DATA, DATA.clips, LISTENED, lambda name: label_of(name, known, LISTENED))
    assert {(t.clip, t.label) for t in targets} == {
        ("a.wav", "dog bark"), ("b.wav", "siren"), ("e.wav", "siren"), ("g.wav", "dog bark"),
    }  # fmt: skip
    # f is of two labels listened for; the alarm's label isn't listened for; rain is a background.
    assert [d.clip for d in distractors] == ["c.wav", "d.wav", "h.wav", "i.wav"]


def test_a_label_made_for_this_run_is_known_by_its_name():
    assert label_of("Kettle", synthetic_labels(), ("kettle",)) == "kettle"
    assert label_of("kettle", synthetic_labels(), ("siren",)) is None


def test_all_is_every_label_that_clips_are_left_of():
    assert labels_heard(DATA, DATA.clips[:3], synthetic_labels()) == ("dog bark", "siren")
    with pytest.raises(ConfigError, match="no class of Made up is one of the bundle's labels"):
        labels_heard(DATA, DATA.clips[2:4], synthetic_labels())


def test_only_clips_that_the_bundle_was_not_made_from_are_played():
    seen = Seen(frozenset({"a.wav"}), kept="4")
    assert [c.name for c in playable_clips(seen, DATA, None, final=False)] == ["b.wav", "c.wav"]
    assert {c.fold for c in playable_clips(seen, DATA, None, final=True)} == {"4"}
    with pytest.raises(ConfigError, match="no fold '7', only 1, 4"):
        playable_clips(seen, DATA, ["7"], final=False)
    with pytest.raises(ConfigError, match=r"no clip of Made up can be played: .* --final LOG"):
        playable_clips(seen, DATA, ["4"], final=False)
    with pytest.raises(ConfigError, match="another --data, --folds or --bundle"):
        playable_clips(Seen(frozenset(c.name for c in DATA.clips), None), DATA, None, final=False)


def test_a_label_without_clips_is_named_and_it_is_an_error_if_none_has_any(caplog):
    targets = made_up(1, "siren", "s")
    warn_of_missing(targets, LISTENED, DATA)
    assert "dog bark: only false alarms are counted" in caplog.text
    with pytest.raises(ConfigError, match="no clip of Made up that can be played is of dog bark"):
        warn_of_missing(targets, ("dog bark",), DATA)


def test_each_distractor_comes_at_every_snr_in_turn():
    targets = [sound_of(Path(f"{number}.wav"), "siren") for number in range(8)]
    others = [sound_of(Path(f"other {number}.wav"), None) for number in range(2)]
    groups = arrange(targets, others, (0.0, 10.0), seed=1)
    # Those within a target are at its SNR.
    alone = [group[0] for group in groups if len(group) == 1 and group[0].sound.label is None]
    assert {(part.sound.clip, part.snr_db) for part in alone} == {
        (sound.clip, snr_db) for sound in others for snr_db in (0.0, 10.0)
    }


def test_sounds_of_a_label_are_as_far_apart_as_the_pipeline_needs(tmp_path):
    path = write_clip(tmp_path, "a.wav", clip_of(1000.0, 1.0))
    maker = SceneMaker(hiss(), RATE, 2.5, 20.0, seed=1)
    scenes = list(maker.scenes(alone([sound_of(path, "siren")], [10.0] * 4)))
    assert sum(len(scene.sounds) for scene in scenes) == 4
    for scene in scenes:
        for one, other in pairwise(scene.sounds):
            assert other.onset_sample - one.offset_sample >= 20.0 * RATE

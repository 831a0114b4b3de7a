from dataclasses import replace

import numpy as np
import pytest
import synthetic_bundle as synthetic

from edge.background import Background, Members
from edge.bundle import load_bundle
from edge.encoder import load_encoder
from edge.enrolment.check import NAMED_SHARE, alikeness, odd_clips
from edge.enrolment.enrol import Clip, Ground, enrol
from edge.enrolment.windows import ClipWindows, clip_windows
from edge.errors import ConfigError, LabelError
from edge.frontend import LogMelFrontEnd, fit_clip
from edge.overlay.content import EnrolledSound, Overlay
from edge.overlay.labels import with_overlay
from edge.recognizer import Recognizer, RecognizerSettings
from edge.trigger_rule import TriggerRule
from edge.types import AudioBlock, Embedding, Samples

RATE_HZ = synthetic.SAMPLE_RATE_HZ
CREATED = "2026-01-31T12:00:00Z"
RULE = TriggerRule(
    on_threshold=0.5,
    off_threshold=0.4,
    margin=-0.2,
    rivals="background",
    confirm_s=0.96,
    within_s=2.4,
    release_s=1.5,
    cooldown_s=0.0,
)


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    directory = tmp_path_factory.mktemp("enrolment") / "bundle"
    synthetic.write_synthetic_bundle(directory)
    bundle = load_bundle(directory)
    entry = bundle.manifest.encoders[0]
    front_end = LogMelFrontEnd(bundle.manifest.log_mel)
    encoder = load_encoder(bundle, entry, round(synthetic.HOP_S * RATE_HZ))

    def embed(samples: Samples) -> Embedding:
        return encoder.encode(front_end(fit_clip(samples, synthetic.WINDOW_LENGTH, "zero")))

    return Ground(
        prototypes=bundle.prototypes(entry),
        background=bundle.background,
        rule=RULE,
        thresholds=bundle.thresholds(entry),
        embed=embed,
        window_length=synthetic.WINDOW_LENGTH,
        hop_length=round(synthetic.HOP_S * RATE_HZ),
        sample_rate_hz=RATE_HZ,
    )


def recording(hz: float, duration_s: float = 1.5, seed: int = 0) -> Samples:
    """A tone in a quiet room, half a second of which is before and after it."""
    rng = np.random.default_rng(seed)
    samples = 1e-4 * rng.standard_normal(round((duration_s + 1.0) * RATE_HZ))
    sound = synthetic.tone(hz, duration_s, amplitude=float(rng.uniform(0.1, 0.4)))
    samples[RATE_HZ // 2 :][: len(sound)] += sound
    return np.asarray(samples, np.float32)


def rings(hz: float = 2000.0, n: int = 3, duration_s: float = 1.5) -> list[Clip]:
    return [Clip(f"ring{i + 1}.wav", recording(hz, duration_s, seed=i)) for i in range(n)]


def is_told(ground: Ground, sound: EnrolledSound, samples: Samples) -> bool:
    manifest = synthetic.synthetic_manifest()
    settings = RecognizerSettings(
        manifest.log_mel, manifest.window_s, manifest.clip_s, manifest.hop_s, manifest.padding, -60.0
    )
    rule = replace(ground.rule, on_threshold=sound.threshold, off_threshold=sound.threshold - 0.1)
    prototypes = with_overlay(ground.prototypes, Overlay("", (sound,)), ground.thresholds)

    class Ear:
        def encode(self, log_mel: Samples) -> Embedding:
            return synthetic.embed(log_mel)

    recognizer = Recognizer(settings, Ear(), prototypes, {sound.name: rule})
    silence = np.zeros(RATE_HZ, np.float32)
    events = recognizer.push(AudioBlock(np.concatenate([silence, samples, silence]), 0))
    return any(event.kind == "onset" for event in [*events, *recognizer.flush()])


def test_three_clips_make_a_label_that_the_next_one_is_told_by(ground: Ground) -> None:
    enrolment = enrol("our bell", rings(), ground, CREATED)
    sound = enrolment.sound
    assert (sound.name, sound.created) == ("our bell", CREATED)
    assert sound.clips == ("ring1.wav", "ring2.wav", "ring3.wav")
    assert sound.made_from == ("ring1.wav, ring2.wav, ring3.wav",)
    assert sound.vectors.shape == (1, synthetic.EMBEDDING_DIM)
    assert (enrolment.n_found, enrolment.odd, enrolment.conflicts, enrolment.notes) == (3, (), (), ())
    assert enrolment.expected is not None
    assert enrolment.expected.per_h <= 0.5
    assert is_told(ground, sound, recording(2000.0, 2.0, seed=9))
    assert not is_told(ground, sound, recording(1000.0, 2.0, seed=9))
    assert not is_told(ground, sound, synthetic.rain(3.0))


def test_silence_is_refused_with_the_clip_named(ground: Ground) -> None:
    clips = [*rings(n=2), Clip("ring3.wav", np.zeros(2 * RATE_HZ, np.float32))]
    with pytest.raises(ConfigError, match=r"^ring3.wav holds no sound above silence: record"):
        enrol("our bell", clips, ground, CREATED)


@pytest.mark.parametrize("n", [0, 1])
def test_one_clip_is_too_few(ground: Ground, n: int) -> None:
    with pytest.raises(ConfigError, match=f"^{n} clip.*give 3 or more"):
        enrol("our bell", rings(n=n), ground, CREATED)


def test_a_clip_that_is_too_long_is_refused_but_silence_about_a_sound_is_not(ground: Ground) -> None:
    about = np.zeros(40 * RATE_HZ, np.float32)
    clips = [Clip("long.wav", np.concatenate([about, recording(2000.0), about])), *rings(n=2)]
    assert enrol("our bell", clips, ground, CREATED).n_found == 3
    clips[0] = Clip("long.wav", recording(2000.0, 31.0))
    with pytest.raises(ConfigError, match=r"^long.wav holds 31 s .*30 s at most$"):
        enrol("our bell", clips, ground, CREATED)


def test_samples_that_are_no_numbers_are_refused(ground: Ground) -> None:
    samples = recording(2000.0)
    samples[100] = np.nan
    with pytest.raises(ConfigError, match=r"^bad.wav holds samples that are no numbers"):
        enrol("our bell", [*rings(), Clip("bad.wav", samples)], ground, CREATED)


def test_a_name_that_exists_is_refused(ground: Ground) -> None:
    with pytest.raises(LabelError, match="siren already"):
        enrol("siren", rings(), ground, CREATED)


def test_a_wrong_clip_among_right_ones_is_named_and_taken_only_anyway(ground: Ground) -> None:
    clips = [*rings(n=2), Clip("cough.wav", recording(400.0)), Clip("ring3.wav", recording(2000.0, seed=7))]
    with pytest.raises(
        LabelError, match=r"^cough.wav \(at most -?\.\d\d alike, .*doesn't sound like the others"
    ) as error:
        enrol("our bell", clips, ground, CREATED)
    assert "\n" not in str(error.value)
    assert "--anyway" in str(error.value)
    enrolment = enrol("our bell", clips, ground, CREATED, anyway=True)
    assert [odd.name for odd in enrolment.odd] == ["cough.wav"]
    assert set(enrolment.sound.made_from) == {"ring1.wav, ring2.wav, ring3.wav", "cough.wav"}
    assert len(enrolment.sound.vectors) == 2
    assert enrolment.n_found == 3
    assert any("1 of 4 clips would be missed" in note for note in enrolment.notes)


@pytest.mark.parametrize("tones", [(2e3, 5e3), (2e3, 500.0, 5e3), (2e3, 2e3, 5e3, 5e3)])
def test_clips_of_different_things_do_not_sound_alike(ground: Ground, tones: tuple[float, ...]) -> None:
    clips = [Clip(f"{i}.wav", recording(hz, seed=i)) for i, hz in enumerate(tones)]
    with pytest.raises(LabelError, match=r"^these clips don't sound alike: 0\.wav"):
        enrol("our bell", clips, ground, CREATED)


def test_a_label_that_sounds_alike_is_shown_as_a_conflict(ground: Ground) -> None:
    enrolment = enrol("our siren", rings(1000.0, duration_s=6.0), ground, CREATED)
    assert [conflict.name for conflict in enrolment.conflicts] == ["siren"]
    assert str(enrolment.conflicts[0]).startswith("siren .")


def test_a_rival_that_beats_the_sound_shows_in_what_is_found(ground: Ground) -> None:
    # Too far from the siren to be of its kin.
    far = dict.fromkeys(ground.thresholds, 1.0)
    strict = replace(ground, rule=replace(RULE, rivals="all", margin=0.3), thresholds=far)
    enrolment = enrol("our siren", rings(1000.0, duration_s=6.0), strict, CREATED)
    assert enrolment.n_found == 0
    assert any("3 of 3 clips would be missed at any threshold" in note for note in enrolment.notes)


def test_without_a_background_the_labels_thresholds_are_the_guide_and_that_is_said(ground: Ground) -> None:
    enrolment = enrol("our bell", rings(), replace(ground, background=None), CREATED)
    assert enrolment.expected is None
    assert enrolment.sound.threshold >= synthetic.THRESHOLD
    assert enrolment.n_found == 3
    assert "no background" in enrolment.notes[0]


def test_fewer_false_alarms_take_a_higher_threshold(ground: Ground) -> None:
    # Near a label, so that its moments of background come near the sound.
    thresholds = [
        enrol("our siren", rings(1040.0), ground, CREATED, per_h=per_h).sound.threshold
        for per_h in (8.0, 2.0, 0.5)
    ]
    assert thresholds == sorted(thresholds)
    assert thresholds[0] < thresholds[2]


def test_a_rate_rarer_than_what_was_heard_takes_a_threshold_just_above_all_of_it(ground: Ground) -> None:
    enrolment = enrol("our siren", rings(1000.0), ground, CREATED, per_h=0.01)
    rare = enrol("our siren", rings(1000.0), ground, CREATED, per_h=0.001)
    assert rare.sound.threshold == enrolment.sound.threshold
    assert "0.001 false alarms an hour can't be promised" in rare.notes[0]
    assert rare.n_found == 3


def test_a_background_turns_prototypes_to_where_the_sound_differs(ground: Ground) -> None:
    """Not to its middle: that is as near to what all sounds share."""
    heard = rings(1040.0)
    plain = enrol("our siren", heard, replace(ground, background=None), CREATED).sound.vectors
    turned = enrol("our siren", heard, ground, CREATED).sound.vectors
    assert turned.shape == plain.shape
    assert np.linalg.norm(turned, axis=1) == pytest.approx(1.0, abs=1e-5)
    assert ground.background is not None
    of_all = ground.background.embeddings.mean(axis=0)
    assert abs(float(turned[0] @ of_all)) < abs(float(plain[0] @ of_all))


def test_windows_are_those_that_hold_half_of_the_sound() -> None:
    length, hop = 1000, 200
    seen: list[Samples] = []

    def embed(samples: Samples) -> Embedding:
        seen.append(samples)
        return np.array([1.0, 0.0], np.float32)

    samples = np.zeros(3000, np.float32)
    samples[1200:1600] = 1.0
    windows = clip_windows("a", samples, (1200, 1600), length, hop, embed)
    overlaps = [int(window.sum()) for window in seen]
    assert all(len(window) == length for window in seen)
    assert min(overlaps) > 0
    np.testing.assert_array_equal(windows.holds_sound, np.array(overlaps) >= 200)
    assert overlaps == [200, 400, 400, 400, 400, 200]


def planted(rows: list[list[float]], name: str) -> ClipWindows:
    embeddings = np.array(rows, np.float32)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    return ClipWindows(name, embeddings, np.ones(len(rows), np.bool_))


def test_how_alike_unrelated_sounds_are_is_taken_from_recordings_of_labels(ground: Ground) -> None:
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((30, 8)) + 1.0
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    members = Members(
        centres.astype(np.float32), np.arange(30), np.arange(30), np.zeros(30, np.intp), "random"
    )
    background = Background(
        members.embeddings[:1], np.zeros(1, np.intp), np.zeros(1, np.intp), np.ones(1, np.float32),
        np.zeros(1, np.intp), 1, 3600.0, 0.48, members, "",
    )  # fmt: skip
    clips = [planted([list(centre)], str(i)) for i, centre in enumerate(centres[:3])]
    alike = alikeness(clips, ground.prototypes, background)
    cosines = (centres @ centres.T)[np.triu_indices(30, 1)]
    assert alike.limits == pytest.approx(np.quantile(cosines, NAMED_SHARE**0.5), abs=1e-5)
    assert len(odd_clips(clips, alike)) in {0, 1, 3}

"""What enrolment brings for sounds that the encoder never trained on: three classes of ESC-50.

A bell, a beeping appliance and a baby, chosen before anything was trained, as what people would enrol. The
encoder is trained without them (or --bundle names one that was). For each and each ordered pair of folds,
three clips of the first are enrolled and all clips of the second judged by the recognizer, a second of
silence about each. False alarms are counted over generated background that shares nothing with that of the
thresholds.
"""

from __future__ import annotations

import argparse
import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
from enrolment_results import Results, kinds_table, table

from edge.background import Background
from edge.bundle import Bundle, load_bundle
from edge.config import RuleSettings
from edge.encoder import load_encoder
from edge.enrolment.enrol import Clip, Enrolment, Ground, enrol
from edge.frontend import LogMelFrontEnd, fit_window
from edge.overlay.content import EnrolledSound, Overlay
from edge.overlay.labels import with_overlay
from edge.recognizer import Recognizer, RecognizerSettings
from edge.rule_presets import of_own_sound, trigger_rule
from edge.scoring import PrototypeSet, scores
from edge.trigger_bank import TriggerBank
from edge.trigger_rule import TriggerRule
from edge.types import AudioBlock, Embedding, Encoder, LogMel, Samples
from export.background.build import make_background
from export.background.generated import ALL_KINDS, generated_recordings
from export.background.heard_store import HeardStore
from export.background.hearing import Ear, Heard, recognizer_settings
from export.starter.build import StarterSettings, build_starter
from export.starter.calibration import MEMBERS_ARE, final_fold_members
from export.starter.data import DEVELOPMENT_FOLDS, load_clips, read_mono
from export.starter.data import Clip as DataClip
from export.starter.vocabulary import VOCABULARY

WITHOUT = ("church bells", "clock alarm", "baby cry")
SETTINGS = StarterSettings(
    crops_per_fold=6000,
    cross_validation_steps=100,
    final_steps=2500,
    background_minutes=(("speech", 10.0), ("music", 10.0), ("noise", 4.0), ("hum", 4.0), ("quiet", 4.0)),
    without=WITHOUT,
)
RATE_HZ = 16_000
PER_H = 0.5
N_ENROLLED = 3
OTHERS_A_CLASS = 2
CALIBRATION_SEED, TEST_SEED = 31, 32


class Remembering:
    """An encoder that embeds the same window once, since enrolments share clips."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._known: dict[bytes, Embedding] = {}

    def encode(self, log_mel: LogMel) -> Embedding:
        """As the encoder's."""
        key = log_mel.tobytes()
        if key not in self._known:
            self._known[key] = self._encoder.encode(log_mel)
        return self._known[key]


@dataclass(frozen=True, eq=False)
class Place:
    """What sounds are enrolled on and judged with."""

    bundle: Bundle
    ground: Ground
    settings: RecognizerSettings
    encoder: Encoder
    test: Sequence[Heard]

    def prototypes(self, sound: EnrolledSound) -> PrototypeSet:
        """With the sound's."""
        return with_overlay(self.ground.prototypes, Overlay("", (sound,)), self.ground.thresholds)

    def rules(self, sound: EnrolledSound) -> dict[str, TriggerRule]:
        """The sound's, at its threshold."""
        return {sound.name: rule_at(self.bundle, sound.threshold)}


@dataclass(frozen=True)
class Hours:
    """Of generated background."""

    calibration: float
    test: float


def rule_at(bundle: Bundle, threshold: float) -> TriggerRule:
    """An own sound's rule by default."""
    manifest, own = bundle.manifest, of_own_sound(RuleSettings())
    return trigger_rule(own, threshold, manifest.rules, manifest.window_s, manifest.hop_s)


def without_names(prototypes: PrototypeSet, names: Sequence[str]) -> PrototypeSet:
    """Without those of these names, for a bundle that has them."""
    kept = [place for place, name in enumerate(prototypes.names) if name not in names]
    is_kept = np.isin(prototypes.owners, kept)
    return PrototypeSet(
        vectors=prototypes.vectors[is_kept],
        owners=np.searchsorted(kept, prototypes.owners[is_kept]),
        names=tuple(prototypes.names[place] for place in kept),
        background=tuple(prototypes.background[place] for place in kept),
        rivals_groups=tuple(prototypes.rivals_groups[place] for place in kept),
    )


def prepare(bundle: Bundle, clips: Sequence[DataClip], work: Path, hours: Hours) -> Place:
    """Hear all background, or take what was heard before."""
    entry, settings = bundle.manifest.encoders[0], recognizer_settings(bundle.manifest)
    encoder = Remembering(load_encoder(bundle, entry, settings.window_hop))
    front_end = LogMelFrontEnd(settings.log_mel)

    def embed(samples: Samples) -> Embedding:
        fitted = fit_window(samples, settings.window_length, settings.clip_length, settings.padding)
        return encoder.encode(front_end(fitted))

    store = HeardStore(work / "heard", Ear(bundle))
    recordings = generated_recordings(work / "sound", "test", hours.test, TEST_SEED)
    return Place(
        bundle=bundle,
        ground=Ground(
            prototypes=without_names(bundle.prototypes(entry), WITHOUT),
            background=calibration_background(bundle, clips, work, hours.calibration),
            rule=rule_at(bundle, 0.5),
            thresholds=bundle.thresholds(entry),
            embed=embed,
            window_length=settings.window_length,
            hop_length=settings.window_hop,
            sample_rate_hz=RATE_HZ,
        ),
        settings=settings,
        encoder=encoder,
        test=[store.heard(sound) for sound in recordings],
    )


def calibration_background(bundle: Bundle, clips: Sequence[DataClip], work: Path, hours: float) -> Background:
    """The bundle's own, or one made for it; its recordings of labels are none of the three classes."""
    if bundle.background is not None:
        return bundle.background
    known = [clip for clip in clips if VOCABULARY[clip.target].name not in WITHOUT]
    return make_background(
        bundle,
        generated_recordings(work / "sound", "calibration", hours, CALIBRATION_SEED),
        final_fold_members(bundle, known),
        MEMBERS_ARE,
        work,
    )


def is_told(place: Place, sound: EnrolledSound, samples: Samples) -> bool:
    """Whether a clip brings an event, a second of silence before and behind it."""
    recognizer = Recognizer(place.settings, place.encoder, place.prototypes(sound), place.rules(sound))
    silence = np.zeros(RATE_HZ, np.float32)
    events = recognizer.push(AudioBlock(np.concatenate([silence, samples, silence]), 0))
    return any(event.kind == "onset" for event in [*events, *recognizer.flush()])


def alarms_by_kind(place: Place, sound: EnrolledSound) -> Counter[str]:
    """Events in each kind of the test background."""
    prototypes, rules, settings = place.prototypes(sound), place.rules(sound), place.settings
    n = Counter(dict.fromkeys(ALL_KINDS, 0))
    for kind, heard in zip(itertools.cycle(ALL_KINDS), place.test, strict=False):
        bank = TriggerBank(prototypes, rules, settings.window_hop, RATE_HZ)
        of_window = dict(
            zip(heard.position.tolist(), scores(heard.embeddings.astype(np.float32), prototypes), strict=True)
        )
        for number in range(int(heard.position.max(initial=-1)) + 1):
            start = number * settings.window_hop
            stepped = bank.step(start, start + settings.window_length, of_window.get(number))
            n[kind] += sum(event.kind == "onset" for event in stepped[0])
    return n


def judge(
    place: Place,
    name: str,
    clips: Sequence[DataClip],
    read: Callable[[DataClip], Samples],
    rng: np.random.Generator,
) -> Results:
    """All pairs of folds of one class."""
    results = Results()
    own = [clip for clip in clips if VOCABULARY[clip.target].name == name]
    others = [clip for clip in clips if VOCABULARY[clip.target].name not in WITHOUT]
    for first, second in itertools.permutations(DEVELOPMENT_FOLDS, 2):
        of_first = [clip for clip in own if clip.fold == first]
        drawn = [of_first[i] for i in rng.choice(len(of_first), N_ENROLLED, replace=False)]
        wrong = others[int(rng.integers(len(others)))]
        enrolment = enrolled(place, name, drawn, read)
        results.complained.append(bool(enrolment.odd))
        mixed = enrolled(place, name, [wrong, *drawn[1:]], read)
        results.named.append(wrong.filename in {odd.name for odd in mixed.odd})
        sound = enrolment.sound
        results.thresholds.append(sound.threshold)
        results.expected.append(enrolment.expected.per_h if enrolment.expected else np.nan)
        by_kind = alarms_by_kind(place, sound)
        results.alarms.append(by_kind.total())
        results.by_kind.update(by_kind)
        for clip in (clip for clip in own if clip.fold == second):
            results.found.setdefault(clip.filename, []).append(is_told(place, sound, read(clip)))
            results.sources[clip.filename] = clip.source_id
        results.others += [
            is_told(place, sound, read(clip)) for clip in some_of_each(others, second, OTHERS_A_CLASS)
        ]
    return results


def enrolled(
    place: Place, name: str, clips: Sequence[DataClip], read: Callable[[DataClip], Samples]
) -> Enrolment:
    """Enrolled even if a clip is complained of, so that recall isn't that of the agreeable ones alone."""
    taken = [Clip(clip.filename, read(clip)) for clip in clips]
    return enrol("own " + name, taken, place.ground, "", per_h=PER_H, anyway=True)


def some_of_each(clips: Sequence[DataClip], fold: int, n_each: int) -> Iterator[DataClip]:
    """The first clips of each class of a fold."""
    by_class: dict[int, int] = {}
    for clip in clips:
        if clip.fold == fold and by_class.setdefault(clip.target, 0) < n_each:
            by_class[clip.target] += 1
            yield clip


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description="What enrolment brings for sounds new to the encoder.")
    parser.add_argument("--data", type=Path, required=True, help="folder of ESC-50")
    parser.add_argument("--work", type=Path, required=True, help="where intermediate results are kept")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--teacher", type=Path, help="yamnet.tflite, to train the encoder with")
    source.add_argument("--bundle", type=Path, help="a bundle whose encoder was trained without the three")
    parser.add_argument(
        "--calibration-hours", type=float, default=8.0,
        help="of background for a bundle that has none (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--test-hours", type=float, default=4.0, help="of background to judge by (default: %(default)s)"
    )
    parser.add_argument("--out", type=Path, help="a file for the table too")
    options = parser.parse_args()
    if options.bundle is None:
        created = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        bundle = build_starter(
            options.data,
            options.teacher,
            options.work / "training",
            options.work / "bundle",
            SETTINGS,
            created,
        )
    else:
        bundle = load_bundle(options.bundle)
    clips = load_clips(options.data)
    samples: dict[str, Samples] = {}

    def read(clip: DataClip) -> Samples:
        if clip.filename not in samples:
            samples[clip.filename] = read_mono(clip.path, RATE_HZ)
        return samples[clip.filename]

    place = prepare(bundle, clips, options.work, Hours(options.calibration_hours, options.test_hours))
    developed = [clip for clip in clips if clip.fold in DEVELOPMENT_FOLDS]
    hours = sum(heard.duration_s for heard in place.test) / 3600.0
    rng = np.random.default_rng(1)
    results = {name: judge(place, name, developed, read, rng) for name in WITHOUT}
    trained = {label.name for label in bundle.manifest.labels} & set(WITHOUT)
    lines = [
        f"{hours:.1f} h of test background; {N_ENROLLED} clips an enrolment, {PER_H:g} an hour asked for."
    ]
    if trained:
        lines.append(
            f"The encoder was trained on {', '.join(sorted(trained))}: this shows nothing of new sounds."
        )
    lines += ["", *table(results, hours), "", *kinds_table(results, hours / len(ALL_KINDS))]
    print("\n".join(lines))
    if options.out is not None:
        options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

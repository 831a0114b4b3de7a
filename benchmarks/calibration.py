"""False alarms asked for against false alarms measured, in generated background that calibration never saw.

    python benchmarks/calibration.py --data ESC-50-master --work calibration-work [--hours 30] [--json FILE]

Thresholds come from the bundle's background; the triggers are then run over hours of the part of generated
background that is kept for tests. Finds are counted in the bundle's members and, as a check of these, in the
clips of ESC-50's folds 1, 2, 3 and 5 that their licence kept out of training. Before: the thresholds that the
bundle comes with. What is heard is kept in the work folder.
"""

from __future__ import annotations

import os

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_variable] = "1"  # before numpy is imported, as edge.cli does

import argparse
import dataclasses
import json
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edge.bundle import Bundle, load_bundle
from edge.calibration.alarm_levels import alarm_levels, own_and_best_rival
from edge.calibration.expectation import Expectation, expectation
from edge.calibration.rate_interval import clustering, count_interval
from edge.pipeline import builtin_bundle
from edge.scoring import PrototypeSet, scores
from edge.trigger_bank import TriggerBank
from edge.trigger_rule import TriggerRule
from export.background.build import GENERATION_SEED, default_rules
from export.background.folders import SILENCE_S, file_sound
from export.background.generated import generated_recordings
from export.background.heard_store import HeardStore
from export.background.hearing import Ear, Heard, recognizer_settings
from export.progress import progress
from export.starter.data import DEVELOPMENT_FOLDS, load_clips
from export.starter.vocabulary import VOCABULARY

RATES_PER_H = (0.5, 1.0, 2.0)
FACTOR = 3.0


@dataclasses.dataclass(frozen=True)
class Judged:
    """A label at one threshold.

    Attributes:
        expected: what calibration says of it.
        is_reached: whether the threshold has the rate asked for, rather than the least or most allowed.
        measured_per_h, low, high: events an hour in the test part, with a 90 % interval.
        n_dev_found, n_dev: of the development clips.
    """

    expected: Expectation
    is_reached: bool
    measured_per_h: float
    low: float
    high: float
    n_dev_found: int
    n_dev: int

    @property
    def is_near(self) -> bool:
        """Whether the measured rate is within a factor of 3 of the one asked for."""
        asked = self.expected.asked_per_h or 0.0
        return asked / FACTOR <= self.measured_per_h <= asked * FACTOR

    @property
    def is_inside(self) -> bool:
        """Whether the measured rate is inside the interval printed."""
        return self.expected.false_alarms.low <= self.measured_per_h <= self.expected.false_alarms.high

    @property
    def overlaps(self) -> bool:
        """Whether its own interval meets the printed one."""
        return self.low <= self.expected.false_alarms.high and self.expected.false_alarms.low <= self.high


class Judge:
    """Everything that thresholds are judged by."""

    def __init__(self, bundle: Bundle, heard: Sequence[Heard], dev: Sequence[tuple[int, Heard]]) -> None:
        self.bundle = bundle
        self.prototypes: PrototypeSet = bundle.prototypes(bundle.manifest.encoders[0])
        self.rules = default_rules(bundle)
        self.settings = recognizer_settings(bundle.manifest)
        self._heard = heard
        self._scores = [scores(one.embeddings.astype(np.float32), self.prototypes) for one in heard]
        self._dev = dev
        self.hours = sum(one.duration_s for one in heard) / 3600.0

    def judge(self, asked_per_h: float | None) -> list[Judged]:
        """All labels at the thresholds for this rate; None leaves those that the bundle comes with."""
        background = self.bundle.background
        if background is None:
            raise SystemExit("the bundle has no background: edge-export background adds one")
        expected = {
            place: expectation(place, rule, self.prototypes, background, asked_per_h, rule.on_threshold)
            for place, rule in self.rules.items()
        }
        rules = {
            place: dataclasses.replace(
                rule,
                on_threshold=expected[place].threshold,
                off_threshold=expected[place].threshold - (rule.on_threshold - rule.off_threshold),
            )
            for place, rule in self.rules.items()
        }
        onsets = self._onsets(rules)
        return [self._judged(place, rules[place], expected[place], onsets[place]) for place in rules]

    def _onsets(self, rules: Mapping[int, TriggerRule]) -> dict[int, Counter[int]]:
        """Of each label, how many events begin in each recording."""
        names = self.prototypes.names
        by_name = {names[place]: rule for place, rule in rules.items()}
        places = {names[place]: place for place in rules}
        found: dict[int, Counter[int]] = {place: Counter() for place in rules}
        for number, one in enumerate(progress(self._heard, desc="triggers", unit=" recordings")):
            hop, rate_hz = self.settings.window_hop, self.settings.log_mel.sample_rate_hz
            bank = TriggerBank(self.prototypes, by_name, hop, rate_hz)
            rows = dict(zip(one.position.tolist(), self._scores[number], strict=True))
            for window in range(int(one.duration_s * rate_hz) // hop + 1):
                start = window * hop
                events, _ = bank.step(start, start + self.settings.window_length, rows.get(window))
                for event in events:
                    if event.kind == "onset":
                        found[places[event.label]][number] += 1
        return found

    def _judged(self, place: int, rule: TriggerRule, expected: Expectation, onsets: Counter[int]) -> Judged:
        n = sum(onsets.values())
        recording = np.array(list(onsets.elements()), np.intp)
        scale = clustering(np.ones(n), recording, len(self._heard)) if n else 1.0
        low, high = count_interval(n / scale)
        levels = [self._level(place, rule, one) for label, one in self._dev if label == place]
        return Judged(
            expected=expected,
            is_reached=expected.note is None or not expected.note.startswith(("already", "more often")),
            measured_per_h=n / self.hours,
            low=low * scale / self.hours,
            high=high * scale / self.hours,
            n_dev_found=sum(level >= expected.threshold for level in levels),
            n_dev=len(levels),
        )

    def _level(self, place: int, rule: TriggerRule, one: Heard) -> float:
        own, rival = own_and_best_rival(one.embeddings.astype(np.float32), place, self.prototypes, rule)
        group = np.zeros(len(own), np.intp)
        hop_s = self.settings.hop_s
        levels = alarm_levels(own, rival, group, one.position.astype(np.intp), rule, hop_s)
        return float(levels.max(initial=-np.inf))


def summary(judged: Mapping[str, Sequence[Judged]], hours: float) -> list[str]:
    """A table of all labels together."""
    lines = [
        f"{hours:.1f} h of the test part. Of the labels that reach the rate asked for, an hour each: near,",
        "within a factor of 3 of it; inside the interval printed; meet, its own interval and that one.",
        "",
        "| asked | labels | measured, mean | near | inside | meet | members found | clips found |",
        "|-|-|-|-|-|-|-|-|",
    ]
    for asked, labels in judged.items():
        reached = [one for one in labels if one.is_reached]
        n = len(reached)
        found = sum(one.expected.n_found or 0 for one in labels)
        members = sum(one.expected.n_members for one in labels)
        near = "" if asked == "as shipped" else f"{sum(one.is_near for one in reached)} of {n}"
        lines.append(
            f"| {asked} | {n} | {np.mean([one.measured_per_h for one in reached]):.2f} | {near} "
            f"| {sum(one.is_inside for one in reached)} of {n} "
            f"| {sum(one.overlaps for one in reached)} of {n} "
            f"| {found} of {members} | {sum(one.n_dev_found for one in labels)} of "
            f"{sum(one.n_dev for one in labels)} |"
        )
    return lines


def per_label(labels: Sequence[Judged]) -> list[str]:
    """A table with a row for each label."""
    lines = [
        "| label | threshold | expected | measured | factor | inside | members | development clips |",
        "|-|-|-|-|-|-|-|-|",
    ]
    for one in labels:
        expected = one.expected
        rate = expected.false_alarms
        asked = expected.asked_per_h or rate.per_h
        factor = f"{one.measured_per_h / asked:.2f}" if asked and one.is_reached else "-"
        lines.append(
            f"| {expected.label} | {expected.threshold:.3f} "
            f"| {rate.per_h:.2f} ({rate.low:.2f} to {rate.high:.2f}) "
            f"| {one.measured_per_h:.2f} ({one.low:.2f} to {one.high:.2f}) | {factor} "
            f"| {'yes' if one.is_inside else 'no'} | {expected.n_found} of {expected.n_members} "
            f"| {one.n_dev_found} of {one.n_dev} |"
        )
    return lines


def plain(judged: Mapping[str, Sequence[Judged]]) -> dict[str, Any]:
    """The same for JSON."""
    return {asked: [dataclasses.asdict(one) for one in labels] for asked, labels in judged.items()}


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--bundle", type=Path, metavar="DIR", help="(default: the built-in one)")
    parser.add_argument("--data", required=True, type=Path, metavar="DIR", help="an unpacked ESC-50 download")
    parser.add_argument("--work", required=True, type=Path, metavar="DIR", help="where results are kept")
    parser.add_argument("--hours", type=float, default=30.0, help="of background (default: 30)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures to this file")
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    bundle = load_bundle(options.bundle or builtin_bundle())
    store = HeardStore(options.work / "heard", Ear(bundle))
    sounds = generated_recordings(options.work / "sound", "test", options.hours, GENERATION_SEED)
    heard = [store.heard(sound) for sound in progress(sounds, desc="test part", unit=" recordings")]
    judge = Judge(bundle, heard, development_clips(bundle, options.data, store))
    judged = {"as shipped": judge.judge(None)} | {f"{rate:g}": judge.judge(rate) for rate in RATES_PER_H}
    print("\n".join(summary(judged, judge.hours)))
    for asked, labels in judged.items():
        print(f"\n{asked}:\n\n" + "\n".join(per_label(labels)))
    if options.json is not None:
        options.json.write_text(json.dumps(plain(judged), indent=1), encoding="utf-8")


def development_clips(bundle: Bundle, data: Path, store: HeardStore) -> list[tuple[int, Heard]]:
    """What is heard of the clips that their licence kept out of training, with their labels' places."""
    places = {label.name: place for place, label in enumerate(bundle.manifest.labels)}
    clips = [clip for clip in load_clips(data) if clip.fold in DEVELOPMENT_FOLDS and not clip.permissive]
    rate_hz = bundle.manifest.log_mel.sample_rate_hz
    return [
        (places[VOCABULARY[clip.target].name], store.heard(file_sound(clip.path, rate_hz, SILENCE_S)))
        for clip in progress(clips, desc="clips", unit=" clips")
    ]


if __name__ == "__main__":
    main()

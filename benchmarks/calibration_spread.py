"""How much a label's rate of false alarms differs between backgrounds with other voices and instruments.

    python benchmarks/calibration_spread.py --work calibration-work

The calibration part of the generated background is cut into halves, by leading instrument (music, and
television with the same music) or by recording (everything else), a dozen times. A label's threshold comes
from one half, its rate from the other. What the logarithm of their ratio varies by beyond counting is
`edge.calibration.rate_interval`'s BETWEEN_BACKGROUNDS. The part that is kept for tests has no say in it.
"""

from __future__ import annotations

import os

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_variable] = "1"  # before numpy is imported, as edge.cli does

import argparse
import logging
from collections import defaultdict
from collections.abc import Hashable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.bundle import Bundle, load_bundle
from edge.calibration.alarm_levels import alarm_levels, own_and_best_rival
from edge.calibration.false_alarms import FalseAlarms
from edge.pipeline import builtin_bundle
from export.background.build import GENERATION_SEED, default_rules
from export.background.generated import ALL_KINDS, RECORDING_S, generated_recordings
from export.background.heard_store import HeardStore
from export.background.hearing import Ear
from export.progress import progress
from export.starter.calibration import CALIBRATION_HOURS
from export.starter.composition import instruments

RATES_PER_H = (0.5, 1.0, 2.0)
N_SPLITS = 12
FAR_BELOW = 0.2
"""Under its own threshold by this, nothing of a label matters here."""

Events = tuple[NDArray[np.float64], NDArray[np.intp]]
"""The level of each event, and the recording that it is from."""


def events_by_label(bundle: Bundle, work: Path) -> tuple[dict[int, Events], int]:
    """Of every label by its rule, and how many recordings there are."""
    prototypes, rules = bundle.prototypes(bundle.manifest.encoders[0]), default_rules(bundle)
    store, hop_s = HeardStore(work / "heard", Ear(bundle)), bundle.manifest.hop_s
    sounds = generated_recordings(work / "sound", "calibration", CALIBRATION_HOURS, GENERATION_SEED)
    found: dict[int, list[tuple[float, int]]] = defaultdict(list)
    for number, sound in enumerate(progress(sounds, desc="recordings", unit=" recordings")):
        heard = store.heard(sound)
        embeddings = heard.embeddings.astype(np.float32)
        embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
        for place, rule in rules.items():
            own, rival = own_and_best_rival(embeddings, place, prototypes, rule)
            near = np.flatnonzero((own - rival >= rule.margin) & (own > rule.on_threshold - FAR_BELOW))
            if len(near):
                apart = (rule.within_s + rule.release_s) / hop_s
                position = heard.position[near].astype(np.intp)
                moment = np.cumsum(np.diff(position, prepend=position[0]) > apart).astype(np.intp)
                levels = alarm_levels(own[near], rival[near], moment, position, rule, hop_s)
                found[place] += [(level, number) for level in levels[levels > -np.inf].tolist()]
    events = {
        place: (np.array([e[0] for e in of]), np.array([e[1] for e in of], np.intp))
        for place, of in found.items()
    }
    return events, len(sounds)


def leader(recording: int) -> Hashable:
    """What recordings that sound alike share: music's instrument, which television plays too."""
    number, kind = divmod(recording, len(ALL_KINDS))
    n_leaders = len(instruments("calibration"))
    if ALL_KINDS[kind] == "music":
        return "music", number % n_leaders
    if ALL_KINDS[kind] == "tv":
        return "music", (number + 3) % n_leaders
    return ALL_KINDS[kind], number


def halves(n_recordings: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """(n_recordings,) whether each is in the first half; those of one leader are together."""
    leaders = [leader(recording) for recording in range(n_recordings)]
    kinds: dict[str, list[Hashable]] = defaultdict(list)
    for name in dict.fromkeys(leaders):
        kinds[str(name[0])].append(name)  # type: ignore[index]
    first = {
        of_kind[place]: turn % 2 == 0
        for of_kind in kinds.values()
        for turn, place in enumerate(rng.permutation(len(of_kind)))
    }
    return np.array([first[name] for name in leaders])


def ratios(events: Mapping[int, Events], n_recordings: int, per_h: float) -> NDArray[np.float64]:
    """(n, 2): ln(measured/asked) of each label and split, and the variance that counting gives it."""
    rng, rows = np.random.default_rng(1), []
    for _ in range(N_SPLITS):
        first = halves(n_recordings, rng)
        hours = RECORDING_S / 3600.0 * np.array([first.sum(), (~first).sum()])
        for levels, recording in events.values():
            here = first[recording]
            of_half = np.unique(recording[here], return_inverse=True)[1].astype(np.intp)
            ones = np.ones(int(here.sum()), np.float32)
            half = FalseAlarms(levels[here], ones, of_half, int(first.sum()), hours[0] * 3600.0)
            threshold = half.threshold_for(per_h)
            if threshold > levels.min(initial=np.inf):
                n = float(np.count_nonzero(levels[~here] >= threshold)) + 0.5
                rows.append((np.log(n / (per_h * hours[1])), 1.0 / n + 1.0 / (per_h * hours[0])))
    return np.array(rows)


def main() -> None:
    """Print the spread at each rate."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, required=True, help="where what is generated and heard is kept")
    parser.add_argument("--bundle", type=Path, default=None, help="the bundle (default: the built-in one)")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    events, n_recordings = events_by_label(load_bundle(options.bundle or builtin_bundle()), options.work)
    print("| asked | label and split | spread of ln(measured/asked) | beyond counting | near |")
    print("|-|-|-|-|-|")
    for per_h in RATES_PER_H:
        found = ratios(events, n_recordings, per_h)
        beyond = np.sqrt(max(0.0, found[:, 0].var() - found[:, 1].mean()))
        near = np.mean(np.abs(found[:, 0]) <= np.log(3.0))
        print(f"| {per_h:g} | {len(found)} | {found[:, 0].std():.2f} | {beyond:.2f} | {near:.2f} |")


if __name__ == "__main__":
    main()

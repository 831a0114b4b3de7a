"""What learn-background brings in a home whose sounds the built-in bundle takes for others, and costs.

A home is a few sources with fixed parameters: motors, things that chirp, things that click, a television of
held-out voices and instruments. One hour of it is learnt; another, in which each source sounds a little
different and the television says and plays something else, is judged by the recognizer for all fifty labels.

Recall is that of ESC-50's clips of the development folds that the bundle was not made from. By recording,
half of them are the members that learn-background checks itself with, the other half are judged: clean, and
with the home's sound 10 dB below.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from home_sounds import HOUR_S, RATE_HZ, SCENE, hour_of
from numpy.typing import NDArray

from edge.background import Background, Members
from edge.config import ListenConfig
from edge.pipeline import Pipeline, prepare
from edge.recognizer import WindowReport
from edge.site.effect import SiteEffect, effect_lines, site_effect
from edge.site.listening import SiteListener, clear_scores, learn
from edge.site.prototypes import with_site
from edge.types import AudioBlock, Embedding, LogMel, Samples, SoundEvent
from export.evaluation.intervals import rate_interval, source_bootstrap
from export.starter.augment import rms
from export.starter.data import DEVELOPMENT_FOLDS, Clip, load_clips, read_mono
from export.starter.vocabulary import VOCABULARY

CLIP = 5 * RATE_HZ
HOME_DB = -10.0


class KnownEmbeddings:
    """An encoder that knows what each window's embedding will be, so that an hour is encoded once."""

    def __init__(self, embeddings: Sequence[Embedding]) -> None:
        self._embeddings = iter(embeddings)

    def encode(self, _log_mel: LogMel, /) -> Embedding:
        """The next one."""
        return next(self._embeddings)


def listen(
    pipeline: Pipeline, sounds: Sequence[Samples], known: Sequence[Embedding] | None = None
) -> tuple[list[SoundEvent], list[WindowReport]]:
    """Onsets and reports of the sounds in a row."""
    reports: list[WindowReport] = []
    recognizer = pipeline.recognizer(reports.append, None if known is None else KnownEmbeddings(known))
    events, position = [], 0
    for sound in sounds:
        events += recognizer.push(AudioBlock(sound, position))
        position += len(sound)
    events += recognizer.flush()
    return [event for event in events if event.kind == "onset"], reports


def embedded(reports: Sequence[WindowReport]) -> list[Embedding]:
    """Those of all windows that have one."""
    return [report.embedding for report in reports if report.embedding is not None]


def embeddings_of(pipeline: Pipeline, sounds: Sequence[Samples], path: Path) -> list[Embedding]:
    """Of an hour, kept in a file."""
    if not path.is_file():
        np.save(path, np.stack(embedded(listen(pipeline, sounds)[1])))
    return list(np.load(path, allow_pickle=False))


def label_of(clip: Clip) -> str:
    """What the bundle calls its class."""
    return VOCABULARY[clip.target].name


def with_home(clip: Samples, home: Samples) -> Samples:
    """The clip with the home's sound HOME_DB below it."""
    gain = rms(clip) / rms(home) * 10.0 ** (HOME_DB / 20.0)
    return np.asarray(np.clip(clip + gain * home, -1.0, 1.0), np.float32)


def background_with(pipeline: Pipeline, clips: Sequence[Clip], sounds: Sequence[Samples]) -> Background:
    """Members from clips; of background itself, which nothing here looks at, one window."""
    rows = []
    for number, (clip, sound) in enumerate(zip(clips, sounds, strict=True)):
        place = pipeline.prototypes.names.index(label_of(clip))
        _, reports = listen(pipeline, [sound])
        rows += [(r.embedding, place, number, n) for n, r in enumerate(reports) if r.embedding is not None]
    embeddings, label, recording, position = zip(*rows, strict=True)
    members = Members(
        np.stack(embeddings),
        np.array(label),
        np.unique(np.array(recording), return_inverse=True)[1].astype(np.intp),
        np.array(position),
        "clips of ESC-50",
    )
    one, zero = np.ones(1, np.float32), np.zeros(1, np.intp)
    return Background(
        members.embeddings[:1], zero, zero, one, zero, 1, 3600.0, pipeline.settings.hop_s, members, ""
    )


def found(
    pipelines: Sequence[Pipeline], clips: Sequence[Clip], sounds: Sequence[Samples]
) -> list[NDArray[np.float64]]:
    """(n_clips,) for each pipeline, 1 where a clip's label is told."""
    hits = np.zeros((len(pipelines), len(clips)))
    for n, (clip, sound) in enumerate(zip(clips, sounds, strict=True)):
        known = None
        for row, pipeline in zip(hits, pipelines, strict=True):
            events, reports = listen(pipeline, [sound], known)
            known = embedded(reports)
            row[n] = any(event.label == label_of(clip) for event in events)
    return list(hits)


def learnt(pipeline: Pipeline, background: Background, home: int, work: Path) -> SiteEffect:
    """Learn an hour of a home, as the command does."""
    scenes = list(hour_of(home, 0, work))
    known = embeddings_of(pipeline, scenes, work / f"home{home}-hour0.npy")
    listener = SiteListener(
        pipeline.rules,
        pipeline.prototypes.names,
        clear_scores(pipeline.prototypes, background, pipeline.rules),
        HOUR_S,
        pipeline.settings.hop_s,
        RATE_HZ,
    )
    for report in listen(pipeline, scenes, known)[1]:
        listener.saw(report)
    heard = listener.heard()
    site = learn(heard, "2025-01-01T00:00:00Z")
    return site_effect(pipeline.rules, pipeline.prototypes, background, site, heard)


def judge(
    pipeline: Pipeline, background: Background, clips: Sequence[Clip], home: int, work: Path
) -> Iterator[str]:
    """Print a home's row. Yields: what else there is to say of it."""
    effect = learnt(pipeline, background, home, work)
    after = replace(pipeline, prototypes=with_site(pipeline.prototypes, effect.site))
    scenes = list(hour_of(home, 1, work))
    known = embeddings_of(pipeline, scenes, work / f"home{home}-hour1.npy")
    events = [listen(p, scenes, known)[0] for p in (pipeline, after)]
    sources = [clip.source_id for clip in clips]
    clean = [read_mono(clip.path, RATE_HZ) for clip in clips]
    rng = np.random.default_rng([5, home])
    mixed = [
        with_home(sound, np.resize(scenes[rng.integers(len(scenes))][start : start + CLIP], len(sound)))
        for sound, start in zip(clean, rng.integers(0, SCENE - CLIP, len(clean)).tolist(), strict=True)
    ]
    rates = [rate_interval(len(e), HOUR_S / 3600.0) for e in events]
    cells = [f"{r.value:.0f} ({r.low:.0f} to {r.high:.0f})" for r in rates]
    for sounds in (clean, mixed):
        hits = found((pipeline, after), clips, sounds)
        cells += [str(source_bootstrap(hit, sources)) for hit in hits]
        cells.append(source_bootstrap(hits[1] - hits[0], sources).signed())
    print(f"| {home} | {len(effect.site.vectors)} | " + " | ".join(cells) + " |", flush=True)
    yield f"\nHome {home}, as the command tells it:\n"
    yield from (f"    {line}" for line in effect_lines(effect))
    for name, told in zip(("before", "after"), events, strict=True):
        counts = Counter(event.label for event in told).most_common(8)
        yield f"    false alarms in the hour judged, {name}: " + ", ".join(
            f"{label} {n}" for label, n in counts
        )


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description="False alarms and recall before and after learn-background.")
    parser.add_argument("--data", type=Path, required=True, help="folder of ESC-50")
    parser.add_argument("--work", type=Path, required=True, help="folder to keep embeddings in")
    parser.add_argument("--homes", type=int, default=2, help="how many homes (default: %(default)s)")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    pipeline = prepare(ListenConfig(labels=tuple(entry.name for entry in VOCABULARY), provider="cpu"))
    unseen = [c for c in load_clips(options.data) if c.fold in DEVELOPMENT_FOLDS and not c.permissive]
    sources = np.random.default_rng(1).permutation(sorted({clip.source_id for clip in unseen}))
    for_members = set(sources[::2].tolist())
    members = [clip for clip in unseen if clip.source_id in for_members]
    judged = [clip for clip in unseen if clip.source_id not in for_members]
    sounds = [read_mono(clip.path, RATE_HZ) for clip in members]
    background = background_with(pipeline, members, sounds)
    print(f"{pipeline.description}; {len(members)} clips as members, {len(judged)} judged\n")
    print(
        "| home | prototypes | false alarms an hour | after | recall | after | difference "
        "| recall in the home's sound | after | difference |"
    )
    print("|" + "-|" * 10)
    homes = range(options.homes)
    lines = [line for home in homes for line in judge(pipeline, background, judged, home, options.work)]
    print("\n".join(lines))


if __name__ == "__main__":
    main()

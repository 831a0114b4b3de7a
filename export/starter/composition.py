"""Random pieces of music: scales, chords, rhythms and drums for General MIDI instruments.

Left out, because they imitate sounds that the starter listens for: tubular bells, tinkle bell, whistle,
woodblock (a knock), reverse cymbal and all sound effects (breath, seashore, bird, telephone, helicopter,
applause, gunshot), and of the drums claps, sticks, whistles and blocks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from export.starter.parts import Part

Steps = NDArray[np.int64]

INSTRUMENTS = (
    "grand piano", "bright piano", "electric grand", "honky-tonk", "electric piano 1", "electric piano 2",
    "harpsichord", "clavinet",
    "celesta", "glockenspiel", "music box", "vibraphone", "marimba", "xylophone", "tubular bells",
    "dulcimer",
    "drawbar organ", "percussive organ", "rock organ", "church organ", "reed organ", "accordion",
    "harmonica", "bandoneon",
    "nylon guitar", "steel guitar", "jazz guitar", "clean guitar", "muted guitar", "overdriven guitar",
    "distortion guitar", "harmonics",
    "acoustic bass", "finger bass", "pick bass", "fretless bass", "slap bass 1", "slap bass 2",
    "synth bass 1", "synth bass 2",
    "violin", "viola", "cello", "contrabass", "tremolo strings", "pizzicato", "harp", "timpani",
    "strings", "slow strings", "synth strings 1", "synth strings 2", "choir aahs", "voice oohs",
    "synth voice", "orchestra hit",
    "trumpet", "trombone", "tuba", "muted trumpet", "french horn", "brass section", "synth brass 1",
    "synth brass 2",
    "soprano sax", "alto sax", "tenor sax", "baritone sax", "oboe", "english horn", "bassoon", "clarinet",
    "piccolo", "flute", "recorder", "pan flute", "bottle", "shakuhachi", "whistle", "ocarina",
    "square lead", "saw lead", "calliope lead", "chiff lead", "charang lead", "voice lead", "fifths lead",
    "bass and lead",
    "new age pad", "warm pad", "polysynth pad", "choir pad", "bowed pad", "metallic pad", "halo pad",
    "sweep pad",
    "ice rain", "soundtrack", "crystal", "atmosphere", "brightness", "goblins", "echoes", "sci-fi",
    "sitar", "banjo", "shamisen", "koto", "kalimba", "bagpipe", "fiddle", "shanai",
    "tinkle bell", "agogo", "steel drums", "woodblock", "taiko", "melodic tom", "synth drum",
    "reverse cymbal",
    "fret noise", "breath noise", "seashore", "bird tweet", "telephone", "helicopter", "applause",
    "gunshot",
)  # fmt: skip
"""General MIDI's 128 instruments by program number from 0."""
EXCLUDED = frozenset({14, 78, 112, 115, 119, *range(120, 128)})
HELDOUT = frozenset({
    3, 6, 9, 11, 19, 21, 25, 30, 33, 38, 40, 46, 49, 52, 56, 60, 66, 71, 73, 77, 81, 85, 89, 94, 98, 102,
    104, 109, 114, 118,
})  # fmt: skip
"""Two of each family of eight, kept out of training."""
CALIBRATION = frozenset(sorted(HELDOUT)[::2])
"""The first of each two; the second is for tests."""
DRUM_KITS = {0: "standard", 8: "room", 16: "power", 24: "electronic", 32: "jazz"}
HELDOUT_DRUM_KITS = {25: "TR-808", 40: "brush"}
_KITS: dict[Part, tuple[int, ...]] = {
    "train": tuple(DRUM_KITS),
    "heldout": tuple(HELDOUT_DRUM_KITS),
    "calibration": (25,),
    "test": (40,),
}

_SCALES = (
    (0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 2, 3, 5, 7, 9, 10), (0, 2, 4, 7, 9), (0, 3, 5, 7, 10),
    (0, 3, 5, 6, 7, 10), (0, 1, 4, 5, 7, 8, 10), (0, 2, 4, 6, 8, 10), tuple(range(12)),
)  # fmt: skip
_KICKS, _SNARES, _HATS = (35, 36), (38, 40), (42, 44, 46, 51)
_OTHER_DRUMS = (41, 43, 45, 47, 48, 49, 50, 54, 55, 56, 57, 60, 61, 62, 63, 64, 65, 66, 69, 70)


@dataclass(frozen=True)
class Note:
    """A note of a part: its start in its piece, its length, pitch and velocity in MIDI's numbers."""

    start_s: float
    length_s: float
    pitch: int
    velocity: int


@dataclass(frozen=True)
class Piece:
    """A short piece.

    Attributes:
        parts: the program and the notes of each part but the drums.
        kit: drum kit's program, None without drums.
        drums: the drums' notes.
    """

    parts: tuple[tuple[int, tuple[Note, ...]], ...]
    kit: int | None
    drums: tuple[Note, ...]

    @property
    def source(self) -> str:
        """Its instruments, in words."""
        names = [INSTRUMENTS[program] for program, _ in self.parts]
        return ", ".join(names if self.kit is None else [*names, f"{_kit_name(self.kit)} drums"])


def _kit_name(kit: int) -> str:
    return {**DRUM_KITS, **HELDOUT_DRUM_KITS}[kit]


def instruments(part: Part) -> list[int]:
    """Program numbers of a part."""
    trained = frozenset(range(128)) - EXCLUDED - HELDOUT
    of_part = {
        "train": trained,
        "heldout": HELDOUT,
        "calibration": CALIBRATION,
        "test": HELDOUT - CALIBRATION,
    }
    return sorted(of_part[part])


def compose(leader: int, length_s: float, rng: Generator, part: Part) -> Piece:
    """Draw a piece in which the program `leader` plays the first part."""
    beat_s = 60.0 / float(rng.uniform(60.0, 180.0))
    scale = np.array(_SCALES[int(rng.integers(len(_SCALES)))])
    key = int(rng.integers(12))
    n_parts = int(rng.choice([1, 2, 3, 4], p=[0.3, 0.3, 0.25, 0.15]))
    roles = [_melody, _chords, _bass, _arpeggio]
    order = rng.permutation(len(roles))[:n_parts]
    others = rng.choice(instruments(part), n_parts - 1)
    chords = rng.integers(0, len(scale), int(length_s / (4 * beat_s)) + 1)
    parts = tuple(
        (int(program), tuple(roles[role](scale, key, chords, beat_s, rng)))
        for program, role in zip([leader, *others], order, strict=True)
    )
    if rng.random() < 0.5:
        return Piece(parts, None, ())
    kit = int(rng.choice(_KITS[part]))
    return Piece(parts, kit, tuple(_drums(len(chords), beat_s, rng)))


def _pitch(scale: Steps, key: int, degree: int, lowest: int) -> int:
    octave, step = divmod(degree, len(scale))
    return int(min(lowest + (key - lowest) % 12 + 12 * octave + scale[step], 108))


def _velocity(rng: Generator) -> int:
    return int(rng.integers(45, 120))


def _melody(scale: Steps, key: int, chords: Steps, beat_s: float, rng: Generator) -> Iterator[Note]:
    lowest, degree, time = int(rng.choice([48, 60, 72])), int(rng.integers(0, 8)), 0.0
    end = 4 * len(chords) * beat_s
    legato = float(rng.uniform(0.4, 1.05))
    while time < end:
        length = beat_s * float(rng.choice([0.25, 0.5, 0.5, 1.0, 1.0, 1.5, 2.0, 4.0]))
        degree = int(np.clip(degree + rng.integers(-3, 4), 0, 13))
        if rng.random() > 0.12:
            yield Note(time, length * legato, _pitch(scale, key, degree, lowest), _velocity(rng))
        time += length


def _chords(scale: Steps, key: int, chords: Steps, beat_s: float, rng: Generator) -> Iterator[Note]:
    per_bar = int(rng.choice([1, 1, 2, 4, 8]))
    length = 4 * beat_s / per_bar
    sounding = length * float(rng.uniform(0.3, 1.0))
    for bar, root in enumerate(chords):
        for stroke in range(per_bar):
            velocity, start = _velocity(rng), 4 * bar * beat_s + stroke * length
            for third in (0, 2, 4):
                yield Note(start, sounding, _pitch(scale, key, int(root) + third, 48), velocity)


def _bass(scale: Steps, key: int, chords: Steps, beat_s: float, rng: Generator) -> Iterator[Note]:
    per_bar = int(rng.choice([1, 2, 4, 8]))
    length = 4 * beat_s / per_bar
    for bar, root in enumerate(chords):
        for stroke in range(per_bar):
            degree = int(root) + int(rng.choice([0, 0, 0, 4]))
            pitch = _pitch(scale, key, degree, 28)
            yield Note(4 * bar * beat_s + stroke * length, 0.9 * length, pitch, _velocity(rng))


def _arpeggio(scale: Steps, key: int, chords: Steps, beat_s: float, rng: Generator) -> Iterator[Note]:
    per_bar = int(rng.choice([6, 8, 12, 16]))
    length = 4 * beat_s / per_bar
    steps = rng.choice([0, 2, 4, 6, 7], per_bar)
    for bar, root in enumerate(chords):
        for stroke, step in enumerate(steps):
            pitch = _pitch(scale, key, int(root) + int(step), 55)
            yield Note(4 * bar * beat_s + stroke * length, length, pitch, _velocity(rng))


def _drums(n_bars: int, beat_s: float, rng: Generator) -> Iterator[Note]:
    """One bar's pattern on a grid of sixteenths, repeated."""
    kicks = [
        (int(rng.choice(_KICKS)), step) for step in range(16) if rng.random() < (0.1 if step % 8 else 0.7)
    ]
    snares = [(int(rng.choice(_SNARES)), step) for step in (4, 12) if rng.random() < 0.8]
    hat, every = int(rng.choice(_HATS)), int(rng.choice([1, 2, 4]))
    hats = [(hat, step) for step in range(0, 16, every)]
    others = [(int(rng.choice(_OTHER_DRUMS)), int(rng.integers(16))) for _ in range(rng.integers(0, 5))]
    for bar in range(n_bars):
        for drum, step in (*kicks, *snares, *hats, *others):
            yield Note((4 * bar + step / 4) * beat_s, 0.2, drum, _velocity(rng))

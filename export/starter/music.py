"""Generated music: random pieces on every General MIDI instrument, played by fluidsynth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory

from numpy.random import Generator

from edge.types import Samples
from export.starter.composition import Piece, compose, instruments
from export.starter.midi import MidiEvent, write_midi
from export.starter.parts import Part
from export.starter.programs import PACKAGES, SAMPLE_RATE_HZ, ProgramError, read_made, run_program

SOUND_FONT = Path("/usr/share/sounds/sf2/FluidR3_GM.sf2")
_DRUM_CHANNEL = 9
_BATCH = 24
_LEAD_IN_S, _TAIL_S = 1.0, 2.5
_RENDER_RATE_HZ = 32000
"""fluidsynth aliases what the font holds above half of it; folded back, that still lies above 8 kHz."""


def music_clips(n_samples: int, rngs: Sequence[Generator], part: Part) -> Iterator[tuple[str, Samples]]:
    """One clip for each generator: its instruments and (n_samples,) float32, of no level in particular.

    The clips go round all instruments, each with others drawn at random beside it.

    Raises: ProgramError if fluidsynth or its sound font is missing.
    """
    if not SOUND_FONT.is_file():
        raise ProgramError(f"there is no sound font {SOUND_FONT}: run apt install {PACKAGES}")
    if not rngs:
        return
    leaders = cycle(rngs[0].permutation(instruments(part)).tolist())
    length_s = n_samples / SAMPLE_RATE_HZ + _LEAD_IN_S
    pieces = (compose(next(leaders), length_s, rng, part) for rng in rngs)
    # A render loads 140 MB of sound font, so one render plays many pieces.
    while batch := list(islice(pieces, _BATCH)):
        yield from zip((piece.source for piece in batch), _play(batch, length_s, n_samples), strict=True)


def _play(pieces: Sequence[Piece], length_s: float, n_samples: int) -> Iterator[Samples]:
    """Render pieces after one another and cut them apart, each without its first second."""
    slot_s = length_s + _TAIL_S
    with TemporaryDirectory() as directory:
        score, sound = Path(directory) / "pieces.mid", Path(directory) / "pieces.wav"
        events = [event for k, piece in enumerate(pieces) for event in _events(piece, k * slot_s, length_s)]
        write_midi(score, events, slot_s * len(pieces))
        settings = ["-ni", "-q", "-g", "0.3", "-r", str(_RENDER_RATE_HZ), "-T", "wav", "-F", str(sound)]
        run_program(["fluidsynth", *settings, str(SOUND_FONT), str(score)])
        rendered = read_made(sound)
    for k in range(len(pieces)):
        start = round((k * slot_s + _LEAD_IN_S) * SAMPLE_RATE_HZ)
        yield rendered[start : start + n_samples]


def _events(piece: Piece, start_s: float, length_s: float) -> Iterator[MidiEvent]:
    """The messages that play a piece from `start_s` and end all its notes at `start_s + length_s`."""
    channels = [channel for channel in range(16) if channel != _DRUM_CHANNEL]
    parts = [(channel, *part) for channel, part in zip(channels, piece.parts, strict=False)]
    if piece.kit is not None:
        parts.append((_DRUM_CHANNEL, piece.kit, piece.drums))
    for channel, program, notes in parts:
        yield MidiEvent(start_s, bytes([0xC0 | channel, program]))
        for note in notes:
            if note.start_s >= length_s:
                continue
            end_s = min(note.start_s + note.length_s, length_s)
            yield MidiEvent(start_s + note.start_s, bytes([0x90 | channel, note.pitch, note.velocity]))
            yield MidiEvent(start_s + end_s, bytes([0x80 | channel, note.pitch, 0]))

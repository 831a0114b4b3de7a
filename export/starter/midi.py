"""A minimal writer of Standard MIDI Files."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

TICKS_PER_S = 960
"""At MIDI's tempo of 120 crotchets a minute, which is never changed: 480 ticks a crotchet."""


@dataclass(frozen=True)
class MidiEvent:
    """A channel message at a time.

    Attributes:
        time_s: from the start of the file.
        message: its bytes, status first.
    """

    time_s: float
    message: bytes


def _variable_length(number: int) -> bytes:
    groups = [number & 0x7F]
    while number := number >> 7:
        groups.append(number & 0x7F | 0x80)
    return bytes(reversed(groups))


def write_midi(path: Path, events: Iterable[MidiEvent], length_s: float) -> None:
    """Write one track (format 0) that ends at `length_s`. Events at the same tick keep their order."""
    track = bytearray()
    now = 0
    for event in sorted(events, key=lambda event: event.time_s):
        tick = round(event.time_s * TICKS_PER_S)
        track += _variable_length(tick - now) + event.message
        now = tick
    track += _variable_length(max(round(length_s * TICKS_PER_S) - now, 0)) + b"\xff\x2f\x00"
    header = b"MThd" + bytes([0, 0, 0, 6, 0, 0, 0, 1]) + (TICKS_PER_S // 2).to_bytes(2, "big")
    path.write_bytes(header + b"MTrk" + len(track).to_bytes(4, "big") + bytes(track))

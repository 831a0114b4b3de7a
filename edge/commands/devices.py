"""`edge-listen devices`: the microphones of this machine."""

from __future__ import annotations

import argparse

from edge.errors import AudioSourceError
from edge.sinks.text import standard_output, write_line
from edge.sources.microphone import list_microphones


def run(_args: argparse.Namespace) -> int:
    """Print one microphone a line; returns the exit code. Raises: AudioSourceError if there is none."""
    microphones = list_microphones()
    if not microphones:
        raise AudioSourceError("no microphone was found: plug one in; without any, try: edge-listen demo")
    stdout = standard_output()
    width = max(len(microphone.name) for microphone in microphones)
    for microphone in microphones:
        mark = "*" if microphone.is_default else " "
        facts = f"{microphone.sample_rate_hz} Hz, {microphone.n_channels} channel(s), {microphone.host_api}"
        card = f", {microphone.card_id}" if microphone.card_id else ""
        write_line(stdout, f"{mark} {microphone.name:<{width}}  {facts}{card}")
    write_line(
        stdout, "\n* is used when --device names none; --device takes a name, a part of it, or a card id"
    )
    return 0

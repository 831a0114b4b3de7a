"""Reading a source to its bitter end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from edge.errors import AudioSourceError
from edge.types import AudioBlock, AudioSource


def sounding(source: AudioSource) -> Iterator[AudioBlock]:
    """Its blocks, without the turns that it gives its reader while no sound comes."""
    return (block for block in source.blocks() if block is not None)


def until_error(source: AudioSource) -> tuple[list[AudioBlock], str]:
    """What came before the error, and what it said."""
    blocks = []
    with source:
        try:
            for block in sounding(source):
                blocks.append(block)  # noqa: PERF402 - kept although the loop fails
        except AudioSourceError as error:
            return blocks, str(error)
    pytest.fail("it ended without an error")

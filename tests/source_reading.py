"""Reading a source to its bitter end."""

from __future__ import annotations

import pytest

from edge.errors import AudioSourceError
from edge.types import AudioBlock, AudioSource


def until_error(source: AudioSource) -> tuple[list[AudioBlock], str]:
    """What came before the error, and what it said."""
    blocks = []
    with source:
        try:
            for block in source.blocks():
                blocks.append(block)  # noqa: PERF402 - kept although the loop fails
        except AudioSourceError as error:
            return blocks, str(error)
    pytest.fail("it ended without an error")

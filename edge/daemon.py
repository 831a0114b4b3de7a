"""The run loop: a source's blocks through the recognizer to the outputs, until they end or a signal comes.

One thread reads, recognises and decides. Everything else reaches it through a queue that it looks into
between two blocks, so nothing here is shared.
"""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Protocol

from edge.errors import AudioSourceError
from edge.events import EventStamper, Record
from edge.types import AudioBlock, AudioSource, SoundEvent

logger = logging.getLogger(__name__)


class BlockRecognizer(Protocol):
    """What the loop needs of `edge.recognizer.Recognizer`."""

    def push(self, block: AudioBlock) -> list[SoundEvent]:
        """Events that the block brought about, in order."""
        ...

    def flush(self) -> list[SoundEvent]:
        """Events of the rest, every open one closed."""
        ...


class Stoppable(Protocol):
    """What can be ended from a signal handler."""

    def stop(self) -> None:
        """End soon."""
        ...


class Caretaker(Protocol):
    """Looks after a program that runs for months; the loop gives it a turn between two blocks."""

    def took(self, block: AudioBlock) -> None:
        """Take a block that is about to be heard."""
        ...

    def tend(self) -> list[SoundEvent]:
        """Do what is due. Returns: events that this ended."""
        ...


class _NoCare:
    def took(self, block: AudioBlock) -> None:
        pass

    def tend(self) -> list[SoundEvent]:
        return []


def listen(
    source: AudioSource,
    recognizer: BlockRecognizer,
    send: Callable[[Record], None],
    stamper: EventStamper,
    caretaker: Caretaker | None = None,
) -> None:
    """Run until the source ends, by itself or by `source.stop()`; open events are closed and sent.

    source: open already.
    send: is given every event, in order.
    stamper: of this source.
    Raises: AudioSourceError when the source fails, after open events were closed and sent; SinkError when an
        event cannot be delivered; EncoderError.
    """
    care = caretaker or _NoCare()

    def send_all(events: list[SoundEvent]) -> None:
        for event in events:
            send(stamper.stamp(event))

    try:
        for block in source.blocks():
            if block is not None:
                stamper.saw(block)
                care.took(block)
                send_all(recognizer.push(block))
            send_all(care.tend())
    except AudioSourceError:
        send_all(recognizer.flush())
        raise
    send_all(recognizer.flush())


@contextmanager
def stopped_by_signals(source: Stoppable) -> Iterator[None]:
    """Within it, Ctrl-C or SIGTERM ends the source's blocks; a second one acts as it did before.

    Only in the main thread, where Python lets signals be handled.
    """
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in numbers}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def stop(_number: int, _frame: FrameType | None) -> None:
        restore()
        source.stop()

    for number in numbers:
        signal.signal(number, stop)
    try:
        yield
    finally:
        restore()

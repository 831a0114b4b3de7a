"""The run loop: a source's blocks through the recognizer to the sinks, until they end or a signal comes."""

from __future__ import annotations

import logging
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Protocol

from edge.errors import AudioSourceError
from edge.events import EventStamper, Sink
from edge.health import DropMonitor
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


def listen(
    source: AudioSource,
    recognizer: BlockRecognizer,
    sinks: Sequence[Sink],
    *,
    sample_rate_hz: int,
    bundle_sha256: str,
) -> None:
    """Run until the source ends, by itself or by `source.stop()`; open events are closed and sent.

    source: open already.
    sinks: each is given every event, in this order.
    sample_rate_hz, bundle_sha256: of the bundle in use.
    Raises: AudioSourceError when the source fails, after open events were closed and sent; SinkError when an
        event cannot be delivered; EncoderError.
    """
    stamper = EventStamper(source.name, sample_rate_hz, bundle_sha256)
    drops = DropMonitor(sample_rate_hz)

    def send(events: list[SoundEvent]) -> None:
        for event in events:
            record = stamper.stamp(event)
            for sink in sinks:
                sink.emit(record)

    try:
        for block in source.blocks():
            stamper.saw(block)
            send(recognizer.push(block))
            drops.check(source.dropped_samples, block.start_sample)
    except AudioSourceError:
        send(recognizer.flush())
        drops.finish(source.dropped_samples)
        raise
    send(recognizer.flush())
    drops.finish(source.dropped_samples)


@contextmanager
def stopped_by_signals(source: AudioSource) -> Iterator[None]:
    """Within it, Ctrl-C or SIGTERM ends the source's blocks; a second one acts as it did before.

    Only in the main thread, where Python lets signals be handled.
    """
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in numbers}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def stop(number: int, _frame: FrameType | None) -> None:
        logger.debug("stopping: %s", signal.Signals(number).name)
        restore()
        source.stop()

    for number in numbers:
        signal.signal(number, stop)
    try:
        yield
    finally:
        restore()

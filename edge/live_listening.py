"""Listening to a source that never ends: everything around the recognizer put together."""

from __future__ import annotations

import logging
import math
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from types import FrameType

from edge.caretaker import Caretaker, Watched
from edge.clock import is_synchronised
from edge.config import ListenConfig
from edge.control_server import ControlServer
from edge.daemon import listen
from edge.deafness import DeafnessGuard
from edge.errors import ConfigError
from edge.events import EventStamper, Record, Sink
from edge.health import HealthMonitor
from edge.live_view import LiveView
from edge.observers import Observers
from edge.outputs import Outputs
from edge.own_state.live import LiveRequests
from edge.pipeline import Pipeline
from edge.recognizer import WindowReport
from edge.reload import Reloader
from edge.requests import RequestQueue
from edge.service_manager import service_manager
from edge.sources.pcm_pipe import PcmPipeSource
from edge.sources.returning import ReturningMicrophone
from edge.state import own_control_socket
from edge.status_keeper import StatusKeeper
from edge.timed_encoder import TimedEncoder

logger = logging.getLogger(__name__)

CHECK_CLOCK_S = 10.0
MOST_OF_A_CORE = 0.9
"""Beyond it, the machine is too slow, though no sound waits yet."""


def listen_live(  # noqa: PLR0913, PLR0917 - this is where they meet
    source: PcmPipeSource | ReturningMicrophone,
    config: ListenConfig,
    pipeline: Pipeline,
    view: LiveView | None,
    stdout: Sink,
    outputs: Outputs,
    reloader: Reloader,
    requests: RequestQueue,
) -> None:
    """Listen until the source ends or is stopped, as `edge.daemon.listen`, and look after it meanwhile.

    Raises: AudioSourceError, SinkError, EncoderError, ConfigError.
    """
    _step_back(config.nice)
    manager = service_manager()
    encoder = TimedEncoder(pipeline.encoder)
    encoder.observe = outputs.inferred
    keeper = StatusKeeper(pipeline.prototypes, tuple(pipeline.rules))
    care = Caretaker(
        keeper,
        HealthMonitor(config.health.tell_after_s),
        DeafnessGuard(config.health, time.monotonic()),
        _limit(source, config.budget),
        (lambda: encoder.busy_s) if config.budget is None else time.process_time,
    )

    stamper = EventStamper(
        lambda: source.name, pipeline.sample_rate_hz, pipeline.bundle.sha256, _asked_seldom(is_synchronised)
    )
    observers = Observers(config, pipeline, view, lambda: source.name, stamper)

    def observe(report: WindowReport) -> None:
        care.saw(report)
        observers(report)

    def send(record: Record) -> None:
        keeper.sent(record)
        # First the others: where standard output fails alone, that ends the program.
        outputs.emit(record)
        stdout.emit(record)

    recognizer = pipeline.recognizer(observe, encoder)
    with closing(observers), source, _control(requests), _reloaded_by_sighup(requests), closing(reloader):
        care.watch(
            Watched(
                source=source,
                recognizer=recognizer,
                pipeline=pipeline,
                stamper=stamper,
                send=send,
                outputs=outputs,
                reloader=reloader,
                requests=requests,
                live=LiveRequests(reloader.ask),
                manager=manager,
                on_labels=observers.listen_for,
            )
        )
        try:
            listen(source, recognizer, send, stamper, care)
        finally:
            if manager is not None:
                manager.stopping()


def _limit(source: PcmPipeSource | ReturningMicrophone, budget_percent: float | None) -> float:
    if budget_percent is not None:
        return budget_percent / 100.0
    # Whoever writes into a pipe waits for it: all is heard, however fast it comes.
    return MOST_OF_A_CORE if isinstance(source, ReturningMicrophone) else math.inf


def _step_back(nice: int) -> None:
    """Be at least so nice; a service manager may have made it nicer already."""
    if nice > os.getpriority(os.PRIO_PROCESS, 0):
        os.setpriority(os.PRIO_PROCESS, 0, nice)


def _asked_seldom(ask: Callable[[], bool | None]) -> Callable[[], bool | None]:
    asked_s, answer = -CHECK_CLOCK_S, None

    def ask_again() -> bool | None:
        nonlocal asked_s, answer
        if time.monotonic() - asked_s >= CHECK_CLOCK_S:
            asked_s, answer = time.monotonic(), ask()
        return answer

    return ask_again


@contextmanager
def _control(requests: RequestQueue) -> Iterator[None]:
    path = own_control_socket()
    if path is None:
        logger.debug("no control socket: neither RUNTIME_DIRECTORY nor XDG_RUNTIME_DIR is set")
        yield
        return
    server: ControlServer | nullcontext[None]
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        server = ControlServer(path, requests)
    except (OSError, ConfigError) as error:
        # A second one listens all the same, it only can't be asked anything.
        logger.warning("this one takes no commands: %s", error)
        server = nullcontext()
    with server:
        yield


@contextmanager
def _reloaded_by_sighup(requests: RequestQueue) -> Iterator[None]:
    if service_manager() is None and sys.stdin is not None and sys.stdin.isatty():
        # From a terminal, the signal says that it was closed.
        yield
        return

    def reload(_number: int, _frame: FrameType | None) -> None:
        requests.put("reload")

    before = signal.signal(signal.SIGHUP, reload)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)

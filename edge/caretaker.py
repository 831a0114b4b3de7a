"""What a live source needs besides recognition: health, pace, status, and what others ask of it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from edge.deafness import DeafnessGuard
from edge.errors import AudioSourceError, SoundError
from edge.events import EventStamper, Record
from edge.health import HealthMonitor
from edge.outputs import Outputs
from edge.own_state.commands import CHANGING, READING
from edge.own_state.live import LIVE_COMMANDS, LiveRequests
from edge.pace import Load, Pace
from edge.pipeline import Pipeline
from edge.recognizer import Recognizer, WindowReport
from edge.reload import Change, Reloader
from edge.requests import Request, RequestQueue
from edge.service_manager import ServiceManager
from edge.status import Status
from edge.status_keeper import StatusKeeper
from edge.types import AudioBlock, SoundEvent

logger = logging.getLogger(__name__)

TEND_EVERY_S = 0.5
TELL_EVERY_S = 1.0
SOME_S = 5.0
NO_SOUND_S = 2.0
"""Without a block for this long, no sound comes."""


class LiveSource(Protocol):
    """A source that never waits to be read."""

    @property
    def name(self) -> str:
        """What a person calls it."""
        ...

    @property
    def dropped_samples(self) -> int:
        """Samples lost so far, at the encoder's rate."""
        ...

    @property
    def backlog_s(self) -> float:
        """Seconds of sound that wait to be read."""
        ...

    @property
    def waiting_for(self) -> str | None:
        """Why there is no sound just now and what is tried; None while there is."""
        ...

    def reopen(self) -> None:
        """Open it anew, as it gives nothing usable."""
        ...


@dataclass(frozen=True, eq=False)
class Watched:
    """What a caretaker looks after.

    Attributes:
        source: where sound comes from.
        recognizer: that hears it.
        pipeline: that the recognizer is of.
        stamper: of the source.
        send: gives a record to every output, standard output included.
        outputs: the others.
        reloader: makes other configurations ready.
        requests: what is asked from elsewhere.
        live: what of that takes sound as it comes.
        manager: the service manager, if one started this.
        on_labels: told when other labels are listened for.
    """

    source: LiveSource
    recognizer: Recognizer
    pipeline: Pipeline
    stamper: EventStamper
    send: Callable[[Record], None]
    outputs: Outputs
    reloader: Reloader
    requests: RequestQueue
    live: LiveRequests
    manager: ServiceManager | None
    on_labels: Callable[[Pipeline], None]


class Caretaker:
    """Given a turn between two blocks, does what is due.

    Args:
        keeper: counts windows and events.
        health: told of windows.
        guard: likewise.
        limit: share of a core that may be used, see `edge.pace.Pace`.
        busy_s: tells the seconds used so far of what `limit` is a share of.
    """

    def __init__(
        self,
        keeper: StatusKeeper,
        health: HealthMonitor,
        guard: DeafnessGuard,
        limit: float,
        busy_s: Callable[[], float],
    ) -> None:
        self._keeper = keeper
        self._health = health
        self._guard = guard
        self._busy_s = busy_s
        self._began_s = self._block_s = time.monotonic()
        self._pace = Pace(limit, Load(self._began_s, busy_s(), 0.0))
        self._tend_s = self._tell_s = 0.0
        self._n_lost = 0
        self._has_reopened = False
        self._took_block = False
        self._watched: Watched | None = None

    def watch(self, watched: Watched) -> None:
        """Begin."""
        self._watched = watched
        if watched.manager is not None:
            watched.manager.ready()

    def took(self, block: AudioBlock) -> None:
        """Take a block that is about to be heard."""
        self._block_s = time.monotonic()
        self._took_block = True
        if self._watched is not None:
            self._watched.live.took(block)
            self._watched.outputs.took(block)

    def saw(self, report: WindowReport) -> None:
        """Take the report of a window."""
        now_s = time.monotonic()
        self._keeper.saw(report)
        self._health.saw(report, now_s)
        if report.state in ("scored", "quiet", "clipped"):
            # Not now: the rest of a sound that broke off is heard when that is noticed, long after it came.
            self._guard.heard(self._block_s)
            self._has_reopened = False
        if self._watched is not None:
            self._watched.live.saw(report)
            self._watched.outputs.saw(report)

    def tend(self) -> list[SoundEvent]:
        """Do what is due.

        Returns: events that ended with a change of labels, or because no sound comes any more.
        Raises: AudioSourceError when nothing usable was heard for so long that a service is to start anew.
        """
        watched = self._watched
        if watched is None:
            return []
        for request in watched.requests.take():
            self._answer(request, watched)
        change = watched.reloader.ready()
        events = [] if change is None else self._apply(change, watched)
        now_s = time.monotonic()
        if self._took_block:
            # However long it took to hear it, the next one is waited for from now on.
            self._block_s, self._took_block = now_s, False
        if now_s - self._tend_s >= TEND_EVERY_S:
            self._tend_s = now_s
            watched.live.tend(now_s)
            self._look_at_source(now_s, watched)
            self._keep_pace(now_s, watched)
            events += self._tell_health(now_s, watched)
            self._remedy(now_s, watched)
        if now_s - self._tell_s >= TELL_EVERY_S:
            self._tell_s = now_s
            self._tell(now_s, watched)
        return events

    def _look_at_source(self, now_s: float, watched: Watched) -> None:
        if watched.source.waiting_for is not None:
            self._health.note("absent", now_s, watched.source.waiting_for)
            # It tries by itself, for ever: that isn't deafness that something could be done about.
            self._guard.heard(now_s)
            self._block_s = now_s
        elif now_s - self._block_s > NO_SOUND_S:
            self._health.note("no_sound", now_s)
        n_lost = watched.source.dropped_samples
        if n_lost > self._n_lost:
            self._n_lost = n_lost
            self._health.note("lost_sound", now_s, f"{n_lost / watched.pipeline.sample_rate_hz:.2f} s in all")

    def _keep_pace(self, now_s: float, watched: Watched) -> None:
        changed = self._pace.update(Load(now_s, self._busy_s(), watched.source.backlog_s))
        every = watched.recognizer.hear_every = self._pace.hear_every
        if changed:
            logger.warning(
                "one of %d windows is heard from now on: a hop of %g s", every, self._hop_s(watched)
            )
        if every > 1:
            self._health.note("slow", now_s, f"one of {every} is heard")

    def _hop_s(self, watched: Watched) -> float:
        return watched.pipeline.settings.hop_s * watched.recognizer.hear_every

    def _tell_health(self, now_s: float, watched: Watched) -> list[SoundEvent]:
        """Returns: the events that end because no sound comes any more."""
        events = []
        for change in self._health.changes(now_s):
            level = logging.WARNING if change.state == "begun" else logging.INFO
            # Of an absent microphone the source has told already.
            logger.log(logging.DEBUG if change.condition == "absent" else level, "%s", change.message)
            watched.send(
                watched.stamper.stamp_health(change.condition, change.state, change.message, time.time())
            )
            if change.state == "begun" and change.condition in ("absent", "no_sound"):
                # Nobody knows whether the sound goes on; a sensor must not show for hours that it does.
                events += watched.recognizer.break_off()
        return events

    def _remedy(self, now_s: float, watched: Watched) -> None:
        # A window, and two hops at the present pace: so long it takes even where all is well.
        patience_s = watched.pipeline.settings.window_s + 2.0 * self._hop_s(watched) + SOME_S
        remedy = self._guard.remedy(now_s, patience_s)
        if remedy == "reopen":
            level = logging.DEBUG if self._has_reopened else logging.WARNING
            logger.log(level, "nothing usable is heard, so %s is opened anew", watched.source.name)
            self._has_reopened = True
            watched.source.reopen()
        # Without a manager nobody would start it again: then opening anew goes on.
        if remedy == "restart" and watched.manager is not None:
            raise AudioSourceError(
                f"nothing usable was heard from {watched.source.name} for long: ending, to be started anew"
            )
        if watched.manager is not None and self._guard.on_schedule(now_s, patience_s):
            watched.manager.alive()

    def _tell(self, now_s: float, watched: Watched) -> None:
        status = self._status(now_s, watched)
        watched.outputs.tell(status)
        if watched.manager is not None:
            watched.manager.tell(status)

    def _status(self, now_s: float, watched: Watched) -> Status:
        keeper = self._keeper
        return Status(
            source=watched.source.name,
            waiting_for=watched.source.waiting_for,
            labels=keeper.labels,
            conditions=self._health.conditions,
            stream_s=watched.stamper.stream_s,
            level_dbfs=keeper.level_dbfs,
            hop_s=self._hop_s(watched),
            n_windows={**keeper.n_windows, "skipped": watched.recognizer.n_skipped},
            lost_s=watched.source.dropped_samples / watched.pipeline.sample_rate_hz,
            scores=keeper.scores,
            n_events=dict(keeper.n_events),
            last_event=keeper.last_event,
            outputs=watched.outputs.statuses,
            uptime_s=now_s - self._began_s,
        )

    def _answer(self, request: Request, watched: Watched) -> None:
        if request.command == "status":
            status = self._status(time.monotonic(), watched).as_json_object()
            request.answer.set_result({**status, "learning": watched.live.learning})
        elif request.command in LIVE_COMMANDS:
            watched.live.answer(request, watched.reloader.pipeline)
        elif request.command in {"reload", "labels", *READING, *CHANGING}:
            watched.reloader.ask(request)
        else:
            request.answer.set_exception(SoundError(f"this edge-listen knows no command {request.command!r}"))

    def _apply(self, change: Change, watched: Watched) -> list[SoundEvent]:
        pipeline = change.pipeline
        site = pipeline.overlay.site
        events = watched.recognizer.listen_for(
            pipeline.prototypes,
            pipeline.rules,
            pipeline.thresholds,
            None if site is None else site.level_dbfs,
        )
        self._keeper.listen_for(pipeline.prototypes, tuple(pipeline.rules))
        watched.outputs.change(change.outputs)
        watched.on_labels(pipeline)
        watched.live.changed(pipeline)
        self._tell_s = 0.0  # so that outputs know of the labels before the first event of one
        if change.answer is None:
            logger.info("listening for %s from now on", ", ".join(pipeline.rules))
        if change.at_restart:
            logger.warning("used from the next start on: %s", ", ".join(change.at_restart))
        change.request.answer.set_result(
            change.answer or {"labels": list(pipeline.rules), "at_restart": list(change.at_restart)}
        )
        return events

"""What is asked of the running program and takes sound as it comes: a take, the site's background."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future

from edge.enrol_request import plain_clip
from edge.errors import ConfigError, SoundError
from edge.pipeline import Pipeline
from edge.recognizer import WindowReport
from edge.requests import Answer, Request
from edge.site_background import SiteListener, clear_scores
from edge.state_place import number_of
from edge.take_recorder import TakeRecorder
from edge.types import AudioBlock

LIVE_COMMANDS = ("record", "learn-background", "learning", "learn-cancel")
TAKE_TIMEOUT_S = 60.0
LONGEST_LEARNING_S = 7 * 86400.0


class LiveRequests:
    """Holds one take and one learning at most. Used by the thread that listens, alone.

    Args:
        hand_over: takes a request for the thread that makes changes ready.
    """

    def __init__(self, hand_over: Callable[[Request], None]) -> None:
        self._hand_over = hand_over
        self._take: tuple[Request, TakeRecorder, float, int] | None = None
        self._next_sample: int | None = None
        self._learning: _Learning | None = None

    def answer(self, request: Request, pipeline: Pipeline) -> None:
        """Answer one of `LIVE_COMMANDS`, now or when there is an answer."""
        try:
            if request.command == "record":
                self._begin_take(request, pipeline.sample_rate_hz)
                return
            if request.command == "learn-background":
                self._learning = self._begin_learning(request, pipeline)
            elif request.command == "learn-cancel":
                self._learning = None
            request.answer.set_result({"state": "none"} if self._learning is None else self._learning.state())
        except SoundError as error:
            request.answer.set_exception(error)

    def took(self, block: AudioBlock) -> None:
        """Take a block that is about to be heard."""
        if self._take is not None:
            request, recorder, give_up_s, rate_hz = self._take
            if self._next_sample not in {None, block.start_sample}:
                recorder = TakeRecorder(rate_hz)
                self._take = (request, recorder, give_up_s, rate_hz)
            take = recorder.push(block.samples)
            if take is not None:
                request.answer.set_result(plain_clip("take", take, rate_hz))
                self._take = None
        self._next_sample = block.start_sample + len(block.samples)

    def saw(self, report: WindowReport) -> None:
        """Take the report of a window."""
        if self._learning is not None:
            self._learning.saw(report, self._hand_over)

    def tend(self, now_s: float) -> None:
        """Give up a take that doesn't come."""
        if self._take is not None and now_s > self._take[2]:
            self._take[0].answer.set_exception(
                SoundError(f"no sound stood out for {TAKE_TIMEOUT_S:g} s: make it nearer or louder")
            )
            self._take = None

    def changed_labels(self) -> None:
        """Take that other labels are listened for, whose scores can't be told from the ones before."""
        if self._learning is not None and self._learning.listener is not None:
            self._learning.fail(SoundError("other labels are listened for since: begin to learn again"))

    def _begin_take(self, request: Request, sample_rate_hz: int) -> None:
        if self._take is not None:
            raise SoundError("a take is being recorded already: wait for it")
        give_up_s = time.monotonic() + TAKE_TIMEOUT_S
        self._take = (request, TakeRecorder(sample_rate_hz), give_up_s, sample_rate_hz)

    def _begin_learning(self, request: Request, pipeline: Pipeline) -> _Learning:
        if self._learning is not None and not self._learning.is_over:
            raise SoundError("the background is being learned already: edge-listen learn-background --cancel")
        wanted_s = number_of(request.arguments, "seconds")
        if wanted_s is None or not 0 < wanted_s <= LONGEST_LEARNING_S:
            raise ConfigError("seconds must be above 0 and a week at most")
        return _Learning(
            site_listener(pipeline, wanted_s), number_of(request.arguments, "max_cost"), wanted_s
        )


def site_listener(pipeline: Pipeline, wanted_s: float) -> SiteListener:
    """What hears the site's background beside what is listened for."""
    return SiteListener(
        pipeline.rules,
        pipeline.prototypes.names,
        clear_scores(pipeline.prototypes, pipeline.bundle.background, pipeline.rules),
        wanted_s,
        pipeline.settings.hop_s,
        pipeline.sample_rate_hz,
    )


class _Learning:
    """One learning, from its beginning to its result, which is kept until the next begins."""

    def __init__(self, listener: SiteListener, max_cost: float | None, wanted_s: float) -> None:
        self.listener: SiteListener | None = listener
        self._max_cost = max_cost
        self._wanted_s = wanted_s
        self._heard_s = 0.0
        self._result: Future[Answer] = Future()

    @property
    def is_over(self) -> bool:
        return self._result.done()

    def saw(self, report: WindowReport, hand_over: Callable[[Request], None]) -> None:
        if self.listener is None:
            return
        self.listener.saw(report)
        self._heard_s = self.listener.heard_s
        if self._heard_s >= self._wanted_s:
            arguments = {"heard": self.listener.heard(), "max_cost": self._max_cost}
            self.listener = None
            hand_over(Request("learn-site", arguments, self._result))

    def fail(self, error: SoundError) -> None:
        self.listener = None
        self._result.set_exception(error)

    def state(self) -> Answer:
        """Raises: SoundError if it failed."""
        if self.is_over:
            return {"state": "done", **self._result.result()}
        return {"state": "learning", "heard_s": self._heard_s, "wanted_s": self._wanted_s}

"""What is asked of the running program and takes sound as it comes: a take, the site's background."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future

from edge.enrolment.takes import TakeRecorder
from edge.errors import ConfigError, SoundError
from edge.own_state.place import number_of
from edge.own_state.plain_clip import plain_clip
from edge.pipeline import Pipeline
from edge.recognizer import WindowReport
from edge.requests import Answer, Request
from edge.site.listening import SiteListener, clear_scores
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
        self._takes: _Takes | None = None
        self._learning: _Learning | None = None

    def answer(self, request: Request, pipeline: Pipeline) -> None:
        """Answer one of `LIVE_COMMANDS`, now or when there is an answer."""
        try:
            if request.command == "record":
                if self._takes is None:
                    self._takes = _Takes(pipeline.sample_rate_hz)
                self._takes.wait(request)
                return
            if request.command == "learn-background":
                self._learning = self._begin_learning(request, pipeline)
            elif request.command == "learn-cancel":
                self._check_that_it_can_stop()
                self._learning = None
            request.answer.set_result({"state": "none"} if self._learning is None else self._learning.state())
        except Exception as error:  # noqa: BLE001 - whatever is asked must not end the listening
            request.answer.set_exception(error if isinstance(error, SoundError) else SoundError(str(error)))

    @property
    def learning(self) -> Answer | None:
        """How far the learning of the background is; None while there is none."""
        return None if self._learning is None or self._learning.is_over else self._learning.state()

    def took(self, block: AudioBlock) -> None:
        """Take a block that is about to be heard."""
        if self._takes is not None:
            self._takes.took(block)

    def saw(self, report: WindowReport) -> None:
        """Take the report of a window."""
        if self._learning is not None:
            self._learning.saw(report, self._hand_over)

    def tend(self, now_s: float) -> None:
        """Give up a take that doesn't come."""
        if self._takes is not None and self._takes.gives_up(now_s):
            self._takes = None

    def changed(self, pipeline: Pipeline) -> None:
        """Take what is listened for from now on."""
        if self._learning is not None:
            self._learning.changed(pipeline)

    def _check_that_it_can_stop(self) -> None:
        if self._learning is None or self._learning.is_over:
            raise SoundError("no background is being learned")
        self._learning.check_that_it_can_stop()

    def _begin_learning(self, request: Request, pipeline: Pipeline) -> _Learning:
        if self._learning is not None and not self._learning.is_over:
            raise SoundError("the background is being learned already: edge-listen learn-background --cancel")
        wanted_s = number_of(request.arguments, "seconds")
        if wanted_s is None or not 0 < wanted_s <= LONGEST_LEARNING_S:
            raise ConfigError("seconds must be above 0 and a week at most")
        return _Learning(pipeline, number_of(request.arguments, "max_cost"), wanted_s)


class _Takes:
    """Records takes as they are asked for; between two, it goes on following the ambient level."""

    def __init__(self, sample_rate_hz: int) -> None:
        self._sample_rate_hz = sample_rate_hz
        self._recorder = TakeRecorder(sample_rate_hz)
        self._request: Request | None = None
        self._next_sample: int | None = None
        self._give_up_s = 0.0

    def wait(self, request: Request) -> None:
        """Give the next take to this one; whoever waited before has gone away, or gets an error."""
        if self._request is not None:
            self._request.answer.set_exception(SoundError("another has asked for this take since"))
        self._request = request
        self._give_up_s = time.monotonic() + TAKE_TIMEOUT_S

    def took(self, block: AudioBlock) -> None:
        if self._next_sample not in {None, block.start_sample}:
            self._recorder = TakeRecorder(self._sample_rate_hz)
        self._next_sample = block.start_sample + len(block.samples)
        take = self._recorder.push(block.samples)
        if take is not None and self._request is not None:
            self._request.answer.set_result(plain_clip("take", take, self._sample_rate_hz))
            self._request = None

    def gives_up(self, now_s: float) -> bool:
        if now_s <= self._give_up_s:
            return False
        if self._request is not None:
            self._request.answer.set_exception(
                SoundError(f"no sound stood out for {TAKE_TIMEOUT_S:g} s: make it nearer or louder")
            )
        return True


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

    def __init__(self, pipeline: Pipeline, max_cost: float | None, wanted_s: float) -> None:
        self._listener: SiteListener | None = site_listener(pipeline, wanted_s)
        self._labels = _scored(pipeline)
        self._max_cost = max_cost
        self._wanted_s = wanted_s
        self._heard_s = 0.0
        self._result: Future[Answer] = Future()

    @property
    def is_over(self) -> bool:
        return self._result.done()

    def saw(self, report: WindowReport, hand_over: Callable[[Request], None]) -> None:
        if self._listener is None:
            return
        self._listener.saw(report)
        self._heard_s = self._listener.heard_s
        if not self._listener.is_done:
            return
        try:
            heard = self._listener.heard()
        except SoundError as error:  # nothing but quiet
            self._fail(error)
            return
        self._listener = None
        hand_over(Request("learn-site", {"heard": heard, "max_cost": self._max_cost}, self._result))

    def changed(self, pipeline: Pipeline) -> None:
        if self._listener is not None and _scored(pipeline) != self._labels:
            self._fail(SoundError("other labels are listened for since: begin to learn again"))

    def check_that_it_can_stop(self) -> None:
        """Raises: SoundError."""
        if self._listener is None and not self.is_over:
            raise SoundError("too late: what was heard is being used; edge-listen overlay rollback undoes it")

    def state(self) -> Answer:
        """Raises: SoundError if it failed."""
        if self.is_over:
            return {"state": "done", **self._result.result()}
        return {"state": "learning", "heard_s": self._heard_s, "wanted_s": self._wanted_s}

    def _fail(self, error: SoundError) -> None:
        self._listener = None
        self._result.set_exception(error)


def _scored(pipeline: Pipeline) -> object:
    """What a listener's view of the scores rests on: the labels, and where they stand."""
    names = pipeline.prototypes.names
    return {label: names.index(label) for label in pipeline.rules}

"""Another configuration for the running program: made ready beside the listening, which goes on meanwhile."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, fields, replace

from edge.config import ListenConfig
from edge.errors import ConfigError, SoundError, first_line
from edge.output_makers import Output
from edge.output_settings import OUTPUT_TABLES
from edge.outputs import Outputs
from edge.own_state.commands import CHANGING, READING, do
from edge.own_state.place import StatePlace
from edge.pipeline import Pipeline
from edge.requests import Answer, Request

logger = logging.getLogger(__name__)

CHANGEABLE = {"labels", "comma_lists", "rules", "label_rules", *OUTPUT_TABLES} - {"health", "embedding_log"}
"""Settings that take effect while the program runs."""


@dataclass(frozen=True, eq=False)
class Change:
    """A configuration that is ready to be used.

    Attributes:
        request: that asked for it.
        config: what is used from now on.
        pipeline: with its labels and rules.
        outputs: for `Outputs.change`.
        at_restart: settings that differ but are used from the next start on.
        answer: what a command on the person's own state came to; None for another configuration.
    """

    request: Request
    config: ListenConfig
    pipeline: Pipeline
    outputs: dict[str, Output]
    at_restart: tuple[str, ...]
    answer: Answer | None = None


class Reloader:
    """Makes one change at a time ready, in a thread of its own.

    Args:
        config: in use now.
        pipeline: in use now.
        outputs: those that run.
        read: reads the configuration again; None where there is nothing to be read.
    """

    def __init__(
        self,
        config: ListenConfig,
        pipeline: Pipeline,
        outputs: Outputs,
        read: Callable[[], ListenConfig] | None,
    ) -> None:
        self._config = self._at_start = config
        self._pipeline = pipeline
        self._outputs = outputs
        self._read = read
        self._thread: threading.Thread | None = None
        self._waiting: list[Request] = []
        self._change: Change | None = None

    @property
    def pipeline(self) -> Pipeline:
        """In use now."""
        return self._pipeline

    def ask(self, request: Request) -> None:
        """Take a request: "reload", "labels" with a list of `labels`, or one of `edge.own_state`'s."""
        self._waiting.append(request)

    def ready(self) -> Change | None:
        """The change that is ready, once; requests that can't be met are answered and change nothing."""
        if self._thread is not None:
            if self._thread.is_alive():
                return None
            self._thread = None
            change, self._change = self._change, None
            if change is not None:
                self._config, self._pipeline = change.config, change.pipeline
                if change.request.command == "reload":
                    self._at_start = change.config
                return change
        if self._waiting:
            request = self._waiting.pop(0)
            self._thread = threading.Thread(target=self._prepare, args=(request,), name="reload", daemon=True)
            self._thread.start()
        return None

    def close(self) -> None:
        """Give up what isn't ready."""
        if self._thread is not None:
            self._thread.join(timeout=1.0)
        if self._change is not None:
            self._outputs.discard(self._change.outputs)
            if self._change.answer is None:
                self._change.request.answer.set_exception(SoundError("edge-listen is ending"))
            else:
                self._change.request.answer.set_result(self._change.answer)
        for request in self._waiting:
            request.answer.set_exception(SoundError("edge-listen is ending"))

    def _prepare(self, request: Request) -> None:
        answer: Answer | None = None
        try:
            if request.command in READING:
                request.answer.set_result(self._do(request))
                return
            if request.command in CHANGING:
                wanted, answer = self._config, self._do(request)
            else:
                wanted = self._wanted(request)
            config = replace(self._config, **{name: getattr(wanted, name) for name in CHANGEABLE})
            pipeline = self._pipeline.listening_for(config)
            outputs = self._outputs.prepare(config)
        except Exception as error:  # noqa: BLE001 - whatever is wrong, listening goes on with the old settings
            if request.command in ("reload", "labels"):
                # In the log too: whoever sent SIGHUP sees no answer.
                logger.error("%s failed, so the old settings stay: %s", request.command, first_line(error))  # noqa: TRY400
            request.answer.set_exception(error if isinstance(error, SoundError) else SoundError(str(error)))
            return
        at_restart = tuple(
            each.name
            for each in fields(wanted)
            if each.name not in CHANGEABLE and getattr(wanted, each.name) != getattr(self._config, each.name)
        )
        self._change = Change(request, config, pipeline, outputs, at_restart, answer)

    def _do(self, request: Request) -> Answer:
        return do(
            request.command, request.arguments, StatePlace(self._pipeline, self._config, self._at_start)
        )

    def _wanted(self, request: Request) -> ListenConfig:
        if request.command == "labels":
            labels = request.arguments.get("labels")
            if not isinstance(labels, list | tuple) or not all(isinstance(label, str) for label in labels):
                raise ConfigError("labels must be a list of names")
            wanted = replace(self._config, labels=tuple(labels), comma_lists=False)
        elif self._read is None:
            raise ConfigError("there is no configuration file to read again: it was started without --config")
        else:
            wanted = self._read()
        if not wanted.labels:
            raise ConfigError("there are no labels to listen for: name at least one")
        return wanted

"""What looks at every window besides the outputs: live view, explanations, near misses, embedding log."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

from edge.config import ListenConfig
from edge.embedding_log.log import EmbeddingLog
from edge.events import EventStamper
from edge.explaining.explain import Explainer
from edge.explaining.near_miss_file import NearMissFile, NearMissLog
from edge.explaining.origins import prototype_origins
from edge.live_view import LiveView
from edge.pipeline import Pipeline
from edge.recognizer import WindowReport
from edge.state import state_directory
from edge.times import local_clock, stream_clock, utc

logger = logging.getLogger(__name__)


class Observers:
    """Those that the settings ask for, in the thread that listens.

    Args:
        config: what is wanted.
        pipeline: what is listened for.
        view: the live view, if there is one.
        source_name: tells what a person calls the source.
        stamper: of the source.

    Raises: SinkError if the file of near misses can't be written; ConfigError.
    """

    def __init__(
        self,
        config: ListenConfig,
        pipeline: Pipeline,
        view: LiveView | None,
        source_name: Callable[[], str],
        stamper: EventStamper,
    ) -> None:
        self._view = view
        self._stamper = stamper
        self._rate_hz = pipeline.sample_rate_hz
        self._sentences = pipeline.sentences
        self._explainer = None
        if config.explain:
            origins, gate_dbfs = _origins(pipeline), pipeline.settings.gate_dbfs
            self._explainer = Explainer(
                _tell, origins, pipeline.prototypes, gate_dbfs, self._rate_hz, self._clock
            )
        self._misses = None
        if config.near_misses is not None:
            file = NearMissFile(config.near_misses)
            self._misses = NearMissLog(file, self._rate_hz, source_name, self._time_of)
        self._log = None
        if config.embedding_log is not None:
            self._log = EmbeddingLog(
                config.embedding_log,
                state_directory(),
                pipeline.encoder_sha256,
                pipeline.entry.embedding_dim,
                pipeline.settings.hop_s,
                pipeline.settings.window_s,
                source_name,
                lambda sample: stamper.unix_s(sample / self._rate_hz),
            )

    def __call__(self, report: WindowReport) -> None:
        """Take a window's report. Raises: SinkError if the live view's stream is closed."""
        for observer in (self._view, self._explainer, self._misses, self._log):
            if observer is not None:
                observer(report)

    def listen_for(self, pipeline: Pipeline) -> None:
        """Take what is listened for from now on, and say which rules are new."""
        for sentence in pipeline.sentences:
            if sentence not in self._sentences:
                logger.info("%s", sentence)
        self._sentences = pipeline.sentences
        if self._view is not None:
            self._view.listen_for(pipeline.prototypes.names, pipeline.thresholds)
        if self._explainer is not None:
            self._explainer.listen_for(pipeline.prototypes, _origins(pipeline))

    def close(self) -> None:
        """Tell and write what is left."""
        for observer in (self._explainer, self._misses, self._log):
            if observer is not None:
                observer.close()

    def _clock(self, stream_s: float) -> str:
        """As the console shows an event's time."""
        time = self._time_of(stream_s)
        return stream_clock(stream_s) if time is None else local_clock(time)

    def _time_of(self, stream_s: float) -> datetime | None:
        unix_s = self._stamper.unix_s(stream_s)
        return None if unix_s is None else utc(unix_s)


def _origins(pipeline: Pipeline) -> tuple[str, ...]:
    return prototype_origins(pipeline.bundle, pipeline.prototypes, pipeline.overlay, pipeline.made)


def _tell(line: str) -> None:
    logger.info("%s", line)

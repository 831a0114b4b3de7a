"""Prometheus metrics and the health page of the last status. The only import of prometheus_client."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from edge.errors import SinkError
from edge.health_page import Page, PageServer
from edge.machine import resident_memory_bytes, temperatures_celsius
from edge.output_settings import MetricsSettings
from edge.status import Status

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry, Histogram
    from prometheus_client.core import Metric

logger = logging.getLogger(__name__)

STALE_S = 30.0
"""Without word from the thread that listens for this long, the program is not well."""
INFERENCE_BUCKETS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
_PREFIX = "edge_listen_"


class MetricsServer:
    """Serves /metrics and /healthz by HTTP: a listener of the status, and a context manager.

    Args:
        settings: where to listen.
        version: of the program.
        conditions: the names of all that can be wrong with the hearing.
        clock: seconds of a clock that never goes back.

    Raises:
        SinkError: if prometheus-client isn't installed, or the address cannot be listened on.
    """

    def __init__(
        self,
        settings: MetricsSettings,
        version: str,
        conditions: Sequence[str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._version = version
        self._conditions = tuple(conditions)
        self._clock = clock
        self._told: tuple[Status, float] | None = None
        self._registry, self._inference = _registry()
        self._registry.register(self)
        self._server = PageServer(
            settings.host, settings.port, {"/metrics": self._metrics_page, "/healthz": self._health_page}
        )
        if not self._server.is_loopback:
            logger.warning(
                "metrics are served at %s, port %d, without a password: anyone in the network can read them",
                settings.host,
                self.port,
            )

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._server.port

    def tell(self, status: Status) -> None:
        """Take the status that is served from now on."""
        self._told = (status, self._clock())

    def observe_inference(self, seconds: float) -> None:
        """Take how long the encoder took for a window."""
        self._inference.observe(seconds)

    def collect(self) -> Iterator[Metric]:
        """All metrics but the histogram, for prometheus_client."""
        from prometheus_client.core import InfoMetricFamily  # noqa: PLC0415

        yield InfoMetricFamily("edge_listen", "The program.", {"version": self._version})
        yield from _of_machine()
        if self._told is not None:
            yield from _of_status(self._told[0], self._conditions)

    def close(self) -> None:
        """Stop serving; safe to call twice."""
        self._server.close()

    def __enter__(self) -> MetricsServer:  # noqa: PYI034 - not meant to be inherited from
        """It serves from its construction on."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """Stop serving."""
        self.close()

    def _metrics_page(self) -> Page:
        from prometheus_client import CONTENT_TYPE_LATEST, generate_latest  # noqa: PLC0415

        return Page(200, CONTENT_TYPE_LATEST, generate_latest(self._registry))

    def _health_page(self) -> Page:
        told = self._told
        reasons = ["it does not listen yet"] if told is None else _reasons(told[0], self._clock() - told[1])
        content = ({} if told is None else told[0].as_json_object()) | {"is_well": not reasons}
        if reasons:
            content["reasons"] = reasons
        body = json.dumps(content).encode() + b"\n"
        return Page(503 if reasons else 200, "application/json", body)


def _registry() -> tuple[CollectorRegistry, Histogram]:
    try:
        from prometheus_client import CollectorRegistry, Histogram  # noqa: PLC0415
    except ImportError:
        raise SinkError(
            '[metrics] needs prometheus-client: pip install "edge-listen[prometheus]" (of a service, run '
            "install-service again after it)"
        ) from None
    registry = CollectorRegistry()
    histogram = Histogram(
        f"{_PREFIX}inference_seconds",
        "Time that the encoder took for a window.",
        buckets=INFERENCE_BUCKETS_S,
        registry=registry,
    )
    return registry, histogram


def _reasons(status: Status, age_s: float) -> list[str]:
    reasons = list(status.conditions)
    if status.waiting_for is not None:
        reasons.insert(0, f"waiting for {status.waiting_for}")
    if age_s >= STALE_S:
        reasons.append(f"the thread that listens has not been heard of for {age_s:.0f} s")
    return reasons


def _gauge(name: str, meaning: str, values: Mapping[str, float] | float, label: str = "") -> Metric:
    from prometheus_client.core import GaugeMetricFamily  # noqa: PLC0415

    return _family(GaugeMetricFamily, name, meaning, values, label)


def _counter(name: str, meaning: str, values: Mapping[str, float] | float, label: str = "") -> Metric:
    from prometheus_client.core import CounterMetricFamily  # noqa: PLC0415

    return _family(CounterMetricFamily, name, meaning, values, label)


def _family(
    kind: Callable[..., Any], name: str, meaning: str, values: Mapping[str, float] | float, label: str
) -> Metric:
    if not isinstance(values, Mapping):
        return kind(_PREFIX + name, meaning, value=values)  # type: ignore[no-any-return]
    family = kind(_PREFIX + name, meaning, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family  # type: ignore[no-any-return]


def _of_machine() -> Iterator[Metric]:
    memory = resident_memory_bytes()
    if memory is not None:
        yield _gauge("resident_memory_bytes", "Memory that the program holds in RAM.", memory)
    yield _gauge("temperature_celsius", "Temperatures of the machine.", temperatures_celsius(), "zone")


def _of_status(status: Status, conditions: Sequence[str]) -> Iterator[Metric]:
    n_events = dict.fromkeys(status.labels, 0) | dict(status.n_events)
    yield _counter("events", "Events that began.", n_events, "label")
    yield _gauge("score", "Scores of the last window that was scored.", status.scores, "label")
    yield _counter("windows", "Windows, by what became of them.", status.n_windows, "state")
    yield _counter("lost_seconds", "Sound lost.", status.lost_s)
    if status.level_dbfs is not None:
        yield _gauge("level_dbfs", "Level of the last window.", status.level_dbfs)
    yield _gauge("hop_seconds", "Time between windows at present.", status.hop_s)
    wrong = dict.fromkeys(conditions, 0.0) | dict.fromkeys(status.conditions, 1.0)
    yield _gauge("condition", "1 while this is wrong with the hearing.", wrong, "condition")
    yield _gauge("waiting", "1 while it waits for its source.", float(status.waiting_for is not None))
    yield _gauge("stream_seconds", "Position in the stream.", status.stream_s)
    yield _gauge("uptime_seconds", "Time since it began to listen.", status.uptime_s)
    outputs = status.outputs
    delivered = {each.name: each.n_delivered for each in outputs}
    yield _counter("output_delivered", "Records delivered.", delivered, "output")
    yield _counter("output_lost", "Records given up.", {each.name: each.n_lost for each in outputs}, "output")
    yield _gauge("output_waiting", "Records that wait.", {o.name: o.n_waiting for o in outputs}, "output")
    failing = {each.name: float(each.failure is not None) for each in outputs}
    yield _gauge("output_failing", "1 while the last try failed.", failing, "output")

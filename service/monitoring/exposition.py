"""The metrics as Prometheus reads them: imported when the first scrape comes."""

from collections.abc import Iterable, Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from service.monitoring.families import FAMILIES, REQUEST_SECONDS
from service.monitoring.state import Value

Histogram = tuple[tuple[str, ...], list[int], float]
"""The labels of one, how many fell between the bounds and beyond them, and their sum."""


def write_metrics(
    values: Iterable[Value], histograms: Iterable[Histogram], bounds: Iterable[float], accept: str
) -> tuple[bytes, str]:
    """In the format that is asked for, and its media type."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Known([*_plain(values), _histogram(histograms, bounds)]))
    ProcessCollector(registry=registry)
    encode, media_type = choose_encoder(accept)
    return encode(registry), media_type


class _Known(Collector):
    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> list[Metric]:
        return self._metrics


def _plain(values: Iterable[Value]) -> Iterator[Metric]:
    metrics = {each: _METRICS[each.kind](each.name, each.help, labels=each.labels) for each in _PLAIN}
    for family, labels, value in values:
        metrics[family].add_metric(labels, value)
    yield from (metric for metric in metrics.values() if metric.samples)


_METRICS = {"counter": CounterMetricFamily, "gauge": GaugeMetricFamily}
_PLAIN = [each for each in FAMILIES if each.kind in _METRICS]


def _histogram(histograms: Iterable[Histogram], bounds: Iterable[float]) -> Metric:
    metric = HistogramMetricFamily(REQUEST_SECONDS.name, REQUEST_SECONDS.help, labels=REQUEST_SECONDS.labels)
    ends = [*map(str, bounds), "+Inf"]
    for labels, counts, seconds in histograms:
        metric.add_metric(labels, list(zip(ends, accumulate(counts), strict=True)), seconds)
    return metric

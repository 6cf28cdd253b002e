"""Text of a scrape, written by prometheus-client on a thread.

A registry is made for each scrape, so nothing of the process is global, and no server of the library runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.core import Metric as Family
from prometheus_client.exposition import choose_encoder

from mm_trio.metrics.lateness import BUCKETS_S, LatenessCounts
from mm_trio.metrics.names import METRICS, Metric, MetricKind
from mm_trio.metrics.samples import Sample, Snapshot

__all__ = ["write_metrics"]

_NONE = CollectorRegistry()
# CPU, memory and open files of this process, read when it is scraped; and the version of Python.
_PROCESS = (ProcessCollector(registry=_NONE), PlatformCollector(registry=_NONE))


class _SnapshotCollector:
    """Collector of one snapshot."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterator[Family]:
        """Make a family of each metric that has samples, in the order of the documentation."""
        by_name: dict[str, list[Sample]] = {}
        for sample in self._snapshot.samples:
            by_name.setdefault(sample.name, []).append(sample)
        for metric in METRICS:
            if metric.kind is MetricKind.HISTOGRAM:
                if self._snapshot.lateness is not None:
                    yield _make_histogram(metric, self._snapshot.lateness)
            elif samples := by_name.get(metric.name):
                yield _make_family(metric, samples)


def _make_family(metric: Metric, samples: Iterable[Sample]) -> Family:
    if metric.kind is MetricKind.INFO:
        info = InfoMetricFamily(metric.full_name.removesuffix("_info"), metric.help)
        for sample in samples:
            info.add_metric([], dict(zip(metric.labels, sample.labels, strict=True)))
        return info
    kind = CounterMetricFamily if metric.kind is MetricKind.COUNTER else GaugeMetricFamily
    family = kind(metric.full_name, metric.help, labels=metric.labels)
    for sample in samples:
        family.add_metric(sample.labels, sample.value)
    return family


def _make_histogram(metric: Metric, lateness: LatenessCounts) -> Family:
    family = HistogramMetricFamily(metric.full_name, metric.help)
    total, buckets = 0, []
    for bound, count in zip((*map(str, BUCKETS_S), "+Inf"), lateness.counts, strict=True):
        total += count
        buckets.append((bound, total))
    family.add_metric([], buckets, sum_value=lateness.sum_s)
    return family


def write_metrics(snapshot: Snapshot, *, accept: str) -> tuple[bytes, str]:
    """Write a snapshot in the format that a scraper accepts; return the text and its content type. Blocks."""
    registry = CollectorRegistry()
    registry.register(_SnapshotCollector(snapshot))
    for collector in _PROCESS:
        registry.register(collector)
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type

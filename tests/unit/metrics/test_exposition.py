"""Samples as text for a scraper."""

from __future__ import annotations

import math
import re
from pathlib import Path

import prometheus_client
import pytest
from prometheus_client.parser import text_string_to_metric_families

from mm_trio.metrics.exposition import write_metrics
from mm_trio.metrics.lateness import BUCKETS_S, Lateness
from mm_trio.metrics.names import METRICS, MetricKind
from mm_trio.metrics.samples import Sample, Snapshot

PAGE = (Path(__file__).parents[3] / "docs" / "metrics.md").read_text()


def write(*samples: Sample, lateness: Lateness | None = None, accept: str = "") -> str:
    counts = None if lateness is None else lateness.counts
    return write_metrics(Snapshot(samples=samples, lateness=counts), accept=accept)[0].decode()


def read(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.mark.parametrize("metric", [m for m in METRICS if m.kind is not MetricKind.HISTOGRAM], ids=lambda m: m.name)
def test_each_metric_is_written_with_its_labels_and_its_kind(metric: object) -> None:
    (found,) = [each for each in METRICS if each is metric]
    labels = tuple(f"{name}'s" for name in found.labels)

    text = write(Sample(found.name, 1.0, labels))

    assert read(text)[found.full_name, tuple(sorted(zip(found.labels, labels, strict=True)))] == 1.0
    kind = "gauge" if found.kind is MetricKind.INFO else str(found.kind)
    assert f"# TYPE {found.full_name} {kind}\n" in text


def test_a_metric_without_samples_is_left_out() -> None:
    assert "mm_trio_" not in write()


def test_the_process_is_told_by_its_own_registry() -> None:
    assert "process_resident_memory_bytes" in write()
    # Nothing of ours is in the one that the library makes for everybody.
    assert "mm_trio" not in prometheus_client.generate_latest().decode()


def test_values_that_are_not_numbers_are_told_as_such() -> None:
    values = read(write(Sample("budget_runway_seconds", math.nan), Sample("uptime_seconds", math.inf)))

    assert math.isnan(values["mm_trio_budget_runway_seconds", ()])
    assert values["mm_trio_uptime_seconds", ()] == math.inf


def test_labels_of_operators_are_escaped() -> None:
    values = read(write(Sample("grid_value", 1.0, ('A"B\\C\nD/USDC',))))

    assert values["mm_trio_grid_value", (("coin", 'A"B\\C\nD/USDC'),)] == 1.0


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", "text/plain; version="),
        ("text/html", "text/plain; version="),
        ("application/openmetrics-text; version=1.0.0", "application/openmetrics-text"),
    ],
)
def test_the_scraper_chooses_the_format(accept: str, content_type: str) -> None:
    assert write_metrics(Snapshot(samples=()), accept=accept)[1].startswith(content_type)


def test_lateness_is_a_histogram() -> None:
    lateness = Lateness()
    for late_s in (0.0, 0.001, 0.0011, 0.3, 99.0):
        lateness.on_woken(late_s)

    values = read(write(lateness=lateness))

    def bucket(bound: str) -> float:
        return values["mm_trio_loop_lateness_seconds_bucket", (("le", bound),)]

    assert [bucket(bound) for bound in ("0.001", "0.0025", "0.25", "0.5", "2.5", "+Inf")] == [2, 3, 3, 4, 4, 5]
    assert values["mm_trio_loop_lateness_seconds_count", ()] == 5
    assert values["mm_trio_loop_lateness_seconds_sum", ()] == pytest.approx(99.3021)
    assert 0.02 in BUCKETS_S


def test_the_page_has_every_metric_with_its_meaning() -> None:
    rows = re.findall(r"^\| `mm_trio_(\w+)` \| (\w+) \| (.*?) \| (.+) \|$", PAGE, re.MULTILINE)

    told = {name: (kind, labels.replace("`", ""), text) for name, kind, labels, text in rows}

    assert told == {metric.name: (str(metric.kind), ", ".join(metric.labels) or "-", metric.help) for metric in METRICS}

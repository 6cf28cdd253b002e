"""Samples that another process sums up are those that this one would."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator

import pytest
from report_kit import FROM_MS, History, make_history

from mm_trio.cli.liquidity_programs.record_samples import read_changes
from mm_trio.liquidity.samples import Change
from mm_trio.model.errors import RecordError
from mm_trio.pages.timeline import Timeline
from mm_trio.recorder.record_file import RecordFile
from mm_trio.reports.observe import Sampler
from mm_trio.reports.observe_beside import Samples, begin_observing

NEVER_BYTES, ALWAYS_BYTES = 2**62, 0


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> History:
    """An hour."""
    return make_history(tmp_path_factory.mktemp("beside") / "ledger", hours=1)


@pytest.fixture
def record(history: History) -> Iterator[RecordFile]:
    """Its record."""
    opened = RecordFile.open_to_read(history.folder)
    yield opened
    opened.close()


def find_samples(history: History, sampler: Sampler = read_changes) -> Samples:
    return Samples(history.folder, sampler, Timeline.of(FROM_MS, history.until_ms, most=20), history.until_ms)


def read_nothing(record: RecordFile, from_s: int, until_s: int) -> Iterator[Change]:
    """Fail as a damaged record does."""
    raise RecordError("the record is damaged")


def end_other_process(record: RecordFile, from_s: int, until_s: int) -> Iterator[Change]:
    """Read in the first process alone, and end another."""
    if multiprocessing.parent_process() is not None:
        os.kill(os.getpid(), signal.SIGKILL)
    return read_changes(record, from_s, until_s)


def test_another_process_finds_the_same(history: History, record: RecordFile) -> None:
    samples, parts = find_samples(history), list[float]()

    with begin_observing(record, samples, large_bytes=NEVER_BYTES) as finish:
        expected = finish(parts.append)
    with begin_observing(record, samples, large_bytes=ALWAYS_BYTES) as finish:
        assert multiprocessing.active_children() or (os.cpu_count() or 1) < 2
        found = finish(parts.append)

    assert found is not None
    assert expected is not None
    assert (found.figures, found.mids) == (expected.figures, expected.mids)
    for side in ("bid", "ask", "both"):
        assert found.series.uptime(side) == expected.series.uptime(side)


def test_damage_is_told_as_here(history: History, record: RecordFile) -> None:
    samples = find_samples(history, read_nothing)

    with (
        begin_observing(record, samples, large_bytes=ALWAYS_BYTES) as finish,
        pytest.raises(RecordError, match="the record is damaged"),
    ):
        finish(lambda part: None)


def test_a_process_that_is_ended_is_done_without(history: History, record: RecordFile) -> None:
    samples = find_samples(history, end_other_process)

    with begin_observing(record, samples, large_bytes=ALWAYS_BYTES) as finish:
        assert finish(lambda part: None) is not None


def test_an_error_of_this_process_ends_the_other(history: History, record: RecordFile) -> None:
    with (
        pytest.raises(KeyboardInterrupt),
        begin_observing(record, find_samples(history), large_bytes=ALWAYS_BYTES),
    ):
        raise KeyboardInterrupt

    assert multiprocessing.active_children() == []

"""Past of a grid for the page: the figures of `pnl`, the fills of `fills`, and lines over time."""

from __future__ import annotations

import json
import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from report_kit import FROM_MS, HOUR_MS, History, make_history

from mm_trio.earnings.period import WHOLE
from mm_trio.history.earnings_reader import Asked, read_earnings
from mm_trio.model.errors import JournalError
from mm_trio.web.page.past import MOST_FILLS, SPANS_MS, read_past


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> History:
    return make_history(tmp_path_factory.mktemp("state") / "maker", hours=4)


def read(history: History, span: str) -> Any:
    return json.loads(read_past(history.folder, span, now_ms=history.until_ms).text)


def test_its_figures_and_fills_are_those_of_the_commands(history: History) -> None:
    found = read(history, "all")
    earnings = read_earnings(history.folder, Asked(period=WHOLE, now_ms=history.until_ms))

    assert found["earnings"] == json.loads(json.dumps(earnings.figures.to_json()))
    assert found["totals"]["n"] == len(history.fills) == found["earnings"]["fills"]["n"]
    assert [row["tid"] for row in found["fills"]] == [fill.tid for fill in reversed(history.fills[-MOST_FILLS:])]
    assert found["at_ms"] == history.until_ms


def test_the_lines_of_all_end_where_the_figures_do(history: History) -> None:
    found = read(history, "all")
    ends = {name: values[-1] for name, (_, values) in found["earned"].items()}

    assert ends["realised"] == pytest.approx(float(found["earnings"]["realised"]))
    bought = float(found["totals"]["bought"]) - float(found["totals"]["sold"])
    assert found["held"]["base"][1][-1] == pytest.approx(bought, abs=1)


@pytest.mark.parametrize("span", SPANS_MS)
def test_a_span_is_no_longer_than_asked_and_its_lines_are_in_order(history: History, span: str) -> None:
    found = read(history, span)
    width_ms = SPANS_MS[span]
    from_ms = FROM_MS if width_ms is None else max(FROM_MS, history.until_ms - width_ms)

    assert (found["from_ms"], found["until_ms"]) == (from_ms, history.until_ms)
    lines = [found["mids"], found["boundary"], *found["earned"].values(), *found["held"].values()]
    for times, values in lines:
        assert len(times) == len(values) > 0
        assert all(one <= other for one, other in pairwise(times))
        assert from_ms / 1000 <= times[0] <= times[-1] <= history.until_ms / 1000
        assert all(value is None or math.isfinite(value) for value in values)


def test_a_line_breaks_where_nobody_watched(history: History) -> None:
    times, values = read(history, "all")["mids"]
    begin_s, end_s = (FROM_MS / 1000 + second for second in history.hole_s)
    broken = [at for at, value in zip(times, values, strict=True) if value is None]

    assert [at for at in broken if begin_s - 1 <= at <= end_s + 1]
    assert not [at for at in times if begin_s + 60 < at < end_s - 60]


def test_without_a_record_the_prices_are_missing_and_why_is_told(tmp_path: Path) -> None:
    history = make_history(tmp_path / "maker", hours=1, has_record=False)
    found = read(history, "1h")

    assert found["mids"] == [[], []]
    assert "there is no record" in found["unseen_because"]
    assert len(found["boundary"][0]) > 1
    assert found["earnings"]["pnl_vs_hold"] is None
    assert found["earnings"]["realised"] is not None


def test_a_damaged_record_costs_the_prices_alone(tmp_path: Path) -> None:
    history = make_history(tmp_path / "maker", hours=1)
    (history.folder / "record.sqlite3").write_bytes(b"no record" * 1000)
    found = read(history, "1h")

    assert found["mids"] == [[], []]
    assert "record.sqlite3" in found["unseen_because"]
    assert found["totals"]["n"] == len(history.fills)


def test_without_a_ledger_it_is_an_error_that_says_so(tmp_path: Path) -> None:
    with pytest.raises(JournalError):
        read_past(tmp_path, "1h", now_ms=FROM_MS + HOUR_MS)

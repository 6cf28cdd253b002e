"""A report of a made-up history: its figures are those of the ledger, in every form."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from contextlib import closing
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path

import pytest
from report_kit import FROM_MS, HOUR_MS, History, make_history, make_report_of

from mm_trio.earnings.period import Period
from mm_trio.history.earnings_reader import Asked, read_earnings
from mm_trio.model.observations import Coverage
from mm_trio.pages.page import Number
from mm_trio.pages.pictures import Bars
from mm_trio.recorder.record_file import RecordFile
from mm_trio.reports.report import Report

HOSTILE = '</script><img src="x" onerror="alert(1)">&\x1b[2J'


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> History:
    """Four hours, in which one taker has a hostile name."""
    return make_history(tmp_path_factory.mktemp("report") / "ledger", names=(HOSTILE, "=cmd()"))


@pytest.fixture(scope="module")
def report(history: History) -> Report:
    """The report of all of it."""
    return make_report_of(history)


@pytest.fixture(scope="module")
def page(report: Report) -> str:
    """Its page."""
    pytest.importorskip("matplotlib", reason="pictures are drawn by matplotlib")
    return report.to_html()


class Numbers(HTMLParser):
    """Exact numbers of a page, and its tags."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.exact: list[str] = []
        self.tags: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag == "data":
            self.exact.append(dict(attrs)["value"] or "")


def test_the_figures_are_those_of_the_statement(history: History, report: Report) -> None:
    asked = Asked(period=Period(), now_ms=history.until_ms, by_day=True)

    assert report.to_json()["pnl"] == read_earnings(history.folder, asked).figures.to_json()


def test_the_tables_have_the_digits_of_the_statement(report: Report, page: str) -> None:
    figures = report.facts.earnings
    exact = Numbers(page).exact

    for amount in (figures.pnl_vs_hold, figures.realised, figures.open.at(figures.mark), figures.volume, figures.edge):
        assert amount is not None
        assert f"{amount:f}" in exact


def test_the_parts_in_the_table_add_up_exactly(report: Report) -> None:
    rows = csv.DictReader(io.StringIO(report.to_csv()["result"]))
    parts = {row["part"]: Decimal(row["USDC"]) for row in rows}

    assert sum(parts[name] for name in ("realised by pairs", "open, at the mark", "fees")) == parts["against holding"]


def test_the_pictures_end_where_the_statement_does(report: Report) -> None:
    figures, trading = report.facts.earnings, report.facts.trading
    assert figures.pnl_vs_hold is not None

    assert trading.tally.earned() == figures.earned
    assert trading.earned["against holding"][-1][1] == pytest.approx(float(figures.pnl_vs_hold), abs=1.0)
    assert trading.earned["realised"][-1][1] == float(figures.realised)
    assert trading.held[0].points[-1][1] == pytest.approx(float(figures.end.base - figures.setting.start.base))


def test_every_fill_is_at_its_level_and_hour(history: History, report: Report) -> None:
    levels = Counter(fill.quote.level_index for fill in history.fills)
    hours = Counter(((fill.time_ms or 0) - FROM_MS) // HOUR_MS for fill in history.fills)
    trading = report.facts.trading

    assert {level: sums.buys.n + sums.sells.n for level, sums in trading.levels.items()} == levels
    assert {hour: n for hour, sums in trading.hours.items() if (n := sums.buys.n + sums.sells.n)} == hours


def test_every_fill_has_its_taker(history: History, report: Report) -> None:
    parties = report.facts.parties
    assert parties is not None

    assert {name: sums.n for name, sums in parties.sums.items()} == Counter(history.takers)
    assert sum(row.n for row in parties.rank(3)) == len(history.fills)
    assert [row.name for row in parties.rank(3)][-1] == "all others"


def test_the_uptime_of_bins_is_that_of_the_period(report: Report) -> None:
    presence, timeline = report.facts.presence, report.facts.timeline
    assert presence is not None

    both = sum(value * (timeline.end_of(timeline.find(at)) - at) for at, value in presence.uptime("both"))
    share = both / (report.facts.span[1] - report.facts.span[0])
    assert share == pytest.approx(float(report.facts.uptime or 0), abs=1e-3)


def test_names_from_outside_are_never_tags(page: str) -> None:
    assert not {"img", "script"} & Numbers(page).tags
    assert "\x1b" not in page
    assert "&lt;/script&gt;" in page


def test_a_name_is_no_formula_of_a_spreadsheet(report: Report) -> None:
    names = [row["taker"] for row in csv.DictReader(io.StringIO(report.to_csv()["counterparties"]))]

    assert "'=cmd()" in names


def test_the_page_names_no_address_and_is_the_same_at_every_run(history: History, page: str) -> None:
    assert re.findall(r"https?:|url\(|@import|xmlns|xlink|<link|<script", page) == []
    assert make_report_of(history).to_html() == page


def test_a_picture_has_few_points(report: Report) -> None:
    facts = report.facts
    lines = [facts.mids, facts.boundary, *facts.trading.earned.values(), *(line.points for line in facts.trading.held)]

    assert 0 < max(map(len, lines)) <= 2_000


def test_without_a_record_every_section_says_why(tmp_path: Path) -> None:
    report = make_report_of(make_history(tmp_path / "ledger", hours=0.5, has_record=False))
    absent = report.to_json()["absent"]

    assert isinstance(absent, dict)
    assert absent.keys() == {"result", "price", "markouts", "counterparties", "depth", "uptime", "outages"}
    assert all("record" in reason for reason in absent.values())
    assert not any(section.pictures for section in report.sections if section.key in absent.keys() - {"price"})
    assert "unknown" in " ".join(report.words)


def test_a_damaged_record_leaves_the_figures_of_the_ledger(tmp_path: Path) -> None:
    history = make_history(tmp_path / "ledger", hours=0.5)
    path = history.folder / "record.sqlite3"
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size // 4)
        file.write(b"\xff" * (size // 2))

    report = make_report_of(history)

    assert report.facts.earnings.tally.n_fills == len(history.fills)
    assert "record.sqlite3 cannot be used" in str(report.facts.no_record)


def test_a_period_without_fills_is_told_as_such(history: History) -> None:
    pytest.importorskip("matplotlib", reason="pictures are drawn by matplotlib")
    last = history.until_ms
    report = make_report_of(history, period=Period(last, last + HOUR_MS))

    assert report.words[0].startswith("Nothing was filled")
    assert "NaN" not in json.dumps(report.to_json(), allow_nan=False)
    assert "<svg" in report.to_html()


def test_part_of_a_history_has_its_own_beginning(history: History) -> None:
    """What was held at the beginning is what fills and transfers before it left."""
    period = Period(FROM_MS + 2 * HOUR_MS, FROM_MS + 3 * HOUR_MS)
    report = make_report_of(history, period=period)
    times = [fill.time_ms or 0 for fill in history.fills]

    assert report.facts.earnings.tally.n_fills == sum(map(period.contains, times))
    assert report.facts.span == (period.from_ms, period.until_ms)


def test_a_record_that_is_being_written_has_no_outage_at_its_end(tmp_path: Path) -> None:
    history = make_history(tmp_path / "ledger", hours=0.5)
    before = make_report_of(history).facts.liquidity
    with closing(RecordFile.open(history.folder)) as record:
        record.append([Coverage("own", history.until_ms, history.until_ms + 2_900)])
        record.append([Coverage("market", history.until_ms, history.until_ms + 900)])

    after = make_report_of(history).facts.liquidity

    assert before is not None
    assert after is not None
    assert after.period["down_s"] == before.period["down_s"]


def test_a_bar_over_some_of_the_fills_has_a_star(report: Report) -> None:
    (section,) = [each for each in report.sections if each.key == "counterparties"]
    (picture,), (table,) = section.pictures, section.tables
    assert isinstance(picture, Bars)

    without = [row[-1].value for row in table.rows if isinstance(row[-1], Number)]
    assert [name.endswith(" *") for name, _ in picture.rows] == [value != 0 for value in without]

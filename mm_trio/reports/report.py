"""Report: one page, one JSON object, and one table a CSV file, all of the same figures."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass

from mm_trio.earnings.exact import shorten
from mm_trio.pages.page import Card, Cell, Number, Page, Section, Table, render
from mm_trio.reports.amounts import find_decimals, share
from mm_trio.reports.facts import Facts
from mm_trio.reports.market_sections import make_counterparties, make_depth, make_fills, make_outages, make_uptime
from mm_trio.reports.money_sections import make_cost, make_inventory, make_markouts, make_price, make_result
from mm_trio.reports.words import describe_span, summarise

__all__ = ["Report", "guard_cell", "make_report"]

FOOTER = (
    "Made by mm-trio from the ledger and the record of a maker alone; no venue was asked. Times are those of the "
    "venue, in UTC. Figures are exact; a number that is shown rounded carries all of its digits in the page."
)


@dataclass(frozen=True, slots=True)
class Report:
    """Report of a period, not drawn yet."""

    facts: Facts
    words: tuple[str, ...]
    sections: tuple[Section, ...]

    def to_html(self) -> str:
        """Draw the page. Errors: ConfigError without matplotlib."""
        facts = self.facts
        names = facts.names
        meta = f"{describe_span(facts)} · {names.folder}"
        title = f"{names.coin}: what it earned, and why"
        return render(Page(title, meta, self.words, tuple(_make_cards(facts)), self.sections, FOOTER))

    def to_json(self) -> dict[str, object]:
        """Return plain JSON values; amounts are decimal strings, None is not known."""
        facts = self.facts
        return {
            "coin": facts.names.coin,
            "folder": facts.names.folder,
            "from_ms": facts.span[0],
            "until_ms": facts.span[1],
            "words": list(self.words),
            "pnl": facts.earnings.to_json(),
            "days": [day.to_json() for day in facts.days],
            "liquidity": None if facts.liquidity is None else facts.liquidity.to_json(),
            "tables": {table.name: _to_rows(table) for section in self.sections for table in section.tables},
            "absent": {section.key: section.absent for section in self.sections if section.absent is not None},
        }

    def to_csv(self) -> Mapping[str, str]:
        """Return the text of a CSV file for each table, by its name."""
        return {table.name: _write_csv(table) for section in self.sections for table in section.tables}


def make_report(facts: Facts) -> Report:
    """Make a report of facts."""
    makers = (
        *(make_result, make_price, make_inventory, make_fills, make_markouts, make_counterparties),
        *(make_depth, make_uptime, make_outages, make_cost),
    )
    return Report(facts, summarise(facts), tuple(make(facts) for make in makers))


def _make_cards(facts: Facts) -> list[Card]:
    earnings, unit = facts.earnings, facts.names.quote
    pnl = earnings.pnl_vs_hold
    ratio = None if pnl is None else shorten(pnl * 10_000, earnings.volume, places=6)
    return [
        Card("against holding", Number(pnl, unit, find_decimals([pnl]), is_signed=True)),
        Card("of the volume", Number(ratio, "bps", 2, is_signed=True)),
        Card("volume", Number(earnings.volume, unit, find_decimals([earnings.volume]))),
        Card("fills", Number(earnings.tally.n_fills)),
        Card("both sides quoted", share(facts.uptime, unit="%")),
    ]


def _write_cell(cell: Cell) -> str:
    return cell if isinstance(cell, str) else cell.exact


def _to_rows(table: Table) -> list[dict[str, str | None]]:
    return [
        {
            name: None if isinstance(cell, Number) and cell.value is None else _write_cell(cell)
            for name, cell in zip(table.head, row, strict=True)
        }
        for row in table.rows
    ]


def _write_csv(table: Table) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table.head)
    for row in table.rows:
        writer.writerow([guard_cell(cell) if isinstance(cell, str) else cell.exact for cell in row])
    return text.getvalue()


def guard_cell(text: str) -> str:
    """Keep a spreadsheet from taking a name for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text

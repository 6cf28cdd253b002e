"""Statement of what a ladder earned."""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass

from mm_trio.cli.earnings_programs.history_place import find_history, read_period
from mm_trio.cli.earnings_programs.progress import show_progress
from mm_trio.cli.earnings_programs.statement import write_statement
from mm_trio.cli.shell.stop_signal import StopSignal
from mm_trio.history.earnings_reader import Asked, Earnings, read_earnings

__all__ = ["Statement", "make_statement"]


@dataclass(frozen=True, slots=True)
class Statement:
    """Figures that were asked for."""

    earnings: Earnings
    by_day: bool

    def to_json(self) -> dict[str, object]:
        """Return plain JSON values; amounts are decimal strings, None is absent."""
        earnings = self.earnings
        values = {"folder": str(earnings.folder), "coin": earnings.coin, **earnings.figures.to_json()}
        return {**values, "days": [day.to_json() for day in earnings.days]} if self.by_day else values

    def to_text(self) -> str:
        """Return the statement for a person."""
        return write_statement(self.earnings)


def make_statement(arguments: argparse.Namespace, stop: StopSignal) -> Statement:
    """Read ledger and record, and compute the figures.

    Errors: ConfigError for bad words and where there is no ledger, JournalError for a ledger that cannot be read.
    """
    now_ms = time.time_ns() // 1_000_000
    asked = Asked(
        period=read_period(arguments, now_ms=now_ms),
        now_ms=now_ms,
        by_day=arguments.by == "day",
        mark=arguments.mark,
        fee_share=arguments.fee_share,
    )
    folder = find_history(arguments, stop)
    with show_progress("fills read") as on_progress:
        return Statement(read_earnings(folder, asked, on_progress=on_progress), asked.by_day)

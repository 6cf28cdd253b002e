"""Options of commands about the past: which ledger, and which span of time."""

from __future__ import annotations

import argparse
from pathlib import Path

from mm_trio.cli.shell.grids import add_coin_option

__all__ = ["add_period_options", "add_place_options"]


def add_place_options(parser: argparse.ArgumentParser) -> None:
    """Add `--config` and `--folder`, one of which names the ledger."""
    add_coin_option(parser, without_coin="needed where there are several")
    place = parser.add_mutually_exclusive_group(required=True)
    place.add_argument("--config", type=Path, metavar="FILE", help="configuration file (TOML) of the maker")
    place.add_argument(
        "--folder", type=Path, metavar="DIR", help="state folder that holds the ledger, or a copy of it; no venue asked"
    )


def add_period_options(parser: argparse.ArgumentParser) -> None:
    """Add `--from`, `--to` and `--last`; without them everything is meant."""
    parser.add_argument(
        "--from",
        dest="from_ms",
        type=_parse_time_ms,
        metavar="TIME",
        help="begin at this UTC date or time (2026-11-30, 2026-11-30T12:00) or millisecond of the epoch",
    )
    parser.add_argument(
        "--to", dest="until_ms", type=_parse_time_ms, metavar="TIME", help="end before this time (default: no end)"
    )
    parser.add_argument(
        "--last", dest="last_ms", type=_parse_span_ms, metavar="SPAN", help="the last 24h, 7d … up to now"
    )


def _parse_time_ms(text: str) -> int:
    # Imported late, because `--help` need not pay for it.
    from mm_trio.cli.earnings_programs.history_place import parse_time_ms

    return parse_time_ms(text)


def _parse_span_ms(text: str) -> int:
    from mm_trio.cli.earnings_programs.history_place import parse_span_ms

    return parse_span_ms(text)

"""The page on the phases of an order shows the table that the code uses."""

from __future__ import annotations

from pathlib import Path

from mm_trio.state.order_phases import format_phase_table

PAGE = Path(__file__).resolve().parents[3] / "docs" / "order-phases.md"


def test_the_page_ends_with_the_table_of_the_code() -> None:
    """To write it anew, put what `format_phase_table()` returns behind the page's introduction."""
    _, separator, tables = PAGE.read_text().partition("| phase |")

    assert separator + tables == format_phase_table()

"""What is known of a pair before its ladder is planned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

from mm_trio.model.market import Book, BookLevel
from mm_trio.model.pricing_grid import PricingGrid

__all__ = ["MarketView", "count_ladder_rows"]

HIP2_STEPS = (Decimal("0.003"), Decimal("0.01"))


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketView:
    """Pair, its book, and signs that HIP-2 quotes it.

    `hip2_orders` are open orders of HIP-2's account on this pair; `hip2_tokens` and `hip2_quote` are what HIP-2 began
    with. None where that was not read.
    """

    coin: str
    base: str
    quote: str
    sz_decimals: int
    book: Book
    hip2_orders: int | None = None
    hip2_tokens: Decimal | None = None
    hip2_quote: Decimal | None = None

    @property
    def mid(self) -> Decimal | None:
        """Return the middle of the book; None where a side is empty."""
        bids, asks = self.book.bids, self.book.asks
        return (bids[0].price + asks[0].price) / 2 if bids and asks else None


def count_ladder_rows(view: MarketView) -> int:
    """Count the longest run of rows that look like HIP-2's.

    That is rows of one size, each a step of HIP-2 from the one before. The best row of a side may be a part of an
    order, so it need not have the size of the others, and does not count.
    """
    return max(
        _count_run(rows, step, view.sz_decimals)
        for rows in (view.book.asks[1:], view.book.bids[:0:-1])
        for step in HIP2_STEPS
    )  # fmt: skip


def _count_run(rows: Sequence[BookLevel], step: Decimal, sz_decimals: int) -> int:
    """Count the longest run in rows of rising prices."""
    longest = run = 1 if rows else 0
    for row, above in pairwise(rows):
        run = run + 1 if row.size == above.size and _find_next(row.price, step, sz_decimals) == above.price else 1
        longest = max(longest, run)
    return longest


def _find_next(price: Decimal, step: Decimal, sz_decimals: int) -> Decimal | None:
    try:
        return PricingGrid(price, 2, tick_size=step, sz_decimals=sz_decimals).levels[1]
    except ValueError:
        # A price too low for this step: no ladder could stand there.
        return None

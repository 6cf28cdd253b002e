"""Pairs of fills along the inventory, last in first out."""

from __future__ import annotations

from decimal import Decimal

from mm_trio.earnings.exact import NOTHING, Linear

__all__ = ["Pairs"]


class Pairs:
    """Realised result of paired fills, and what is still open.

    Each unit of the inventory is sold and bought in turn, so a fill is paired with the last ones of the other side that
    are not paired yet. Call `add` within `exactly()`.
    """

    def __init__(self) -> None:
        self.realised = NOTHING
        # Base (bought above zero, sold below) and price of each open fill; all of one sign.
        self._open: list[tuple[Decimal, Decimal]] = []

    def add(self, base: Decimal, price: Decimal) -> None:
        """Pair a fill with open ones of the other side; what is left of it is open."""
        opened = self._open
        while opened:
            open_base, open_price = opened[-1]
            if (open_base > 0) == (base > 0):
                if open_price == price:
                    # One level that fills in many parts is one open fill, so that memory is bounded by the ladder.
                    opened[-1] = (open_base + base, price)
                    return
                break
            left = open_base + base
            if left and (left > 0) == (open_base > 0):
                self.realised += base * (open_price - price)
                opened[-1] = (left, open_price)
                return
            opened.pop()
            self.realised -= open_base * (open_price - price)
            if not left:
                return
            base = left
        opened.append((base, price))

    def value_open(self) -> Linear:
        """Return what the open fills gained, by the mark. Call it within `exactly()`."""
        quote = -sum((base * price for base, price in self._open), NOTHING)
        return Linear(quote, sum((base for base, _ in self._open), NOTHING))

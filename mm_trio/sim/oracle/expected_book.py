"""Compute the expected HIP-2 book from the venue's own record.

It is a second opinion that shares no code with the maker.
Source: HIP-2 and the specification's boundary rule: `k` whole tranches of the tokens are the top `k` asks; the level
below them belongs to the remainder `p` and keeps the side of the order that is open there, an ask of `p` or a bid of
the tranche less `p`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal

from mm_trio.sim.base.scenario import ScenarioLadder

__all__ = ["ExpectedBook", "Slot", "compute_levels"]

Slot = tuple[str, int]  # ("buy" | "sell", level)

Orders = list[tuple[int, Decimal]]  # (level, size) of one side, from the inside outwards

# Above every fee in base by which a partly filled bid may fall short.
FEE_CAP = Decimal("0.001")
FIVE_FIGURES = Context(prec=5, rounding=ROUND_HALF_EVEN)
PRICE_DECIMALS = 8


def compute_levels(ladder: ScenarioLadder, *, sz_decimals: int) -> tuple[Decimal, ...]:
    """Compute the prices of the ladder, lowest first."""
    tick = Decimal(1).scaleb(sz_decimals - PRICE_DECIMALS)
    price = ladder.start_px
    levels: list[Decimal] = []
    for _ in range(ladder.n_orders):
        price = FIVE_FIGURES.plus(price)
        if price % tick:
            price = price.quantize(tick, rounding=ROUND_HALF_EVEN)
        levels.append(price)
        price *= 1 + ladder.step
    return tuple(levels)


@dataclass(frozen=True, slots=True)
class ExpectedBook:
    """Expected orders of a ladder.

    `levels` are its prices, `lot` is the base token's. The arguments `tokens` and `quote` are what may be offered:
    the smaller of ledger and wallet.
    """

    ladder: ScenarioLadder
    levels: tuple[Decimal, ...]
    lot: Decimal

    def find_divergence(self, book: Mapping[Slot, Decimal], *, tokens: Decimal, quote: Decimal) -> str | None:
        """Describe the first difference from the expected book, if any.

        `book` holds our open orders. Returns None if it is as expected. There is no tolerance but one: on a partly
        filled bid the fee, taken in base.
        """
        asks, bids = self._compute_due(book, tokens, quote)
        return self._compare(book, "sell", asks) or self._compare(book, "buy", bids)

    def find_due(self, book: Mapping[Slot, Decimal], *, tokens: Decimal, quote: Decimal) -> list[Slot]:
        """Return the slots that must have an order of ours.

        The far end of a window is left out as far as it may lag.
        """
        due: list[Slot] = []
        for side, orders in zip(("sell", "buy"), self._compute_due(book, tokens, quote), strict=True):
            active = self.ladder.active_levels
            least = len(orders) if active is None else max(0, active - self.ladder.window_slack)
            due += [(side, level) for level, _ in orders[:least]]
        return due

    def _compute_due(self, book: Mapping[Slot, Decimal], tokens: Decimal, quote: Decimal) -> tuple[Orders, Orders]:
        """Return the expected asks and bids."""
        levels, order_size = self.levels, self.ladder.order_size
        tokens = max(tokens - tokens % self.lot, Decimal(0))
        n_full, remainder = int(tokens // order_size), tokens % order_size
        lowest_full = len(levels) - n_full
        asks: Orders = []
        bids: Orders = []
        level = lowest_full - 1
        if remainder and level >= 0:
            side, size, kept = self._choose_remainder_side(book, level, remainder, quote)
            if side == "sell":
                asks.append((level, size))
            elif side == "buy":
                bids.append((level, size))
                quote -= kept * levels[level]
            level -= 1
        asks += [(i, order_size) for i in range(max(0, lowest_full), len(levels))]
        bids += self._fund_bids(level, quote)
        return asks, bids

    def _choose_remainder_side(
        self, book: Mapping[Slot, Decimal], level: int, remainder: Decimal, quote: Decimal
    ) -> tuple[str | None, Decimal, Decimal]:
        """Choose the side and size at the remainder's level.

        Returns also the size of a bid there for which quote is reserved.
        """
        price, lot, minimum = self.levels[level], self.lot, self.ladder.min_notional
        short = self.ladder.order_size - remainder
        funded = min(short, self._fund(price, quote))
        bid, ask = book.get(("buy", level)), book.get(("sell", level))
        if bid is not None:
            # A bid traded down to dust stays as it is.
            if max(bid, short) * price < minimum:
                return "buy", bid, bid
            is_fee = 0 < short - bid <= self.ladder.order_size * FEE_CAP + lot and bid <= funded
            # Quote stays reserved for the part that the fee took.
            return "buy", bid if is_fee else funded, funded
        # An ask traded down to dust stays as well, unless it is for more than remains beside the full ones.
        if ask is not None and (ask <= remainder or remainder * price >= minimum):
            return "sell", ask if max(ask, remainder) * price < minimum else remainder, Decimal(0)
        if remainder * price >= minimum:
            return "sell", remainder, Decimal(0)
        can_bid = funded * price >= minimum
        return ("buy", funded, funded) if can_bid else (None, Decimal(0), Decimal(0))

    def _fund_bids(self, top: int, quote: Decimal) -> Orders:
        """Place bids from `top` downwards while quote lasts.

        The last one may be partial.
        """
        bids: Orders = []
        for level in range(top, -1, -1):
            price = self.levels[level]
            funded = self._fund(price, quote)
            size = min(self.ladder.order_size, funded)
            if size * price >= self.ladder.min_notional:
                bids.append((level, size))
            if funded < self.ladder.order_size:
                break
            quote -= size * price
        return bids

    def _fund(self, price: Decimal, quote: Decimal) -> Decimal:
        """Return the size in whole lots that the quote buys."""
        return max(quote, Decimal(0)) // (price * self.lot) * self.lot

    def _compare(self, book: Mapping[Slot, Decimal], side: str, due: Orders) -> str | None:
        """Describe the first difference on one side, if any.

        Orders must run from the inside outwards without a hole. The far end may lag by the window's slack.
        """
        resting = {level: size for (its_side, level), size in book.items() if its_side == side}
        least, most = len(due), len(due)
        if self.ladder.active_levels is not None:
            least = min(least, self.ladder.active_levels - self.ladder.window_slack)
            most = min(most, self.ladder.active_levels + self.ladder.window_slack)
        wanted = dict(due[: min(most, max(least, len(resting)))])
        for level in sorted({*wanted, *resting}):
            if resting.get(level) != wanted.get(level):
                return f"{side} at level {level}: expected {wanted.get(level, 0)}, open {resting.get(level, 0)}"
        return None

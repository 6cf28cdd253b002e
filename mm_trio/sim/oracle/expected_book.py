"""Compute the expected HIP-2 book from the venue's own record.

It is a second opinion that shares no code with the maker.
Source: HIP-2, whose ladder and updates are known from recorded markets: `k` whole tranches of the tokens are the top
`k` asks. The level `u` below them has an ask of the remainder `p`, unless a bid of ours is open there: that one is left
as it is. With a gap of `g` levels that tranche is bought back on `u - g`, and nothing rests between.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_HALF_UP, Context, Decimal

from mm_trio.sim.base.scenario import ScenarioLadder

__all__ = ["ExpectedBook", "Slot", "compute_levels"]

Slot = tuple[str, int]  # ("buy" | "sell", level)

Orders = list[tuple[int, Decimal]]  # (level, size) of one side, from the inside outwards

# Above every fee in base by which a partly filled bid may fall short.
FEE_CAP = Decimal("0.001")
FIVE_FIGURES = Context(prec=5, rounding=ROUND_DOWN)
PRICE_DECIMALS = 8


def compute_levels(ladder: ScenarioLadder, *, sz_decimals: int) -> tuple[Decimal, ...]:
    """Compute the prices of the ladder, lowest first.

    Each step goes to the nearest unit of the venue, halves up, and is then cut down to five figures.
    """
    unit = Decimal(1).scaleb(sz_decimals - PRICE_DECIMALS)
    price = FIVE_FIGURES.plus(ladder.start_px.quantize(unit, rounding=ROUND_DOWN))
    levels = [price]
    while len(levels) < ladder.n_orders:
        price = FIVE_FIGURES.plus((price * (1 + ladder.step)).quantize(unit, rounding=ROUND_HALF_UP))
        levels.append(price)
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

    def find_left_bid(self, book: Mapping[Slot, Decimal], *, tokens: Decimal) -> Slot | None:
        """Return the slot of the bid that is left as it is, if there is one."""
        n_full, remainder = divmod(max(tokens - tokens % self.lot, Decimal(0)), self.ladder.order_size)
        slot = "buy", len(self.levels) - int(n_full) - 1
        return slot if remainder and not self.ladder.gap_levels and slot in book else None

    def _compute_due(self, book: Mapping[Slot, Decimal], tokens: Decimal, quote: Decimal) -> tuple[Orders, Orders]:
        """Return the expected asks and bids."""
        tokens = max(tokens - tokens % self.lot, Decimal(0))
        n_full, remainder = int(tokens // self.ladder.order_size), tokens % self.ladder.order_size
        lowest_full = len(self.levels) - n_full
        asks = [(i, self.ladder.order_size) for i in range(max(0, lowest_full), len(self.levels))]
        level = lowest_full - 1
        if not remainder or level < 0:
            return asks, self._fund_bids(level - self.ladder.gap_levels, quote)
        if self.ladder.gap_levels:
            of_remainder = self._find_ask(book, level, remainder)
            return [*of_remainder, *asks], self._compute_lower_bids(book, level, remainder, quote)
        of_remainder, bid = self._choose_side(book, level, remainder, quote)
        spent = sum((size * self.levels[i] for i, size in bid), Decimal(0))
        return [*of_remainder, *asks], [*bid, *self._fund_bids(level - 1, quote - spent)]

    def _choose_side(
        self, book: Mapping[Slot, Decimal], level: int, remainder: Decimal, quote: Decimal
    ) -> tuple[Orders, Orders]:
        """Choose the ask or the bid of the remainder's level.

        Return both, of which one at least is empty.
        """
        price, minimum = self.levels[level], self.ladder.min_notional
        funded = self._fund(price, quote)
        bid = book.get(("buy", level))
        # Only quote that no longer pays for it changes a bid.
        if bid is not None and (bid <= funded or funded * price >= minimum):
            return [], [(level, min(bid, funded))]
        if ask := self._find_ask(book, level, remainder):
            return ask, []
        size = min(self.ladder.order_size - remainder, funded)
        return [], [(level, size)] if size * price >= minimum else []

    def _find_ask(self, book: Mapping[Slot, Decimal], level: int, remainder: Decimal) -> Orders:
        """Return the ask of the remainder, where there is one."""
        price, minimum, ask = self.levels[level], self.ladder.min_notional, book.get(("sell", level))
        if remainder * price >= minimum:
            return [(level, remainder)]
        # An ask traded down to dust stays as it is, unless it is for more than remains beside the full ones.
        return [(level, ask)] if ask is not None and ask <= remainder and ask * price < minimum else []

    def _compute_lower_bids(
        self, book: Mapping[Slot, Decimal], level: int, remainder: Decimal, quote: Decimal
    ) -> Orders:
        """Compute the bids of a ladder with a gap.

        The best one buys back what the remainder's tranche has sold.
        """
        level -= self.ladder.gap_levels
        if level < 0:
            return []
        price, minimum, bid = self.levels[level], self.ladder.min_notional, book.get(("buy", level))
        short = self.ladder.order_size - remainder
        funded = min(short, self._fund(price, quote))
        if bid is not None and bid <= funded and short * price < minimum:
            # A bid traded down to dust stays as it is.
            return [(level, bid), *self._fund_bids(level - 1, quote - bid * price)]
        if short * price < minimum:
            return self._fund_bids(level - 1, quote)
        below = self._fund_bids(level - 1, quote - short * price) if funded == short else []
        if funded * price < minimum:
            return below
        # Quote stays reserved for the part of the bid that the fee took.
        is_fee = bid is not None and 0 < funded - bid <= self.ladder.order_size * FEE_CAP + self.lot
        return [(level, bid if bid is not None and is_fee else funded), *below]

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

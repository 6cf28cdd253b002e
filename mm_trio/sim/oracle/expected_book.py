"""The HIP-2 book that is due, worked out from the venue's own record: an oracle's second opinion, not the maker's.

Source: HIP-2 and the specification's boundary rule: `k` whole tranches of the tokens are the top `k` asks; the level
below them belongs to the rest `p` and keeps the side that rests there, an ask of `p` or a bid of the tranche less `p`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal

from mm_trio.sim.base.scenario import ScenarioLadder

__all__ = ["ExpectedBook", "Slot", "compute_levels"]

Slot = tuple[str, int]  # ("buy" | "sell", level)

Orders = list[tuple[int, Decimal]]  # (level, size) of one side, from the inside outwards

FEE_CAP = Decimal("0.001")  # above every fee in base that a partly filled bid may be short of
FIVE_FIGURES = Context(prec=5, rounding=ROUND_HALF_EVEN)
PRICE_DECIMALS = 8


def compute_levels(ladder: ScenarioLadder, *, sz_decimals: int) -> tuple[Decimal, ...]:
    """The prices of the ladder, lowest first."""
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
    """What a ladder asks for: `levels` are its prices, `lot` is the base token's.

    `tokens` and `quote` are what may be offered: the smaller of ledger and wallet.
    """

    ladder: ScenarioLadder
    levels: tuple[Decimal, ...]
    lot: Decimal

    def find_divergence(self, book: Mapping[Slot, Decimal], *, tokens: Decimal, quote: Decimal) -> str | None:
        """Where `book`, what rests of ours, is not what is due; None if it is.

        No tolerance but one: on a partly filled bid the fee, taken in base.
        """
        asks, bids = self._compute_due(book, tokens, quote)
        return self._compare(book, "sell", asks) or self._compare(book, "buy", bids)

    def find_due(self, book: Mapping[Slot, Decimal], *, tokens: Decimal, quote: Decimal) -> list[Slot]:
        """Where an order of ours has to rest, the far end of a window left out as far as it may lag."""
        due: list[Slot] = []
        for side, orders in zip(("sell", "buy"), self._compute_due(book, tokens, quote), strict=True):
            active = self.ladder.active_levels
            least = len(orders) if active is None else max(0, active - self.ladder.window_slack)
            due += [(side, level) for level, _ in orders[:least]]
        return due

    def _compute_due(self, book: Mapping[Slot, Decimal], tokens: Decimal, quote: Decimal) -> tuple[Orders, Orders]:
        """Asks and bids."""
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
        """Which side the level of the rest has, how much is due there, and for how much of a bid quote is kept."""
        price, lot, minimum = self.levels[level], self.lot, self.ladder.min_notional
        short = self.ladder.order_size - remainder
        funded = min(short, self._fund(price, quote))
        bid, ask = book.get(("buy", level)), book.get(("sell", level))
        if bid is not None:
            if max(bid, short) * price < minimum:  # traded down to a crumb: it stays as it is
                return "buy", bid, bid
            is_fee = 0 < short - bid <= self.ladder.order_size * FEE_CAP + lot and bid <= funded
            return "buy", bid if is_fee else funded, funded  # the part that the fee took is kept for it
        # an ask traded down to a crumb stays as well, unless it is for more than is left beside the full ones
        if ask is not None and (ask <= remainder or remainder * price >= minimum):
            return "sell", ask if max(ask, remainder) * price < minimum else remainder, Decimal(0)
        if remainder * price >= minimum:
            return "sell", remainder, Decimal(0)
        can_bid = funded * price >= minimum
        return ("buy", funded, funded) if can_bid else (None, Decimal(0), Decimal(0))

    def _fund_bids(self, top: int, quote: Decimal) -> Orders:
        """Bids from `top` downwards as far as the quote reaches, the last one partial."""
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
        """Whole lots that the quote buys."""
        return max(quote, Decimal(0)) // (price * self.lot) * self.lot

    def _compare(self, book: Mapping[Slot, Decimal], side: str, due: Orders) -> str | None:
        """What rests is due, from the inside outwards without a hole; the far end may lag by the window's slack."""
        resting = {level: size for (its_side, level), size in book.items() if its_side == side}
        least, most = len(due), len(due)
        if self.ladder.active_levels is not None:
            least = min(least, self.ladder.active_levels - self.ladder.window_slack)
            most = min(most, self.ladder.active_levels + self.ladder.window_slack)
        wanted = dict(due[: min(most, max(least, len(resting)))])
        for level in sorted({*wanted, *resting}):
            if resting.get(level) != wanted.get(level):
                return f"{side} at level {level}: due {wanted.get(level, 0)}, rests {resting.get(level, 0)}"
        return None

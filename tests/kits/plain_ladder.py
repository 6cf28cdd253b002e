"""Plain rewriting of the orders that are due, one level after the other, and a book of them that takers trade with."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from mm_trio.model.pricing_grid import PricingGrid
from mm_trio.quoting.quoting_engine import compute_desired_orders

ZERO = Decimal(0)

Row = tuple[str, int, Decimal]  # side, level, size


@dataclass(frozen=True)
class PlainLadder:
    """Prices, lot and order size of a ladder, with its minimum and gap."""

    levels: Sequence[Decimal]
    lot: Decimal
    order_size: Decimal
    minimum: Decimal = ZERO
    gap: int = 0

    def list_rows(
        self, boundary: int, tokens: Decimal, quote: Decimal, *, resting_bid: Decimal | None = None
    ) -> list[Row]:
        """List asks upwards, then bids downwards.

        `resting_bid` is what is left of a bid on the level of the remainder.
        Source: contract of `compute_desired_orders`, and the rule of a gap: `p` on `u`, what it lacks on `u - g`.
        """
        n, size = len(self.levels), self.order_size
        in_lots = max(tokens, ZERO) // self.lot * self.lot
        full = int(in_lots // size)
        part = in_lots - full * size
        if self.gap:
            return self._list_gapped(n - full - 1, part, quote)
        room = n - boundary
        level = boundary if room > full else boundary - 1
        has_part = bool(part) and room >= full and level >= 0
        is_left = has_part and resting_bid is not None
        side = self._choose_side(level, part, is_ask_first=room > full) if has_part and not is_left else ""
        rows: list[Row] = [("sell", level, part)] if side == "sell" else []
        first_full = level + 1 if has_part else boundary
        rows += [("sell", i, size) for i in range(first_full, min(first_full + full, n)) if self._is_worth(i, size)]
        wanted = [size] * (level if has_part else boundary)
        if has_part:
            wanted.append(size - part if side == "buy" else min(resting_bid or ZERO, size))
        return rows + self._list_bids(wanted, quote)

    def _choose_side(self, level: int, part: Decimal, *, is_ask_first: bool) -> str:
        """Choose the side of the level that belongs to the remainder.

        What is too small to place leaves the level to the other side.
        """
        turns = [("sell", part), ("buy", self.order_size - part)]
        turns = turns if is_ask_first else turns[::-1]
        return next((side for side, size in turns if self._is_worth(level, size)), "")

    def _list_gapped(self, u: int, part: Decimal, quote: Decimal) -> list[Row]:
        n, size = len(self.levels), self.order_size
        rows: list[Row] = []
        for level in range(n):
            offered = part if level == u else size if level > u else ZERO
            if offered and self._is_worth(level, offered):
                rows.append(("sell", level, offered))
        wanted = [size] * (u - self.gap + 1)
        if part and wanted:
            lacks = size - part
            wanted[-1] = lacks if self._is_worth(len(wanted) - 1, lacks) else ZERO
        return rows + self._list_bids(wanted, quote)

    def _list_bids(self, wanted: list[Decimal], quote: Decimal) -> list[Row]:
        """List bids of the wanted sizes, by level, as far as the quote reaches."""
        rows: list[Row] = []
        for level in reversed(range(len(wanted))):
            most = max(quote, ZERO) // (self.levels[level] * self.lot) * self.lot
            bid = min(wanted[level], most)
            if bid and self._is_worth(level, bid):
                rows.append(("buy", level, bid))
            if bid < wanted[level]:
                break
            quote -= bid * self.levels[level]
        return rows

    def _is_worth(self, level: int, size: Decimal) -> bool:
        return size > 0 and size * self.levels[level] >= self.minimum


@dataclass
class PureBook:
    """A maker's book without a venue: updates put what is due, and takers only take away.

    There are no fees, and no minimum. `sold` and `bought` are sizes by level.
    """

    grid: PricingGrid
    order_size: Decimal
    gap: int
    tokens: Decimal
    quote: Decimal
    book: dict[tuple[str, int], Decimal] = field(default_factory=dict)
    sold: defaultdict[int, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    bought: defaultdict[int, Decimal] = field(default_factory=lambda: defaultdict(Decimal))

    def update(self) -> None:
        """Put what is due; without a gap a bid on the level of the remainder is left as it is."""
        full, part = divmod(self.tokens, self.order_size)
        level = self.grid.n_orders - int(full) - 1
        bid = self.book.get(("buy", level)) if part and not self.gap else None
        boundary = level + 1 if not part or bid is not None else level
        orders = compute_desired_orders(
            self.grid, max(boundary, 0), self.tokens, self.quote, self.order_size, gap_levels=self.gap
        )
        self.book = {order.slot: order.size for order in orders}
        if bid is not None:
            self.book["buy", level] = bid

    def take(self, side: str, size: Decimal) -> Decimal:
        """Let a taker lift asks or hit bids, the best first; return what it got."""
        left = size
        rows = sorted((level, there) for (its_side, level), there in self.book.items() if its_side == side)
        for level, there in rows if side == "sell" else reversed(rows):
            if not left:
                break
            part = min(there, left)
            self._fill(side, level, part)
            left -= part
        return size - left

    def _fill(self, side: str, level: int, size: Decimal) -> None:
        self.book[side, level] -= size
        if not self.book[side, level]:
            del self.book[side, level]
        sign = 1 if side == "buy" else -1
        self.tokens += sign * size
        self.quote -= sign * size * self.grid.levels[level]
        (self.bought if side == "buy" else self.sold)[level] += size

    def compute_worth(self, tokens: Decimal) -> Decimal:
        """Return what the asks of so many tokens would bring."""
        full, part = divmod(tokens, self.order_size)
        u = self.grid.n_orders - int(full) - 1
        return sum(self.grid.levels[u + 1 :], ZERO) * self.order_size + (self.grid.levels[u] * part if part else ZERO)

    def compute_steps_earned(self) -> Decimal:
        """Return what the round trips earn: each token bought on `u - g` was or will be sold on `u`."""
        prices = self.grid.levels
        return sum((n * (prices[i + self.gap] - prices[i]) for i, n in self.bought.items()), ZERO)

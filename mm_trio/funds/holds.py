"""What open orders hold, and what is left to offer. Pure.

The venue states of each token a total and a hold. What our own orders hold is ours to offer; what others hold, orders
of other programs or the margin of a unified account, is not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Self

from mm_trio.model.market import NOTHING_HELD, Balances, Market
from mm_trio.model.numbers import EXACT
from mm_trio.model.orders import Quote, Side
from mm_trio.model.replies import OpenOrder

__all__ = ["NO_OTHERS", "OtherOrders", "Usable", "compute_holds", "compute_usable", "find_usable", "sum_holds"]


@dataclass(frozen=True, slots=True)
class OtherOrders:
    """Orders of the account that the maker does not track, as a snapshot of all coins showed them.

    `foreign_holds` and `orphan_holds` are what orders of others, and orders of ours that are to be cancelled, hold of
    our two tokens. `n_open` is how many orders of others are open.
    """

    foreign_holds: Balances = NOTHING_HELD
    orphan_holds: Balances = NOTHING_HELD
    n_open: int = 0

    @classmethod
    def of(cls, foreign: Iterable[OpenOrder], orphans: Iterable[OpenOrder], *, n_open: int, market: Market) -> Self:
        """Sum up the rows of a snapshot."""
        return cls(compute_holds(foreign, market), compute_holds(orphans, market), n_open)


NO_OTHERS = OtherOrders()


@dataclass(frozen=True, slots=True)
class Usable:
    """Least and most of one token that may be offered.

    They differ while it is not known which of our own orders the hold contains.
    """

    least: Decimal
    most: Decimal

    def find_nearest(self, amount: Decimal) -> Decimal:
        """Return the amount in here that is nearest to this one."""
        return min(max(amount, self.least), self.most)


def compute_usable(total: Decimal, held: Decimal, *, own_least: Decimal, own_most: Decimal) -> Usable:
    """Take off a total what others hold of it.

    `held` is the venue's hold of the token, `own_least` and `own_most` what our own orders hold of it at the least and
    at the most. A hold that lacks some of our orders is older than they are: others hold nothing then.
    """
    nothing = Decimal(0)
    by_least, by_most = (max(nothing, EXACT.subtract(held, own)) for own in (own_least, own_most))
    return Usable(EXACT.subtract(total, by_least), EXACT.subtract(total, by_most))


def sum_holds(side: Side, quotes: Iterable[Quote]) -> Decimal:
    """Sum what orders of a side hold, in base for asks, in quote for bids."""
    held = Decimal(0)
    for quote in quotes:
        if quote.side == side:
            held = EXACT.add(held, quote.size if side == "sell" else EXACT.multiply(quote.size, quote.price))
    return held


def compute_holds(rows: Iterable[OpenOrder], market: Market) -> Balances:
    """Sum what these orders hold of our two tokens.

    Asks hold their size, bids their size times price. Orders on any pair of the venue count.
    """
    base = quote = Decimal(0)
    for row in rows:
        if (tokens := market.pair_tokens.get(row.coin)) is None:
            continue
        held, amount = tokens[0], row.size
        if row.side == "buy":
            held, amount = tokens[1], EXACT.multiply(row.size, row.price)
        if held == market.base.index:
            base = EXACT.add(base, amount)
        if held == market.quote.index:
            quote = EXACT.add(quote, amount)
    return Balances(base, quote)


def find_usable(
    total: Balances, rows: Iterable[OpenOrder], market: Market, *, is_foreign: Callable[[OpenOrder], bool]
) -> Balances:
    """Take off the totals what others hold of them.

    `rows` are the open orders of all coins at the time of the balances, which tell which part of the hold is ours.
    """
    own, foreign = list[OpenOrder](), list[OpenOrder]()
    for row in rows:
        (foreign if is_foreign(row) else own).append(row)
    ours, others = compute_holds(own, market), compute_holds(foreign, market)

    def find(amount: Decimal, held: Decimal | None, mine: Decimal, theirs: Decimal) -> Decimal:
        return compute_usable(
            amount, EXACT.add(mine, theirs) if held is None else held, own_least=mine, own_most=mine
        ).least

    return Balances(
        find(total.token, total.held_token, ours.token, others.token),
        find(total.usdc, total.held_usdc, ours.usdc, others.usdc),
    )

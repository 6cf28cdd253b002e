"""Comparison of a snapshot of open orders with our state.

Pure: asks nothing, changes nothing. A snapshot is as old as the moment it was asked for, and a replica may be older
still. So it may prove that an order is open, and it may only raise the suspicion that one is not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from mm_trio.model.market import Balances, Market
from mm_trio.model.orders import Intent, Phase, Quote, Side
from mm_trio.model.replies import Fill, OpenOrder
from mm_trio.state.order_state import OrderState
from mm_trio.state.ownership import Owner, Ownership

__all__ = [
    "Findings",
    "Usable",
    "bound_own_holds",
    "compute_foreign_holds",
    "compute_holds",
    "compute_usable",
    "describe_rivals",
    "find_usable",
    "read_snapshot",
]

# A snapshot proves no absence of an order that we touched less than this before asking: answers of the venue were
# seen to lag its own acknowledgements by up to a second.
FRESH_S = 2.0
# An order that left is expected to vanish from snapshots within this; one that is listed later is an orphan.
VANISHING_S = 10.0


@dataclass(frozen=True, slots=True)
class Findings:
    """Findings of one snapshot about our orders of this coin.

    `arrived`: orders in flight that are open; `resting`: oids in doubt that are open; `orphans`: rows that nothing
    of ours explains; `missing`: oids that should be there; `unseen`: orders in flight that are not there.
    """

    arrived: tuple[tuple[Intent, OpenOrder], ...]
    resting: tuple[int, ...]
    orphans: tuple[OpenOrder, ...]
    missing: tuple[int, ...]
    unseen: tuple[Intent, ...]


def read_snapshot(rows: Sequence[OpenOrder], state: OrderState, *, asked_s: float, ownership: Ownership) -> Findings:
    """Compare the venue's open orders with our state.

    `asked_s` is when they were asked for. Every row that we cannot explain is an orphan, foreign ones excepted.
    """
    by_oid = {row.oid: row for row in rows}
    compared = state.reconcile(by_oid)
    intents = list(state.get_intents())
    arrived: list[tuple[Intent, OpenOrder]] = []
    orphans: list[OpenOrder] = []
    for oid in compared.orphaned_oids:
        row = by_oid[oid]
        left = state.find_left(oid)
        if left is not None:
            if asked_s - left.touched_s >= VANISHING_S:
                orphans.append(row)
        elif (intent := ownership.match_intent(intents, row)) is not None:
            intents.remove(intent)
            arrived.append((intent, row))
        elif ownership.classify(row) is not Owner.FOREIGN:
            orphans.append(row)
    tracked = state.orders
    return Findings(
        arrived=tuple(arrived),
        # An old row may be wrong here and does no harm: the order goes on occupying its level.
        resting=tuple([o.oid for o in tracked.values() if o.status == Phase.IN_DOUBT and o.oid in by_oid]),
        orphans=tuple(orphans),
        missing=tuple(
            [
                oid
                for oid in compared.ghost_oids
                if tracked[oid].status == Phase.IN_DOUBT or tracked[oid].touched_s <= asked_s - FRESH_S
            ]
        ),
        unseen=tuple(intents),
    )


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
    return Usable(total - max(nothing, held - own_least), total - max(nothing, held - own_most))


def bound_own_holds(state: OrderState, side: Side) -> tuple[Decimal, Decimal]:
    """Bound what our own orders of a side hold.

    In base for asks, in quote for bids. What is in doubt or in flight may hold its funds or not.
    """
    orders = state.orders
    tracked = orders.sum_size("sell") if side == "sell" else orders.sum_cost("buy")
    in_doubt = _sum_holds(side, [order.quote for order in orders.in_doubt])
    return tracked - in_doubt, tracked + _sum_holds(side, [intent.quote for intent in state.get_intents()])


def _sum_holds(side: Side, quotes: Iterable[Quote]) -> Decimal:
    held = [quote.size if side == "sell" else quote.size * quote.price for quote in quotes if quote.side == side]
    return sum(held, Decimal(0))


def compute_holds(rows: Iterable[OpenOrder], market: Market) -> Balances:
    """Sum what these orders hold of our two tokens.

    Asks hold their size, bids their size times price. Orders on any pair of the venue count.
    """
    base = quote = Decimal(0)
    for row in rows:
        if (tokens := market.pair_tokens.get(row.coin)) is None:
            continue
        held, amount = (tokens[0], row.size) if row.side == "sell" else (tokens[1], row.size * row.price)
        base += amount if held == market.base.index else 0
        quote += amount if held == market.quote.index else 0
    return Balances(base, quote)


def compute_foreign_holds(rows: Iterable[OpenOrder], market: Market, ownership: Ownership) -> Balances:
    """Sum what foreign orders hold of our two tokens."""
    return compute_holds((row for row in rows if ownership.classify(row) is Owner.FOREIGN), market)


def find_usable(total: Balances, rows: Iterable[OpenOrder], market: Market, ownership: Ownership) -> Balances:
    """Take off the totals what others hold of them.

    `rows` are the open orders of all coins at the time of the balances, which tell which part of the hold is ours.
    """
    rows = tuple(rows)
    foreign = compute_foreign_holds(rows, market, ownership)
    own = compute_holds((row for row in rows if ownership.classify(row) is not Owner.FOREIGN), market)
    tokens = (total.token, total.held_token, own.token, foreign.token)
    usdc = (total.usdc, total.held_usdc, own.usdc, foreign.usdc)
    amounts = [
        compute_usable(amount, mine + others if held is None else held, own_least=mine, own_most=mine).least
        for amount, held, mine, others in (tokens, usdc)
    ]
    return Balances(*amounts)


def describe_rivals(rows: Sequence[OpenOrder]) -> str:
    """Explain that orders of another instance are open."""
    oids = ", ".join(str(row.oid) for row in rows[:5])
    return (
        f"{len(rows)} orders of another mm_trio are open on {rows[0].coin} (oids {oids}): it runs elsewhere, or its "
        "ledger is elsewhere; one account and coin may have one maker only. Stop the other one, or copy its state "
        "folder here"
    )


def describe_rival_fills(fills: Sequence[Fill]) -> str:
    """Explain that orders of an unknown session traded."""
    newest = max(fills, key=lambda fill: fill.time_ms or 0)
    return (
        f"the venue's history has {len(fills)} fills of orders of mm_trio on this coin (the newest: oid {newest.oid}, "
        f"time {newest.time_ms}), and no ledger here knows them: this is not a first start. Bring the state folder of "
        "the maker that placed them here, make a ledger of the configured [allocation] and these fills with `mm-trio "
        "ledger rebuild`"
    )

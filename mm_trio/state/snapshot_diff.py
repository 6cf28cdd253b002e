"""A snapshot with its age + our state -> what it proves. Pure: asks nothing, changes nothing.

A snapshot is as old as the moment it was asked for, and a replica may be older still. So it may prove that
an order rests, and it may only raise the suspicion that one does not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from mm_trio.model.cloid import decode_cloid
from mm_trio.model.market import Balances, Market
from mm_trio.model.orders import Intent
from mm_trio.model.replies import Fill, OpenOrder
from mm_trio.state.order_state import OrderState

__all__ = ["Findings", "compute_foreign_holds", "describe_rivals", "match_intent", "read_snapshot"]

# No verdict on the absence of an order that we touched less than this before asking: answers of the venue
# were seen to lag its own acknowledgements by up to a second.
FRESH_S = 2.0
# An order that left is expected to vanish from snapshots within this; one that rests on is a stranger again.
LEAVING_S = 10.0


@dataclass(frozen=True, slots=True)
class Findings:
    """What one snapshot says of our orders of this coin.

    `arrived`: orders in flight that rest; `resting`: oids in doubt that rest; `orphans`: rows that nothing
    of ours explains; `missing`: oids that should be there; `unseen`: orders in flight that are not there.
    """

    arrived: tuple[tuple[Intent, OpenOrder], ...]
    resting: tuple[int, ...]
    orphans: tuple[OpenOrder, ...]
    missing: tuple[int, ...]
    unseen: tuple[Intent, ...]


def match_intent(intents: Iterable[Intent], row: OpenOrder, *, keep_foreign: bool) -> Intent | None:
    """The order in flight that this row is: by cloid, or where the row has none by side, price and size.

    With `keep_foreign` a row without a cloid is somebody else's, however alike.
    """
    if row.cloid is not None:
        return next((i for i in intents if i.cloid == row.cloid.lower()), None)
    if keep_foreign:
        return None
    size = row.size if row.original_size is None else row.original_size
    alike = [i for i in intents if (i.side, i.price, i.size) == (row.side, row.price, size)]
    return alike[0] if len(alike) == 1 else None


def read_snapshot(rows: Sequence[OpenOrder], state: OrderState, *, asked_s: float, keep_foreign: bool) -> Findings:
    """Compare the venue's open orders of our coin with what we believe.

    `asked_s` is when they were asked for. With `keep_foreign` a row without a cloid of ours is nobody's
    business; else every row that we cannot explain is an orphan.
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
            if asked_s - left.touched_s >= LEAVING_S:
                orphans.append(row)
        elif (intent := match_intent(intents, row, keep_foreign=keep_foreign)) is not None:
            intents.remove(intent)
            arrived.append((intent, row))
        elif not keep_foreign or decode_cloid(row.cloid) is not None:
            orphans.append(row)
    tracked = {order.oid: order for order in state.get_current_orders()}
    return Findings(
        arrived=tuple(arrived),
        # an old row may be wrong here and does no harm: the order goes on occupying its level
        resting=tuple(o.oid for o in tracked.values() if o.status == "in_doubt" and o.oid in by_oid),
        orphans=tuple(orphans),
        missing=tuple(
            oid
            for oid in compared.ghost_oids
            if tracked[oid].status == "in_doubt" or tracked[oid].touched_s <= asked_s - FRESH_S
        ),
        unseen=tuple(intents),
    )


def compute_foreign_holds(rows: Iterable[OpenOrder], market: Market, *, keep_foreign: bool) -> Balances:
    """What resting orders that are not ours hold of our two tokens, on any pair of the venue.

    Without `keep_foreign` every order of our coin is ours, or about to be cancelled.
    """
    base = quote = Decimal(0)
    for row in rows:
        tokens = market.pair_tokens.get(row.coin)
        ours = row.coin == market.coin and (not keep_foreign or decode_cloid(row.cloid) is not None)
        if tokens is None or ours:
            continue
        held, amount = (tokens[0], row.size) if row.side == "sell" else (tokens[1], row.size * row.price)
        base += amount if held == market.base.index else 0
        quote += amount if held == market.quote.index else 0
    return Balances(base, quote)


def describe_rivals(rows: Sequence[OpenOrder]) -> str:
    """What to tell where orders of another instance of this program rest."""
    oids = ", ".join(str(row.oid) for row in rows[:5])
    return (
        f"{len(rows)} orders of another mm_trio rest on {rows[0].coin} (oids {oids}): it runs elsewhere, or its ledger "
        "is elsewhere; one account and coin has one maker. End the other one, or bring its state folder here"
    )


def describe_rival_fills(fills: Sequence[Fill]) -> str:
    """What to tell where orders traded that this program placed, and there is no ledger that knows of them."""
    newest = max(fills, key=lambda fill: fill.time_ms or 0)
    return (
        f"the venue's history has {len(fills)} fills of orders of mm_trio on this coin (the newest: oid {newest.oid}, "
        f"time {newest.time_ms}), and no ledger here knows them: this is not a first start. Bring the state folder of "
        "the maker that placed them here, make a ledger of the configured [allocation] and these fills with `mm-trio "
        "ledger rebuild`"
    )

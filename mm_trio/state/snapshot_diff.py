"""Comparison of a snapshot of open orders with our state.

Pure: asks nothing, changes nothing. A snapshot is as old as the moment it was asked for, and a replica may be older
still. So it may prove that an order is open, and it may only raise the suspicion that one is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mm_trio.model.orders import Intent, Phase
from mm_trio.model.replies import Fill, OpenOrder
from mm_trio.state.order_state import OrderState
from mm_trio.state.ownership import Owner, Ownership

__all__ = [
    "Findings",
    "describe_rivals",
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

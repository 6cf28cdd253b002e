"""What a start does after a session that ended without releasing its reservation.

Orders of that session may rest, or still arrive, and the ledger may lack them. What is seen of them is cancelled at
once. Everything is read only when none can arrive any more, so that nothing appears behind the reading.
"""

from __future__ import annotations

import logging
from collections.abc import Collection

import trio

from mm_trio.model.journal_entries import Reserved
from mm_trio.model.orders import OrderDiff
from mm_trio.sending.batch_emitter import BatchEmitter
from mm_trio.state.maker_state import MakerState
from mm_trio.state.ownership import Owner
from mm_trio.venue.rest_client import VenueClient
from mm_trio.witness.reservation import find_over_ms

__all__ = ["outlast"]

_log = logging.getLogger(__name__)

# Looks before the end of the wait, beside the one at once. An order that the ledger lacks cannot be asked for, and one
# answer without it proves nothing.
LOOKS_BEFORE_S = (6.0, 2.0, 1.0)
# For so long after the wait a fill may be of an order that no look has shown.
LISTED_LATE_MS = 60_000


async def outlast(
    reserved: Collection[Reserved], *, client: VenueClient, state: MakerState, emitter: BatchEmitter
) -> int:
    """Cancel what is seen of our sessions, and wait until nothing of these can arrive.

    Return the venue's time until which their orders may trade. Another instance's orders are left to the checks of the
    start. Errors: VenueError.
    """
    over_ms = find_over_ms(client.clock)
    wait_s = (over_ms - client.clock.earliest_ms()) / 1000
    # By the loop's clock, which nobody can set. The venue's time was compared just before.
    until_s = trio.current_time() + wait_s
    _log.warning(
        "unclean end: the last session (%s) may have sent orders that the ledger lacks; cancelling what rests of it, "
        "and reading everything in %.0f s, when none can arrive any more",
        ", ".join(f"{entry.epoch:08x}" for entry in reserved),
        wait_s,
    )
    for look_s in (*(until_s - before_s for before_s in LOOKS_BEFORE_S), until_s):
        await _cancel_ours(client, state, emitter)
        await trio.sleep_until(look_s)
    return over_ms + LISTED_LATE_MS


async def _cancel_ours(client: VenueClient, state: MakerState, emitter: BatchEmitter) -> None:
    """Cancel the open orders that are this ledger's, as far as the venue shows them. Errors: VenueError."""
    rows = await client.fetch_open_orders(state.market)
    if state.find_lost_entries((), rows) is not None:
        return
    oids = [
        row.oid
        for row in rows
        if state.ownership.read_own_cloid(row.cloid) is not None and state.ownership.classify(row) is Owner.OURS
    ]
    if oids:
        result = await emitter.emit(OrderDiff(cancels=oids), state.rate_limit, insists=True)
        _log.info("unclean end: orders=%d cancelled=%d", len(oids), result.n_cancelled)

"""Shutdown: cancels our open orders and verifies it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress

import trio

from mm_trio.engine.batch_emitter import BatchEmitter
from mm_trio.engine.reconciler import Reconciler
from mm_trio.model.errors import LedgerError, VenueError
from mm_trio.model.orders import OrderDiff
from mm_trio.state.maker_state import MakerState
from mm_trio.state.order_state import OrderState
from mm_trio.state.ownership import Owner
from mm_trio.venue.order_gateway import OrderGateway
from mm_trio.venue.rest_client import VenueClient

__all__ = ["cancel_and_verify", "name_remaining"]

_log = logging.getLogger(__name__)

# Pauses between two polls of our open orders, doubled up to the longest, because each poll has its request weight.
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 4.0
# Share of the shutdown's ten seconds for a comparison of the clocks.
COMPARE_WITHIN_S = 3.0


async def cancel_and_verify(
    gateway: OrderGateway,
    client: VenueClient,
    state: MakerState,
    emitter: BatchEmitter,
    reconciler: Reconciler,
) -> tuple[str, ...]:
    """Cancel our orders until the venue lists none.

    Return the orders that may still rest when the gateway's time is up. The work is shielded from cancellation. Fills
    are booked meanwhile. The gateway has to be in shutdown already. Without request weight nothing can be verified, and
    the cancels are sent all the same.
    """
    client.on_shutdown()
    still_listed: list[int] = []
    remaining = name_remaining(state.order_state)
    pause_s = FIRST_PAUSE_S
    with trio.CancelScope(deadline=gateway.done_by_s, shield=True):
        while True:
            try:
                await _make_sure_of_time(client, state.market.coin)
                known = [order.oid for order in state.order_state.get_current_orders()]
                await emitter.emit(OrderDiff(cancels={*known, *still_listed}), state.rate_limit, insists=True)
                await emitter.cancel_in_flight(state.rate_limit)
                # An incomplete fill history must not stop the shutdown.
                with suppress(LedgerError):
                    if state.order_state.get_doubts():
                        await reconciler.reconcile()
                still_listed = await _find_ours(client, state)
                with suppress(LedgerError):
                    await reconciler.book_missed_fills()
                remaining = name_remaining(state.order_state, still_listed)
            except VenueError as error:
                _log.warning("shutdown request failed: error=%s; trying again", error)
                remaining = (*name_remaining(state.order_state, still_listed), f"not verified: {error}")
            if not remaining:
                state.on_reconciled()
                return ()
            await trio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
    _log.error("orders may still rest: %s", ", ".join(remaining))
    return remaining


async def _make_sure_of_time(client: VenueClient, coin: str) -> None:
    """Compare the clocks where that is due, or cancels would be refused."""
    if client.clock.find_doubt() is not None:
        with suppress(VenueError), trio.move_on_after(COMPARE_WITHIN_S):
            await client.compare_clock(coin)


async def _find_ours(client: VenueClient, state: MakerState) -> list[int]:
    """Fetch the oids of our open orders at the venue."""
    rows = await client.fetch_open_orders(state.market)
    return [
        row.oid
        for row in rows
        if row.coin == state.market.coin
        and (state.ownership.classify(row) is Owner.OURS or state.order_state.is_known(row.oid))
    ]


def name_remaining(orders: OrderState, still_listed: Sequence[int] = ()) -> tuple[str, ...]:
    """Name the orders that may rest.

    They are tracked, in flight, or listed by the venue as ours.
    """
    oids = {order.oid for order in orders.get_current_orders()} | set(still_listed)
    return (
        *(f"oid {oid}" for oid in sorted(oids)),
        *(f"cloid {intent.cloid}" for intent in orders.get_intents()),
    )

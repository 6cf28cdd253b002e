"""Leaving: our resting orders are cancelled, and the venue is asked whether they are gone."""

from __future__ import annotations

import logging

import trio

from mm_trio.batch_emitter import BatchEmitter
from mm_trio.cloid import decode_cloid
from mm_trio.errors import VenueError
from mm_trio.maker_state import MakerState
from mm_trio.model import OrderDiff
from mm_trio.reconciler import Reconciler
from mm_trio.venue.client import VenueClient

__all__ = ["cancel_and_verify"]

_log = logging.getLogger(__name__)

VERIFY_AGAIN_S = 0.5  # between two looks at what still rests


async def cancel_and_verify(
    client: VenueClient,
    state: MakerState,
    emitter: BatchEmitter,
    reconciler: Reconciler,
    *,
    epoch: int,
    grace_s: float,
) -> tuple[str, ...]:
    """Cancel our orders until the venue shows none of them; gives those that may rest after `grace_s`.

    Shielded: being cancelled ourselves does not stop it. Fills on the way out are booked.
    """
    remaining: tuple[str, ...] = ("not asked",)
    still_listed: list[int] = []
    with trio.move_on_after(grace_s, shield=True):
        while True:
            try:
                known = [order.oid for order in state.order_state.get_current_orders()]
                await emitter.emit(OrderDiff(cancels={*known, *still_listed}), state.rate_limit)
                await emitter.cancel_in_flight(state.rate_limit)
                if state.order_state.get_doubts():
                    await reconciler.reconcile()
                still_listed = await _find_ours(client, state, epoch)
                await reconciler.book_missed_fills()
                remaining = _name_remaining(state, still_listed)
            except VenueError as error:
                _log.warning("leaving: %s", error)
                remaining = (*_name_remaining(state, still_listed), f"not verified: {error}")
            if not remaining:
                return ()
            await trio.sleep(VERIFY_AGAIN_S)
    _log.error("orders may still rest: %s", ", ".join(remaining))
    return remaining


async def _find_ours(client: VenueClient, state: MakerState, epoch: int) -> list[int]:
    """Oids of ours, tracked or left, among those that rest at the venue."""
    orders = state.order_state
    found: list[int] = []
    for row in await client.fetch_open_orders():
        parts = decode_cloid(row.cloid)
        ours = parts is not None and parts.epoch == epoch
        if row.coin == state.market.coin and (ours or orders.find(row.oid) or orders.find_left(row.oid)):
            found.append(row.oid)
    return found


def _name_remaining(state: MakerState, still_listed: list[int]) -> tuple[str, ...]:
    orders = state.order_state
    oids = {order.oid for order in orders.get_current_orders()} | set(still_listed)
    return (
        *(f"oid {oid}" for oid in sorted(oids)),
        *(f"cloid {intent.cloid}" for intent in orders.get_intents()),
    )

"""Shutdown: cancels our open orders and verifies it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal

import trio

from mm_trio.grids.reconciler import Reconciler
from mm_trio.grids.shared_look import Look, SharedAnswers
from mm_trio.model.errors import LedgerError, VenueError
from mm_trio.model.orders import OrderDiff, Quote, TrackedOrder
from mm_trio.model.replies import OpenOrder
from mm_trio.sending.batch_emitter import BatchEmitter
from mm_trio.state.maker_state import MakerState
from mm_trio.state.order_state import OrderState
from mm_trio.state.ownership import Owner
from mm_trio.venue.order_gateway import OrderGateway
from mm_trio.venue.rest_client import VenueClient

__all__ = ["UNCLEAN", "LeftOrder", "cancel_and_verify", "list_remaining"]

_log = logging.getLogger(__name__)

# Pauses between two polls of our open orders, doubled up to the longest, because each poll has its request weight.
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 4.0
# Share of the shutdown's ten seconds for a comparison of the clocks.
COMPARE_WITHIN_S = 3.0


@dataclass(frozen=True, slots=True)
class LeftOrder:
    """Order that may rest, by the name that the venue knows it by.

    Without an order: why it could not be verified that nothing rests.
    """

    name: str
    order: Quote | TrackedOrder | OpenOrder | None = None

    def describe(self) -> str:
        """Describe the order for the operator, as far as it is known."""
        if self.order is None:
            return self.name
        order, level = self.order, "" if isinstance(self.order, OpenOrder) else f" (level {self.order.level_index})"
        return f"{self.name}: {order.side} {_plain(order.size)} at {_plain(order.price)}{level}"

    def to_json(self) -> dict[str, object]:
        """Return the order as plain JSON values."""
        if self.order is None:
            return {"name": self.name}
        oid = None if isinstance(self.order, Quote) else self.order.oid
        values = {
            "side": self.order.side,
            "px": _plain(self.order.price),
            "sz": _plain(self.order.size),
        }
        return {"name": self.name, **values, "oid": oid}


UNCLEAN = LeftOrder("not verified: orders of the session before may still arrive, which the ledger does not have")


async def cancel_and_verify(
    gateway: OrderGateway,
    answers: SharedAnswers,
    state: MakerState,
    emitter: BatchEmitter,
    reconciler: Reconciler,
    *,
    until_s: float,
    is_shielded: bool = True,
) -> tuple[LeftOrder, ...]:
    """Cancel our orders until the venue lists none.

    Return the orders that may still rest at `until_s`. The work is shielded from cancellation. Fills are booked
    meanwhile. The gate has to be in shutdown already. Without request weight nothing can be verified, and
    the cancels are sent all the same. With a lost key none is sent: the venue is asked what rests.
    """
    client = answers.client
    still_listed: list[OpenOrder] = []
    remaining = list_remaining(state.order_state)
    pause_s = FIRST_PAUSE_S
    with trio.CancelScope(deadline=until_s, shield=is_shielded):
        while True:
            try:
                if not gateway.signer.is_lost:
                    await _make_sure_of_time(client, state.market.coin)
                    known = [order.oid for order in state.order_state.get_current_orders()]
                    oids = {*known, *(row.oid for row in still_listed)}
                    await emitter.emit(OrderDiff(cancels=oids), state.rate_limit, insists=True)
                    await emitter.cancel_in_flight(state.rate_limit)
                # An incomplete fill history must not stop the shutdown.
                with suppress(LedgerError):
                    if state.order_state.get_doubts() or gateway.signer.is_lost:
                        await reconciler.reconcile(answers.look())
                # Where something is in doubt nothing is verified yet, and all of it was read just now.
                is_settled = gateway.signer.is_lost or not state.order_state.get_doubts()
                if is_settled:
                    look = answers.look()
                    still_listed = await _find_ours(look, state)
                    with suppress(LedgerError):
                        await reconciler.book_missed_fills(look)
                remaining = list_remaining(state.order_state, still_listed)
                if is_settled and not remaining:
                    state.on_reconciled()
                    return ()
                if gateway.signer.is_lost and not state.order_state.get_doubts():
                    # What rests is known, and nothing can be done about it from here.
                    break
            except VenueError as error:
                _log.warning("shutdown request failed: error=%s; trying again", error)
                remaining = (*list_remaining(state.order_state, still_listed), LeftOrder(f"not verified: {error}"))
            await trio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
    _log.error("orders may still rest: %s", ", ".join(left.describe() for left in remaining))
    return remaining


async def _make_sure_of_time(client: VenueClient, coin: str) -> None:
    """Compare the clocks where that is due, or cancels would be refused."""
    if client.clock.find_doubt() is not None:
        with suppress(VenueError), trio.move_on_after(COMPARE_WITHIN_S):
            await client.compare_clock(coin)


async def _find_ours(look: Look, state: MakerState) -> list[OpenOrder]:
    """Fetch our open orders at the venue."""
    rows = await look.fetch_open_orders(state.market)
    return [
        row
        for row in rows
        if row.coin == state.market.coin
        and (state.ownership.classify(row) is Owner.OURS or state.order_state.is_known(row.oid))
    ]


def list_remaining(orders: OrderState, still_listed: Sequence[OpenOrder] = ()) -> tuple[LeftOrder, ...]:
    """List the orders that may rest.

    They are tracked, in flight, or listed by the venue as ours.
    """
    known: dict[int, TrackedOrder | OpenOrder] = {row.oid: row for row in still_listed}
    known |= {order.oid: order for order in orders.get_current_orders()}
    return (
        *(LeftOrder(f"oid {oid}", order) for oid, order in sorted(known.items())),
        *(LeftOrder(f"cloid {intent.cloid}", intent.quote) for intent in orders.get_intents()),
    )


def _plain(number: Decimal) -> str:
    return f"{number.normalize():f}"

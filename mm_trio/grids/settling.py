"""Reconciliation of a grid in its turn, and what follows from it."""

from __future__ import annotations

import logging

import trio

from mm_trio.grids.grid import Grid
from mm_trio.grids.shared_look import Look
from mm_trio.model.errors import Busy, VenueError

__all__ = ["RETRY_RECONCILE_S", "reconcile"]

_log = logging.getLogger(__name__)

RETRY_RECONCILE_S = 3.0


async def reconcile(grid: Grid, look: Look | None = None) -> bool:
    """Reconcile once, between two ticks.

    Return whether the venue answered everything and no orphan is left.
    """
    schedule, stats, orders = grid.schedule, grid.quoter.stats, grid.state.order_state
    reconciling = schedule.reconciling
    async with grid.turn:
        if look is None:
            reconciling.on_reconcile()
            look = grid.account.answers.look()
        try:
            check, no_orphan_left = await grid.parts.reconciler.reconcile(look)
        except VenueError as error:
            stats.on_error()
            if isinstance(error, Busy):
                reconciling.weight.on_ran_out()
            _log.warning("reconciliation failed: error=%s retry_s=%g", error, RETRY_RECONCILE_S)
            schedule.want_reconcile(RETRY_RECONCILE_S)
            return False
        grid.account.halt_if_refused()
        stats.on_reconciled()
        reconciling.weight.on_answered()
        grid.note_balances(check)
        if orders.get_doubts():
            schedule.want_reconcile(reconciling.backoff.on_doubts(orders.get_intents(), now_s=trio.current_time()))
        else:
            reconciling.backoff.on_settled()
        if not no_orphan_left:
            schedule.want_reconcile(RETRY_RECONCILE_S)
        grid.events.want_listing(grid.state.history.judged_from_s)
        return no_orphan_left

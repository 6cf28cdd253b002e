"""Turns of a grid: what it begins with, its ticks and its reconciliations."""

from __future__ import annotations

import logging
from typing import Never

import trio

from mm_trio.grids.account import URGENT_WEIGHT
from mm_trio.grids.events import log_tick
from mm_trio.grids.grid import Grid
from mm_trio.halts.standing import State
from mm_trio.model.errors import Busy, VenueError
from mm_trio.model.orders import OrderDiff
from mm_trio.state.inventory import BALANCE_CONFIRM_S

__all__ = ["RETRY_RECONCILE_S", "apply_limits", "reconcile", "rest_nothing", "settle_beginning", "tick", "tick_forever"]

_log = logging.getLogger(__name__)

# Stale quotes rest until it is known whether the key is lost. The memory of refusals allows an item so soon, twice.
ASK_SIGNER_AGAIN_S = 2.0
RETRY_RECONCILE_S = 3.0
# Looks at balances that differ at a start.
SETTLE_TRIES = 3


async def settle_beginning(grid: Grid) -> None:
    """Settle what an earlier session left: orphans are cancelled, doubts are ended."""
    orders = grid.state.order_state
    cleared = await grid.parts.reconciler.cancel_orphans(grid.orphans)
    grid.account.halt_if_refused()
    # The fate of an earlier session's orders has to be known before anything new is placed.
    if orders.get_doubts():
        cleared = await reconcile(grid) and cleared
    while not cleared:
        async with grid.turn:
            await rest_nothing(grid)
        await trio.sleep(RETRY_RECONCILE_S)
        await grid.account.wait_for_weight(URGENT_WEIGHT)
        cleared = await reconcile(grid)
    if grid.must_settle_balances:
        await _settle_balances(grid)


async def _settle_balances(grid: Grid) -> None:
    """Reconcile until the ledger believes balances that differ.

    It takes three looks where fills were booked just before. What is in doubt even then is left to the ticks.
    """
    for _ in range(SETTLE_TRIES):
        if grid.events.balance_change is None:
            return
        await trio.sleep(BALANCE_CONFIRM_S)
        await reconcile(grid)


async def tick_forever(grid: Grid) -> Never:
    """Quote whenever a tick is due."""
    schedule = grid.schedule
    schedule.start()
    while True:
        started_s = trio.current_time()
        await tick(grid)
        took_s = trio.current_time() - started_s
        if took_s > schedule.interval_s:
            _log.warning("slow tick: took_s=%.2f interval_s=%g", took_s, schedule.interval_s)
        await schedule.wait_for_tick()


async def tick(grid: Grid) -> None:
    """Send the difference between desired and resting orders, once.

    Nothing is sent while the gate is closed.
    """
    quoter, account, schedule = grid.quoter, grid.account, grid.schedule
    async with grid.turn:
        await apply_limits(grid)
        await rest_nothing(grid)
        if not grid.gate.may_place():
            _log.debug("tick waits: reason=%s", grid.gate.reason)
            return
        plan = quoter.plan_tick()
        grid.events.on_planned(quoter.find_empty_sides(), held=quoter.state.held_elsewhere)
        wanted = grid.plan_move(plan.desired) or plan.diff
        result = await grid.emitter.emit(wanted, account.budget, is_quoting=True)
        account.halt_if_refused()
        if grid.moving is not None and result.n_done:
            # What waits for this goes on at once; what could not be sent waits for the next tick.
            schedule.wake_tick()
        await apply_limits(grid)
        if result.n_errors and account.gateway.signer.is_in_question:
            schedule.want_tick(ASK_SIGNER_AGAIN_S)
        now_s = trio.current_time()
        grid.events.on_refusals(grid.emitter.filter.refusals.take_news(now_s=now_s))
        grid.events.on_left_out(grid.emitter.filter.sendable)
        quoter.stats.on_tick(now_s, budget_left=account.budget.remaining())
        if grid.events.on_ticked(plan, result):
            log_tick(quoter.stats.ticks, plan, result, account.budget, quoter.state.grid.n_orders)
        if result.contradicted:
            grid.events.on_trouble("balance too small at the venue for an order that the ledger covers")
        quoter.state.note_doubts(now_s)
        if quoter.state.order_state.get_doubts() or result.n_held_back:
            schedule.want_reconcile(schedule.reconciling.backoff.pause_s)


async def apply_limits(grid: Grid) -> None:
    """Follow what limits ask for, the grid's own and the account's. Errors: Halted."""
    await grid.stops.apply()
    if grid.account.stops is not grid.stops:
        await grid.account.stops.apply()


async def rest_nothing(grid: Grid) -> None:
    """Cancel what rests where a standing wants that; only to be called in the grid's turn."""
    if State.CANCEL_ONLY in (grid.stops.standing.state, grid.account.stops.standing.state):
        resting = [order.oid for order in grid.state.order_state.get_current_orders()]
        await grid.emitter.emit(OrderDiff(cancels=resting), grid.account.budget)


async def reconcile(grid: Grid, *, is_one_of_many: bool = False) -> bool:
    """Reconcile once, between two ticks.

    `is_one_of_many`: who reconciles several grids has noted that. Return whether the venue answered everything and no
    orphan is left.
    """
    schedule, stats, orders = grid.schedule, grid.quoter.stats, grid.state.order_state
    reconciling = schedule.reconciling
    async with grid.turn:
        if not is_one_of_many:
            reconciling.on_reconcile((schedule,))
        # Begun in the turn: no answer counts that was asked for before the last tick ended.
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
        _log.debug("reconciled: orphans_left=%s doubts=%d", not no_orphan_left, len(orders.get_doubts()))
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

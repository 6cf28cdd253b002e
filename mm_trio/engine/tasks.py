"""Loops of a session, and one step of each.

The apply loop changes the state by the feeds' reports, one message after another. The tick sends. A reconciliation
asks, settles and cancels orphans; it and the tick take turns. Only the watchdog opens sockets. While the journal is
locked, its guard keeps the book empty, and takes the turn for that. All loops run in the nursery of `Session.run` and
end by cancellation.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Never

import trio

from mm_trio.engine.feed_reader import FeedReader
from mm_trio.grids.events import log_key_news, log_tick
from mm_trio.halts.standing import State
from mm_trio.model.errors import Busy, VenueError
from mm_trio.model.observations import OwnBook, RestingSize
from mm_trio.model.orders import OrderDiff, Phase
from mm_trio.model.replies import OpenOrder
from mm_trio.quoting.placing_gate import GateState
from mm_trio.state.inventory import BALANCE_CONFIRM_S, BalanceCheck
from mm_trio.witness.key_life import RETRY_S, KeyLife

if TYPE_CHECKING:
    from mm_trio.engine.session import Session
    from mm_trio.guard.dead_man import DeadMan
    from mm_trio.guard.life_signs import LifeSigns
    from mm_trio.recorder.record_keeping import RecordKeeping

__all__ = [
    "apply_forever",
    "begin_quoting",
    "compare_forever",
    "guard_journal_forever",
    "keep_cover_forever",
    "keep_dead_man_forever",
    "keep_signs_forever",
    "read_anew",
    "reconcile",
    "reconcile_forever",
    "record_forever",
    "tick",
    "tick_forever",
    "watch_forever",
    "watch_key_forever",
    "watch_mark_forever",
]

_log = logging.getLogger(__name__)

# Request weight that must be available before a reconciliation. One costs 62 to 82, and more with doubts. Regular ones
# leave enough for one or two after a lost feed. Both leave what is kept for the shutdown.
REGULAR_WEIGHT, URGENT_WEIGHT = 200, 82
RETRY_RECONCILE_S = 3.0
# Stale quotes rest until it is known whether the key is lost. The memory of refusals allows an item so soon, twice.
ASK_SIGNER_AGAIN_S = 2.0
# Looks at balances that differ at a start.
SETTLE_TRIES = 3
# Pause between two comparisons of the clocks, after a failed one, and while the machine's clock is wrong.
COMPARE_EVERY_S, RETRY_COMPARE_S = 180.0, 10.0
# A tool that reads or copies the journal may lock it for a moment, and a moment must not empty the book: nothing new is
# sent meanwhile, and every order that rests is durable. A price moves little in so short a time.
LOCK_PATIENCE_S = 2.0
EMPTY_EVERY_S = 1.0
# Of the book, which the limits of loss need: request weight 2 each time.
MARK_EVERY_S = 10.0
REMIND_EVERY_S = 60.0


async def begin_quoting(session: Session, orphans: tuple[OpenOrder, ...]) -> None:
    """Subscribe the feeds, settle old orders, open the gate.

    Orphans are cancelled and doubts are settled.
    A feed that fails is left to the watchdog.
    """
    account, orders = session.account, session.quoter.state.order_state
    try:
        await account.watchdog.connect(fresh=False)
    except VenueError as error:
        account.gate.pause(str(error))
        _log.warning("feed not connected: error=%s; the watchdog tries again", error)
        return
    cleared = await session.reconciler.cancel_orphans(orphans)
    session.halt_if_refused()
    # The fate of an earlier session's orders has to be known before anything new is placed.
    if orders.get_doubts():
        cleared = await reconcile(session) and cleared
    while not cleared:
        async with session.turn:
            await _rest_nothing(session)
        await trio.sleep(RETRY_RECONCILE_S)
        await _wait_for_weight(session, URGENT_WEIGHT)
        cleared = await reconcile(session)
    if session.must_settle_balances:
        await _settle_balances(session)
    account.gate.start_quoting()


def _note_balances(session: Session, check: BalanceCheck) -> None:
    """Tell what waits for balances that they were read."""
    session.events.on_balances(check)
    session.emitter.filter.on_balances(check)


async def _settle_balances(session: Session) -> None:
    """Reconcile until the ledger believes balances that differ.

    It takes three looks where fills were booked just before. What is in doubt even then is left to the ticks.
    """
    for _ in range(SETTLE_TRIES):
        if session.events.balance_change is None:
            return
        await trio.sleep(BALANCE_CONFIRM_S)
        await reconcile(session)


# --- Apply ------------------------------------------------------------------------------------------


async def apply_forever(session: Session) -> Never:
    """Apply the messages of all feeds, one after another."""
    account, events = session.account, session.events
    reader = FeedReader(
        session.quoter.state,
        session.quoter.stats,
        on_balances=partial(_note_balances, session),
        on_trouble=events.on_trouble,
        wall_ms=account.wall_ms,
    )
    while True:
        message = await account.inbox.receive()
        reported_ms = reader.apply(message.feed, message.body, now_s=trio.current_time())
        account.watchdog.on_message(message.connection, reported_ms)
        account.client.on_heard()
        if reported_ms is not None:
            account.client.clock.on_frame(reported_ms)


# --- Tick -------------------------------------------------------------------------------------------


async def tick_forever(session: Session) -> Never:
    """Quote whenever a tick is due."""
    schedule = session.schedule
    schedule.start()
    while True:
        started_s = trio.current_time()
        await tick(session)
        took_s = trio.current_time() - started_s
        if took_s > schedule.interval_s:
            _log.warning("slow tick: took_s=%.2f interval_s=%g", took_s, schedule.interval_s)
        await schedule.wait_for_tick()


async def tick(session: Session) -> None:
    """Send the difference between desired and resting orders, once.

    Nothing is sent while the gate is closed.
    """
    quoter, account, schedule = session.quoter, session.account, session.schedule
    async with session.turn:
        await session.apply_limits()
        await _rest_nothing(session)
        if not account.gate.may_place():
            return
        plan = quoter.plan_tick()
        session.events.on_planned(quoter.find_empty_sides(), held=quoter.state.held_elsewhere)
        result = await session.emitter.emit(plan.diff, account.budget)
        session.halt_if_refused()
        await session.apply_limits()
        if result.n_errors and account.gateway.signer.is_in_question:
            schedule.want_tick(ASK_SIGNER_AGAIN_S)
        now_s = trio.current_time()
        session.events.on_refusals(session.emitter.filter.refusals.take_news(now_s=now_s))
        session.events.on_left_out(session.emitter.filter.sendable)
        quoter.stats.on_tick(now_s, budget_left=account.budget.remaining())
        log_tick(quoter.stats.ticks, plan, result, account.budget, quoter.state.grid.n_orders)
        if result.contradicted:
            session.events.on_trouble("balance too small at the venue for an order that the ledger covers")
        quoter.state.note_doubts(now_s)
        if quoter.state.order_state.get_doubts() or result.n_held_back:
            schedule.want_reconcile(schedule.backoff.pause_s)


async def _rest_nothing(session: Session) -> None:
    """Cancel what rests where the standing wants that; only to be called in the session's turn."""
    account, orders = session.account, session.quoter.state.order_state
    if account.limits.standing.state is State.CANCEL_ONLY:
        resting = [order.oid for order in orders.get_current_orders()]
        await session.emitter.emit(OrderDiff(cancels=resting), account.budget)


# --- Reconciliation ---------------------------------------------------------------------------------


async def reconcile_forever(session: Session) -> Never:
    """Reconcile whenever due, within the address's request weight."""
    while True:
        await session.schedule.wait_for_reconcile()
        await _wait_for_weight(session, REGULAR_WEIGHT)
        await reconcile(session)


async def _wait_for_weight(session: Session, weight: int) -> None:
    """Wait until this address has so much request weight left.

    Ticks go on meanwhile.
    """
    wanted = session.schedule.weight.compute(weight)
    wait_s = session.account.client.weight.compute_wait_s(wanted, now_s=trio.current_time())
    if wait_s > 0:
        _log.info("reconciliation delayed: wait_s=%.1f; IP request weight exhausted", wait_s)
        await trio.sleep(wait_s)


async def reconcile(session: Session) -> bool:
    """Reconcile once, between two ticks.

    Return whether the venue answered everything and no orphan is left.
    """
    schedule, stats, orders = session.schedule, session.quoter.stats, session.quoter.state.order_state
    async with session.turn:
        schedule.on_reconcile()
        try:
            check, no_orphan_left = await session.reconciler.reconcile()
        except VenueError as error:
            stats.on_error()
            if isinstance(error, Busy):
                schedule.weight.on_ran_out()
            _log.warning("reconciliation failed: error=%s retry_s=%g", error, RETRY_RECONCILE_S)
            schedule.want_reconcile(RETRY_RECONCILE_S)
            return False
        session.halt_if_refused()
        stats.on_reconciled()
        schedule.weight.on_answered()
        _note_balances(session, check)
        if orders.get_doubts():
            schedule.want_reconcile(schedule.backoff.on_doubts(orders.get_intents(), now_s=trio.current_time()))
        else:
            schedule.backoff.on_settled()
        if not no_orphan_left:
            schedule.want_reconcile(RETRY_RECONCILE_S)
        session.events.want_listing(session.quoter.state.history.judged_from_s)
        return no_orphan_left


# --- Limits -----------------------------------------------------------------------------------------


async def watch_mark_forever(session: Session) -> Never:
    """Look at the book every few seconds: a limit needs a price."""
    account, limits = session.account, session.account.limits
    while True:
        try:
            limits.on_book(await account.client.fetch_book(session.quoter.state.market))
        except VenueError as error:
            session.quoter.stats.on_error()
            _log.info("price for the limits not read: error=%s retry_s=%g", error, MARK_EVERY_S)
        async with session.turn:
            await session.apply_limits()
        await trio.sleep(MARK_EVERY_S)


# --- Clock ------------------------------------------------------------------------------------------


async def compare_forever(session: Session) -> Never:
    """Compare our clock with the venue's every few minutes.

    What it finds is asked for before every place, and by the watchdog.
    """
    clock = session.account.client.clock
    if not clock.compares:
        _log.warning("clock not compared: this venue's client tells no time (l2_snapshot); keep the clock right (NTP)")
        await trio.sleep_forever()
    pause_s = COMPARE_EVERY_S
    while True:
        await trio.sleep(pause_s)
        pause_s = COMPARE_EVERY_S if await _compare(session) else RETRY_COMPARE_S


async def _compare(session: Session) -> bool:
    """Compare the clocks once; return whether that succeeded."""
    try:
        await session.account.client.compare_clock(session.quoter.state.market.coin)
    except VenueError as error:
        session.quoter.stats.on_error()
        _log.warning("clocks not compared: error=%s retry_s=%g", error, RETRY_COMPARE_S)
        return False
    return True


# --- Key --------------------------------------------------------------------------------------------


async def watch_key_forever(session: Session, life: KeyLife) -> Never:
    """Look daily when the key ends, and warn of that."""
    pause_s = life.compute_pause_s(session.account.wall_ms())
    while True:
        await trio.sleep(pause_s)
        pause_s = await _look_at_key(session, life)


async def _look_at_key(session: Session, life: KeyLife) -> float:
    """Look once when the key ends; return the pause before the next look."""
    account = session.account
    try:
        agents = await account.client.fetch_agents(life.owner)
    except VenueError as error:
        session.quoter.stats.on_error()
        _log.warning("end of the key not looked up: error=%s retry_s=%g", error, RETRY_S)
        return RETRY_S
    if (news := life.on_listed(agents, now_ms=account.wall_ms())) is not None:
        log_key_news(news)
    return life.compute_pause_s(account.wall_ms())


# --- Guard ------------------------------------------------------------------------------------------


async def keep_signs_forever(session: Session, signs: LifeSigns) -> Never:
    """Tell the guard each second that this loop lives."""
    await signs.keep_forever(session.quoter.state.market)


async def keep_cover_forever(session: Session, signs: LifeSigns) -> Never:
    """Keep the cancels that the guard would post near to what rests."""
    await signs.keep_cover_forever(is_settled=lambda: session.account.gate.is_quoting)


async def keep_dead_man_forever(dead_man: DeadMan) -> Never:
    """Tell the venue to wait, which else cancels all orders of the account."""
    await dead_man.keep_forever()


# --- Record -----------------------------------------------------------------------------------------


async def record_forever(session: Session, record: RecordKeeping) -> Never:
    """Record the market, and once a second what of ours rests."""
    await record.keep_forever(lambda now_ms: look_at_own(session, now_ms))


def look_at_own(session: Session, now_ms: int) -> OwnBook:
    """Return what certainly rests, what the maker does, and why it places nothing."""
    gate, standing = session.account.gate, session.account.limits.standing
    reason = gate.reason
    if gate.state is GateState.QUOTING and not standing.state.may_place:
        word = str(standing.state)
    elif gate.state is GateState.QUOTING and reason is not None:
        word = GateState.PAUSED.value
    else:
        word = gate.state.value
    orders = session.quoter.state.order_state.get_current_orders()
    resting = (RestingSize(order.side, order.price, order.size) for order in orders if order.status is Phase.RESTING)
    return OwnBook(now_ms, tuple(resting), word, None if word == GateState.QUOTING.value else reason)


# --- Watchdog ---------------------------------------------------------------------------------------


async def watch_forever(session: Session) -> Never:
    """Pause on faults of feed and clock; resume after a reconciliation.

    A lost connection is replaced first.
    """
    gate, watchdog, clock = session.account.gate, session.account.watchdog, session.account.client.clock
    state = session.quoter.state
    while True:
        if not gate.is_paused:
            gate.pause(await watchdog.wait_for_fault(lambda: clock.find_fault() or state.unproven))
            # Without a fault of the feed this process had stalled, or the clock or the ledger is in question.
            if watchdog.find_fault() is None:
                _log.warning("paused: reason=%s; no new orders until state is re-read from the venue", gate.reason)
                await read_anew(session)
                continue
        # While the clock is wrong, the gate has another reason.
        lost = watchdog.find_fault() or gate.reason
        _log.warning("feed lost: reason=%s; no new orders until it is restored and reconciled", lost)
        await watchdog.reconnect()
        session.quoter.stats.on_reconnect()
        await read_anew(session)


async def read_anew(session: Session) -> None:
    """Reconcile until that succeeds, and resume quoting.

    The session stays paused while the clock is wrong, and if the feed is lost meanwhile.
    """
    gate, clock, is_told = session.account.gate, session.account.client.clock, False
    while session.account.watchdog.find_fault() is None:
        await _wait_for_weight(session, URGENT_WEIGHT)
        if clock.find_fault() is not None:
            await _compare(session)
            if (reason := clock.find_fault()) is not None:
                gate.pause(reason)
                if not is_told:
                    _log.warning("paused: reason=%s; resting orders stay, no new ones", reason)
                is_told = True
                await trio.sleep(RETRY_COMPARE_S)
                continue
        if await reconcile(session):
            gate.start_quoting()
            _log.info("quoting resumed: state reconciled")
            session.schedule.wake_tick()
            return
        await trio.sleep(RETRY_RECONCILE_S)


# --- Journal ----------------------------------------------------------------------------------------


async def guard_journal_forever(session: Session) -> Never:
    """Rest nothing while another process locks the journal.

    Quoting resumes once every entry was written and everything was read anew.
    """
    gate, lock = session.account.gate, session.account.writer.lock
    while True:
        await lock.wait_until_locked()
        with trio.move_on_after(LOCK_PATIENCE_S) as patience:
            await lock.wait_until_free()
        if not patience.cancelled_caught:
            continue
        gate.hold(f"journal locked: {lock.reason}")
        _log.warning("journal locked: reason=%s; cancelling all orders, nothing new until it is free", lock.reason)
        began_s = trio.current_time()
        while True:
            await _stay_empty(session)
            await _wait_for_weight(session, URGENT_WEIGHT)
            if await reconcile(session) and lock.reason is None:
                break
            await trio.sleep(RETRY_RECONCILE_S)
        gate.release()
        paused_s = trio.current_time() - began_s
        _log.info("journal free: paused_s=%.0f; every entry was written, state reconciled", paused_s)
        session.schedule.wake_tick()


async def _stay_empty(session: Session) -> None:
    """Cancel what rests until the journal is free.

    Orders in doubt are left to reconciliations.
    """
    account, orders, lock = session.account, session.quoter.state.order_state, session.account.writer.lock
    remind_s = trio.current_time() + REMIND_EVERY_S
    while lock.reason is not None:
        async with session.turn:
            doubtful = {order.oid for order in orders.orders.in_doubt}
            resting = [order.oid for order in orders.get_current_orders() if order.oid not in doubtful]
            await session.emitter.emit(OrderDiff(cancels=resting), account.budget)
            session.halt_if_refused()
        if orders.has_doubts:
            session.schedule.want_reconcile(session.schedule.backoff.pause_s)
        if trio.current_time() >= remind_s:
            _log.warning("journal still locked: locked_s=%.0f reason=%s", lock.lasts_s, lock.reason)
            remind_s += REMIND_EVERY_S
        with trio.move_on_after(EMPTY_EVERY_S):
            await lock.wait_until_free()

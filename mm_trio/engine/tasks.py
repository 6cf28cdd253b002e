"""Loops of an account, and one step of each.

The apply loop changes the grids' states by the feeds' reports, one message after another. The ticks of the grids send
(`grids.turns`). A reconciliation asks, settles and cancels orphans; it and a grid's tick take turns. Only the watchdog
opens sockets. While the journal is locked, its guard keeps the books empty, and takes the turns for that. All loops run
in the nursery of `Session.run` and end by cancellation.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Never

import trio

from mm_trio.concurrency.log_subject import speaking_of
from mm_trio.grids.account import REGULAR_WEIGHT, URGENT_WEIGHT
from mm_trio.grids.events import log_key_news
from mm_trio.grids.grid import Grid
from mm_trio.grids.turns import RETRY_RECONCILE_S, apply_limits, reconcile
from mm_trio.model.errors import Halted, HaltedAll, LedgerError, VenueError, is_of_account
from mm_trio.model.observations import OwnBook, RestingSize
from mm_trio.model.orders import OrderDiff, Phase
from mm_trio.quoting.placing_gate import GateState
from mm_trio.witness.key_life import RETRY_S, KeyLife

if TYPE_CHECKING:
    from mm_trio.engine.session import Session
    from mm_trio.guard.dead_man import DeadMan
    from mm_trio.guard.life_signs import LifeSigns
    from mm_trio.recorder.record_keeping import RecordKeeping

__all__ = [
    "apply_forever",
    "compare_forever",
    "connect",
    "guard_journal_forever",
    "keep_cover_forever",
    "keep_dead_man_forever",
    "keep_signs_forever",
    "read_anew",
    "reconcile_all",
    "reconcile_forever",
    "record_forever",
    "watch_forever",
    "watch_key_forever",
    "watch_mark_forever",
]

_log = logging.getLogger(__name__)

# Pause between two comparisons of the clocks, after a failed one, and while the machine's clock is wrong.
COMPARE_EVERY_S, RETRY_COMPARE_S = 180.0, 10.0
# A tool that reads or copies the journal may lock it for a moment, and a moment must not empty the book: nothing new is
# sent meanwhile, and every order that rests is durable. A price moves little in so short a time.
LOCK_PATIENCE_S = 2.0
EMPTY_EVERY_S = 1.0
# Of the book, which the limits of loss need: request weight 2 each time.
MARK_EVERY_S = 10.0
# With many grids their books would use up what an address has a minute; a price may be a minute old.
MARK_PAUSE_S = 0.5
REMIND_EVERY_S = 60.0


async def connect(session: Session) -> bool:
    """Subscribe the feeds, and let the account quote; return whether that succeeded.

    A feed that fails is left to the watchdog.
    """
    gate = session.account.gate
    try:
        await session.feeds.watchdog.connect(fresh=False)
    except VenueError as error:
        gate.pause(str(error))
        _log.warning("feed not connected: error=%s; the watchdog tries again", error)
        return False
    gate.start_quoting()
    return True


# --- Apply ------------------------------------------------------------------------------------------


async def apply_forever(session: Session) -> Never:
    """Apply the messages of all feeds, one after another."""
    account, watchdog = session.account, session.feeds.watchdog
    router = session.router
    late_lines = session.grids[0].events.late_lines
    while True:
        message = await session.feeds.inbox.receive()
        with late_lines.waiting():
            reported_ms = router.apply(message.feed, message.body, now_s=trio.current_time())
            watchdog.on_message(message.connection, reported_ms)
            account.client.on_heard()
            if reported_ms is not None:
                account.client.clock.on_frame(reported_ms)
            # A tick of a grid that ended never comes.
            for grid in session.alive:
                await grid.schedule.woken.let_go_first()


# --- Reconciliation ---------------------------------------------------------------------------------


async def reconcile_forever(session: Session) -> Never:
    """Reconcile whenever due, within the address's request weight."""
    reconciling = session.account.reconciling
    while True:
        await reconciling.wait()
        await session.account.wait_for_weight(REGULAR_WEIGHT)
        wanting = reconciling.take_wanting()
        await reconcile_all(session, [g for g in session.alive if wanting is None or g.schedule in wanting])


async def reconcile_all(session: Session, grids: list[Grid] | None = None) -> bool:
    """Reconcile grids, which share the answers of the venue; all of them if none are given.

    Return whether the venue answered everything and no orphan is left. A grid that contradicts its ledger ends alone.
    Errors: LedgerError of the account, or of the only grid.
    """
    if session.is_alone:
        with speaking_of(session.grids[0].coin):
            return await reconcile(session.grids[0])
    account = session.account
    account.reconciling.on_reconcile(None if grids is None else [grid.schedule for grid in grids])
    results: list[bool] = []

    async def run(grid: Grid) -> None:
        try:
            with speaking_of(grid.coin):
                results.append(await reconcile(grid, is_one_of_many=True))
        except LedgerError as error:
            if is_of_account(error):
                raise
            grid.fail(error)

    async with trio.open_nursery() as nursery:
        for grid in session.alive if grids is None else grids:
            nursery.start_soon(run, grid)
    account.answers.forget()
    return all(results)


# --- Limits -----------------------------------------------------------------------------------------


async def watch_mark_forever(session: Session) -> Never:
    """Look at prices every few seconds: a limit needs them."""
    account = session.account
    while True:
        for grid in session.grids:
            # What a grid that ended bought and sold is the account's all the same.
            if not ((grid.failure is None and grid.stops.limits.needs_mark) or account.stops.limits.needs_mark):
                continue
            try:
                grid.stops.limits.on_book(await account.client.fetch_book(grid.state.market))
            except VenueError as error:
                grid.quoter.stats.on_error()
                _log.info("price for the limits not read: error=%s retry_s=%g", error, MARK_EVERY_S)
            if not session.is_alone:
                account.stops.limits.on_book(None)
            async with grid.turn:
                await _follow_mark(session, grid)
        await trio.sleep(max(MARK_EVERY_S, MARK_PAUSE_S * len(session.grids)))


async def _follow_mark(session: Session, grid: Grid) -> None:
    """Follow what a limit asks for at a new price. Errors: Halted of the only grid, or of the account."""
    try:
        if grid.failure is None:
            await apply_limits(grid)
        else:
            await session.account.stops.apply()
    except Halted as error:
        if session.is_alone or isinstance(error, HaltedAll):
            raise
        grid.fail(error)


# --- Clock ------------------------------------------------------------------------------------------


async def compare_forever(session: Session) -> Never:
    """Compare our clock with the venue's every few minutes.

    What it finds is asked for before every place, and by the watchdog.
    """
    clock, n_asked = session.account.client.clock, 0
    if not clock.compares:
        _log.warning("clock not compared: this venue's client tells no time (l2_snapshot); keep the clock right (NTP)")
        await trio.sleep_forever()
    pause_s = COMPARE_EVERY_S
    while True:
        await trio.sleep(pause_s)
        # Each book that is asked for its time tells its coin's prices, too.
        coin = session.grids[n_asked % len(session.grids)].coin
        n_asked += 1
        pause_s = COMPARE_EVERY_S if await _compare(session, coin) else RETRY_COMPARE_S


async def _compare(session: Session, coin: str | None = None) -> bool:
    """Compare the clocks once; return whether that succeeded."""
    try:
        await session.account.client.compare_clock(coin or session.grids[0].coin)
    except VenueError as error:
        session.note_error()
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
        session.note_error()
        _log.warning("end of the key not looked up: error=%s retry_s=%g", error, RETRY_S)
        return RETRY_S
    if (news := life.on_listed(agents, now_ms=account.wall_ms())) is not None:
        log_key_news(news)
    return life.compute_pause_s(account.wall_ms())


# --- Guard ------------------------------------------------------------------------------------------


async def keep_signs_forever(session: Session, signs: LifeSigns) -> Never:
    """Tell the guard each second that this loop lives."""
    await signs.keep_forever(session.grids[0].state.market)


async def keep_cover_forever(session: Session, signs: LifeSigns) -> Never:
    """Keep the cancels that the guard would post near to what rests."""
    # The account's gate opens before its grids have settled what an earlier session left.
    await signs.keep_cover_forever(is_settled=lambda: all(grid.gate.is_quoting for grid in session.alive))


async def keep_dead_man_forever(dead_man: DeadMan) -> Never:
    """Tell the venue to wait, which else cancels all orders of the account."""
    await dead_man.keep_forever()


# --- Record -----------------------------------------------------------------------------------------


async def record_forever(grid: Grid, record: RecordKeeping) -> Never:
    """Record the market of a grid, and once a second what of ours rests."""
    await record.keep_forever(lambda now_ms: look_at_own(grid, now_ms))


def look_at_own(grid: Grid, now_ms: int) -> OwnBook:
    """Return what certainly rests, what the maker does, and why it places nothing."""
    gate = grid.gate
    standing = max(grid.stops.standing, grid.account.stops.standing, key=lambda each: each.state.strictness)
    reason = gate.reason
    if gate.state is GateState.QUOTING and not standing.state.may_place:
        word = str(standing.state)
    elif gate.state is GateState.QUOTING and reason is not None:
        word = GateState.PAUSED.value
    else:
        word = gate.state.value
    orders = grid.state.order_state.get_current_orders()
    resting = (RestingSize(order.side, order.price, order.size) for order in orders if order.status is Phase.RESTING)
    return OwnBook(now_ms, tuple(resting), word, None if word == GateState.QUOTING.value else reason)


# --- Watchdog ---------------------------------------------------------------------------------------


async def watch_forever(session: Session) -> Never:
    """Pause on faults of feed and clock; resume after a reconciliation.

    A lost connection is replaced first. What only a ledger without its end explains pauses the grid that it is of.
    """
    gate, watchdog, clock = session.account.gate, session.feeds.watchdog, session.account.client.clock
    while True:
        if not gate.is_paused:
            reason = await watchdog.wait_for_fault(lambda: clock.find_fault() or _find_unproven(session))
            if reason == _find_unproven(session):
                await _prove(session)
                continue
            gate.pause(reason)
            # Without a fault of the feed this process had stalled, or the clock is in question.
            if watchdog.find_fault() is None:
                _log.warning("paused: reason=%s; no new orders until state is re-read from the venue", gate.reason)
                await read_anew(session)
                continue
        # While the clock is wrong, the gate has another reason.
        lost = watchdog.find_fault() or gate.reason
        _log.warning("feed lost: reason=%s; no new orders until it is restored and reconciled", lost)
        await watchdog.reconnect()
        for grid in session.alive:
            grid.quoter.stats.on_reconnect()
        await read_anew(session)


def _find_unproven(session: Session) -> str | None:
    return next((grid.state.unproven for grid in session.alive if grid.state.unproven is not None), None)


async def _prove(session: Session) -> None:
    """Reconcile the grids that a message says lack entries, until that is settled; the others quote on."""
    for grid in session.alive:
        while grid.state.unproven is not None and grid.failure is None:
            grid.gate.pause(grid.state.unproven)
            _log.warning("paused: coin=%s reason=%s; no new orders until it is settled", grid.coin, grid.gate.reason)
            await session.account.wait_for_weight(URGENT_WEIGHT)
            if await reconcile_all(session, [grid]):
                grid.gate.start_quoting()
                _log.info("quoting resumed: coin=%s; state reconciled", grid.coin)
                grid.schedule.wake_tick()
            elif session.feeds.watchdog.find_fault() is not None:
                return
            else:
                await trio.sleep(RETRY_RECONCILE_S)


async def read_anew(session: Session) -> None:
    """Reconcile until that succeeds, and resume quoting.

    The session stays paused while the clock is wrong, and if the feed is lost meanwhile.
    """
    account, is_told = session.account, False
    gate, clock = account.gate, account.client.clock
    while session.feeds.watchdog.find_fault() is None:
        await account.wait_for_weight(URGENT_WEIGHT)
        if clock.find_fault() is not None:
            await _compare(session)
            if (reason := clock.find_fault()) is not None:
                gate.pause(reason)
                if not is_told:
                    _log.warning("paused: reason=%s; resting orders stay, no new ones", reason)
                is_told = True
                await trio.sleep(RETRY_COMPARE_S)
                continue
        if await reconcile_all(session):
            gate.start_quoting()
            _log.info("quoting resumed: state reconciled")
            session.wake_ticks()
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
            await session.account.wait_for_weight(URGENT_WEIGHT)
            if await reconcile_all(session) and lock.reason is None:
                break
            await trio.sleep(RETRY_RECONCILE_S)
        gate.release()
        paused_s = trio.current_time() - began_s
        _log.info("journal free: paused_s=%.0f; every entry was written, state reconciled", paused_s)
        session.wake_ticks()


async def _stay_empty(session: Session) -> None:
    """Cancel what rests until the journal is free.

    Orders in doubt are left to reconciliations.
    """
    lock = session.account.writer.lock
    remind_s = trio.current_time() + REMIND_EVERY_S
    while lock.reason is not None:
        async with trio.open_nursery() as nursery:
            for grid in session.alive:
                nursery.start_soon(_empty, grid)
        if trio.current_time() >= remind_s:
            _log.warning("journal still locked: locked_s=%.0f reason=%s", lock.lasts_s, lock.reason)
            remind_s += REMIND_EVERY_S
        with trio.move_on_after(EMPTY_EVERY_S):
            await lock.wait_until_free()


async def _empty(grid: Grid) -> None:
    """Cancel once what rests of a grid."""
    orders = grid.state.order_state
    async with grid.turn:
        doubtful = {order.oid for order in orders.orders.in_doubt}
        resting = [order.oid for order in orders.get_current_orders() if order.oid not in doubtful]
        await grid.emitter.emit(OrderDiff(cancels=resting), grid.account.budget)
        grid.account.halt_if_refused()
    if orders.has_doubts:
        grid.schedule.want_reconcile(grid.schedule.reconciling.backoff.pause_s)

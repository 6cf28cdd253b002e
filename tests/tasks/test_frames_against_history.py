"""What frames tell of fills is one source; what we sent and the fill history are the others."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio
from builders import World, booked, until
from fault_kit import answer, compute_ledger, is_definite, is_on_target, make_maker, make_world, remake_maker
from trio.testing import MockClock

from mm_trio import WsState
from mm_trio.halts.standing import State
from mm_trio.model.errors import Contradiction

Row = dict[str, Any]
HOUR_MS = 3_600_000
OVERLAP_S = 60


def trade_and_take_row(world: World, size: str = "2") -> Row:
    """A taker buys; gives the row of the maker's fill."""
    world.buy(size)
    rows: list[Row] = world.info.user_fills_by_time(world.fills()[-1].address, 0)
    return rows[-1]


def tell(world: World, *rows: Row) -> None:
    world.say("userFills", {"user": world.fills()[-1].address, "fills": list(rows)})


def change_history(world: World, change: Callable[[list[Row]], list[Row]]) -> None:
    """Let the venue's fill history be another one, for every client."""
    ask = world.venue.ask

    def ask_changed(method: str, request: Any) -> Any:
        found = ask(method, request)
        return change(found) if method == "user_fills_by_time" else found

    world.venue.ask = ask_changed  # type: ignore[method-assign]


def list_late(world: World, late: Row, late_s: int) -> None:
    """Let the history have a row so late."""

    def leave_out(rows: list[Row]) -> list[Row]:
        is_listed = world.now_ms() >= late["time"] + 1000 * late_s
        return [row for row in rows if is_listed or row["tid"] != late["tid"]]

    change_history(world, leave_out)


def halted(match: str) -> pytest.RaisesGroup[Contradiction]:
    """A maker that halts with this contradiction."""
    return pytest.RaisesGroup(pytest.RaisesExc(Contradiction, match=match), flatten_subgroups=True)


LIES: dict[str, Callable[[Row], Row]] = {
    "side": lambda row: {**row, "side": "B" if row["side"] == "A" else "A"},
    "price": lambda row: {**row, "px": "21.5"},
    "size": lambda row: {**row, "sz": "5.01"},
    "time before it was sent": lambda row: {**row, "time": row["time"] - HOUR_MS},
    "time to come": lambda row: {**row, "time": row["time"] + HOUR_MS},
    "taker": lambda row: {**row, "crossed": True},
    "fee": lambda row: {**row, "fee": "10"},
    "cloid": lambda row: {**row, "cloid": row["cloid"][:-4] + "ffff"},
}


@pytest.mark.parametrize("lie", LIES)
async def test_r14_a_frame_that_contradicts_the_order_is_not_booked(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture, lie: str, tmp_path: Path
) -> None:
    caplog.set_level(logging.ERROR)
    world = make_world("signing")
    maker = make_maker(world, tmp_path, reconcile_every=1000)
    async with world.running(maker):
        true = trade_and_take_row(world)
        await until(lambda: maker.stats.fills == 1)
        n_errors, n_reconciled = maker.stats.errors, maker.stats.reconciliations

        for _ in range(3):
            tell(world, LIES[lie]({**true, "tid": 4711}))
        await until(lambda: maker.stats.reconciliations > n_reconciled, within_s=10)

        assert (maker.stats.fills, maker.stats.errors - n_errors) == (1, 1)
        assert booked(maker) == compute_ledger(world, maker)
        told = [record.getMessage() for record in caplog.records if "frame not believed" in record.getMessage()]
        assert len(told) == 1
        assert f"oid {true['oid']}" in told[0]
        await trio.sleep(200)
        assert is_on_target(world, maker)


async def test_r14_the_true_fill_behind_an_altered_frame_is_booked_from_the_history(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    world = make_world("signing")
    maker = make_maker(world, tmp_path, reconcile_every=1000)
    async with world.running(maker):
        world.venue.hold_frames("userFills", "orderUpdates")
        true = trade_and_take_row(world)
        tell(world, LIES["side"](true))
        await until(lambda: maker.stats.fills == 1, within_s=10)

        assert booked(maker) == compute_ledger(world, maker)
        world.venue.release_frames()
        await trio.sleep(120)
        assert maker.stats.fills == 1


async def test_r14_a_history_that_contradicts_the_order_halts_the_maker(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    world = make_world("signing")
    maker = make_maker(world, tmp_path, reconcile_every=5)

    with halted("its side is buy.*rebuild"):
        async with world.running(maker):
            change_history(world, lambda rows: [LIES["side"](row) for row in rows])
            world.venue.hold_frames("userFills", "orderUpdates")
            world.buy("2")
            await trio.sleep(100)

    assert world.resting() == []
    assert maker.orders_may_rest == ()
    assert maker.standing.state is State.HALTED
    assert "its side is buy" in maker.standing.why


async def run_until_halted(world: World, maker: WsState, meanwhile: Callable[[], Any], *, within_s: float) -> float:
    """Run a maker that a lie halts; gives how long after the lie that was."""
    told_s = None
    with (
        trio.fail_after(within_s + 60),
        pytest.RaisesGroup(
            pytest.RaisesExc(Contradiction, match=r"not in the venue's fill hist"), flatten_subgroups=True
        ),
    ):
        async with world.running(maker):
            told_s = trio.current_time()
            meanwhile()
            await trio.sleep_forever()
    assert told_s is not None
    return trio.current_time() - told_s


@pytest.mark.parametrize("changed", [{"sz": "0.5"}, {"fee": "0.0"}])
async def test_r14_a_fill_that_the_history_tells_otherwise_halts(
    autojump_clock: MockClock, tmp_path: Path, changed: Row
) -> None:
    """Smaller than it was, or without its fee: nothing in the frame contradicts the order."""
    world = make_world("signing")
    maker = make_maker(world, tmp_path, reconcile_every=1000)

    with halted("a frame told it otherwise"):
        async with world.running(maker):
            world.venue.lose_frames("userFills")
            tell(world, {**trade_and_take_row(world), **changed})
            await trio.sleep(300)

    assert world.resting() == []


@pytest.mark.parametrize("trades_on", [True, False])
async def test_r14_a_fill_that_fits_and_is_in_no_history_halts_within_minutes(
    autojump_clock: MockClock, tmp_path: Path, trades_on: bool
) -> None:
    world = make_world("signing")
    maker = make_maker(world, tmp_path, reconcile_every=1000)

    def lie() -> None:
        true = trade_and_take_row(world, "1")
        tell(world, {**true, "tid": 4711, "sz": "0.5", "fee": "0.001"})
        if trades_on:
            trade_and_take_row(world, "1")

    took_s = await run_until_halted(world, maker, lie, within_s=300)

    assert OVERLAP_S < took_s < 300
    assert world.resting() == []
    assert maker.orders_may_rest == ()


async def test_r14_the_first_fill_of_all_may_be_invented_too(autojump_clock: MockClock, tmp_path: Path) -> None:
    world = make_world("signing")
    maker = make_maker(world, tmp_path, reconcile_every=1000)

    def lie() -> None:
        order = world.resting()[0]
        row: Row = {"coin": world.coin, "px": str(order.price), "sz": "1", "side": "B" if order.is_buy else "A"}
        row |= {"time": world.now_ms(), "oid": order.oid, "tid": 4711, "fee": "0", "feeToken": "USDC", "crossed": False}
        world.say("userFills", {"user": order.address, "fills": [row]})

    assert await run_until_halted(world, maker, lie, within_s=300) < 300


@pytest.mark.parametrize("late_s", [1, 50])
async def test_r14_a_fill_listed_late_is_counted_once_and_halts_nothing(
    autojump_clock: MockClock, tmp_path: Path, late_s: int
) -> None:
    """No frame tells it, and newer fills are listed before it."""
    world = make_world("signing")
    maker = make_maker(world, tmp_path, reconcile_every=2)
    async with world.running(maker):
        world.venue.hold_frames("userFills")
        late = trade_and_take_row(world)
        change_history(
            world,
            lambda rows: [r for r in rows if r["tid"] != late["tid"] or world.now_ms() >= r["time"] + 1000 * late_s],
        )
        await trio.sleep(1)
        trade_and_take_row(world, "1")
        await until(lambda: maker.stats.fills == 2, within_s=100)
        assert booked(maker) == compute_ledger(world, maker)
        await trio.sleep(200)


async def test_r14_a_start_waits_for_a_fill_that_is_listed_late(autojump_clock: MockClock, tmp_path: Path) -> None:
    world = make_world("signing")
    maker = make_maker(world, tmp_path)
    async with world.running(maker):
        await trio.sleep(100)
        late = trade_and_take_row(world)
        list_late(world, late, 50)
        await until(lambda: maker.stats.fills == 1)
    again = remake_maker(world, tmp_path)
    async with world.running(again):
        assert world.now_ms() >= late["time"] + 50_000
        assert booked(again) == compute_ledger(world, again)
        await trio.sleep(200)


@pytest.mark.parametrize("age_s", [5, 100])
async def test_r14_a_start_refuses_a_ledger_with_a_fill_that_no_history_has(
    autojump_clock: MockClock, tmp_path: Path, age_s: int
) -> None:
    """The lie came before the last true fill, so the history reaches past it."""
    world = make_world("signing")
    maker = make_maker(world, tmp_path, reconcile_every=1000)
    async with world.running(maker):
        true = trade_and_take_row(world, "1")
        tell(world, {**true, "tid": 4711, "sz": "0.5", "fee": "0.001"})
        await trio.sleep(1)
        trade_and_take_row(world, "0.5")
        await until(lambda: maker.stats.fills == 3)
    await trio.sleep(age_s)

    with halted("oid .*4711"):
        async with world.running(remake_maker(world, tmp_path)):
            await trio.sleep(300)

    assert world.resting() == []


# --- An answer that says `filled` ---------------------------------------------------------------


@pytest.mark.parametrize("size", ["5", "2"])
async def test_r14_an_order_filled_at_once_is_in_doubt_until_its_fills_are_known(
    autojump_clock: MockClock, size: str, tmp_path: Path
) -> None:
    world = make_world("signing")
    maker = make_maker(world, tmp_path, reconcile_every=1000)
    async with world.running(maker):
        await trio.sleep(10)
        world.venue.hold_frames("userFills", "orderUpdates")
        placed: list[int] = []

        def fill_it(raw: Any) -> Any:
            oid = raw["response"]["data"]["statuses"][0]["resting"]["oid"]
            order = next(order for order in world.resting() if order.oid == oid)
            world.order("buy" if not order.is_buy else "sell", order.price, size)
            placed.append(oid)
            return answer({"filled": {"totalSz": size, "avgPx": str(order.price), "oid": oid}})

        world.venue.garble_next("bulk_orders", fill_it)
        world.buy("5")
        tell(world, world.info.user_fills_by_time(world.fills()[-1].address, 0)[-1])
        await until(lambda: placed and not is_definite(maker), within_s=10)
        assert [doubt.oid for doubt in maker.order_state.get_doubts()] == placed
        await until(lambda: is_definite(maker), within_s=30)

        assert booked(maker) == compute_ledger(world, maker)
        assert (maker.order_state.find(placed[0]) is None) is (size == "5")


# --- The market ---------------------------------------------------------------------------------


async def test_r14_a_start_refuses_another_market_under_the_same_name(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    world = make_world("signing")
    async with world.running(make_maker(world, tmp_path)):
        pass
    ask = world.venue.ask

    def ask_changed(method: str, request: Any) -> Any:
        found = copy.deepcopy(ask(method, request))
        for pair in found["universe"] if method == "spot_meta" else ():
            pair["index"] += 98 if pair["name"] == world.coin else 0
        return found

    world.venue.ask = ask_changed  # type: ignore[method-assign]

    with halted("asset was 10107 and is 10205"):
        async with world.running(remake_maker(world, tmp_path)):
            await trio.sleep(10)

    assert world.resting() == []


# --- Rows of orders -----------------------------------------------------------------------------


def change_rows(world: World, method: str, change: Callable[[Row], Row], *, times: int) -> list[int]:
    """Change the first row of so many answers; gives the list that gets the oids."""
    ask, wanted = world.venue.ask, method
    changed: list[int] = []

    def ask_changed(method: str, request: Any) -> Any:
        found = copy.deepcopy(ask(method, request))
        if method == wanted and found and len(changed) < times:
            found[0] = change(found[0])
            changed.append(found[0]["oid"])
        return found

    world.venue.ask = ask_changed  # type: ignore[method-assign]
    return changed


async def test_r14_one_snapshot_that_contradicts_an_order_halts_nothing(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    world = make_world("signing")
    maker = make_maker(world, tmp_path, reconcile_every=3)
    async with world.running(maker):
        changed = change_rows(world, "open_orders", lambda row: {**row, "limitPx": "21.5"}, times=1)
        await until(lambda: changed, within_s=30)
        await trio.sleep(60)
        assert is_on_target(world, maker)


async def test_r14_two_snapshots_that_contradict_an_order_halt_the_maker(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    world = make_world("signing")
    with halted("open orders contradict what we sent: row of oid"):
        async with world.running(make_maker(world, tmp_path, reconcile_every=3)):
            change_rows(world, "open_orders", lambda row: {**row, "limitPx": "21.5"}, times=2)
            await trio.sleep(60)

    assert world.resting() == []


async def test_r14_an_update_that_contradicts_the_order_ends_nothing(autojump_clock: MockClock, tmp_path: Path) -> None:
    world = make_world("signing")
    maker = make_maker(world, tmp_path, reconcile_every=1000)
    async with world.running(maker):
        order = world.resting()[0]
        row = {"coin": world.coin, "oid": order.oid, "side": "A" if order.is_buy else "B", "limitPx": str(order.price)}
        update = {"order": row | {"sz": "5", "origSz": "5"}, "status": "canceled", "statusTimestamp": world.now_ms()}
        n_reconciled = maker.stats.reconciliations
        world.say("orderUpdates", [update])
        await until(lambda: maker.stats.reconciliations > n_reconciled, within_s=10)

        assert maker.order_state.find(order.oid) is not None


async def test_r14_an_answer_with_the_oid_of_another_order_proves_nothing(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """The order stays in flight until the venue shows it under its own oid."""
    world = make_world("signing")
    maker = make_maker(world, tmp_path, reconcile_every=1000)
    async with world.running(maker):
        await trio.sleep(10)
        world.venue.lose_frames("orderUpdates")
        other = world.resting()[0].oid
        world.venue.garble_next("bulk_orders", lambda raw: answer({"resting": {"oid": other}}))
        n_errors = maker.stats.errors
        world.buy("5")
        await until(lambda: maker.stats.errors > n_errors, within_s=10)
        assert len(maker.order_state.get_intents()) == 1
        await until(lambda: is_definite(maker), within_s=30)

        assert {o.oid for o in world.resting()} == set(maker.order_state.orders)
        world.venue.stop_losing_frames()

"""Faults A1 to A4 and A7: requests lost, hung or late, for every kind of action."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio
from builders import Hanging, booked, run_inline, until
from fault_kit import (
    ACTIONS,
    DEFINITE_WITHIN_S,
    KINDS,
    WINDOW,
    Mortal,
    check_nonces,
    converge,
    count_orders,
    is_definite,
    is_on_target,
    lose,
    make_maker,
    make_world,
    on_request,
    provoke,
    remake_maker,
    until_definite,
    until_in_flight,
    until_on_target,
)
from hyperliquid.utils.error import ServerError
from trio.testing import MockClock

from mm_trio.sandbox.inprocess.exchange import InProcessSigningExchange, SignedInProcess

# --- nothing was sent -----------------------------------------------------------------------------


class BrokenSigner(InProcessSigningExchange):
    def sign_action(self, unsigned: SignedInProcess) -> SignedInProcess:
        raise RuntimeError("the key cannot be used")


async def test_orders_that_could_not_be_signed_are_not_in_flight(autojump_clock: MockClock, tmp_path: Path) -> None:
    world = make_world("signing")
    world.sdk_exchange.__class__ = BrokenSigner
    maker = make_maker(world, tmp_path)

    with pytest.RaisesGroup(pytest.RaisesExc(RuntimeError, match="the key cannot be used"), flatten_subgroups=True):
        await maker.run()

    assert maker.orders_may_rest == ()
    assert maker.order_state.get_intents() == ()


# --- A1, A2, A7: no answer ------------------------------------------------------------------------


@pytest.mark.parametrize("method", ACTIONS)
@pytest.mark.parametrize("kind", KINDS)
async def test_a1_a_lost_request_is_dead_after_its_expiry(
    autojump_clock: MockClock, tmp_path: Path, kind: str, method: str
) -> None:
    """Its level is then planned anew."""
    world = make_world(kind)
    maker = make_maker(world, tmp_path, **WINDOW.get(method, {}))

    async with world.running(maker):
        lose(world, method, applied=False)
        await converge(world, maker, await provoke(world, maker, method))

    assert booked(maker) == world.ledger(*maker.inventory.allocation)
    check_nonces(tmp_path)


async def test_a1_a_signed_action_that_was_lost_once_is_sent_again_as_it_is(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    world = make_world("signing")
    maker = make_maker(world, tmp_path)

    async with world.running(maker):
        lose(world, "bulk_orders", applied=False, times=2)
        n_before = len(check_nonces(tmp_path))
        world.buy("5")
        await until_in_flight(maker)
        await until(lambda: is_definite(maker), within_s=2.1)
        n_nonces = len(check_nonces(tmp_path)) - n_before
        book = world.book_of(maker)

    assert n_nonces == 1
    assert ("buy", 20) in book


@pytest.mark.sweep
@pytest.mark.parametrize("frames", ["live", "held", "lost"])
@pytest.mark.parametrize("method", ACTIONS)
@pytest.mark.parametrize("kind", KINDS)
async def test_a2_a_request_without_answer_is_found_and_not_repeated(
    autojump_clock: MockClock, tmp_path: Path, kind: str, method: str, frames: str
) -> None:
    """The venue carried it out."""
    world = make_world(kind)
    maker = make_maker(world, tmp_path, **WINDOW.get(method, {}))

    async with world.running(maker):
        lose(world, method, applied=True)
        if frames != "live":
            (world.venue.hold_frames if frames == "held" else world.venue.lose_frames)("orderUpdates")
        await converge(world, maker, await provoke(world, maker, method))
        world.venue.stop_losing_frames()
        world.venue.release_frames("reversed")
        await trio.sleep(20)
        on_target = is_on_target(world, maker)
        n_orders = count_orders(world, 20, maker)

    assert on_target
    assert n_orders == 2  # the one at the start and the one that was not answered for
    assert booked(maker) == world.ledger(*maker.inventory.allocation)
    check_nonces(tmp_path)


@pytest.mark.parametrize("applied", [True, False])
@pytest.mark.parametrize("frames_held", [True, False])
async def test_a2_a_place_lost_in_the_last_moment_leaves_nothing_behind(
    autojump_clock: MockClock, tmp_path: Path, applied: bool, frames_held: bool
) -> None:
    world = make_world("signing")
    maker = make_maker(world, tmp_path)

    async with world.running(maker):
        lose(world, "bulk_orders", applied=applied)
        world.buy("5")
        await until(lambda: maker.stats.fills == 1)
        if frames_held:
            world.venue.hold_frames()
        await until(lambda: world.calls("bulk_orders") == 4)
        left_s = trio.current_time()

    assert trio.current_time() - left_s <= 10
    assert world.resting() == []
    assert maker.orders_may_rest == ()
    assert booked(maker) == world.ledger(*maker.inventory.allocation)
    check_nonces(tmp_path)


@pytest.mark.sweep
@pytest.mark.parametrize("method", ACTIONS[1:])
@pytest.mark.parametrize("applied", [True, False])
@pytest.mark.parametrize("kind", KINDS)
async def test_a2_a_modify_or_cancel_lost_in_the_last_moment_leaves_nothing_behind(
    autojump_clock: MockClock, tmp_path: Path, kind: str, applied: bool, method: str
) -> None:
    world = make_world(kind)
    maker = make_maker(world, tmp_path, **WINDOW.get(method, {}))

    async with world.running(maker):
        lose(world, method, applied=applied)
        await provoke(world, maker, method)
        world.venue.hold_frames()

    assert world.resting() == []
    if kind == "signing" or applied:  # a plain one cannot burn the nonce: it has to say that it does not know
        assert maker.orders_may_rest == ()
    assert booked(maker) == world.ledger(*maker.inventory.allocation)


@pytest.mark.parametrize("applied", [True, False])
async def test_a2_a_place_and_the_noop_after_it_both_unanswered_leave_nothing_behind(
    autojump_clock: MockClock, tmp_path: Path, applied: bool
) -> None:
    world = make_world("signing")
    maker = make_maker(world, tmp_path)

    async with world.running(maker):
        lose(world, "bulk_orders", applied=applied)
        lose(world, "noop", applied=True, times=1)
        world.buy("5")
        await until(lambda: maker.stats.fills == 1)
        world.venue.hold_frames()
        await until(lambda: world.calls("bulk_orders") == 4)

    assert world.resting() == []
    assert maker.orders_may_rest == ()


@pytest.mark.sweep
@pytest.mark.parametrize("moment", ["before", "executed", "answered"])
@pytest.mark.parametrize("method", ACTIONS)
@pytest.mark.parametrize("kind", KINDS)
async def test_a2_a_process_that_dies_around_a_request_leaves_a_journal_that_explains_it(
    autojump_clock: MockClock, tmp_path: Path, kind: str, method: str, moment: str
) -> None:
    world, mortal = make_world(kind), Mortal(0.05, 0.05)
    first = make_maker(world, tmp_path, run_sync=mortal, **WINDOW.get(method, {}))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(mortal.live, first)
        await until(lambda: first.stats.ticks > 0)

        def die() -> None:
            mortal.dies_next = True
            mortal.is_dead = moment != "answered"

        on_request(world, method, die, after=moment != "before")
        if moment == "before":
            world.venue.fail_next(method, TimeoutError("never sent"), applied=False)
        await provoke(world, first, method)
        world.buy("2")
        second = remake_maker(world, tmp_path, run_sync=run_inline, **WINDOW.get(method, {}))
        began_s = trio.current_time()
        async with world.running(second):
            await until_definite(second, began_s)
            await until_on_target(world, second)
            on_target = is_on_target(world, second)
        nursery.cancel_scope.cancel()

    assert on_target
    assert booked(second) == world.ledger(*second.inventory.allocation)
    assert world.resting() == []
    assert second.orders_may_rest == ()
    check_nonces(tmp_path)


HTML = "<html><body>502 Bad Gateway</body></html>"


@pytest.mark.parametrize("body", ["5xx", "html", "err"])
@pytest.mark.parametrize("method", ACTIONS)
@pytest.mark.parametrize("kind", KINDS)
async def test_a7_an_error_although_it_was_carried_out_is_an_unknown_outcome(
    autojump_clock: MockClock, tmp_path: Path, kind: str, method: str, body: str
) -> None:
    world = make_world(kind)
    maker = make_maker(world, tmp_path, **WINDOW.get(method, {}))

    async with world.running(maker):
        if body == "5xx":
            world.venue.fail_next(method, ServerError(502, HTML), applied=True)
        else:
            told: object = HTML if body == "html" else {"status": "err", "response": "Internal error"}
            world.venue.garble_next(method, lambda raw: told)
        world.venue.hold_frames("orderUpdates")
        await converge(world, maker, await provoke(world, maker, method))
        n_orders = count_orders(world, 20, maker)
        world.venue.release_frames()
        await trio.sleep(20)
        on_target = is_on_target(world, maker)

    assert n_orders == 2
    assert on_target
    assert booked(maker) == world.ledger(*maker.inventory.allocation)


@pytest.mark.parametrize("applied", [True, False])
async def test_a7_an_error_in_the_last_moment_leaves_nothing_behind(
    autojump_clock: MockClock, tmp_path: Path, applied: bool
) -> None:
    world = make_world("signing")
    maker = make_maker(world, tmp_path)

    async with world.running(maker):
        for _ in range(3):
            world.venue.fail_next("bulk_orders", ServerError(503, HTML), applied=applied)
        world.buy("5")
        await until(lambda: maker.stats.fills == 1)
        world.venue.hold_frames()
        await until(lambda: world.calls("bulk_orders") == 4)

    assert world.resting() == []
    assert maker.orders_may_rest == ()
    assert booked(maker) == world.ledger(*maker.inventory.allocation)


# --- A3, A4: an answer that does not come, a request that comes late ---------------------------------


@pytest.mark.parametrize("executed", [True, False])
@pytest.mark.parametrize("kind", KINDS)
async def test_a3_a_request_that_hangs_ends_by_its_own_deadline_and_the_ticks_go_on(
    autojump_clock: MockClock, tmp_path: Path, kind: str, executed: bool
) -> None:
    world, hung = make_world(kind), [False]

    async def run_sync(fn: Any, *args: Any, **options: Any) -> Any:
        await trio.lowlevel.checkpoint()
        if fn.__name__ not in ("_act", "post_signed") or not hung[0]:
            return fn(*args)
        hung[0] = False
        if executed:
            fn(*args)
        return await trio.sleep_forever()

    maker = make_maker(world, tmp_path, run_sync=run_sync)
    async with world.running(maker):
        hung[0] = True
        world.venue.hold_frames("orderUpdates")
        world.buy("5")
        sent_s = await until_in_flight(maker)
        n_ticks = maker.stats.ticks
        world.sell("5")
        await until(lambda: maker.stats.ticks > n_ticks, within_s=6.1)
        await until(lambda: ("buy", 19) in world.book_of(maker) or ("sell", 19) in world.book_of(maker), within_s=7)
        await until_definite(maker, sent_s)
        world.venue.release_frames()
        await until_on_target(world, maker)

    assert booked(maker) == world.ledger(*maker.inventory.allocation)


@pytest.mark.parametrize("kind", KINDS)
async def test_a3_when_everything_hangs_leaving_is_bounded_and_says_what_may_rest(
    autojump_clock: MockClock, kind: str
) -> None:
    world, hanging = make_world(kind), Hanging()
    maker = make_maker(world, run_sync=hanging)

    async with world.running(maker):
        hanging.hangs = True
        world.buy("5")
        await until_in_flight(maker)
        left_s = trio.current_time()

    assert trio.current_time() - left_s <= 11
    assert {f"oid {order.oid}" for order in world.resting()} <= set(maker.orders_may_rest)
    assert any(name.startswith("cloid") for name in maker.orders_may_rest)


@pytest.mark.parametrize("late_s", [0.5, 5.0, 9.9, 10.1, 13.5, 60.0])
@pytest.mark.parametrize("method", ACTIONS)
@pytest.mark.parametrize("kind", KINDS)
async def test_a4_a_request_that_arrives_late_finds_its_level_locked_or_is_refused(
    autojump_clock: MockClock, tmp_path: Path, kind: str, method: str, late_s: float
) -> None:
    world = make_world(kind)
    maker = make_maker(world, tmp_path, hand_cancels_to_stop=1, **WINDOW.get(method, {}))

    async with world.running(maker):
        for _ in range(1 if kind == "plain" else 3):
            world.venue.execute_late(method)
        sent_s = await provoke(world, maker, method)
        await trio.sleep(late_s)
        world.venue.run_late()
        await trio.sleep(max(0, DEFINITE_WITHIN_S - late_s))
        await until(lambda: is_definite(maker), within_s=max(0.1, DEFINITE_WITHIN_S - (trio.current_time() - sent_s)))
        world.venue.run_late()  # those that were sent again meanwhile
        await until_on_target(world, maker)

    assert booked(maker) == world.ledger(*maker.inventory.allocation)
    assert world.resting() == []


@pytest.mark.parametrize("method", ACTIONS[1:])
@pytest.mark.parametrize("frames", ["reversed", None])
async def test_a4_a_late_cancel_of_ours_is_not_taken_for_the_owners(
    autojump_clock: MockClock, tmp_path: Path, method: str, frames: Any
) -> None:
    """A reconciliation has seen the order rest meanwhile; a hand that cancels would end this maker."""
    world = make_world("plain")
    maker = make_maker(world, tmp_path, hand_cancels_to_stop=1, **WINDOW.get(method, {}))

    async with world.running(maker):
        world.venue.execute_late(method)
        await provoke(world, maker, method)
        await until(lambda: all(order.status == "resting" for order in maker.order_state.get_current_orders()))
        world.venue.hold_frames()
        world.venue.run_late()
        world.venue.release_frames(frames)
        await until_on_target(world, maker)
        await trio.sleep(10)
        n_resting = len(world.resting())

    assert n_resting
    assert booked(maker) == world.ledger(*maker.inventory.allocation)

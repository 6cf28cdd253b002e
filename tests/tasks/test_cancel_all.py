"""Sweep of an account: what is in flight cannot arrive unseen, and one look proves nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio
from builders import ALLOCATION, MAKER, Hanging, World, run_inline, until
from desk_kit import make_desk
from trio.testing import MockClock

from mm_trio.cli.halt_programs.in_flight import InFlight, burn_places, read_in_flight
from mm_trio.cli.halt_programs.order_sweep import OrderSweep, SweepScope
from mm_trio.cli.halt_programs.sweep_venue import NoLedger
from mm_trio.journal.data_dir import ACCOUNT_NAME
from mm_trio.journal.sqlite_journal import JOURNAL_NAME, Journal
from mm_trio.model.cloid import CloidParts, encode_cloid
from mm_trio.model.numbers import to_decimal
from mm_trio.venue.order_gateway import OrderGateway
from mm_trio.venue.rest_client import VenueClient
from mm_trio.witness.nonces import Nonces
from mm_trio.witness.venue_clock import VenueClock

LIFE_S = 14.0
DUPLICATE = {"status": "err", "response": "Invalid nonce: duplicate nonce 1"}
GARBAGE_ROW = {"coin": "@107", "oid": "?", "side": "B", "limitPx": "1", "sz": "1"}


class Sweeper:
    """What a sweep of the world's maker needs, and its end."""

    def __init__(self, world: World, *, last_nonce: int = 0, foreign: bool = False) -> None:
        self.world = world
        clock = VenueClock(world.now_ms)
        self.client = VenueClient(world.info, address=MAKER, run_sync=run_inline, clock=clock)
        self.gateway = OrderGateway(
            world.venue.signing_exchange(MAKER),
            run_sync=run_inline,
            ledger=NoLedger(),
            clock=clock,
            nonces=Nonces(clock, last=last_nonce),
        )
        scope = SweepScope(world.coin, frozenset([world.coin]), foreign=foreign, all_coins=False)
        self.sweep = OrderSweep(
            self.client, world.info, scope=scope, make_desk=lambda coin: make_desk(self.gateway, coin)
        )

    async def run(self, *, settled_after_s: float = 0.0, within_s: float = 26.0) -> float:
        """Sweep and return the seconds that it took."""
        began_s = trio.current_time()
        await self.sweep.run(MAKER, settled_s=began_s + settled_after_s, until_s=began_s + within_s)
        return trio.current_time() - began_s


def rest_ours(world: World, n: int = 3) -> None:
    for number in range(1, n + 1):
        cloid = encode_cloid(CloidParts(7, "buy", number, number))
        world.order("buy", str(10 + number), "5", tif="Alo", address=MAKER, cloid=cloid)


async def die_with_places_in_flight(world: World, folder: Path) -> None:
    """Run a maker whose first orders are still on their way when nothing of it lives any more."""
    world.venue.execute_late("bulk_orders")
    hanging = Hanging()
    journal = Journal.open(folder)
    with trio.CancelScope() as life:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(world.maker(journal=journal, run_sync=hanging, **ALLOCATION).run)
            await until(lambda: world.calls("bulk_orders") == 1)
            hanging.hangs = True
            life.cancel()
    journal.close()


async def read(world: World, folder: Path) -> InFlight | str:
    return await read_in_flight(folder, order_size=to_decimal("5"), wall_ms=world.now_ms(), run_sync=run_inline)


async def test_a_journal_of_the_account_leaves_none_of_a_coin_to_be_read(tmp_path: Path) -> None:
    """What the coin's own file tells is of an earlier time."""
    world = World()
    for name in ("@107", ACCOUNT_NAME):
        Journal.open(tmp_path / name).close()

    found = await read(world, tmp_path / "@107")

    assert found == f"the account's grids have one together, in {tmp_path / ACCOUNT_NAME}"


# --- In flight ----------------------------------------------------------------------------------------


async def test_what_is_in_flight_cannot_arrive_once_its_nonce_is_used_up(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    world = World(signing=True)
    await die_with_places_in_flight(world, tmp_path)
    found = await read(world, tmp_path)
    assert isinstance(found, InFlight)
    assert len([intent for intent in found.intents if intent.expires_s > trio.current_time()]) == 40

    sweeper = Sweeper(world, last_nonce=found.last_nonce)
    is_over = await burn_places(sweeper.gateway, found.intents)
    await sweeper.run()
    (late,) = world.venue.run_late()

    assert is_over
    assert "nonce" in late["response"]
    assert world.resting() == []


@pytest.mark.parametrize("content", [None, b"", b"garbage" * 1000])
async def test_a_journal_that_cannot_be_read_says_why(
    autojump_clock: MockClock, tmp_path: Path, content: bytes | None
) -> None:
    world = World()
    if content is not None:
        (tmp_path / JOURNAL_NAME).write_bytes(content)

    found = await read(world, tmp_path)

    assert isinstance(found, str)
    assert found


async def test_a_burn_without_an_answer_proves_nothing(autojump_clock: MockClock, tmp_path: Path) -> None:
    world = World(signing=True)
    await die_with_places_in_flight(world, tmp_path)
    found = await read(world, tmp_path)
    assert isinstance(found, InFlight)
    for _ in range(100):
        world.venue.fail_next("noop", TimeoutError("no answer"), applied=False)

    sweeper = Sweeper(world, last_nonce=found.last_nonce)

    assert not await burn_places(sweeper.gateway, found.intents)


async def test_what_arrives_within_its_life_is_found_and_cancelled(autojump_clock: MockClock) -> None:
    world = World(signing=True)
    sweeper = Sweeper(world)

    async def arrive() -> None:
        await trio.sleep(9)
        rest_ours(world)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(arrive)
        took_s = await sweeper.run(settled_after_s=LIFE_S)

    assert (world.resting(), sweeper.sweep.unverified, sweeper.sweep.n_cancelled) == ([], None, 3)
    assert took_s >= LIFE_S


# --- Looks and cancels --------------------------------------------------------------------------------


async def test_two_looks_a_second_apart_prove_it(autojump_clock: MockClock) -> None:
    world = World(signing=True)
    rest_ours(world)
    sweeper = Sweeper(world)

    took_s = await sweeper.run()

    assert (world.resting(), sweeper.sweep.targets, sweeper.sweep.unverified) == ([], (), None)
    assert world.calls("open_orders") == 3
    assert 1.0 <= took_s < 2.0


async def test_a_look_that_fails_begins_the_proof_anew(autojump_clock: MockClock) -> None:
    world = World(signing=True)
    world.venue.garble_next("open_orders", lambda rows: rows)
    world.venue.fail_next("open_orders", ConnectionError("reset"), applied=False)
    sweeper = Sweeper(world)

    await sweeper.run()

    assert (world.calls("open_orders"), sweeper.sweep.unverified) == (4, None)


async def test_without_any_look_nothing_is_known(autojump_clock: MockClock) -> None:
    world = World(signing=True)
    for _ in range(100):
        world.venue.fail_next("open_orders", ConnectionError("reset"), applied=False)
    sweeper = Sweeper(world)

    await sweeper.run()

    assert sweeper.sweep.targets is None
    assert sweeper.sweep.unverified is not None


async def test_a_nonce_that_another_took_first_is_replaced_at_once(autojump_clock: MockClock) -> None:
    world = World(signing=True)
    rest_ours(world)
    world.venue.answer_next("bulk_cancel", DUPLICATE)
    sweeper = Sweeper(world)

    await sweeper.run()

    assert (world.resting(), world.calls("bulk_cancel"), sweeper.sweep.n_cancelled) == ([], 2, 3)


async def test_orders_that_another_hand_cancelled_first_are_told_apart(autojump_clock: MockClock) -> None:
    world = World(signing=True)
    rest_ours(world)
    gone = world.resting()[0].oid

    def cancel_after(rows: list[Any]) -> list[Any]:
        world.cancel(gone)
        return rows

    world.venue.garble_next("open_orders", cancel_after)
    sweeper = Sweeper(world)

    await sweeper.run()

    assert (sweeper.sweep.n_cancelled, sweeper.sweep.n_ended) == (2, 1)


async def test_a_row_that_cannot_be_read_keeps_no_other_from_being_cancelled(autojump_clock: MockClock) -> None:
    """And it is no proof either."""
    world = World(signing=True)
    rest_ours(world)

    def add_garbage(rows: list[Any]) -> list[Any]:
        return [*rows, GARBAGE_ROW]

    for _ in range(100):
        world.venue.garble_next("open_orders", add_garbage)
    sweeper = Sweeper(world)

    await sweeper.run()

    assert world.resting() == []
    assert sweeper.sweep.unverified is not None


@pytest.mark.parametrize("foreign", [False, True])
async def test_orders_of_others_go_only_where_that_is_asked_for(autojump_clock: MockClock, foreign: bool) -> None:
    world = World(signing=True)
    rest_ours(world)
    world.order("buy", "9", "5", tif="Alo", address=MAKER)
    sweeper = Sweeper(world, foreign=foreign)

    await sweeper.run()

    assert len(world.resting()) == (0 if foreign else 1)
    assert len(sweeper.sweep.left_alone) == (0 if foreign else 1)


async def test_cancels_that_are_never_answered_end_in_time_with_every_order(autojump_clock: MockClock) -> None:
    world = World(signing=True)
    rest_ours(world)
    for _ in range(100):
        world.venue.fail_next("bulk_cancel", TimeoutError("no answer"), applied=False)
    sweeper = Sweeper(world)

    took_s = await sweeper.run()

    assert sweeper.sweep.targets is not None
    assert [row.price for row in sweeper.sweep.targets] == [order.price for order in world.resting()]
    assert took_s <= 26.0 + 6.0

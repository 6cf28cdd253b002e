"""Contract 1, 2.4 and 2.7: bad names and messages, reaction to fills, reproducible runs."""

from __future__ import annotations

import logging
import random
from typing import Any

import pytest
import trio
from builders import ALLOCATION, COIN, EPOCH_MS, MAKER, World, booked, until
from trio.testing import MockClock

CANCEL_ERROR = {"status": "err", "response": "Something broke"}


@pytest.mark.parametrize("coin", ["@9999", "GONE/USDC", "hype", ""])
async def test_an_unknown_coin_is_a_value_error_that_names_it(autojump_clock: MockClock, coin: str) -> None:
    world = World()

    with pytest.raises(ValueError, match=repr(coin)):
        await world.maker(coin=coin).run()

    assert [method for method, _ in world.venue.calls] == ["spot_meta"]


# --- messages that cannot be read -----------------------------------------------------------------


@pytest.mark.parametrize(
    "channel, data",
    [
        ("orderUpdates", None),
        ("orderUpdates", {}),
        ("orderUpdates", [None, 5, {"order": {}}, {"order": {"coin": COIN, "oid": "x"}, "status": "open"}]),
        ("userFills", {"user": MAKER}),
        ("userFills", {"user": MAKER, "fills": None}),
        ("userFills", {"user": MAKER, "fills": [{"coin": COIN, "px": "NaN"}, "text"]}),
        ("webData2", {"user": MAKER, "spotState": {"balances": "none"}}),
        ("webData2", {"user": MAKER, "spotState": {"balances": [{"coin": "HYPE", "token": 150}]}}),
    ],
)
async def test_an_unreadable_message_leads_to_a_reconciliation(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture, channel: str, data: object
) -> None:
    """It is counted and logged as well."""
    world = World()
    maker = world.maker()

    async with world.running(maker):
        world.say(channel, data)
        await until(lambda: maker.stats.reconciliations == 1, within_s=2)
        errors = maker.stats.errors

    assert errors >= 1
    assert any(channel in message and "unreadable" in message for message in caplog.messages)


async def test_the_neighbours_of_a_row_that_cannot_be_read_still_count(autojump_clock: MockClock) -> None:
    world = World()
    maker = world.maker(**ALLOCATION)

    async with world.running(maker):
        world.venue.hold_frames()
        world.buy("7")
        first, second = world.info.user_fills(MAKER)
        world.say("userFills", {"user": MAKER, "fills": [first, {"coin": COIN}, second]})
        await until(lambda: maker.stats.fills == 2, within_s=0.1)
        row = world.info.open_orders(MAKER)[0]
        ended = {"order": row, "status": "canceled", "statusTimestamp": EPOCH_MS}
        world.say("orderUpdates", [{"order": None}, ended])
        await until(lambda: maker.order_state.find(row["oid"]) is None, within_s=0.1)

    assert booked(maker) == world.ledger(100, 5000)


# --- the rest of section 1 ------------------------------------------------------------------------


async def test_a_fill_is_answered_within_a_fifth_of_a_second(autojump_clock: MockClock) -> None:
    """With the widest pause between two ticks and a network of 20 ms each way."""
    world = World()

    async def run_sync(fn: Any, *args: Any, **options: Any) -> Any:
        await trio.sleep(0.02)
        try:
            return fn(*args)
        finally:
            await trio.sleep(0.02)

    maker = world.maker(requote_on_fill=True, interval_s=60, run_sync=run_sync)
    took_s: list[float] = []
    async with world.running(maker):
        for level in (20, 21, 22, 23):
            await trio.sleep(1)
            world.buy("5")
            filled_s = trio.current_time()
            await until(lambda level=level: ("buy", level) in world.book_of(maker), within_s=1)  # type: ignore[misc]
            took_s.append(trio.current_time() - filled_s)

    assert max(took_s) < 0.2


async def test_without_requote_on_fill_a_fill_waits_for_its_tick(autojump_clock: MockClock) -> None:
    world = World()
    maker = world.maker(interval_s=60)

    async with world.running(maker):
        world.buy("5")
        await trio.sleep(50)
        early = ("buy", 20) in world.book_of(maker)
        await trio.sleep(11)
        late = ("buy", 20) in world.book_of(maker)

    assert (early, late) == (False, True)


async def test_ticks_woken_by_fills_do_not_bring_reconciliations_closer(autojump_clock: MockClock) -> None:
    world = World()
    maker = world.maker(requote_on_fill=True)

    async with world.running(maker):
        for _ in range(50):
            world.buy("0.5")
            await trio.sleep(1)
        ticks, reconciliations = maker.stats.ticks, maker.stats.reconciliations

    assert ticks > 50
    assert reconciliations == 0


async def test_one_seed_gives_one_run(autojump_clock: MockClock, caplog: pytest.LogCaptureFixture) -> None:
    histories = []
    for _ in range(2):
        world = World()
        rng = random.Random(3)
        maker = world.maker(rng=random.Random(5), requote_on_fill=True)
        async with world.running(maker):
            for i in range(60):
                (world.buy if rng.random() < 0.5 else world.sell)(str(rng.randint(1, 9)))
                if i == 30:
                    world.venue.drop_feed()
                await trio.sleep(rng.random() * 4)
        histories.append([(r.oid, r.cloid, r.price, r.size, r.status) for r in world.exchange.records(MAKER)])

    assert histories[0] == histories[1]
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]

"""Contract 2.3 and 2.9: fills move the ledger at once, balances check it."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import trio
from builders import ALLOCATION, MAKER, Spy, World, booked, dec, until
from trio.testing import MockClock

from mm_trio.sandbox.model.commands import NewOrder, PlaceOrders
from mm_trio.state.inventory import BalanceVerdict


def balances(token: str, usdc: str) -> dict[str, Any]:
    """The venue's answer to a question for balances, with these totals."""
    return {
        "balances": [
            {"coin": "USDC", "token": 0, "total": usdc, "hold": "0.0", "entryNtl": "0.0"},
            {"coin": "HYPE", "token": 150, "total": token, "hold": "0.0", "entryNtl": "0.0"},
        ]
    }


def adoptions(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [message for message in caplog.messages if "balance changed without a fill of ours" in message]


@pytest.mark.parametrize("web_data2, within_s", [(True, 10), (False, 70)])
async def test_a_deposit_is_quoted_whether_webdata2_is_served_or_refused(
    autojump_clock: MockClock, web_data2: bool, within_s: float
) -> None:
    world = World(web_data2=web_data2)
    maker = world.maker()

    async with world.running(maker):
        world.fund(MAKER, "10", 0)
        await until(lambda: world.levels(maker, "sell")[0] == 18, within_s=within_s)

    assert maker.stats.errors == 0


@pytest.mark.parametrize("key", ["spotBalances", "balances"])
async def test_other_shapes_of_webdata2_are_read(autojump_clock: MockClock, key: str, spy: Spy) -> None:
    world = World()
    maker = world.maker()
    told = spy(maker.inventory, "on_balance_update")

    async with world.running(maker):
        told.clear()
        world.say("webData2", {"user": MAKER, key: balances("110", "5000")["balances"]})
        await until(lambda: told)

    assert told[0].args == (110, 5000)


async def test_a_webdata2_without_balances_changes_nothing(autojump_clock: MockClock, spy: Spy) -> None:
    world = World()
    maker = world.maker()
    told = spy(maker.inventory, "on_balance_update")

    async with world.running(maker):
        told.clear()
        world.say("webData2", {"user": MAKER, "serverTime": 1})
        await trio.sleep(1)
        n_told = len(told)

    assert (n_told, maker.stats.errors) == (0, 0)


async def test_the_rebate_of_a_filled_bid_is_booked_in_quote(autojump_clock: MockClock) -> None:
    world = World(maker_fee="-0.00001")
    maker = world.maker(**ALLOCATION)

    async with world.running(maker):
        world.sell("3")
        await until(lambda: maker.stats.fills)

    (fill,) = world.fills()
    assert (fill.is_buy, fill.fee_token) == (True, "USDC")
    assert booked(maker) == (dec("103"), 5000 - 3 * fill.price - fill.fee)


async def test_a_fill_moves_what_is_offered_before_any_balance_is_read(autojump_clock: MockClock) -> None:
    world = World()
    maker = world.maker()

    async with world.running(maker):
        asked = world.calls("spot_user_state")
        world.buy("5")
        world.sell("3")
        await until(lambda: maker.stats.fills == 2)
        effective = maker.inventory.effective_token, maker.inventory.effective_usdc
        asked_since = world.calls("spot_user_state") - asked

    assert effective == world.totals()
    assert asked_since == 0


async def test_a_balance_that_lacks_a_fill_does_not_undo_it(autojump_clock: MockClock) -> None:
    """A replica behind the socket says what was before the fill: the sold level must not be offered again."""
    world = World()
    maker = world.maker(reconcile_every=1)
    world.guard(maker)

    async with world.running(maker):
        world.buy("5")
        await until(lambda: maker.stats.fills == 1)
        asked = world.calls("spot_user_state")
        world.venue.answer_next("spot_user_state", balances("100", "5000"))
        await until(lambda: world.calls("spot_user_state") > asked)
        await trio.sleep(10)
        offered, book = maker.inventory.effective_token, world.book_of(maker)

    assert offered == 95
    assert book["buy", 20] == 5


async def test_a_balance_that_holds_a_fill_still_to_be_told_does_not_count_it_twice(
    autojump_clock: MockClock,
) -> None:
    world = World()
    maker = world.maker(reconcile_every=1)
    world.guard(maker)

    async with world.running(maker):
        world.venue.answer_next("spot_user_state", balances("95", "5106"))  # its fill comes only after
        await trio.sleep(0.1)
        world.buy("5")
        await trio.sleep(10)
        offered = maker.inventory.effective_token, maker.inventory.effective_usdc
        asks = world.levels(maker, "sell")

    assert offered == world.totals()
    assert asks[0] == 21


async def test_a_transfer_is_taken_over_by_the_second_poll(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture, spy: Spy
) -> None:
    """The second poll follows two seconds after the first. There is one warning."""
    world = World()
    maker = world.maker(interval_s=1, reconcile_every=5)
    told = spy(maker.inventory, "on_balance_update")
    asked_s: list[float] = []

    async with world.running(maker):
        await trio.sleep(1)
        told.clear()
        world.fund(MAKER, "10", "7")
        await until(lambda: told)
        asked_s.append(trio.current_time())
        first = maker.inventory.account_token
        await until(lambda: maker.inventory.account_token == 110)
        asked_s.append(trio.current_time())
        await trio.sleep(30)
        warnings = adoptions(caplog)

    assert first == 100
    assert asked_s[1] - asked_s[0] >= 1.99
    assert [call.result.verdict for call in told[:2]] == [BalanceVerdict.ASK_AGAIN, BalanceVerdict.ADOPTED]
    assert len(warnings) == 1
    assert "base=+10" in warnings[0]
    assert "quote=+7" in warnings[0]


async def test_two_looks_within_two_seconds_count_as_one(autojump_clock: MockClock) -> None:
    """Two deposits of one instant are pushed one after the other."""
    world = World(web_data2=True)
    maker = world.maker()

    async with world.running(maker):
        await trio.sleep(5)
        world.fund(MAKER, "10", "7")
        await trio.sleep(1.9)
        early = maker.inventory.account_token
        await trio.sleep(1)
        late = maker.inventory.account_token

    assert (early, late) == (dec(100), dec(110))


async def test_no_balance_is_taken_over_while_fills_keep_coming(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    world = World()
    maker = world.maker(interval_s=1, reconcile_every=2)

    async with world.running(maker):
        world.fund(MAKER, "10", 0)
        for i in range(30):
            (world.buy if i % 2 else world.sell)("1")
            await trio.sleep(1)
        busy = len(adoptions(caplog))
        await until(lambda: adoptions(caplog))
        await trio.sleep(3)
        account = maker.inventory.account_token, maker.inventory.account_usdc

    assert busy == 0
    assert account == world.totals()


async def test_no_balance_is_taken_over_while_an_order_is_in_doubt(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    world = World()
    maker = world.maker(interval_s=1, reconcile_every=2)

    async with world.running(maker):
        await trio.sleep(5)
        world.venue.fail_next("bulk_orders", TimeoutError("answer lost"), applied=False)
        world.buy("5")
        await until(lambda: maker.order_state.get_doubts())
        world.fund(MAKER, "10", 0)
        taken_over_in_doubt = []
        while maker.order_state.get_doubts():
            await trio.sleep(0.1)
            taken_over_in_doubt += adoptions(caplog) if maker.order_state.get_doubts() else []
        await until(lambda: maker.inventory.account_token == 105)

    assert taken_over_in_doubt == []


async def test_with_an_allocation_a_deposit_adds_nothing_and_a_withdrawal_caps(autojump_clock: MockClock) -> None:
    world = World(token="200")
    maker = world.maker(allocated_token=50, allocated_usdc=1000, reconcile_every=2)

    async with world.running(maker):
        start = world.levels(maker, "sell")
        world.fund(MAKER, "100", 0)
        await trio.sleep(20)
        richer = world.levels(maker, "sell")
        world.withdraw(MAKER, "250")
        world.buy("50")  # all that is offered, and all there is
        await trio.sleep(20)
        poorer = maker.inventory.effective_token, maker.inventory.virtual_token

    assert start == richer == list(range(30, 40))
    assert poorer == (dec(0), dec(0))


async def test_a_withdrawal_of_offered_tokens_is_noticed_and_quoted(autojump_clock: MockClock) -> None:
    """Half the tokens are not offered in this window, so they can leave the account at any time."""
    world = World()
    maker = world.maker(active_levels=5, reconcile_every=2)

    async with world.running(maker):
        world.withdraw(MAKER, "50")
        await until(lambda: world.levels(maker, "sell")[0] == 30)
        book = world.levels(maker, "buy")

    assert book[-1] == 29


async def test_an_order_not_ours_holds_what_we_may_not_offer(autojump_clock: MockClock) -> None:
    """Another pair of the same tokens, and another hand on our own pair."""
    world = World()
    world.order("sell", "30", "4", tif="Alo", address=MAKER)
    elsewhere = NewOrder(10_207, False, dec(30), dec(6), "Alo")
    world.gateway.apply(PlaceOrders(MAKER, (elsewhere,)))
    maker = world.maker(foreign_orders="keep")

    async with world.running(maker):
        offered = maker.inventory.effective_token
        asked = sum(order.size for order in world.resting() if not order.is_buy and order.cloid is not None)

    assert offered == 100 - 4 - 6
    assert asked == 90


async def test_each_fill_is_one_line_in_the_log(autojump_clock: MockClock, caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    maker = world.maker()

    with caplog.at_level(logging.INFO, logger="mm_trio"):
        async with world.running(maker):
            world.buy("7")
            await until(lambda: maker.stats.fills == 2)

    lines = [message for message in caplog.messages if message.startswith("fill ")]
    assert len(lines) == 2
    assert "side=sell level=20" in lines[0]
    assert "full=True" in lines[0]
    assert "full=False" in lines[1]

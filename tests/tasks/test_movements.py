"""Whole makers: what moved the account is in the journal by its cause, and the sum is what the account holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
from builders import ALLOCATION, MAKER, TAKER, World, dec, until
from trio.testing import MockClock

from mm_trio.engine.ws_state import WsState
from mm_trio.journal.ledger_sums import read_ledger
from mm_trio.journal.sqlite_journal import Journal
from mm_trio.model.journal_entries import Accounted, Adjusted, Began, Checkpoint, Entry, Moved
from mm_trio.sandbox.model.commands import ConvertDust, Deposit, HoldElsewhere, NewOrder, PlaceOrders
from mm_trio.sandbox.model.markets import DEFAULT_MARKETS

# A reconciliation that sees a difference, and those that follow.
LOOKS_S = 80
PURR = "PURR/USDC"
LISTED = "user_non_funding_ledger_updates"


class Plain:
    """A client with the methods of another one, whose class promises none of them."""

    def __init__(self, info: object) -> None:
        self._info = info

    def __getattr__(self, name: str) -> Any:
        return getattr(self._info, name)


def lose(world: World, usdc: str) -> None:
    """Take quote from the maker's account; the venue never tells why."""
    world.withdraw(MAKER, 0, usdc)
    for _ in range(20):
        world.venue.garble_next(LISTED, lambda rows: rows[:-1])


def fail(world: World, method: str, *, times: int = 1) -> None:
    for _ in range(times):
        world.venue.fail_next(method, TimeoutError("no answer in time"), applied=False)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = Journal.open(tmp_path / "ledger")
    yield opened
    opened.close()


def maker_of(world: World, journal: Journal, **changed: Any) -> WsState:
    return world.maker(journal=journal, foreign_orders="keep", **ALLOCATION | changed)


def entries(journal: Journal) -> list[Entry]:
    return [row.entry for row in journal.read(since_checkpoint=False)]


def told(journal: Journal) -> list[tuple[str, Decimal, Decimal]]:
    """What moved the account since the first balance: cause and amounts."""
    found = [entry for entry in entries(journal) if isinstance(entry, Moved | Adjusted)][1:]
    return [(entry.kind if isinstance(entry, Moved) else "unexplained", entry.token, entry.usdc) for entry in found]


async def move(world: World, maker: WsState, act: Callable[[], object], *, wait_s: float = LOOKS_S) -> None:
    """Let a maker run, move its account by hand, and let it see that."""
    async with world.running(maker):
        await trio.sleep(5)
        act()
        await trio.sleep(wait_s)


@pytest.mark.parametrize(
    "token, usdc, moved",
    [
        ("10", "0", [("transfer", dec(10), dec(0))]),
        ("0", "250.5", [("deposit", dec(0), dec("250.5"))]),
        ("10", "250.5", [("transfer", dec(10), dec(0)), ("deposit", dec(0), dec("250.5"))]),
    ],
)
async def test_what_is_paid_in_is_recorded_by_its_cause(
    autojump_clock: MockClock, journal: Journal, token: str, usdc: str, moved: list[Any]
) -> None:
    world = World()

    await move(world, maker_of(world, journal), lambda: world.fund(MAKER, token, usdc))

    assert told(journal) == moved


@pytest.mark.parametrize(
    "token, usdc, moved", [("3", "0", ("transfer", dec(-3), dec(0))), ("0", "40", ("withdrawal", dec(0), dec(-40)))]
)
async def test_what_is_taken_out_is_recorded_by_its_cause(
    autojump_clock: MockClock, journal: Journal, token: str, usdc: str, moved: Any
) -> None:
    world = World()

    await move(world, maker_of(world, journal, allocated_token=50), lambda: world.withdraw(MAKER, token, usdc))

    assert told(journal) == [moved]


async def test_a_reason_behind_full_pages_is_found_at_once(autojump_clock: MockClock, journal: Journal) -> None:
    """An account of many movements: what the venue lists first is older, and fills pages."""
    world = World()

    def fill_page(before_ms: int, rows: Any) -> Any:
        delta = {"type": "vaultDeposit"}
        first_ms = rows[-1]["time"] - before_ms
        return [{"time": first_ms + n, "hash": f"0x{first_ms + n:064x}", "delta": delta} for n in range(500)]

    def pay_in() -> None:
        world.fund(MAKER, "10", "0")
        for before_ms in range(3_000, 0, -500):
            world.venue.garble_next(LISTED, partial(fill_page, before_ms))

    await move(world, maker_of(world, journal), pay_in)

    assert told(journal) == [("transfer", dec(10), dec(0))]


async def test_a_trade_by_hand_is_recorded_as_one(autojump_clock: MockClock, journal: Journal) -> None:
    world = World(maker_fee="0.0004", taker_fee="0.0007")

    def sell_by_hand() -> None:
        world.order("buy", "15", "3", tif="Gtc")
        world.order("sell", "15", "3", address=MAKER)

    await move(world, maker_of(world, journal, allocated_token=50, allocated_usdc=0), sell_by_hand)

    assert told(journal) == [("hand trade", dec(-3), dec("44.9685"))]


async def test_a_trade_of_another_pair_is_recorded_too(autojump_clock: MockClock, journal: Journal) -> None:
    world = World()
    asset = DEFAULT_MARKETS.pair(PURR).asset

    def buy_purr() -> None:
        world.gateway.apply(PlaceOrders(TAKER, (NewOrder(asset, False, dec("0.5"), dec(100), "Gtc", None),)))
        world.gateway.apply(PlaceOrders(MAKER, (NewOrder(asset, True, dec("0.5"), dec(100), "Ioc", None),)))

    world.gateway.apply(Deposit(TAKER, DEFAULT_MARKETS.pair(PURR).base.index, dec(1000)))
    await move(world, maker_of(world, journal), buy_purr)

    assert told(journal) == [("hand trade", dec(0), dec(-50))]


async def test_what_an_order_by_hand_holds_is_recorded_and_given_back(
    autojump_clock: MockClock, journal: Journal
) -> None:
    world = World()
    maker = maker_of(world, journal)

    async with world.running(maker):
        world.order("buy", "15", "2", tif="Gtc", address=MAKER)
        await trio.sleep(LOOKS_S)
        world.cancel(*[order.oid for order in world.resting() if order.price == 15])
        await trio.sleep(LOOKS_S)

    assert told(journal) == [("foreign hold", dec(0), dec(-30)), ("foreign hold", dec(0), dec(30))]


async def test_margin_is_recorded_as_a_hold(autojump_clock: MockClock, journal: Journal) -> None:
    world = World()

    await move(world, maker_of(world, journal), lambda: world.gateway.apply(HoldElsewhere(MAKER, 0, dec(120))))

    assert told(journal) == [("foreign hold", dec(0), dec(-120))]


async def test_a_loss_that_nothing_tells_is_unexplained(autojump_clock: MockClock, journal: Journal) -> None:
    world = World()

    await move(world, maker_of(world, journal), lambda: lose(world, "7"))

    assert told(journal) == [("unexplained", dec(0), dec(-7))]


async def test_a_deposit_while_no_maker_ran_is_explained_by_the_next(
    autojump_clock: MockClock, journal: Journal
) -> None:
    world = World()
    await move(world, maker_of(world, journal), lambda: None, wait_s=1)
    world.fund(MAKER, 0, "75")
    await trio.sleep(3600)

    await move(world, maker_of(world, journal), lambda: None)

    assert told(journal) == [("deposit", dec(0), dec(75))]


async def test_no_event_counts_again_after_a_restart(autojump_clock: MockClock, journal: Journal) -> None:
    world = World()
    await move(world, maker_of(world, journal, checkpoint_every=40), lambda: world.fund(MAKER, "10", "75"))
    await move(world, maker_of(world, journal, checkpoint_every=40), lambda: lose(world, "7"))

    assert Counter(kind for kind, *_ in told(journal)) == Counter(transfer=1, deposit=1, unexplained=1)
    checkpoints = [entry for entry in entries(journal) if isinstance(entry, Checkpoint)]
    assert any(isinstance(part, Accounted) and len(part.refs) == 2 for part in checkpoints[-1].entries)


async def test_a_question_that_fails_changes_nothing_but_the_cause(autojump_clock: MockClock, journal: Journal) -> None:
    world = World()
    maker = maker_of(world, journal)
    fail(world, LISTED, times=20)

    await move(world, maker, lambda: world.fund(MAKER, 0, "75"))

    assert told(journal) == [("unexplained", dec(0), dec(75))]
    assert maker.inventory.account_usdc == 5075


async def test_a_cause_told_late_takes_back_what_was_unexplained(autojump_clock: MockClock, journal: Journal) -> None:
    world = World()
    maker = maker_of(world, journal, reconcile_every=2)

    async with world.running(maker):
        fail(world, LISTED)
        world.fund(MAKER, 0, "75")
        await until(lambda: maker.inventory.account_usdc == 5075)
        await trio.sleep(LOOKS_S)

    assert told(journal) == [
        ("unexplained", dec(0), dec(75)),
        ("deposit", dec(0), dec(75)),
        ("unexplained", dec(0), dec(-75)),
    ]


async def test_a_client_that_lists_no_movements_is_not_asked(autojump_clock: MockClock, journal: Journal) -> None:
    world = World()
    maker = maker_of(world, journal, info=Plain(world.info))

    await move(world, maker, lambda: world.fund(MAKER, 0, "75"))

    assert told(journal) == [("unexplained", dec(0), dec(75))]
    assert maker.stats.errors == 0


async def test_nothing_is_asked_while_the_balances_are_equal(autojump_clock: MockClock, journal: Journal) -> None:
    world = World()

    await move(world, maker_of(world, journal), lambda: None, wait_s=300)

    assert world.calls(LISTED) == 0


async def test_a_sale_of_dust_is_recorded_as_one(autojump_clock: MockClock, journal: Journal) -> None:
    world = World(token="0.004", dust_conversion=True)
    world.order("sell", "23", "1", tif="Gtc")

    await move(world, maker_of(world, journal, allocated_token=0), lambda: world.gateway.apply(ConvertDust()))

    assert [kind for kind, *_ in told(journal)] == ["dust"]


async def test_the_audit_sums_by_cause_and_agrees(autojump_clock: MockClock, journal: Journal) -> None:
    world = World()

    def act() -> None:
        world.fund(MAKER, "10", 0)
        lose(world, "7")

    await move(world, maker_of(world, journal), act)

    known = read_ledger((row.at_ms, row.entry) for row in journal.read(since_checkpoint=False))

    assert {"first balance", "transfer", "balance changes without a fill of ours"} <= known.sums.keys()
    assert (known.ledger.account_token, known.ledger.account_usdc) == world.totals()


async def test_a_session_tells_its_venue_and_its_rates(autojump_clock: MockClock, journal: Journal) -> None:
    world = World(maker_fee="0.0003", taker_fee="0.0007")

    await move(world, maker_of(world, journal, network="sandbox"), lambda: None, wait_s=1)

    began = next(entry for entry in entries(journal) if isinstance(entry, Began))
    facts = {name: began.parameters.get(name) for name in ("network", "maker_rate", "taker_rate", "ladder")}
    assert facts == {"network": "sandbox", "maker_rate": "0.0003", "taker_rate": "0.0007", "ladder": "hip2"}
    assert began.parameters["token_id"].startswith("0x")


async def test_a_session_tells_what_else_decides_which_orders_rest(autojump_clock: MockClock, journal: Journal) -> None:
    world = World()

    await move(world, maker_of(world, journal, active_levels=4, window_slack=1), lambda: None, wait_s=1)

    began = next(entry for entry in entries(journal) if isinstance(entry, Began))
    told = {name: began.parameters.get(name) for name in ("active_levels", "window_slack", "min_notional")}
    assert told == {"active_levels": "4", "window_slack": "1", "min_notional": "10"}


async def test_other_rates_do_not_begin_another_ladder(autojump_clock: MockClock, journal: Journal) -> None:
    world = World(maker_fee="0.0003")
    first = maker_of(world, journal)
    await move(world, first, lambda: world.buy("7"), wait_s=5)
    fail(world, "user_fees")
    maker = maker_of(world, journal, network="renamed")

    await move(world, maker, lambda: None, wait_s=5)

    began = [entry for entry in entries(journal) if isinstance(entry, Began)]
    assert ["maker_rate" in entry.parameters for entry in began] == [True, False]
    assert maker.boundary_level == first.boundary_level

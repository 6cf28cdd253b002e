"""Starts at a price that nobody can have meant: refused before anything is sent or written, unless it is accepted."""

from __future__ import annotations

from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from builders import ALLOCATION, MAKER, World, booked, dec, until
from trio.testing import MockClock

from mm_trio import WsState
from mm_trio.cli.programs.start_checks import check_opening
from mm_trio.journal.sqlite_journal import Journal
from mm_trio.model.errors import ConfigError
from mm_trio.witness.opening_check import OpeningRules

BOUNDARY = 20  # of 40 levels, with 100 tokens in orders of 5


def make_maker(world: World, folder: Path, *, rules: dict[str, Any] | None = None, **changed: Any) -> WsState:
    """A maker as `run` starts it."""
    named = {"max_distance_pct": dec(1)} | {name: dec(str(value)) for name, value in (rules or {}).items()}
    return world.maker(
        **{
            "journal": Journal.open(folder),
            "info": world.venue.info(MAKER),
            "rng": None,
            "check_opening": partial(check_opening, rules=OpeningRules(**named)),
            **ALLOCATION,
            **changed,
        }
    )


def quote_around(world: World, bid: str, ask: str) -> None:
    """Others make a market."""
    world.order("buy", bid, "10", tif="Alo")
    world.order("sell", ask, "10", tif="Alo")


async def refuse(maker: WsState) -> str:
    """What the start is refused with."""
    with pytest.raises(ConfigError) as caught:
        await maker.run()
    return str(caught.value)


async def quote_once(world: World, folder: Path, **changed: Any) -> None:
    """One session that quotes from its boundary and ends."""
    async with world.running(make_maker(world, folder, **changed)):
        pass


def count_requests(world: World) -> int:
    return world.exchange.account(MAKER).n_requests


# --- first starts -----------------------------------------------------------------------------


async def test_a_first_start_far_from_the_market_sends_nothing(autojump_clock: MockClock, tmp_path: Path) -> None:
    world = World(signing=True)
    quote_around(world, "17.9", "18.1")

    fault = await refuse(make_maker(world, tmp_path))

    assert "17.57 % above the market's mid 18 (best bid 17.9, best ask 18.1, without our own orders)" in fault
    assert (count_requests(world), world.resting()) == (0, [])


async def test_a_first_start_that_is_refused_writes_nothing(autojump_clock: MockClock, tmp_path: Path) -> None:
    world = World(signing=True)
    quote_around(world, "17.9", "18.1")
    await refuse(make_maker(world, tmp_path))

    with closing(Journal.open(tmp_path)) as journal:
        assert journal.is_new


@pytest.mark.parametrize(("bid", "ask"), [(None, None), ("21.1", "21.4"), ("2", "200")])
async def test_a_first_start_within_the_market_goes_on(
    autojump_clock: MockClock, tmp_path: Path, bid: str | None, ask: str | None
) -> None:
    world = World(signing=True)
    if bid is not None and ask is not None:
        quote_around(world, bid, ask)

    async with world.running(maker := make_maker(world, tmp_path)):
        assert maker.boundary_level == BOUNDARY


async def test_a_target_that_the_tokens_cannot_meet_is_refused(autojump_clock: MockClock, tmp_path: Path) -> None:
    """125 tokens open the ladder at level 15, and 100 at level 20: 1.5 % higher."""
    world = World(signing=True)
    fault = await refuse(make_maker(world, tmp_path, rules={"target_px": "20.912"}, allocated_token=125))

    assert "target_px 20.912 cannot be met: the ladder would open at 21.225 (best bid 21.162, best ask 21.225)" in fault
    assert "needs 125 HYPE and 5000 USDC; the account holds 100 HYPE and 5000 USDC" in fault
    assert (count_requests(world), world.resting()) == (0, [])


async def test_a_target_that_can_be_met_goes_on(autojump_clock: MockClock, tmp_path: Path) -> None:
    world = World(signing=True, token="130")
    maker = make_maker(world, tmp_path, rules={"target_px": "20.912"}, allocated_token=125)

    async with world.running(maker):
        assert maker.grid.levels[maker.boundary_level or 0] == dec("20.912")


async def test_a_target_whose_bids_cannot_be_paid_is_refused(autojump_clock: MockClock, tmp_path: Path) -> None:
    world = World(signing=True, usdc="5")

    assert "holds 100 HYPE and 5 USDC" in await refuse(make_maker(world, tmp_path, rules={"target_px": "21.225"}))


async def test_an_accepted_price_goes_on(autojump_clock: MockClock, tmp_path: Path) -> None:
    world = World(signing=True)
    quote_around(world, "24.9", "25.1")

    async with world.running(maker := make_maker(world, tmp_path, rules={"accepted_px": "21.225"})):
        assert maker.boundary_level == BOUNDARY


async def test_a_mistyped_accepted_price_is_refused(autojump_clock: MockClock, tmp_path: Path) -> None:
    world = World(signing=True)

    fault = await refuse(make_maker(world, tmp_path, rules={"accepted_px": "22.125"}))

    assert fault.startswith("--accept-price 22.125 is not the price that the ladder would open at: that is 21.225 (")
    assert count_requests(world) == 0


async def test_the_start_line_tells_the_opening_prices(
    autojump_clock: MockClock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="mm_trio")
    await quote_once(World(signing=True), tmp_path)

    (line,) = [line for record in caplog.records if (line := record.getMessage()).startswith("start coin=")]
    assert " boundary=20 boundary_px=21.225 best_bid=21.162 best_ask=21.225 token=100 " in line


# --- restarts ---------------------------------------------------------------------------------


async def test_a_restart_into_a_book_of_its_own_orders_goes_on(autojump_clock: MockClock, tmp_path: Path) -> None:
    """They would be a market far away: takers sold to all bids down to level 10 while the maker was down."""
    world = World(signing=True)
    await quote_once(world, tmp_path, cancel_on_shutdown=False)
    world.sell("50")

    async with world.running(maker := make_maker(world, tmp_path)):
        assert maker.boundary_level == BOUNDARY - 10


async def test_a_restart_between_the_orders_of_others_goes_on(autojump_clock: MockClock, tmp_path: Path) -> None:
    world = World(signing=True)
    await quote_once(world, tmp_path)
    quote_around(world, "12", "40")

    async with world.running(maker := make_maker(world, tmp_path)):
        assert maker.boundary_level == BOUNDARY


async def test_a_restart_after_the_market_moved_is_refused(autojump_clock: MockClock, tmp_path: Path) -> None:
    world = World(signing=True)
    await quote_once(world, tmp_path)
    n_requests = count_requests(world)
    quote_around(world, "22.2", "22.3")

    fault = await refuse(make_maker(world, tmp_path))

    assert "open at 21.225 (best bid 21.162, best ask 21.225), 4.61 % below the market's mid 22.25" in fault
    assert "The market moved while this maker was away" in fault
    assert count_requests(world) == n_requests


async def test_a_restart_that_is_refused_leaves_no_order_behind(autojump_clock: MockClock, tmp_path: Path) -> None:
    world = World(signing=True)
    await quote_once(world, tmp_path, cancel_on_shutdown=False)
    assert len(world.resting()) == 40

    await refuse(make_maker(world, tmp_path, n_orders=60))

    assert world.resting() == []


async def test_a_restart_that_sold_out_goes_on_below_the_market(autojump_clock: MockClock, tmp_path: Path) -> None:
    world = World(signing=True)
    async with world.running(maker := make_maker(world, tmp_path)):
        world.buy("100")
        await until(lambda: maker.boundary_level == 40)
    quote_around(world, "24.9", "25.1")

    async with world.running(again := make_maker(world, tmp_path)):
        assert again.boundary_level == 40


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"n_orders": 60}, "6.12 % above the last boundary price 21.225 of this ledger: changed since are n_orders,"),
        (
            {"start_px": "200"},
            "900.00 % above the last boundary price 21.225 of this ledger: changed since are start_px,",
        ),
        (
            {"tick_size": "0.01"},
            "14.94 % above the last boundary price 21.225 of this ledger: changed since are tick_size,",
        ),
        (
            {"allocated_token": 50},
            "3.02 % above the last boundary price 21.225 of this ledger: changed since are allocation,",
        ),
    ],
)
async def test_a_changed_ladder_that_moves_the_price_is_refused(
    autojump_clock: MockClock, tmp_path: Path, changed: dict[str, Any], told: str
) -> None:
    world = World(signing=True)
    await quote_once(world, tmp_path)
    n_requests = count_requests(world)

    assert told in await refuse(make_maker(world, tmp_path, **changed))
    assert count_requests(world) == n_requests


@pytest.mark.parametrize("checkpoint_every", [1, 5000])
async def test_a_start_that_was_refused_is_refused_again(
    autojump_clock: MockClock, tmp_path: Path, checkpoint_every: int
) -> None:
    """Also where it had orders to cancel, which wrote its terms down."""
    world = World(signing=True)
    await quote_once(world, tmp_path, cancel_on_shutdown=False, checkpoint_every=checkpoint_every)
    await refuse(make_maker(world, tmp_path, n_orders=60, checkpoint_every=checkpoint_every))

    fault = await refuse(make_maker(world, tmp_path, n_orders=60, checkpoint_every=checkpoint_every))

    assert "last boundary price 21.225 of this ledger: changed since are n_orders," in fault


async def test_a_ladder_that_is_changed_back_goes_on(autojump_clock: MockClock, tmp_path: Path) -> None:
    world = World(signing=True)
    await quote_once(world, tmp_path)
    await refuse(make_maker(world, tmp_path, n_orders=60))

    async with world.running(maker := make_maker(world, tmp_path)):
        assert maker.boundary_level == BOUNDARY


async def test_a_changed_ladder_that_the_market_confirms_goes_on(autojump_clock: MockClock, tmp_path: Path) -> None:
    world = World(signing=True)
    await quote_once(world, tmp_path)
    quote_around(world, "22.5", "22.6")

    async with world.running(maker := make_maker(world, tmp_path, n_orders=60)):
        assert maker.boundary_level == 40


async def test_a_changed_ladder_that_was_accepted_goes_on(autojump_clock: MockClock, tmp_path: Path) -> None:
    world = World(signing=True)
    await quote_once(world, tmp_path)

    async with world.running(make_maker(world, tmp_path, n_orders=60, rules={"accepted_px": "22.525"})):
        pass
    async with world.running(maker := make_maker(world, tmp_path, n_orders=60)):
        assert maker.boundary_level == 40


async def test_a_transfer_between_two_sessions_counts_at_the_start(autojump_clock: MockClock, tmp_path: Path) -> None:
    """Twenty-five tokens are paid in, for a target that needs them."""
    world = World(signing=True)
    await quote_once(world, tmp_path)
    world.fund(MAKER, "25", "0")

    maker = make_maker(world, tmp_path, rules={"target_px": "20.912", "max_distance_pct": 2}, allocated_token=125)
    async with world.running(maker):
        assert maker.boundary_level == 15


async def test_a_fill_that_the_history_tells_late_is_no_transfer(autojump_clock: MockClock, tmp_path: Path) -> None:
    """The balances have it at the start, and the feed tells it before anything is placed."""
    world = World(signing=True)
    await quote_once(world, tmp_path, cancel_on_shutdown=False)
    world.buy("2")
    for _ in range(2):
        world.venue.answer_next("user_fills_by_time", [])

    async with world.running(maker := make_maker(world, tmp_path)):
        assert (maker.inventory.account_token, maker.inventory.account_usdc) == world.totals()
        assert booked(maker) == world.ledger(100, 5000)

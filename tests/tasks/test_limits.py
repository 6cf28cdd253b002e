"""Every limit of the operator: just within it the maker quotes, beyond it nothing is signed, and a halt lasts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import trio
from builders import MAKER, World, until
from trio.testing import MockClock

from mm_trio import WsState
from mm_trio.halts.standing import ACTIVE, Standing, State
from mm_trio.halts.standing_file import StandingFile, read_standing, replace_standing
from mm_trio.journal.sqlite_journal import Journal, JournalRow
from mm_trio.limits.terms import RiskLimits
from mm_trio.model.errors import Halted, JournalError, JournalGone, find_leaves
from mm_trio.model.journal_entries import Entry

ALLOTTED: dict[str, Any] = {"allocated_token": "100", "allocated_usdc": "2000", "requote_on_fill": True}


def limit(**values: Any) -> RiskLimits:
    exact: dict[str, Any] = {name: Decimal(v) if isinstance(v, str) else v for name, v in values.items()}
    return RiskLimits(**exact)


def make_maker(world: World, folder: Path, *, active_levels: int | None = None, **values: Any) -> WsState:
    return world.maker(**ALLOTTED, active_levels=active_levels, limits=limit(**values), standing=StandingFile(folder))


async def run_until_halted(maker: WsState, world: World, act: Any) -> str:
    """Run a maker, act once it quotes, and return why it halted."""

    async def run() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(maker.run)
            nursery.start_soon(world.beat_forever)
            await until(lambda: len(world.resting()) >= 10)
            await act()
            await trio.sleep(60)

    with pytest.raises(ExceptionGroup) as raised:
        await run()
    (halt,) = [leaf for leaf in find_leaves(raised.value) if isinstance(leaf, Halted)]
    return str(halt)


# --- Orders, prices, sides ----------------------------------------------------------------------------


# Forty levels from 20 on, 0.3 % apart, of 5: the innermost ask is level 20.
@pytest.mark.parametrize(
    "values, asks, bids",
    [
        ({}, 20, 20),
        ({"max_order_notional": "1000"}, 20, 20),
        ({"max_order_notional": "106.2"}, 1, 20),
        ({"price_low": "20"}, 20, 20),
        ({"price_low": "20.07"}, 20, 18),
        ({"price_high": "22.4"}, 19, 20),
        ({"max_side_notional": "2200"}, 20, 20),
        ({"max_side_notional": "1000"}, 9, 9),
    ],
)
async def test_an_order_beyond_a_limit_is_never_signed_and_all_others_rest(
    autojump_clock: MockClock, tmp_path: Path, values: dict[str, str], asks: int, bids: int
) -> None:
    world = World()
    maker = world.maker(limits=limit(**values))

    async with world.running(maker):
        signed = world.exchange.account(MAKER).n_requests
        found = len(world.levels(maker, "sell")), len(world.levels(maker, "buy"))

    assert found == (asks, bids)
    assert signed == asks + bids


async def test_a_second_refused_order_within_a_minute_ends_placing_and_cancels(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    world = World()
    maker = world.maker(limits=limit(max_order_notional="106.2"), standing=StandingFile(tmp_path))

    async with world.running(maker):
        await trio.sleep(60)
        resting, why = len(world.resting()), maker.paused_because

    assert resting == 0
    assert why is not None
    assert why.startswith("cancel_only since ")
    assert "max_order_notional" in why
    assert StandingFile(tmp_path).standing.state is State.CANCEL_ONLY


# --- Money --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("most, is_halted", [("600", False), ("500", True)])
async def test_spend_beyond_its_limit_halts_and_lasts(
    autojump_clock: MockClock, tmp_path: Path, most: str, is_halted: bool
) -> None:
    """Five bids are bought out: about 524 is paid."""
    world = World(token="100", usdc="2000")
    maker = make_maker(world, tmp_path, max_net_spend=most)

    async def sell() -> None:
        world.sell("25")

    if is_halted:
        why = await run_until_halted(maker, world, sell)
        assert "max_net_spend: 52" in why
        assert world.resting() == []
    else:
        async with world.running(maker):
            await sell()
            await trio.sleep(30)
            assert len(world.resting()) == 40
    assert (StandingFile(tmp_path).standing.state is State.HALTED) is is_halted


@pytest.mark.parametrize("n_fills, is_halted", [(5, False), (6, True)])
async def test_fills_beyond_their_limit_halt(
    autojump_clock: MockClock, tmp_path: Path, n_fills: int, is_halted: bool
) -> None:
    world = World(token="100", usdc="2000")
    maker = make_maker(world, tmp_path, max_fills_per_minute=5)

    async def trade() -> None:
        for _ in range(n_fills):
            world.sell("1")

    if is_halted:
        assert "max_fills_per_minute: 6" in await run_until_halted(maker, world, trade)
    else:
        async with world.running(maker):
            await trade()
            await trio.sleep(30)
            assert maker.paused_because is None


@pytest.mark.parametrize("most, is_halted", [(40, False), (39, True)])
async def test_unknown_outcomes_beyond_their_limit_halt(
    autojump_clock: MockClock, tmp_path: Path, most: int, is_halted: bool
) -> None:
    """The answer to the first forty orders is lost, and so is every look at them."""
    world = World(token="100", usdc="2000")
    world.venue.fail_next("bulk_orders", TimeoutError("no answer"), applied=False)
    for _ in range(100):
        world.venue.fail_next("query_order_by_cloid", ConnectionError("reset"), applied=False)
    maker = make_maker(world, tmp_path, max_unknown_outcomes=most)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(world.beat_forever)
        if is_halted:
            with pytest.raises(ExceptionGroup) as raised:
                await maker.run()
            (halt,) = [leaf for leaf in find_leaves(raised.value) if isinstance(leaf, Halted)]
            assert "max_unknown_outcomes: 40" in str(halt)
        else:
            nursery.start_soon(maker.run)
            await until(lambda: len(world.resting()) == 40, within_s=600)
        nursery.cancel_scope.cancel()


async def test_an_hours_actions_are_waited_for_and_halt_nothing(autojump_clock: MockClock, tmp_path: Path) -> None:
    world = World(token="100", usdc="2000")
    maker = make_maker(world, tmp_path, max_actions_per_hour=45)

    async with world.running(maker):
        for _ in range(20):
            world.sell("5")
            await trio.sleep(5)
        used = world.exchange.account(MAKER).n_requests
        await trio.sleep(3700)
        whole = len(world.resting())

    assert used <= 45
    assert whole == 40
    assert StandingFile(tmp_path).standing.state is State.ACTIVE


@pytest.mark.parametrize("fall, is_halted", [("0.9", False), ("0.5", True)])
async def test_a_loss_against_having_held_halts(
    autojump_clock: MockClock, tmp_path: Path, fall: str, is_halted: bool
) -> None:
    """Twenty-five are bought at about 21, and the middle of the book falls while nobody trades with us."""
    world = World(token="100", usdc="2000")
    maker = make_maker(world, tmp_path, max_loss_vs_hold="100", active_levels=5)
    stranger = "0x" + "c3" * 20
    world.fund(stranger, 1000, 100_000)

    async def fall_to() -> None:
        world.sell("25")
        await trio.sleep(30)
        for order in world.resting():
            world.cancel(order.oid)
        middle = Decimal("21.2") * Decimal(fall)
        world.order("buy", str(round(middle - Decimal("0.05"), 2)), "5", tif="Alo", address=stranger)
        world.order("sell", str(round(middle + Decimal("0.05"), 2)), "5", tif="Alo", address=stranger)

    if is_halted:
        assert "max_loss_vs_hold" in await run_until_halted(maker, world, fall_to)
    else:
        async with world.running(maker):
            await fall_to()
            await trio.sleep(60)
            assert maker.paused_because is None


@pytest.mark.parametrize("most, is_halted", [("150", False), ("90", True)])
async def test_the_best_moment_is_remembered_over_a_restart(
    autojump_clock: MockClock, tmp_path: Path, most: str, is_halted: bool
) -> None:
    """Twenty-five are bought at about 21, and gain about 110 by a rise that is over when the next session begins."""
    world = World(token="100", usdc="2000")
    values: dict[str, Any] = {**ALLOTTED, "active_levels": 5, "limits": limit(max_drawdown_vs_hold=most)}
    stranger = "0x" + "c3" * 20
    world.fund(stranger, 1000, 100_000)

    def move_to(middle: Decimal) -> None:
        for order in world.resting(stranger):
            world.cancel(order.oid, address=stranger)
        world.order("buy", str(round(middle - Decimal("0.05"), 2)), "5", tif="Alo", address=stranger)
        world.order("sell", str(round(middle + Decimal("0.05"), 2)), "5", tif="Alo", address=stranger)

    with closing(Journal.open(tmp_path)) as journal:
        async with world.running(world.maker(**values, journal=journal, standing=StandingFile(tmp_path))):
            world.sell("25")
            await trio.sleep(30)
            for order in world.resting():
                world.cancel(order.oid)
            move_to(Decimal("25.5"))
            await trio.sleep(30)
    move_to(Decimal("21.3"))

    with closing(Journal.open(tmp_path)) as journal:
        maker = world.maker(**values, journal=journal, standing=StandingFile(tmp_path))
        if is_halted:
            with pytest.raises(ExceptionGroup) as raised:
                async with world.running(maker):
                    await trio.sleep(60)
            assert any("max_drawdown_vs_hold" in str(leaf) for leaf in find_leaves(raised.value))
        else:
            async with world.running(maker):
                await trio.sleep(60)
                assert maker.paused_because is None
    assert (StandingFile(tmp_path).standing.state is State.HALTED) is is_halted


async def test_without_a_price_for_a_minute_nothing_new_is_placed(autojump_clock: MockClock, tmp_path: Path) -> None:
    """All bids of the market are gone, ours too."""
    world = World(token="100", usdc="0")
    maker = world.maker(
        allocated_token="100",
        allocated_usdc="0",
        limits=limit(max_loss_vs_hold="100"),
        standing=StandingFile(tmp_path),
    )

    async with trio.open_nursery() as nursery:
        nursery.start_soon(world.beat_forever)
        nursery.start_soon(maker.run)
        await trio.sleep(30)
        n_first, early = len(world.resting()), maker.paused_because
        await trio.sleep(60)
        late = maker.paused_because
        nursery.cancel_scope.cancel()

    assert (n_first, early) == (20, None)
    assert late is not None
    assert late.startswith("limit: age of the mark")
    assert StandingFile(tmp_path).standing.state is State.ACTIVE


async def test_before_a_price_was_seen_nothing_is_placed_where_one_is_needed(autojump_clock: MockClock) -> None:
    """The book is empty until somebody else quotes both sides."""
    world = World()
    maker = world.maker(limits=limit(needs_mid=True))
    stranger = "0x" + "c3" * 20
    world.fund(stranger, 1000, 100_000)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(world.beat_forever)
        nursery.start_soon(maker.run)
        await trio.sleep(60)
        early, why = world.calls("bulk_orders"), maker.paused_because
        world.order("buy", "20.5", "5", tif="Alo", address=stranger)
        world.order("sell", "21.9", "5", tif="Alo", address=stranger)
        await until(lambda: len(world.resting()) == 40)
        nursery.cancel_scope.cancel()

    assert early == 0
    assert why == "limit: mid: 0 books with two sides seen, the limit is 1"


async def test_a_price_seen_at_the_start_is_known_to_the_first_order(autojump_clock: MockClock) -> None:
    world = World()
    stranger = "0x" + "c3" * 20
    world.fund(stranger, 1000, 100_000)
    world.order("buy", "20.5", "5", tif="Alo", address=stranger)
    world.order("sell", "21.9", "5", tif="Alo", address=stranger)
    maker = world.maker(limits=limit(needs_mid=True), check_opening=lambda opening: None)

    async with world.running(maker):
        assert maker.stats.ticks == 1
        assert len(world.resting()) == 40


class Watched(StandingFile):
    """Standing that notes how many cancels had left when it was written."""

    def __init__(self, folder: Path, world: World) -> None:
        super().__init__(folder)
        self.world = world
        self.n_cancels: list[int] = []

    def tighten(self, wanted: Standing) -> Standing:
        self.n_cancels.append(self.world.calls("bulk_cancel"))
        return super().tighten(wanted)


async def test_a_halt_is_on_disk_before_anything_follows_from_it(autojump_clock: MockClock, tmp_path: Path) -> None:
    world = World(token="100", usdc="2000")
    standing = Watched(tmp_path, world)
    maker = world.maker(**ALLOTTED, limits=limit(max_fills_per_minute=1), standing=standing)

    async def trade() -> None:
        world.sell("1")
        world.sell("1")

    await run_until_halted(maker, world, trade)

    assert standing.n_cancels[0] == 0
    assert world.calls("bulk_cancel") > 0


async def test_a_halt_names_what_may_rest(autojump_clock: MockClock, tmp_path: Path) -> None:
    """No cancel is answered, so nothing proves that they are gone."""
    world = World(token="100", usdc="2000")
    maker = make_maker(world, tmp_path, max_fills_per_minute=1)

    async def trade() -> None:
        for _ in range(100):
            world.venue.fail_next("bulk_cancel", TimeoutError("no answer"), applied=False)
        world.sell("1")
        world.sell("1")

    await run_until_halted(maker, world, trade)

    assert len(world.resting()) > 0
    assert len(StandingFile(tmp_path).standing.rests) >= len(world.resting())


async def test_a_standing_that_cannot_be_written_halts_all_the_same(autojump_clock: MockClock, tmp_path: Path) -> None:
    class Full(StandingFile):
        def tighten(self, wanted: Standing) -> Standing:
            raise OSError(28, "No space left on device")

    world = World(token="100", usdc="2000")
    maker = world.maker(**ALLOTTED, limits=limit(max_fills_per_minute=1), standing=Full(tmp_path))

    async def trade() -> None:
        world.sell("1")
        world.sell("1")

    assert "max_fills_per_minute" in await run_until_halted(maker, world, trade)
    assert world.resting() == []


# --- Errors of the ledger -----------------------------------------------------------------------------


class BrokenJournal:
    """Takes commits until it is broken, and then raises the same error for each."""

    is_new = True

    def __init__(self) -> None:
        self.error: JournalError | None = None

    def read(self) -> Iterable[JournalRow]:
        return ()

    def append(self, entries: Sequence[Entry], *, at_ms: int) -> None:
        if self.error is not None:
            raise self.error

    def mark_end(self) -> None:
        pass


async def run_until_the_journal_fails(
    maker: WsState, world: World, journal: BrokenJournal, error: JournalError
) -> list[BaseException]:
    """Run a maker whose journal fails once it quotes, and return what ended it."""

    async def run() -> None:
        async with world.running(maker):
            await until(lambda: len(world.resting()) == 40)
            journal.error = error
            world.sell("2")
            await trio.sleep(60)

    with pytest.raises(ExceptionGroup) as raised:
        await run()
    return find_leaves(raised.value)


@pytest.mark.parametrize(
    "error, state",
    [
        (JournalError("the ledger cannot be used: no space left on device"), State.HALTED),
        # Every start finds that itself, until the ledger is rebuilt.
        (JournalGone("the ledger was deleted"), State.ACTIVE),
    ],
)
async def test_a_ledger_that_takes_nothing_any_more_halts_and_that_lasts(
    autojump_clock: MockClock, tmp_path: Path, error: JournalError, state: State
) -> None:
    world, standing = World(signing=True), StandingFile(tmp_path)
    journal = BrokenJournal()
    maker = world.maker(journal=journal, standing=standing)

    (cause,) = await run_until_the_journal_fails(maker, world, journal, error)

    assert (type(cause), str(cause)) == (type(error), str(error))
    assert world.resting() == []
    found = StandingFile(tmp_path).standing
    assert (found.state, found.why) == (state, str(error) if state is State.HALTED else "")


async def test_a_halt_is_on_disk_before_the_first_cancel_that_follows_from_it(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    world, journal = World(signing=True), BrokenJournal()
    maker = world.maker(journal=journal, standing=StandingFile(tmp_path))
    standings: list[State] = []

    def note_cancel() -> None:
        if journal.error is not None and len(world.resting()) < 40:
            standings.append(read_standing(tmp_path).state)

    world.gateway.checks.append(note_cancel)
    await run_until_the_journal_fails(maker, world, journal, JournalError("no space left on device"))

    assert standings
    assert set(standings) == {State.HALTED}


# --- A halt lasts -------------------------------------------------------------------------------------


async def test_a_maker_that_halted_refuses_to_start(autojump_clock: MockClock, tmp_path: Path) -> None:
    world = World()
    StandingFile(tmp_path).tighten(Standing(state=State.HALTED, why="too much was lost"))
    maker = world.maker(standing=StandingFile(tmp_path))

    with pytest.raises(Halted, match=r"too much was lost.*mm-trio resume"):
        await maker.run()

    assert maker.standing.state is State.HALTED
    assert world.exchange.account(MAKER).n_requests == 0


@pytest.mark.parametrize("state", [State.PAUSED, State.CANCEL_ONLY])
async def test_a_restart_places_nothing_until_it_is_resumed(
    autojump_clock: MockClock, tmp_path: Path, state: State
) -> None:
    world = World()
    StandingFile(tmp_path).tighten(Standing(state=state, why="by hand"))
    maker = world.maker(standing=StandingFile(tmp_path))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(world.beat_forever)
        nursery.start_soon(maker.run)
        await trio.sleep(60)
        resting, why = world.resting(), maker.paused_because
        nursery.cancel_scope.cancel()
    assert resting == []
    assert why is not None
    assert "by hand" in why

    replace_standing(tmp_path, ACTIVE)
    async with world.running(world.maker(standing=StandingFile(tmp_path))):
        assert len(world.resting()) == 40

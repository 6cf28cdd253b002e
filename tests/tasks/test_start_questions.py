"""What a start asks at once, what it asks in a row, and what it does not ask again."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import trio
from builders import ALLOCATION, World
from trio.testing import MockClock

from mm_trio.engine.asked_before import AskedBefore
from mm_trio.journal.sqlite_journal import Journal
from mm_trio.model.errors import ConfigError, VenueError
from mm_trio.model.journal_entries import Began
from mm_trio.venue.wire import parse_spot_meta
from mm_trio.witness.opening_check import Opening
from mm_trio.witness.venue_clock import VenueClock

QUESTIONS = frozenset(
    {
        *("spot_meta", "l2_snapshot", "user_fees", "user_fills_by_time", "open_orders", "spot_user_state"),
        "user_rate_limit",
    }
)
ROUND_S = 1.0


class SlowVenue:
    """A seam whose questions take a second each; the venue looks at what it answers with after `looks_s` of it."""

    def __init__(self, looks_s: Callable[[str], float] = lambda name: ROUND_S / 2) -> None:
        self.asked: list[tuple[float, str]] = []
        self._looks_s = looks_s

    async def __call__(self, fn: Callable[..., Any], *args: Any, **options: Any) -> Any:
        name: str = getattr(fn, "__name__", "")
        if name not in QUESTIONS:
            await trio.lowlevel.checkpoint()
            return fn(*args)
        self.asked.append((trio.current_time(), name))
        looks_s = self._looks_s(name)
        await trio.sleep(looks_s)
        answer = fn(*args)
        await trio.sleep(ROUND_S - looks_s)
        return answer

    def rounds(self) -> list[set[str]]:
        """Name the questions that were asked at the same time, in order."""
        moments = sorted({at_s for at_s, _ in self.asked})
        return [{name for at_s, name in self.asked if at_s == moment} for moment in moments]


def ask_before(world: World, *, rates: tuple[Decimal, Decimal] | None = None) -> AskedBefore:
    clock = VenueClock(world.now_ms, now_s=trio.current_time, compares=True)
    clock.on_answer(clock.read_clocks(), world.now_ms())
    return AskedBefore(parse_spot_meta(world.info.spot_meta()), clock, world.now_ms, rates)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = Journal.open(tmp_path)
    yield opened
    opened.close()


def accept(_opening: Opening) -> None:
    """Let any price pass."""


async def test_a_start_asks_in_three_rounds(autojump_clock: MockClock, journal: Journal) -> None:
    world, venue = World(), SlowVenue()
    maker = world.maker(
        journal=journal, run_sync=venue, check_opening=accept, asked=ask_before(world), rng=None, **ALLOCATION
    )

    async with world.running(maker):
        rounds = venue.rounds()

    assert rounds == [
        {"user_fills_by_time", "user_rate_limit", "l2_snapshot"},
        {"open_orders", "spot_user_state"},
        {"user_fills_by_time"},
    ]


async def test_a_restart_asks_in_as_many_rounds(autojump_clock: MockClock, journal: Journal) -> None:
    world, venue = World(), SlowVenue()
    async with world.running(world.maker(journal=journal, rng=None, **ALLOCATION)):
        pass
    world.venue.reopen_feed()
    maker = world.maker(journal=journal, run_sync=venue, asked=ask_before(world), rng=None, **ALLOCATION)

    async with world.running(maker):
        n_rounds = len(venue.rounds())

    assert n_rounds == 3


async def test_what_was_asked_before_is_in_the_journal(autojump_clock: MockClock, journal: Journal) -> None:
    world = World()
    asked = ask_before(world, rates=(Decimal("0.0001"), Decimal("0.0002")))

    async with world.running(world.maker(journal=journal, asked=asked, **ALLOCATION)):
        pass

    began = next(row.entry for row in journal.read(since_checkpoint=False) if isinstance(row.entry, Began))
    assert (began.parameters["maker_rate"], began.parameters["taker_rate"]) == ("0.0001", "0.0002")
    assert began.parameters["token_id"].startswith("0x")


async def test_a_coin_that_the_given_pairs_lack_is_refused_without_a_question(autojump_clock: MockClock) -> None:
    world, venue = World(), SlowVenue()
    maker = world.maker(run_sync=venue, asked=ask_before(world), coin="@9999")

    with pytest.raises(ConfigError, match="unknown coin '@9999'"):
        await maker.run()

    assert venue.asked == []


@pytest.mark.parametrize("fill_s", [n / 4 for n in range(14)])
@pytest.mark.parametrize("seed", range(4))
async def test_a_fill_at_any_moment_of_a_start_is_counted_once(
    autojump_clock: MockClock, seed: int, fill_s: float
) -> None:
    """Whichever of the questions of a round the venue looks at first."""
    world, rng = World(), random.Random(seed)
    async with world.running(world.maker(cancel_on_shutdown=False, rng=random.Random(1))):
        pass
    world.venue.reopen_feed()
    maker = world.maker(run_sync=SlowVenue(lambda name: rng.uniform(0.05, 0.95)), asked=ask_before(world))
    world.guard(maker)

    async def fill() -> None:
        await trio.sleep(fill_s)
        world.buy("7")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(fill)
        async with world.running(maker):
            await trio.sleep(30)
            account = maker.inventory.account_token, maker.inventory.account_usdc
            book = world.book_of(maker)

    assert account == world.totals()
    assert [book["buy", 20], book["sell", 21]] == [5, 3]


@pytest.mark.parametrize(
    "failing, told",
    [
        (("user_fills_by_time", "user_rate_limit", "l2_snapshot"), "user_fills_by_time"),
        (("user_rate_limit", "l2_snapshot"), "user_rate_limit"),
        (("l2_snapshot",), "l2_snapshot"),
        (("open_orders", "spot_user_state", "user_rate_limit"), "open_orders"),
        (("spot_user_state", "user_rate_limit"), "spot_user_state"),
    ],
)
async def test_of_several_failures_the_one_asked_first_in_a_row_is_told(
    autojump_clock: MockClock, failing: tuple[str, ...], told: str
) -> None:
    """As they were asked one after the other; and it is one error, not a group."""
    world = World()
    for method in failing:
        world.venue.fail_next(method, ConnectionError("down"), applied=False)
    maker = world.maker(
        run_sync=SlowVenue(lambda name: 0.9 if name == told else 0.1),
        check_opening=accept,
        asked=ask_before(world),
    )

    with pytest.raises(VenueError, match=told):
        await maker.run()


async def test_an_old_look_at_the_book_is_not_judged(autojump_clock: MockClock) -> None:
    """A start that had to wait looks again."""
    world, venue = World(), SlowVenue()
    asked, told = ask_before(world), list[Opening]()

    async def run_sync(fn: Callable[..., Any], *args: Any, **options: Any) -> Any:
        if getattr(fn, "__name__", "") == "open_orders":
            await trio.sleep(6)
            world.order("sell", "30", "10", tif="Alo")
        return await venue(fn, *args, **options)

    async with world.running(world.maker(run_sync=run_sync, check_opening=told.append, asked=asked)):
        pass

    assert [opening.market_ask for opening in told] == [30]


async def test_the_socket_is_opened_beside_the_questions(autojump_clock: MockClock) -> None:
    world, venue = World(), SlowVenue()
    world.info.disconnect_websocket()
    opened_s: list[float] = []

    def reopen_feed() -> None:
        opened_s.append(trio.current_time())
        world.venue.reopen_feed()

    began_s = trio.current_time()
    async with world.running(world.maker(run_sync=venue, reopen_feed=reopen_feed, asked=ask_before(world))):
        n_opened = len(opened_s)

    assert n_opened == 1
    assert opened_s[0] - began_s < ROUND_S


async def test_a_socket_that_does_not_open_ahead_is_opened_later(autojump_clock: MockClock) -> None:
    world, n_tried = World(), 0
    world.info.disconnect_websocket()

    def reopen_feed() -> None:
        nonlocal n_tried
        n_tried += 1
        if n_tried == 1:
            raise ConnectionError("down")
        world.venue.reopen_feed()

    async with world.running(world.maker(reopen_feed=reopen_feed, asked=ask_before(world))):
        n_resting = len(world.resting())

    assert (n_tried, n_resting) == (2, 40)

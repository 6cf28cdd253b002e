"""A maker follows a configuration that it is asked for, and answers what came of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
from account_config_kit import make_document, make_market, parse_account
from builders import MAKER, run_inline, until
from grids_kit import COINS, GridsWorld, find_sums
from trio.testing import MockClock

from mm_trio.account_config.settings import AccountLimits, AccountSettings
from mm_trio.changes.follow_changes import follow_changes, refuse_earlier
from mm_trio.config.settings import Settings
from mm_trio.engine.account_maker import AccountMaker, GridTerms
from mm_trio.halts.applied_file import note_settings, read_settings
from mm_trio.halts.change_request import ChangeAnswer, ask_for_change, give_answer, read_answer, read_wanted
from mm_trio.halts.standing import State
from mm_trio.model.errors import ConfigError


def configure(*coins: str, **strategies: dict[str, Any]) -> AccountSettings:
    """An account whose grids have 40 levels from 20; `strategies` differ, by coin without its @."""
    markets = []
    for coin in coins:
        strategy = {"start_px": "20", "n_orders": 40, "order_sz": "5"} | strategies.get(f"c{coin[1:]}", {})
        markets.append(make_market(coin, strategy=strategy, allocation={"token": "100", "usdc": "5000"}))
    return parse_account(make_document(*markets))


class Followed:
    """A maker of two grids that follows requests in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.world = GridsWorld()
        self.maker = self.world.account_maker([self.world.terms(coin) for coin in COINS[:2]])

    async def make_terms(self, settings: Settings) -> GridTerms:
        names = ("start_px", "order_sz", "n_orders")
        strategy: dict[str, Any] = {name: getattr(settings.strategy, name) for name in names}
        if strategy["order_sz"] == 1:
            raise ConfigError("order_sz 1 is too small")
        return self.world.terms(settings.market.coin, **strategy)

    @asynccontextmanager
    async def quoting(self) -> AsyncIterator[AccountMaker]:
        running = configure(*COINS[:2])
        note_settings(self.folder, running)
        async with self.world.quoting(self.maker), trio.open_nursery() as nursery:

            async def follow() -> None:
                await follow_changes(self.maker, running, folder=self.folder, make_terms=self.make_terms)

            nursery.start_soon(follow)
            await trio.sleep(5)
            yield self.maker
            nursery.cancel_scope.cancel()

    async def ask(self, wanted: AccountSettings) -> ChangeAnswer:
        digest = ask_for_change(self.folder, wanted)
        await until(lambda: (found := read_answer(self.folder)) is not None and found.digest == digest)
        answer = read_answer(self.folder)
        assert answer is not None
        assert read_wanted(self.folder) is None
        return answer


async def test_a_change_waits_for_a_start_that_is_not_heard_yet(tmp_path: Path, autojump_clock: MockClock) -> None:
    """Each grid gets its tasks once, also one that was asked for before the feeds were there."""
    followed, running = Followed(tmp_path), configure(*COINS[:2])
    world = followed.world

    async def stay_deaf(fn: Any, *words: Any, **options: Any) -> Any:
        if fn.__name__ == "subscribe" and trio.current_time() < 5:
            await trio.sleep_forever()
        return await run_inline(fn, *words)

    maker = world.account_maker([world.terms(coin) for coin in COINS[:2]], run_sync=stay_deaf)
    note_settings(tmp_path, running)
    ask_for_change(tmp_path, configure(*COINS))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(world.beat_forever)
        nursery.start_soon(maker.run)
        nursery.start_soon(partial(follow_changes, maker, running, folder=tmp_path, make_terms=followed.make_terms))
        await until(lambda: read_answer(tmp_path) is not None)
        await trio.sleep(60)

        assert list(maker.faces) == list(COINS)
        assert all(face.failure is None for face in maker.faces.values())
        assert all(world.open_of(coin) for coin in COINS)
        nursery.cancel_scope.cancel()


async def test_grids_come_change_and_go_by_one_request(tmp_path: Path, autojump_clock: MockClock) -> None:
    followed = Followed(tmp_path)
    first, second, third = COINS
    wanted = configure(second, third, c142={"start_px": "20.05", "order_sz": "4"})
    async with followed.quoting() as maker:
        answer = await followed.ask(wanted)
        await trio.sleep(10)

        assert answer.error is None
        assert answer.done == {first: "removed", second: "changed", third: "added"}
        assert list(maker.faces) == [second, third]
        assert followed.world.open_of(first) == []
        prices = {order.price for order in followed.world.open_of(second)}
        assert prices <= set(maker.faces[second].grid.levels)
        assert followed.world.open_of(third)
        assert read_settings(tmp_path) == wanted
        sums = find_sums(followed.world, maker)
        # The dollars of the grid that left are nobody's.
        assert [int(amount) for amount in sums.pop("USDC")] == [10_000, 15_000]
        assert all(ledger == exchange for ledger, exchange in sums.values())
    assert followed.world.exchange.open_orders(MAKER) == ()


async def test_what_failed_is_told_and_what_was_done_is_noted(tmp_path: Path, autojump_clock: MockClock) -> None:
    followed = Followed(tmp_path)
    first, second, third = COINS
    async with followed.quoting() as maker:
        answer = await followed.ask(configure(second, third, c151={"order_sz": "1"}))

        assert answer.error == f"{third}: order_sz 1 is too small"
        assert answer.done == {first: "removed"}
        assert list(maker.faces) == [second]
        assert read_settings(tmp_path) == configure(second)


async def test_another_account_is_refused_and_nothing_changes(tmp_path: Path, autojump_clock: MockClock) -> None:
    followed = Followed(tmp_path)
    document = make_document(make_market(COINS[0]), account={"account": "0x" + "cd" * 20})
    async with followed.quoting() as maker:
        answer = await followed.ask(parse_account(document))

        assert answer.error is not None
        assert "another account or network is another maker" in answer.error
        assert answer.done == {}
        assert list(maker.faces) == list(COINS[:2])


async def test_a_request_that_cannot_be_read_is_answered(
    tmp_path: Path, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    followed = Followed(tmp_path)
    async with followed.quoting():
        (tmp_path / "wanted.toml").write_text("[[market]\n")
        await until(lambda: read_answer(tmp_path) is not None)
        answer = read_answer(tmp_path)
    assert answer is not None
    assert "cannot be read" in (answer.error or "")
    assert not (tmp_path / "wanted.toml").exists()


async def test_a_request_to_an_earlier_maker_is_refused(tmp_path: Path) -> None:
    digest = ask_for_change(tmp_path, configure(*COINS[:2]))

    await refuse_earlier(tmp_path, configure(COINS[0]))

    answer = read_answer(tmp_path)
    assert answer is not None
    assert (answer.digest, answer.done) == (digest, {})
    assert answer.error is not None
    assert read_wanted(tmp_path) is None


async def test_a_request_that_the_start_has_followed_is_done(tmp_path: Path) -> None:
    wanted = configure(*COINS[:2])
    digest = ask_for_change(tmp_path, wanted)

    await refuse_earlier(tmp_path, wanted)

    assert read_answer(tmp_path) == ChangeAnswer(digest, {}, None)


async def test_a_request_waits_for_the_end_of_a_start(tmp_path: Path, autojump_clock: MockClock) -> None:
    followed = Followed(tmp_path)
    running, wanted = configure(*COINS[:2]), configure(COINS[0])
    ask_for_change(tmp_path, wanted)
    async with trio.open_nursery() as nursery:
        follow = partial(follow_changes, folder=tmp_path, make_terms=followed.make_terms, run_sync=run_inline)
        nursery.start_soon(follow, followed.maker, running)
        await trio.sleep(10)
        assert read_wanted(tmp_path) == wanted
        async with followed.world.quoting(followed.maker):
            await until(lambda: read_answer(tmp_path) is not None)
        nursery.cancel_scope.cancel()
    answer = read_answer(tmp_path)
    assert answer is not None
    assert answer.done == {COINS[1]: "removed"}


async def test_an_answer_that_cannot_be_written_is_written_later(tmp_path: Path, autojump_clock: MockClock) -> None:
    followed = Followed(tmp_path)
    running, wanted = configure(*COINS[:2]), configure(COINS[0])
    full_until_s = 60.0

    async def run_on_a_full_disk(fn: Any, *args: Any, **options: Any) -> Any:
        if fn.__name__ in ("note_settings", "give_answer") and trio.current_time() < full_until_s:
            raise OSError(28, "No space left on device")
        return await run_inline(fn, *args, **options)

    note_settings(tmp_path, running)
    digest = ask_for_change(tmp_path, wanted)
    async with followed.world.quoting(followed.maker), trio.open_nursery() as nursery:
        follow = partial(follow_changes, folder=tmp_path, make_terms=followed.make_terms, run_sync=run_on_a_full_disk)
        nursery.start_soon(follow, followed.maker, running)
        await trio.sleep(30)
        assert list(followed.maker.faces) == [COINS[0]]
        assert read_answer(tmp_path) is None
        await trio.sleep(60)
        assert read_answer(tmp_path) == ChangeAnswer(digest, {COINS[1]: "removed"}, None)
        assert read_settings(tmp_path) == wanted
        nursery.cancel_scope.cancel()


async def test_what_a_removed_grid_leaves_is_told_and_the_rest_is_done(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    followed = Followed(tmp_path)
    first, second, _ = COINS
    async with followed.quoting() as maker:
        followed.world.venue.freeze_reads("open_orders")
        answer = await followed.ask(configure(second, c142={"start_px": "20.05"}))
        followed.world.venue.thaw_reads()

        assert answer.done == {first: "removed", second: "changed"}
        assert answer.error is not None
        assert "orders may still rest, which are cancelled again" in answer.error
        assert read_settings(tmp_path) == configure(second, c142={"start_px": "20.05"})
        await trio.sleep(60)
        assert list(maker.faces) == [second]


async def test_a_lower_limit_of_the_account_counts_once_the_ladders_moved(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """What rests at first is above the new limit, and nobody is stopped."""
    followed = Followed(tmp_path)
    first, second, _ = COINS
    before = replace(configure(first, second), limits=AccountLimits(max_side_notional=Decimal(4_500)))
    smaller = {"order_sz": "3", "start_px": "20.03", "n_orders": 20}
    wanted = configure(first, second, c107=smaller, c142=smaller)
    wanted = replace(wanted, limits=AccountLimits(max_side_notional=Decimal(2_600)))
    async with followed.quoting() as maker:
        assert (await followed.ask(before)).error is None
        assert (await followed.ask(wanted)).error is None
        await trio.sleep(10)
        assert maker.standing.state is State.ACTIVE
        session = maker._session
        assert session is not None
        assert session.account.stops.limits.limits.max_side_notional == 2_600
        assert session.account.stops.limits.breaches.tripped == ()
        assert [len(followed.world.open_of(coin)) for coin in (first, second)] == [20, 20]


def test_an_earlier_answer_is_not_that_of_the_next_request(tmp_path: Path) -> None:
    wanted = configure(*COINS[:2])
    ask_for_change(tmp_path, wanted)
    give_answer(tmp_path, wanted, {}, "the venue was busy")
    assert read_answer(tmp_path) is not None

    ask_for_change(tmp_path, wanted)

    assert read_answer(tmp_path) is None

"""What a maker of several markets leaves for its guard, at every moment: cancels of all that rests, of every coin."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import trio
from builders import MAKER, until
from grids_kit import COINS, GridsWorld
from trio.testing import MockClock

from mm_trio.engine.account_maker import AccountMaker, GridTerms
from mm_trio.guard.cover import GuardTerms
from mm_trio.guard.heartbeat import Alive, Life, read_heartbeat, write_alive
from mm_trio.guard.signed_file import SignedCancels, read_cancels
from mm_trio.journal.sqlite_journal import Journal
from mm_trio.model.cloid import decode_cloid
from mm_trio.model.errors import ConfigError, Contradiction
from mm_trio.sandbox.inprocess.exchange import InProcessSigningExchange, SignedInProcess
from mm_trio.sandbox.model.commands import CancelByCloid

FIRST, SECOND, THIRD = COINS
CANCELS = frozenset({"bulk_cancel", "bulk_cancel_by_cloid"})


class Signed(SignedInProcess):
    """A signed action with the bytes that a guard would post."""

    @property
    def body(self) -> bytes:
        return json.dumps({"action": json.loads(self.action), "nonce": self.nonce}).encode()


class SignsAhead(InProcessSigningExchange):
    """An exchange object that signs one action several times over. Actions of some methods may not arrive."""

    deaf_to: frozenset[str] = frozenset()

    def make_copies(
        self, method: str, items: Sequence[dict[str, Any]], *, nonces: Sequence[int], expires_after: Any
    ) -> list[Signed]:
        made = self.make_action(method, items, nonce=0, expires_after=expires_after)
        values = {name: getattr(made, name) for name in ("method", "n_items", "address", "action", "expires_after")}
        return [Signed(**values, nonce=nonce) for nonce in nonces]

    def post_signed(self, signed: SignedInProcess) -> Any:
        if signed.method in self.deaf_to:
            raise ConnectionError("nobody is there")
        return super().post_signed(signed)


class Scene(GridsWorld):
    """Several markets, and a guard that reads the maker's folder.

    Whatever rests of the maker is named there by the time the venue has it.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.folder.mkdir(mode=0o700)
        signing: Any = self.sdk_exchange
        self.exchange_of_sdk = SignsAhead(self.venue, MAKER, nonces=signing._nonces)
        self.is_watched = True
        self.n_checked = 0
        self.gateway.checks.append(self.check)

    def check(self) -> None:
        ours = {row.cloid for row in self.exchange.open_orders(MAKER) if decode_cloid(row.cloid) is not None}
        if ours and self.is_watched:
            self.n_checked += 1
            assert ours <= self.read().names

    def read(self) -> SignedCancels:
        found = read_cancels(self.folder)
        assert found is not None
        return found

    def guarded(self, grids: Sequence[GridTerms] = (), **changed: Any) -> AccountMaker:
        terms = GuardTerms(
            folder=self.folder, network="sandbox", account=MAKER, coin="account", signer=MAKER, of_account=True
        )
        return self.account_maker(grids, exchange=self.exchange_of_sdk, guard=terms, **changed)

    async def watch_forever(self) -> None:
        while True:
            if self.is_watched:
                write_alive(self.folder, Alive(at_ms=0, pid=7, armed=True))
            await trio.sleep(0.5)

    @asynccontextmanager
    async def making(self, maker: AccountMaker) -> AsyncIterator[AccountMaker]:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.watch_forever)
            async with self.quoting(maker):
                yield maker
            nursery.cancel_scope.cancel()

    async def trade(self, seconds: float, *, seed: int = 1) -> None:
        """Takers come to all coins."""
        rng = random.Random(seed)
        with trio.move_on_after(seconds):
            while True:
                await trio.sleep(rng.uniform(0.1, 4))
                self.take(rng.choice(self.coins), rng.choice(["buy", "sell"]), Decimal(rng.randint(1, 120)) / 10)

    def die(self) -> None:
        """Cancel as a guard does, and leave nothing of the file undone."""
        for action in self.read().volleys[0]:
            request = json.loads(action.body)
            cancels = [(item["asset"], item["cloid"]) for item in request["action"]["cancels"]]
            self.gateway.apply(CancelByCloid(MAKER, tuple(cancels)))

    def state(self) -> Life | None:
        found = read_heartbeat(self.folder)
        return None if found is None else found.state


async def test_every_order_of_every_coin_is_covered_before_the_venue_has_it(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    scene = Scene(tmp_path / "account")
    async with scene.making(maker := scene.guarded()):
        await scene.trade(300)
        assert all(face.stats.fills > 20 for face in maker.faces.values())
        await trio.sleep(20)
        resting = {row.cloid for row in scene.exchange.open_orders(MAKER)}
        assert scene.read().names == resting
        assert scene.read().coins == tuple(sorted(COINS))
    assert scene.n_checked > 200
    assert scene.state() is Life.STOPPED
    assert scene.read().names == frozenset()


async def test_a_guard_that_comes_finds_all_that_was_placed_before(tmp_path: Path, autojump_clock: MockClock) -> None:
    scene = Scene(tmp_path / "account")
    scene.is_watched = False
    async with scene.making(scene.guarded()):
        await scene.trade(60)
        await trio.sleep(2)
        scene.is_watched = True
        await trio.sleep(1.6)
        scene.check()
        await scene.trade(60, seed=2)
    assert scene.n_checked > 50


async def test_grids_that_come_and_go_are_covered_from_first_order_to_proven_end(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    scene = Scene(tmp_path / "account")
    async with scene.making(maker := scene.guarded([scene.terms(coin) for coin in COINS[:2]])):
        await trio.sleep(5)
        await maker.add(scene.terms(THIRD))
        await scene.trade(60)
        assert scene.open_of(THIRD)
        assert await maker.remove(FIRST) == ()
        await scene.trade(30, seed=2)
        assert scene.read().coins == (SECOND, THIRD)
        assert scene.read().names == {row.cloid for row in scene.exchange.open_orders(MAKER)}
        scene.die()
        assert scene.exchange.open_orders(MAKER) == ()


async def test_orders_that_a_removed_grid_could_not_cancel_stay_covered(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    scene = Scene(tmp_path / "account")
    async with scene.making(maker := scene.guarded()):
        await trio.sleep(5)
        scene.exchange_of_sdk.deaf_to = CANCELS
        left = await maker.remove(FIRST)
        assert left
        assert {row.cloid for row in scene.open_of(FIRST)} <= scene.read().names
        scene.exchange_of_sdk.deaf_to = frozenset()
    assert scene.exchange.open_orders(MAKER) == ()


async def test_orders_of_a_grid_that_ended_alone_stay_covered(tmp_path: Path, autojump_clock: MockClock) -> None:
    scene = Scene(tmp_path / "account")
    async with scene.making(maker := scene.guarded()):
        await trio.sleep(5)
        scene.exchange_of_sdk.deaf_to = CANCELS
        assert maker._session is not None
        grid = maker._session.grids[0]
        grid.fail(Contradiction("a made up one"))
        await until(lambda: grid.left_behind)
        await trio.sleep(5)
        assert scene.open_of(FIRST)
        assert {row.cloid for row in scene.open_of(FIRST)} <= scene.read().names
        scene.exchange_of_sdk.deaf_to = frozenset()
        await until(lambda: not scene.open_of(FIRST))


@asynccontextmanager
async def leaving_one_out(scene: Scene, tmp_path: Path) -> AsyncIterator[None]:
    """A session without the first coin, after one that left its orders; they could not be cancelled at the start."""
    journal = Journal.open(tmp_path / "journal")
    async with scene.making(scene.guarded([scene.terms(c, cancel_on_shutdown=False) for c in COINS], journal=journal)):
        await trio.sleep(5)
    journal.close()
    assert all(scene.open_of(coin) for coin in COINS)
    assert scene.state() is Life.LEFT
    scene.exchange_of_sdk.deaf_to = CANCELS
    journal = Journal.open(tmp_path / "journal")
    async with scene.making(scene.guarded([scene.terms(coin) for coin in COINS[1:]], journal=journal)):
        scene.exchange_of_sdk.deaf_to = frozenset()
        yield
    journal.close()


async def test_orders_of_a_coin_that_is_not_listed_any_more_are_covered_until_they_are_gone(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    scene = Scene(tmp_path / "account")
    async with leaving_one_out(scene, tmp_path):
        await trio.sleep(5)
        left = {row.cloid for row in scene.open_of(FIRST)}
        assert left
        assert left < scene.read().names
        assert scene.read().coins == tuple(sorted(COINS))
        await trio.sleep(40)
        assert scene.open_of(FIRST) == []
        assert scene.read().coins == (SECOND, THIRD)
        assert scene.read().names == {row.cloid for row in scene.exchange.open_orders(MAKER)}
    assert scene.state() is Life.STOPPED


async def test_an_end_cancels_what_rests_of_a_coin_that_is_not_listed(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    scene = Scene(tmp_path / "account")
    async with leaving_one_out(scene, tmp_path):
        assert scene.open_of(FIRST)
    assert scene.exchange.open_orders(MAKER) == ()


async def test_an_end_is_not_told_while_orders_of_a_coin_that_is_not_listed_rest(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """The guard takes the heartbeat that stays for silence, and cancels them."""
    scene = Scene(tmp_path / "account")
    async with leaving_one_out(scene, tmp_path):
        scene.exchange_of_sdk.deaf_to = CANCELS
    assert scene.open_of(FIRST)
    assert scene.state() is Life.RUNNING
    scene.exchange_of_sdk.deaf_to = frozenset()
    scene.die()
    assert scene.exchange.open_orders(MAKER) == ()


async def test_a_refused_start_beside_a_new_grid_tells_that_nothing_rests(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """The new grid has placed nothing, so that its guard has nothing to do."""
    scene = Scene(tmp_path / "account")
    journal = Journal.open(tmp_path / "journal")
    async with scene.making(scene.guarded([scene.terms(coin) for coin in COINS[:2]], journal=journal)):
        await trio.sleep(5)
    journal.close()
    journal = Journal.open(tmp_path / "journal")
    new = scene.terms(THIRD, allocated_usdc=7_000)
    refused = scene.guarded([*(scene.terms(coin) for coin in COINS[:2]), new], journal=journal)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(scene.watch_forever)
        with pytest.raises(ConfigError, match="sum up to"):
            await refused.run()
        nursery.cancel_scope.cancel()
    journal.close()

    assert scene.state() is Life.STOPPED


def test_a_signed_action_of_the_kit_is_read_as_one() -> None:
    signed = Signed(method="noop", n_items=1, address=MAKER, action='{"type":"noop"}', nonce=3, expires_after=1)

    assert json.loads(replace(signed, nonce=4).body) == {"action": {"type": "noop"}, "nonce": 4}

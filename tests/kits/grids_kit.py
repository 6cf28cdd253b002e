"""A world whose maker has several grids on one account."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import trio
from builders import MAKER, TAKER, World, dec, in_steps, run_inline, until

from mm_trio import WsState
from mm_trio.engine.account_maker import AccountMaker, GridTerms
from mm_trio.halts.standing import State
from mm_trio.sandbox.model.commands import Deposit, NewOrder, OrderRecord, PlaceOrders, Withdraw
from mm_trio.sandbox.model.markets import DEFAULT_MARKETS

COINS = ("@107", "@142", "@151")


class GridsWorld(World):
    """The exchange with several pairs; the account has 5,000 USDC a pair, and 100 of each base."""

    def __init__(self, coins: Sequence[str] = COINS, *, usdc: str | int = 5_000, **options: Any) -> None:
        super().__init__(coin=coins[0], token=100, usdc=int(usdc) * len(coins), signing=True, **options)
        self.coins = tuple(coins)
        for coin in coins[1:]:
            pair = DEFAULT_MARKETS.pair(coin)
            self.gateway.apply(Deposit(MAKER, pair.base.index, dec(100)))
            self.gateway.apply(Deposit(TAKER, pair.base.index, dec(1_000_000)))

    def terms(self, coin: str, **changed: Any) -> GridTerms:
        """Terms of one grid: 40 levels from 20, orders of 5, 100 tokens and 5,000 USDC allotted."""
        own = {
            name: changed.pop(name) for name in ("limits", "standing", "check_opening", "recorder") if name in changed
        }
        settings = self.maker(coin=coin, **{"allocated_token": 100, "allocated_usdc": 5_000} | changed).settings
        return GridTerms(settings=settings, **own)

    def account_maker(self, grids: Sequence[GridTerms] = (), **changed: Any) -> AccountMaker:
        parameters: dict[str, Any] = {
            "info": self.info,
            "exchange": self.sdk_exchange,
            "address": MAKER,
            "run_sync": run_inline,
            "reopen_feed": self.venue.reopen_feed,
            "wall_ms": self.now_ms,
            "rng": random.Random(7),
        } | changed
        parameters["run_sync"] = in_steps(parameters["run_sync"])
        return AccountMaker(grids or [self.terms(coin) for coin in self.coins], **parameters)

    @asynccontextmanager
    async def quoting(self, maker: AccountMaker) -> AsyncIterator[AccountMaker]:
        """The maker runs inside, and has left when this returns."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.beat_forever)
            finished = trio.Event()

            async def run() -> None:
                try:
                    await maker.run()
                finally:
                    finished.set()

            nursery.start_soon(run)
            started = [face for face in maker.faces.values() if face.standing.state is not State.HALTED]
            await until(lambda: all(face.stats.ticks > 0 or face.failure for face in started))
            yield maker
            nursery.cancel_scope.cancel()
        assert finished.is_set()

    def take(self, coin: str, side: str, size: str | Decimal) -> None:
        """A taker trades with what rests."""
        pair, book = DEFAULT_MARKETS.pair(coin), self.exchange.book(coin)
        levels = book.asks if side == "buy" else book.bids
        price = levels[-1].price if levels else Decimal(20)
        order = NewOrder(pair.asset, side == "buy", price, Decimal(size), "Ioc", None)
        self.gateway.apply(PlaceOrders(TAKER, (order,)))

    def open_of(self, coin: str) -> list[OrderRecord]:
        """The maker's open orders of one coin."""
        return [order for order in self.exchange.open_orders(MAKER) if order.coin == coin]

    def take_out(self, usdc: str | int) -> None:
        """The owner withdraws."""
        self.gateway.apply(Withdraw(MAKER, 0, dec(usdc)))


def find_sums(world: World, maker: AccountMaker | WsState) -> dict[str, tuple[Decimal, Decimal]]:
    """What the grids' ledgers have, by token, beside what the exchange says of the account."""
    faces = maker.faces.values() if isinstance(maker, AccountMaker) else [maker]
    sums: dict[int, Decimal] = {}
    names: dict[int, str] = {}
    for face in faces:
        assert face.market is not None
        for token, amount in (
            (face.market.base, face.inventory.account_token),
            (face.market.quote, face.inventory.account_usdc),
        ):
            sums[token.index] = sums.get(token.index, Decimal(0)) + amount
            names[token.index] = token.name
    return {names[index]: (amount, world.exchange.account(MAKER).total(index)) for index, amount in sums.items()}

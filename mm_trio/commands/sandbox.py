"""The exchange alone, on loopback, with one funded account: for `run`, and for any client of the official SDK."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from random import Random

import trio

from mm_trio.commands.demo_market import TAKER, default_market, fund_accounts
from mm_trio.errors import ConfigError
from mm_trio.sandbox.auth import Auth
from mm_trio.sandbox.book import BookView
from mm_trio.sandbox.exchange import Exchange
from mm_trio.sandbox.front import Front
from mm_trio.sandbox.messages import NewOrder
from mm_trio.sandbox.server import SandboxServer, serve
from mm_trio.sandbox.takers import SeededTakers, TakerHabits, trade_forever
from mm_trio.venue.hyperliquid import make_wallet

__all__ = ["SandboxAccess", "run_sandbox"]

_log = logging.getLogger(__name__)

# Takers come when somebody makes a market: a lone order of a script under test is left alone.
LADDER_DEPTH = 3


@dataclass(frozen=True, slots=True)
class SandboxAccess:
    """What a client needs: where, for which account, and the test key of its agent."""

    url: str
    account: str
    private_key: str = field(repr=False)
    coin: str

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(
            {"url": self.url, "account": self.account, "private_key": self.private_key, "coin": self.coin}
        )

    def to_text(self) -> str:
        """What a person needs, ready to be copied."""
        return f"""\
# The sandbox listens at {self.url}; Ctrl-C ends it.
# 1. the test key of its agent, for the shell that runs the maker (worth nothing anywhere else):
export MM_TRIO_PRIVATE_KEY={self.private_key}
# 2. a configuration; save what follows as sandbox.toml, then: mm-trio run --config sandbox.toml

{self.to_config()}"""

    def to_config(self) -> str:
        """A configuration that `run` accepts as it is; the key goes into the environment."""
        market = default_market(self.coin, seed=0)
        return f"""\
[market]
coin = "{self.coin}"
network = "sandbox"
api_url = "{self.url}"
account = "{self.account}"

[strategy]
start_px = "{market.start_px}"
n_orders = {market.n_orders}
order_sz = "{market.order_sz}"
active_levels = {market.active_levels}

[allocation]
token = "{market.tokens}"
usdc = "{market.quote}"
"""


async def run_sandbox(
    *,
    host: str,
    port: int,
    coin: str,
    seed: int,
    with_takers: bool,
    on_ready: Callable[[SandboxAccess], None],
    trading: trio.CancelScope,
) -> None:
    """Serve until `trading` is cancelled. `on_ready` is told once the port is open and the account is funded.

    Errors: ConfigError for an unknown coin or a host that is not loopback, OSError for a port that is taken.
    """
    market = default_market(coin, seed=seed)
    # an account of a sandbox is the same at every start, its orders are not: no ledger must take new for old
    exchange = Exchange(market.markets, first_oid=time.time_ns() // 1_000_000)
    front = Front(exchange, now_ms=lambda: time.time_ns() // 1_000_000)
    auth = Auth(lambda address: address in exchange.addresses())
    key = "0x" + sha256(f"mm_trio sandbox agent {seed}".encode()).hexdigest()
    account = make_wallet(sha256(f"mm_trio sandbox account {seed}".encode()).hexdigest()).address.lower()
    auth.register_agent(make_wallet(key).address.lower(), master=account)
    fund_accounts(front, market, account)
    with trading:
        async with trio.open_nursery() as nursery:
            try:
                server: SandboxServer = await nursery.start(partial(serve, front, auth, host=host, port=port))
            except ValueError as error:
                raise ConfigError(str(error)) from error
            on_ready(SandboxAccess(server.url, account, key, market.pair.name))
            if with_takers:
                habits = TakerHabits(mean_pause_s=1.0)
                takers = _MarketTakers(SeededTakers(market.pair, rng=Random(seed), habits=habits))
                nursery.start_soon(partial(trade_forever, front, takers, address=TAKER, coin=market.pair.name))


class _MarketTakers:
    """Seeded takers who stay away until both sides are a ladder."""

    def __init__(self, takers: SeededTakers) -> None:
        self._takers = takers

    def pause_s(self) -> float | None:
        return self._takers.pause_s()

    def decide(self, book: BookView) -> tuple[NewOrder, ...]:
        if min(len(book.bids), len(book.asks)) < LADDER_DEPTH:
            return ()
        return self._takers.decide(book)

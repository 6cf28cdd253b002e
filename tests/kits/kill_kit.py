"""An exchange in a thread of the test, that knows its own truth and can kill its client in the middle of a request.

All that it holds changes in that thread alone; a test reads whole answers across, and always ends the thread.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from functools import partial
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

import trio
from process_kit import DEADLINE_S, Program

from mm_trio.cli.programs.demo_market import TAKER, DemoMarket, default_market, fund_accounts
from mm_trio.sandbox.api.auth import Auth, SignedAction
from mm_trio.sandbox.api.gateway import Gateway
from mm_trio.sandbox.matching.book import BookView
from mm_trio.sandbox.matching.exchange import Exchange
from mm_trio.sandbox.model.commands import ACTIONS, Command, Effect, Fill, FillMade, NewOrder
from mm_trio.sandbox.model.limits import Limits
from mm_trio.sandbox.server.server import SandboxServer, serve
from mm_trio.sandbox.traffic.takers import SeededTakers, TakerHabits, trade_forever
from mm_trio.venue.sdk import make_wallet

COIN = "@107"
ACTIVE_LEVELS = 8
TAKER_PAUSE_S = 0.08
LADDER_DEPTH = 4  # levels a side, below which takers wait
FAULTS_KEPT = 3  # one wrong order is seen again after every command

Kind = Literal["wall", "before", "executed", "answered", "commit"]
REQUEST_KINDS: tuple[Kind, ...] = ("before", "executed", "answered")


class Ledger(NamedTuple):
    """What the maker must know to the last digit: its allocation and all its fills, and how many those are."""

    token: Decimal
    usdc: Decimal
    n_fills: int


# --- the trap ---------------------------------------------------------------------------------


class Trap:
    """Kills a process at the n-th time that its request comes to a certain point. Lives in the exchange's thread."""

    def __init__(self) -> None:
        self.sprung = threading.Event()
        self._armed: tuple[Program, Kind] | None = None
        self._n_left = 0

    def arm(self, maker: Program, kind: Kind, nth: int) -> None:
        """Once armed, exactly the `nth` request to come is the last."""
        self.sprung.clear()
        self._armed, self._n_left = (maker, kind), nth

    def disarm(self) -> None:
        self._armed = None

    def reach(self, kind: Kind) -> None:
        """A request of the maker is there now."""
        if self._armed is None or self._armed[1] != kind:
            return
        self._n_left -= 1
        if self._n_left == 0:
            maker, self._armed = self._armed[0], None
            if kill_alive(maker):
                self.sprung.set()


def kill_alive(maker: Program) -> bool:
    """SIGKILL; whether there was anything left to kill. Popen looks first, so no stranger's pid is hit."""
    is_alive = maker.process.poll() is None
    maker.process.kill()
    return is_alive


# --- the exchange and its witnesses -----------------------------------------------------------


class _WatchedAuth(Auth):
    """Tells when a request has come whose signature is good and of which nothing is executed yet."""

    def __init__(self, exchange: Exchange, trap: Trap) -> None:
        super().__init__(lambda address: address in exchange.addresses())
        self._trap = trap

    def admit(self, request: SignedAction, *, now_ms: int) -> str:
        account = super().admit(request, now_ms=now_ms)
        self._trap.reach("before")
        return account


class _WatchedFront(Gateway):
    """Looks at the account after every command, whoever sent it, and books every fill of it."""

    def __init__(self, market: DemoMarket, account: str, trap: Trap) -> None:
        limits = replace(Limits(), ws_new_per_minute=None)  # a maker a second, and each has a socket
        super().__init__(Exchange(market.markets, limits=limits), now_ms=lambda: time.time_ns() // 1_000_000)
        self.market = market
        self.account = account
        self.trap = trap
        self.nursery: trio.Nursery | None = None
        self.ledger = Ledger(market.tokens, market.quote, 0)
        self.faults: list[str] = []
        # Time and trade id of each fill of the account.
        self.fills: list[tuple[int, int]] = []

    def apply(self, command: Command) -> tuple[Effect, ...]:
        effects = super().apply(command)
        for effect in effects:
            if isinstance(effect, FillMade) and effect.fill.address == self.account:
                self._book(effect.fill)
        self._check_orders(command)
        if isinstance(command, ACTIONS) and command.address == self.account and self.nursery:
            self.trap.reach("executed")
            # trio writes before it lets another task run, so this one runs once the answer is on its way
            self.nursery.start_soon(self._reach_answered)
        return effects

    async def _reach_answered(self) -> None:
        self.trap.reach("answered")

    def _book(self, fill: Fill) -> None:
        self.fills.append((fill.time_ms, fill.tid))
        sign = 1 if fill.is_buy else -1
        is_base = fill.fee_token == self.market.pair.base.name
        self.ledger = Ledger(
            self.ledger.token + sign * fill.size - (fill.fee if is_base else 0),
            self.ledger.usdc - sign * fill.size * fill.price - (0 if is_base else fill.fee),
            self.ledger.n_fills + 1,
        )

    def _check_orders(self, command: Command) -> None:
        orders = self.exchange.open_orders(self.account)
        places = Counter((order.is_buy, order.price) for order in orders)
        for (is_buy, price), n in places.items():
            if n > 1:
                self._note(f"{n} orders on one place, {'buy' if is_buy else 'sell'} {price}", command)
        bids = [order.price for order in orders if order.is_buy]
        asks = [order.price for order in orders if not order.is_buy]
        if bids and asks and max(bids) >= min(asks):
            self._note(f"bid {max(bids)} is not below ask {min(asks)}", command)

    def _note(self, fault: str, command: Command) -> None:
        if len(self.faults) < FAULTS_KEPT:
            self.faults.append(f"{fault}, after {command}")


class _Takers:
    """Seeded takers who stay away while they are told to, and until both sides are a ladder."""

    def __init__(self, market: DemoMarket, rng: Random) -> None:
        self.are_welcome = True
        self._takers = SeededTakers(market.pair, rng=rng, habits=TakerHabits(mean_pause_s=TAKER_PAUSE_S))

    def pause_s(self) -> float:
        return self._takers.pause_s()

    def decide(self, book: BookView) -> tuple[NewOrder, ...]:
        is_ladder = min(len(book.bids), len(book.asks)) >= LADDER_DEPTH
        return self._takers.decide(book) if self.are_welcome and is_ladder else ()


class KillExchange:
    """The exchange, its account and its takers, as the test sees them from its own thread."""

    def __init__(self, seed: int) -> None:
        self.private_key = "0x" + sha256(f"kill agent {seed}".encode()).hexdigest()
        self.account: str = make_wallet(sha256(f"kill account {seed}".encode()).hexdigest()).address.lower()
        self.market = default_market(COIN, seed=seed)
        self.trap = Trap()
        self.gateway = _WatchedFront(self.market, self.account, self.trap)
        self.takers = _Takers(self.market, Random(seed))
        self.url = ""
        self._token: trio.lowlevel.TrioToken | None = None
        self._scope = trio.CancelScope()

    def write_config(self, path: Path) -> None:
        market = self.market
        path.write_text(f"""\
[market]
coin = "{COIN}"
network = "sandbox"
api_url = "{self.url}"
account = "{self.account}"
[strategy]
start_px = "{market.start_px}"
n_orders = {market.n_orders}
order_sz = "{market.order_sz}"
active_levels = {ACTIVE_LEVELS}
[allocation]
token = "{market.tokens}"
usdc = "{market.quote}"
[tuning]
interval_s = 0.2
requote_on_fill = true
reconcile_every = 5
""")

    def find_journal(self, state_home: Path) -> Path:
        """Where a maker of this account keeps its ledger; this exchange has no name but its address."""
        place = urlsplit(self.url).netloc.replace(":", "-")
        return state_home / "mm_trio" / "sandbox" / place / self.account / COIN / "journal.sqlite3"

    def arm(self, maker: Program, kind: Kind, nth: int) -> None:
        trio.from_thread.run_sync(self.trap.arm, maker, kind, nth, trio_token=self._token)

    def disarm(self) -> None:
        trio.from_thread.run_sync(self.trap.disarm, trio_token=self._token)

    def ask_ledger(self) -> Ledger:
        return trio.from_thread.run_sync(lambda: self.gateway.ledger, trio_token=self._token)

    def ask_fills(self) -> list[tuple[int, int]]:
        """Time and trade id of every fill of the account."""
        return trio.from_thread.run_sync(lambda: list(self.gateway.fills), trio_token=self._token)

    def ask_balances(self) -> tuple[Decimal, Decimal]:
        """What the account holds, of base and of quote, as the exchange itself keeps it."""
        view = trio.from_thread.run_sync(self.gateway.exchange.account, self.account, trio_token=self._token)
        return view.total(self.market.pair.base.index), view.total(self.market.pair.quote.index)

    def ask_resting(self) -> list[str]:
        orders = trio.from_thread.run_sync(self.gateway.exchange.open_orders, self.account, trio_token=self._token)
        return [f"{'buy' if order.is_buy else 'sell'} {order.size} at {order.price}" for order in orders]

    async def serve(self, is_ready: threading.Event) -> None:
        """The thread's whole life."""
        self._token = trio.lowlevel.current_trio_token()
        auth = _WatchedAuth(self.gateway.exchange, self.trap)
        auth.register_agent(make_wallet(self.private_key).address.lower(), master=self.account)
        fund_accounts(self.gateway, self.market, self.account)
        with self._scope:
            async with trio.open_nursery() as nursery:
                self.gateway.nursery = nursery
                server: SandboxServer = await nursery.start(serve, self.gateway, auth)
                self.url = server.url
                nursery.start_soon(partial(trade_forever, self.gateway, self.takers, address=TAKER, coin=COIN))
                is_ready.set()

    def end(self) -> None:
        trio.from_thread.run_sync(self._scope.cancel, trio_token=self._token)


@contextmanager
def open_exchange(seed: int) -> Iterator[KillExchange]:
    """A `KillExchange` that serves; on leaving its thread is over, and what it died of is raised."""
    exchange = KillExchange(seed)
    is_ready = threading.Event()
    causes: list[BaseException] = []

    def live() -> None:
        try:
            trio.run(exchange.serve, is_ready)
        except BaseException as error:  # noqa: BLE001 - raised again below, where the test sees it
            causes.append(error)

    thread = threading.Thread(target=live, name="exchange", daemon=True)
    thread.start()
    try:
        while not is_ready.wait(0.01):
            assert thread.is_alive(), causes
        yield exchange
        assert thread.is_alive(), causes
    finally:
        if thread.is_alive():
            exchange.end()
        thread.join(DEADLINE_S)
        if causes:
            raise causes[0]
    assert not thread.is_alive()

"""Sandbox: an exchange on loopback with funded accounts."""

from __future__ import annotations

import errno
import math
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Literal

import trio

from mm_trio.cli.programs.demo_market import (
    COUNTERPARTY,
    TAKER,
    DemoMarket,
    default_market,
    fund_accounts,
    fund_plenty,
    tape_demo_market,
)
from mm_trio.cli.programs.sandbox_history import record_history
from mm_trio.cli.programs.sandbox_report import SandboxAccess, SandboxSummary, TestAccount
from mm_trio.model.errors import ConfigError, LocalError
from mm_trio.model.local_failures import describe_local_failure
from mm_trio.sandbox import (
    DEFAULT_MARKETS,
    AccountMode,
    Auth,
    Clock,
    ControlRoom,
    Exchange,
    FaultDice,
    FaultHub,
    FaultPlan,
    FaultTarget,
    Gateway,
    IpWeights,
    Limits,
    SandboxServer,
    SetAccountMode,
    SocketHabits,
    SteppedClock,
    Takers,
    TakersOfLadder,
    TapeAfterLadder,
    WallClock,
    WorldFaults,
    parse_words,
    read_plan,
    schedule_counterparty,
    schedule_takers,
    serve,
)
from mm_trio.venue.sdk import make_wallet

__all__ = ["SandboxOptions", "parse_limits", "plan_faults", "run_sandbox"]

MAKER_FEE, TAKER_FEE = "0.0004", "0.0007"  # The venue's base tier for spot.


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxOptions:
    """Options of a sandbox.

    All `coins` are traded; the printed configuration names the first. Each account has `n_agents`. It takes what is
    signed for `as_network`.
    """

    host: str = "127.0.0.1"
    port: int = 0
    coins: tuple[str, ...]
    seed: int = 1
    n_accounts: int = 1
    with_sub_accounts: bool = False
    as_network: Literal["testnet", "mainnet"] = "testnet"
    n_agents: int = 1
    with_maker: bool = False
    with_takers: bool = True
    tape: Path | None = None
    tape_s: float | None = None
    dense_meta: bool = False
    account_mode: AccountMode = "standard"
    limits: Limits = field(default_factory=Limits.of_accounts)
    is_stepped: bool = False
    faults: FaultPlan = field(default_factory=FaultPlan)
    fault_seed: int = 1
    history: Path | None = None


def plan_faults(words: list[str], plan_file: Path | None) -> FaultPlan:
    """Read a fault plan, and override rates by `kind:rate` words.

    Errors: ConfigError.
    """
    try:
        plan = FaultPlan() if plan_file is None else read_plan(plan_file)
        return plan + parse_words(words)
    except ValueError as error:
        raise ConfigError(f"faults: {error}") from error


def parse_limits(text: str) -> Limits:
    """Parse `account`, `venue`, `off` or `scaled:X`. Errors: ConfigError."""
    if text == "account":
        return Limits.of_accounts()
    if text == "venue":
        return Limits()
    if text == "off":
        return Limits.off()
    name, _, factor = text.partition(":")
    if name != "scaled":
        raise ConfigError(f"limits: must be account, venue, off or scaled:X, got {text!r}")
    try:
        return Limits().scaled(float(factor))
    except ValueError as error:
        raise ConfigError(f"limits: scaled:X needs a number above 0, got {text!r}") from error


async def run_sandbox(
    options: SandboxOptions, *, on_ready: Callable[[SandboxAccess], None], stop_scope: trio.CancelScope
) -> SandboxSummary:
    """Serve until `stop_scope` is cancelled.

    `on_ready` is called once the port is open and the accounts are funded. Errors: ConfigError for an unknown coin or
    a host that is not loopback, LocalError for a port that cannot be used.
    """
    markets = _choose_markets(options)
    exchange = _make_exchange(markets, options.limits)
    # The history has to begin before the accounts are funded.
    with record_history(exchange, options.history) as save_history:
        venue = _set_up(options, markets, exchange)
        control = ControlRoom(
            gateway=venue.gateway,
            clock=venue.clock,
            faults=venue.faults,
            token=secrets.token_urlsafe(24),
            pairs=tuple(market.pair for market in markets),
            taker=TAKER,
            save_history=save_history,
        )
        with stop_scope:
            await _serve_forever(options, venue, control, on_ready)
        return _sum_up(venue)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Venue:
    """Exchange with funded accounts, ready to be served."""

    markets: tuple[DemoMarket, ...]
    clock: Clock
    gateway: Gateway
    auth: Auth
    accounts: tuple[TestAccount, ...]
    faults: FaultHub


def _set_up(options: SandboxOptions, markets: tuple[DemoMarket, ...], exchange: Exchange) -> _Venue:
    clock: Clock = SteppedClock(time.time_ns() // 1_000_000) if options.is_stepped else WallClock()
    gateway = Gateway(exchange, now_ms=clock.now_ms)
    auth = Auth(lambda address: address in exchange.addresses(), is_mainnet=options.as_network == "mainnet")
    accounts = tuple(_make_account(auth, options, number) for number in range(options.n_accounts))
    for market in markets:
        for each in accounts:
            fund_accounts(gateway, market, each.account)
    if options.with_sub_accounts:
        accounts = tuple(_make_sub_account(auth, each) for each in accounts)
        for market in markets:
            for each in accounts:
                fund_accounts(gateway, market, each.account)
    if options.account_mode != "standard":
        for each in accounts:
            gateway.apply(SetAccountMode(each.account, options.account_mode))
    rng = Random(options.fault_seed)
    world = WorldFaults(gateway, auth, clock, rng, pairs=[market.pair for market in markets], payer=TAKER)
    targets = [FaultTarget(each.account, make_wallet(each.private_key).address.lower()) for each in accounts]
    faults = FaultHub(FaultDice(options.faults, rng), clock, world, targets=targets)
    return _Venue(markets=markets, clock=clock, gateway=gateway, auth=auth, accounts=accounts, faults=faults)


async def _serve_forever(
    options: SandboxOptions, venue: _Venue, control: ControlRoom, on_ready: Callable[[SandboxAccess], None]
) -> None:
    # Sockets must not time out while the clock is stopped.
    habits = SocketHabits(inactive_after_s=math.inf, life_s=None) if options.is_stepped else None
    start = partial(
        serve,
        host=options.host,
        port=options.port,
        clock=venue.clock,
        ip_weights=IpWeights(options.limits.ip_weight_per_minute),
        faults=venue.faults,
        control=control,
        habits=habits,
    )
    async with trio.open_nursery() as nursery:
        try:
            server: SandboxServer = await nursery.start(start, venue.gateway, venue.auth)
        except ValueError as error:
            raise ConfigError(str(error)) from error
        except OSError as error:
            # Before it serves, it opens nothing but its port.
            place = f"{options.host} port {options.port}" if options.port else options.host
            raise LocalError(f"cannot listen at {place}: {_describe_port_error(error)}") from error
        if options.with_maker:
            for market in venue.markets:
                _schedule_counterparty(venue, market)
        if options.with_takers or options.tape is not None:
            for market in venue.markets:
                _schedule_takers(venue.gateway, venue.clock, market)
        on_ready(
            SandboxAccess(
                server.url,
                venue.accounts,
                control.token,
                venue.markets,
                is_mainnet=options.as_network == "mainnet",
            )
        )


def _describe_port_error(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "another program listens there; end that one, or choose another port (--port 0: any free one)"
    if error.errno == errno.EACCES:
        return "this user may not use that port; choose one above 1023"
    return describe_local_failure(OSError(error.errno or 0, error.strerror or str(error))) or str(error)


def _choose_markets(options: SandboxOptions) -> tuple[DemoMarket, ...]:
    """Choose the markets of the options.

    Errors: ConfigError for an unknown or repeated coin, or a tape that cannot be read.
    """
    if options.tape is not None:
        if len(options.coins) != 1:
            raise ConfigError("--tape replays one coin; leave --pairs out")
        return (tape_demo_market(options.tape, options.coins[0], duration_s=options.tape_s),)
    listed = DEFAULT_MARKETS.dense() if options.dense_meta else DEFAULT_MARKETS
    markets = tuple(default_market(coin, seed=options.seed, markets=listed) for coin in options.coins)
    names = [market.pair.name for market in markets]
    if len(set(names)) != len(names):
        raise ConfigError(f"a coin is named twice: {', '.join(options.coins)}")
    return markets


def _make_exchange(markets: tuple[DemoMarket, ...], limits: Limits) -> Exchange:
    first = markets[0]
    return Exchange(
        first.markets,
        maker_fee="0" if first.is_fee_free else MAKER_FEE,
        taker_fee="0" if first.is_fee_free else TAKER_FEE,
        min_notional=str(first.min_notional),
        # Accounts are the same at every start, but order ids must be new, or a ledger would take new orders for old.
        first_oid=time.time_ns() // 1_000_000,
        limits=limits,
    )


def _make_account(auth: Auth, options: SandboxOptions, number: int) -> TestAccount:
    """Make an account and its keys from the seed alone."""
    name = f"{options.seed}" if number == 0 else f"{options.seed} {number}"
    labels = [f"agent {name}", *(f"agent {name} no. {n}" for n in range(2, options.n_agents + 1))]
    master, *agents = (_make_key(label) for label in (f"account {name}", *labels))
    account = make_wallet(master).address.lower()
    for agent in agents:
        auth.register_agent(make_wallet(agent).address.lower(), master=account)
    return TestAccount(account, agents[0], master, tuple(agents))


def _make_key(label: str) -> str:
    return "0x" + sha256(f"mm_trio sandbox {label}".encode()).hexdigest()


def _schedule_counterparty(venue: _Venue, market: DemoMarket) -> None:
    fund_plenty(venue.gateway, market, COUNTERPARTY)
    schedule_counterparty(
        venue.gateway,
        market.pair,
        address=COUNTERPARTY,
        middle=market.middle,
        size=market.order_sz,
        call_every=venue.clock.call_every,
    )


def _make_sub_account(auth: Auth, master: TestAccount) -> TestAccount:
    """Make a sub-account that the master's agent trades for."""
    made = auth.agents.sub_accounts.create(master.account, "maker")
    assert not isinstance(made, str)
    return replace(master, account=made.address, master=master.account)


def _schedule_takers(gateway: Gateway, clock: Clock, market: DemoMarket) -> None:
    takers: Takers = TakersOfLadder(market.takers)
    if market.tape:
        takers = TapeAfterLadder(market.takers, lambda: gateway.exchange.book(market.pair.name))
    schedule_takers(gateway, takers, address=TAKER, coin=market.pair.name, call_in=clock.call_in)


def _sum_up(venue: _Venue) -> SandboxSummary:
    exchange = venue.gateway.exchange
    return SandboxSummary(
        faults=venue.faults.dice.summary(),
        fills={each.account: len(exchange.fills(each.account)) for each in venue.accounts},
        orders_resting={each.account: len(exchange.open_orders(each.account)) for each in venue.accounts},
    )

"""Market of the demo: pair, ladder, allocation and takers.

Either an invented default (any pair of the default metadata, seeded takers), or everything is derived from a recorded
tape, so that the maker quotes where the recorded one did. Only reading the tape does I/O.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from random import Random

from mm_trio.model.errors import ConfigError
from mm_trio.model.pricing_grid import PricingGrid
from mm_trio.sandbox import (
    DEFAULT_MARKETS,
    PERIOD_MS,
    USDC,
    Deposit,
    Gateway,
    Markets,
    Pair,
    SeededTakers,
    TakerHabits,
    Takers,
    TapeMarket,
    TapePhases,
    TapeTakers,
    Token,
    cut_pauses,
    find_coins,
    find_start,
    find_step,
    group_sweeps,
    ladder_start,
    read_tape,
    tape_market,
)

__all__ = [
    "COUNTERPARTY",
    "TAKER",
    "DemoMarket",
    "TapeReplay",
    "default_market",
    "fund_accounts",
    "fund_plenty",
    "tape_demo_market",
]

STEP = Decimal("0.003")
VENUE_MIN_NOTIONAL = Decimal(10)
TAKER, COUNTERPARTY = "0x" + "7a" * 20, "0x" + "6d" * 20
PLENTY = Decimal(10) ** 12  # Balance of these two, of both tokens.
LEVELS_AROUND = 12  # Levels above and below the prices of a tape.
SHORTEST_PERIOD_S = 0.1  # The shortest cadence that the maker's settings allow.


@dataclass(frozen=True, slots=True, kw_only=True)
class TapeReplay:
    """A tape that the takers of a demo replay.

    `phases` has its rows and what HIP-2's rule makes of them. HIP-2's clock, of three seconds, has `period_s` here.
    """

    phases: TapePhases
    period_s: float
    is_fee_free: bool

    @property
    def phase_s(self) -> float:
        """Seconds from the first taker to the next update.

        They are the middle of the best phases.
        """
        best = self.phases.best
        return (best.first_ms + best.last_ms) / 2 / PERIOD_MS * self.period_s

    @property
    def note(self) -> str:
        """What a replay cannot promise, in one line."""
        by_phase, unexplained = self.phases.rows_by_phase, self.phases.rows_unexplained
        note = (
            f"{_name_rows(by_phase, 'depend')} on the phase of HIP-2's 3 s clock, which the tape does not show: a "
            "replay in real time cannot promise that"
            if by_phase
            else "no row depends on the phase of HIP-2's 3 s clock"
        )
        if not unexplained:
            return note
        size = self.phases.start.order_size
        return (
            f"{note}; {_name_rows(unexplained, 'follow')} from HIP-2's rule in no phase with an order size of "
            f"{size:f}: try another one with --order-sz"
        )


def _name_rows(positions: tuple[int, ...], verb: str) -> str:
    return f"row {positions[0]} {verb}s" if len(positions) == 1 else f"rows {', '.join(map(str, positions))} {verb}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoMarket:
    """Market, allocation and takers of a demo.

    Units: prices in quote, `order_sz` and `tokens` in base, `quote` and `min_notional` in quote. `tape` has the fills
    that the takers should cause.
    """

    markets: Markets
    pair: Pair
    start_px: Decimal
    n_orders: int
    order_sz: Decimal
    active_levels: int
    gap_levels: int = 0
    tokens: Decimal
    quote: Decimal
    takers: Takers
    step: Decimal = STEP
    min_notional: Decimal = VENUE_MIN_NOTIONAL
    tape: TapeReplay | None = None

    @property
    def is_fee_free(self) -> bool:
        """True where the recorded maker paid no fee."""
        return self.tape is not None and self.tape.is_fee_free

    @property
    def middle(self) -> Decimal:
        """Middle between the best bid and the best ask that the ladder opens with."""
        grid = PricingGrid(self.start_px, self.n_orders, tick_size=self.step, sz_decimals=self.pair.base.sz_decimals)
        n_bids = min(max(1, self.n_orders - int(self.tokens // self.order_sz)), self.n_orders - 1)
        return (grid.levels[n_bids - 1] + grid.levels[n_bids]) / 2


def fund_accounts(gateway: Gateway, market: DemoMarket, account: str) -> None:
    """Fund `account` with twice the allocation, and the taker.

    So it is the allocation that limits the maker, and not the balance.
    """
    gateway.apply(Deposit(account, market.pair.base.index, 2 * market.tokens))
    gateway.apply(Deposit(account, market.pair.quote.index, 2 * market.quote))
    fund_plenty(gateway, market, TAKER)


def fund_plenty(gateway: Gateway, market: DemoMarket, address: str) -> None:
    """Fund an address that never runs out of either token."""
    for token in (market.pair.base, market.pair.quote):
        gateway.apply(Deposit(address, token.index, PLENTY))


def default_market(coin: str, *, seed: int, markets: Markets = DEFAULT_MARKETS) -> DemoMarket:
    """Make the default market of a pair.

    It has 60 levels from 20.0, half of them asks. The takers are drawn from `seed`. Errors: ConfigError for a coin that
    `markets` does not have.
    """
    names = {pair.name: pair for pair in markets.pairs}
    names |= {f"{pair.base.name}/{pair.quote.name}": pair for pair in reversed(markets.pairs)}
    if coin not in names:
        raise ConfigError(f"unknown coin {coin!r}: the demo's exchange lists {', '.join(sorted(names))}")
    pair, size, n_orders = names[coin], Decimal(5), 60
    grid = PricingGrid("20", n_orders, tick_size=STEP, sz_decimals=pair.base.sz_decimals)
    bids = grid.levels[: n_orders // 2]
    return DemoMarket(
        markets=markets,
        pair=pair,
        start_px=grid.levels[0],
        n_orders=n_orders,
        order_sz=size,
        active_levels=10,
        tokens=size * (n_orders - len(bids)),
        quote=sum((size * price for price in bids), Decimal(0)),
        takers=SeededTakers(pair, rng=Random(seed), habits=TakerHabits(mean_pause_s=1.0)),
    )


def tape_demo_market(
    path: Path,
    coin: str | None,
    *,
    duration_s: float | None,
    order_size: Decimal | None = None,
    cuts_pauses: bool = False,
) -> DemoMarket:
    """Derive a market from a tape: ladder, fees and inventory.

    `coin` None: the only one in the file. The inventory is that of the tape's beginning. `duration_s` compresses the
    tape's times into so many seconds; with `cuts_pauses` whole periods of HIP-2's clock are left out first, and what
    then takes less is not stretched. Without an `order_size` it is read off the tape. Errors: ConfigError.
    """
    try:
        pair, facts, phases, grid = _read(path, coin, order_size)
    except ValueError as error:
        raise ConfigError(f"tape: {error}") from error
    rows, start = phases.rows, phases.start
    if cuts_pauses:
        rows = cut_pauses(rows, period_ms=PERIOD_MS)
    takes_s, pace = (rows[-1].time_ms - rows[0].time_ms) / 1000, 1.0
    if cuts_pauses:
        takes_s, pace = _find_pace(takes_s, duration_s)
    elif duration_s is not None:
        takes_s = duration_s
    bids = grid.levels[: start.boundary]
    # A recorded maker without fees, or with orders below the minimum, was bound by neither rule.
    is_unbound = facts.is_fee_free or facts.min_notional < VENUE_MIN_NOTIONAL
    return DemoMarket(
        markets=DEFAULT_MARKETS if pair in DEFAULT_MARKETS.pairs else DEFAULT_MARKETS.with_pair(pair),
        pair=pair,
        start_px=grid.levels[0],
        n_orders=grid.n_orders,
        step=grid.tick_size,
        order_sz=start.order_size,
        active_levels=LEVELS_AROUND,
        tokens=start.tokens,
        quote=sum((start.order_size * price for price in bids), Decimal(0)),
        takers=TapeTakers(rows, pair, duration_s=takes_s),
        min_notional=Decimal(0) if is_unbound else VENUE_MIN_NOTIONAL,
        tape=TapeReplay(phases=phases, period_s=pace * PERIOD_MS / 1000, is_fee_free=facts.is_fee_free),
    )


def _read(path: Path, coin: str | None, order_size: Decimal | None) -> tuple[Pair, TapeMarket, TapePhases, PricingGrid]:
    """Read a tape and find its pair and ladder."""
    coin = coin or _choose_coin(path)
    rows = read_tape(path, coin)
    facts = tape_market(rows)
    pair = _make_pair(coin, facts.base or "BASE", facts.quote or "USDC", facts.sz_decimals)
    prices = [[row.price for row in sweep] for sweep in group_sweeps(rows)]
    step = find_step(prices, sz_decimals=pair.base.sz_decimals)
    grid = _find_grid({price for sweep in prices for price in sweep}, step, pair.base.sz_decimals)
    return pair, facts, find_start(rows, grid.levels, order_size=order_size, lot=grid.lot), grid


def _choose_coin(path: Path) -> str:
    """Return the only coin of a tape."""
    coins = find_coins(path)
    if len(coins) != 1:
        raise ValueError(f"{path}: has fills of {len(coins)} coins ({', '.join(coins)}); name one with --coin")
    return coins[0]


def _find_grid(prices: set[Decimal], step: Decimal, sz_decimals: int) -> PricingGrid:
    """Find a ladder with levels on both sides of all prices."""
    start = ladder_start(prices, step=step, sz_decimals=sz_decimals, levels_below=LEVELS_AROUND)
    n_levels = 1
    while (grid := PricingGrid(start, n_levels, tick_size=step, sz_decimals=sz_decimals)).levels[-1] < max(prices):
        n_levels += 1
    return PricingGrid(start, grid.n_orders + LEVELS_AROUND, tick_size=step, sz_decimals=sz_decimals)


def _find_pace(takes_s: float, duration_s: float | None) -> tuple[float, float]:
    """Return the seconds that a tape takes, and its pace.

    The pace is 1 or less. It fits into the duration together with two periods for the maker to build its ladder.
    """
    period_s = PERIOD_MS / 1000
    pace = 1.0 if duration_s is None else min(1.0, duration_s / (takes_s + 2 * period_s))
    return takes_s * pace, max(pace, SHORTEST_PERIOD_S / period_s)


def _make_pair(coin: str, base: str, quote: str, sz_decimals: int) -> Pair:
    """Find the default pair of that name, or make one."""
    for pair in DEFAULT_MARKETS.pairs:
        if pair.name == coin:
            return pair
    if not coin.startswith("@") or not coin[1:].isdigit():
        raise ValueError(f"the coin of a tape must be '@' and its index, got {coin!r}")
    free = 1 + max(token.index for token in DEFAULT_MARKETS.tokens)
    token = Token(base, free, sz_decimals, 8, f"0x{free:032x}")
    known = next((t for t in DEFAULT_MARKETS.tokens if t.name == quote), USDC)
    return Pair(coin, int(coin[1:]), token, known)

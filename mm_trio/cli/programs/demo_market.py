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
    USDC,
    Deposit,
    Gateway,
    Markets,
    Pair,
    SeededTakers,
    TakerHabits,
    Takers,
    TapeRow,
    TapeTakers,
    Token,
    ladder_start,
    read_tape,
    tape_market,
)

__all__ = ["TAKER", "DemoMarket", "default_market", "fund_accounts", "tape_demo_market"]

STEP = Decimal("0.003")
VENUE_MIN_NOTIONAL = Decimal(10)
TAKER = "0x" + "7a" * 20
PLENTY = Decimal(10) ** 12  # Balance of the taker, of both tokens.
LEVELS_AROUND = 12  # Levels above and below the prices of a tape.


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
    min_notional: Decimal = VENUE_MIN_NOTIONAL
    is_fee_free: bool = False
    tape: tuple[TapeRow, ...] = ()


def fund_accounts(gateway: Gateway, market: DemoMarket, account: str) -> None:
    """Fund `account` with twice the allocation, and the taker.

    So it is the allocation that limits the maker, and not the balance.
    """
    for address, tokens, quote in ((account, 2 * market.tokens, 2 * market.quote), (TAKER, PLENTY, PLENTY)):
        gateway.apply(Deposit(address, market.pair.base.index, tokens))
        gateway.apply(Deposit(address, market.pair.quote.index, quote))


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


def tape_demo_market(path: Path, coin: str, *, duration_s: float | None) -> DemoMarket:
    """Derive a market from a tape: ladder, fees and inventory.

    The inventory is whole tranches where the tape begins. `duration_s` compresses the tape's times into so many
    seconds. Errors: ConfigError with the reason.
    """
    try:
        rows = read_tape(path, coin)
        facts = tape_market(rows)
        prices = sorted({row.price for row in rows})
        start = ladder_start(prices, step=STEP, sz_decimals=facts.sz_decimals, levels_below=LEVELS_AROUND)
        n_orders = _count_levels(start, prices[-1], facts.sz_decimals) + LEVELS_AROUND
        grid = PricingGrid(start, n_orders, tick_size=STEP, sz_decimals=facts.sz_decimals)
        pair = _make_pair(coin, facts.base or "BASE", facts.quote or "USDC", facts.sz_decimals)
        markets = DEFAULT_MARKETS if pair in DEFAULT_MARKETS.pairs else DEFAULT_MARKETS.with_pair(pair)
    except ValueError as error:
        raise ConfigError(f"tape: {error}") from error
    first = grid.levels.index(rows[0].price)
    boundary = first + 1 if rows[0].is_buy else first
    takes_s = (rows[-1].time_ms - rows[0].time_ms) / 1000 if duration_s is None else duration_s
    return DemoMarket(
        markets=markets,
        pair=pair,
        start_px=start,
        n_orders=n_orders,
        order_sz=facts.order_size,
        active_levels=LEVELS_AROUND,
        tokens=facts.order_size * (n_orders - boundary),
        quote=sum((facts.order_size * price for price in grid.levels[:boundary]), Decimal(0)),
        takers=TapeTakers(rows, pair, duration_s=takes_s),
        # A recorded maker without fees, or with orders below the minimum, was bound by neither rule.
        min_notional=VENUE_MIN_NOTIONAL if facts.min_notional >= VENUE_MIN_NOTIONAL else Decimal(0),
        is_fee_free=facts.is_fee_free,
        tape=rows,
    )


def _count_levels(start: Decimal, top: Decimal, sz_decimals: int) -> int:
    """Count the levels from `start` to `top`, both included."""
    n = 1
    while PricingGrid(start, n, tick_size=STEP, sz_decimals=sz_decimals).levels[-1] < top:
        n += 1
    return n


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

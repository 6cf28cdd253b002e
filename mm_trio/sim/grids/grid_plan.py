"""Draw the grids of a seed: each with its pair, ladder, allocation and takers.

The first grid is the scenario's own, so that a seed with one grid draws what it always drew.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_DOWN, Decimal
from random import Random

from mm_trio.sandbox import Markets
from mm_trio.sim.base.random_streams import log_uniform, split
from mm_trio.sim.base.scenario import GAPS, Scenario, ScenarioLadder

__all__ = ["MARKETS", "N_ORDERS", "STEPS", "GridPlan", "draw_grid", "draw_grids", "fund_account"]

# By coin: first price, and order sizes whose notional is just above the venue's minimum of 10 or far above it.
# A base and a quote token are shared by some: @207 sells what @107 sells, for what @166 sells.
MARKETS = {
    "PURR/USDC": ("0.1873", ("60", "113", "500")),
    "@1": ("1.0725", ("50", "12.34", "19")),
    "@4": ("0.02", ("600", "1777")),
    "@142": ("61000", ("0.0005", "0.00018", "0.002")),
    "@151": ("3120", ("0.01", "0.0037", "0.05")),
    "@166": ("0.999", ("15", "40.5")),
    "@207": ("20", ("5", "1.01")),
}
N_ORDERS = (6, 8, 12, 20)
STEPS = ("0.003", "0.003", "0.0015", "0.006")
# What the account has of a token beside the allocations, as a share of them.
SURPLUS = ("0", "0.05", "1")
RIVAL_SHARE = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class GridPlan:
    """Grid of one coin.

    `account_tokens` and `account_quote` are paid in for it. Every name that ends in `_s` is in seconds.
    """

    coin: str
    ladder: ScenarioLadder
    account_tokens: Decimal
    account_quote: Decimal
    taker_pause_s: float
    trend_s: float
    has_rivals: bool


def draw_grids(scenario: Scenario) -> tuple[GridPlan, ...]:
    """Draw the grids of a scenario, the first being its own."""
    first = GridPlan(
        coin=scenario.place.coin,
        ladder=scenario.ladder,
        account_tokens=scenario.account_tokens,
        account_quote=scenario.account_quote,
        taker_pause_s=scenario.taker_pause_s,
        trend_s=scenario.trend_s,
        has_rivals=scenario.has_rivals,
    )
    if scenario.n_grids == 1:
        return (first,)
    coins = split(scenario.seed, "coins").sample(sorted(MARKETS), scenario.n_grids - 1)
    return (_allocate(first), *(draw_grid(scenario, coin) for coin in coins))


def fund_account(plans: Sequence[GridPlan], markets: Markets) -> dict[int, Decimal]:
    """Return what the account begins with, by the index of its token."""
    amounts: defaultdict[int, Decimal] = defaultdict(Decimal)
    for plan in plans:
        pair = markets.pair(plan.coin)
        amounts[pair.base.index] += plan.account_tokens
        amounts[pair.quote.index] += plan.account_quote
    return dict(amounts)


def _allocate(plan: GridPlan) -> GridPlan:
    """Allocate what is paid in for a grid, where it had the whole account."""
    ladder = plan.ladder
    if ladder.tokens is not None:
        return plan
    return replace(plan, ladder=replace(ladder, tokens=plan.account_tokens, quote=plan.account_quote))


def draw_grid(scenario: Scenario, coin: str) -> GridPlan:
    """Draw the grid of a coin other than the first one."""
    rng = split(scenario.seed, f"grid {coin}")
    ladder = _draw_ladder(rng, coin, scenario.place.markets.pair(coin).base.sz_decimals)
    assert ladder.tokens is not None
    assert ladder.quote is not None
    surplus = 1 + Decimal(rng.choice(SURPLUS))
    return GridPlan(
        coin=coin,
        ladder=ladder,
        account_tokens=ladder.tokens * surplus,
        account_quote=ladder.quote * surplus,
        taker_pause_s=log_uniform(rng, 1, 20),
        trend_s=log_uniform(rng, 40, 600),
        has_rivals=rng.random() < RIVAL_SHARE,
    )


def _draw_ladder(rng: Random, coin: str, sz_decimals: int) -> ScenarioLadder:
    start, sizes = MARKETS[coin]
    size, n_orders = Decimal(rng.choice(sizes)), rng.choice(N_ORDERS)
    active = rng.choice((None, None, 2, 3, 6))
    slack, gap = 0 if active is None else rng.choice((0, 1)), rng.choice(GAPS)
    n_tranches, remainder = rng.randint(1, n_orders), Decimal(rng.choice(("0", "0.5", "0.37", "0.02")))
    n_bids, rest = rng.randint(1, n_orders + 2), Decimal(rng.choice(("0", "0.77", "11")))
    lot = Decimal(1).scaleb(-sz_decimals)
    return ScenarioLadder(
        start_px=Decimal(start),
        n_orders=n_orders,
        step=Decimal(rng.choice(STEPS)),
        order_size=size,
        tokens=(size * (n_tranches + remainder)).quantize(lot, rounding=ROUND_DOWN),
        quote=(size * Decimal(start) * n_bids + rest).quantize(Decimal("0.01")),
        active_levels=active,
        window_slack=slack,
        gap_levels=gap,
    )

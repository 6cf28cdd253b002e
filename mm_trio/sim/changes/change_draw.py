"""Draw when an operator changes the configuration of a running maker, and to what."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_DOWN, Decimal
from random import Random
from typing import TypeAlias

from mm_trio.sim.base.random_streams import split
from mm_trio.sim.base.scenario import GAPS, Scenario, ScenarioLadder
from mm_trio.sim.grids.grid import Grid
from mm_trio.sim.grids.grid_plan import MARKETS, N_ORDERS, STEPS, GridPlan, draw_grid

__all__ = ["ApplyPlan", "draw_apply_plan", "draw_wanted"]

# Share of the seeds with several grids whose operator changes something, and of these that try a change in calm.
APPLYING_SHARE, CALM_SHARE = 0.45, 0.8
N_CHANGES = (1, 1, 2, 3)
# Grids that one change is about, and what is done to them.
N_EDITS = (1, 1, 2, 3)
EDITS = ("ladder", "ladder", "size", "window", "gap", "more", "less", "remove", "add", "beyond")
# The first price moves by so many percent.
SHIFTS = ("-2", "-0.4", "0", "0", "0.3", "1.5")
RESIZED = ("0.5", "0.8", "1.5", "2")
# Lowest notional of an order, in quote: the venue's minimum, and what a fee may take of it.
LEAST = Decimal("10.5")
CENT = Decimal("0.01")
# Beside the grids of the seed, coins that a change may add.
N_SPARE = 2

Free: TypeAlias = Mapping[int, Decimal]


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyPlan:
    """When an operator changes the configuration, and which coins he may add.

    `in_calm`: once more after the faults, where every rule of a change is asked strictly.
    """

    times_s: tuple[float, ...]
    in_calm: bool
    spare: tuple[GridPlan, ...]


def draw_apply_plan(scenario: Scenario, plans: Sequence[GridPlan]) -> ApplyPlan | None:
    """Draw a plan; None in most seeds, and where there is but one grid."""
    rng = split(scenario.seed, "apply")
    if scenario.n_grids == 1 or rng.random() >= APPLYING_SHARE:
        return None
    times_s = sorted(rng.uniform(0.02, 0.95) * scenario.safety_s for _ in range(rng.choice(N_CHANGES)))
    in_calm = rng.random() < CALM_SHARE
    others = sorted(MARKETS.keys() - {plan.coin for plan in plans})
    coins = rng.sample(others, min(N_SPARE, len(others)))
    spare = tuple(draw_grid(scenario, coin) for coin in coins)
    return ApplyPlan(times_s=tuple(times_s), in_calm=in_calm, spare=spare)


def draw_wanted(
    rng: Random,
    ladders: Mapping[str, ScenarioLadder],
    grids: Mapping[str, Grid],
    *,
    left_alone: Collection[str],
    may_exceed: bool = True,
) -> dict[str, ScenarioLadder]:
    """Draw another configuration; grids whose coins are `left_alone` stay as they are.

    `may_exceed`: it may allocate more than the account has, which has to be refused.
    """
    wanted = dict(ladders)
    free = dict(_find_free(grids))
    for _ in range(rng.choice(N_EDITS)):
        edit = rng.choice(EDITS)
        spare = sorted(grids.keys() - wanted.keys() - set(left_alone))
        there = sorted(wanted.keys() - set(left_alone))
        if edit == "add" and spare:
            coin = rng.choice(spare)
            added = _fit(grids[coin].plan.ladder, grids[coin], free)
            if added is not None:
                wanted[coin] = added
        elif edit == "remove" and there and len(wanted) > 1:
            del wanted[rng.choice(there)]
        elif there and (edit != "beyond" or may_exceed):
            coin = rng.choice(there)
            wanted[coin] = _edit(rng, edit, wanted[coin], grids[coin], free)
    return wanted


def _edit(rng: Random, edit: str, ladder: ScenarioLadder, grid: Grid, free: dict[int, Decimal]) -> ScenarioLadder:
    """Change one ladder, or its allocation."""
    if edit == "window":
        active = rng.choice((None, 2, 3, 6))
        slack = 0 if active is None else rng.choice((0, 1))
        return replace(ladder, active_levels=active, window_slack=slack)
    if edit == "gap":
        return replace(ladder, gap_levels=rng.choice(GAPS))
    if edit == "size":
        size = (ladder.order_size * Decimal(rng.choice(RESIZED))).quantize(grid.lot, rounding=ROUND_DOWN)
        return replace(ladder, order_size=size) if size * ladder.start_px * Decimal("0.97") > LEAST else ladder
    if edit in ("more", "less", "beyond"):
        return _allocate(rng, edit, ladder, grid, free)
    shift = 1 + Decimal(rng.choice(SHIFTS)) / 100
    start_px = Decimal(f"{ladder.start_px * shift:.4g}")
    if ladder.order_size * start_px < LEAST:
        start_px = ladder.start_px
    return replace(ladder, start_px=start_px, n_orders=rng.choice(N_ORDERS), step=Decimal(rng.choice(STEPS)))


def _allocate(rng: Random, edit: str, ladder: ScenarioLadder, grid: Grid, free: dict[int, Decimal]) -> ScenarioLadder:
    """Allocate more, less, or more than there is."""
    share = Decimal(str(round(rng.uniform(0.1, 0.9), 3)))
    is_base, is_quote = rng.choice(((True, False), (False, True), (True, True)))
    assert ladder.tokens is not None
    assert ladder.quote is not None
    base, quote = grid.pair.base.index, grid.pair.quote.index
    amounts = {"more": (free[base], free[quote]), "less": (-grid.view.tokens, -grid.view.quote)}
    amounts["beyond"] = free[base] + 2 * grid.ladder.order_size / share, free[quote] + 100 / share
    if edit == "less":
        share /= 2
    by = amounts[edit][0] * share * is_base, amounts[edit][1] * share * is_quote
    if edit == "beyond":
        by = amounts[edit]
    elif edit == "more":
        free[base], free[quote] = free[base] - by[0], free[quote] - by[1]
    tokens = ladder.tokens + by[0].quantize(grid.lot, rounding=ROUND_DOWN)
    return replace(
        ladder, tokens=max(tokens, Decimal(0)), quote=max(ladder.quote + by[1].quantize(CENT, ROUND_DOWN), Decimal(0))
    )


def _fit(ladder: ScenarioLadder, grid: Grid, free: dict[int, Decimal]) -> ScenarioLadder | None:
    """Allocate no more to a ladder that is added than there is; None where there is nothing."""
    base, quote = grid.pair.base.index, grid.pair.quote.index
    assert ladder.tokens is not None
    assert ladder.quote is not None
    # A coin that was quoted before goes on from its ledger, which the allocation shifts.
    had = grid.view.tokens - (grid.allocated[0] or 0), grid.view.quote - (grid.allocated[1] or 0)
    tokens = min(ladder.tokens, free[base] - had[0]).quantize(grid.lot, rounding=ROUND_DOWN)
    amount = min(ladder.quote, free[quote] - had[1]).quantize(CENT, rounding=ROUND_DOWN)
    if min(tokens, amount, tokens + had[0], amount + had[1]) < 0:
        return None
    free[base] -= tokens + had[0]
    free[quote] -= amount + had[1]
    return replace(ladder, tokens=tokens, quote=amount)


def _find_free(grids: Mapping[str, Grid]) -> Free:
    """Find what of each token is nobody's, by its index."""
    free: defaultdict[int, Decimal] = defaultdict(Decimal)
    for grid in grids.values():
        for token in (grid.pair.base.index, grid.pair.quote.index):
            free[token] = grid.wallet.usable(token)
    for grid in grids.values():
        if grid.is_configured:
            free[grid.pair.base.index] -= grid.view.tokens
            free[grid.pair.quote.index] -= grid.view.quote
    return {token: max(amount, Decimal(0)) for token, amount in free.items()}

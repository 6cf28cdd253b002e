"""Configuration that `run` takes, written from a plan."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from decimal import Decimal

from mm_trio.planning.ladder_plan import LadderPlan, find_ending
from mm_trio.planning.market_view import MarketView
from mm_trio.planning.plan_limits import find_limits

__all__ = ["FIRST_LINE", "FilePlace", "write_plan"]

# By this line a file is known as one that may be written anew.
FIRST_LINE = "# Written by `mm-trio grid`; every value may be changed."
_COMMENT_COLUMN = 40
_CENT = Decimal("0.01")

_LIMIT_NOTES = {
    "max_order_notional": "one order at the highest level",
    "max_side_notional": "all that can rest on one side",
    "max_net_spend": "paid less received since the start; the bids' whole quote",
    "price_low": "the lowest level; nothing is placed below",
    "price_high": "the highest level; nothing is placed above",
    "max_loss_vs_hold": "at the worse end of the ladder, against having held",
    "max_drawdown_vs_hold": "the same, from the best moment on",
}
_TUNING = (
    ("interval_s", "3.0", "s; HIP-2 updates every 3 s"),
    ("dead_zone_bps", "0.0", "bps; 0: every change is sent, as HIP-2 does"),
    ("price_tolerance_bps", "1.0", "bps; levels never move, so this only mends drift"),
    ("size_tolerance_pct", "1.0", "%; fees in base shrink what was bought, and not each is worth a request"),
    ("reconcile_every", "20", "ticks; once a minute everything is read from the venue and compared"),
    ("requote_on_fill", "true", "do not wait for the next tick after a fill"),
    ("feed_stale_after_s", "30.0", "s; a feed that is silent for so long is opened anew"),
    ("foreign_orders", '"keep"', '"cancel" would cancel orders of this pair that others placed'),
    ("cancel_on_shutdown", "true", "false leaves the ladder in the book when the maker ends"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePlace:
    """Where the configuration is for; None is left out."""

    network: str
    api_url: str | None = None
    account: str | None = None


def write_plan(plan: LadderPlan, view: MarketView, place: FilePlace) -> str:
    """Write the whole configuration, every value with unit and reason."""
    sections = (
        ("market", _write_market(view, place)),
        ("strategy", _write_strategy(plan, view)),
        ("allocation", _write_allocation(plan, view)),
        ("tuning", _write_tuning(plan, view)),
        ("limits", _write_limits(plan, view)),
    )
    lines = [FIRST_LINE, f"# {view.base}/{view.quote}: {_describe(plan, view)}"]
    for name, rows in sections:
        lines += ["", f"[{name}]", *rows]
    return "\n".join(lines) + "\n"


def _describe(plan: LadderPlan, view: MarketView) -> str:
    levels = plan.grid.levels
    return f"{len(levels)} levels from {levels[0]:f} to {levels[-1]:f} {view.quote}, opens at {plan.opens_at:f}"


def _row(key: str, value: str, note: str) -> str:
    return f"{f'{key} = {value}':<{_COMMENT_COLUMN}}# {note}"


def _write_market(view: MarketView, place: FilePlace) -> Iterator[str]:
    yield _row("coin", f'"{view.coin}"', f"{view.base}/{view.quote}")
    yield _row("network", f'"{place.network}"', "sandbox | testnet | mainnet")
    if place.api_url is not None:
        yield _row("api_url", f'"{place.api_url}"', "of the sandbox, on this machine")
    note = "whose orders these are: the address that holds the funds, not the signer's"
    if place.account is None:
        yield "# " + _row("account", '"0x…"', f"{note}; or MM_TRIO_ACCOUNT_ADDRESS")
    else:
        yield _row("account", f'"{place.account}"', note)


def _write_strategy(plan: LadderPlan, view: MarketView) -> Iterator[str]:
    grid = plan.grid
    notional = plan.order_size * plan.opens_at
    yield _row("start_px", f'"{grid.levels[0]:f}"', f"{view.quote}; level 0, the lowest price")
    yield _row("n_orders", str(grid.n_orders), f"levels, the highest at {grid.levels[-1]:f} {view.quote}")
    size_note = f"{view.base} a level, worth {notional:.2f} {view.quote} where it opens; whole lots of {grid.lot:f}"
    yield _row("order_sz", f'"{plan.order_size.normalize():f}"', size_note)
    yield _row(
        "tick_size", f'"{grid.tick_size:f}"', f"ratio between levels, {_percent(grid.tick_size)}; HIP-2 has 0.3 %"
    )
    gap_note = "levels; 0 is HIP-2, g: what a level sold is bought back g levels lower"
    yield _row("gap_levels", str(plan.gap_levels), gap_note)
    if plan.active_levels is None:
        yield "# " + _row("active_levels", "20", "orders a side that rest; left out: all of them")
    else:
        yield _row("active_levels", str(plan.active_levels), "orders a side; the venue allows 1,000 an account")


def _write_allocation(plan: LadderPlan, view: MarketView) -> Iterator[str]:
    yield "# The most that the maker offers of the account; what else is there, it leaves alone."
    yield _row("token", f'"{plan.tokens.normalize():f}"', f"{view.base}; opens the ladder at {plan.opens_at:f}")
    reach = "pays for no bid" if plan.lowest_funded is None else f"pays for bids down to {plan.lowest_funded:f}"
    yield _row("usdc", f'"{plan.quote.normalize():f}"', f"{view.quote}; {reach}")


def _write_tuning(plan: LadderPlan, view: MarketView) -> Iterator[str]:
    for key, value, note in _TUNING:
        yield _row(key, value, note)
    yield _row("min_notional", f'"{plan.min_notional:f}"', f"{view.quote}; the venue refuses smaller orders")


def _write_limits(plan: LadderPlan, view: MarketView) -> Iterator[str]:
    top, bottom = find_ending(plan, at_top=True), find_ending(plan, at_top=False)
    yield "# The worst case of this plan, and a tenth more. Prices beyond the ladder cost more against holding."
    yield f"# Loss against having held: {_up(top.loss_vs_hold)} {view.quote} where all is sold, at {top.price:f}, and"
    yield f"# {_up(bottom.loss_vs_hold)} {view.quote} where all bids are filled, at {bottom.price:f}."
    limits = find_limits(plan)
    for item in fields(limits):
        yield _row(item.name, f'"{getattr(limits, item.name):f}"', f"{view.quote}; {_LIMIT_NOTES[item.name]}")
    yield _row("max_actions_per_hour", "20000", "one every 0.2 s on average; far above what a ladder needs")
    yield _row("max_fills_per_minute", "600", "more are no market but a fault, or somebody's attack")
    yield _row("max_unknown_outcomes", "20", "orders whose answer never came")
    yield _row("budget_floor", "500", "requests that are kept for cancels")


def _up(amount: Decimal) -> str:
    return f"{amount.quantize(_CENT):f}"


def _percent(ratio: Decimal) -> str:
    return f"{(ratio * 100).normalize():f} %"

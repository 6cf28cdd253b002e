"""Start of a maker that trades real money: everything that refuses it, and what it tells.

First what the settings alone show, then what the venue and the state folder say. Nothing is sent before all of it held.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from functools import partial

from mm_trio.cli.live_programs.first_run import cap_limits, cap_settings
from mm_trio.cli.live_programs.live_limits import describe_plan, find_misfits
from mm_trio.cli.programs.start_checks import check_opening, make_grid, make_opening_rules
from mm_trio.cli.run_programs.open_maker import Start, Terms
from mm_trio.config.digest import digest_settings
from mm_trio.config.private_paths import make_private_folders
from mm_trio.config.settings import Settings
from mm_trio.grids.schedule import read_machine_clock
from mm_trio.grids.startup import check_order_size
from mm_trio.halts.live_marks import is_first_run_seen, is_plan_seen, note_plan
from mm_trio.journal.data_dir import find_state_folder
from mm_trio.limits.required import find_missing
from mm_trio.limits.terms import NO_LIMITS
from mm_trio.model.errors import ConfigError, Unreachable
from mm_trio.model.market import Market
from mm_trio.model.pricing_grid import PricingGrid
from mm_trio.planning.ladder_plan import LadderPlan, plan_allocation
from mm_trio.planning.plan_request import Shape
from mm_trio.witness.key_life import KeyLife
from mm_trio.witness.opening_check import Opening, OpeningRules

__all__ = ["LEAST_DAYS", "check_live", "note_plan_shown", "plan_settings", "prepare_live"]

_log = logging.getLogger(__name__)

# A key that ends sooner could end while its operator is away.
LEAST_DAYS = 7


def check_live(settings: Settings) -> None:
    """Refuse settings that must not trade real money, every reason at once. Errors: ConfigError."""
    if settings.market.network != "mainnet":
        raise ConfigError(
            f'--live is for network = "mainnet" alone, and [market] network is "{settings.market.network}", where a '
            "maker sends orders without it; leave --live out"
        )
    if faults := tuple(_find_faults(settings)):
        count = "1 reason" if len(faults) == 1 else f"{len(faults)} reasons"
        raise ConfigError("\n".join((f"no live run: {count}", *(f"  {fault}" for fault in faults))))


def _find_faults(settings: Settings) -> Iterator[str]:
    limits = NO_LIMITS if settings.limits is None else settings.limits.to_risk_limits()
    if missing := find_missing(limits):
        yield (
            f"[limits] {', '.join(missing)}: missing, and on mainnet all of them are required; `mm-trio grid` writes "
            "them for a plan"
        )
    low, high = limits.price_low, limits.price_high
    if low is not None and high is not None and low >= high:
        yield f"[limits] price_low {low:f} is not below price_high {high:f}; nothing could be placed"
    if settings.allocation is None and settings.strategy.target_px is None:
        yield (
            "neither [strategy] target_px nor [allocation] is given, and on mainnet no whole account is offered; set "
            "target_px, or [allocation] token and usdc"
        )
    if settings.market.base is None:
        yield (
            f"[market] base is missing: the base token of {settings.market.coin} has to be named too, because anyone "
            'may list a token of any name; set it, such as base = "HYPE"'
        )


def _find_misfits(settings: Settings, market: Market) -> tuple[str, ...]:
    """Find limits that do not fit the plan, of settings that lack nothing."""
    try:
        plan = plan_settings(settings, make_grid(settings, market))
    except ConfigError as error:
        return (str(error),)
    return find_misfits(plan, NO_LIMITS if settings.limits is None else settings.limits.to_risk_limits())


def note_plan_shown(settings: Settings, market: Market, *, environ: Mapping[str, str]) -> None:
    """Note that the plan of these settings was shown, and tell what a live run would lack.

    Where that cannot be written, the log says so.
    """
    for fault in tuple(_find_faults(settings)) or _find_misfits(settings, market):
        _log.warning("a live run would be refused: reason=%s", fault)
    place = {"network": settings.market.network, "account": settings.market.account, "coin": market.coin}
    folder = find_state_folder(environ, **place)
    try:
        make_private_folders(folder)
        note_plan(folder, digest_settings(settings), at_ms=read_machine_clock())
        _log.info("plan noted: `run --live` with this very configuration may follow")
    except OSError as error:
        _log.warning("plan not noted: folder=%s reason=%s; `run --live` will ask for it again", folder, error)


def prepare_live(start: Start) -> Terms:
    """Check what a live start knows, tell what is at stake, and return what the maker may do.

    Blocks. Errors: ConfigError; Unreachable where the venue does not confirm the key.
    """
    settings = start.settings
    limits = NO_LIMITS if settings.limits is None else settings.limits.to_risk_limits()
    _check_key(start.key_life)
    _check_plan_seen(start)
    check_order_size(start.grid, settings.strategy.order_sz, settings.tuning.min_notional)
    plan = plan_settings(settings, start.grid)
    if misfits := find_misfits(plan, limits):
        raise ConfigError("\n".join(("no live run: [limits] do not fit the plan", *(f"  {each}" for each in misfits))))
    for line in describe_plan(plan, base=start.market.base.name, quote=start.market.quote.name):
        _log.info("live: %s", line)
    # A price that the operator named stands for one that the market tells: the first orders of a new pair make a book.
    limits = replace(limits, needs_mid=start.accepted_px is None)
    rules = make_opening_rules(settings, start.accepted_px)
    if not is_first_run_seen(start.folder):
        settings = cap_settings(settings, plan)
        limits = cap_limits(limits, plan_settings(settings, start.grid))
        _log.warning(
            "live: first run, capped at one order of %s %s a side, and at %.2f %s where it is signed: look at its "
            "fills and at `mm-trio ledger audit`, then `mm-trio resume --first-run-seen` allows the whole plan",
            *(settings.strategy.order_sz, start.market.base.name),
            *(limits.max_side_notional, start.market.quote.name),
        )
    return Terms(settings, limits, partial(_check_live_opening, plan=plan, rules=rules))


def _check_key(life: KeyLife | None) -> None:
    """Refuse a key that ends within days, or of which the venue tells nothing now."""
    if life is None:
        _log.warning("live: end of the key not known, because the leader of a vault is not told; note it yourself")
        return
    if not life.is_looked_up:
        raise Unreachable(
            f"the venue does not tell when the key {life.address} ends, and a live run needs {LEAST_DAYS} days; "
            "nothing was sent, try again"
        )
    days_left = life.compute_days_left(read_machine_clock())
    if days_left is None:
        _log.warning("live: end of the key not told: the venue lists agents with a name alone; note it yourself")
    elif days_left < LEAST_DAYS:
        raise ConfigError(
            f"the key {life.address} ends in {days_left:.1f} days, and a live run needs {LEAST_DAYS}; make the next "
            "one with `mm-trio keys rotate`"
        )


def _check_plan_seen(start: Start) -> None:
    if is_plan_seen(start.folder, digest_settings(start.settings)):
        return
    raise ConfigError(
        "look at the plan first: this configuration was not shown yet, or was changed since. Run the same command "
        "without --live, look at its prices and orders, stop it, and then start with --live"
    )


def plan_settings(settings: Settings, grid: PricingGrid) -> LadderPlan:
    """Plan what a maker with these settings opens with, on a new ledger."""
    strategy, parameters = settings.strategy, settings.maker_parameters(grid)
    return plan_allocation(
        Shape(grid, strategy.order_sz, parameters["allocated_token"]),
        parameters["allocated_usdc"],
        gap_levels=strategy.gap_levels,
        min_notional=settings.tuning.min_notional,
        active_levels=strategy.active_levels,
    )


def _check_live_opening(opening: Opening, *, plan: LadderPlan, rules: OpeningRules) -> None:
    """Refuse an account that does not hold the worst case, and a price that cannot be meant. Errors: ConfigError."""
    needed = (plan.tokens + (opening.moved.token or 0), plan.quote + (opening.moved.usdc or 0))
    held = (opening.held.token or Decimal(0), opening.held.usdc or Decimal(0))
    lacking = [
        f"{need:f} {name} are needed and {has:f} are free"
        for need, has, name in zip(needed, held, opening.tokens, strict=True)
        if has < need
    ]
    if lacking:
        raise ConfigError(
            f"the account does not hold what the plan can use from one end of its ladder to the other: "
            f"{'; '.join(lacking)}; deposit the difference, or lower [allocation] or order_sz"
        )
    check_opening(opening, rules=rules)

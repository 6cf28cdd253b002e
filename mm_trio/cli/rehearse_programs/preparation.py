"""What is rehearsed: configuration, pair, funds and plan, put together and checked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, Decimal

from mm_trio.cli.programs.start_checks import make_grid
from mm_trio.cli.rehearse_programs.venue_facts import VenueFacts
from mm_trio.config.settings import MakerParameters, Settings
from mm_trio.grids.startup import check_order_size
from mm_trio.limits.terms import NO_LIMITS, RiskLimits
from mm_trio.model.errors import ConfigError
from mm_trio.model.pricing_grid import PricingGrid
from mm_trio.planning.ladder_plan import LadderPlan, plan_ladder
from mm_trio.planning.plan_request import PlanRequest
from mm_trio.sandbox import FaultKind
from mm_trio.sim.actors.moving_market import OthersBook

__all__ = ["Funds", "Rehearsal", "RehearsalOptions", "prepare"]

# Of the others where there are none: in quote, and as a share of the price.
LONE_NOTIONAL, LONE_DISTANCE = Decimal(20), Decimal("0.01")


@dataclass(frozen=True, slots=True, kw_only=True)
class RehearsalOptions:
    """What the operator asked for.

    `hours` are of each path. `faults` None: all that need nobody's doing. `is_funded`: the account holds the allocation
    and nothing else, whatever it holds at the venue.
    """

    seed: int = 1
    hours: float = 1.0
    faults: tuple[FaultKind, ...] | None = None
    paths: tuple[str, ...]
    is_funded: bool = False
    accepted_px: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Funds:
    """Amounts of base and quote."""

    token: Decimal
    quote: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """Everything that each path begins with.

    `account` is what is free; `allocation` None: all of it is offered. `plan` None: it cannot be planned, for the
    reason in `notes`. `start_px` is the price of the others at the start.
    """

    options: RehearsalOptions
    settings: Settings
    parameters: MakerParameters
    facts: VenueFacts
    grid: PricingGrid
    account: Funds
    allocation: Funds | None
    plan: LadderPlan | None
    start_px: Decimal
    book: OthersBook
    notes: tuple[str, ...]

    @property
    def offered(self) -> Funds:
        """Return what the ledger begins with."""
        return self.allocation or self.account

    @property
    def duration_s(self) -> float:
        """Return the length of each path."""
        return 3600 * self.options.hours

    @property
    def limits(self) -> RiskLimits:
        """Return the limits of the configuration."""
        return NO_LIMITS if self.settings.limits is None else self.settings.limits.to_risk_limits()


def prepare(settings: Settings, facts: VenueFacts, options: RehearsalOptions) -> Rehearsal:
    """Put together what is rehearsed. Errors: ConfigError."""
    notes: list[str] = []
    # A new ledger is rounded as HIP-2 does, whatever an older one keeps.
    if settings.strategy.ladder == "half-even":
        settings = replace(settings, strategy=replace(settings.strategy, ladder="hip2"))
        notes.append('[strategy] ladder is rehearsed as "hip2": prices differ by a unit at most')
    grid = make_grid(settings, facts.market)
    parameters = settings.maker_parameters(grid)
    check_order_size(grid, parameters["order_sz"], parameters["min_notional"])
    allocation = _find_allocation(parameters)
    account = _find_account(facts, allocation, is_funded=options.is_funded)
    notes += _compare_funds(facts, account, allocation)
    network = settings.market.network
    if allocation is None and network != "sandbox" and options.accepted_px is None:
        notes.append(
            f"`run` refuses this configuration on {network}: it names neither [strategy] target_px nor [allocation], "
            "and would offer the whole account; it is rehearsed with all of it"
        )
    plan = _make_plan(settings, grid, allocation or account, notes)
    if facts.requests_left is not None and facts.requests_left == 0:
        notes.append("the account has no requests left: a maker could only cancel; trade by hand, or reserve some")
    start_px = facts.mid or (plan.opens_at if plan is not None else grid.levels[0])
    return Rehearsal(
        options=options,
        settings=settings,
        parameters=parameters,
        facts=facts,
        grid=grid,
        account=account,
        allocation=allocation,
        plan=plan,
        start_px=start_px,
        book=_find_shape(facts, start_px=start_px),
        notes=tuple(notes),
    )


def _find_allocation(parameters: MakerParameters) -> Funds | None:
    token, quote = parameters.get("allocated_token"), parameters.get("allocated_usdc")
    return None if token is None or quote is None else Funds(token, quote)


def _find_account(facts: VenueFacts, allocation: Funds | None, *, is_funded: bool) -> Funds:
    """Find what the account is taken to hold. Errors: ConfigError."""
    if is_funded:
        if allocation is None:
            raise ConfigError(
                "--assume-funded needs an amount to assume: give [allocation] token and usdc, or [strategy] target_px"
            )
        return allocation
    if facts.balances is None:
        raise ConfigError(
            "the balances of the account are not known: the file has no spotClearinghouseState; write one with --save, "
            "or add --assume-funded to rehearse with the allocation"
        )
    held = facts.balances
    return Funds(held.token - (held.held_token or 0), held.usdc - (held.held_usdc or 0))


def _compare_funds(facts: VenueFacts, account: Funds, allocation: Funds | None) -> list[str]:
    """Say what of the allocation the account lacks, and what is held of it."""
    if allocation is None:
        return []
    held = facts.balances
    rows = (
        (facts.view.base, account.token, allocation.token, None if held is None else held.held_token),
        (facts.view.quote, account.quote, allocation.quote, None if held is None else held.held_usdc),
    )
    return [_describe_lack(*row) for row in rows if row[1] < row[2]]


def _describe_lack(name: str, free: Decimal, wanted: Decimal, held: Decimal | None) -> str:
    beside = f", and {_plain(held)} held by open orders or margin" if held else ""
    return (
        f"the account has {_plain(free)} {name} free{beside}; the allocation is {_plain(wanted)}, so the ladder is "
        "smaller; fund it, or rehearse with --assume-funded"
    )


def _plain(amount: Decimal) -> str:
    return f"{amount.normalize():f}"


def _make_plan(settings: Settings, grid: PricingGrid, funds: Funds, notes: list[str]) -> LadderPlan | None:
    strategy = settings.strategy
    try:
        plan = plan_ladder(
            PlanRequest(
                sz_decimals=grid.sz_decimals or 0,
                start_px=strategy.start_px,
                n_orders=strategy.n_orders,
                order_sz=strategy.order_sz,
                tokens=funds.token,
                usdc=funds.quote,
                gap_levels=strategy.gap_levels,
                step=strategy.tick_size,
                min_notional=settings.tuning.min_notional,
            )
        )
    except ConfigError as error:
        notes.append(f"the ladder cannot be planned, so no limits of amounts are suggested: {error}")
        return None
    if strategy.active_levels is None:
        return plan
    # The far end of a side may lag by so many orders.
    return replace(plan, active_levels=strategy.active_levels + strategy.window_slack)


def _find_shape(facts: VenueFacts, *, start_px: Decimal) -> OthersBook:
    """Find how the book of others lies around its middle.

    Where a side is empty it is one small order a side, so that there is a price by which a loss can be measured.
    """
    if (mid := facts.mid) is None:
        lot = Decimal(1).scaleb(-facts.market.base.sz_decimals)
        size = (LONE_NOTIONAL / start_px).quantize(lot, rounding=ROUND_CEILING)
        return OthersBook(bids=((1 - LONE_DISTANCE, size),), asks=((1 + LONE_DISTANCE, size),))
    bids, asks = (tuple((row.price / mid, row.size) for row in rows) for rows in (facts.bids, facts.asks))
    return OthersBook(bids=bids, asks=asks)

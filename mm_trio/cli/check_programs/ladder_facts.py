"""Facts of the ladder: its levels, its plan, and what it would open with.

They are worked out by the maker's own code from what the venue and the ledger say. Pure.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from mm_trio.cli.check_programs.facts import AccountFacts, LadderFacts, LedgerFacts, MarketFacts
from mm_trio.cli.check_programs.findings import Fact, Unknown, Verdict
from mm_trio.cli.programs.plan_only import make_quote_settings
from mm_trio.cli.programs.start_checks import make_grid
from mm_trio.config.settings import MakerParameters, Settings
from mm_trio.funds.holds import find_usable
from mm_trio.journal.replay import Recovered
from mm_trio.model.errors import ConfigError
from mm_trio.model.journal_entries import Allocated
from mm_trio.model.market import Balances, Book, Market
from mm_trio.model.pricing_grid import PricingGrid
from mm_trio.model.replies import OpenOrder
from mm_trio.planning.ladder_plan import LadderPlan, plan_ladder
from mm_trio.planning.plan_request import PlanRequest
from mm_trio.quoting.opening import read_opening
from mm_trio.quoting.plan import plan_tick
from mm_trio.state.fill_history import FillHistory
from mm_trio.state.inventory import Inventory
from mm_trio.state.maker_state import MakerState
from mm_trio.state.order_state import OrderState
from mm_trio.state.ownership import Ownership
from mm_trio.state.rate_limit import RateLimitBudget
from mm_trio.witness.opening_check import Earlier, Opening

__all__ = ["find_free", "work_out_ladder"]

_REMEDY = "change [strategy], or the amounts that it is to offer"


def work_out_ladder(settings: Settings, market: MarketFacts, account: AccountFacts, ledger: LedgerFacts) -> LadderFacts:
    """Work out what the configured ladder is here and now."""
    if isinstance(market.market, Unknown):
        nothing = Unknown("the pair is not known", verdict=Verdict.SKIP)
        return LadderFacts(grid=nothing, plan=nothing, opening=nothing)
    if isinstance(ledger.ledger, Unknown):
        nothing = Unknown("without the ledger its amounts are not known", verdict=Verdict.SKIP)
        return LadderFacts(grid=_make_grid(settings, market.market, None), plan=nothing, opening=nothing)
    grid = _make_grid(settings, market.market, ledger.ledger)
    if isinstance(grid, Unknown):
        nothing = Unknown("the ladder is not possible", verdict=Verdict.SKIP)
        return LadderFacts(grid=grid, plan=nothing, opening=nothing)
    if isinstance(account.balances, Unknown) or isinstance(account.orders, Unknown):
        nothing = Unknown("balances or open orders are not known", verdict=Verdict.SKIP)
        return LadderFacts(grid=grid, plan=nothing, opening=nothing)
    try:
        parameters = settings.maker_parameters(grid)
    except ConfigError as error:
        nothing = Unknown("the target cannot be met", verdict=Verdict.SKIP)
        return LadderFacts(grid=grid, plan=nothing, opening=Unknown(str(error), _REMEDY, Verdict.FAIL))
    seen = _Seen(settings, market.market, grid, parameters=parameters, known=ledger.ledger)
    opening: Fact[Opening] = Unknown("the book is not known", verdict=Verdict.SKIP)
    if not isinstance(market.book, Unknown):
        opening = seen.open(account.balances, account.orders, market.book)
    return LadderFacts(grid=grid, plan=seen.plan(account.balances, account.orders), opening=opening)


def find_free(balances: Balances, orders: tuple[OpenOrder, ...], pair: Market, *, keep_foreign: bool) -> Balances:
    """Find what may be offered.

    That is the totals less what others hold of them.
    """
    ownership = Ownership(pair.coin, keep_foreign=keep_foreign)
    return find_usable(balances, orders, pair, is_foreign=ownership.is_foreign)


def _make_grid(settings: Settings, pair: Market, known: Recovered | None) -> Fact[PricingGrid]:
    """Make the ladder by the ledger's rule, if any."""
    strategy = settings.strategy
    rule = strategy.ladder or (None if known is None else known.ladder_rule)
    try:
        return make_grid(replace(settings, strategy=replace(strategy, ladder=rule)), pair)
    except ConfigError as error:
        return Unknown(str(error), _REMEDY, Verdict.FAIL)


class _Seen:
    """Ladder before the balances, orders and book of a moment."""

    def __init__(
        self,
        settings: Settings,
        pair: Market,
        grid: PricingGrid,
        *,
        parameters: MakerParameters,
        known: Recovered | None,
    ) -> None:
        self._settings = settings
        self._pair = pair
        self._grid = grid
        self._parameters = parameters
        self._known = known

    @property
    def _keeps_foreign(self) -> bool:
        return self._settings.tuning.foreign_orders == "keep"

    def plan(self, balances: Balances, orders: tuple[OpenOrder, ...]) -> Fact[LadderPlan]:
        """Plan the ladder on the amounts configured, or all free."""
        strategy, parameters = self._settings.strategy, self._parameters
        free = find_free(balances, orders, self._pair, keep_foreign=self._keeps_foreign)
        request = PlanRequest(
            sz_decimals=self._pair.base.sz_decimals,
            start_px=strategy.start_px,
            n_orders=strategy.n_orders,
            order_sz=strategy.order_sz,
            tokens=parameters.get("allocated_token", free.token),
            usdc=parameters.get("allocated_usdc", free.usdc),
            gap_levels=strategy.gap_levels,
            step=strategy.tick_size,
            min_notional=self._settings.tuning.min_notional,
        )
        try:
            return replace(plan_ladder(request), active_levels=strategy.active_levels)
        except ConfigError as error:
            return Unknown(str(error), _REMEDY, Verdict.SKIP)

    def open(self, balances: Balances, orders: tuple[OpenOrder, ...], book: Book) -> Fact[Opening]:
        """Find what a start would open with.

        Fills that are not in the ledger yet, of a maker that runs or ran, are not counted.
        """
        try:
            quoting = make_quote_settings(self._parameters)
            state = self._make_state()
            orphans = state.seed_orders(orders, now_s=0.0)
            state.note_others(orders)
            state.apply_balances(balances, asked_s=None, now_s=0.0)
            plan = plan_tick(self._grid, state.inventory, state.order_state, quoting)
            return read_opening(state, plan, book, orphans=orphans, earlier=self._find_earlier())
        except ConfigError as error:
            return Unknown(str(error), _REMEDY, Verdict.FAIL)

    def _make_state(self) -> MakerState:
        known, coin = self._known, self._pair.coin
        epochs = set[int]() if known is None else known.epochs
        ownership = Ownership(coin, keep_foreign=self._keeps_foreign, epochs=epochs)
        return MakerState(
            self._pair,
            self._grid,
            OrderState(),
            self._make_inventory(),
            RateLimitBudget(),
            ownership,
            FillHistory(coin),
        )

    @property
    def _wanted(self) -> tuple[Decimal | None, Decimal | None]:
        return self._parameters.get("allocated_token"), self._parameters.get("allocated_usdc")

    def _make_inventory(self) -> Inventory:
        """Take the ledger's inventory, with the allocation of today."""
        token, usdc = self._wanted
        if self._known is None or self._known.is_new:
            return Inventory(self._settings.strategy.order_sz, token, usdc)
        inventory = self._known.inventory
        if inventory.allocation != (token, usdc):
            inventory.on_allocated(Allocated(token, usdc))
        return inventory

    def _find_earlier(self) -> Earlier | None:
        last = None if self._known is None else self._known.last_quoted
        if last is None:
            return None
        strategy = self._settings.strategy
        ours = {
            "start_px": str(self._grid.levels[0]),
            "n_orders": str(strategy.n_orders),
            "tick_size": str(strategy.tick_size),
            "order_sz": str(strategy.order_sz),
        }
        return last.compare(self._grid, ours, self._wanted)

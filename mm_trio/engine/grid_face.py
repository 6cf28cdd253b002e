"""What is shown of one grid to screens, summaries and tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from mm_trio.engine.grid_assembly import GridTerms, Knowledge
from mm_trio.grids.grid import Grid
from mm_trio.grids.shutdown import LeftOrder, list_remaining
from mm_trio.halts.requests import Requests
from mm_trio.halts.standing import Standing
from mm_trio.limits.breach_log import Tripped
from mm_trio.limits.nearness import LimitUse
from mm_trio.model.errors import LedgerError
from mm_trio.model.market import Market
from mm_trio.model.orders import FillResult
from mm_trio.model.settings import MakerSettings
from mm_trio.refusals.kind_pauses import PauseNews
from mm_trio.state.inventory import Inventory
from mm_trio.state.order_state import OrderState
from mm_trio.state.rate_limit import RateLimitBudget
from mm_trio.state.stats import RunStats

if TYPE_CHECKING:
    from mm_trio.engine.session import Session

__all__ = ["GridFace", "Vitals", "take_vitals"]

NOT_CHECKED = ("orders of an earlier session: not checked yet",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Vitals:
    """Signs of life of an account, and its limits over all grids.

    Times are of the loop's clock, None where there was none: of the last frame of any feed, of the last commit of the
    ledger, and since when entries wait to be durable. `key_ends_ms` is the end of the signer's key as the venue lists
    it; `is_key_lost`: it was listed before, and is not any more. `has_guard`: a guard watches, by what was seen of it;
    None where none is configured. `limits` are empty where the only grid has them.
    """

    framed_s: float | None = None
    committed_s: float | None = None
    waits_since_s: float | None = None
    n_unwritten: int = 0
    key_ends_ms: int | None = None
    is_key_lost: bool = False
    has_guard: bool | None = None
    limits: tuple[LimitUse, ...] = ()


def take_vitals(session: Session | None, *, measures_limits: bool = True) -> Vitals:
    """Take the signs of life of a session; all are missing before there is one. Limits over many grids take longest."""
    if session is None:
        return Vitals()
    account = session.account
    agent = None if account.key_life is None else account.key_life.agent
    return Vitals(
        framed_s=session.feeds.watchdog.framed_s,
        committed_s=account.writer.committed_s,
        waits_since_s=account.writer.waits_since_s,
        n_unwritten=account.writer.n_unwritten,
        key_ends_ms=None if agent is None else agent.valid_until_ms,
        is_key_lost=account.key_life is not None and account.key_life.is_lost,
        has_guard=None if account.signs is None else account.signs.has_guard,
        limits=account.stops.limits.measure() if measures_limits and not session.is_alone else (),
    )


class GridFace:
    """Face of one grid, from before its session until after it.

    `coin` is as configured, and the venue's own name once that is known. `rate_limit` is the account's.
    """

    def __init__(self, terms: GridTerms, rate_limit: RateLimitBudget) -> None:
        settings = self.settings = terms.settings
        self.coin, self.grid = settings.coin, settings.make_grid()
        self.order_state, self.rate_limit, self.stats = OrderState(), rate_limit, RunStats()
        self.inventory = Inventory(settings.order_sz, settings.allocated_token, settings.allocated_usdc)
        self.market: Market | None = None
        self.asset_id: int | None = None
        self._terms = terms
        self._grid: Grid | None = None
        self._unseen: tuple[str, ...] = ()

    def __repr__(self) -> str:
        # The signing key is in an object of the SDK; nothing of those is shown.
        doing = "not started" if self._grid is None else self.paused_because or "quoting"
        return f"<{type(self).__name__} {self.coin}: {doing}, {len(self.order_state.orders)} orders open>"

    def make_blank(self) -> Knowledge:
        """Return what is known before a first session."""
        return Knowledge(self.order_state, self.inventory, self.stats)

    def note_past(self) -> None:
        """Say that orders of an earlier session may rest, until a session has looked."""
        self._unseen = NOT_CHECKED

    def show(self, grid: Grid) -> None:
        """Show a session's grid from here on."""
        state = grid.state
        self._grid = grid
        self.market, self.coin, self.asset_id = state.market, state.market.coin, state.market.asset_id
        # The ladder has the market's decimals now; orders and inventory may be an earlier session's.
        self.grid, self.order_state, self.inventory = state.grid, state.order_state, state.inventory
        self._unseen = ()

    def follow(self, settings: MakerSettings) -> None:
        """Show what a change made of the grid."""
        assert self._grid is not None
        self.settings, self.grid = settings, self._grid.state.grid

    @property
    def pair_name(self) -> str:
        """Return `HYPE/USDC` where the market is known, else the coin."""
        return self.coin if self.market is None else f"{self.market.base.name}/{self.market.quote.name}"

    @property
    def failure(self) -> LedgerError | None:
        """Return why the grid ended while its account went on, None where it did not."""
        return None if self._grid is None else self._grid.failure

    @property
    def standing(self) -> Standing:
        """Return whether the maker may place orders, and why not, as it is written down."""
        return self._terms.standing.standing

    @property
    def requests(self) -> Requests | None:
        """Return the ways by which an operator reaches the grid; None where there is none."""
        return self._terms.standing.requests

    @property
    def boundary_level(self) -> int | None:
        """Return the lowest level with an ask, None before the start."""
        return None if self._grid is None else self._grid.quoter.boundary_level

    @property
    def ticked_s(self) -> float | None:
        """Return when the last tick ended, on the loop's clock; None before the first."""
        return None if self._grid is None else self._grid.schedule.ticked_s

    @property
    def mid(self) -> Decimal | None:
        """Return the middle between the best prices of the book, as the limits saw it last; None where none was."""
        return None if self._grid is None else self._grid.stops.limits.mid

    @property
    def difference(self) -> tuple[Decimal, Decimal] | None:
        """Return the venue's balance less the ledger, base and quote, while it is not believed; None where equal."""
        change = None if self._grid is None else self._grid.events.balance_change
        return None if change is None else (change.token, change.usdc)

    @property
    def limit_uses(self) -> tuple[LimitUse, ...]:
        """Return how near each of the grid's limits is."""
        return () if self._grid is None else self._grid.stops.limits.measure()

    @property
    def recent_fills(self) -> Sequence[tuple[float, FillResult]]:
        """Return the last fills with their loop times, oldest first."""
        return () if self._grid is None else self._grid.events.recent_fills

    @property
    def paused_because(self) -> str | None:
        """Return why nothing new is placed, or None while quoting."""
        return "starting" if self._grid is None else self._grid.gate.reason

    @property
    def refusals(self) -> tuple[PauseNews, ...]:
        """Return what waits because the venue kept refusing it alike."""
        return () if self._grid is None else self._grid.emitter.filter.refusals.pausing

    @property
    def limits_tripped(self) -> tuple[Tripped, ...]:
        """Return the first breach of each of the operator's limits in this session, oldest first."""
        return () if self._grid is None else self._grid.stops.limits.breaches.tripped

    @property
    def orders_may_rest(self) -> tuple[str, ...]:
        """Return our orders that may rest at the venue.

        After `run` they are those that could not be proven gone.
        """
        return self._unseen or tuple(left.name for left in self.orders_left)

    @property
    def orders_left(self) -> tuple[LeftOrder, ...]:
        """Return the orders of `orders_may_rest`, as far as they were seen."""
        left_behind = None if self._grid is None else self._grid.left_behind
        return list_remaining(self.order_state) if left_behind is None else left_behind

    def describe_orders_left(self) -> tuple[str, ...]:
        """Describe the orders that may rest, for a person who has to look after them."""
        return self._unseen or tuple(left.describe() for left in self.orders_left)

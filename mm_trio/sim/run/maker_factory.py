"""Make the maker of a simulated process, of one grid or of several."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from mm_trio.config.settings import Settings
from mm_trio.engine.account_maker import AccountMaker, GridTerms
from mm_trio.engine.grid_face import GridFace
from mm_trio.engine.ws_state import WsState
from mm_trio.halts.standing_file import VolatileStanding
from mm_trio.limits.terms import NO_LIMITS, RiskLimits
from mm_trio.model.settings import MakerSettings
from mm_trio.sandbox import Nonces
from mm_trio.sim.actors.maker_process import Runs
from mm_trio.sim.base.random_streams import split
from mm_trio.sim.base.scenario import Scenario, ScenarioLadder
from mm_trio.sim.grids.grid import Grid
from mm_trio.sim.network.request_transport import RequestTransport
from mm_trio.sim.network.secret_canary import CanaryExchange
from mm_trio.sim.network.venue import SimInfo, SimVenue
from mm_trio.sim.network.watched_journal import WatchedJournal
from mm_trio.sim.network.watched_standing import WatchedStanding
from mm_trio.sim.oracle.operator_limits import Bounds, compute_bounds, read_bounds
from mm_trio.sim.oracle.request_rules import STALE_S

__all__ = ["MAKER", "MakerSeams", "find_limits", "find_victim", "make_maker", "make_terms_of"]

MAKER = "0x" + "a1" * 20


@dataclass(frozen=True, slots=True)
class MakerSeams:
    """World of a process, as its maker sees it.

    `nonces` are those of the key at the venue. Each maker gets a random stream of its own from `rng`. `wall_ms` reads
    the machine's clock. `standing` is that of an account with several grids.
    """

    info: SimInfo
    venue: SimVenue
    nonces: Nonces
    transport: RequestTransport
    journal: WatchedJournal
    rng: Random
    wall_ms: Callable[[], int]
    standing: WatchedStanding | None

    def make_arguments(self, scenario: Scenario) -> dict[str, Any]:
        """Make the arguments that have nothing to do with a grid."""
        return {
            "info": self.info,
            "exchange": CanaryExchange(self.venue, MAKER, nonces=lambda signer: self.nonces),
            "address": MAKER,
            "run_sync": self.transport,
            "reopen_feed": self.info.reopen_feed,
            "journal": self.journal,
            "rng": Random(self.rng.getrandbits(64)),
            "wall_ms": self.wall_ms,
            "checkpoint_every": scenario.checkpoint_every,
        }


def make_maker(
    scenario: Scenario,
    grids: Sequence[Grid],
    seams: MakerSeams,
    *,
    limits: Sequence[RiskLimits | None],
    standings: Sequence[WatchedStanding | None],
) -> tuple[Runs, Mapping[str, GridFace]]:
    """Make what a process runs, and what each of its grids shows."""
    if scenario.n_grids > 1:
        makers = AccountMaker(
            [_make_terms(scenario, *terms) for terms in zip(grids, limits, standings, strict=True)],
            standing=seams.standing,
            **seams.make_arguments(scenario),
        )
        return makers, makers.faces
    (grid,) = grids
    arguments = {"standing": standings[0], **_make_settings(scenario, grid), **seams.make_arguments(scenario)}
    maker = WsState(limits=limits[0], **arguments)
    return maker, {grid.coin: maker}


def _make_terms(
    scenario: Scenario, grid: Grid, limits: RiskLimits | None, standing: WatchedStanding | None
) -> GridTerms:
    """Make the terms of one grid of several."""
    others: dict[str, Any] = {"ladder": None, "take_over": False, "hand_cancels_to_stop": None, "ledger": "ahead"}
    settings = MakerSettings(cancel_on_shutdown=True, **others | _make_settings(scenario, grid))
    return GridTerms(settings=settings, limits=limits or NO_LIMITS, standing=standing or VolatileStanding())


def _make_settings(scenario: Scenario, grid: Grid) -> dict[str, Any]:
    """Make a grid's arguments, and those that a scenario draws for all grids."""
    ladder = grid.ladder
    return {
        "coin": grid.coin,
        "start_px": ladder.start_px,
        "n_orders": ladder.n_orders,
        "order_sz": ladder.order_size,
        "tick_size": ladder.step,
        "min_notional": ladder.min_notional,
        "active_levels": ladder.active_levels,
        "window_slack": ladder.window_slack,
        "gap_levels": ladder.gap_levels,
        "allocated_token": grid.allocated[0],
        "allocated_usdc": grid.allocated[1],
        "foreign_orders": "keep" if scenario.keep_foreign else "cancel",
        "feed_stale_after_s": STALE_S,
        **scenario.tuning,
    }


def find_victim(scenario: Scenario, grids: Sequence[Grid]) -> Grid:
    """Find the grid that a plan of halts is about."""
    return split(scenario.seed, "grid that halts").choice(grids)


def make_terms_of(settings: Settings, *, limits: RiskLimits | None, standing: WatchedStanding | None) -> GridTerms:
    """Make the terms of a grid that is configured while others quote."""
    amounts: dict[str, Any] = {"allocated_token": None, "allocated_usdc": None}
    parameters = {**amounts, **settings.maker_parameters()}
    return GridTerms(
        settings=MakerSettings(**parameters, take_over=False),
        limits=limits or NO_LIMITS,
        standing=standing or VolatileStanding(),
    )


def find_limits(
    scenario: Scenario, ladder: ScenarioLadder, *, sz_decimals: int
) -> tuple[RiskLimits | None, Bounds | None]:
    """Find a grid's limits, and those of them that the oracle checks too.

    They are those of the place, or as wide as the ladder needs.
    """
    place = scenario.place
    if place.limits is not None:
        return place.limits, read_bounds(place.limits)
    if not scenario.is_limited:
        return None, None
    bounds = compute_bounds(ladder, sz_decimals=sz_decimals)
    limits = RiskLimits(
        max_order_notional=bounds.order,
        max_side_notional=bounds.side,
        price_low=bounds.low,
        price_high=bounds.high,
    )
    return limits, bounds

"""World that a rehearsal plays in: its scenario, its traders, and the requests that the account has left."""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from typing import Any

from mm_trio.cli.programs.start_checks import check_opening, make_opening_rules
from mm_trio.cli.rehearse_programs.preparation import Rehearsal
from mm_trio.cli.rehearse_programs.price_paths import find_highest, find_points
from mm_trio.cli.rehearse_programs.venue_facts import REQUESTS, make_markets
from mm_trio.halts.standing_file import KeepsStanding
from mm_trio.sandbox import CancelByOid, FaultKind, Limits
from mm_trio.sim.actors.moving_market import MovingMarket, PricePath
from mm_trio.sim.base.place import Place
from mm_trio.sim.base.random_streams import split
from mm_trio.sim.base.scenario import BY_THE_CLOCK, OF_SEVERAL_GRIDS, Scenario, ScenarioLadder
from mm_trio.sim.run.process_starter import MAKER
from mm_trio.sim.run.world import World

__all__ = ["FAULTS_BY_DEFAULT", "make_market", "make_scenario", "spend_requests"]

# What happens to every maker without anybody's doing. What owners, keys, this machine and the listing do has to be
# asked for by name, and a frame that lies plausibly is none of these.
FAULTS_BY_DEFAULT = frozenset(FaultKind) - {
    *(FaultKind.BUDGET_EXHAUSTED, FaultKind.AGENT_REVOKED, FaultKind.AGENT_EXPIRED, FaultKind.MANUAL_ORDER),
    *(FaultKind.MANUAL_CANCEL, FaultKind.DEPOSIT, FaultKind.WITHDRAWAL, FaultKind.DELISTED, FaultKind.HELD_ELSEWHERE),
    *(FaultKind.REFUSED_FOR_GOOD, FaultKind.CLOCK_DRIFT, FaultKind.FRAME_LIES),
    *OF_SEVERAL_GRIDS,
}
# In strikes per second, and as the share of requests or frames.
STRIKES_PER_S, STRUCK_SHARE = 1 / 300, 0.02
# On average between two takers who come by chance, and their size as a share of an order.
TAKER_PAUSE_S = 10.0
TAKER_SHARE = "0.5"
ITEMS_AT_ONCE = 100
# What a seed draws and a rehearsal leaves alone: nobody stops or kills the maker, and its machine is a good one.
_UNDRAWN: dict[str, Any] = {
    "there_s": 0.05,
    "back_s": 0.05,
    "frame_s": 0.1,
    "disk_s": 0.01,
    "replica_lag_s": 1.0,
    "skew_ms": 0,
    "has_takers": False,
    "has_rivals": False,
    "has_second_strategy": False,
    "taker_pause_s": 1.0,
    "trend_s": 1.0,
    "stops_s": (),
    "crashes": (),
    "restarts_in_calm": False,
    "crashes_in_calm": False,
    "hangs_at_stop": False,
    "has_no_budget_at_stop": False,
    "is_log_scanned": False,
    "fills_have_cloids": True,
    "checkpoint_every": 2_000,
    "reallocation": None,
    "journal_loss": None,
}
# Sent to an order that does not exist, an item costs a request and changes nothing.
NO_OID = 1


def make_scenario(rehearsal: Rehearsal, standing: KeepsStanding) -> Scenario:
    """Make the scenario that a rehearsal stands for; a halt lasts in `standing`."""
    return Scenario(
        seed=rehearsal.options.seed,
        safety_s=rehearsal.duration_s,
        rates=_find_rates(rehearsal.options.faults),
        ladder=_make_ladder(rehearsal),
        account_tokens=rehearsal.account.token,
        account_quote=rehearsal.account.quote,
        keep_foreign=rehearsal.parameters["foreign_orders"] == "keep",
        tuning=_make_tuning(rehearsal, standing),
        maker_fee=f"{rehearsal.facts.fees.maker:f}",
        place=_make_place(rehearsal),
        **_UNDRAWN,
    )


def _make_ladder(rehearsal: Rehearsal) -> ScenarioLadder:
    parameters, allocation = rehearsal.parameters, rehearsal.allocation
    return ScenarioLadder(
        start_px=parameters["start_px"],
        n_orders=parameters["n_orders"],
        step=parameters["tick_size"],
        order_size=parameters["order_sz"],
        tokens=None if allocation is None else allocation.token,
        quote=None if allocation is None else allocation.quote,
        active_levels=parameters["active_levels"],
        window_slack=parameters["window_slack"],
        gap_levels=parameters["gap_levels"],
        min_notional=parameters["min_notional"],
    )


def _make_place(rehearsal: Rehearsal) -> Place:
    facts = rehearsal.facts
    return Place(
        markets=make_markets(facts, opening_px=rehearsal.start_px),
        coin=facts.market.coin,
        taker_fee=f"{facts.fees.taker:f}",
        venue_limits=Limits.of_accounts(),
        limits=rehearsal.limits,
    )


def _make_tuning(rehearsal: Rehearsal, standing: KeepsStanding) -> dict[str, Any]:
    """Make the arguments of the maker that no scenario draws."""
    parameters, settings = rehearsal.parameters, rehearsal.settings
    rules = make_opening_rules(settings, rehearsal.options.accepted_px)
    return {
        "interval_s": parameters["interval_s"],
        "dead_zone_bps": parameters["dead_zone_bps"],
        "price_tolerance_bps": parameters["price_tolerance_bps"],
        "size_tolerance_pct": parameters["size_tolerance_pct"],
        "reconcile_every": parameters["reconcile_every"],
        "requote_on_fill": parameters["requote_on_fill"],
        "feed_stale_after_s": parameters["feed_stale_after_s"],
        "feed_lag_limit_s": parameters["feed_lag_limit_s"],
        "hand_cancel_pause_s": parameters["hand_cancel_pause_s"],
        "check_opening": partial(check_opening, rules=rules),
        "standing": standing,
    }


def spend_requests(rehearsal: Rehearsal, world: World) -> None:
    """Begin with the requests that the account has left."""
    left = rehearsal.facts.requests_left
    spent = 0 if left is None else max(0, REQUESTS - left)
    for n in range(0, spent, ITEMS_AT_ONCE):
        items = ((world.pair.asset, NO_OID),) * min(ITEMS_AT_ONCE, spent - n)
        world.exchange.apply(world.now_ms(), CancelByOid(MAKER, items))


def make_market(rehearsal: Rehearsal, path: str, world: World) -> MovingMarket:
    """Make everybody but the maker, on a path of the price."""
    seed = rehearsal.options.seed
    prices = {"start_px": rehearsal.start_px, "top_px": rehearsal.grid.levels[-1]}
    return MovingMarket(
        world.gateway,
        world.pair,
        path=PricePath(
            find_points(path, **prices),
            highest=find_highest(path, **prices),
            start=rehearsal.start_px,
            duration_s=rehearsal.duration_s,
            rng=split(seed, f"price {path}"),
        ),
        book=rehearsal.book,
        taker_size=rehearsal.parameters["order_sz"] * Decimal(TAKER_SHARE),
        pause_s=TAKER_PAUSE_S,
        rng=split(seed, f"takers {path}"),
    )


def _find_rates(faults: tuple[FaultKind, ...] | None) -> dict[FaultKind, float]:
    kinds = FAULTS_BY_DEFAULT if faults is None else frozenset(faults)
    # In the order of their definition: which fault strikes is drawn by it.
    return {kind: STRIKES_PER_S if kind in BY_THE_CLOCK else STRUCK_SHARE for kind in FaultKind if kind in kinds}

"""Draw the scenario of a seed: faults, latencies, ladder, market.

A random subset of the faults in each run finds more than all of them in every run: a fault that hides another
is missing in half of the runs (swarm testing). Rates are log-uniform, so that both rare and constant faults occur.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from decimal import ROUND_DOWN, Decimal
from random import Random
from typing import Any

from mm_trio.sandbox import FaultKind
from mm_trio.sim.base.crash_points import Crash
from mm_trio.sim.base.halt_plan import HaltPlan, draw_halt_plan
from mm_trio.sim.base.journal_loss import JournalLoss
from mm_trio.sim.base.place import DRAWN_PLACE, Place
from mm_trio.sim.base.random_streams import log_uniform, split

__all__ = ["BY_CHANCE", "GAPS", "OF_SEVERAL_GRIDS", "Scenario", "ScenarioLadder", "draw_scenario"]

# These strike by the clock, and their rate is in strikes per second. All others strike a request or a frame, and their
# rate is a probability.
BY_THE_CLOCK = frozenset(
    {
        FaultKind.READ_STALE,
        FaultKind.SOCKET_CLOSED,
        FaultKind.SOCKET_DROPPED,
        FaultKind.SOCKET_SILENT,
        FaultKind.PONG_ONLY,
        FaultKind.BUDGET_EXHAUSTED,
        FaultKind.AGENT_REVOKED,
        FaultKind.MANUAL_ORDER,
        FaultKind.MANUAL_CANCEL,
        FaultKind.DEPOSIT,
        FaultKind.WITHDRAWAL,
        FaultKind.DELISTED,
        FaultKind.UPGRADE,
        FaultKind.CLOCK_DRIFT,
        FaultKind.HELD_ELSEWHERE,
        FaultKind.REFUSED_FOR_GOOD,
        FaultKind.AGENT_EXPIRED,
        FaultKind.COIN_GARBLED,
    }
)
# Faults that only an account with several grids can have.
OF_SEVERAL_GRIDS = frozenset({FaultKind.COIN_GARBLED})
SELDOM = frozenset(
    {
        FaultKind.BUDGET_EXHAUSTED,
        FaultKind.AGENT_REVOKED,
        FaultKind.DELISTED,
        FaultKind.UPGRADE,
        FaultKind.CLOCK_DRIFT,
        FaultKind.REFUSED_FOR_GOOD,
        FaultKind.AGENT_EXPIRED,
    }
)
# Share of all faults that one seed has.
FAULT_SHARE = 0.4
# One seed in this many has its log scanned for secrets.
LOG_SCAN_EVERY = 8
# Share of seeds without any fault.
FAULTLESS_SHARE = 0.08
# Fee rates of a maker: the venue's usual one, none, and two rebates.
MAKER_FEES = ("0.0004", "0.0004", "0", "-0.00003", "-0.0001")
# Levels below the one where a tranche was sold, where it is bought back.
GAPS = (0, 0, 1, 2)
# In bps: off, as `run` has it, and the library's default.
DEAD_ZONES = (0, 5)
# Entries of the journal between two checkpoints.
CHECKPOINT_EVERY = (20, 2000)
# Share of seeds whose operator changes the allocation between two processes, and by how much of what is there.
REALLOCATED_SHARE, REALLOCATED_BY = 0.5, 0.5
# Share of seeds in which the journal loses its end once, and by how many entries.
LOSS_SHARE, ENTRIES_LOST = 0.3, (1, 300)

# Kills are drawn from these. The others strike the writing of a standing, and a plan of halts has them.
BY_CHANCE = tuple(crash for crash in Crash if crash not in (Crash.STANDING_LOST, Crash.STANDING_KEPT))
# Share of seeds with limits of the operator.
LIMITED_SHARE = 0.5

LOT = Decimal("0.01")
# First price, and order sizes whose notional is just above the venue's minimum of 10 or far above it.
LADDERS = (
    ("20", ("5", "2.5", "1.01", "7.37")),
    ("431.7", ("0.31", "0.05", "2")),
    ("1.0725", ("50", "12.34", "19")),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioLadder:
    """Ladder and allocation that the maker is configured with.

    Prices are in quote; sizes and `tokens` in base. None stands for the whole account.
    """

    start_px: Decimal
    n_orders: int
    step: Decimal
    order_size: Decimal
    tokens: Decimal | None
    quote: Decimal | None
    active_levels: int | None
    window_slack: int
    gap_levels: int = 0
    min_notional: Decimal = Decimal(10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """Scenario of one seed.

    `rates`: by fault, a probability or strikes per second. Every name that ends in `_s` is in seconds.
    `there_s`, `back_s`, `frame_s`, `disk_s`: longest latencies without a fault.
    `replica_lag_s`: greatest age of a stale read.
    `fills_have_cloids`: whether fills carry the cloid of their order; the venue does not promise it.
    `stops_s`: when the maker is asked to stop and then restarted, in seconds from the start of the run.
    `crashes`: when the maker is killed, or from when on it is killed as soon as it reaches that stage.
    `journal_locks`: when another process has the journal locked, from and until, in seconds from the start of the run.
    `hangs_at_stop`: from the last stop on, no request is answered.
    `has_no_budget_at_stop`: at the last stop the request budget is used up.
    `is_log_scanned`: the maker's log is scanned for secrets.
    `maker_fee`: share of the notional; negative: a rebate.
    `checkpoint_every`: entries of the journal between two checkpoints.
    `journal_loss`: the journal lacks its end before one of the starts.
    `is_limited`: the operator set limits, just as wide as the ladder needs.
    `halts`: what halts or pauses the makers of this seed.
    `has_takers`: takers whose bias changes trade; without them somebody else has to.
    `place`: the pair, which is the same in every seed.
    `n_grids`: grids of the account; `sim/grids` draws all but the first.
    `reallocation`: from the second process on the allocation has these shares more of the ledger, in base and quote.
    """

    seed: int
    safety_s: float
    rates: Mapping[FaultKind, float]
    there_s: float
    back_s: float
    frame_s: float
    disk_s: float
    replica_lag_s: float
    skew_ms: int
    ladder: ScenarioLadder
    account_tokens: Decimal
    account_quote: Decimal
    keep_foreign: bool
    tuning: Mapping[str, Any]
    taker_pause_s: float
    trend_s: float
    has_rivals: bool
    has_second_strategy: bool
    fills_have_cloids: bool
    stops_s: tuple[float, ...]
    restarts_in_calm: bool
    hangs_at_stop: bool
    crashes: tuple[tuple[float, Crash], ...]
    crashes_in_calm: bool
    has_no_budget_at_stop: bool
    is_log_scanned: bool
    maker_fee: str
    checkpoint_every: int
    reallocation: tuple[float, float] | None
    journal_loss: JournalLoss | None
    journal_locks: tuple[tuple[float, float], ...] = ()
    is_limited: bool = False
    halts: HaltPlan | None = None
    has_takers: bool = True
    place: Place = DRAWN_PLACE
    n_grids: int = 1


def draw_scenario(
    seed: int,
    *,
    faults: Collection[FaultKind] | None,
    safety_s: float | None = None,
    grids: tuple[int, int] = (1, 1),
) -> Scenario:
    """Draw the scenario of a seed.

    `faults` None: a random subset of all faults; otherwise exactly these. `grids` are the fewest and the most.
    """
    # Recorded seeds depend on this label: another one would draw other scenarios for all of them.
    rng = split(seed, "swarm")
    safety_s = rng.uniform(400, 900) if safety_s is None else safety_s
    n_grids = split(seed, "grids").randint(*grids)
    rates = _draw_rates(split(seed, "swarm of faults"), faults)
    if n_grids == 1:
        rates = {kind: rate for kind, rate in rates.items() if kind not in OF_SEVERAL_GRIDS}
    ladder = replace(_draw_ladder(rng), gap_levels=split(seed, "swarm of gaps").choice(GAPS))
    factor = Decimal(rng.choice((1, 2, 2)))
    start = ladder.start_px
    halts = None
    if faults is None:
        worth = ladder.order_size * start
        halts = draw_halt_plan(split(seed, "swarm of halts"), safety_s=safety_s, tranche_worth=worth)
    tokens = ladder.tokens if ladder.tokens is not None else _draw_tokens(rng, ladder.order_size, ladder.n_orders)
    quote = ladder.quote if ladder.quote is not None else _draw_quote(rng, ladder.order_size * start, ladder.n_orders)
    # A maker that cancels foreign orders would take an owner's order on one of its levels for its own.
    keeps = rng.random() < 0.8 or FaultKind.MANUAL_ORDER in rates
    return Scenario(
        seed=seed,
        safety_s=safety_s,
        rates=rates,
        there_s=rng.choice((0.01, 0.05, 0.2, 0.6)),
        back_s=rng.choice((0.01, 0.05, 0.2, 0.6)),
        frame_s=rng.choice((0.0, 0.02, 0.1, 0.4)),
        disk_s=rng.choice((0.001, 0.01, 0.5)),
        replica_lag_s=rng.choice((0.3, 1.0, 1.9)),
        skew_ms=int(rng.choice((0, 0, 300, 900)) * rng.uniform(-1, 1)),
        ladder=ladder,
        account_tokens=tokens * factor,
        account_quote=quote * factor,
        keep_foreign=keeps,
        tuning=_draw_tuning(rng) | {"dead_zone_bps": split(seed, "swarm of dead zones").choice(DEAD_ZONES)},
        taker_pause_s=log_uniform(rng, 0.5, 12),
        trend_s=log_uniform(rng, 40, 600),
        has_rivals=rng.random() < 0.4,
        has_second_strategy=keeps and rng.random() < 0.4,
        fills_have_cloids=rng.random() < 0.75,
        stops_s=tuple(sorted(rng.uniform(0, 1) * safety_s for _ in range(rng.choice((0, 0, 1, 2))))),
        restarts_in_calm=rng.random() < 0.3,
        hangs_at_stop=rng.random() < 0.1,
        crashes=_draw_crashes(split(seed, "swarm of crashes"), safety_s),
        crashes_in_calm=rng.random() < 0.5,
        has_no_budget_at_stop=rng.random() < 0.2,
        is_log_scanned=seed % LOG_SCAN_EVERY == 0,
        journal_locks=_draw_journal_locks(split(seed, "swarm of journal locks"), safety_s) if faults is None else (),
        maker_fee=split(seed, "swarm of fees").choice(MAKER_FEES),
        checkpoint_every=int(log_uniform(split(seed, "swarm of checkpoints"), *CHECKPOINT_EVERY)),
        reallocation=_draw_reallocation(split(seed, "swarm of allocations")),
        # An older copy of the folder would have an older standing too.
        # With several grids it may be the end of one ledger alone, which the operator of this world does not mend.
        journal_loss=None
        if halts is not None or n_grids > 1
        else _draw_journal_loss(split(seed, "swarm of lost ends")),
        halts=halts,
        is_limited=split(seed, "swarm of limits").random() < LIMITED_SHARE,
        n_grids=n_grids,
    )


def _draw_journal_loss(rng: Random) -> JournalLoss | None:
    is_lost, before = rng.random() < LOSS_SHARE, rng.choice((2, 2, 3, 4))
    n_entries = rng.choice((None, int(log_uniform(rng, *ENTRIES_LOST))))
    return JournalLoss(before, n_entries) if is_lost else None


def _draw_reallocation(rng: Random) -> tuple[float, float] | None:
    is_changed, sign = rng.random() < REALLOCATED_SHARE, rng.choice((1, 1, -1))
    shares = (sign * rng.uniform(0, REALLOCATED_BY), sign * rng.uniform(0, REALLOCATED_BY))
    return shares if is_changed else None


def _draw_journal_locks(rng: Random, safety_s: float) -> tuple[tuple[float, float], ...]:
    """Draw locks on the journal, none in half of the seeds.

    The shortest go unnoticed, the longest outlast the patience of a start.
    """
    locks: list[tuple[float, float]] = []
    for _ in range(rng.choice((0, 0, 0, 1, 2, 4))):
        from_s = rng.uniform(0, 1) * safety_s
        locks.append((from_s, min(from_s + log_uniform(rng, 0.2, 60), safety_s)))
    return tuple(sorted(locks))


def _draw_crashes(rng: Random, safety_s: float) -> tuple[tuple[float, Crash], ...]:
    """Draw kill times, none in half of the seeds.

    A fresh process would repair what an earlier one got wrong.
    Two kills may be close together, the second during a recovery.
    """
    crashes: list[tuple[float, Crash]] = []
    for _ in range(rng.choice((0, 0, 0, 1, 3, 8))):
        at_s = rng.uniform(0, 1) * safety_s
        if crashes and rng.random() < 0.3:
            at_s = min(crashes[-1][0] + rng.uniform(1, 10), safety_s)
        crashes.append((at_s, rng.choice(BY_CHANCE)))
    return tuple(sorted(crashes, key=lambda crash: crash[0]))


def _draw_rates(rng: Random, faults: Collection[FaultKind] | None) -> dict[FaultKind, float]:
    is_faultless = rng.random() < FAULTLESS_SHARE
    rates: dict[FaultKind, float] = {}
    # Every kind draws, chosen or not, so that the rates of one do not depend on the others.
    for kind in FaultKind:
        is_kept, rate = rng.random() < FAULT_SHARE, _draw_rate(rng, kind)
        if (is_kept and not is_faultless) if faults is None else kind in faults:
            rates[kind] = rate
    return rates


def _draw_rate(rng: Random, kind: FaultKind) -> float:
    if kind in SELDOM:
        return log_uniform(rng, 1 / 900, 1 / 200)
    return log_uniform(rng, 1 / 300, 1 / 15) if kind in BY_THE_CLOCK else log_uniform(rng, 0.004, 0.25)


def _draw_ladder(rng: Random) -> ScenarioLadder:
    start, sizes = rng.choice(LADDERS)
    size, n_orders = Decimal(rng.choice(sizes)), rng.choice((6, 8, 12, 12, 20, 30))
    has_allocation = rng.random() < 0.75
    tokens, quote = _draw_tokens(rng, size, n_orders), _draw_quote(rng, size * Decimal(start), n_orders)
    active = rng.choice((None, None, 2, 3, 6))
    slack = 0 if active is None else rng.choice((0, 1))
    return ScenarioLadder(
        start_px=Decimal(start),
        n_orders=n_orders,
        step=Decimal(rng.choice(("0.003", "0.003", "0.0015", "0.006"))),
        order_size=size,
        tokens=tokens if has_allocation else None,
        quote=quote if has_allocation else None,
        active_levels=active,
        window_slack=slack,
    )


def _draw_tokens(rng: Random, size: Decimal, n_orders: int) -> Decimal:
    """Draw whole tranches plus a large, middling or dust remainder."""
    n_tranches = rng.randint(1, n_orders)
    remainder = Decimal(rng.choice(("0", "0.5", "0.37", "0.02")))
    return (size * (n_tranches + remainder)).quantize(LOT, rounding=ROUND_DOWN)


def _draw_quote(rng: Random, tranche_worth: Decimal, n_orders: int) -> Decimal:
    return (tranche_worth * rng.randint(1, n_orders + 2) + Decimal(rng.choice(("0", "0.77", "11")))).quantize(LOT)


def _draw_tuning(rng: Random) -> dict[str, Any]:
    """Draw the maker's settings.

    The tolerances are zero, so that the oracle can compare exactly.
    """
    return {
        "interval_s": rng.choice((1.0, 3.0, 3.0)),
        "reconcile_every": rng.choice((3, 6, 20)),
        "requote_on_fill": rng.random() < 0.8,
        "hand_cancel_pause_s": rng.choice((0.0, 4.0)),
        "feed_lag_limit_s": rng.choice((None, 10.0)),
        "price_tolerance_bps": 0,
        "size_tolerance_pct": 0,
    }

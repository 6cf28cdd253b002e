"""Draw what halts a maker: narrow limits, the operator's requests, a full disk, a fall of the price."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from random import Random

from mm_trio.halts.requests import Request
from mm_trio.sim.base.crash_points import Crash

__all__ = ["HaltPlan", "draw_halt_plan"]

# Share of seeds with a plan, and share of these that have each of its parts.
HALTED_SHARE, PART_SHARE = 0.25, 0.45
# In tranches: what may be spent, and what may be lost.
SPEND, LOSS = (0.1, 3.0), (0.02, 0.6)
FILLS_PER_MINUTE, UNKNOWN = (3, 30), (1, 8)
# Time for which a request holds before the operator takes it back, and the disk is full.
HELD_S, FULL_S = (1.0, 40.0), (1.0, 60.0)
STARTS_REFUSED = (1, 1, 2, 3)
CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True, kw_only=True)
class HaltPlan:
    """Reasons for which the makers of one seed halt or pause.

    `limits` are narrow ones by name, which the operator takes back once one was broken. `asks` are requests and when
    they come. `crash` kills the first maker that writes a standing down. The disk is full from and until `disk_full`;
    with `has_room` there is room for a standing all the same. At `halves_s` the price halves. Starts of a halted maker
    are refused `n_refused` times before the operator resumes it.
    """

    limits: tuple[tuple[str, Decimal | int], ...] = ()
    asks: tuple[tuple[float, Request], ...] = ()
    crash: Crash | None = None
    disk_full: tuple[float, float] | None = None
    has_room: bool = True
    halves_s: float | None = None
    n_refused: int = 1

    def is_disk_full(self, now_s: float) -> bool:
        """Check if nothing can be written now."""
        return self.disk_full is not None and self.disk_full[0] <= now_s < self.disk_full[1]


def draw_halt_plan(rng: Random, *, safety_s: float, tranche_worth: Decimal) -> HaltPlan | None:
    """Draw a plan; None in most seeds. `tranche_worth` is in quote."""
    is_planned = rng.random() < HALTED_SHARE
    full_s = rng.uniform(0, safety_s)
    plan = HaltPlan(
        limits=_draw_limits(rng, tranche_worth),
        asks=_draw_asks(rng, safety_s),
        crash=rng.choice((None, Crash.STANDING_LOST, Crash.STANDING_KEPT)),
        disk_full=(full_s, min(full_s + rng.uniform(*FULL_S), safety_s)) if rng.random() < PART_SHARE else None,
        has_room=rng.random() < PART_SHARE,
        halves_s=rng.uniform(0, safety_s) if rng.random() < PART_SHARE else None,
        n_refused=rng.choice(STARTS_REFUSED),
    )
    return plan if is_planned else None


def _draw_limits(rng: Random, worth: Decimal) -> tuple[tuple[str, Decimal | int], ...]:
    def draw_worth(low: float, high: float) -> Decimal:
        return (worth * Decimal(str(rng.uniform(low, high)))).quantize(CENT)

    drawn: dict[str, Decimal | int] = {
        "max_net_spend": draw_worth(*SPEND),
        "max_loss_vs_hold": draw_worth(*LOSS),
        "max_drawdown_vs_hold": draw_worth(*LOSS),
        "max_fills_per_minute": rng.randint(*FILLS_PER_MINUTE),
        "max_unknown_outcomes": rng.randint(*UNKNOWN),
    }
    return tuple((name, value) for name, value in drawn.items() if rng.random() < PART_SHARE)


def _draw_asks(rng: Random, safety_s: float) -> tuple[tuple[float, Request], ...]:
    """Draw requests, each but a halt taken back after a while."""
    asks: list[tuple[float, Request]] = []
    for _ in range(rng.choice((0, 0, 1, 2))):
        at_s, request = rng.uniform(0, safety_s), rng.choice((Request.PAUSE, Request.CANCEL_ONLY, Request.HALT))
        asks.append((at_s, request))
        if request is not Request.HALT:
            asks.append((min(at_s + rng.uniform(*HELD_S), safety_s), Request.RESUME))
    return tuple(sorted(asks))

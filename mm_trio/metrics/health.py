"""Whether a maker is well, and whether it quotes: for probes. Pure.

Well is a maker that does its work, also where it is paused on purpose; a probe that restarts it must not do so because
of that.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mm_trio.halts.standing import State
from mm_trio.views.account_status import AccountStatus, GridStatus

__all__ = ["Readiness", "Sign", "Wellness", "judge_health", "judge_readiness"]

# Before the first tick a start may wait for a busy venue or a locked ledger.
START_WITHIN_S = 120.0
# A tick waits for the answers of one action, and for its turn.
TICKS_LATE, LEAST_TICK_S = 4, 15.0
# The watchdog connects anew after `feed_stale_after_s`, and takes some attempts.
LEAST_FRAME_S = 60.0
# A disk that takes longer holds up every order.
COMMIT_WITHIN_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """One sign of life: its age, None where there was none, and the most that is allowed."""

    name: str
    age_s: float | None
    limit_s: float
    is_ok: bool

    def to_json(self) -> dict[str, object]:
        """Return plain JSON values."""
        return {"age_s": self.age_s, "limit_s": self.limit_s, "ok": self.is_ok}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wellness:
    """Answer to the question whether a maker is well."""

    signs: tuple[Sign, ...]
    uptime_s: float
    version: str
    pid: int

    @property
    def is_ok(self) -> bool:
        """Check if every sign of life is new enough."""
        return all(sign.is_ok for sign in self.signs)

    def to_json(self) -> dict[str, object]:
        """Return plain JSON values."""
        signs = {sign.name: sign.to_json() for sign in self.signs}
        return {"ok": self.is_ok, **signs, "uptime_s": self.uptime_s, "version": self.version, "pid": self.pid}


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """Answer to the question whether a maker quotes: at least one of its grids does, if only in part."""

    is_ready: bool
    state: str
    why: str | None
    grids: dict[str, dict[str, object]]

    def to_json(self) -> dict[str, object]:
        """Return plain JSON values."""
        return {"ready": self.is_ready, "state": self.state, "why": self.why, "grids": self.grids}


def judge_health(status: AccountStatus, *, ended: Iterable[str], stale_after_s: float | None) -> Wellness:
    """Judge the signs of life of a maker.

    `ended` names grids that ended alone, which tick no more. `stale_after_s`: silence after which the feeds are opened
    anew, None where that is off.
    """
    gone = set(ended)
    grids = [grid for grid in status.grids if grid.name not in gone and grid.standing.state is not State.HALTED]
    frame_s = max(LEAST_FRAME_S, 2 * (stale_after_s or 0.0))
    waits_s = status.unwritten_age_s
    signs = (
        _judge_ticks(grids, status.uptime_s),
        _judge("frame", status.last_frame_age_s, frame_s, status.uptime_s),
        Sign(name="commit", age_s=status.last_commit_age_s, limit_s=COMMIT_WITHIN_S, is_ok=waits_s <= COMMIT_WITHIN_S),
    )
    return Wellness(signs=signs, uptime_s=status.uptime_s, version=status.identity.version, pid=status.identity.pid)


def _judge_ticks(grids: Iterable[GridStatus], uptime_s: float) -> Sign:
    """Judge the grid whose tick is the most overdue."""
    signs = [
        _judge("tick", grid.last_tick_age_s, max(LEAST_TICK_S, TICKS_LATE * grid.tick_interval_s), uptime_s)
        for grid in grids
    ]
    if not signs:
        return Sign(name="tick", age_s=None, limit_s=LEAST_TICK_S, is_ok=False)
    return max(signs, key=lambda sign: (sign.age_s or uptime_s) / sign.limit_s)


def _judge(name: str, age_s: float | None, limit_s: float, uptime_s: float) -> Sign:
    is_ok = uptime_s <= START_WITHIN_S if age_s is None else age_s <= limit_s
    return Sign(name=name, age_s=age_s, limit_s=limit_s, is_ok=is_ok)


def judge_readiness(status: AccountStatus) -> Readiness:
    """Judge whether a maker quotes, and say why not."""
    quoting = [grid for grid in status.grids if grid.health.state in ("quoting", "in part")]
    return Readiness(
        is_ready=bool(quoting),
        state=status.state,
        why=status.why,
        grids={grid.name: {"state": grid.health.state, "why": grid.health.why} for grid in status.grids},
    )

"""Standing of a maker: whether it may place orders, and why not. Pure.

It only ever gets stricter by itself, from ACTIVE over PAUSED and CANCEL_ONLY to HALTED. What an operator paused an
operator resumes, and so it is with what a limit halted: a restart changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from mm_trio.model.errors import Halted, LedgerError

__all__ = ["ACTIVE", "Standing", "StandingUnread", "State", "parse_standing", "refuse_halted", "tighten"]

VERSION = 1
# More would be no explanation. A file of more is not ours.
MOST_CHARS = 2000


class State(StrEnum):
    """What a maker may do, from the widest to the strictest."""

    ACTIVE = "active"
    PAUSED = "paused"
    CANCEL_ONLY = "cancel_only"
    HALTED = "halted"

    @property
    def strictness(self) -> int:
        """Return 0 for what may do everything, more for what may do less."""
        return list(State).index(self)

    @property
    def may_place(self) -> bool:
        """Check if new orders may be signed."""
        return self is State.ACTIVE


class StandingUnread(LedgerError):
    """File of the standing that cannot be read.

    It is never taken for active: nobody knows what it said.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """State of a maker, since when, and why.

    `since_ms` is of the machine's calendar. `why` names what happened, the number and the limit. `rests` names orders
    that may still be open, as far as that was known.
    """

    state: State
    since_ms: int = 0
    why: str = ""
    rests: tuple[str, ...] = ()

    def describe(self) -> str:
        """Explain the state in one line."""
        if self.state is State.ACTIVE:
            return "active"
        since = datetime.fromtimestamp(self.since_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        rests = f"; may still rest: {', '.join(self.rests)}" if self.rests else ""
        return f"{self.state} since {since}: {self.why}{rests}"

    def to_json(self) -> dict[str, object]:
        """Return what the file has."""
        return {
            "version": VERSION,
            "state": str(self.state),
            "since_ms": self.since_ms,
            "why": self.why[:MOST_CHARS],
            "rests": list(self.rests),
        }


ACTIVE = Standing(state=State.ACTIVE)


def refuse_halted(standing: Standing) -> None:
    """Refuse to start a maker that is halted. Errors: Halted."""
    if standing.state is State.HALTED:
        raise Halted(f"{standing.describe()}; `mm-trio resume` shows it and lets the maker go on")


def tighten(now: Standing, wanted: Standing) -> Standing:
    """Return the stricter of two standings, and the older of equal ones.

    The first halt is the one that explains what happened. What may still rest is known better later.
    """
    if wanted.state.strictness > now.state.strictness:
        return wanted
    if wanted.state is now.state and wanted.rests != now.rests:
        return Standing(state=now.state, since_ms=now.since_ms, why=now.why, rests=wanted.rests)
    return now


def parse_standing(raw: Any) -> Standing:
    """Read what a file has. Errors: StandingUnread for anything else than a whole standing."""
    if not isinstance(raw, Mapping) or raw.get("version") != VERSION:
        raise StandingUnread(f"it is not a standing of version {VERSION}")
    state, since_ms, why, rests = (raw.get(name) for name in ("state", "since_ms", "why", "rests"))
    if state not in list(State):
        raise StandingUnread(f"state {state!r} is not one of {', '.join(State)}")
    is_whole = isinstance(why, str) and isinstance(rests, list) and all(isinstance(name, str) for name in rests)
    if not is_whole or not isinstance(since_ms, int) or isinstance(since_ms, bool):
        raise StandingUnread("since_ms, why or rests is missing or of another kind")
    return Standing(state=State(state), since_ms=since_ms, why=str(why), rests=tuple(rests or ()))

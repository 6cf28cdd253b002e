"""What the rules look at: a maker at one moment, as frozen values. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

__all__ = ["GridLook", "MakerLook"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GridLook:
    """One grid of a maker.

    `halted`: why it halted, or ended alone. `stopped`: why an operator or a limit lets it place nothing. `waits_for`:
    why it places nothing for another reason, or not all. `n_asks` and `n_bids` rest. `difference`: the venue's balance
    less the ledger's (base, quote), while it is not believed yet. `unexplained`: what the ledger took over in this
    session and nothing explains, in sum.
    """

    coin: str
    is_quoting: bool
    halted: str | None = None
    stopped: str | None = None
    waits_for: str | None = None
    n_asks: int = 0
    n_bids: int = 0
    difference: tuple[Decimal, Decimal] | None = None
    unexplained: tuple[Decimal, Decimal] = (Decimal(0), Decimal(0))


@dataclass(frozen=True, slots=True, kw_only=True)
class MakerLook:
    """A maker and what it depends on.

    `halted` and `stopped` are of the whole account. `feed_silent_s`: since the last frame, or since the start.
    `budget_hours`: until it is used up at the rate of the last hour, None where that is not known or never.
    `budget_floor`: what is kept for cancels. `key_days` None: no end is known; `is_key_listed`: the venue lists the
    key, or never did. `guard_silent_s`: since the guard's last sign of life, None where none was seen.
    """

    grids: tuple[GridLook, ...] = ()
    halted: str | None = None
    stopped: str | None = None
    feed_silent_s: float | None = None
    budget_left: int | None = None
    budget_hours: float | None = None
    budget_floor: int = 0
    key_days: float | None = None
    is_key_listed: bool = True
    guard_silent_s: float | None = None

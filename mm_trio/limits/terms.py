"""Limits of the operator, and what happens beyond them."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from decimal import Decimal
from enum import Enum

__all__ = ["NO_LIMITS", "Breach", "Reaction", "RiskLimits"]


class Reaction(Enum):
    """What follows from a breach."""

    REFUSE = "the order is not signed; a second one within a minute ends placing"
    WAIT = "nothing new is placed until the number is below the limit again"
    HALT = "all orders are cancelled, and nothing is placed before an operator resumes"


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskLimits:
    """Numbers beyond which the maker stops; None is off.

    Notionals, spend and losses in quote, prices in quote per base. `needs_mid`: nothing is signed before a book with
    two sides was seen.
    """

    max_order_notional: Decimal | None = None
    max_side_notional: Decimal | None = None
    max_net_spend: Decimal | None = None
    price_low: Decimal | None = None
    price_high: Decimal | None = None
    max_loss_vs_hold: Decimal | None = None
    max_drawdown_vs_hold: Decimal | None = None
    max_actions_per_hour: int | None = None
    max_fills_per_minute: int | None = None
    max_unknown_outcomes: int | None = None
    budget_floor: int | None = None
    needs_mid: bool = False

    def while_moving_from(self, before: RiskLimits) -> RiskLimits:
        """Return the limits while ladders move to those of these limits.

        A side holds orders of both, so the wider limit of a side counts until the old ones are gone.
        """
        sides = self.max_side_notional, before.max_side_notional
        known = [most for most in sides if most is not None]
        return replace(self, max_side_notional=max(known) if len(known) == len(sides) else None)

    def describe(self) -> str:
        """Name the limits that are set, in one line."""
        given = {item.name: getattr(self, item.name) for item in fields(self) if item.name != "needs_mid"}
        return " ".join(f"{name}={Decimal(value):f}" for name, value in given.items() if value is not None) or "none"


NO_LIMITS = RiskLimits()


@dataclass(frozen=True, slots=True)
class Breach:
    """A number beyond its limit.

    `name` is that of the limit in `[limits]`.
    """

    name: str
    number: Decimal | int
    limit: Decimal | int
    unit: str
    reaction: Reaction

    def describe(self) -> str:
        """Say number, limit and unit in one line."""
        # A whole number would be written with six zeros behind it.
        return f"{self.name}: {Decimal(self.number):f} {self.unit}, the limit is {Decimal(self.limit):f}"

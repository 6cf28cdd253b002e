"""Limits of money: what was spent, and what was lost against having held. Pure.

Fills alone move these numbers. A ladder's wealth falls with every fall of the price, as that of somebody who holds
does; what counts as a loss is what the fills made of it, at the present price: `token * mark + quote`, where `token`
and `quote` are all that fills and their fees moved since the ledger began.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from mm_trio.limits.nearness import LimitUse, measure_cap
from mm_trio.limits.terms import Breach, Reaction, RiskLimits

__all__ = ["STALE_MARK_S", "HoldingLimits", "Traded"]

# Without a mid for so long nothing new is placed, because no loss is known. On a market without others our own first
# orders make it.
STALE_MARK_S = 60.0
# Share of the limit by which the peak has to grow before it is told again.
PEAK_STEP = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Traded:
    """What fills moved since the ledger began, fees included, in base and quote.

    A purchase has positive `token` and negative `quote`.
    """

    token: Decimal = Decimal(0)
    quote: Decimal = Decimal(0)

    def compute_gain(self, mark: Decimal) -> Decimal:
        """Compute what the fills earned against having held, in quote at a price."""
        return self.token * mark + self.quote


class HoldingLimits:
    """Spend and loss, with the best moment so far.

    `peak` is the best gain against having held, never below zero: the start counts. It lasts over restarts where it is
    handed in.
    """

    def __init__(self, limits: RiskLimits, *, peak: Decimal = Decimal(0), now_s: float) -> None:
        self._limits = limits
        self.peak = max(peak, Decimal(0))
        self._told_peak = self.peak
        self.mark: Decimal | None = None
        self._marked_s = now_s

    @property
    def needs_mark(self) -> bool:
        """Check if any limit asks for a price."""
        return self._limits.max_loss_vs_hold is not None or self._limits.max_drawdown_vs_hold is not None

    def change(self, limits: RiskLimits) -> None:
        """Judge by other limits from here on; what was counted stays."""
        self._limits = limits

    def on_mark(self, mid: Decimal | None, traded: Traded, *, now_s: float) -> None:
        """Take the mid of a book; None where it has no two sides."""
        if mid is not None:
            self.mark, self._marked_s = mid, now_s
            self.peak = max(self.peak, traded.compute_gain(mid))

    def take_peak(self) -> Decimal | None:
        """Return the peak where it grew enough to be written down, once; else None."""
        most = self._limits.max_drawdown_vs_hold
        if most is None or self.peak - self._told_peak < most * PEAK_STEP:
            return None
        self._told_peak = self.peak
        return self.peak

    def find_breach(self, traded: Traded, *, now_s: float) -> Breach | None:
        """Find the limit that is broken now, None where there is none."""
        limits = self._limits
        most = limits.max_net_spend
        if most is not None and -traded.quote > most:
            return Breach("max_net_spend", -traded.quote, most, "quote paid less received", Reaction.HALT)
        if not self.needs_mark:
            return None
        age_s = now_s - self._marked_s
        if age_s > STALE_MARK_S:
            return Breach("age of the mark", round(Decimal(age_s)), round(Decimal(STALE_MARK_S)), "s", Reaction.WAIT)
        if self.mark is None:
            return None
        gain = traded.compute_gain(self.mark)
        most = limits.max_loss_vs_hold
        if most is not None and -gain > most:
            return Breach("max_loss_vs_hold", -gain, most, f"quote at a mid of {self.mark:f}", Reaction.HALT)
        most = limits.max_drawdown_vs_hold
        if most is not None and self.peak - gain > most:
            unit = f"quote below the best moment, at a mid of {self.mark:f}"
            return Breach("max_drawdown_vs_hold", self.peak - gain, most, unit, Reaction.HALT)
        return None

    def measure(self, traded: Traded) -> list[LimitUse]:
        """Measure spend and losses against the limits that are set. Losses are not known before a first mark."""
        limits, uses = self._limits, []
        if (most := limits.max_net_spend) is not None:
            uses.append(measure_cap("max_net_spend", -traded.quote, most, "quote paid less received"))
        gain = None if self.mark is None else traded.compute_gain(self.mark)
        if (most := limits.max_loss_vs_hold) is not None:
            uses.append(measure_cap("max_loss_vs_hold", None if gain is None else -gain, most, "quote"))
        if (most := limits.max_drawdown_vs_hold) is not None:
            below = None if gain is None else self.peak - gain
            uses.append(measure_cap("max_drawdown_vs_hold", below, most, "quote below the best moment"))
        return uses

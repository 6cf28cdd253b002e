"""Terms of a ladder as a session recorded them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from mm_trio.model.errors import JournalError
from mm_trio.model.journal_entries import Began
from mm_trio.model.pricing_grid import PricingGrid
from mm_trio.model.settings import QuoteSettings, find_ladder_rule

__all__ = ["PastTerms", "find_terms"]

# The venue's, in quote. Sessions that did not record theirs were quoted with it, unless somebody changed it.
USUAL_MINIMUM = Decimal(10)


@dataclass(frozen=True, slots=True, kw_only=True)
class PastTerms:
    """Ladder that a session quoted, and when that session began.

    `is_minimum_known`: the least notional of an order was recorded too; else it is the venue's usual one.
    """

    began_ms: int
    epoch: int
    coin: str
    grid: PricingGrid
    settings: QuoteSettings
    is_minimum_known: bool

    @classmethod
    def of(cls, began_ms: int, began: Began) -> PastTerms:
        """Read the terms of a session. Errors: JournalError where they make no ladder."""
        recorded = began.parameters
        try:
            return cls(
                began_ms=began_ms,
                epoch=began.epoch,
                coin=recorded["coin"],
                grid=_make_grid(recorded),
                settings=_make_settings(recorded),
                is_minimum_known="min_notional" in recorded,
            )
        except (KeyError, ValueError, InvalidOperation) as error:
            raise JournalError(f"the terms of session {began.epoch:x} cannot be read: {error!r}") from error

    def to_json(self) -> dict[str, object]:
        """Return plain JSON values."""
        grid, settings = self.grid, self.settings
        return {
            "began_ms": self.began_ms,
            "epoch": self.epoch,
            "coin": self.coin,
            "start_px": f"{grid.levels[0]:f}",
            "top_px": f"{grid.levels[-1]:f}",
            "n_orders": grid.n_orders,
            "tick_size": f"{grid.tick_size:f}",
            "ladder": grid.ladder,
            "order_sz": f"{settings.order_size:f}",
            "gap_levels": settings.gap_levels,
            "active_levels": settings.active_levels,
            "min_notional": f"{settings.min_notional:f}",
            "min_notional_recorded": self.is_minimum_known,
        }


def find_terms(sessions: Iterable[tuple[int, Began]], *, at_ms: int | None) -> PastTerms | None:
    """Find the terms in force at a time, None: the last ones; None where no session had begun."""
    found: tuple[int, Began] | None = None
    for began_ms, began in sessions:
        if at_ms is not None and began_ms > at_ms:
            break
        found = (began_ms, began)
    return None if found is None else PastTerms.of(*found)


def _make_grid(recorded: Mapping[str, str]) -> PricingGrid:
    decimals = recorded.get("sz_decimals")
    return PricingGrid(
        recorded["start_px"],
        int(recorded["n_orders"]),
        tick_size=recorded["tick_size"],
        sz_decimals=None if decimals is None else int(decimals),
        ladder=find_ladder_rule(recorded),
    )


def _make_settings(recorded: Mapping[str, str]) -> QuoteSettings:
    active = recorded.get("active_levels")
    return QuoteSettings(
        order_size=Decimal(recorded["order_sz"]),
        min_notional=Decimal(recorded.get("min_notional", USUAL_MINIMUM)),
        active_levels=int(active) if active else None,
        window_slack=int(recorded.get("window_slack", "0")),
        gap_levels=int(recorded.get("gap_levels", "0")),
        dead_zone_bps=Decimal(0),
        price_tolerance_bps=Decimal(0),
        size_tolerance_pct=Decimal(0),
    )

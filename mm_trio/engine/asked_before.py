"""Answers that the owner of a maker has from the venue just before it starts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from mm_trio.model.market import SpotMeta
from mm_trio.witness.venue_clock import VenueClock

__all__ = ["AskedBefore"]


@dataclass(frozen=True, slots=True)
class AskedBefore:
    """Answers of the venue that a start need not ask for again.

    `clock` was compared with the venue's; `wall_ms` is the calendar that it carries on. `rates` are those of maker and
    taker, None where they are not known.
    """

    spot_meta: SpotMeta
    clock: VenueClock
    wall_ms: Callable[[], int]
    rates: tuple[Decimal, Decimal] | None

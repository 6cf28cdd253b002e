"""Everything that a report is made of, read and summed already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from mm_trio.earnings.figures import Figures as Earnings
from mm_trio.liquidity.figures import Figures as Liquidity
from mm_trio.pages.pictures import Span
from mm_trio.pages.timeline import Point, Timeline
from mm_trio.reports.counterparties import Counterparties
from mm_trio.reports.presence import PresenceSeries
from mm_trio.reports.trading import TradingSeries

__all__ = ["Facts", "Names", "RequestBin", "make_names"]

# Where the pair does not name its token.
TOKENS = "tokens"


@dataclass(frozen=True, slots=True)
class Names:
    """What the report is about; every name comes from outside."""

    coin: str
    base: str
    quote: str
    folder: str

    @property
    def price_unit(self) -> str:
        """Return the unit of prices."""
        return f"{self.quote} per {'token' if self.base == TOKENS else self.base}"


def make_names(coin: str | None, folder: Path) -> Names:
    """Make the names of a pair: "PURR/USDC" has both tokens in it, "@107" has none."""
    coin = coin or folder.name
    base, _, quote = coin.partition("/")
    return Names(coin, base if quote else TOKENS, quote or "USDC", str(folder))


@dataclass(slots=True)
class RequestBin:
    """Request items and filled notional of one bin."""

    items: int = 0
    volume: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Facts of one period. `no_record`: why nothing was observed; None where something was."""

    names: Names
    span: Span
    timeline: Timeline
    earnings: Earnings
    trading: TradingSeries
    days: Sequence[Earnings] = ()
    mids: Sequence[Point] = ()
    boundary: Sequence[Point] = ()
    requests: Mapping[int, RequestBin] = field(default_factory=dict)
    parties: Counterparties | None = None
    presence: PresenceSeries | None = None
    liquidity: Liquidity | None = None
    no_record: str | None = None

    @property
    def uptime(self) -> Decimal | None:
        """Return the share of the time with both sides quoted; None where nobody watched."""
        period = None if self.liquidity is None else self.liquidity.period
        return None if not period or not period["known"] else Decimal(str(period["uptime_two_sided"]))

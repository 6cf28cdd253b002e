"""Figures of one rehearsed path, as values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

__all__ = ["Income", "PathFigures", "Peak", "Quoting", "Range", "Requests", "Trading", "Trip", "value_on_ladder"]

_ZERO = Decimal(0)
# Limits that a number meets from above.
_FROM_ABOVE = ("price_low", "budget_floor")
# Not a limit of the operator: without a price nothing new is placed, because no loss is known.
_NO_PRICE = "age of the mark"


@dataclass(frozen=True, slots=True)
class Range:
    """Lowest and highest value of an amount."""

    low: Decimal
    high: Decimal

    def widen(self, value: Decimal) -> Range:
        """Take in another value."""
        return Range(min(self.low, value), max(self.high, value))


@dataclass(frozen=True, slots=True)
class Trading:
    """What fills moved, in base and quote, before fees.

    `fees` are in quote, those in base at the price of their fill.
    """

    fills: int = 0
    volume: Decimal = _ZERO
    token: Decimal = _ZERO
    quote: Decimal = _ZERO
    fees: Decimal = _ZERO

    def add(self, *, is_buy: bool, price: Decimal, size: Decimal, fee: Decimal) -> Trading:
        """Take in a fill; `fee` in quote."""
        sign = 1 if is_buy else -1
        return Trading(
            self.fills + 1,
            self.volume + price * size,
            self.token + sign * size,
            self.quote - sign * price * size,
            self.fees + fee,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Income:
    """What a path earned against having held, in quote at its last price.

    `turns` is what tranches earned that went round: the change of quote, with the tokens at what the ladder asks for
    them. `moved` is what the way of the price made of the inventory. `earned = turns - fees + moved`.
    """

    earned: Decimal
    turns: Decimal
    fees: Decimal
    worst_loss: Decimal
    worst_drawdown: Decimal

    @property
    def moved(self) -> Decimal:
        """Return what is neither turns nor fees."""
        return self.earned - self.turns + self.fees


@dataclass(frozen=True, slots=True, kw_only=True)
class Requests:
    """Items sent, and what the request budget has left."""

    items: int
    left: int | None
    volume: Decimal

    @property
    def items_per_1000(self) -> Decimal | None:
        """Return items per 1,000 of quote filled; None without a fill."""
        return 1000 * self.items / self.volume if self.volume else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Quoting:
    """How the maker quoted, second by second.

    `spread_bps` is the median; None where there never were two sides.
    """

    no_bid_s: int
    no_ask_s: int
    spread_bps: float | None
    most_orders: int


@dataclass(frozen=True, slots=True)
class Peak:
    """Number that has a limit, at its nearest to it."""

    name: str
    value: Decimal | None
    limit: Decimal | None

    @property
    def percent(self) -> Decimal | None:
        """Return how near it came; 100 is the limit itself."""
        if self.value is None or self.limit is None:
            return None
        part, whole = (self.limit, self.value) if self.name in _FROM_ABOVE else (self.value, self.limit)
        return None if whole <= 0 else 100 * part / whole

    def reach(self, number: Decimal) -> Peak:
        """Take in a number that was refused, and so never came true."""
        values = [number] if self.value is None else [number, self.value]
        return Peak(self.name, min(values) if self.name in _FROM_ABOVE else max(values), self.limit)


@dataclass(frozen=True, slots=True)
class Trip:
    """Limit that was broken or reached, when, and what followed."""

    name: str
    number: Decimal
    limit: Decimal
    unit: str
    at_s: float
    follows: str

    @property
    def is_limit(self) -> bool:
        """Return whether it is a limit, and not a market without a price."""
        return self.name != _NO_PRICE


@dataclass(frozen=True, slots=True, kw_only=True)
class PathFigures:
    """Everything that is told of one path.

    `sim_s` is how long it ran; shorter than asked for where a limit ended it. `faults` counts what struck.
    """

    path: str
    sim_s: float
    trading: Trading
    income: Income
    token: Range
    quote: Range
    requests: Requests
    quoting: Quoting
    peaks: tuple[Peak, ...]
    trips: tuple[Trip, ...]
    violations: tuple[str, ...]
    faults: int

    @property
    def is_clean(self) -> bool:
        """Return whether no limit was met and no rule broken."""
        return not self.violations and not any(trip.is_limit for trip in self.trips)


def value_on_ladder(levels: Sequence[Decimal], order_size: Decimal, token: Decimal) -> Decimal:
    """Value tokens at what a ladder asks for them, in quote.

    A tranche is asked for on each level from the top down, and the rest on the next one below.
    """
    full = min(int(token // order_size), len(levels)) if token > 0 else 0
    worth = order_size * sum(levels[len(levels) - full :], _ZERO)
    rest = token - full * order_size
    # What no level is left for counts at the lowest.
    return worth + rest * levels[max(0, len(levels) - full - 1)]

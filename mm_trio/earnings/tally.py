"""Running sums of everything that happened in a period."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from mm_trio.earnings.exact import NOTHING, Linear
from mm_trio.earnings.markouts import Mids, Tallied
from mm_trio.earnings.pairs import Pairs
from mm_trio.earnings.trade import Trade

__all__ = ["Flow", "Holdings", "SideSums", "Tally"]

# Beyond every time; no fill was there yet.
_NEVER_MS = 2**62


@dataclass(frozen=True, slots=True)
class Holdings:
    """Amounts of both tokens."""

    base: Decimal = NOTHING
    quote: Decimal = NOTHING

    def plus(self, base: Decimal, quote: Decimal) -> Holdings:
        """Return them with so much more. Call it within `exactly()`."""
        return Holdings(self.base + base, self.quote + quote)


@dataclass(slots=True)
class SideSums:
    """Fills of one side: how many, and their sums, both above zero."""

    n: int = 0
    base: Decimal = NOTHING
    quote: Decimal = NOTHING


@dataclass(slots=True)
class Flow:
    """Movements of funds of one kind that are no fills."""

    n: int = 0
    base: Decimal = NOTHING
    quote: Decimal = NOTHING

    def add(self, base: Decimal, quote: Decimal) -> None:
        """Add a movement. Call it within `exactly()`."""
        self.n += 1
        self.base += base
        self.quote += quote


class _Seen:
    """Times and places of fills."""

    __slots__ = ("_prices", "first_ms", "last_ms", "places")

    def __init__(self) -> None:
        self.first_ms, self.last_ms = _NEVER_MS, -_NEVER_MS
        self.places: set[tuple[int, Decimal]] = set()
        self._prices: dict[int, Decimal] = {}

    def add(self, time_ms: int, level: int, price: Decimal) -> None:
        if self._prices.get(level) is not price:
            # Readers give one object for each price, and to look it up by its value takes long.
            self._prices[level] = price
            self.places.add((level, price))
        if not self.first_ms <= time_ms <= self.last_ms:
            self.first_ms, self.last_ms = min(self.first_ms, time_ms), max(self.last_ms, time_ms)


@dataclass(slots=True)
class Tally:
    """Sums of one period; every method is called within `exactly()`.

    `moved` are explained movements by kind, `unexplained` those without a cause, `opening` the first balance of the
    ledger.
    """

    buys: SideSums = field(default_factory=SideSums)
    sells: SideSums = field(default_factory=SideSums)
    fee_base: Decimal = NOTHING
    fee_quote: Decimal = NOTHING
    fees_other: dict[str, Decimal] = field(default_factory=dict)
    pairs: Pairs = field(default_factory=Pairs)
    markouts: Tallied = field(default_factory=Tallied)
    moved: dict[str, Flow] = field(default_factory=dict)
    unexplained: Flow = field(default_factory=Flow)
    opening: Flow = field(default_factory=Flow)
    _seen: _Seen = field(default_factory=_Seen)

    def add_trade(self, trade: Trade, mids: Mids | None) -> None:
        """Add a fill, with the mids around it (None: none is known); they come in the order of their times."""
        time_ms, level, price, base, fee_base, fee_quote, fee_other, fee_token = trade
        if base > 0:
            side, size = self.buys, base
        else:
            side, size = self.sells, -base
        side.n += 1
        side.base += size
        side.quote += size * price
        if fee_base:
            self.fee_base += fee_base
        elif fee_quote:
            self.fee_quote += fee_quote
        elif fee_other:
            self.fees_other[fee_token] = self.fees_other.get(fee_token, NOTHING) + fee_other
        self.pairs.add(base, price)
        if mids is not None:
            self.markouts.add(base, price, mids)
        self._seen.add(time_ms, level, price)

    def add_moved(self, kind: str, base: Decimal, quote: Decimal) -> None:
        """Add an explained movement of funds."""
        self.moved.setdefault(kind, Flow()).add(base, quote)

    @property
    def times_ms(self) -> tuple[int, int] | None:
        """Return the times of the first and the last fill."""
        return (self._seen.first_ms, self._seen.last_ms) if self.n_fills else None

    @property
    def places(self) -> set[tuple[int, Decimal]]:
        """Return the (level, price) at which it traded, as many as the ladder has levels."""
        return self._seen.places

    @property
    def n_fills(self) -> int:
        """Return how many fills there were."""
        return self.buys.n + self.sells.n

    def net_base(self) -> Decimal:
        """Return what was bought less what was sold, before fees."""
        return self.buys.base - self.sells.base

    def earned(self) -> Linear:
        """Return what trading brought in both tokens, fees taken off: the gain against having held, by the mark."""
        quote = self.sells.quote - self.buys.quote - self.fee_quote
        return Linear(quote, self.net_base() - self.fee_base)

    def fees(self) -> Linear:
        """Return the fees in our two tokens, by the mark."""
        return Linear(self.fee_quote, self.fee_base)

    def change(self) -> tuple[Decimal, Decimal]:
        """Return how both tokens of the account changed, for whatever reason, the first balance apart."""
        earned = self.earned()
        flows = [*self.moved.values(), self.unexplained]
        return (
            earned.base + sum((flow.base for flow in flows), NOTHING),
            earned.quote + sum((flow.quote for flow in flows), NOTHING),
        )

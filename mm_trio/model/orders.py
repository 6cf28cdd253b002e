"""Immutable values of our orders: wanted, sent, resting, filled."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Literal, Self, TypeAlias

from mm_trio.model.numbers import make_exact

__all__ = [
    "DesiredOrder",
    "Doubt",
    "EmitResult",
    "FillResult",
    "Intent",
    "OrderDiff",
    "Phase",
    "Quote",
    "ReconcileResult",
    "Side",
    "Slot",
    "TrackedOrder",
]

Side: TypeAlias = Literal["buy", "sell"]
# A slot is (side, level index).
Slot: TypeAlias = tuple[Side, int]


class Phase(StrEnum):
    """Phases of one order of ours.

    `state/order_phases.py` has the transitions. These words are ours. The venue's own statuses stay plain text: it
    invents new ones.
    """

    UNKNOWN = "unknown"
    IN_FLIGHT = "in_flight"
    RESTING = "resting"
    IN_DOUBT = "in_doubt"
    FILLS_DUE = "fills_due"
    END_UNSETTLED = "end_unsettled"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Quote:
    """Side, level, price and size of one order.

    `price` in quote per base, `size` in base.
    """

    side: Side
    level_index: int
    price: Decimal
    size: Decimal

    def __post_init__(self) -> None:
        make_exact(self, "price", "size")

    @property
    def slot(self) -> Slot:
        """Return the (side, level) that the order occupies."""
        return self.side, self.level_index


# The library's public name for an order that should rest.
DesiredOrder = Quote


@dataclass(frozen=True, slots=True)
class TrackedOrder:
    """Order of ours that the venue knows.

    `size` is the part that still rests, in base; in the phase "fills_due" it is the sum of the fills not yet reported.
    `touched_s` is the time of our last news or action about it. `expires_ms` is the deadline of the action that placed
    it, None where that is not known. `is_sized`: it is known how much it began with.
    """

    oid: int
    side: Side
    level_index: int
    price: Decimal
    size: Decimal
    status: Phase = Phase.RESTING
    cloid: str | None = None
    touched_s: float = 0.0
    filled: Decimal = Decimal(0)
    expires_ms: int | None = None
    is_sized: bool = True

    def __post_init__(self) -> None:
        make_exact(self, "price", "size")

    @classmethod
    def of(
        cls, oid: int, quote: Quote, status: Phase = Phase.RESTING, *, cloid: str | None = None, touched_s: float = 0.0
    ) -> Self:
        """Make the order of `quote`, without fills."""
        return cls(oid, quote.side, quote.level_index, quote.price, quote.size, status, cloid, touched_s)

    @property
    def slot(self) -> Slot:
        """Return the (side, level) that the order occupies."""
        return self.side, self.level_index

    @property
    def quote(self) -> Quote:
        """Return the order's slot, price and resting size."""
        return Quote(self.side, self.level_index, self.price, self.size)


@dataclass(frozen=True, slots=True)
class Intent:
    """Order that we sent and that has no answer.

    It is a replacement for the order `replaces`, where that is given. It cannot be executed later than `expires_s`
    (the loop's clock), `expires_ms` (the venue's calendar). `nonce` is that of its action, None where the exchange
    object chose one by itself.
    """

    cloid: str
    quote: Quote
    replaces: int | None = None
    sent_s: float = 0.0
    expires_s: float = 0.0
    expires_ms: int = 0
    nonce: int | None = None


@dataclass(frozen=True, slots=True)
class Doubt:
    """Order that may rest or may have traded.

    It locks its level and counts as spent.
    """

    quote: Quote
    since_s: float
    oid: int | None = None
    cloid: str | None = None


@dataclass(frozen=True, slots=True)
class OrderDiff:
    """Changes that turn the resting orders into the desired ones.

    `modifies`: (oid, DesiredOrder) pairs; `places`: DesiredOrders; `cancels`: oids.
    """

    modifies: tuple[tuple[int, Quote], ...] = ()
    places: tuple[Quote, ...] = ()
    cancels: tuple[int, ...] = ()

    def __init__(
        self,
        modifies: Iterable[tuple[int, Quote]] = (),
        places: Iterable[Quote] = (),
        cancels: Iterable[int] = (),
    ) -> None:
        object.__setattr__(self, "modifies", tuple((oid, order) for oid, order in modifies))
        object.__setattr__(self, "places", tuple(places))
        object.__setattr__(self, "cancels", tuple(cancels))

    def __bool__(self) -> bool:
        return bool(self.modifies or self.places or self.cancels)

    @property
    def n_items(self) -> int:
        """Count the items that the venue charges for.

        Each named order is one item.
        """
        return len(self.modifies) + len(self.places) + len(self.cancels)


@dataclass(frozen=True, slots=True)
class FillResult:
    """Fill of an order of ours, as booked.

    `size` is that of this fill; `fully_filled`: no part of the order is left. `fee` is in `fee_token`: "base", "quote",
    a third token's name, or None where the message named no token.
    """

    side: Side
    level_index: int
    price: Decimal
    size: Decimal
    fully_filled: bool
    oid: int = field(default=0, compare=False)
    tid: int = field(default=0, compare=False)
    time_ms: int | None = field(default=None, compare=False)
    coin: str | None = field(default=None, compare=False)
    fee: Decimal = field(default=Decimal(0), compare=False)
    fee_token: str | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        make_exact(self, "price", "size")

    @property
    def quote(self) -> Quote:
        """Return the order's slot with this fill's price and size."""
        return Quote(self.side, self.level_index, self.price, self.size)


@dataclass(frozen=True, slots=True)
class ReconcileResult:
    """Oids that only one of both sides knows.

    `orphaned_oids` rest at the venue and are unknown to us; `ghost_oids` the other way round.
    """

    orphaned_oids: tuple[int, ...]
    ghost_oids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class EmitResult:
    """Counts of one emit.

    `n_errors` counts items refused or left unknown. `contradicted`: the venue refused an order for too small a balance,
    although our ledger covers it. `n_held_back` orders wait for the remaining sizes of cancelled ones.
    """

    n_cancelled: int = 0
    n_modified: int = 0
    n_placed: int = 0
    n_errors: int = 0
    cancel_only_mode: bool = False
    contradicted: bool = False
    n_held_back: int = 0

    @property
    def n_done(self) -> int:
        """Count the items that the venue carried out."""
        return self.n_cancelled + self.n_modified + self.n_placed

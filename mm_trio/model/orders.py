"""Immutable values of our orders: wanted, sent, resting, filled."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, TypeAlias

from mm_trio.model.numbers import make_exact

__all__ = [
    "DesiredOrder",
    "Doubt",
    "EmitResult",
    "FillResult",
    "Intent",
    "OrderDiff",
    "ReconcileResult",
    "Side",
    "TrackedOrder",
]

Side: TypeAlias = Literal["buy", "sell"]


@dataclass(frozen=True, slots=True)
class DesiredOrder:
    """An order that should rest. `price` in quote per base, `size` in base."""

    side: Side
    level_index: int
    price: Decimal
    size: Decimal

    def __post_init__(self) -> None:
        make_exact(self, "price", "size")


@dataclass(frozen=True, slots=True)
class TrackedOrder:
    """An order of ours that the venue knows. `size` is what still rests, in base.

    `status`: "resting", "in_doubt" (it may rest, nobody can say), or "untold" (it left the book, and
    fills worth `size` have not been told yet). `touched_s` is when we last learnt or did something.
    """

    oid: int
    side: Side
    level_index: int
    price: Decimal
    size: Decimal
    status: str = "resting"
    cloid: str | None = None
    touched_s: float = 0.0
    filled: Decimal = Decimal(0)

    def __post_init__(self) -> None:
        make_exact(self, "price", "size")


@dataclass(frozen=True, slots=True)
class Intent:
    """An order we sent, or a replacement for `replaces`, whose answer we do not have yet.

    It cannot be executed later than `expires_s` (the loop's clock), `expires_ms` (the venue's calendar).
    `nonce` is that of the action it left with, None where the exchange object chose one by itself.
    """

    cloid: str
    side: Side
    level_index: int
    price: Decimal
    size: Decimal
    replaces: int | None = None
    sent_s: float = 0.0
    expires_s: float = 0.0
    expires_ms: int = 0
    nonce: int | None = None


@dataclass(frozen=True, slots=True)
class Doubt:
    """An order that may rest or may have traded: it locks its level and counts as spent."""

    side: Side
    level_index: int
    price: Decimal
    size: Decimal
    since_s: float
    oid: int | None = None
    cloid: str | None = None


@dataclass(frozen=True, slots=True)
class OrderDiff:
    """What turns the resting orders into the desired ones.

    `modifies`: (oid, DesiredOrder) pairs; `places`: DesiredOrders; `cancels`: oids.
    """

    modifies: tuple[tuple[int, DesiredOrder], ...] = ()
    places: tuple[DesiredOrder, ...] = ()
    cancels: tuple[int, ...] = ()

    def __init__(
        self,
        modifies: Iterable[tuple[int, DesiredOrder]] = (),
        places: Iterable[DesiredOrder] = (),
        cancels: Iterable[int] = (),
    ) -> None:
        object.__setattr__(self, "modifies", tuple((oid, order) for oid, order in modifies))
        object.__setattr__(self, "places", tuple(places))
        object.__setattr__(self, "cancels", tuple(cancels))

    def __bool__(self) -> bool:
        return bool(self.modifies or self.places or self.cancels)

    @property
    def n_items(self) -> int:
        """What the venue charges for it: one for each order named."""
        return len(self.modifies) + len(self.places) + len(self.cancels)


@dataclass(frozen=True, slots=True)
class FillResult:
    """One fill of an order of ours. `size` is this fill's; `fully_filled`: nothing of it is left.

    `fee` is in `fee_token`: "base", "quote", a third token's name, or None where the message was silent.
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


@dataclass(frozen=True, slots=True)
class ReconcileResult:
    """`orphaned_oids` rest at the venue and are unknown to us; `ghost_oids` the other way round."""

    orphaned_oids: tuple[int, ...]
    ghost_oids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class EmitResult:
    """What one emit did. `n_errors` counts items refused or left unknown.

    `contradicted`: the venue refused for want of a balance that our ledger says is there. `n_held_back` orders
    wait until it is known what was left of others that were cancelled.
    """

    n_cancelled: int = 0
    n_modified: int = 0
    n_placed: int = 0
    n_errors: int = 0
    cancel_only_mode: bool = False
    contradicted: bool = False
    n_held_back: int = 0

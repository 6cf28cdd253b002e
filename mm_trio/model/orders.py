"""The frozen words of the field: what the modules hand each other.

Money and sizes are `Decimal`. Nothing here knows the venue's JSON, a clock or a task.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import Literal, TypeAlias

__all__ = [
    "Answer",
    "Balances",
    "Cancelled",
    "DesiredOrder",
    "Doubt",
    "EmitResult",
    "Fill",
    "FillResult",
    "Filled",
    "Intent",
    "Market",
    "Number",
    "OpenOrder",
    "OrderDiff",
    "OrderStatus",
    "OrderUpdate",
    "ReconcileResult",
    "Refusal",
    "Refused",
    "Resting",
    "Side",
    "Token",
    "TrackedOrder",
    "Unknown",
    "to_decimal",
]

Side: TypeAlias = Literal["buy", "sell"]
Number: TypeAlias = Decimal | int | str | float


def to_decimal(value: Number, *, name: str = "number") -> Decimal:
    """Read a number exactly; a float through its shortest repr, so that 0.1 is one tenth.

    Errors: ValueError for what is no finite number.
    """
    try:
        number = value if isinstance(value, Decimal) else Decimal(repr(value) if isinstance(value, float) else value)
    except (InvalidOperation, TypeError, ValueError):
        raise ValueError(f"{name} must be a finite number, got {value!r}") from None
    if not number.is_finite():
        raise ValueError(f"{name} must be a finite number, got {value!r}")
    return number


def _make_exact(value: object, *names: str) -> None:
    """Turn what somebody gave as int, str or float into Decimals, once, where a frozen value is made."""
    for name in names:
        given = getattr(value, name)
        if type(given) is not Decimal:
            object.__setattr__(value, name, to_decimal(given, name=name))


# --- the market -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Token:
    """One token of the venue, known by `index`; names are not unique."""

    index: int
    name: str
    sz_decimals: int


@dataclass(frozen=True, slots=True)
class Market:
    """One spot pair. `coin` is the venue's name for it (`@107`), `asset_id` its number in actions.

    `pair_tokens` tells for every pair of the venue the indices of its base and quote token, so that
    what other orders hold of our two tokens can be counted.
    """

    coin: str
    asset_id: int
    base: Token
    quote: Token
    pair_tokens: dict[str, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Balances:
    """Totals of our two tokens at the venue, resting orders' holds included."""

    token: Decimal
    usdc: Decimal


# --- orders -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DesiredOrder:
    """An order that should rest. `price` in quote per base, `size` in base."""

    side: Side
    level_index: int
    price: Decimal
    size: Decimal

    def __post_init__(self) -> None:
        _make_exact(self, "price", "size")


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
        _make_exact(self, "price", "size")


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
        _make_exact(self, "price", "size")


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


# --- what the venue says ----------------------------------------------------------------------


class Refusal(Enum):
    """Why the venue refused, as far as logic may care; its words stay in `Refused.text`."""

    WOULD_CROSS = "post-only order would have matched"
    GONE = "the order is filled, cancelled or unknown"
    BALANCE = "balance too small"
    MIN_NOTIONAL = "worth too little"
    TICK_OR_LOT = "price or size off the venue's grid"
    PRICE_BAND = "price too far from the reference"
    BUDGET = "request budget used up"
    EXPIRED = "arrived after its deadline"
    NONCE = "nonce refused"
    SIGNER = "signature or agent not accepted"
    TOO_MANY = "too many items or open orders"
    NOT_SENT = "never left this machine"
    OTHER = "another reason"


@dataclass(frozen=True, slots=True)
class Resting:
    """The order rests under `oid`."""

    oid: int


@dataclass(frozen=True, slots=True)
class Filled:
    """The order traded at once; what is left of it, if anything, rests under `oid`."""

    oid: int


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The cancel was carried out."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A definite no. `untouched`: the whole request was refused before anything of it was done."""

    refusal: Refusal
    text: str
    untouched: bool = False


@dataclass(frozen=True, slots=True)
class Unknown:
    """No answer that could be read: it may have been done or not.

    `second`: the refusal that the same bytes met when they were sent again.
    """

    why: str
    second: Refused | None = None


Answer: TypeAlias = Resting | Filled | Cancelled | Refused | Unknown


@dataclass(frozen=True, slots=True)
class Fill:
    """One fill as the venue tells it. `fee_token` is "base", "quote" or the name of a third token."""

    oid: int
    tid: int
    size: Decimal
    price: Decimal | None = None
    side: Side | None = None
    time_ms: int | None = None
    fee: Decimal = Decimal(0)
    fee_token: str | None = None
    cloid: str | None = None
    coin: str | None = None


@dataclass(frozen=True, slots=True)
class OpenOrder:
    """One row of the venue's open orders, of any coin. `size` is what rests."""

    coin: str
    oid: int
    side: Side
    price: Decimal
    size: Decimal
    original_size: Decimal | None = None
    cloid: str | None = None


@dataclass(frozen=True, slots=True)
class OrderUpdate:
    """An order of our coin changed its status. `live` is false for every terminal status."""

    order: OpenOrder
    status: str
    live: bool
    time_ms: int | None = None


@dataclass(frozen=True, slots=True)
class OrderStatus:
    """The answer to a direct question; `order` is None where the venue knows of no such order."""

    order: OpenOrder | None
    status: str
    live: bool

"""Immutable values of the venue: answers, fills, open orders."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from typing import NamedTuple, Self, TypeAlias

from mm_trio.model.orders import Side

__all__ = [
    "WHOLE_BATCH",
    "Answer",
    "Cancelled",
    "Fill",
    "FillKey",
    "Filled",
    "ListedAgent",
    "OpenOrder",
    "OrderStatus",
    "OrderUpdate",
    "ReadFills",
    "Refusal",
    "Refused",
    "Resting",
    "Unknown",
    "find_refused",
]


class Refusal(Enum):
    """Reasons for a refusal, as far as logic may care.

    The venue's words stay in `Refused.text`.
    """

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
    TOO_MANY = "too many items in one action"
    OPEN_ORDERS = "too many open orders"
    FORM = "form of the order not accepted"
    TOO_LARGE = "worth or size too large"
    HALTED = "trading is halted"
    UPGRADE = "only post-only orders after a network upgrade"
    ASSET = "unknown pair"
    BUILDER_FEE = "builder fee not approved"
    NOT_SENT = "never left this machine"
    LIMIT = "beyond a limit of the operator"
    OTHER = "another reason"


# Errors of the payload refuse the whole batch with one status, and nothing of it is done.
WHOLE_BATCH = frozenset({Refusal.TICK_OR_LOT, Refusal.PRICE_BAND, Refusal.FORM, Refusal.TOO_LARGE})


@dataclass(frozen=True, slots=True)
class Resting:
    """Answer: the order is open under `oid`."""

    oid: int


@dataclass(frozen=True, slots=True)
class Filled:
    """Answer: the order traded at once.

    A remaining part, if any, is open under `oid`. `size` is what traded, None where it is not told.
    """

    oid: int
    size: Decimal | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Cancelled:
    """Answer: the order was cancelled."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Answer: a definite refusal.

    `untouched`: the whole request was refused before any part of it was executed.
    """

    refusal: Refusal
    text: str
    untouched: bool = False


@dataclass(frozen=True, slots=True)
class Unknown:
    """Missing or unreadable answer.

    The action may have been executed or not. `second` is the refusal of the same bytes when they were sent again.
    `says` are the venue's words, where it refused the whole action with a text that is not known.
    """

    why: str
    second: Refused | None = None
    says: str | None = None


Answer: TypeAlias = Resting | Filled | Cancelled | Refused | Unknown


def find_refused(answer: Answer | None) -> Refused | None:
    """Return the refusal that an answer is, or that the same bytes met when they were sent again."""
    if isinstance(answer, Unknown):
        return answer.second
    return answer if isinstance(answer, Refused) else None


class FillKey(NamedTuple):
    """Identity of a fill.

    A trade id alone is a hash and may repeat. Time and coin are None where a fill is handed in by trade id alone.
    """

    time_ms: int | None
    coin: str | None
    tid: int
    oid: int | None


@dataclass(frozen=True, slots=True)
class Fill:
    """Fill as the venue reports it.

    `fee_token` is "base", "quote" or the name of a third token. `crossed`: the order took what rested, as none of this
    program does. `is_dust`: the venue sold less than a lot for the account, and paid anything up to price * size.
    """

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
    crossed: bool | None = None
    is_dust: bool = False

    @property
    def key(self) -> FillKey:
        """Return the identity of the fill."""
        return FillKey(self.time_ms, self.coin, self.tid, self.oid)


@dataclass(frozen=True, slots=True)
class ReadFills:
    """Fills of our coin that one look at the history told, oldest first.

    `moments` are the times (ms) of all fills of the account that it told with them, of whichever coin: by these the
    history of a coin that seldom trades goes on.
    """

    fills: tuple[Fill, ...]
    moments: frozenset[int] = frozenset()

    @classmethod
    def of(cls, *fills: Fill) -> Self:
        """Return a look that told fills of our coin alone."""
        return cls(fills, frozenset(fill.time_ms for fill in fills if fill.time_ms is not None))


@dataclass(frozen=True, slots=True)
class OpenOrder:
    """Row of the venue's open orders, of any coin.

    `size` is the resting part.
    """

    coin: str
    oid: int
    side: Side
    price: Decimal
    size: Decimal
    original_size: Decimal | None = None
    cloid: str | None = None


@dataclass(frozen=True, slots=True)
class OrderUpdate:
    """Report that an order of our coin changed its status.

    `live` is false for every terminal status.
    """

    order: OpenOrder
    status: str
    live: bool
    time_ms: int | None = None


@dataclass(frozen=True, slots=True)
class OrderStatus:
    """Answer to a direct question.

    `order` is None where the venue knows of no such order.
    """

    order: OpenOrder | None
    status: str
    live: bool


@dataclass(frozen=True, slots=True)
class ListedAgent:
    """Named agent of an account, as the venue lists it.

    `valid_until_ms` is the venue's time; None where it tells no end.
    """

    name: str
    address: str
    valid_until_ms: int | None

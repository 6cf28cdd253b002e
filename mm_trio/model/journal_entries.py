"""Entries of the ledger: one frozen value for each event.

This module turns an entry into plain values and back; it knows no file. Code that changes orders or inventory
records the entry at the same moment, and a restart applies the same entries to the same classes (`replay`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from decimal import Decimal
from enum import StrEnum
from operator import attrgetter
from typing import Any, TypeAlias, cast

from mm_trio.model.orders import FillResult, Intent, Quote
from mm_trio.model.replies import Fill, FillKey

__all__ = [
    "Adjusted",
    "Adopted",
    "Allocated",
    "Arrived",
    "Began",
    "Booked",
    "Checkpoint",
    "Ended",
    "Entry",
    "LookedUp",
    "NeverPlaced",
    "OwnEnd",
    "Quoted",
    "Record",
    "Remembered",
    "Requested",
    "Sent",
    "Summed",
    "decode_entry",
    "encode_entry",
    "forget",
]


class OwnEnd(StrEnum):
    """Statuses in `Ended` that this program chose.

    All others are the venue's words.
    """

    # The venue confirmed our cancel or our replacement.
    CANCELLED = "cancelled"
    # The order is proven to be gone.
    GHOST = "ghost"
    # The order left before a checkpoint, which lists it.
    LEFT = "left"


# --- Sessions and parameters --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Began:
    """Beginning of a session.

    Its orders carry `epoch`; `parameters` are the settings that shape its quotes.
    """

    epoch: int
    parameters: dict[str, str]


@dataclass(frozen=True, slots=True)
class Allocated:
    """Amounts that the operator allots from here on.

    None: the whole account.
    """

    token: Decimal | None
    usdc: Decimal | None


@dataclass(frozen=True, slots=True)
class Quoted:
    """Boundary of the quotes, when it moved."""

    boundary_level: int


# --- Orders -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sent:
    """Order about to be sent.

    It is a replacement for the order `replaces`, where that is given. The entry is durable before the order is sent.
    """

    cloid: str
    quote: Quote
    replaces: int | None
    nonce: int | None
    expires_ms: int

    @classmethod
    def of(cls, intent: Intent) -> Sent:
        """Write down an intent."""
        return cls(intent.cloid, intent.quote, intent.replaces, intent.nonce, intent.expires_ms)


@dataclass(frozen=True, slots=True)
class Requested:
    """Signed action about to be sent.

    `digest` is the hash that was signed; the signature itself is kept nowhere.
    """

    nonce: int
    method: str
    n_items: int
    digest: str
    expires_ms: int


@dataclass(frozen=True, slots=True)
class NeverPlaced:
    """Order that never reached the book.

    It was refused, or its absence is proven. `why` is in the venue's words or ours.
    """

    cloid: str
    why: str


@dataclass(frozen=True, slots=True)
class Arrived:
    """Order in flight that reached the book as `oid`."""

    cloid: str
    oid: int


@dataclass(frozen=True, slots=True)
class Adopted:
    """Open order that was taken over.

    The size of `quote` is the resting part, `filled` the part that traded before.
    """

    oid: int
    quote: Quote
    cloid: str | None
    filled: Decimal


@dataclass(frozen=True, slots=True)
class Ended:
    """Order that left the book.

    `status` is the venue's word or an `OwnEnd`. `remaining` is the size left then as the venue reported it, None where
    it did not.
    """

    oid: int
    status: str
    remaining: Decimal | None


# --- Money --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Booked:
    """Fill of an order of ours that moved the ledger.

    `quote` has the fill's price and size. `fee` is in `fee_token`: "base", "quote" or a third token's name.
    """

    oid: int
    tid: int
    time_ms: int | None
    coin: str | None
    quote: Quote
    fee: Decimal
    fee_token: str | None

    @classmethod
    def of(cls, fill: Fill, quote: Quote) -> Booked:
        """Write down a fill.

        `quote` is the order's slot with the fill's price and size.
        """
        return cls(fill.oid, fill.tid, fill.time_ms, fill.coin, quote, fill.fee, fill.fee_token)

    @property
    def key(self) -> FillKey:
        """Return the identity of the fill."""
        return FillKey(self.time_ms, self.coin, self.tid, self.oid)

    def to_fill(self) -> Fill:
        """Return the fill as the venue reported it."""
        quote = self.quote
        return Fill(
            self.oid,
            self.tid,
            quote.size,
            quote.price,
            quote.side,
            self.time_ms,
            self.fee,
            self.fee_token,
            coin=self.coin,
        )

    def to_result(self, *, fully_filled: bool) -> FillResult:
        """Return the fill as the listener to bookings receives it."""
        quote = self.quote
        return FillResult(
            quote.side,
            quote.level_index,
            quote.price,
            quote.size,
            fully_filled,
            oid=self.oid,
            tid=self.tid,
            time_ms=self.time_ms,
            coin=self.coin,
            fee=self.fee,
            fee_token=self.fee_token,
        )


@dataclass(frozen=True, slots=True)
class Adjusted:
    """Change of the account without a fill of ours.

    It is the balance at the beginning, a transfer, a loss, or holds of foreign orders.
    """

    token: Decimal
    usdc: Decimal
    why: str


@dataclass(frozen=True, slots=True)
class Summed:
    """Sums in a checkpoint.

    Of the allocation (None: there is none) and of the account.
    """

    virtual_token: Decimal | None
    virtual_usdc: Decimal | None
    account_token: Decimal
    account_usdc: Decimal


@dataclass(frozen=True, slots=True)
class LookedUp:
    """Time up to which the fill history was read.

    No order was in doubt then. A restart reads on from it.
    """

    until_ms: int


@dataclass(frozen=True, slots=True)
class Remembered:
    """Fills that a balance contains already.

    Older ones than `after_ms` are contained too.
    """

    after_ms: int
    keys: tuple[FillKey, ...]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Sum of all entries before, in fewer entries.

    A replay begins at the last checkpoint.
    """

    entries: tuple[Entry, ...]


Entry: TypeAlias = (
    Began
    | Allocated
    | Quoted
    | Sent
    | Requested
    | NeverPlaced
    | Arrived
    | Adopted
    | Ended
    | Booked
    | Adjusted
    | Summed
    | LookedUp
    | Remembered
    | Checkpoint
)
Record: TypeAlias = Callable[[Entry], None]


def forget(entry: Entry) -> None:
    """Record nothing: the `Record` of a maker without a journal."""


# --- Plain values -------------------------------------------------------------------------------

_KINDS: dict[str, type[Any]] = {
    kind.__name__.lower(): kind
    for kind in (
        Began,
        Allocated,
        Quoted,
        Sent,
        Requested,
        NeverPlaced,
        Arrived,
        Adopted,
        Ended,
        Booked,
        Adjusted,
        Summed,
        LookedUp,
        Remembered,
        Checkpoint,
    )
}
_NAMES = {kind: name for name, kind in _KINDS.items()}


def _list_columns(kind: type[Any]) -> Iterator[tuple[str, bool]]:
    """List (path, is it a Decimal) of each written value.

    A quote is four values in a row.
    """
    for entry_field in fields(kind):
        if entry_field.name == "quote":
            yield from ((f"quote.{name}", is_decimal) for name, is_decimal in _list_columns(Quote))
        else:
            yield entry_field.name, "Decimal" in str(entry_field.type)


_COLUMNS = {name: tuple(_list_columns(kind)) for name, kind in _KINDS.items()}
_READERS = {name: tuple(attrgetter(path) for path, _ in columns) for name, columns in _COLUMNS.items()}
_N_QUOTE = len(fields(Quote))
_QUOTE_AT = {
    name: next((n for n, (path, _) in enumerate(columns) if path.startswith("quote.")), None)
    for name, columns in _COLUMNS.items()
}


def encode_entry(entry: Entry) -> tuple[str, list[Any]]:
    """Return the entry's kind and its values for JSON.

    A Decimal becomes its exact text.
    """
    kind = _NAMES[type(entry)]
    if isinstance(entry, Checkpoint):
        return kind, [list(encode_entry(part)) for part in entry.entries]
    values = [read(entry) for read in _READERS[kind]]
    return kind, [str(value) if isinstance(value, Decimal) else value for value in values]


def decode_entry(kind: str, values: Sequence[Any]) -> Entry:
    """Return the entry that `encode_entry` made these values of.

    Errors: ValueError for values that it never makes.
    """
    try:
        if kind == "checkpoint":
            return Checkpoint(tuple(decode_entry(part, inner) for part, inner in values))
        if kind == "remembered":
            after_ms, keys = values
            return Remembered(after_ms, tuple(FillKey(*key) for key in keys))
        columns = _COLUMNS[kind]
        read: list[Any] = [
            Decimal(value) if is_decimal and value is not None else value
            for (_, is_decimal), value in zip(columns, values, strict=True)
        ]
        at = _QUOTE_AT[kind]
        if at is not None:
            read[at : at + _N_QUOTE] = [Quote(*read[at : at + _N_QUOTE])]
        return cast("Entry", _KINDS[kind](*read))
    except (KeyError, TypeError, ArithmeticError) as error:
        raise ValueError(f"{kind!r} with these values is not a valid entry") from error

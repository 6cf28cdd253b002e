"""What a ledger is made of: one frozen value for each thing that happened to us, in the order it happened.

Knows how an entry becomes plain values and back; knows no file. Whoever changes orders or inventory records
the entry in the same breath, and a restart applies the same entries to the same classes (`replay`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Any, TypeAlias, cast

from mm_trio.model.orders import Intent, Side

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


# --- lives and parameters -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Began:
    """A life of the maker began: its orders carry `epoch`. `parameters` say what it was told to quote."""

    epoch: int
    parameters: dict[str, str]


@dataclass(frozen=True, slots=True)
class Allocated:
    """What the operator lets the maker use from here on; None: the whole account."""

    token: Decimal | None
    usdc: Decimal | None


@dataclass(frozen=True, slots=True)
class Quoted:
    """The boundary that was quoted from, when it moved."""

    boundary_level: int


# --- orders -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sent:
    """An order is about to leave, or a replacement for the order `replaces`. Durable before it does."""

    cloid: str
    side: Side
    level_index: int
    price: Decimal
    size: Decimal
    replaces: int | None
    nonce: int | None
    expires_ms: int

    @classmethod
    def of(cls, intent: Intent) -> Sent:
        return cls(
            intent.cloid,
            intent.side,
            intent.level_index,
            intent.price,
            intent.size,
            intent.replaces,
            intent.nonce,
            intent.expires_ms,
        )


@dataclass(frozen=True, slots=True)
class Requested:
    """A signed action is about to leave. `digest` is the hash that was signed; the signature itself is kept nowhere."""

    nonce: int
    method: str
    n_items: int
    digest: str
    expires_ms: int


@dataclass(frozen=True, slots=True)
class NeverPlaced:
    """The order was refused, or is proven never to have reached the book. `why` in the venue's words or ours."""

    cloid: str
    why: str


@dataclass(frozen=True, slots=True)
class Arrived:
    """The order in flight is proven to have reached the book, as `oid`."""

    cloid: str
    oid: int


@dataclass(frozen=True, slots=True)
class Adopted:
    """An order that rests was taken over; `size` is what rests of it, `filled` what of it traded before."""

    oid: int
    side: Side
    level_index: int
    price: Decimal
    size: Decimal
    cloid: str | None
    filled: Decimal


@dataclass(frozen=True, slots=True)
class Ended:
    """The order left the book. `remaining` is what the venue says was left then, None where it did not say."""

    oid: int
    status: str
    remaining: Decimal | None


# --- money --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Booked:
    """A fill of an order of ours moved the ledger. `fee` in "base", "quote" or a third token's name."""

    oid: int
    tid: int
    time_ms: int | None
    coin: str | None
    side: Side
    level_index: int
    price: Decimal
    size: Decimal
    fee: Decimal
    fee_token: str | None


@dataclass(frozen=True, slots=True)
class Adjusted:
    """The account moved by no fill of ours: the balance we began with, a transfer, a loss, others' holds."""

    token: Decimal
    usdc: Decimal
    why: str


@dataclass(frozen=True, slots=True)
class Summed:
    """Where the sums stand, in a checkpoint: of the allocation (None: there is none) and of the account."""

    virtual_token: Decimal | None
    virtual_usdc: Decimal | None
    account_token: Decimal
    account_usdc: Decimal


@dataclass(frozen=True, slots=True)
class LookedUp:
    """The venue's fill history was read up to here while nothing was in doubt; a restart reads on from it."""

    until_ms: int


@dataclass(frozen=True, slots=True)
class Remembered:
    """Fills that count in a balance already, by (time_ms, coin, tid, oid); older ones than `after_ms` do too."""

    after_ms: int
    keys: tuple[tuple[int, str, int, int], ...]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Everything before, in fewer entries: a replay begins at the last of these."""

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
    """A `Record` for who keeps no journal."""


# --- plain values -------------------------------------------------------------------------------

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
_FIELDS = {name: tuple((f.name, "Decimal" in str(f.type)) for f in fields(kind)) for name, kind in _KINDS.items()}


def encode_entry(entry: Entry) -> tuple[str, list[Any]]:
    """The entry's kind and its fields as JSON has them: a Decimal is its exact text."""
    kind = _NAMES[type(entry)]
    if isinstance(entry, Checkpoint):
        return kind, [list(encode_entry(part)) for part in entry.entries]
    values = [getattr(entry, name) for name, _ in _FIELDS[kind]]
    return kind, [str(value) if isinstance(value, Decimal) else value for value in values]


def decode_entry(kind: str, values: Sequence[Any]) -> Entry:
    """The entry that `encode_entry` made these of. Errors: ValueError for what it never makes."""
    try:
        if kind == "checkpoint":
            return Checkpoint(tuple(decode_entry(part, inner) for part, inner in values))
        if kind == "remembered":
            after_ms, keys = values
            return Remembered(after_ms, tuple((t, c, i, o) for t, c, i, o in keys))
        known = _FIELDS[kind]
        read = [
            Decimal(value) if is_decimal and value is not None else value
            for (_, is_decimal), value in zip(known, values, strict=True)
        ]
        return cast("Entry", _KINDS[kind](*read))
    except (KeyError, TypeError, ArithmeticError) as error:
        raise ValueError(f"no entry of kind {kind!r}") from error

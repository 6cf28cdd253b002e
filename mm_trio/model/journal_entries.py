"""Entries of the ledger: one frozen value for each event.

Code that changes orders or inventory records the entry at the same moment, and a restart applies the same entries to
the same classes (`replay`). `entry_codec` turns them into plain values and back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import TypeAlias

from mm_trio.model.orders import FillResult, Intent, Quote
from mm_trio.model.replies import Fill, FillKey

__all__ = [
    "EXPLAINED_LATE",
    "REBUILT",
    "Accounted",
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
    "MoveKind",
    "Moved",
    "NeverPlaced",
    "Numbered",
    "Of",
    "OwnEnd",
    "Peaked",
    "Quoted",
    "Record",
    "Released",
    "Remembered",
    "Requested",
    "Reserved",
    "Sent",
    "Summed",
    "forget",
]

# Reason of the first balance of a ledger that was rebuilt: fills of ours before it are left out, and booked later.
REBUILT = "rebuilt"
# `why` of the opposite of movements whose amounts an unexplained entry took before.
EXPLAINED_LATE = "explained late"


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


class MoveKind(StrEnum):
    """Causes of a movement of funds that is no fill of ours."""

    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"
    # Between spot and perp, or between accounts of the venue.
    TRANSFER = "transfer"
    # A trade of the account that no order of ours made.
    HAND_TRADE = "hand trade"
    # The venue sold less than a lot for the account.
    DUST = "dust"
    # A fee that a trade of others on this account paid in one of our tokens.
    FOREIGN_FEE = "foreign fee"
    # Amounts that orders of others began to hold, or gave free.
    FOREIGN_HOLD = "foreign hold"


# --- Sessions and parameters --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Began:
    """Beginning of a session.

    Its orders carry `epoch`; `parameters` are the settings that shape its quotes.
    """

    epoch: int
    parameters: dict[str, str]


@dataclass(frozen=True, slots=True)
class Numbered:
    """Highest number of an order of a session.

    Each `Sent` tells it by its cloid. This entry tells it where those are not replayed: in a checkpoint, and for
    sessions whose own entries are elsewhere or lost.
    """

    epoch: int
    number: int


@dataclass(frozen=True, slots=True)
class Reserved:
    """Requests of a session that may leave before their own entries are durable.

    Their orders have numbers up to `number`, their nonces are below `nonce`, and the venue takes no order of them after
    `until_ms`. It holds until the session reserves anew, or releases it.
    """

    epoch: int
    number: int
    nonce: int
    until_ms: int


@dataclass(frozen=True, slots=True)
class Released:
    """End of a session's reservation: whatever of it reached the venue is recorded."""

    epoch: int


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

    It is a replacement for the order `replaces`, where that is given. The entry is durable before the order is sent,
    unless a reservation is that covers it.
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
    """Change of the account that nothing explains.

    It is the balance at the beginning, or a loss. Ledgers of earlier releases have transfers and holds of foreign
    orders here too, which are `Moved` now.
    """

    token: Decimal
    usdc: Decimal
    why: str


@dataclass(frozen=True, slots=True)
class Moved:
    """Movement of funds that is explained, and is no fill of ours.

    Both amounts are signed: what the account gained. `time_ms` is the venue's time, `ref` names the event there (a
    hash, or a trade id), so that it counts once.
    """

    token: Decimal
    usdc: Decimal
    kind: str
    time_ms: int
    ref: str


@dataclass(frozen=True, slots=True)
class Accounted:
    """Movements that are in the ledger already.

    All until `after_ms`, and later ones by their references with their times. `held_token` and `held_usdc` are what
    others hold as far as it is recorded, None where that is not known.
    """

    after_ms: int
    refs: tuple[str, ...]
    times_ms: tuple[int, ...]
    held_token: Decimal | None
    held_usdc: Decimal | None


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
class Peaked:
    """Best gain against having held so far, in quote.

    A limit counts the way down from it, over restarts too.
    """

    gain: Decimal


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


@dataclass(frozen=True, slots=True)
class Of:
    """Entry of one grid, in the journal of several: `coin` is the venue's name of its pair."""

    coin: str
    entry: Entry


Entry: TypeAlias = (
    Began
    | Numbered
    | Reserved
    | Released
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
    | Moved
    | Accounted
    | Summed
    | Peaked
    | LookedUp
    | Remembered
    | Checkpoint
    | Of
)
Record: TypeAlias = Callable[[Entry], None]


def forget(entry: Entry) -> None:
    """Record nothing: the `Record` of a maker without a journal."""

"""What goes into the exchange core and what comes out: frozen commands, effects and facts.

Everything is plain data with a stable `repr`, so a run can be recorded, compared and replayed.
Addresses are lower case here; times are milliseconds; money and sizes are Decimals.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

__all__ = [
    "Action",
    "Answered",
    "BalancesChanged",
    "BookChanged",
    "CancelByCloid",
    "CancelByOid",
    "Cancelled",
    "Command",
    "Deposit",
    "Effect",
    "Fill",
    "FillMade",
    "Filled",
    "ItemError",
    "ItemStatus",
    "ModifyOrders",
    "NewOrder",
    "Noop",
    "OrderChanged",
    "OrderRecord",
    "PlaceOrders",
    "Refused",
    "Resting",
    "ScheduleCancel",
    "Tif",
    "Trade",
    "TradeMade",
    "Withdraw",
]

Tif = Literal["Alo", "Ioc", "Gtc", "Trigger"]


@dataclass(frozen=True, slots=True)
class NewOrder:
    """One order as its owner words it. `cloid` is `0x` and 32 lower-case hex digits."""

    asset: int
    is_buy: bool
    price: Decimal
    size: Decimal
    tif: Tif
    cloid: str | None = None
    reduce_only: bool = False


@dataclass(frozen=True, slots=True)
class Deposit:
    """Credit a token out of nowhere, creating the account if need be."""

    address: str
    token: int
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Take a token away; refused beyond what no resting order holds."""

    address: str
    token: int
    amount: Decimal


@dataclass(frozen=True, slots=True)
class PlaceOrders:
    address: str
    orders: tuple[NewOrder, ...]
    expires_after: int | None = None


@dataclass(frozen=True, slots=True)
class CancelByOid:
    """`cancels` are (asset, oid) pairs."""

    address: str
    cancels: tuple[tuple[int, int], ...]
    expires_after: int | None = None


@dataclass(frozen=True, slots=True)
class CancelByCloid:
    """`cancels` are (asset, cloid) pairs."""

    address: str
    cancels: tuple[tuple[int, str], ...]
    expires_after: int | None = None


@dataclass(frozen=True, slots=True)
class ModifyOrders:
    """`modifies` are (oid or cloid, new order) pairs; `single` is the venue's older one-order action."""

    address: str
    modifies: tuple[tuple[int | str, NewOrder], ...]
    expires_after: int | None = None
    single: bool = False


@dataclass(frozen=True, slots=True)
class ScheduleCancel:
    """Cancel everything at `time_ms`; None takes the appointment back."""

    address: str
    time_ms: int | None
    expires_after: int | None = None


@dataclass(frozen=True, slots=True)
class Noop:
    address: str
    expires_after: int | None = None


Action = PlaceOrders | CancelByOid | CancelByCloid | ModifyOrders | ScheduleCancel | Noop
Command = Action | Deposit | Withdraw


@dataclass(frozen=True, slots=True)
class OrderRecord:
    """An order at its last change of status; `size` is what was left of it then."""

    oid: int
    address: str
    asset: int
    coin: str
    is_buy: bool
    price: Decimal
    size: Decimal
    original_size: Decimal
    tif: Tif
    cloid: str | None
    reduce_only: bool
    placed_ms: int
    status: str
    status_ms: int


@dataclass(frozen=True, slots=True)
class Fill:
    """One side of one trade, as its owner sees it. `fee` is in `fee_token`, what was received."""

    address: str
    coin: str
    price: Decimal
    size: Decimal
    is_buy: bool
    time_ms: int
    start_position: Decimal
    hash: str
    oid: int
    crossed: bool
    fee: Decimal
    fee_token: str
    tid: int
    cloid: str | None


@dataclass(frozen=True, slots=True)
class Trade:
    """One trade, as the public sees it; `is_buy` is the taker's side."""

    coin: str
    is_buy: bool
    price: Decimal
    size: Decimal
    time_ms: int
    hash: str
    tid: int
    buyer: str
    seller: str


@dataclass(frozen=True, slots=True)
class Resting:
    oid: int
    cloid: str | None


@dataclass(frozen=True, slots=True)
class Filled:
    """Filled at once, in part or whole; a Gtc remainder rests under the same oid."""

    oid: int
    cloid: str | None
    size: Decimal
    average_price: Decimal


@dataclass(frozen=True, slots=True)
class Cancelled:
    pass


@dataclass(frozen=True, slots=True)
class ItemError:
    text: str


ItemStatus = Resting | Filled | Cancelled | ItemError


@dataclass(frozen=True, slots=True)
class Answered:
    """The action ran; one status per item, or a single one for a batch refused as a whole."""

    kind: Literal["order", "cancel", "default"]
    statuses: tuple[ItemStatus, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """The action was refused at the top level and changed nothing."""

    text: str


@dataclass(frozen=True, slots=True)
class OrderChanged:
    record: OrderRecord


@dataclass(frozen=True, slots=True)
class FillMade:
    fill: Fill


@dataclass(frozen=True, slots=True)
class TradeMade:
    trade: Trade


@dataclass(frozen=True, slots=True)
class BookChanged:
    coin: str


@dataclass(frozen=True, slots=True)
class BalancesChanged:
    address: str


Effect = Answered | Refused | OrderChanged | FillMade | TradeMade | BookChanged | BalancesChanged

"""What goes into the exchange core and what comes out: frozen commands, effects and facts.

Everything is plain data with a stable `repr`, so a run can be recorded, compared and replayed.
Addresses are lower case here; times are milliseconds; money and sizes are Decimals.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from mm_trio.sandbox.model.records import DUST_DIRECTION, Fill, LedgerRow, OrderRecord, Tif, Trade

__all__ = [
    "ACTIONS",
    "CANCELS",
    "DUST_DIRECTION",
    "Action",
    "Answered",
    "BalancesChanged",
    "BookChanged",
    "CancelByCloid",
    "CancelByOid",
    "Cancelled",
    "Command",
    "ConvertDust",
    "DelistPair",
    "Deposit",
    "Effect",
    "ExhaustBudget",
    "Fill",
    "FillMade",
    "Filled",
    "ForgetRecords",
    "ItemError",
    "ItemStatus",
    "LedgerChanged",
    "LedgerRow",
    "ModifyOrders",
    "NewOrder",
    "Noop",
    "OrderChanged",
    "OrderRecord",
    "OwnerCommand",
    "PassTime",
    "PlaceOrders",
    "Refused",
    "RelistPair",
    "ReserveRequestWeight",
    "Resting",
    "ScheduleCancel",
    "SetFees",
    "SetPostOnly",
    "Tif",
    "Trade",
    "TradeMade",
    "Transfer",
    "Withdraw",
]


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
    """`cancels` are (asset, oid) pairs. `fast` changes when the venue runs it, and nothing else."""

    address: str
    cancels: tuple[tuple[int, int], ...]
    expires_after: int | None = None
    fast: bool = False


@dataclass(frozen=True, slots=True)
class CancelByCloid:
    """`cancels` are (asset, cloid) pairs. `fast` changes when the venue runs it, and nothing else."""

    address: str
    cancels: tuple[tuple[int, str], ...]
    expires_after: int | None = None
    fast: bool = False


@dataclass(frozen=True, slots=True)
class ModifyOrders:
    """`modifies` are (oid or cloid, new order) pairs; `single` is the venue's older one-order action.

    Without `always_place` the new order must be post-only, or is made so.
    """

    address: str
    modifies: tuple[tuple[int | str, NewOrder], ...]
    expires_after: int | None = None
    single: bool = False
    always_place: bool = False


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


@dataclass(frozen=True, slots=True)
class ReserveRequestWeight:
    """Buy so many requests above the budget, for `destination` or the sender itself."""

    address: str
    weight: int
    destination: str | None = None
    expires_after: int | None = None


@dataclass(frozen=True, slots=True)
class Transfer:
    """Move a token to another address, which gets an account if it has none; refused beyond what is free."""

    address: str
    destination: str
    token: int
    amount: Decimal


# What the owner of the exchange does, and not one of its clients. None of them costs anybody anything.


@dataclass(frozen=True, slots=True)
class SetFees:
    """Rates of that address from now on, per unit; None: the ones that apply to all."""

    address: str
    maker: Decimal | None
    taker: Decimal | None


@dataclass(frozen=True, slots=True)
class ExhaustBudget:
    """Let the address have sent exactly as much as it may."""

    address: str


@dataclass(frozen=True, slots=True)
class ForgetRecords:
    """Drop the record of an ended order, by oid or cloid; None: of all ended orders of that address."""

    address: str
    key: int | str | None = None


@dataclass(frozen=True, slots=True)
class DelistPair:
    """Trading in that asset ends: what rests is cancelled, and what comes is refused."""

    asset: int


@dataclass(frozen=True, slots=True)
class RelistPair:
    """Trading in that asset goes on."""

    asset: int


@dataclass(frozen=True, slots=True)
class SetPostOnly:
    """Begin, or end, the time after an upgrade of the network in which only post-only orders pass."""

    on: bool


@dataclass(frozen=True, slots=True)
class ConvertDust:
    """Sell, for every address, the balances below one lot that are worth at most one quote unit."""


@dataclass(frozen=True, slots=True)
class PassTime:
    """Nothing but the time: appointments that are due are kept."""


Action = PlaceOrders | CancelByOid | CancelByCloid | ModifyOrders | ScheduleCancel | Noop | ReserveRequestWeight
CANCELS = (CancelByOid, CancelByCloid)
ACTIONS = (PlaceOrders, *CANCELS, ModifyOrders, ScheduleCancel, Noop, ReserveRequestWeight)
OwnerCommand = SetFees | ExhaustBudget | ForgetRecords | DelistPair | RelistPair | SetPostOnly | ConvertDust | PassTime
Command = Action | Deposit | Withdraw | Transfer | OwnerCommand


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


@dataclass(frozen=True, slots=True)
class LedgerChanged:
    row: LedgerRow


Effect = Answered | Refused | OrderChanged | FillMade | TradeMade | BookChanged | BalancesChanged | LedgerChanged

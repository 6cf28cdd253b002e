"""Commands and effects of the exchange core.

All of them are frozen plain data with a stable `repr`, so a run can be recorded, compared and replayed.
Addresses are lower case; times are milliseconds; money and sizes are Decimals.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from mm_trio.sandbox.model.records import DUST_DIRECTION, AccountMode, Fill, LedgerRow, OrderRecord, Tif, Trade

__all__ = [
    "ACTIONS",
    "CANCELS",
    "DUST_DIRECTION",
    "AccountMode",
    "Action",
    "AdminCommand",
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
    "HoldElsewhere",
    "ItemError",
    "ItemStatus",
    "LedgerChanged",
    "LedgerRow",
    "ModifyOrders",
    "NewOrder",
    "Noop",
    "OrderChanged",
    "OrderRecord",
    "PassTime",
    "PlaceOrders",
    "RefuseOrders",
    "Refused",
    "RelistPair",
    "ReserveRequestWeight",
    "Resting",
    "ScheduleCancel",
    "SetAccountMode",
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
    """Order as its owner requests it.

    `cloid` is `0x` and 32 lower-case hex digits.
    """

    asset: int
    is_buy: bool
    price: Decimal
    size: Decimal
    tif: Tif
    cloid: str | None = None
    reduce_only: bool = False


@dataclass(frozen=True, slots=True)
class Deposit:
    """Credit a token, creating a missing account."""

    address: str
    token: int
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Debit a token.

    Refused if the amount exceeds the available balance.
    """

    address: str
    token: int
    amount: Decimal


@dataclass(frozen=True, slots=True)
class PlaceOrders:
    """Place a batch of orders."""

    address: str
    orders: tuple[NewOrder, ...]
    expires_after: int | None = None


@dataclass(frozen=True, slots=True)
class CancelByOid:
    """Cancel orders by (asset, oid) pairs.

    `fast` changes only when the venue runs the action.
    """

    address: str
    cancels: tuple[tuple[int, int], ...]
    expires_after: int | None = None
    fast: bool = False


@dataclass(frozen=True, slots=True)
class CancelByCloid:
    """Cancel orders by (asset, cloid) pairs.

    `fast` changes only when the venue runs the action.
    """

    address: str
    cancels: tuple[tuple[int, str], ...]
    expires_after: int | None = None
    fast: bool = False


@dataclass(frozen=True, slots=True)
class ModifyOrders:
    """Replace orders, by (oid or cloid, new order).

    `single` marks the venue's older one-order action. Without `always_place` the new order must be post-only; a Gtc
    is made post-only.
    """

    address: str
    modifies: tuple[tuple[int | str, NewOrder], ...]
    expires_after: int | None = None
    single: bool = False
    always_place: bool = False


@dataclass(frozen=True, slots=True)
class ScheduleCancel:
    """Cancel all orders at `time_ms`; None removes the schedule."""

    address: str
    time_ms: int | None
    expires_after: int | None = None


@dataclass(frozen=True, slots=True)
class Noop:
    """Do nothing, and spend one request of the budget."""

    address: str
    expires_after: int | None = None


@dataclass(frozen=True, slots=True)
class ReserveRequestWeight:
    """Buy `weight` requests above the budget.

    They are for `destination`, or for the sender if that is None.
    """

    address: str
    weight: int
    destination: str | None = None
    expires_after: int | None = None


@dataclass(frozen=True, slots=True)
class Transfer:
    """Move a token to another address.

    The receiver gets an account if it has none. Refused if the amount exceeds the available balance.
    """

    address: str
    destination: str
    token: int
    amount: Decimal


# Only the operator of the sandbox sends the commands below. They cost no client anything of its budget.


@dataclass(frozen=True, slots=True)
class SetFees:
    """Set an address's fee rates, as fractions of the notional.

    None restores the rate that applies to all addresses.
    """

    address: str
    maker: Decimal | None
    taker: Decimal | None


@dataclass(frozen=True, slots=True)
class SetAccountMode:
    """Set the mode of an account, creating a missing one."""

    address: str
    mode: AccountMode


@dataclass(frozen=True, slots=True)
class HoldElsewhere:
    """Set what is held of a token other than by spot orders.

    It stands for the margin of positions. No more is held than what no order holds.
    """

    address: str
    token: int
    amount: Decimal


@dataclass(frozen=True, slots=True)
class ExhaustBudget:
    """Mark an address's request budget as used up exactly."""

    address: str


@dataclass(frozen=True, slots=True)
class ForgetRecords:
    """Drop an ended order's record, by oid or cloid.

    A `key` of None drops the records of all ended orders of the address.
    """

    address: str
    key: int | str | None = None


@dataclass(frozen=True, slots=True)
class DelistPair:
    """Halt trading in an asset.

    Resting orders are cancelled, and new ones are refused.
    """

    asset: int


@dataclass(frozen=True, slots=True)
class RelistPair:
    """Resume trading in an asset."""

    asset: int


@dataclass(frozen=True, slots=True)
class SetPostOnly:
    """Begin or end the post-only period after a network upgrade."""

    on: bool


@dataclass(frozen=True, slots=True)
class RefuseOrders:
    """Begin or end refusing an address's new orders with one text.

    `text` None ends it. `scope`: each order for itself, the batch of one such order, or the whole action. Only orders
    of the side `is_buy` and of the price `at_least` are meant, where these are given.
    """

    address: str
    text: str | None
    scope: Literal["item", "batch", "action"] = "item"
    is_buy: bool | None = None
    at_least: Decimal | None = None

    def is_of(self, order: NewOrder) -> bool:
        """Check if an order is one of those that are refused."""
        return self.is_buy in (None, order.is_buy) and (self.at_least is None or order.price >= self.at_least)


@dataclass(frozen=True, slots=True)
class ConvertDust:
    """Sell every address's dust.

    Dust is a balance below one lot that is worth at most one quote unit.
    """


@dataclass(frozen=True, slots=True)
class PassTime:
    """Let time pass.

    Scheduled cancels and dust sales that are due run.
    """


Action = PlaceOrders | CancelByOid | CancelByCloid | ModifyOrders | ScheduleCancel | Noop | ReserveRequestWeight
CANCELS = (CancelByOid, CancelByCloid)
ACTIONS = (PlaceOrders, *CANCELS, ModifyOrders, ScheduleCancel, Noop, ReserveRequestWeight)
AdminCommand = (
    SetFees
    | SetAccountMode
    | HoldElsewhere
    | ExhaustBudget
    | ForgetRecords
    | DelistPair
    | RelistPair
    | SetPostOnly
    | RefuseOrders
    | ConvertDust
    | PassTime
)
Command = Action | Deposit | Withdraw | Transfer | AdminCommand


@dataclass(frozen=True, slots=True)
class Resting:
    """Order accepted and resting in the book."""

    oid: int
    cloid: str | None


@dataclass(frozen=True, slots=True)
class Filled:
    """Order filled at once, in part or whole.

    What is left of a Gtc rests under the same oid.
    """

    oid: int
    cloid: str | None
    size: Decimal
    average_price: Decimal


@dataclass(frozen=True, slots=True)
class Cancelled:
    """Order cancelled."""


@dataclass(frozen=True, slots=True)
class ItemError:
    """Refusal of one item, in the venue's words."""

    text: str


ItemStatus = Resting | Filled | Cancelled | ItemError


@dataclass(frozen=True, slots=True)
class Answered:
    """Answer to an action that ran.

    It has one status per item, or a single one for a batch refused as a whole.
    """

    kind: Literal["order", "cancel", "default"]
    statuses: tuple[ItemStatus, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """Refusal of a whole action, which changed nothing."""

    text: str


@dataclass(frozen=True, slots=True)
class OrderChanged:
    """Change of an order's status."""

    record: OrderRecord


@dataclass(frozen=True, slots=True)
class FillMade:
    """Fill of one address."""

    fill: Fill


@dataclass(frozen=True, slots=True)
class TradeMade:
    """Public trade."""

    trade: Trade


@dataclass(frozen=True, slots=True)
class BookChanged:
    """Notice that a pair's book differs."""

    coin: str


@dataclass(frozen=True, slots=True)
class BalancesChanged:
    """Notice that an address's balances differ."""

    address: str


@dataclass(frozen=True, slots=True)
class LedgerChanged:
    """Movement of funds other than a trade."""

    row: LedgerRow


Effect = Answered | Refused | OrderChanged | FillMade | TradeMade | BookChanged | BalancesChanged | LedgerChanged

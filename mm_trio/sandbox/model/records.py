"""What the exchange remembers and tells: orders, fills, public trades, movements of funds. Frozen.

Addresses are lower case; times are milliseconds; money and sizes are Decimals.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

__all__ = ["DUST_DIRECTION", "ZERO_HASH", "Fill", "LedgerRow", "OrderRecord", "Tif", "Trade"]

Tif = Literal["Alo", "Ioc", "Gtc", "Trigger"]
DUST_DIRECTION = "Spot Dust Conversion"
ZERO_HASH = "0x" + "0" * 64


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

    def turned(self, status: str, *, size: Decimal, at_ms: int) -> OrderRecord:
        """This order with another status and so much left. The hottest line of the core, so without `replace`."""
        return OrderRecord(
            self.oid,
            self.address,
            self.asset,
            self.coin,
            self.is_buy,
            self.price,
            size,
            self.original_size,
            self.tif,
            self.cloid,
            self.reduce_only,
            self.placed_ms,
            status,
            at_ms,
        )


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
    is_dust: bool = False  # sold by the system, which takes no fee and knows no order

    @property
    def direction(self) -> str:
        """The row's `dir`."""
        return DUST_DIRECTION if self.is_dust else "Buy" if self.is_buy else "Sell"


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
class LedgerRow:
    """A movement of funds that is no trade, as one of its addresses sees it.

    `sender` is None for a deposit, `receiver` for a withdrawal.
    """

    address: str
    kind: Literal["deposit", "withdraw", "send"]
    token: int
    amount: Decimal
    time_ms: int
    hash: str
    sender: str | None
    receiver: str | None

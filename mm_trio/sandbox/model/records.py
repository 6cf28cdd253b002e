"""Frozen records of orders, fills, public trades and fund movements.

Addresses are lower case; times are milliseconds; money and sizes are Decimals.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

__all__ = [
    "DUST_DIRECTION",
    "IMMEDIATE_TIFS",
    "ZERO_HASH",
    "AccountMode",
    "Fill",
    "LedgerRow",
    "OrderRecord",
    "Tif",
    "Trade",
]

# Standard, unified account, portfolio margin.
AccountMode = Literal["standard", "unified", "portfolio"]
Tif = Literal["Alo", "Ioc", "Gtc", "FrontendMarket", "Trigger"]
# Such an order trades at once or not at all. The second is what the venue's web page sends as a market order.
IMMEDIATE_TIFS: tuple[Tif, ...] = ("Ioc", "FrontendMarket")
DUST_DIRECTION = "Spot Dust Conversion"
ZERO_HASH = "0x" + "0" * 64


@dataclass(frozen=True, slots=True)
class OrderRecord:
    """Order at its last change of status.

    `size` is the size that was open then.
    """

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

    def with_status(self, status: str, *, size: Decimal, at_ms: int) -> OrderRecord:
        """Return this order with another status and open size.

        This is the hottest line of the core, so it does without the slower `replace`.
        """
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
    """One side of a trade, as its owner sees it.

    `fee` is in `fee_token`, the token that this side received.
    """

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
    # The system sold the dust: there is no fee and no order behind the fill.
    is_dust: bool = False

    @property
    def direction(self) -> str:
        """Value of the row's `dir`."""
        return DUST_DIRECTION if self.is_dust else "Buy" if self.is_buy else "Sell"


@dataclass(frozen=True, slots=True)
class Trade:
    """Public view of a trade; `is_buy` is the taker's side."""

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
    """Movement of funds, as one address sees it.

    Trades are not among them.
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

"""Effects of one command, grouped by address and pair."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from mm_trio.sandbox.model.commands import (
    BalancesChanged,
    BookChanged,
    Effect,
    Fill,
    FillMade,
    LedgerChanged,
    LedgerRow,
    OrderChanged,
    OrderRecord,
    Trade,
    TradeMade,
)

__all__ = ["News"]


@dataclass(slots=True)
class News:
    """Effects of one command, grouped for the channels.

    Order records, fills and ledger rows are keyed by address, trades by pair. `books` are the pairs whose book changed,
    `wallets` the addresses whose balances changed.
    """

    records: dict[str, list[OrderRecord]] = field(default_factory=dict)
    fills: dict[str, list[Fill]] = field(default_factory=dict)
    trades: dict[str, list[Trade]] = field(default_factory=dict)
    books: set[str] = field(default_factory=set)
    wallets: set[str] = field(default_factory=set)
    ledger: dict[str, list[LedgerRow]] = field(default_factory=dict)

    @classmethod
    def sort(cls, effects: Iterable[Effect]) -> News:
        """Group the effects of one command."""
        news = cls()
        for effect in effects:
            match effect:
                case OrderChanged(record=record):
                    news.records.setdefault(record.address, []).append(record)
                case FillMade(fill=fill):
                    news.fills.setdefault(fill.address, []).append(fill)
                case TradeMade(trade=trade):
                    news.trades.setdefault(trade.coin, []).append(trade)
                case LedgerChanged(row=row):
                    news.ledger.setdefault(row.address, []).append(row)
                case BookChanged(coin=coin):
                    news.books.add(coin)
                case BalancesChanged(address=address):
                    news.wallets.add(address)
        return news

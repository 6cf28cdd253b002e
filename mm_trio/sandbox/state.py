"""What the exchange holds, and the few primitive changes everything else is made of.

Each primitive is told a decision, changes accounts and book together, and notes the effects in the
step it belongs to. Whether something may happen is decided by the caller, before.
"""

from __future__ import annotations

import hashlib
from collections import deque
from dataclasses import dataclass, field, replace
from decimal import Decimal

from mm_trio.sandbox import rules
from mm_trio.sandbox.accounts import Account
from mm_trio.sandbox.book import Book, LiveOrder
from mm_trio.sandbox.markets import Markets, Pair
from mm_trio.sandbox.messages import (
    Answered,
    BalancesChanged,
    BookChanged,
    Effect,
    Fill,
    FillMade,
    NewOrder,
    OrderChanged,
    OrderRecord,
    Refused,
    Trade,
    TradeMade,
)

__all__ = ["PUBLIC_TRADES_KEPT", "TID_BITS", "State", "Step", "derive_hash", "derive_tid"]

PUBLIC_TRADES_KEPT = 30  # what a `trades` subscription replays
TID_BITS = 50


@dataclass(slots=True)
class Step:
    """One command being carried out: its time, its transaction hash, its effects so far."""

    now_ms: int
    hash: str
    changes: list[Effect] = field(default_factory=list)
    books: dict[str, None] = field(default_factory=dict)  # ordered sets
    wallets: dict[str, None] = field(default_factory=dict)

    def effects(self, answer: Answered | Refused | None) -> tuple[Effect, ...]:
        """The answer first, then each change in the order it happened, then what to look at again."""
        return (
            *(() if answer is None else (answer,)),
            *self.changes,
            *(BookChanged(coin) for coin in self.books),
            *(BalancesChanged(address) for address in self.wallets),
        )


def derive_hash(label: str, number: int) -> str:
    """A stand-in for the venue's hashes: looks random, is a function of a counter."""
    return "0x" + hashlib.sha256(f"{label} {number}".encode()).hexdigest()


def derive_tid(number: int) -> int:
    """50 bits that do not grow with time, as the venue's trade ids do not."""
    return int(derive_hash("trade", number), 16) % (1 << TID_BITS)


class State:
    """Accounts, books, fees and counters of the whole exchange."""

    def __init__(
        self,
        markets: Markets,
        *,
        maker_fee: Decimal,
        taker_fee: Decimal,
        first_oid: int,
        order_records: int,
        fills_kept: int,
    ) -> None:
        self.pairs: dict[int, Pair] = {pair.asset: pair for pair in markets.pairs}
        self.books: dict[int, Book] = {asset: Book() for asset in self.pairs}
        self.accounts: dict[str, Account] = {}
        self.fees_collected: dict[int, Decimal] = {}
        self.last_prices: dict[int, Decimal] = {}
        self.trades: dict[int, deque[Trade]] = {asset: deque(maxlen=PUBLIC_TRADES_KEPT) for asset in self.pairs}
        self._rates = {True: taker_fee, False: maker_fee}  # by `crossed`
        self._next_oid = first_oid
        self._n_trades = 0
        self._order_records = order_records
        self._fills_kept = fills_kept

    def open_account(self, address: str) -> Account:
        """The account of that address, made if it is new."""
        if address not in self.accounts:
            self.accounts[address] = Account(address, order_records=self._order_records, fills_kept=self._fills_kept)
        return self.accounts[address]

    def take_oid(self) -> int:
        oid = self._next_oid
        self._next_oid += 1
        return oid

    def write_record(self, step: Step, oid: int, owner: str, order: NewOrder, status: str) -> OrderRecord:
        return OrderRecord(
            oid=oid,
            address=owner,
            asset=order.asset,
            coin=self.pairs[order.asset].name,
            is_buy=order.is_buy,
            price=order.price,
            size=order.size,
            original_size=order.size,
            tif=order.tif,
            cloid=order.cloid,
            reduce_only=order.reduce_only,
            placed_ms=step.now_ms,
            status=status,
            status_ms=step.now_ms,
        )

    def rest(self, step: Step, record: OrderRecord) -> None:
        """Put what is left of an order on the book and reserve what it needs."""
        order = LiveOrder(record, record.size)
        account = self.accounts[record.address]
        self._hold(step, order, record.size)
        self.books[record.asset].add(order)
        account.on_open(order)
        step.changes.append(OrderChanged(record))
        step.books[record.coin] = None

    def end_live(self, step: Step, order: LiveOrder, status: str) -> None:
        """Take a resting order off the book, release what it still holds, keep its record."""
        self._hold(step, order, -order.remaining)
        self.books[order.record.asset].remove(order)
        step.books[order.record.coin] = None
        self.end_record(step, replace(order.as_of_now(), status=status, status_ms=step.now_ms))

    def end_record(self, step: Step, record: OrderRecord) -> None:
        """Note the last status of an order that rests no more, or never did."""
        self.accounts[record.address].on_ended(record)
        step.changes.append(OrderChanged(record))

    def settle(self, step: Step, taker: OrderRecord, maker: LiveOrder, size: Decimal) -> None:
        """Trade so much at the maker's price: holds, balances, fees, both fills, the public print."""
        resting = maker.record
        self._hold(step, maker, -size)
        maker.remaining -= size
        self._n_trades += 1
        tid = derive_tid(self._n_trades)
        for record, crossed in ((taker, True), (resting, False)):
            self._settle_side(step, record, price=resting.price, size=size, crossed=crossed, tid=tid)
        buyer, seller = (taker, resting) if taker.is_buy else (resting, taker)
        trade = Trade(
            taker.coin,
            taker.is_buy,
            resting.price,
            size,
            step.now_ms,
            step.hash,
            tid,
            buyer.address,
            seller.address,
        )
        self.trades[taker.asset].append(trade)
        self.last_prices[taker.asset] = resting.price
        step.changes.append(TradeMade(trade))
        step.books[taker.coin] = None
        if not maker.remaining:
            self.end_live(step, maker, "filled")

    def _settle_side(
        self, step: Step, record: OrderRecord, *, price: Decimal, size: Decimal, crossed: bool, tid: int
    ) -> None:
        pair, account = self.pairs[record.asset], self.accounts[record.address]
        gross, side = price * size, record.is_buy
        fee = rules.compute_fee(pair, is_buy=side, price=price, size=size, rate=self._rates[crossed])
        received = rules.fee_token(pair, is_buy=side)
        fill = Fill(
            address=record.address,
            coin=record.coin,
            price=price,
            size=size,
            is_buy=side,
            time_ms=step.now_ms,
            start_position=account.balance(pair.base.index).total,
            hash=step.hash,
            oid=record.oid,
            crossed=crossed,
            fee=fee,
            fee_token=received.name,
            tid=tid,
            cloid=record.cloid,
        )
        account.change(pair.base.index, total=size if side else -size)
        account.change(pair.quote.index, total=-gross if side else gross)
        account.change(received.index, total=-fee)
        account.volume += gross
        account.fills.append(fill)
        self.fees_collected[received.index] = self.fees_collected.get(received.index, Decimal(0)) + fee
        step.changes.append(FillMade(fill))
        step.wallets[record.address] = None

    def _hold(self, step: Step, order: LiveOrder, size: Decimal) -> None:
        """Reserve for so much more of an order; a negative size releases."""
        record, pair = order.record, self.pairs[order.record.asset]
        token = pair.quote if record.is_buy else pair.base
        amount = rules.compute_hold(is_buy=record.is_buy, price=record.price, size=size)
        self.accounts[record.address].change(token.index, hold=amount)
        step.wallets[record.address] = None

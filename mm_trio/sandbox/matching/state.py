"""State of the whole exchange, and primitive changes.

Each primitive carries out a decision of its caller: it changes accounts and book together, and adds the effects to
the current step. The caller has checked before that the change is allowed.
"""

from __future__ import annotations

import hashlib
from collections import deque
from dataclasses import dataclass, field
from decimal import Decimal

from mm_trio.sandbox.matching import fees, rules
from mm_trio.sandbox.matching.accounts import Account
from mm_trio.sandbox.matching.book import Book, LiveOrder
from mm_trio.sandbox.matching.fees import DAY_MS, Rates
from mm_trio.sandbox.model.commands import (
    Answered,
    BalancesChanged,
    BookChanged,
    Effect,
    FillMade,
    LedgerChanged,
    NewOrder,
    OrderChanged,
    Refused,
    RefuseOrders,
    TradeMade,
)
from mm_trio.sandbox.model.limits import Limits
from mm_trio.sandbox.model.markets import Markets, Pair
from mm_trio.sandbox.model.records import Fill, LedgerRow, OrderRecord, Trade

__all__ = ["PUBLIC_TRADES_KEPT", "TID_BITS", "State", "Step", "derive_hash", "derive_tid"]

PUBLIC_TRADES_KEPT = 30  # A `trades` subscription replays these.
TID_BITS = 50
# The step is odd, so that its multiples reach each number of 50 bits once.
_TID_STEP = 0x9E3779B97F4A7
_ZERO = Decimal(0)


class Step:
    """Command in progress, with its effects so far."""

    __slots__ = ("_hash", "_number", "books", "changes", "now_ms", "wallets")

    def __init__(self, now_ms: int, number: int) -> None:
        self.now_ms = now_ms
        self.changes: list[Effect] = []
        self.books: dict[str, None] = {}  # Used as ordered sets.
        self.wallets: dict[str, None] = {}
        self._number = number
        self._hash: str | None = None

    @property
    def hash(self) -> str:
        """Transaction hash.

        It is made on first use, as most commands trade nothing.
        """
        if self._hash is None:
            self._hash = derive_hash("command", self._number)
        return self._hash

    def effects(self, answer: Answered | Refused | None) -> tuple[Effect, ...]:
        """Return all effects in order.

        The answer comes first, then each change as it happened, then the notices of changed books and balances.
        """
        return (
            *(() if answer is None else (answer,)),
            *self.changes,
            *[BookChanged(coin) for coin in self.books],
            *[BalancesChanged(address) for address in self.wallets],
        )


def derive_hash(label: str, number: int) -> str:
    """Derive a random-looking hash from a counter."""
    return "0x" + hashlib.sha256(f"{label} {number}".encode()).hexdigest()


def derive_tid(number: int) -> int:
    """Derive a unique 50-bit trade id from a counter.

    The ids do not grow with time, as the venue's do not.
    """
    return number * _TID_STEP % (1 << TID_BITS)


@dataclass(slots=True)
class Counters:
    """Counters of the whole exchange."""

    next_oid: int
    n_commands: int = 0
    n_trades: int = 0
    now_ms: int = 0  # Time of the last command.
    dust_day: int | None = None  # UTC day of the last sale of dust.


@dataclass(slots=True)
class Switches:
    """Switches that the operator of the sandbox sets."""

    halted: dict[int, None] = field(default_factory=dict)  # Ordered set of assets.
    post_only: bool = False
    refusing: dict[str, RefuseOrders] = field(default_factory=dict)  # By address.


class State:
    """Accounts, books, fees and counters of the whole exchange."""

    def __init__(self, markets: Markets, *, rates: Rates, fee_tiers: bool, first_oid: int, limits: Limits) -> None:
        self.limits = limits
        self.pairs: dict[int, Pair] = {pair.asset: pair for pair in markets.pairs}
        self.tokens = {token.index for token in markets.tokens}
        self.books: dict[int, Book] = {asset: Book() for asset in self.pairs}
        self.accounts: dict[str, Account] = {}
        self.scheduled_cancels: dict[str, int] = {}  # Due time in ms, by address.
        self.fees_collected: dict[int, Decimal] = {}
        self.dust: dict[int, Decimal] = {}  # Amounts the system bought and, below zero, paid.
        self.last_prices: dict[int, Decimal] = {}
        self.trades: dict[int, deque[Trade]] = {asset: deque(maxlen=PUBLIC_TRADES_KEPT) for asset in self.pairs}
        self.counters = Counters(first_oid)
        self.switches = Switches()
        self._rates = rates
        self._fee_tiers = fee_tiers
        quotes = {pair.quote.index for pair in markets.pairs}
        self._quote_pairs = {asset for asset, pair in self.pairs.items() if pair.base.index in quotes}

    def open_account(self, address: str) -> Account:
        """Return an address's account, creating a missing one."""
        account = self.accounts.get(address)
        if account is None:
            account = self.accounts[address] = Account(address, self.limits)
        return account

    def take_oid(self) -> int:
        """Return the next order id and use it."""
        oid = self.counters.next_oid
        self.counters.next_oid = oid + 1
        return oid

    def rates_of(self, account: Account | None, asset: int | None = None) -> Rates:
        """Return the rates that an account pays today.

        `asset` is the pair; None means a pair without special rates.
        """
        rates = None if account is None else account.rates
        if rates is None:
            rates = self._rates
            if self._fee_tiers and account is not None:
                today = self.counters.now_ms // DAY_MS
                rates = fees.choose_rates(rates, fees.weigh_volume(account.days, today=today))
        return fees.cut_for_quote_pair(rates) if asset in self._quote_pairs else rates

    def record_movement(self, step: Step, row: LedgerRow) -> None:
        """Record a movement of funds other than a trade.

        The caller changes the balances.
        """
        self.accounts[row.address].ledger.append(row)
        step.changes.append(LedgerChanged(row))
        step.wallets[row.address] = None

    def write_record(self, step: Step, oid: int, owner: str, order: NewOrder, status: str) -> OrderRecord:
        """Build the first record of a new order."""
        return OrderRecord(
            oid,
            owner,
            order.asset,
            self.pairs[order.asset].name,
            order.is_buy,
            order.price,
            order.size,
            order.size,
            order.tif,
            order.cloid,
            order.reduce_only,
            step.now_ms,
            status,
            step.now_ms,
        )

    def rest(self, step: Step, record: OrderRecord) -> None:
        """Put an order on the book and reserve funds."""
        order = LiveOrder(record, record.size)
        account = self.accounts[record.address]
        self._hold(step, order, record.size)
        self.books[record.asset].add(order)
        account.on_open(order)
        step.changes.append(OrderChanged(record))
        step.books[record.coin] = None

    def end_live(self, step: Step, order: LiveOrder, status: str) -> None:
        """Take an order off the book and end it.

        What it still holds is released, and its record is kept.
        """
        if order.remaining:
            self._hold(step, order, -order.remaining)
        self.books[order.record.asset].remove(order)
        step.books[order.record.coin] = None
        self.end_record(step, order.record.with_status(status, size=order.remaining, at_ms=step.now_ms))

    def end_record(self, step: Step, record: OrderRecord) -> None:
        """Record the last status of an order."""
        self.accounts[record.address].on_ended(record)
        step.changes.append(OrderChanged(record))

    def settle(self, step: Step, taker: OrderRecord, maker: LiveOrder, size: Decimal) -> None:
        """Trade `size` at the maker's price.

        Changes holds, balances and fees, and makes both fills and the public trade.
        """
        resting, counters = maker.record, self.counters
        maker.remaining -= size
        counters.n_trades += 1
        tid = derive_tid(counters.n_trades)
        price, gross = resting.price, resting.price * size
        self._settle_side(step, taker, price=price, size=size, gross=gross, tid=tid, crossed=True)
        self._settle_side(step, resting, price=price, size=size, gross=gross, tid=tid, crossed=False)
        buyer, seller = (taker, resting) if taker.is_buy else (resting, taker)
        trade = Trade(taker.coin, taker.is_buy, price, size, step.now_ms, step.hash, tid, buyer.address, seller.address)
        self.trades[taker.asset].append(trade)
        self.last_prices[taker.asset] = price
        step.changes.append(TradeMade(trade))
        step.books[taker.coin] = None
        if not maker.remaining:
            self.end_live(step, maker, "filled")

    def _settle_side(
        self,
        step: Step,
        record: OrderRecord,
        *,
        price: Decimal,
        size: Decimal,
        gross: Decimal,
        tid: int,
        crossed: bool,
    ) -> None:
        """Settle one side of a trade."""
        asset, is_buy, now_ms = record.asset, record.is_buy, step.now_ms
        pair, account = self.pairs[asset], self.accounts[record.address]
        rates = self.rates_of(account, asset)
        rate = rates.taker if crossed else rates.maker
        fee = rules.compute_fee(pair, is_buy=is_buy, price=price, size=size, rate=rate)
        paid_in = rules.fee_token(pair, is_buy=is_buy, rate=rate)
        fill = Fill(
            record.address,
            record.coin,
            price,
            size,
            is_buy,
            now_ms,
            account.total(pair.base.index),
            step.hash,
            record.oid,
            crossed,
            fee,
            paid_in.name,
            tid,
            record.cloid,
        )
        _move_balances(account, pair, fill, gross=gross)
        counted = gross * fees.QUOTE_PAIR_SHARE if asset in self._quote_pairs else gross
        account.on_volume(gross, day=now_ms // DAY_MS, crossed=crossed, counted=counted)
        self.fees_collected[paid_in.index] = self.fees_collected.get(paid_in.index, _ZERO) + fee
        account.fills.append(fill)
        step.changes.append(FillMade(fill))
        step.wallets[record.address] = None

    def _hold(self, step: Step, order: LiveOrder, size: Decimal) -> None:
        """Reserve funds for a part of an order.

        A negative size releases them.
        """
        record, pair = order.record, self.pairs[order.record.asset]
        token = pair.quote if record.is_buy else pair.base
        amount = rules.compute_hold(is_buy=record.is_buy, price=record.price, size=size)
        self.accounts[record.address].change(token.index, hold=amount)
        step.wallets[record.address] = None


def _move_balances(account: Account, pair: Pair, fill: Fill, *, gross: Decimal) -> None:
    """Exchange a fill's tokens and release the hold."""
    base, quote = pair.base.index, pair.quote.index
    # A maker trades at its own price, so its order held exactly the amount that it pays.
    if fill.is_buy:
        account.change(quote, total=-gross, hold=_ZERO if fill.crossed else -gross)
        account.change(base, total=fill.size)
    else:
        account.change(base, total=-fill.size, hold=_ZERO if fill.crossed else -fill.size)
        account.change(quote, total=gross)
    account.change(base if fill.fee_token == pair.base.name else quote, total=-fill.fee)

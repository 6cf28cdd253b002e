"""Administration of the exchange by the sandbox's operator.

Covers funds, fees, halts, upgrades, dust, used-up budgets and forgotten records. These commands cost nothing of a
client's request budget, and an empty budget does not stop them.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from mm_trio.sandbox.matching import rules
from mm_trio.sandbox.matching.accounts import Account
from mm_trio.sandbox.matching.fees import DAY_MS, Rates
from mm_trio.sandbox.matching.state import State, Step
from mm_trio.sandbox.model.commands import (
    AdminCommand,
    ConvertDust,
    DelistPair,
    Deposit,
    ExhaustBudget,
    FillMade,
    ForgetRecords,
    HoldElsewhere,
    Refused,
    RefuseOrders,
    RelistPair,
    SetAccountMode,
    SetFees,
    SetPostOnly,
    Transfer,
    Withdraw,
)
from mm_trio.sandbox.model.markets import Pair
from mm_trio.sandbox.model.records import ZERO_HASH, Fill, LedgerRow

__all__ = ["Admin"]

DUST_WORTH = Decimal(1)  # Quote units, at most.


class Admin:
    """Commands of the operator, which no client can sign.

    `state` makes all changes.
    """

    def __init__(self, state: State, *, dust_conversion: bool) -> None:
        self._state = state
        self._dust_conversion = dust_conversion

    def run(self, step: Step, command: AdminCommand) -> Refused | None:
        """Carry out a command.

        Return a refusal, or None on success.
        """
        match command:
            case SetFees(address=address, maker=maker, taker=taker):
                account = self._state.open_account(address)
                base_rates = self._state.rates_of(None)
                account.rates = None
                if maker is not None or taker is not None:
                    account.rates = Rates(
                        base_rates.maker if maker is None else maker, base_rates.taker if taker is None else taker
                    )
            case SetAccountMode(address=address, mode=mode):
                self._state.open_account(address).mode = mode
            case HoldElsewhere(address=address, token=token, amount=amount):
                if token not in self._state.tokens:
                    return Refused(rules.NOT_LISTED)
                if not amount.is_finite() or amount < 0:
                    return Refused(rules.BAD_AMOUNT)
                self._state.open_account(address).hold_elsewhere(token, amount)
                step.wallets[address] = None
            case ExhaustBudget(address=address):
                self._state.open_account(address).exhaust()
            case ForgetRecords(address=address, key=key):
                self._state.open_account(address).forget(key)
            case SetPostOnly(on=on):
                self._state.switches.post_only = on
            case RefuseOrders(address=address, text=text):
                self._state.switches.refusing.pop(address, None)
                if text is not None:
                    self._state.switches.refusing[address] = command
            case ConvertDust():
                self.convert_dust(step)
            case DelistPair(asset=asset) | RelistPair(asset=asset):
                if asset not in self._state.pairs:
                    return Refused(rules.UNKNOWN_ASSET)
                self._set_listed(step, asset, on=isinstance(command, RelistPair))
        return None

    def move_funds(self, step: Step, command: Deposit | Withdraw | Transfer) -> Refused | None:
        """Credit, debit or send a token.

        An amount above the available balance is refused.
        """
        token, amount, address = command.token, command.amount, command.address
        if token not in self._state.tokens:
            return Refused(rules.NOT_LISTED)
        if not amount.is_finite() or amount < 0 or not (amount or isinstance(command, Deposit)):
            return Refused(rules.BAD_AMOUNT)
        match command:
            case Deposit():
                self._state.open_account(address).change(token, total=amount)
                self._note(step, "deposit", command, sender=None, receiver=address)
                return None
            case Withdraw():
                if not self._debit(address, token, amount):
                    return Refused(rules.OVERDRAWN)
                self._note(step, "withdraw", command, sender=address, receiver=None)
                return None
            case Transfer(destination=destination):
                if address == destination or not self._debit(address, token, amount):
                    return Refused(rules.NO_TRANSFER)
                self._state.open_account(destination).change(token, total=amount)
                self._note(step, "send", command, sender=address, receiver=destination)
                return None

    def sell_dust_daily(self, step: Step) -> None:
        """Sell dust at the first command of each UTC day.

        Does nothing where dust conversion is off. Source: docs *Fees* and observed rows.
        """
        if not self._dust_conversion:
            return
        counters, day = self._state.counters, step.now_ms // DAY_MS
        if counters.dust_day is not None and day > counters.dust_day:
            self.convert_dust(step)
        counters.dust_day = day if counters.dust_day is None else max(day, counters.dust_day)

    def next_dust_sale_ms(self) -> int | None:
        """Return the time of the next sale of dust.

        It is None where dust conversion is off, and before the first command.
        """
        day = self._state.counters.dust_day
        return None if day is None else (day + 1) * DAY_MS

    def convert_dust(self, step: Step) -> None:
        """Buy all dust at mid prices.

        Dust is a balance below one lot that is worth at most one quote unit. The system buys it outside the book
        and takes no fee. A token keeps its dust if it has no pair, or its pair's book has an empty side.
        Source: the rows were observed; the buyer and the price are decided here.
        """
        for account in self._state.accounts.values():
            for token in account.tokens():
                pair, price = self._price(token)
                size = account.available(token)
                if pair is None or price is None or not 0 < size < rules.quantum(pair.base.sz_decimals):
                    continue
                if size * price <= DUST_WORTH:
                    self._buy_dust(step, account, pair, price, size)

    def _price(self, token: int) -> tuple[Pair | None, Decimal | None]:
        """Return a token's first open pair and its mid.

        The price is cut to the decimals that the venue allows.
        """
        for asset, pair in self._state.pairs.items():
            if pair.base.index == token and asset not in self._state.switches.halted:
                book = self._state.books[asset]
                bid, ask = book.best(is_buy=True), book.best(is_buy=False)
                if bid is not None and ask is not None:
                    return pair, rules.floor_to((bid + ask) / 2, rules.PRICE_DECIMALS - pair.base.sz_decimals)
        return None, None

    def _buy_dust(self, step: Step, account: Account, pair: Pair, price: Decimal, size: Decimal) -> None:
        state, proceeds = self._state, rules.floor_to(price * size, pair.quote.wei_decimals)
        start = account.total(pair.base.index)
        account.change(pair.base.index, total=-size)
        account.change(pair.quote.index, total=proceeds)
        for token, amount in ((pair.base.index, size), (pair.quote.index, -proceeds)):
            state.dust[token] = state.dust.get(token, Decimal(0)) + amount
        fill = Fill(
            address=account.address,
            coin=pair.name,
            price=price,
            size=size,
            is_buy=False,
            time_ms=step.now_ms,
            start_position=start,
            hash=ZERO_HASH,
            oid=state.take_oid(),  # No order has this oid.
            crossed=True,
            fee=Decimal(0),
            fee_token=pair.quote.name,
            tid=0,
            cloid=None,
            is_dust=True,
        )
        account.fills.append(fill)
        step.changes.append(FillMade(fill))
        step.wallets[account.address] = None

    def _set_listed(self, step: Step, asset: int, *, on: bool) -> None:
        halted = self._state.switches.halted
        if on:
            halted.pop(asset, None)
            return
        halted[asset] = None
        for account in self._state.accounts.values():
            for order in [order for order in account.live.values() if order.record.asset == asset]:
                self._state.end_live(step, order, "delistedCanceled")

    def _debit(self, address: str, token: int, amount: Decimal) -> bool:
        account = self._state.accounts[address]
        if amount > account.available(token):
            return False
        account.change(token, total=-amount)
        return True

    def _note(
        self,
        step: Step,
        kind: Literal["deposit", "withdraw", "send"],
        command: Deposit | Withdraw | Transfer,
        *,
        sender: str | None,
        receiver: str | None,
    ) -> None:
        for address in dict.fromkeys(each for each in (sender, receiver) if each is not None):
            row = LedgerRow(address, kind, command.token, command.amount, step.now_ms, step.hash, sender, receiver)
            self._state.record_movement(step, row)

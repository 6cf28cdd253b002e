"""What the owner of the exchange can do to it: funds, fees, halts, upgrades, dust, worn-out accounts.

Nothing here costs a client anything of its budget, and nothing is refused for lack of one.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from mm_trio.sandbox.matching import rules
from mm_trio.sandbox.matching.accounts import Account
from mm_trio.sandbox.matching.fees import DAY_MS, Rates
from mm_trio.sandbox.matching.state import State, Step
from mm_trio.sandbox.model.commands import (
    ConvertDust,
    DelistPair,
    Deposit,
    ExhaustBudget,
    FillMade,
    ForgetRecords,
    OwnerCommand,
    Refused,
    RelistPair,
    SetFees,
    SetPostOnly,
    Transfer,
    Withdraw,
)
from mm_trio.sandbox.model.markets import Pair
from mm_trio.sandbox.model.records import ZERO_HASH, Fill, LedgerRow

__all__ = ["Admin"]

DUST_WORTH = Decimal(1)  # quote units, at most


class Admin:
    """Carries out what no client's key can sign; all changes go through `state`."""

    def __init__(self, state: State, *, dust_conversion: bool) -> None:
        self._state = state
        self._dust_conversion = dust_conversion

    def run(self, step: Step, command: OwnerCommand) -> Refused | None:
        """Carry out a command; None if it was possible."""
        match command:
            case SetFees(address=address, maker=maker, taker=taker):
                account = self._state.open_account(address)
                usual = self._state.rates_of(None)
                account.rates = None
                if maker is not None or taker is not None:
                    account.rates = Rates(
                        usual.maker if maker is None else maker, usual.taker if taker is None else taker
                    )
            case ExhaustBudget(address=address):
                self._state.open_account(address).exhaust()
            case ForgetRecords(address=address, key=key):
                self._state.open_account(address).forget(key)
            case SetPostOnly(on=on):
                self._state.switches.post_only = on
            case ConvertDust():
                self.convert_dust(step)
            case DelistPair(asset=asset) | RelistPair(asset=asset):
                if asset not in self._state.pairs:
                    return Refused(rules.UNKNOWN_ASSET)
                self._list(step, asset, on=isinstance(command, RelistPair))
        return None

    def move_funds(self, step: Step, command: Deposit | Withdraw | Transfer) -> Refused | None:
        """Credit, debit or send a token; refused beyond what no resting order holds."""
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

    def keep_daily_appointments(self, step: Step) -> None:
        """Sell the dust at the first command after each UTC midnight, if that is switched on.

        Source: docs *Fees* and observed rows.
        """
        if not self._dust_conversion:
            return
        counters, day = self._state.counters, step.now_ms // DAY_MS
        if counters.dust_day is not None and day > counters.dust_day:
            self.convert_dust(step)
        counters.dust_day = day if counters.dust_day is None else max(day, counters.dust_day)

    def next_midnight_ms(self) -> int | None:
        """When dust will be sold next; None where it is not, or before the first command."""
        day = self._state.counters.dust_day
        return None if day is None else (day + 1) * DAY_MS

    def convert_dust(self, step: Step) -> None:
        """Buy every balance under one lot that is worth at most one quote unit, at the middle of its book.

        The system is the buyer, outside of the book, and takes no fee; a token without a pair, or whose pair has
        one side only, keeps its dust. Source: the rows were observed; who buys at which price is decided here.
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
        """The first listed pair that sells the token, and the middle of its book, cut to a legal price's decimals."""
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
            oid=state.take_oid(),  # of no order that anybody placed
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

    def _list(self, step: Step, asset: int, *, on: bool) -> None:
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
            self._state.note_funds(step, row)

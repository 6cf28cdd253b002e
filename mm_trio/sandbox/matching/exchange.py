"""The exchange core: `apply(now_ms, command)` and the effects it had. No clock, no I/O, no chance.

It admits: who may act, and at what price. What an action comes to is decided in `actions` and `placing`, what
the owner may do in `owner`; what a decision changes is in `state`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from decimal import Context, Decimal, getcontext, setcontext

from mm_trio.sandbox.matching import rules
from mm_trio.sandbox.matching.accounts import AccountView
from mm_trio.sandbox.matching.admin import Admin
from mm_trio.sandbox.matching.book import BookView
from mm_trio.sandbox.matching.digest import digest_state
from mm_trio.sandbox.matching.fees import DayVolume, Rates
from mm_trio.sandbox.matching.order_actions import Actions, count_items
from mm_trio.sandbox.matching.placing import Placing
from mm_trio.sandbox.matching.state import State, Step
from mm_trio.sandbox.model.commands import (
    ACTIONS,
    CANCELS,
    Answered,
    Command,
    Deposit,
    Effect,
    Refused,
    Transfer,
    Withdraw,
)
from mm_trio.sandbox.model.limits import Limits
from mm_trio.sandbox.model.markets import DEFAULT_MARKETS, Markets
from mm_trio.sandbox.model.records import Fill, LedgerRow, OrderRecord, Trade
from mm_trio.sandbox.model.settings import Settings

__all__ = ["Exchange"]

EXACT = Context(prec=60)  # two numbers of 20 + 8 digits multiply without rounding
Observer = Callable[[int, Command], object]


class Exchange:
    """One exchange. Everything it does happens inside `apply`; the other methods only read.

    `observer`, if there is one, is told of each command before it is carried out.
    """

    def __init__(
        self,
        markets: Markets = DEFAULT_MARKETS,
        *,
        maker_fee: str = "0.0004",
        taker_fee: str = "0.0007",
        fee_tiers: bool = False,
        dust_conversion: bool = False,
        min_notional: str = "10",
        first_oid: int = 90_000_000_001,
        limits: Limits | None = None,
        order_records: int | None = None,
        fills_kept: int | None = None,
        max_open_orders: int | None = None,
    ) -> None:
        """The last three are short for a change of `limits`; rates are fractions, `min_notional` is in the quote."""
        bounds = limits or Limits()
        self.limits = replace(
            bounds,
            order_records=bounds.order_records if order_records is None else order_records,
            fills_kept=bounds.fills_kept if fills_kept is None else fills_kept,
            open_orders=bounds.open_orders if max_open_orders is None else max_open_orders,
        )
        self.settings = Settings(
            markets=markets,
            maker_fee=Decimal(maker_fee),
            taker_fee=Decimal(taker_fee),
            fee_tiers=fee_tiers,
            dust_conversion=dust_conversion,
            min_notional=Decimal(min_notional),
            first_oid=first_oid,
            limits=self.limits,
        )
        self.markets = markets
        self.maker_fee, self.taker_fee = Decimal(maker_fee), Decimal(taker_fee)
        self.observer: Observer | None = None
        self._context = EXACT.copy()
        self._state = State(
            markets,
            rates=Rates(self.maker_fee, self.taker_fee),
            fee_tiers=fee_tiers,
            first_oid=first_oid,
            limits=self.limits,
        )
        self._owner = Admin(self._state, dust_conversion=dust_conversion)
        self._actions = Actions(self._state, Placing(self._state, min_notional=Decimal(min_notional)))

    def apply(self, now_ms: int, command: Command) -> tuple[Effect, ...]:
        """Carry out a command at that time.

        Gives: for an action `Answered` or `Refused` first, then what changed. Errors: none; a command the
        venue would refuse is answered so.
        """
        if self.observer is not None:
            self.observer(now_ms, command)
        outer = getcontext()
        setcontext(self._context)
        try:
            counters = self._state.counters
            counters.n_commands += 1
            counters.now_ms = now_ms
            step = Step(now_ms, counters.n_commands)
            self._owner.keep_daily_appointments(step)
            if self._state.appointments:
                self._actions.run_schedules(step)
            return step.effects(self._run(step, _in_lower_case(command)))
        finally:
            setcontext(outer)

    def copy(self) -> Exchange:
        """A second exchange that stands as this one stands now. What never changes is shared, so it is cheap.

        Nobody observes the copy.
        """
        shared: list[object] = [self.markets, *self.markets.pairs, self.limits, self.settings]
        for account in self._state.accounts.values():
            shared += [*account.fills, *account.records(), *account.ledger]
        for trades in self._state.trades.values():
            shared += trades
        observer, self.observer = self.observer, None
        try:
            return copy.deepcopy(self, {id(value): value for value in shared})
        finally:
            self.observer = observer

    def account(self, address: str) -> AccountView:
        """Errors: KeyError for an address that never had a deposit."""
        return self._state.accounts[address.lower()].view()

    def addresses(self) -> tuple[str, ...]:
        return tuple(self._state.accounts)

    def open_orders(self, address: str) -> tuple[OrderRecord, ...]:
        """Resting orders, oldest first; `size` is what remains now."""
        account = self._state.accounts.get(address.lower())
        return () if account is None else tuple(order.as_of_now() for order in account.live.values())

    def find_record(self, address: str, key: int | str) -> OrderRecord | None:
        """An order's last change of status, by oid or cloid, as long as the venue keeps it."""
        account = self._state.accounts.get(address.lower())
        return None if account is None else account.find_record(key)

    def records(self, address: str) -> tuple[OrderRecord, ...]:
        account = self._state.accounts.get(address.lower())
        return () if account is None else tuple(account.records())

    def fills(self, address: str) -> tuple[Fill, ...]:
        """Oldest first."""
        account = self._state.accounts.get(address.lower())
        return () if account is None else tuple(account.fills)

    def trades(self, coin: str) -> tuple[Trade, ...]:
        """The newest public trades, oldest of them first."""
        return tuple(self._state.trades[self.markets.pair(coin).asset])

    def book(self, coin: str, *, depth: int | None = None) -> BookView:
        return self._state.books[self.markets.pair(coin).asset].view(depth=depth)

    def best_bid_ask(self, coin: str) -> tuple[Decimal | None, Decimal | None]:
        book = self._state.books[self.markets.pair(coin).asset]
        return book.best(is_buy=True), book.best(is_buy=False)

    def last_price(self, coin: str) -> Decimal | None:
        return self._state.last_prices.get(self.markets.pair(coin).asset)

    def fees_collected(self, token: int) -> Decimal:
        return self._state.fees_collected.get(token, Decimal(0))

    def dust_collected(self, token: int) -> Decimal:
        """What the system took in for dust; negative for a token that it paid with."""
        return self._state.dust.get(token, Decimal(0))

    def fee_rates(self, address: str) -> Rates:
        """What that address pays today; the usual rates for one that is not known."""
        return self._state.rates_of(self._state.accounts.get(address.lower()))

    def day_volumes(self, address: str) -> tuple[DayVolume, ...]:
        """What an address traded in each of the last UTC days in which it did, oldest first."""
        account = self._state.accounts.get(address.lower())
        return () if account is None else tuple(sorted(replace(volume) for volume in account.days.values()))

    def ledger(self, address: str) -> tuple[LedgerRow, ...]:
        """Movements of funds that were no trades, oldest first."""
        account = self._state.accounts.get(address.lower())
        return () if account is None else tuple(account.ledger)

    @property
    def post_only(self) -> bool:
        """Is it the time after an upgrade, in which only post-only orders pass?"""
        return self._state.switches.post_only

    def next_appointment_ms(self) -> int | None:
        """When the next scheduled cancel, or sale of dust, is due, for whoever lets time pass."""
        midnight = self._owner.next_midnight_ms()
        times = [*self._state.appointments.values(), *(() if midnight is None else (midnight,))]
        return min(times, default=None)

    @property
    def n_commands(self) -> int:
        return self._state.counters.n_commands

    def digest(self) -> str:
        """Two exchanges with the same digest stand alike, to the last digit and the last row kept."""
        return digest_state(self._state)

    def _run(self, step: Step, command: Command) -> Answered | Refused | None:
        if isinstance(command, ACTIONS):
            account = self._state.accounts.get(command.address)
            if account is None:
                return Refused(rules.MUST_DEPOSIT.format(address=command.address))
            refusal = account.admit(
                step.now_ms,
                n_items=count_items(command),
                cancels=isinstance(command, CANCELS),
                expires_after=command.expires_after,
            )
            return Refused(refusal) if refusal else self._actions.act(step, account, command)
        if isinstance(command, Deposit):
            return self._owner.move_funds(step, command)
        if isinstance(command, Withdraw | Transfer):
            if command.address not in self._state.accounts:
                return Refused(rules.MUST_DEPOSIT.format(address=command.address))
            return self._owner.move_funds(step, command)
        return self._owner.run(step, command)


def _in_lower_case(command: Command) -> Command:
    """The command with its addresses in lower case; the same one, mostly."""
    address: str = getattr(command, "address", "0x")
    other: str | None = getattr(command, "destination", None)
    if address.islower() and (other is None or other.islower()):
        return command
    changed = {"address": address.lower()} | ({} if other is None else {"destination": other.lower()})
    return replace(command, **changed)  # type: ignore[arg-type]  # which command has which is seen above

"""Exchange core: `apply(now_ms, command)` returns the command's effects.

It has no clock, no I/O and no randomness. This module decides which address may act, and charges its request
budget. `order_actions` and `placing` decide the result of an action, `admin` carries out the operator's commands,
and `state` makes the changes.
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

# With 60 digits, two numbers of 20 + 8 digits multiply without rounding.
EXACT = Context(prec=60)
Observer = Callable[[int, Command], object]


class Exchange:
    """Exchange whose state changes only in `apply`.

    The other methods only read. If `observer` is set, it is called with each command before that is carried out.
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
        """Build an exchange without accounts.

        Rates are fractions of the notional, `min_notional` is in quote units. The last three parameters each
        replace one field of `limits`.
        """
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
        self._admin = Admin(self._state, dust_conversion=dust_conversion)
        self._actions = Actions(self._state, Placing(self._state, min_notional=Decimal(min_notional)))

    def apply(self, now_ms: int, command: Command) -> tuple[Effect, ...]:
        """Carry out a command and return its effects.

        The first effect of an action is `Answered` or `Refused`; the changes follow. Errors: none; a command that
        the venue would refuse is answered with a refusal.
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
            self._admin.sell_dust_daily(step)
            if self._state.scheduled_cancels:
                self._actions.run_schedules(step)
            return step.effects(self._run(step, _in_lower_case(command)))
        finally:
            setcontext(outer)

    def copy(self) -> Exchange:
        """Return a copy in the same state, without observer.

        Immutable values are shared, so a copy is cheap.
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
        """Return a copy of an account.

        Errors: KeyError for an address that never had a deposit.
        """
        return self._state.accounts[address.lower()].view()

    def addresses(self) -> tuple[str, ...]:
        """Return the addresses of all accounts, oldest first."""
        return tuple(self._state.accounts)

    def open_orders(self, address: str) -> tuple[OrderRecord, ...]:
        """Return resting orders, oldest first; `size` is open now."""
        account = self._state.accounts.get(address.lower())
        return () if account is None else tuple(order.as_of_now() for order in account.live.values())

    def find_record(self, address: str, key: int | str) -> OrderRecord | None:
        """Find an order's record by oid or cloid.

        Return None if there is none, or the venue keeps it no longer.
        """
        account = self._state.accounts.get(address.lower())
        return None if account is None else account.find_record(key)

    def records(self, address: str) -> tuple[OrderRecord, ...]:
        """Return records, those of ended orders first."""
        account = self._state.accounts.get(address.lower())
        return () if account is None else tuple(account.records())

    def fills(self, address: str) -> tuple[Fill, ...]:
        """Return the kept fills, oldest first."""
        account = self._state.accounts.get(address.lower())
        return () if account is None else tuple(account.fills)

    def trades(self, coin: str) -> tuple[Trade, ...]:
        """Return the kept public trades, oldest first."""
        return tuple(self._state.trades[self.markets.pair(coin).asset])

    def book(self, coin: str, *, depth: int | None = None) -> BookView:
        """Return `depth` levels a side; None returns all."""
        return self._state.books[self.markets.pair(coin).asset].view(depth=depth)

    def best_bid_ask(self, coin: str) -> tuple[Decimal | None, Decimal | None]:
        """Return both best prices; None for an empty side."""
        book = self._state.books[self.markets.pair(coin).asset]
        return book.best(is_buy=True), book.best(is_buy=False)

    def last_price(self, coin: str) -> Decimal | None:
        """Return the last trade's price; None before the first."""
        return self._state.last_prices.get(self.markets.pair(coin).asset)

    def fees_collected(self, token: int) -> Decimal:
        """Return the fees taken in a token."""
        return self._state.fees_collected.get(token, Decimal(0))

    def dust_collected(self, token: int) -> Decimal:
        """Return the amount of dust bought in a token.

        It is negative for a token that the system paid with.
        """
        return self._state.dust.get(token, Decimal(0))

    def fee_rates(self, address: str) -> Rates:
        """Return the rates that an address pays today.

        An unknown address has the base rates.
        """
        return self._state.rates_of(self._state.accounts.get(address.lower()))

    def day_volumes(self, address: str) -> tuple[DayVolume, ...]:
        """Return an address's volume by UTC day, oldest first.

        Days without a trade are left out.
        """
        account = self._state.accounts.get(address.lower())
        return () if account is None else tuple(sorted(replace(volume) for volume in account.days.values()))

    def ledger(self, address: str) -> tuple[LedgerRow, ...]:
        """Return movements of funds other than trades, oldest first."""
        account = self._state.accounts.get(address.lower())
        return () if account is None else tuple(account.ledger)

    @property
    def post_only(self) -> bool:
        """True in the post-only period after a network upgrade."""
        return self._state.switches.post_only

    def next_due_ms(self) -> int | None:
        """Return the next scheduled cancel's or dust sale's time.

        The caller that lets time pass then sends a command at that time. None: nothing is due.
        """
        midnight = self._admin.next_dust_sale_ms()
        times = [*self._state.scheduled_cancels.values(), *(() if midnight is None else (midnight,))]
        return min(times, default=None)

    @property
    def n_commands(self) -> int:
        """Number of commands carried out."""
        return self._state.counters.n_commands

    def digest(self) -> str:
        """Compute a digest of the whole state.

        Two exchanges with equal digests agree in each digit and each kept row.
        """
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
            return self._admin.move_funds(step, command)
        if isinstance(command, Withdraw | Transfer):
            if command.address not in self._state.accounts:
                return Refused(rules.MUST_DEPOSIT.format(address=command.address))
            return self._admin.move_funds(step, command)
        return self._admin.run(step, command)


def _in_lower_case(command: Command) -> Command:
    """Return the command with its addresses in lower case.

    Most commands have them so already and are returned as they are.
    """
    address: str = getattr(command, "address", "0x")
    other: str | None = getattr(command, "destination", None)
    if address.islower() and (other is None or other.islower()):
        return command
    changed = {"address": address.lower()} | ({} if other is None else {"destination": other.lower()})
    return replace(command, **changed)  # type: ignore[arg-type]  # The fields that exist were read above.

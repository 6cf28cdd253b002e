"""The exchange core: `apply(now_ms, command)` and the effects it had. No clock, no I/O, no chance.

It decides: who may act, what a batch comes to, order by order, in the venue's order of checks. Each order is
planned against book and balance first and committed whole after. What a decision changes is in `state`.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from decimal import Decimal, localcontext

from mm_trio.sandbox import rules
from mm_trio.sandbox.accounts import Account, AccountView
from mm_trio.sandbox.book import BookView
from mm_trio.sandbox.markets import DEFAULT_MARKETS, Markets
from mm_trio.sandbox.messages import (
    Action,
    Answered,
    CancelByCloid,
    CancelByOid,
    Cancelled,
    Command,
    Deposit,
    Effect,
    Fill,
    ItemError,
    ItemStatus,
    ModifyOrders,
    NewOrder,
    OrderRecord,
    PlaceOrders,
    Refused,
    ScheduleCancel,
    Trade,
    Withdraw,
)
from mm_trio.sandbox.placing import Placing
from mm_trio.sandbox.state import State, Step, derive_hash

__all__ = ["Exchange"]

EXACT_DIGITS = 60  # two numbers of 20 + 8 digits multiply without rounding
SCHEDULE_VOLUME = Decimal(1_000_000)


class Exchange:
    """One exchange. Everything it does happens inside `apply`; the other methods only read."""

    def __init__(
        self,
        markets: Markets = DEFAULT_MARKETS,
        *,
        maker_fee: str = "0.0004",
        taker_fee: str = "0.0007",
        min_notional: str = "10",
        first_oid: int = 90_000_000_001,
        order_records: int = 2000,
        fills_kept: int = 50_000,
        max_open_orders: int = 1000,
    ) -> None:
        self.markets = markets
        self.maker_fee, self.taker_fee = Decimal(maker_fee), Decimal(taker_fee)
        self._n_commands = 0
        self._state = State(
            markets,
            maker_fee=self.maker_fee,
            taker_fee=self.taker_fee,
            first_oid=first_oid,
            order_records=order_records,
            fills_kept=fills_kept,
        )
        self._placing = Placing(self._state, min_notional=Decimal(min_notional), max_open_orders=max_open_orders)

    def apply(self, now_ms: int, command: Command) -> tuple[Effect, ...]:
        """Carry out a command at that time.

        Gives: for an action `Answered` or `Refused` first, then what changed. Errors: none; a command the
        venue would refuse is answered so.
        """
        with localcontext() as context:
            context.prec = EXACT_DIGITS
            self._n_commands += 1
            step = Step(now_ms, derive_hash("command", self._n_commands))
            self._run_schedules(step)
            return step.effects(self._run(step, replace(command, address=command.address.lower())))

    def copy(self) -> Exchange:
        """A second exchange that stands as this one stands now. What never changes is shared, so it is cheap."""
        shared: list[object] = [self.markets, *self.markets.pairs]
        for account in self._state.accounts.values():
            shared += [*account.fills, *account.records()]
        return copy.deepcopy(self, {id(value): value for value in shared})

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

    def _run(self, step: Step, command: Command) -> Answered | Refused | None:
        if isinstance(command, Deposit):
            self._state.open_account(command.address).change(command.token, total=command.amount)
            step.wallets[command.address] = None
            return None
        account = self._state.accounts.get(command.address)
        if account is None:
            return Refused(rules.MUST_DEPOSIT.format(address=command.address))
        if isinstance(command, Withdraw):
            return self._withdraw(step, account, command)
        refusal = account.admit(
            step.now_ms,
            n_items=_count_items(command),
            cancels=isinstance(command, CancelByOid | CancelByCloid),
            expires_after=command.expires_after,
        )
        return Refused(refusal) if refusal else self._act(step, account, command)

    def _withdraw(self, step: Step, account: Account, command: Withdraw) -> Refused | None:
        if command.amount > account.balance(command.token).available:
            return Refused(rules.OVERDRAWN)
        account.change(command.token, total=-command.amount)
        step.wallets[account.address] = None
        return None

    def _act(self, step: Step, account: Account, command: Action) -> Answered | Refused:
        match command:
            case PlaceOrders(orders=orders):
                error = self._check_batch(orders)
                place = self._placing.place
                return error or Answered("order", tuple(place(step, account, order) for order in orders))
            case ModifyOrders():
                return self._modify_all(step, account, command)
            case CancelByOid(cancels=cancels) | CancelByCloid(cancels=cancels):
                if any(asset not in self._state.pairs for asset, _ in cancels):
                    return Refused(rules.UNKNOWN_ASSET)
                return Answered("cancel", tuple(self._cancel(step, account, asset, key) for asset, key in cancels))
            case ScheduleCancel(time_ms=time_ms):
                if account.volume < SCHEDULE_VOLUME:
                    return Refused(rules.SCHEDULE_GATE.format(volume=f"{rules.floor_to(account.volume, 2):f}"))
                account.cancel_at_ms = time_ms
        return Answered("default", ())

    def _run_schedules(self, step: Step) -> None:
        """Time passes only with commands, so an appointment is kept at the first one after it."""
        for account in self._state.accounts.values():
            if account.cancel_at_ms is not None and account.cancel_at_ms <= step.now_ms:
                account.cancel_at_ms = None
                for order in tuple(account.live.values()):
                    self._state.end_live(step, order, "scheduledCancel")

    def _check_batch(self, orders: tuple[NewOrder, ...]) -> Answered | Refused | None:
        """The static rules: the first broken one refuses the batch, with one status for all."""
        if any(order.asset not in self._state.pairs for order in orders):
            return Refused(rules.UNKNOWN_ASSET)
        if not orders:
            return Answered("order", (ItemError(rules.EMPTY_BATCH),))
        for order in orders:
            reference = self._state.last_prices.get(order.asset)
            error = rules.find_static_error(order, self._state.pairs[order.asset], reference=reference)
            if error is not None:
                return Answered("order", (ItemError(error),))
        return None

    def _cancel(self, step: Step, account: Account, asset: int, key: int | str) -> ItemStatus:
        order = account.find_live(key)
        if order is None or order.record.asset != asset:
            return ItemError(rules.with_asset(rules.NOT_CANCELLED, asset))
        self._state.end_live(step, order, "canceled")
        return Cancelled()

    def _modify_all(self, step: Step, account: Account, command: ModifyOrders) -> Answered | Refused:
        answer = self._check_batch(tuple(order for _, order in command.modifies))
        static = answer is not None
        if answer is None:
            modify = self._placing.modify
            statuses = tuple(modify(step, account, key, order) for key, order in command.modifies)
            answer = Answered("order", statuses)
        return answer if isinstance(answer, Refused) or not command.single else _as_single(answer, static=static)


def _as_single(answer: Answered, *, static: bool) -> Answered | Refused:
    """The `modify` action answers `default`, without the new oid, and errors at the top level."""
    (status,) = answer.statuses
    if not isinstance(status, ItemError):
        return Answered("default", ())
    if static or status.text in (rules.MODIFY_DEAD, rules.MODIFY_INVALID):
        return Refused(status.text)
    return Refused(rules.MODIFY_PLACING.format(error=status.text))


def _count_items(command: Action) -> int:
    match command:
        case PlaceOrders(orders=orders):
            return len(orders)
        case ModifyOrders(modifies=modifies):
            return len(modifies)
        case CancelByOid(cancels=cancels) | CancelByCloid(cancels=cancels):
            return len(cancels)
        case _:
            return 1

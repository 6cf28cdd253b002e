"""Execution of admitted actions.

The signer is known and the action has been charged to its budget. A batch is checked as a whole first, then item by
item.
"""

from __future__ import annotations

from mm_trio.sandbox.matching import rules
from mm_trio.sandbox.matching.accounts import Account
from mm_trio.sandbox.matching.fees import DAY_MS
from mm_trio.sandbox.matching.placing import Placing
from mm_trio.sandbox.matching.state import State, Step
from mm_trio.sandbox.model.commands import (
    CANCELS,
    Action,
    Answered,
    CancelByCloid,
    CancelByOid,
    Cancelled,
    ItemError,
    ItemStatus,
    ModifyOrders,
    NewOrder,
    PlaceOrders,
    Refused,
    ReserveRequestWeight,
    ScheduleCancel,
)

__all__ = ["Actions", "count_items"]


class Actions:
    """Clients' actions; `state` makes all changes."""

    def __init__(self, state: State, placing: Placing) -> None:
        self._state = state
        self._placing = placing

    def act(self, step: Step, account: Account, command: Action) -> Answered | Refused:
        """Carry out an action and return its answer.

        The changes are added to `step`.
        """
        match command:
            case PlaceOrders(orders=orders):
                place = self._placing.place
                error = self._check_batch(account, orders)
                return error or Answered("order", tuple([place(step, account, order) for order in orders]))
            case CancelByOid(cancels=cancels) | CancelByCloid(cancels=cancels):
                if any(asset not in self._state.pairs for asset, _ in cancels):
                    return Refused(rules.UNKNOWN_ASSET)
                return Answered("cancel", tuple([self._cancel(step, account, asset, key) for asset, key in cancels]))
            case ModifyOrders():
                return self._modify_all(step, account, command)
            case ScheduleCancel(time_ms=time_ms):
                return self._schedule(step, account, time_ms)
            case ReserveRequestWeight():
                return self._reserve(account, command)
        return Answered("default", ())

    def run_schedules(self, step: Step) -> None:
        """Run the scheduled cancels that are due.

        Time passes only with commands, so a cancel runs at the first command after its time.
        """
        due = [address for address, at_ms in self._state.scheduled_cancels.items() if at_ms <= step.now_ms]
        for address in due:
            account, day = self._state.accounts[address], self._state.scheduled_cancels.pop(address) // DAY_MS
            account.n_triggers = (day, _count_triggers(account, day) + 1)
            for order in tuple(account.live.values()):
                self._state.end_live(step, order, "scheduledCancel")

    def _check_batch(self, account: Account, orders: tuple[NewOrder, ...]) -> Answered | Refused | None:
        """Check the static rules of a batch.

        The first rule that is broken refuses the whole batch with a single status.
        """
        pairs, last_prices = self._state.pairs, self._state.last_prices
        for order in orders:
            if order.asset not in pairs:
                return Refused(rules.UNKNOWN_ASSET)
        if not orders:
            return Answered("order", (ItemError(rules.EMPTY_BATCH),))
        refusing = self._state.switches.refusing.get(account.address)
        if refusing is not None and refusing.text is not None and any(refusing.is_of(order) for order in orders):
            if refusing.scope == "action":
                return Refused(refusing.text)
            if refusing.scope == "batch":
                return Answered("order", (ItemError(refusing.text),))
        for order in orders:
            asset = order.asset
            error = rules.find_static_error(order, pairs[asset], reference=last_prices.get(asset))
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
        answer = self._check_batch(account, tuple([order for _, order in command.modifies]))
        static = answer is not None
        if answer is None:
            modify, always = self._placing.modify, command.always_place
            statuses = [modify(step, account, key, order, always_place=always) for key, order in command.modifies]
            answer = Answered("order", tuple(statuses))
        return answer if isinstance(answer, Refused) or not command.single else _as_single(answer, static=static)

    def _schedule(self, step: Step, account: Account, time_ms: int | None) -> Answered | Refused:
        """Set, move or remove a scheduled cancel.

        Source: docs *Exchange endpoint* (schedule cancel).
        """
        limits = self._state.limits
        if limits.schedule_volume is not None and account.volume < limits.schedule_volume:
            required, volume = rules.plain(limits.schedule_volume), f"{rules.floor_to(account.volume, 2):f}"
            return Refused(rules.SCHEDULE_GATE.format(required=required, volume=volume))
        if time_ms is None:
            self._state.scheduled_cancels.pop(account.address, None)
            return Answered("default", ())
        if time_ms < step.now_ms + limits.schedule_lead_ms:
            return Refused(rules.SCHEDULE_SOON.format(seconds=limits.schedule_lead_ms // 1000))
        per_day = limits.schedules_per_day
        if per_day is not None and _count_triggers(account, step.now_ms // DAY_MS) >= per_day:
            return Refused(rules.SCHEDULE_OVERUSED.format(limit=per_day))
        self._state.scheduled_cancels[account.address] = time_ms
        return Answered("default", ())

    def _reserve(self, account: Account, command: ReserveRequestWeight) -> Answered | Refused:
        """Reserve requests above the budget.

        They are free of charge here, as the perp balance that pays for them on the venue is not modelled.
        """
        target = command.destination or account.address
        if command.weight <= 0:
            return Refused(rules.BAD_WEIGHT)
        if target not in self._state.accounts:
            return Refused(rules.MUST_DEPOSIT.format(address=target))
        self._state.accounts[target].n_reserved += command.weight
        return Answered("default", ())


def count_items(command: Action) -> int:
    """Count the items that an action costs.

    The minimum of one is applied elsewhere.
    """
    if isinstance(command, PlaceOrders):
        return len(command.orders)
    if isinstance(command, CANCELS):
        return len(command.cancels)
    return len(command.modifies) if isinstance(command, ModifyOrders) else 1


def _count_triggers(account: Account, day: int) -> int:
    counted_day, n_triggers = account.n_triggers
    return n_triggers if counted_day == day else 0


def _as_single(answer: Answered, *, static: bool) -> Answered | Refused:
    """Convert a batch answer to a single modify's.

    That one answers `default`, without the new oid, and has errors at the top level.
    """
    (status,) = answer.statuses
    if not isinstance(status, ItemError):
        return Answered("default", ())
    if static or status.text in (rules.MODIFY_DEAD, rules.MODIFY_INVALID):
        return Refused(status.text)
    return Refused(rules.MODIFY_PLACING.format(error=status.text))

"""Placing and modifying of single orders.

An order is planned first (which orders it would hit, and at what cost) and then committed whole or rejected whole.
The static rules have been checked before; batches, budgets and cancels are handled elsewhere.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from mm_trio.sandbox.matching import rules
from mm_trio.sandbox.matching.accounts import Account
from mm_trio.sandbox.matching.book import MatchPlan
from mm_trio.sandbox.matching.state import State, Step
from mm_trio.sandbox.model.commands import Filled, ItemError, ItemStatus, NewOrder, Resting
from mm_trio.sandbox.model.records import IMMEDIATE_TIFS, OrderRecord

__all__ = ["Placing"]

Rejection = tuple[str, str]  # The venue's words, the status of the order's record.


class Placing:
    """Placing of single orders; `state` makes all changes."""

    def __init__(self, state: State, *, min_notional: Decimal) -> None:
        self._state = state
        self._min_notional = min_notional

    def place(self, step: Step, account: Account, order: NewOrder) -> ItemStatus:
        """Match, rest or reject one order.

        A rejected order takes an oid and leaves a record too.
        """
        if order.cloid is not None and account.find_live(order.cloid) is not None:
            return ItemError(rules.with_asset(rules.DUPLICATE_CLOID, order.asset))
        record = self._state.write_record(step, self._state.take_oid(), account.address, order, "open")
        rejection = self._find_early_rejection(account, order)
        if rejection is None:
            crosses = self._state.books[order.asset].crosses(is_buy=order.is_buy, price=order.price)
            plan = self._plan(account, order) if crosses else MatchPlan((), (), order.size)
            rejection = self._find_rejection(account, order, plan, crosses=crosses)
            if rejection is None:
                return self._commit(step, record, plan)
        text, status = rejection
        self._state.end_record(step, record.with_status(status, size=record.size, at_ms=step.now_ms))
        return ItemError(text)

    def modify(
        self, step: Step, account: Account, target: int | str, order: NewOrder, *, always_place: bool
    ) -> ItemStatus:
        """Cancel an order and place another one.

        If the new order is rejected, the old one is gone as well. Only an invalid request (other side or pair,
        reduce-only) leaves the old one resting; so does an Ioc without `always_place`. Without `always_place` a Gtc
        is made post-only.
        Source: docs *Exchange endpoint* (modify); which failure keeps the old order was observed.
        """
        old = account.find_live(target)
        if old is None:
            return ItemError(rules.MODIFY_DEAD)
        moved = (order.asset, order.is_buy) != (old.record.asset, old.record.is_buy)
        if moved or order.reduce_only or (order.tif in IMMEDIATE_TIFS and not always_place):
            return ItemError(rules.MODIFY_INVALID)
        cancelled_at = len(step.changes)
        self._state.end_live(step, old, "canceled")
        status = self.place(step, account, order if always_place else replace(order, tif="Alo"))
        # The venue defines no order of the two reports. The cancel goes last, as that is harder for a client.
        step.changes.append(step.changes.pop(cancelled_at))
        return status

    def _plan(self, account: Account, order: NewOrder) -> MatchPlan:
        pair, book = self._state.pairs[order.asset], self._state.books[order.asset]
        return book.plan_match(
            owner=account.address,
            is_buy=order.is_buy,
            price=order.price,
            size=order.size,
            spendable=self._spendable(account, order) if order.tif in IMMEDIATE_TIFS else None,
            lot=rules.quantum(pair.base.sz_decimals),
        )

    def _spendable(self, account: Account, order: NewOrder) -> Decimal:
        pair = self._state.pairs[order.asset]
        return account.available((pair.quote if order.is_buy else pair.base).index)

    def _find_early_rejection(self, account: Account, order: NewOrder) -> Rejection | None:
        """Find a reason to reject an order by itself.

        The order of these checks is decided here.
        """
        switches, limits = self._state.switches, self._state.limits
        refusing = switches.refusing.get(account.address)
        if refusing is not None and refusing.text is not None and refusing.is_of(order):
            return refusing.text, "rejected"
        if order.asset in switches.halted:
            return rules.HALTED, "rejected"
        if switches.post_only and order.tif != "Alo":
            return rules.POST_ONLY_PERIOD, "rejected"
        if order.reduce_only:
            return rules.NO_REDUCE_ONLY, "reduceOnlyRejected"
        if limits.order_value is not None and order.price * order.size > limits.order_value:
            return rules.TOO_LARGE.format(limit=rules.plain(limits.order_value)), "rejected"
        if order.tif not in IMMEDIATE_TIFS and not account.has_room:
            return rules.TOO_MANY_OPEN, "tooManyOpenOrdersRejected"
        return None

    def _find_rejection(self, account: Account, order: NewOrder, plan: MatchPlan, *, crosses: bool) -> Rejection | None:
        """Find a rejection by book and balance.

        The order of the checks is the one measured for Ioc on spot.
        """
        pair, book, asset = self._state.pairs[order.asset], self._state.books[order.asset], order.asset
        if order.tif == "Alo" and crosses:
            bid, ask = (rules.plain(book.best(is_buy=side) or Decimal(0)) for side in (True, False))
            return rules.with_asset(rules.POST_ONLY.format(bid=bid, ask=ask), asset), "badAloPxRejected"
        if order.tif in IMMEDIATE_TIFS and not crosses:
            return rules.with_asset(rules.NO_MATCH, asset), "iocCancelRejected"
        poor = rules.with_asset(rules.NO_BALANCE, asset), "insufficientSpotBalanceRejected"
        spendable = self._spendable(account, order)
        if not spendable:
            return poor
        price = book.best(is_buy=not order.is_buy) if order.tif in IMMEDIATE_TIFS else order.price
        # An Ioc that crosses has at least one resting order to match.
        assert price is not None
        if price * order.size < self._min_notional:
            text = rules.MIN_NOTIONAL.format(minimum=rules.plain(self._min_notional), quote=pair.quote.name)
            return rules.with_asset(text, asset), "minTradeNtlRejected"
        if order.tif in IMMEDIATE_TIFS:
            affordable = bool(plan.executions or plan.own)
        else:
            resting = rules.compute_hold(is_buy=order.is_buy, price=order.price, size=plan.unfilled)
            affordable = resting + (plan.notional if order.is_buy else order.size - plan.unfilled) <= spendable
        return None if affordable else poor

    def _commit(self, step: Step, record: OrderRecord, plan: MatchPlan) -> ItemStatus:
        for own in plan.own:
            self._state.end_live(step, own, "selfTradeCanceled")
        for maker, size in plan.executions:
            self._state.settle(step, record, maker, size)
        filled = record.original_size - plan.unfilled
        if plan.unfilled and record.tif not in IMMEDIATE_TIFS:
            left = record.with_status("open", size=plan.unfilled, at_ms=step.now_ms) if filled else record
            self._state.rest(step, left)
        else:
            status = "filled" if not plan.unfilled else "canceled" if filled else "iocCancelRejected"
            self._state.end_record(step, record.with_status(status, size=plan.unfilled, at_ms=step.now_ms))
        if filled:
            decimals = rules.PRICE_DECIMALS - self._state.pairs[record.asset].base.sz_decimals
            average = rules.floor_to(plan.notional / filled, decimals)
            return Filled(record.oid, record.cloid, filled, average)
        # Such an Ioc met only orders of its own owner.
        if record.tif in IMMEDIATE_TIFS:
            return ItemError(rules.with_asset(rules.NO_MATCH, record.asset))
        return Resting(record.oid, record.cloid)

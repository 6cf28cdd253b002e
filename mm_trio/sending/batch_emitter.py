"""Emitter of a send plan, one batch after another.

Before an action leaves, every order in it is recorded as in flight or in doubt, and only a definite answer changes
that. Therefore a lost answer, a cancelled task or a dead venue leaves exactly the unknown orders in doubt.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import assert_never

import trio

from mm_trio.model.cloid import CloidParts, encode_cloid
from mm_trio.model.errors import JournalError, NotMade, VenueError
from mm_trio.model.orders import DesiredOrder, EmitResult, Intent, OrderDiff, TrackedOrder
from mm_trio.model.replies import Answer, Cancelled, Filled, Refusal, Refused, Resting, Unknown
from mm_trio.quoting.headroom import Headroom
from mm_trio.quoting.item_shares import NO_NEED, ItemShares, Share, measure_need
from mm_trio.quoting.send_plan import (
    Batch,
    BatchKind,
    Modify,
    batches,
    find_waiting_places,
    fit_modifies,
    fit_places,
    part_modifies,
    plan_batches,
    plan_sends,
)
from mm_trio.refusals.memory import halve
from mm_trio.sending.action_lane import Departure
from mm_trio.sending.diff_filter import DiffFilter
from mm_trio.sending.emission import Emission
from mm_trio.sending.order_desk import EXPIRY_S, OrderDesk
from mm_trio.state.maker_state import MakerState
from mm_trio.state.rate_limit import RateLimitBudget
from mm_trio.state.stats import RunStats
from mm_trio.venue.order_gateway import Burnt
from mm_trio.venue.rest_client import VenueClient

__all__ = ["EXPIRY_GRACE_S", "EXPIRY_S", "MOST_ENDS_ASKED", "BatchEmitter"]

_log = logging.getLogger(__name__)

# So long after an action's deadline we must have heard of its execution: our estimate of the venue's time may be 2 s
# off, and the answers of a replica may be 2 s old.
EXPIRY_GRACE_S = 4.0
# Most direct questions (weight 2 each) within one emit, about the remaining sizes of orders it cancelled.
MOST_ENDS_ASKED = 20


class BatchEmitter:
    """Sender of diffs: cancels first, then modifies, then places.

    Each batch is sent after the answer of the one before. The desk is asked before everything that is not a cancel.
    `shares` divide the budget between the grids of an account, `share_cap` its cap of open orders; without them this
    grid is alone.
    """

    def __init__(
        self,
        desk: OrderDesk,
        client: VenueClient,
        state: MakerState,
        *,
        epoch: int,
        stats: RunStats,
        shares: ItemShares | None = None,
        share_cap: Callable[[int], int] | None = None,
    ) -> None:
        self._desk = desk
        self._gateway = desk.gateway
        self._client = client
        self._state = state
        self._epoch = epoch
        self._stats = stats
        self._n_cloids = 0
        self._shares = shares or ItemShares()
        self.filter = DiffFilter(desk.gateway, client, state, share_cap=share_cap)
        self._is_cancel_only = False

    def __repr__(self) -> str:
        return f"<BatchEmitter {self._state.market.coin}, {self._n_cloids} orders sent>"

    async def emit(
        self, diff: OrderDiff, budget: RateLimitBudget, *, insists: bool = False, is_quoting: bool = False
    ) -> EmitResult:
        """Send what the budget covers of `diff`.

        An empty diff makes no call. `insists`: cancels are sent whatever was refused before. `is_quoting`: nothing
        leaves once a pause began, cancels included. Network and venue never cause an exception: orders without
        an answer are left in flight or in doubt. Errors: JournalError, and then only recorded orders were sent.
        """
        began_s, orders = trio.current_time(), self._state.order_state.orders
        emission = Emission(budget, began_s, unwanted_oids=diff.cancels, is_quoting=is_quoting)
        diff = self.filter.choose(diff, now_s=began_s, insists=insists)
        remaining, coin = budget.remaining(), self._state.market.coin
        if not diff:
            self._shares.state_need(coin, NO_NEED, now_s=began_s)
            self._note_cancel_only(remaining <= 0, 0)
            return EmitResult(cancel_only_mode=remaining <= 0)
        inside = orders.find_inside(without=set(diff.cancels))
        self._shares.state_need(coin, measure_need(diff, inside), now_s=began_s)
        share = self._shares.allot(coin, remaining=remaining, now_s=began_s, slot_is_free=budget.slot_is_free(began_s))
        try:
            return await self._emit_within(share, diff, inside, emission)
        finally:
            self._shares.on_sent(coin)

    async def _emit_within(
        self, share: Share, diff: OrderDiff, inside: Sequence[TrackedOrder], emission: Emission
    ) -> EmitResult:
        """Send what a share of the budget covers of a diff."""
        orders, budget = self._state.order_state.orders, emission.budget
        plan = plan_sends(
            diff,
            inside,
            remaining=share.items,
            slot_is_free=share.may_use_slot,
            cancelling=[orders[oid] for oid in diff.cancels if oid in orders],
            is_covered=self._is_covered,
        )
        self._note_cancel_only(plan.cancel_only, plan.n_left_out)
        headroom = self._make_headroom()
        planned = plan_batches(plan, orders, headroom, cancels=diff.cancels, remaining=share.items)
        if plan.uses_slot:
            # Another grid may ask for it before the answer comes.
            budget.on_slot_taken(trio.current_time())
        await self._carry_out(planned, emission)
        if plan.uses_slot:
            budget.on_slot_taken(trio.current_time())
        return emission.make_result(cancel_only=plan.cancel_only)

    def _is_covered(self, oid: int | None, order: DesiredOrder) -> bool:
        """Check if an order could be placed, or replaced by one, while everything else stays."""
        headroom = self._make_headroom()
        if oid is None:
            return bool(fit_places([order], headroom))
        # What does not fit beside the present order would need a cancel first, and the slot is for one item.
        fits = fit_modifies([(oid, order)], self._state.order_state.orders, headroom)[0]
        return bool(fits) and self._make_headroom().covers_both(order)

    async def _carry_out(self, planned: Sequence[Batch], emission: Emission) -> None:
        """Send batch after batch, in the order of their dependencies."""
        deferred: list[Modify] = []
        places = [order for batch in planned for order in batch.places]
        unsettled_places = places
        for batch in planned:
            match batch.kind:
                case BatchKind.CANCELS:
                    await self._send_cancels(batch.cancels, emission)
                case BatchKind.MODIFIES:
                    for some in part_modifies(batch.modifies, self._state.order_state.orders):
                        deferred += await self._send_modifies(some, emission)
                case BatchKind.DEFERRED:
                    for some in batches(deferred):
                        await self._send_modifies(some, emission)
                case BatchKind.PLACES:
                    if unsettled_places:
                        await self._settle_ends(unsettled_places)
                        unsettled_places = []
                    waiting = find_waiting_places(places, emission.find_staying(self._state.order_state))
                    await self._send_places([order for order in batch.places if order not in waiting], emission)
                case _:
                    assert_never(batch.kind)

    async def _may_go_on(self, emission: Emission) -> bool:
        """Check if a new order may still be sent.

        Errors: `Cancelled` when the session was asked to shut down meanwhile.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        return self._desk.may_place() and not emission.is_out_of_budget and not emission.is_signer_refused

    async def _send_cancels(self, oids: Sequence[int], emission: Emission) -> None:
        orders = self._state.order_state
        # An order may have left while an earlier batch was on its way.
        left = {oid for oid in oids if (o := orders.find_left(oid)) is not None and o.touched_s >= emission.began_s}
        oids = [oid for oid in oids if oid not in left]
        if not oids or emission.is_signer_refused:
            return
        for oid in oids:
            orders.on_doubt(oid, now_s=trio.current_time())
        self._state.manual_cancels.expect_ends(oids, until_s=trio.current_time() + EXPIRY_S + EXPIRY_GRACE_S)
        answers = await self._desk.send_cancels(oids, if_placing=emission.is_quoting)
        if not answers:
            # They waited behind another grid's action, and a pause began meanwhile: what rests stays.
            for oid in oids:
                orders.on_seen_resting(oid, now_s=trio.current_time())
            return
        self._note_answers("cancel", answers, emission)
        self.filter.on_cancel_answers(oids, answers, now_s=trio.current_time())
        for oid, answer in zip(oids, answers, strict=True):
            if isinstance(answer, Cancelled):
                orders.on_cancel_confirmed(oid, now_s=trio.current_time())
                emission.on_cancelled()
            elif isinstance(answer, Refused) and answer.untouched:
                orders.on_seen_resting(oid, now_s=trio.current_time())

    async def cancel_in_flight(self, budget: RateLimitBudget) -> None:
        """Cancel orders in flight while shutting down.

        An action whose nonce proves unused can never be executed. An order that did arrive is cancelled by its cloid,
        and stays in flight until the venue explains it.
        """
        orders, now_s = self._state.order_state, trio.current_time()
        for nonce in sorted({i.nonce for i in orders.get_intents() if i.nonce is not None and i.expires_s > now_s}):
            budget.on_request(1)
            burnt = await self._gateway.burn_nonce(nonce, expires_ms=self._gateway.compute_cancel_expiry_ms(EXPIRY_S))
            for intent in [i for i in orders.get_intents() if i.nonce == nonce]:
                if burnt is Burnt.WAS_UNUSED:
                    orders.on_never_placed(intent.cloid, why=burnt.value)
                elif burnt is Burnt.WAS_USED:
                    orders.on_cannot_arrive_after(intent.cloid, trio.current_time())
        for intents in batches(orders.get_intents()):
            if self._gateway.signer.is_in_question:
                intents = intents[:1]
            answers = await self._desk.send_cancels_by_cloid(intents)
            self._note_answers("cancel", answers, Emission(budget, now_s, unwanted_oids=()))

    async def _send_modifies(self, modifies: Sequence[Modify], emission: Emission) -> list[Modify]:
        """Replace orders, and return the ones that have to wait.

        A modify waits if its level is taken by another order of ours. A batch that is refused whole is split.
        """
        waiting: list[Modify] = []
        parts: list[Sequence[Modify]] = [modifies]
        while parts and await self._may_go_on(emission):
            part = parts.pop(0)
            is_split, some = await self._send_modifies_once(part, emission)
            waiting += some
            parts[:0] = halve(part, [order.side for _, order in part]) if is_split else ()
        return waiting

    async def _send_modifies_once(self, modifies: Sequence[Modify], emission: Emission) -> tuple[bool, list[Modify]]:
        """Send one action; return whether to split it, and what waits."""
        orders = self._state.order_state
        chosen, waiting, intents = list[Modify](), list[Modify](), list[Intent]()

        def make(departure: Departure) -> Sequence[Intent]:
            if emission.is_out_of_budget:
                # It waited behind an action that the venue refused.
                return []
            now_s = trio.current_time()
            wanted = [
                (oid, order)
                for oid, order in modifies
                if not self.filter.holds_back(order, now_s=now_s, instead_of=orders.orders.get(oid))
            ]
            chosen[:], waiting[:] = fit_modifies(wanted, orders.orders, self._make_headroom())
            intents[:] = self._intend([order for _, order in chosen], departure, replaces=[oid for oid, _ in chosen])
            return intents

        if not modifies:
            return False, []
        with self._taking_back(intents):
            answers = await self._desk.send_modifies(make, most=len(modifies))
        if not chosen:
            return False, waiting
        self._note_answers("modify", answers, emission)
        is_split = self.filter.on_answers([order for _, order in chosen], answers, now_s=trio.current_time())
        for (oid, _), intent, answer in zip(chosen, intents, answers, strict=True):
            if isinstance(answer, Refused):
                orders.on_never_placed(intent.cloid, why=answer.text)
                if answer.untouched:
                    orders.on_seen_resting(oid, now_s=trio.current_time())
            else:
                emission.on_modified(arrived=self._apply_arrival(intent, answer))
        return is_split, waiting

    async def _settle_ends(self, places: Sequence[DesiredOrder]) -> None:
        """Ask for the remaining sizes of orders cancelled just now.

        It asks only where the answer decides if the places are covered.
        """
        unsettled = self._state.order_state.get_unsettled()
        if not unsettled:
            return
        headroom = self._make_headroom()
        uncovered = {order.side for order in places if not headroom.take(order)}
        for left in unsettled[:MOST_ENDS_ASKED]:
            if left.side in uncovered:
                try:
                    await self.settle_end(left)
                except VenueError as error:
                    _log.info("remaining size unknown: oid=%d error=%s; its places wait", left.oid, error)
                    return

    async def settle_end(self, left: TrackedOrder) -> None:
        """Ask for the remaining size of an order that we ended.

        Errors: VenueError.
        """
        reported = await self._client.fetch_order_status(oid=left.oid)
        if reported.order is not None and not reported.live:
            self._state.order_state.on_status(
                left.oid, reported.status, remaining=reported.order.size, now_s=trio.current_time()
            )

    async def _send_places(self, places: Sequence[DesiredOrder], emission: Emission) -> None:
        """Place orders; a batch that is refused whole is split."""
        parts: list[Sequence[DesiredOrder]] = [places]
        while parts and await self._may_go_on(emission):
            part = parts.pop(0)
            if await self._send_places_once(part, emission):
                parts[:0] = halve(part, [order.side for order in part])

    async def _send_places_once(self, places: Sequence[DesiredOrder], emission: Emission) -> bool:
        """Send one action; return whether to split it."""
        orders = self._state.order_state
        fitting, intents = list[DesiredOrder](), list[Intent]()

        def make(departure: Departure) -> Sequence[Intent]:
            if emission.is_out_of_budget:
                return []
            now_s = trio.current_time()
            wanted = [order for order in places if not self.filter.holds_back(order, now_s=now_s)]
            fitting[:] = fit_places(wanted, self._make_headroom())
            if len(fitting) < len(wanted) and orders.get_unsettled():
                emission.on_held_back(len(wanted) - len(fitting))
            intents[:] = self._intend(fitting, departure)
            return intents

        if not places:
            return False
        with self._taking_back(intents):
            answers = await self._desk.send_places(make, most=len(places))
        if not intents:
            return False
        self._note_answers("place", answers, emission)
        is_split = self.filter.on_answers(fitting, answers, now_s=trio.current_time())
        for intent, answer in zip(intents, answers, strict=True):
            if isinstance(answer, Refused):
                orders.on_never_placed(intent.cloid, why=answer.text)
            else:
                emission.on_placed(arrived=self._apply_arrival(intent, answer))
        return is_split

    def _make_headroom(self) -> Headroom:
        """Compute what is free beside all present orders."""
        orders = self._state.order_state
        doubts = [doubt.quote for doubt in orders.get_doubts(known_oids=False)]
        return Headroom.beside(orders.orders, doubts, self._state.inventory, unsettled=orders.get_unsettled())

    def _apply_arrival(self, intent: Intent, answer: Answer) -> bool:
        """Track the order if the answer proves its arrival.

        Return whether it did.
        """
        now_s = trio.current_time()
        if isinstance(answer, Unknown) and answer.second is not None and answer.second.refusal is Refusal.NONCE:
            self._state.order_state.on_cannot_arrive_after(intent.cloid, now_s)
        if not isinstance(answer, Resting | Filled) or self._is_taken(intent, answer.oid):
            return False
        self._state.apply_arrival(intent, answer.oid, now_s=now_s)
        if isinstance(answer, Filled):
            self._apply_filled(intent, answer, now_s=now_s)
        return True

    def _is_taken(self, intent: Intent, oid: int) -> bool:
        """Return whether an answer's oid is that of another order.

        Such an answer proves nothing: the order stays in flight until the venue explains it.
        """
        orders = self._state.order_state
        known = orders.find(oid) or orders.find_left(oid)
        if known is None or known.cloid == intent.cloid:
            return False
        _log.error("answer not believed: oid=%d is that of another order, cloid=%s", oid, known.cloid)
        self._stats.on_error()
        return True

    def _apply_filled(self, intent: Intent, answer: Filled, *, now_s: float) -> None:
        """Doubt an order that traded before its answer.

        It is over where all of it traded, whatever an older frame tells of it later: its fills are due. Else the venue
        has to show what rests.
        """
        _log.warning("order filled at once: oid=%d side=%s level=%d; its fills are due", answer.oid, *intent.quote.slot)
        orders = self._state.order_state
        if answer.size is not None and answer.size >= intent.quote.size:
            orders.on_status(answer.oid, "filled", now_s=now_s)
        else:
            orders.on_doubt(answer.oid, now_s=now_s)

    def _intend(
        self, orders: Sequence[DesiredOrder], departure: Departure, *, replaces: Sequence[int | None] = ()
    ) -> list[Intent]:
        """Record the orders of one action as sent.

        Each gets its own cloid; nonce and deadline are common to all.
        """
        if not orders:
            return []
        now_s, (nonce, expires_ms) = trio.current_time(), departure.take()
        intents: list[Intent] = []
        for order, old in zip(orders, replaces or [None] * len(orders), strict=True):
            self._n_cloids += 1
            cloid = encode_cloid(CloidParts(self._epoch, order.side, order.level_index, self._n_cloids))
            if old is not None:
                self._state.manual_cancels.expect_ends([old], until_s=now_s + EXPIRY_S + EXPIRY_GRACE_S)
            intents.append(Intent(cloid, order, old, now_s, now_s + EXPIRY_S, expires_ms, nonce))
            self._state.order_state.on_sent(intents[-1])
        return intents

    @contextmanager
    def _taking_back(self, intents: Sequence[Intent]) -> Iterator[None]:
        """Undo intents that were never sent, because of an error.

        Errors: JournalError; what went wrong where the action could not even be made.
        """
        try:
            yield
        except JournalError as error:
            self._take_back(intents, str(error))
            raise
        except NotMade as error:
            self._take_back(intents, str(error))
            raise (error.__cause__ or error) from None

    def _take_back(self, intents: Iterable[Intent], why: str) -> None:
        for intent in intents:
            self._state.order_state.on_never_placed(intent.cloid, why=why)
            if intent.replaces is not None:
                self._state.order_state.on_seen_resting(intent.replaces, now_s=trio.current_time())

    def _note_answers(self, kind: str, answers: tuple[Answer, ...], emission: Emission) -> None:
        first = answers[0]
        if isinstance(first, Refused) and first.refusal is Refusal.NOT_SENT:
            _log.info("action not sent: action=%s items=%d reason=%s", kind, len(answers), first.text)
            return
        if self._gateway.signer.is_in_question:
            emission.on_signer_refused()
        sent = tuple(a for a in answers if not isinstance(a, Refused) or a.refusal is not Refusal.LIMIT)
        emission.budget.on_request(len(sent))
        if sent:
            self._stats.on_answers(sent)
        # A pause was told when it began; what its probes come to is no news.
        is_known = isinstance(first, Refused) and self.filter.refusals.is_told(first.refusal)
        for text, count in emission.on_answers(answers).items():
            _log.log(
                logging.DEBUG if is_known else logging.WARNING,
                "action failed: action=%s items=%d of=%d reason=%s",
                kind,
                count,
                len(answers),
                text,
            )
        if isinstance(first, Refused) and first.refusal is Refusal.EXPIRED:
            _log.error(
                "action expired: action=%s deadline_s=%g; our clock is behind, or the way is slow", kind, EXPIRY_S
            )

    def _note_cancel_only(self, is_cancel_only: bool, n_left_out: int) -> None:
        if is_cancel_only and not self._is_cancel_only:
            _log.warning("request budget used up: left_out=%d; sending only cancels and one order per 10 s", n_left_out)
        elif self._is_cancel_only and not is_cancel_only:
            _log.info("request budget available: quoting in full again")
        self._is_cancel_only = is_cancel_only

"""The one outbound lane: a diff becomes actions, their answers become state.

Before an action leaves, every order in it is written down as in flight or in doubt; only a definite answer
changes that. So a lost answer, a cancelled task or a dead venue leaves behind exactly what is not known.
What could offer more than we own if the old order trades while a modify is on its way is cancelled first, and
placed anew once it is known what was left of it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal

import trio

from mm_trio.model.cloid import CloidParts, encode_cloid
from mm_trio.model.errors import JournalError, VenueError
from mm_trio.model.orders import DesiredOrder, EmitResult, FillResult, Intent, OrderDiff, Side, TrackedOrder
from mm_trio.model.replies import Answer, Cancelled, Filled, Refusal, Refused, Resting, Unknown
from mm_trio.quoting.headroom import Headroom
from mm_trio.quoting.send_plan import batches, plan_sends
from mm_trio.state.maker_state import MakerState
from mm_trio.state.rate_limit import RateLimitBudget
from mm_trio.state.stats import RunStats
from mm_trio.venue.order_gateway import Burnt, OrderGateway
from mm_trio.venue.rest_client import VenueClient

__all__ = ["EXPIRY_GRACE_S", "EXPIRY_S", "MOST_ENDS_ASKED", "BatchEmitter"]

_log = logging.getLogger(__name__)

# An action that did not arrive within this is refused by the venue (expiresAfter): it cannot land later.
EXPIRY_S = 10.0
# So much later it cannot have happened unheard: our clock may be 2 s off the venue's (`run` refuses more), and the
# answers of a replica 2 s old.
EXPIRY_GRACE_S = 4.0
# After n refusals in a row because of a foreign order in the way, a level sits out so many emits.
_SIT_OUT = (0, 1, 3)
# Direct questions (weight 2 each) within one emit, about what was left of orders it cancelled.
MOST_ENDS_ASKED = 20


class BatchEmitter:
    """Sends diffs: cancels first, then modifies, then places, each batch after the answer of the one before."""

    def __init__(
        self,
        gateway: OrderGateway,
        client: VenueClient,
        state: MakerState,
        *,
        epoch: int,
        stats: RunStats | None = None,
        on_booked: Callable[[Iterable[FillResult]], None] = lambda results: None,
        may_place: Callable[[], bool] = lambda: True,
    ) -> None:
        self._gateway = gateway
        self._client = client
        self._state = state
        self._epoch = epoch
        self._stats = stats or RunStats()
        self._on_booked = on_booked
        self.may_place = may_place
        self._n_cloids = 0
        self._n_emits = 0
        self._crossed: dict[tuple[Side, int], tuple[int, int]] = {}  # pair -> refusals in a row, back at emit
        self._cancel_only = False

    async def emit(self, diff: OrderDiff, budget: RateLimitBudget) -> EmitResult:
        """Send what the budget covers of `diff`; an empty diff makes no call.

        Never raises for the venue's sake: what was not answered is left in flight or in doubt. Errors:
        JournalError, and then nothing that is not written down was sent.
        """
        self._n_emits += 1
        if not diff:
            cancel_only = budget.remaining() <= 0
            self._note_cancel_only(cancel_only, 0)
            return EmitResult(cancel_only_mode=cancel_only)
        now_s = trio.current_time()
        wanted = OrderDiff(diff.modifies, self._without_sitting_out(diff.places), diff.cancels)
        orders = self._state.order_state.orders
        plan = plan_sends(
            wanted,
            orders.find_inside(without=set(diff.cancels)),
            remaining=budget.remaining(),
            slot_is_free=budget.slot_is_free(now_s),
            leaving=[orders[oid] for oid in diff.cancels if oid in orders],
        )
        self._note_cancel_only(plan.cancel_only, plan.n_left_out)
        outcome = _Outcome()
        modifies, replaced = self._split_modifies(plan.diff.modifies)
        spare = 0 if plan.uses_slot or plan.cancel_only else max(0, budget.remaining() - plan.diff.n_items)
        # two items instead of one: what the budget does not cover waits as it is, or leaves if it has to
        replaced, beyond = replaced[:spare], replaced[spare:]
        gone = [*(oid for oid, _ in replaced), *(oid for oid, _ in beyond if oid in diff.cancels)]
        for oids in batches([*plan.diff.cancels, *gone]):
            await self._send_cancels(oids, budget, outcome, planned_s=now_s)
        # those that shrink free what those that grow need
        growing = [modify for modify in modifies if self._growth(modify) > 0]
        shrinking = [modify for modify in modifies if modify not in growing]
        waiting = await self._send_all_modifies([*batches(shrinking), *batches(growing)], budget, outcome)
        await self._send_all_modifies([*batches(waiting)], budget, outcome)  # where an order of ours was in the way
        wanted_places = [*plan.diff.places, *(order for _, order in replaced)]
        await self._settle_ends(wanted_places)
        for places in batches(wanted_places):
            if not await self._still_wanted(outcome):
                break
            await self._send_places(places, budget, outcome)
        if plan.uses_slot:
            budget.on_slot_taken(trio.current_time())
        return EmitResult(
            outcome.n_cancelled,
            outcome.n_modified,
            outcome.n_placed,
            outcome.n_errors,
            plan.cancel_only,
            outcome.contradicted,
            outcome.n_held_back,
        )

    async def _still_wanted(self, outcome: _Outcome) -> bool:
        """Whether something new may still go out; raises `Cancelled` when we are asked to leave meanwhile."""
        await trio.lowlevel.checkpoint_if_cancelled()
        return self.may_place() and not outcome.is_out_of_budget

    # --- cancels ------------------------------------------------------------------------------

    async def _send_cancels(
        self, oids: Sequence[int], budget: RateLimitBudget, outcome: _Outcome, *, planned_s: float
    ) -> None:
        orders = self._state.order_state
        left = {oid for oid in oids if (o := orders.find_left(oid)) is not None and o.touched_s >= planned_s}
        oids = [oid for oid in oids if oid not in left]  # left while an earlier batch was on its way
        if not oids:
            return
        for oid in oids:
            orders.on_doubt(oid, now_s=trio.current_time())
        self._state.expect_ends(oids, until_s=trio.current_time() + EXPIRY_S + EXPIRY_GRACE_S)
        answers = await self._gateway.send_cancels(oids, expires_ms=self._gateway.compute_expiry_ms(EXPIRY_S))
        self._note_answers("cancel", answers, budget, outcome)
        for oid, answer in zip(oids, answers, strict=True):
            if isinstance(answer, Cancelled):
                orders.on_cancel_confirmed(oid, now_s=trio.current_time())
                outcome.n_cancelled += 1
            elif isinstance(answer, Refused) and answer.untouched:
                orders.on_seen_resting(oid, now_s=trio.current_time())

    async def cancel_in_flight(self, budget: RateLimitBudget) -> None:
        """Take back what was sent and never answered, on the way out.

        An action whose nonce proves unused can never run. What did arrive is cancelled by its cloid, and stays in
        flight until the venue explains it.
        """
        orders = self._state.order_state
        now_s = trio.current_time()
        for nonce in sorted({i.nonce for i in orders.get_intents() if i.nonce is not None and i.expires_s > now_s}):
            budget.on_request(1)
            burnt = await self._gateway.burn_nonce(nonce, expires_ms=self._gateway.compute_expiry_ms(EXPIRY_S))
            for intent in [i for i in orders.get_intents() if i.nonce == nonce]:
                if burnt is Burnt.WAS_UNUSED:
                    orders.on_never_placed(intent.cloid, why=burnt.value)
                elif burnt is Burnt.WAS_USED:
                    orders.on_cannot_arrive_after(intent.cloid, trio.current_time())
        for intents in batches(orders.get_intents()):
            expires_ms = self._gateway.compute_expiry_ms(EXPIRY_S)
            answers = await self._gateway.send_cancels_by_cloid(intents, expires_ms=expires_ms)
            self._note_answers("cancel", answers, budget, _Outcome())

    # --- modifies -----------------------------------------------------------------------------

    def _growth(self, modify: tuple[int, DesiredOrder]) -> Decimal:
        order = self._state.order_state.find(modify[0])
        return modify[1].size - (order.size if order is not None else modify[1].size)

    def _split_modifies(
        self, modifies: Sequence[tuple[int, DesiredOrder]]
    ) -> tuple[list[tuple[int, DesiredOrder]], list[tuple[int, DesiredOrder]]]:
        """Those that may go as they are, and those whose old order has to be gone first."""
        if not modifies:
            return [], []
        orders, room = self._state.order_state, self._make_room()
        safe: list[tuple[int, DesiredOrder]] = []
        replaced: list[tuple[int, DesiredOrder]] = []
        for oid, order in modifies:
            if orders.find(oid) is not None:
                (safe if room.covers_both(order) else replaced).append((oid, order))
        return safe, replaced

    async def _send_all_modifies(
        self, modifies: Sequence[Sequence[tuple[int, DesiredOrder]]], budget: RateLimitBudget, outcome: _Outcome
    ) -> list[tuple[int, DesiredOrder]]:
        """Batch after batch; gives those that could not go where they should, because of another order of ours."""
        waiting: list[tuple[int, DesiredOrder]] = []
        for some in modifies:
            if not await self._still_wanted(outcome):
                break
            waiting += await self._send_modifies(some, budget, outcome)
        return waiting

    async def _send_modifies(
        self, modifies: Sequence[tuple[int, DesiredOrder]], budget: RateLimitBudget, outcome: _Outcome
    ) -> list[tuple[int, DesiredOrder]]:
        orders, room = self._state.order_state, self._make_room()
        chosen: list[tuple[int, DesiredOrder]] = []
        waiting: list[tuple[int, DesiredOrder]] = []
        for oid, order in modifies:
            target = orders.find(oid)
            if target is None or target.status != "resting":
                continue
            if not room.take_level(target, order):
                waiting.append((oid, order))
            elif room.resize(target, order):
                chosen.append((oid, order))
        if not chosen:
            return waiting
        intents = self._intend([order for _, order in chosen], replaces=[oid for oid, _ in chosen])
        try:
            answers = await self._gateway.send_modifies(intents)
        except JournalError as error:
            self._take_back(intents, str(error))
            raise
        self._note_answers("modify", answers, budget, outcome)
        for (oid, _), intent, answer in zip(chosen, intents, answers, strict=True):
            if isinstance(answer, Refused):
                orders.on_never_placed(intent.cloid, why=answer.text)
                if answer.untouched:
                    orders.on_seen_resting(oid, now_s=trio.current_time())
            else:
                outcome.n_modified += self._apply_arrival(intent, answer)
        return waiting

    # --- places -------------------------------------------------------------------------------

    async def _settle_ends(self, places: Sequence[DesiredOrder]) -> None:
        """Ask what was left of orders cancelled just now, where that decides whether the places are covered."""
        unsettled = self._state.order_state.get_unsettled()
        if not unsettled:
            return
        room = self._make_room()
        uncovered = {order.side for order in places if not room.take(order)}
        for left in unsettled[:MOST_ENDS_ASKED]:
            if left.side in uncovered:
                try:
                    await self.settle_end(left)
                except VenueError as error:
                    _log.info("what was left of oid=%d is not known yet: %s", left.oid, error)
                    return

    async def settle_end(self, left: TrackedOrder) -> None:
        """Ask the venue what was left of an order that we cancelled or replaced. Errors: VenueError."""
        told = await self._client.fetch_order_status(oid=left.oid)
        if told.order is not None and not told.live:
            self._state.order_state.on_modify_response(
                left.oid, left.oid, told.status, remaining=told.order.size, now_s=trio.current_time()
            )

    async def _send_places(self, places: Sequence[DesiredOrder], budget: RateLimitBudget, outcome: _Outcome) -> None:
        orders, room = self._state.order_state, self._make_room()
        # a cancel or a shrink that failed, a fill meanwhile: the plan may be older than the book
        fitting = [order for order in places if room.take(order)]
        if len(fitting) < len(places) and orders.get_unsettled():
            outcome.n_held_back += len(places) - len(fitting)
        intents = self._intend(fitting)
        if not intents:
            return
        try:
            answers = await self._gateway.send_places(intents)
        except JournalError as error:
            self._take_back(intents, str(error))
            raise
        self._note_answers("place", answers, budget, outcome)
        for intent, answer in zip(intents, answers, strict=True):
            self._note_crossing((intent.side, intent.level_index), answer)
            if isinstance(answer, Refused):
                orders.on_never_placed(intent.cloid, why=answer.text)
            else:
                outcome.n_placed += self._apply_arrival(intent, answer)

    def _make_room(self) -> Headroom:
        """What is free beside all that rests or may rest, now: the plan may be older than the book."""
        orders = self._state.order_state
        doubts = orders.get_doubts(known_oids=False)
        return Headroom.beside(orders.orders, doubts, self._state.inventory, unsettled=orders.get_unsettled())

    def _apply_arrival(self, intent: Intent, answer: Answer) -> bool:
        """Whether the answer proves that the order reached the book; if so, it is tracked from now on."""
        now_s = trio.current_time()
        if isinstance(answer, Unknown) and answer.second is not None and answer.second.refusal is Refusal.NONCE:
            self._state.order_state.on_cannot_arrive_after(intent.cloid, now_s)
        if not isinstance(answer, Resting | Filled):
            return False
        self._on_booked(self._state.apply_arrival(intent, answer.oid, now_s=now_s))
        if isinstance(answer, Filled):  # post-only orders do not fill at once: let the venue explain
            self._state.order_state.on_doubt(answer.oid, now_s=now_s)
        return True

    # --- levels where something foreign is in the way -------------------------------------------

    def _without_sitting_out(self, places: Iterable[DesiredOrder]) -> list[DesiredOrder]:
        now_s = trio.current_time()
        return [
            place
            for place in places
            if self._crossed.get((place.side, place.level_index), (0, 0))[1] <= self._n_emits
            and not self._state.is_sitting_out(place.side, place.level_index, now_s=now_s)
        ]

    def _note_crossing(self, pair: tuple[Side, int], answer: Answer) -> None:
        if isinstance(answer, Refused) and answer.refusal is Refusal.WOULD_CROSS:
            refusals = self._crossed.get(pair, (0, 0))[0] + 1
            sit_out = _SIT_OUT[min(refusals, len(_SIT_OUT)) - 1]
            self._crossed[pair] = (refusals, self._n_emits + 1 + sit_out)
        else:
            self._crossed.pop(pair, None)

    # --- all actions --------------------------------------------------------------------------

    def _intend(self, orders: Sequence[DesiredOrder], *, replaces: Sequence[int | None] = ()) -> list[Intent]:
        """Give each order its cloid, all of one action their nonce and deadline, and write them down as sent."""
        if not orders:
            return []
        now_s, nonce = trio.current_time(), self._gateway.take_nonce()
        expires_ms = self._gateway.compute_expiry_ms(EXPIRY_S)
        intents: list[Intent] = []
        for order, old in zip(orders, replaces or [None] * len(orders), strict=True):
            self._n_cloids += 1
            cloid = encode_cloid(CloidParts(self._epoch, order.side, order.level_index, self._n_cloids))
            where = (order.side, order.level_index, order.price, order.size)
            if old is not None:
                self._state.expect_ends([old], until_s=now_s + EXPIRY_S + EXPIRY_GRACE_S)
            intents.append(Intent(cloid, *where, old, now_s, now_s + EXPIRY_S, expires_ms, nonce))
            self._state.order_state.on_sent(intents[-1])
        return intents

    def _take_back(self, intents: Iterable[Intent], why: str) -> None:
        """What was not written down was not sent."""
        for intent in intents:
            self._state.order_state.on_never_placed(intent.cloid, why=why)
            if intent.replaces is not None:
                self._state.order_state.on_seen_resting(intent.replaces, now_s=trio.current_time())

    def _note_answers(self, what: str, answers: tuple[Answer, ...], budget: RateLimitBudget, outcome: _Outcome) -> None:
        if isinstance(answers[0], Refused) and answers[0].refusal is Refusal.NOT_SENT:
            _log.info("%s items=%d: %s", what, len(answers), answers[0].text)
            return
        budget.on_request(len(answers))
        self._stats.on_answers(answers)
        refusals: dict[str, int] = {}
        for answer in answers:
            if isinstance(answer, Refused):
                refusals[answer.text] = refusals.get(answer.text, 0) + 1
            elif isinstance(answer, Unknown):
                refusals[f"unknown: {answer.why}"] = refusals.get(f"unknown: {answer.why}", 0) + 1
            if isinstance(answer, Refused) and answer.refusal is Refusal.BALANCE:
                outcome.contradicted = True
        outcome.n_errors += sum(refusals.values())
        for text, count in refusals.items():
            _log.warning("%s items=%d of %d: %s", what, count, len(answers), text)
        first = answers[0]
        if isinstance(first, Refused) and first.refusal is Refusal.BUDGET:
            budget.on_refused(len(answers))
            outcome.is_out_of_budget = True
        elif isinstance(first, Refused) and first.refusal is Refusal.EXPIRED:
            _log.error("the venue's clock is more than %g s ahead of this machine's: set the clock", EXPIRY_S)

    def _note_cancel_only(self, cancel_only: bool, n_left_out: int) -> None:
        if cancel_only and not self._cancel_only:
            _log.warning(
                "request budget used up: only cancels and one order in 10 s go out, %d left out now",
                n_left_out,
            )
        elif self._cancel_only and not cancel_only:
            _log.info("request budget is back: quoting in full again")
        self._cancel_only = cancel_only


class _Outcome:
    """Counts of one emit, as its answers come in."""

    def __init__(self) -> None:
        self.n_cancelled = self.n_modified = self.n_placed = self.n_errors = 0
        self.n_held_back = 0
        self.contradicted = False
        self.is_out_of_budget = False

"""The one outbound lane: a diff becomes actions, their answers become state.

Before an action leaves, every order in it is written down as in flight or in doubt; only a definite answer
changes that. So a lost answer, a cancelled task or a dead venue leaves behind exactly what is not known.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal

import trio

from mm_trio.cloid import CloidParts, encode_cloid
from mm_trio.maker_state import MakerState
from mm_trio.model import (
    Answer,
    Cancelled,
    DesiredOrder,
    Doubt,
    EmitResult,
    Filled,
    FillResult,
    Intent,
    OrderDiff,
    Refusal,
    Refused,
    Resting,
    Side,
    TrackedOrder,
    Unknown,
)
from mm_trio.rate_limit import RateLimitBudget
from mm_trio.room import Room
from mm_trio.send_plan import batches, plan_sends
from mm_trio.stats import RunStats
from mm_trio.venue.client import VenueClient

__all__ = ["BatchEmitter"]

_log = logging.getLogger(__name__)

# An action that did not arrive within this is refused by the venue (expiresAfter): it cannot land later.
EXPIRY_S = 10.0
# After n refusals in a row because of a foreign order in the way, a level sits out so many emits.
_SIT_OUT = (0, 1, 3)


class BatchEmitter:
    """Sends diffs: cancels first, then modifies, then places, each batch after the answer of the one before."""

    def __init__(
        self,
        client: VenueClient,
        state: MakerState,
        *,
        epoch: int,
        wall_ms: Callable[[], int],
        stats: RunStats | None = None,
        on_booked: Callable[[Iterable[FillResult]], None] = lambda results: None,
        may_place: Callable[[], bool] = lambda: True,
    ) -> None:
        self._client = client
        self._state = state
        self._epoch = epoch
        self._wall_ms = wall_ms
        self._stats = stats or RunStats()
        self._on_booked = on_booked
        self._may_place = may_place
        self._n_cloids = 0
        self._n_emits = 0
        self._crossed: dict[tuple[Side, int], tuple[int, int]] = {}  # pair -> refusals in a row, back at emit
        self._cancel_only = False

    async def emit(self, diff: OrderDiff, budget: RateLimitBudget) -> EmitResult:
        """Send what the budget covers of `diff`; an empty diff makes no call.

        Never raises for the venue's sake: what was not answered is left in flight or in doubt.
        """
        self._n_emits += 1
        now_s = trio.current_time()
        wanted = OrderDiff(diff.modifies, self._without_sitting_out(diff.places), diff.cancels)
        resting = self._state.order_state.get_current_orders()
        plan = plan_sends(wanted, resting, remaining=budget.remaining(), slot_is_free=budget.slot_is_free(now_s))
        self._note_cancel_only(plan.cancel_only, plan.n_left_out)
        outcome = _Outcome()
        for oids in batches(plan.diff.cancels):
            await self._send_cancels(oids, budget, outcome, planned_s=now_s)
        # those that shrink free what those that grow need
        growing = [modify for modify in plan.diff.modifies if self._growth(modify) > 0]
        shrinking = [modify for modify in plan.diff.modifies if modify not in growing]
        for modifies in (*batches(shrinking), *batches(growing)):
            if not await self._still_wanted():
                break
            await self._send_modifies(modifies, budget, outcome)
        for places in batches(plan.diff.places):
            if not await self._still_wanted():
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
        )

    async def _still_wanted(self) -> bool:
        """Whether something new may still go out; raises `Cancelled` when we are asked to leave meanwhile."""
        await trio.lowlevel.checkpoint_if_cancelled()
        return self._may_place()

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
        answers = await self._client.send_cancels(oids, coin=self._state.market.coin, expires_ms=self._expires_ms())
        self._note_answers("cancel", answers, budget, outcome)
        for oid, answer in zip(oids, answers, strict=True):
            if isinstance(answer, Cancelled):
                orders.on_cancel_confirmed(oid, now_s=trio.current_time())
                outcome.n_cancelled += 1
            elif isinstance(answer, Refused) and answer.untouched:
                orders.on_seen_resting(oid, now_s=trio.current_time())

    async def cancel_in_flight(self, budget: RateLimitBudget) -> None:
        """Cancel by cloid what was sent and never answered. It stays in flight until the venue explains it."""
        for intents in batches(self._state.order_state.get_intents()):
            answers = await self._client.send_cancels_by_cloid(
                intents, coin=self._state.market.coin, expires_ms=self._expires_ms()
            )
            self._note_answers("cancel", answers, budget, _Outcome())

    # --- modifies -----------------------------------------------------------------------------

    def _growth(self, modify: tuple[int, DesiredOrder]) -> Decimal:
        order = self._state.order_state.find(modify[0])
        return modify[1].size - (order.size if order is not None else modify[1].size)

    async def _send_modifies(
        self, modifies: Sequence[tuple[int, DesiredOrder]], budget: RateLimitBudget, outcome: _Outcome
    ) -> None:
        orders, room = self._state.order_state, self._make_room()
        sent: list[tuple[int, DesiredOrder, Intent]] = []
        for oid, order in modifies:
            target = orders.find(oid)
            if target is not None and target.status == "resting" and room.resize(target, order):
                intent = self._intend(order, replaces=oid)
                orders.on_sent(intent)
                sent.append((oid, order, intent))
        if not sent:
            return
        answers = await self._client.send_modifies(
            [(oid, order, intent.cloid) for oid, order, intent in sent],
            coin=self._state.market.coin,
            expires_ms=self._expires_ms(),
        )
        self._note_answers("modify", answers, budget, outcome)
        for (oid, _, intent), answer in zip(sent, answers, strict=True):
            if isinstance(answer, Refused):
                orders.on_never_placed(intent.cloid)
                if answer.untouched:
                    orders.on_seen_resting(oid, now_s=trio.current_time())
            else:
                outcome.n_modified += self._apply_arrival(intent, answer)

    # --- places -------------------------------------------------------------------------------

    async def _send_places(self, places: Sequence[DesiredOrder], budget: RateLimitBudget, outcome: _Outcome) -> None:
        orders, room = self._state.order_state, self._make_room()
        sent: list[tuple[DesiredOrder, Intent]] = []
        for order in places:
            # a cancel or a shrink that failed, a fill meanwhile: the plan may be older than the book
            if room.take(order):
                intent = self._intend(order)
                orders.on_sent(intent)
                sent.append((order, intent))
        if not sent:
            return
        answers = await self._client.send_places(
            [(order, intent.cloid) for order, intent in sent],
            coin=self._state.market.coin,
            expires_ms=self._expires_ms(),
        )
        self._note_answers("place", answers, budget, outcome)
        for (order, intent), answer in zip(sent, answers, strict=True):
            self._note_crossing((order.side, order.level_index), answer)
            if isinstance(answer, Refused):
                orders.on_never_placed(intent.cloid)
            else:
                outcome.n_placed += self._apply_arrival(intent, answer)

    def _make_room(self) -> Room:
        """What is free beside all that rests or may rest, now: the plan may be older than the book."""
        orders, ledger = self._state.order_state, self._state.inventory
        present: list[TrackedOrder | Doubt] = [*orders.get_current_orders(), *orders.get_doubts(known_oids=False)]
        return Room(present, tokens=ledger.effective_token, quote=ledger.effective_usdc)

    def _apply_arrival(self, intent: Intent, answer: Answer) -> bool:
        """Whether the answer proves that the order reached the book; if so, it is tracked from now on."""
        if not isinstance(answer, Resting | Filled):
            return False
        now_s = trio.current_time()
        self._on_booked(self._state.apply_arrival(intent, answer.oid, now_s=now_s))
        if isinstance(answer, Filled):  # post-only orders do not fill at once: let the venue explain
            self._state.order_state.on_doubt(answer.oid, now_s=now_s)
        return True

    # --- levels where something foreign is in the way -------------------------------------------

    def _without_sitting_out(self, places: Iterable[DesiredOrder]) -> list[DesiredOrder]:
        return [p for p in places if self._crossed.get((p.side, p.level_index), (0, 0))[1] <= self._n_emits]

    def _note_crossing(self, pair: tuple[Side, int], answer: Answer) -> None:
        if isinstance(answer, Refused) and answer.refusal is Refusal.WOULD_CROSS:
            refusals = self._crossed.get(pair, (0, 0))[0] + 1
            sit_out = _SIT_OUT[min(refusals, len(_SIT_OUT)) - 1]
            self._crossed[pair] = (refusals, self._n_emits + 1 + sit_out)
        else:
            self._crossed.pop(pair, None)

    # --- all actions --------------------------------------------------------------------------

    def _intend(self, order: DesiredOrder, *, replaces: int | None = None) -> Intent:
        self._n_cloids += 1
        cloid = encode_cloid(CloidParts(self._epoch, order.side, order.level_index, self._n_cloids))
        now_s = trio.current_time()
        return Intent(cloid, order.side, order.level_index, order.price, order.size, replaces, now_s, now_s + EXPIRY_S)

    def _expires_ms(self) -> int:
        return self._wall_ms() + int(EXPIRY_S * 1000)

    def _note_answers(self, what: str, answers: tuple[Answer, ...], budget: RateLimitBudget, outcome: _Outcome) -> None:
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
        self.contradicted = False

"""Guard of the operator's limits: asked about every order before it is signed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import TypeAlias

import trio

from mm_trio.halts.standing import Standing, State
from mm_trio.limits.breach_log import BreachLog
from mm_trio.limits.holding import HoldingLimits, Traded
from mm_trio.limits.nearness import LimitUse
from mm_trio.limits.order_limits import find_order_breach, find_side_breach, measure_orders, measure_sides
from mm_trio.limits.pace import PaceLimits
from mm_trio.limits.terms import NO_LIMITS, Breach, Reaction, RiskLimits
from mm_trio.model.journal_entries import Entry, Peaked
from mm_trio.model.market import Book
from mm_trio.model.orders import Intent, Side, TrackedOrder
from mm_trio.refusals.beforehand import find_reference
from mm_trio.state.maker_state import MakerState

__all__ = ["REFUSED_WITHIN_S", "LimitGuard"]

# A second refused order within this shows a mistake of the plan or of the limits: nothing more is placed.
REFUSED_WITHIN_S = 60.0
# No answer is later than this: what is on its way for longer has an outcome that nobody knows.
ANSWERED_WITHIN_S = 7.0
# For each order of an action: the limit that it would break.
Verdicts: TypeAlias = tuple[Breach | None, ...]


class LimitGuard:
    """Owner of what is counted against the limits, and of what follows.

    `standing` is what the maker may do, as it is written down. `wanted` is a stricter one that a limit asks for: it
    holds from that moment on, and the session writes it down before anything else follows from it.
    """

    def __init__(
        self,
        limits: RiskLimits,
        state: MakerState,
        *,
        standing: Standing,
        wall_ms: Callable[[], int],
        peak: Decimal = Decimal(0),
    ) -> None:
        self._limits = limits
        self._has_limits = limits != NO_LIMITS
        self._state = state
        self._wall_ms = wall_ms
        self._pace = PaceLimits(limits)
        self._holding = HoldingLimits(limits, peak=peak, now_s=trio.current_time())
        self._refused_s = float("-inf")
        self._mid: Decimal | None = None
        self._marked_s = float("-inf")
        self.standing = standing
        self.wanted: Standing | None = None
        self._n_fills = 0
        self.breaches = BreachLog()

    @property
    def mid(self) -> Decimal | None:
        """Return the last price that was seen."""
        return self._mid

    @property
    def marked_s(self) -> float:
        """Return when that price was seen, on the loop's clock."""
        return self._marked_s

    @property
    def needs_mark(self) -> bool:
        """Check if a price has to be looked at now and then."""
        return self._holding.needs_mark or self._limits.needs_mid

    # --- Asked by the gateway, before it signs ------------------------------------------------------

    def judge(self, intents: Sequence[Intent]) -> Verdicts:
        """Find for each order of an action the limit that it would break, None where it may be signed.

        What stops everything stops all of them.
        """
        if (breach := self._find_general(len(intents))) is not None:
            return (breach,) * len(intents)
        resting = self._sum_resting(intents)
        verdicts: list[Breach | None] = []
        for intent in intents:
            order = intent.quote
            breach = find_order_breach(order, self._limits, mid=self._mid)
            notional = self._find_more(intent)
            breach = breach or find_side_breach(order.side, notional, self._limits, resting=resting)
            verdicts.append(breach)
            if breach is not None:
                self.breaches.on_breach(breach, now_s=trio.current_time())
            else:
                resting[order.side] += notional
        if (first := next((breach for breach in verdicts if breach is not None), None)) is not None:
            self._on_refused(first)
        return tuple(verdicts)

    def on_signed(self, n_items: int) -> None:
        """Count the items of an action that was signed, a cancel's too."""
        self._pace.on_action(n_items, now_s=trio.current_time())

    # --- Asked by the gate --------------------------------------------------------------------------

    def find_obstacle(self) -> str | None:
        """Return why nothing new may be placed, None where it may."""
        if not self.strictest.state.may_place:
            return self.strictest.describe()
        breach = self._find_general(0)
        return None if breach is None else f"limit: {breach.describe()}"

    @property
    def is_stopped(self) -> bool:
        """Check if an operator or a limit stopped the maker. Cheap, and safe on any thread."""
        return not self.strictest.state.may_place

    @property
    def limits(self) -> RiskLimits:
        """Return the limits that count now."""
        return self._limits

    def change(self, limits: RiskLimits) -> None:
        """Judge by other limits from here on; what was counted stays."""
        self._limits, self._has_limits = limits, limits != NO_LIMITS
        self._pace.change(limits)
        self._holding.change(limits)

    # --- Asked by those who look --------------------------------------------------------------------

    def measure(self) -> tuple[LimitUse, ...]:
        """Measure what counts now against each limit that is set."""
        if not self._has_limits:
            return ()
        now_s, remaining = trio.current_time(), self._state.rate_limit.remaining()
        return (
            *measure_orders((order.quote for order in self._state.order_state.get_current_orders()), self._limits),
            *self._measure_sides(self._limits),
            *self._measure_money(),
            *self._pace.measure(n_unknown=self._count_unknown(now_s), remaining=remaining, now_s=now_s),
        )

    def _measure_sides(self, limits: RiskLimits) -> Iterable[LimitUse]:
        return measure_sides(self.sum_resting(()), limits)

    def _measure_money(self) -> Iterable[LimitUse]:
        return self._holding.measure(self.traded)

    # --- Told by the session ------------------------------------------------------------------------

    def on_fills(self, n_fills: int) -> None:
        """Count fills up to this number since the start."""
        for _ in range(n_fills - self._n_fills):
            self._pace.on_fill(now_s=trio.current_time())
        self._n_fills = n_fills

    def on_book(self, book: Book | None) -> None:
        """Take the middle of a book as the present price."""
        mid = find_reference(book)
        if mid is not None:
            self._mid, self._marked_s = mid, trio.current_time()
        self._holding.on_mark(mid, self.traded, now_s=trio.current_time())
        if (peak := self._holding.take_peak()) is not None:
            self._state.record(Peaked(peak))

    def summarise(self) -> tuple[Entry, ...]:
        """Return what a checkpoint says of the limits."""
        return (Peaked(self._holding.peak),) if self._holding.peak else ()

    def find_wanted(self) -> Standing | None:
        """Return the stricter standing that a limit asks for now, None where none does."""
        breach = self._find_general(0)
        if breach is not None and breach.reaction is Reaction.HALT:
            self._want(State.HALTED, breach)
        return self.wanted

    def want(self, standing: Standing) -> None:
        """Ask for a stricter standing, as an operator does.

        From now on nothing is placed that it forbids, also before it is written down.
        """
        if standing.state.strictness > self.strictest.state.strictness:
            self.wanted = standing

    def on_written(self, standing: Standing) -> None:
        """Take the standing that is on disk now. What asks for more meanwhile is still to be written."""
        self.standing = standing
        if self.wanted is not None and self.wanted.state.strictness <= standing.state.strictness:
            self.wanted = None

    def on_resumed(self, standing: Standing) -> None:
        """Take a wider standing that is on disk now. A halt that a limit asks for meanwhile stays."""
        self.standing, self._refused_s = standing, float("-inf")
        if self.wanted is not None and self.wanted.state is not State.HALTED:
            self.wanted = None

    @property
    def traded(self) -> Traded:
        """Return what fills moved since the ledger began; nothing where it has no allocation."""
        ledger, (token, usdc) = self._state.inventory, self._state.inventory.allocation
        if ledger.virtual_token is None or ledger.virtual_usdc is None or token is None or usdc is None:
            return Traded()
        return Traded(ledger.virtual_token - token, ledger.virtual_usdc - usdc)

    @property
    def strictest(self) -> Standing:
        """Return the standing that holds, on disk or not yet."""
        # Read once, because another thread may ask.
        wanted = self.wanted
        return self.standing if wanted is None else wanted

    def _find_general(self, n_items: int) -> Breach | None:
        """Find the limit that keeps everything back, what stops before what waits.

        It is asked several times a tick, so a maker without limits has nothing worked out.
        """
        if not self._has_limits:
            return None
        now_s = trio.current_time()
        of_money = self._find_breach_of_money(now_s)
        of_pace = self._pace.find_breach(
            n_items=n_items,
            n_unknown=self._count_unknown(now_s),
            remaining=self._state.rate_limit.remaining(),
            now_s=now_s,
        )
        breaches = [breach for breach in (of_money, of_pace, self._find_unknown_mid()) if breach is not None]
        found = min(breaches, key=lambda breach: breach.reaction is not Reaction.HALT, default=None)
        if found is not None:
            self.breaches.on_breach(found, now_s=now_s)
        return found

    def _count_unknown(self, now_s: float) -> int:
        return sum(now_s - intent.sent_s > ANSWERED_WITHIN_S for intent in self._list_intents())

    def _find_breach_of_money(self, now_s: float) -> Breach | None:
        return self._holding.find_breach(self.traded, now_s=now_s)

    def _list_intents(self) -> Iterable[Intent]:
        return self._state.order_state.get_intents()

    def _find_unknown_mid(self) -> Breach | None:
        """Find that no price was seen yet, where one is needed before the first order.

        Without it a wrong digit in a price would not be noticed.
        """
        if not self._limits.needs_mid or self._mid is not None:
            return None
        return Breach("mid", 0, 1, "books with two sides seen", Reaction.WAIT)

    def _sum_resting(self, intents: Sequence[Intent]) -> dict[Side, Decimal]:
        nothing: dict[Side, Decimal] = {"buy": Decimal(0), "sell": Decimal(0)}
        return nothing if self._limits.max_side_notional is None else self.sum_resting(intents)

    def sum_resting(self, intents: Sequence[Intent]) -> dict[Side, Decimal]:
        """Sum the notional of each side beside these orders: of all that rests or is on its way."""
        sums: dict[Side, Decimal] = {"buy": Decimal(0), "sell": Decimal(0)}
        orders, cloids = self._state.order_state, {intent.cloid for intent in intents}
        for order in orders.get_current_orders():
            sums[order.side] += order.price * order.size
        for intent in orders.get_intents():
            if intent.cloid not in cloids:
                sums[intent.quote.side] += self._find_more(intent)
        return sums

    def _find_more(self, intent: Intent) -> Decimal:
        """Find by how much a side may hold more with this order.

        Of an order and the one that replaces it only one can rest. Which one is not known before the venue has
        answered, so the larger one counts.
        """
        order, notional = intent.quote, intent.quote.price * intent.quote.size
        old = None if intent.replaces is None else self._find_order(intent.replaces)
        if old is None or old.side != order.side:
            return notional
        return max(Decimal(0), notional - old.price * old.size)

    def _find_order(self, oid: int) -> TrackedOrder | None:
        return self._state.order_state.find(oid)

    def _on_refused(self, breach: Breach) -> None:
        now_s = trio.current_time()
        if now_s - self._refused_s <= REFUSED_WITHIN_S:
            self._want(State.CANCEL_ONLY, breach)
        self._refused_s = now_s

    def _want(self, state: State, breach: Breach) -> None:
        self.want(Standing(state=state, since_ms=self._wall_ms(), why=breach.describe()))

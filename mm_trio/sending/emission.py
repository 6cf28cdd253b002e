"""One emit: what it may still send, and what came of it."""

from __future__ import annotations

from collections.abc import Iterable

from mm_trio.model.orders import EmitResult, TrackedOrder
from mm_trio.model.replies import Answer, Refusal, Refused, Unknown, find_refused
from mm_trio.state.order_state import OrderState
from mm_trio.state.rate_limit import RateLimitBudget

__all__ = ["Emission"]


class Emission:
    """Budget and counts of one emit.

    `unwanted_oids` are the orders that it was asked to cancel, whether that is sent, moved or has to wait.
    `is_quoting`: its cancels serve new orders, and without those they are not wanted.
    """

    def __init__(
        self, budget: RateLimitBudget, began_s: float, *, unwanted_oids: Iterable[int], is_quoting: bool = False
    ) -> None:
        self.budget = budget
        self.began_s = began_s
        self.is_quoting = is_quoting
        self._n_refusals = budget.n_refusals
        self.is_signer_refused = False
        self._unwanted_oids = tuple(unwanted_oids)
        self._n_cancelled = self._n_modified = self._n_placed = self._n_held_back = 0
        self._n_errors = 0
        self._is_contradicted = False

    @property
    def is_out_of_budget(self) -> bool:
        """Check if the venue has refused something for want of budget since this began, also of another grid."""
        return self.budget.n_refusals > self._n_refusals

    def find_staying(self, orders: OrderState) -> list[TrackedOrder]:
        """Find the unwanted orders that may still rest."""
        return [orders.orders[oid] for oid in sorted(self._unwanted_oids) if oid in orders.orders]

    def on_cancelled(self) -> None:
        """Count a confirmed cancel."""
        self._n_cancelled += 1

    def on_modified(self, *, arrived: bool) -> None:
        """Count a modify that was not refused, if it arrived."""
        self._n_modified += arrived

    def on_placed(self, *, arrived: bool) -> None:
        """Count a place that was not refused, if it arrived."""
        self._n_placed += arrived

    def on_signer_refused(self) -> None:
        """Send nothing more in this emit: all of it has the same signer."""
        self.is_signer_refused = True

    def on_held_back(self, n: int) -> None:
        """Count places that wait for remaining sizes."""
        self._n_held_back += n

    def on_answers(self, answers: tuple[Answer, ...]) -> dict[str, int]:
        """Count the answers of one action.

        Return the reasons of refused and unknown items, with their counts.
        """
        reasons: dict[str, int] = {}
        for answer in answers:
            if isinstance(answer, Refused):
                reasons[answer.text] = reasons.get(answer.text, 0) + 1
                self._is_contradicted |= answer.refusal is Refusal.BALANCE
            elif isinstance(answer, Unknown):
                reasons[f"unknown: {answer.why}"] = reasons.get(f"unknown: {answer.why}", 0) + 1
        self._n_errors += sum(reasons.values())
        # Bytes that were refused when they were sent again may have been carried out before, and the budget is used up
        # all the same.
        first = find_refused(answers[0])
        if first is not None and first.refusal is Refusal.BUDGET:
            self.budget.on_refused(len(answers))
        return reasons

    def make_result(self, *, cancel_only: bool) -> EmitResult:
        """Return the counts of this emit."""
        return EmitResult(
            self._n_cancelled,
            self._n_modified,
            self._n_placed,
            self._n_errors,
            cancel_only,
            self._is_contradicted,
            self._n_held_back,
        )

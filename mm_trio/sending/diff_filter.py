"""Filter of diffs: what the venue refused, or would refuse, is not sent."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mm_trio.model.orders import OrderDiff, Quote, TrackedOrder
from mm_trio.model.replies import Answer, Refusal, Refused
from mm_trio.refusals.beforehand import Sendable, compute_open_cap, find_reference, leave_out
from mm_trio.refusals.memory import RefusalMemory
from mm_trio.state.inventory import BalanceCheck, BalanceVerdict
from mm_trio.state.maker_state import MakerState
from mm_trio.venue.order_gateway import OrderGateway
from mm_trio.venue.rest_client import VenueClient

__all__ = ["DiffFilter"]


class DiffFilter:
    """Owner of what is known of the venue's refusals.

    `sendable` is what it left of the last diff. `share_cap` turns the account's cap of open orders into this grid's.
    """

    def __init__(
        self,
        gateway: OrderGateway,
        client: VenueClient,
        state: MakerState,
        *,
        share_cap: Callable[[int], int] | None = None,
    ) -> None:
        self._share_cap = share_cap
        self._gateway = gateway
        self._client = client
        self._state = state
        self.refusals = RefusalMemory()
        self.sendable = Sendable(OrderDiff())

    def choose(self, diff: OrderDiff, *, now_s: float, insists: bool) -> OrderDiff:
        """Leave out what has to wait and what the venue would refuse.

        `insists`: cancels are sent whatever was refused before. While it is in question whether the venue knows our
        signer, one item is left.
        """
        orders, manual = self._state.order_state, self._state.manual_cancels
        places = [place for place in diff.places if not manual.is_paused(place.slot, now_s=now_s)]
        diff = OrderDiff(diff.modifies, places, diff.cancels)
        diff = self.refusals.choose(diff, orders.orders, now_s=now_s, insists=insists)
        self.sendable = leave_out(
            diff,
            orders.orders,
            reference=find_reference(self._client.books.get(self._state.market.coin)),
            cap=self._compute_cap(),
            n_open=len(orders.orders) + len(orders.get_intents()) + self._state.others.n_open,
        )
        diff = self.sendable.diff
        return _take_first(diff) if self._gateway.signer.is_in_question else diff

    def holds_back(self, order: Quote, *, now_s: float, instead_of: TrackedOrder | None = None) -> bool:
        """Check if an item has to wait because of an answer since it was chosen."""
        return self.refusals.holds_back(order, now_s=now_s, instead_of=instead_of)

    def on_answers(self, quotes: Sequence[Quote], answers: Sequence[Answer], *, now_s: float) -> bool:
        """Learn from the answers to new orders; return whether to split the batch.

        What is split is not remembered as refused: most of it may be innocent.
        """
        if any(isinstance(answer, Refused) and answer.refusal is Refusal.OPEN_ORDERS for answer in answers):
            # Others have the rest of the cap, until the next snapshot counts them.
            self._state.note_others_open(self._compute_cap() - len(self._state.order_state.orders))
        is_split = self.refusals.is_split(answers)
        if not is_split:
            self.refusals.on_answers(quotes, answers, now_s=now_s)
        return is_split

    def on_cancel_answers(self, oids: Sequence[int], answers: Sequence[Answer], *, now_s: float) -> None:
        """Learn from the answers to cancels."""
        self.refusals.on_cancel_answers(oids, answers, now_s=now_s)

    def on_balances(self, check: BalanceCheck) -> None:
        """Let places go on that waited for a look at the balances."""
        self.refusals.on_balances_read(is_changed=check.verdict is BalanceVerdict.ADOPTED)

    def _compute_cap(self) -> int:
        cap = compute_open_cap(self._state.rate_limit.cum_vlm)
        return cap if self._share_cap is None else self._share_cap(cap)


def _take_first(diff: OrderDiff) -> OrderDiff:
    """Reduce a diff to one item: whether the venue knows our signer costs no more to learn."""
    if diff.cancels:
        return OrderDiff(cancels=diff.cancels[:1])
    return OrderDiff(diff.modifies[:1], [] if diff.modifies else diff.places[:1])

"""Which order a level should have had, and why, in words. Pure.

The order itself is the production planner's; only the words are made here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from mm_trio.history.past_state import PastState
from mm_trio.history.withheld import Offer, plain
from mm_trio.model.orders import Quote

__all__ = ["Decision", "decide"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Order that is due on a level, None: none; `because` tells why."""

    order: Quote | None
    because: str

    def to_json(self) -> dict[str, object]:
        """Return plain JSON values."""
        order = self.order
        return {
            "side": None if order is None else order.side,
            "size": None if order is None else f"{order.size:f}",
            "because": self.because,
        }


def decide(state: PastState, level: int) -> Decision:
    """Decide as the maker's tick would have, from what the ledger knew."""
    desired = state.plan().desired
    order = next((quote for quote in desired if quote.level_index == level), None)
    offer = Offer.of(state.terms.grid, state.terms.settings, token=state.token, quote=state.quote)
    doubtful = any(
        each.quote.level_index == level and each.phase != "resting" for each in state.list_orders(now_ms=state.at_ms)
    )
    if doubtful:
        return Decision(
            order=order,
            because="an order there had no definite answer yet: until it has one, nothing else is sent for the level",
        )
    return Decision(order=order, because=_Words(state, offer, desired, level).explain(order))


class _Words:
    """Reasons for one level."""

    def __init__(self, state: PastState, offer: Offer, desired: Sequence[Quote], level: int) -> None:
        self._grid, self._settings = state.terms.grid, state.terms.settings
        self._state, self._offer, self._desired, self._level = state, offer, desired, level

    def explain(self, order: Quote | None) -> str:
        """Explain the order of the level, or that it has none."""
        level, offer, gap = self._level, self._offer, self._settings.gap_levels
        if level > offer.level:
            return self._explain_ask(order)
        if level == offer.level and offer.remainder:
            return self._explain_remainder(order)
        if level > offer.level - gap:
            return (
                f"it is left empty by the gap: what level {level} could buy is sold {gap} levels higher "
                f"(gap_levels = {gap}), so bids begin on level {max(0, offer.level - gap)}"
            )
        return self._explain_bid(order)

    def _explain_ask(self, order: Quote | None) -> str:
        offer, size = self._offer, self._settings.order_size
        first = max(0, offer.level + 1)
        if order is not None and order.side == "sell":
            return (
                f"the {plain(offer.token)} offered make {offer.full} whole orders of {plain(size)}, which fill the "
                f"levels {first} to {self._grid.n_orders - 1} from the top down, this one among them"
            )
        if self._is_windowed("sell"):
            return self._describe_window("sell")
        if size * self._grid.levels[self._level] < self._settings.min_notional:
            return self._describe_minimum(size)
        return "a whole order to sell belongs there, and the tokens for it are bound by orders without an answer"

    def _explain_remainder(self, order: Quote | None) -> str:
        offer, size, gap = self._offer, self._settings.order_size, self._settings.gap_levels
        left = f"{plain(offer.remainder)} of the {plain(offer.token)} offered are left for this level"
        begun = f"after {offer.full} whole orders {left}"
        if order is not None and order.side == "sell":
            kept = "" if gap else ", and no bid of ours rests on it"
            return f"{begun}{kept}: they are its ask"
        if order is not None and self._has_resting_bid():
            return (
                f"{begun}, but a bid of ours rests on it: a level changes side only once its order is filled whole, so "
                "the bid stays with what is left of it and those tokens wait"
            )
        if order is not None:
            why = "it was the bid's turn, or an ask of them is too small"
            return f"{begun}, and its bid is {plain(size)} less them: {why}"
        if self._is_windowed("sell"):
            return self._describe_window("sell")
        return f"{begun}; neither they nor the rest of an order are worth {plain(self._settings.min_notional)} quote"

    def _explain_bid(self, order: Quote | None) -> str:
        offer, size, gap = self._offer, self._settings.order_size, self._settings.gap_levels
        below = f"below level {offer.level}" if not gap else f"{gap} levels and more below level {offer.level}"
        begun = f"{offer.full} whole orders are for sale above, so the levels {below} buy"
        if order is not None and order.size == size:
            return f"{begun}, and the quote offered reaches down to this one"
        if order is not None and offer.remainder and self._level == offer.level - gap:
            return (
                f"{begun}; this bid pairs with the remainder's ask and is {plain(size)} less {plain(offer.remainder)}"
            )
        if order is not None:
            return (
                f"{begun}; the {plain(offer.quote)} quote offered are used up here, so this last bid is a smaller one"
            )
        if self._is_windowed("buy"):
            return self._describe_window("buy")
        bids = [quote.level_index for quote in self._desired if quote.side == "buy"]
        if size * self._grid.levels[self._level] < self._settings.min_notional:
            return self._describe_minimum(size)
        lowest = f"they reach down to level {min(bids)}" if bids else "they do not pay for one bid"
        return f"{begun}, but the {plain(offer.quote)} quote offered do not reach so far: {lowest}"

    def _has_resting_bid(self) -> bool:
        orders = self._state.recovered.order_state
        return orders.is_taken("buy", self._level)

    def _is_windowed(self, side: str) -> bool:
        most = self._settings.active_levels
        return most is not None and sum(quote.side == side for quote in self._desired) >= most

    def _describe_window(self, side: str) -> str:
        verb = "sell" if side == "sell" else "buy"
        return (
            f"it lies outside of the window: only the {self._settings.active_levels} levels nearest to the boundary "
            f"{verb} at once (active_levels)"
        )

    def _describe_minimum(self, size: Decimal) -> str:
        least = f"{plain(self._settings.min_notional)} quote, the least that the venue takes"
        return f"an order of {plain(size)} there is worth less than {least}"

"""Memory of refusals, a guard of the request budget. Pure: time is handed in.

What was refused is not sent again as it was at the next emit. From the second refusal alike on its level pauses, and
where more than five levels are refused alike, the kind of refusal pauses. A success clears it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from mm_trio.model.orders import OrderDiff, Quote, Side, TrackedOrder
from mm_trio.model.replies import WHOLE_BATCH, Answer, Filled, Refusal, Refused, Resting, Unknown
from mm_trio.refusals.pause import KindPause

__all__ = ["PauseNews", "RefusalMemory", "halve"]

_T = TypeVar("_T")

# Each of these has its own remedy: the budget its slot, the clock its comparison, and what was not sent no cost.
_NOT_REMEMBERED = frozenset({Refusal.BUDGET, Refusal.EXPIRED, Refusal.NONCE, Refusal.NOT_SENT})
# These refuse everything that is sent.
_OF_EVERYTHING = frozenset({Refusal.SIGNER, Refusal.BUILDER_FEE, Refusal.ASSET, Refusal.HALTED, Refusal.UPGRADE})


@dataclass(frozen=True, slots=True)
class PauseNews:
    """Beginning or end of a pause.

    `text` is the venue's. `lasted_s` is None at a beginning.
    """

    kind: Refusal
    n_levels: int
    text: str
    lasted_s: float | None = None


class RefusalMemory:
    """Pauses of all kinds of refusal.

    A level is remembered under one kind, that of its last refusal, so the memory is never larger than the ladder.
    """

    def __init__(self) -> None:
        self._n_emits = 0
        self._kinds: dict[Refusal, KindPause] = {}
        # Since when each kind pauses, as it was told.
        self._told_s: dict[Refusal, float] = {}
        # Sides that wait for balances to be read.
        self._unread: set[Side] = set()

    # --- Choice of items ----------------------------------------------------------------------------

    def choose(self, diff: OrderDiff, orders: Mapping[int, TrackedOrder], *, now_s: float) -> OrderDiff:
        """Leave out what has to wait; it counts as one emit.

        Cancels always pass.
        """
        self._n_emits += 1
        wanted = _from_inside_outwards([*(order for _, order in diff.modifies), *diff.places])
        for kind in self._kinds.values():
            kind.choose(wanted, now_s=now_s)
        self._drop_what_is_over()
        if not self._kinds and not self._unread:
            return diff
        return OrderDiff(
            [
                (oid, order)
                for oid, order in diff.modifies
                if not self.holds_back(order, now_s=now_s, instead_of=orders.get(oid))
            ],
            [order for order in diff.places if not self.holds_back(order, now_s=now_s)],
            diff.cancels,
        )

    def holds_back(self, order: Quote, *, now_s: float, instead_of: TrackedOrder | None = None) -> bool:
        """Check if an item has to wait, that replaces `instead_of`."""
        if order.side in self._unread and _needs_more(order, instead_of):
            return True
        return any(kind.holds_back(order, now_s=now_s, n_emits=self._n_emits) for kind in self._kinds.values())

    def is_split(self, answers: Sequence[Answer]) -> bool:
        """Check if a batch that was refused whole has to be split.

        Once more than five levels were refused for the same reason one by one, the rest waits for probes.
        """
        first = answers[0]
        if len(answers) < 2 or not isinstance(first, Refused) or first.refusal not in WHOLE_BATCH:
            return False
        kind = self._kinds.get(first.refusal)
        return first.untouched and (kind is None or not kind.is_whole)

    # --- Answers ------------------------------------------------------------------------------------

    def on_answers(self, quotes: Sequence[Quote], answers: Sequence[Answer], *, now_s: float) -> None:
        """Remember the answers to one action."""
        refused: dict[Refusal, tuple[str, list[Quote]]] = {}
        for quote, answer in zip(quotes, answers, strict=True):
            if isinstance(answer, Resting | Filled):
                for kind in self._kinds.values():
                    kind.on_success(quote.slot)
            elif (found := _find_refusal(answer)) is not None:
                refused.setdefault(found[0], (found[1], []))[1].append(quote)
        for refusal, (text, of_kind) in refused.items():
            for other, kind in self._kinds.items():
                if other is not refusal:
                    for quote in of_kind:
                        kind.forget(quote.slot)
            is_wide = refusal in _OF_EVERYTHING or isinstance(answers[0], Unknown)
            self._kinds.setdefault(refusal, KindPause()).on_refused(
                of_kind, text, is_wide=is_wide, now_s=now_s, n_emits=self._n_emits
            )
            if refusal is Refusal.BALANCE:
                self._unread.update(quote.side for quote in of_kind)
        self._drop_what_is_over()

    def on_balances_read(self, *, is_changed: bool) -> None:
        """Let the sides go on that waited for balances.

        With a changed ledger the plan is another one, so what was refused is tried again at once.
        """
        self._unread.clear()
        if is_changed and (kind := self._kinds.get(Refusal.BALANCE)) is not None:
            kind.try_again()

    # --- What is told -------------------------------------------------------------------------------

    @property
    def pausing(self) -> tuple[PauseNews, ...]:
        """Return the kinds that pause now."""
        return tuple(
            PauseNews(refusal, kind.n_levels, kind.text) for refusal, kind in self._kinds.items() if kind.is_pausing
        )

    def is_told(self, refusal: Refusal) -> bool:
        """Check if the operator knows that a kind pauses."""
        return refusal in self._told_s

    def take_news(self, *, now_s: float) -> tuple[PauseNews, ...]:
        """Return the pauses that began or ended since the last call."""
        pausing = {news.kind: news for news in self.pausing}
        began = [news for kind, news in pausing.items() if kind not in self._told_s]
        ended = [
            PauseNews(kind, 0, "", now_s - since_s) for kind, since_s in self._told_s.items() if kind not in pausing
        ]
        for news in began:
            self._told_s[news.kind] = now_s
        for news in ended:
            del self._told_s[news.kind]
        return (*began, *ended)

    def _drop_what_is_over(self) -> None:
        for refusal in [refusal for refusal, kind in self._kinds.items() if kind.is_over]:
            del self._kinds[refusal]


def halve(items: Sequence[_T], sides: Sequence[Side]) -> tuple[Sequence[_T], Sequence[_T]]:
    """Halve a batch, between its sides if it has both."""
    asks = [item for item, side in zip(items, sides, strict=True) if side == "sell"]
    if 0 < len(asks) < len(items):
        return asks, [item for item, side in zip(items, sides, strict=True) if side == "buy"]
    middle = len(items) // 2
    return items[:middle], items[middle:]


def _find_refusal(answer: Answer) -> tuple[Refusal, str] | None:
    """Find what an answer refuses, and the venue's words."""
    if isinstance(answer, Unknown) and answer.second is not None:
        answer = answer.second
    if isinstance(answer, Refused) and answer.refusal not in _NOT_REMEMBERED:
        return answer.refusal, answer.text
    if isinstance(answer, Unknown) and answer.says is not None:
        return Refusal.OTHER, answer.says
    return None


def _needs_more(order: Quote, present: TrackedOrder | None) -> bool:
    if present is None or present.side != order.side:
        return True
    if order.side == "sell":
        return order.size > present.size
    return order.size * order.price > present.size * present.price


def _from_inside_outwards(wanted: Iterable[Quote]) -> list[Quote]:
    """Sort items by their distance from the innermost wanted one of their side."""
    items = list(wanted)
    lowest_ask = min((order.level_index for order in items if order.side == "sell"), default=0)
    highest_bid = max((order.level_index for order in items if order.side == "buy"), default=0)

    def distance(order: Quote) -> tuple[int, str]:
        away = order.level_index - lowest_ask if order.side == "sell" else highest_bid - order.level_index
        return away, order.side

    return sorted(items, key=distance)

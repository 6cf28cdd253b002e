"""Pauses of every kind of refusal, and what is told of them. Pure: time is handed in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mm_trio.model.replies import Answer, Refusal, Refused, Unknown, find_refused
from mm_trio.refusals.pause import FIRST_PAUSE_S, Item, KindPause
from mm_trio.witness.signer_row import is_of_unknown_signer

__all__ = ["NOT_REMEMBERED", "KindPauses", "PauseNews", "find_refusal"]

# Each of these has its own remedy: the budget its slot, the clock its comparison, and what was not sent no cost.
NOT_REMEMBERED = frozenset({Refusal.BUDGET, Refusal.EXPIRED, Refusal.NONCE, Refusal.NOT_SENT})
# These refuse everything that is sent.
_OF_EVERYTHING = frozenset({Refusal.SIGNER, Refusal.BUILDER_FEE, Refusal.ASSET, Refusal.HALTED, Refusal.UPGRADE})
# Stale quotes may rest until it is known whether the key is lost, so that is asked soon.
_SIGNER_PAUSE_S = 1.0


@dataclass(frozen=True, slots=True)
class PauseNews:
    """Beginning or end of a pause.

    `what` is paused: "orders" or "cancels". `text` is the venue's. `lasted_s` is None at a beginning.
    """

    kind: Refusal
    n_items: int
    text: str
    lasted_s: float | None = None
    what: str = "orders"


class KindPauses:
    """Pauses of all kinds of refusal of orders, or of cancels.

    An item is remembered under one kind, that of its last refusal, so the memory is never larger than the ladder.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._n_emits = 0
        self._kinds: dict[Refusal, KindPause] = {}
        # Since when each kind pauses, as it was told.
        self._told_s: dict[Refusal, float] = {}

    def __bool__(self) -> bool:
        return bool(self._kinds)

    def choose(self, wanted: Sequence[Item], *, now_s: float) -> None:
        """Choose the probes among the wanted items, from the most wanted on; it counts as one emit."""
        self._n_emits += 1
        free = list(wanted)
        # An item that two kinds pause is sent if both choose it. What pauses everything chooses last.
        for kind in sorted(self._kinds.values(), key=lambda kind: kind.is_wide):
            kind.choose(wanted, free=free, now_s=now_s)
            free = [item for item in free if not kind.holds_back(item, now_s=now_s, n_emits=self._n_emits)]
        self._drop_what_is_over()

    def holds_back(self, item: Item, *, now_s: float) -> bool:
        """Check if an item has to wait."""
        return any(kind.holds_back(item, now_s=now_s, n_emits=self._n_emits) for kind in self._kinds.values())

    def is_whole(self, refusal: Refusal) -> bool:
        """Check if a kind pauses as a whole."""
        kind = self._kinds.get(refusal)
        return kind is not None and kind.is_whole

    def on_answers(self, items: Sequence[Item], answers: Sequence[Answer], *, now_s: float) -> frozenset[Refusal]:
        """Remember the answers to one action; return the kinds of refusal among them.

        An answer that is missing or that cannot be read proves nothing.
        """
        refused: dict[Refusal, tuple[str, list[Item]]] = {}
        for item, answer in zip(items, answers, strict=True):
            if (found := find_refusal(answer)) is not None:
                refused.setdefault(found[0], (found[1], []))[1].append(item)
            elif not isinstance(answer, Refused | Unknown):
                for kind in self._kinds.values():
                    kind.on_success(item)
        for refusal, (text, of_kind) in refused.items():
            for other, kind in self._kinds.items():
                if other is not refusal:
                    for item in of_kind:
                        kind.forget(item)
            is_wide = refusal in _OF_EVERYTHING or isinstance(answers[0], Unknown)
            kind = self._kinds.setdefault(refusal, _make_pause(refusal, text))
            kind.on_refused(of_kind, text, is_wide=is_wide, now_s=now_s, n_emits=self._n_emits)
        self._drop_what_is_over()
        return frozenset(refused)

    def try_again(self, refusal: Refusal) -> None:
        """Try again at once what was refused so: the cause has changed."""
        if (kind := self._kinds.get(refusal)) is not None:
            kind.try_again()

    @property
    def pausing(self) -> tuple[PauseNews, ...]:
        """Return the kinds that pause now."""
        return tuple(
            PauseNews(refusal, kind.n_items, kind.text, what=self._what)
            for refusal, kind in self._kinds.items()
            if kind.is_pausing
        )

    def is_told(self, refusal: Refusal) -> bool:
        """Check if the operator knows that a kind pauses."""
        return refusal in self._told_s

    def take_news(self, *, now_s: float) -> tuple[PauseNews, ...]:
        """Return the pauses that began or ended since the last call."""
        pausing = {news.kind: news for news in self.pausing}
        began = [news for kind, news in pausing.items() if kind not in self._told_s]
        ended = [
            PauseNews(kind, 0, "", now_s - since_s, self._what)
            for kind, since_s in self._told_s.items()
            if kind not in pausing
        ]
        for news in began:
            self._told_s[news.kind] = now_s
        for news in ended:
            del self._told_s[news.kind]
        return (*began, *ended)

    def _drop_what_is_over(self) -> None:
        for refusal in [refusal for refusal, kind in self._kinds.items() if kind.is_over]:
            del self._kinds[refusal]


def _make_pause(refusal: Refusal, text: str) -> KindPause:
    return KindPause(
        is_race=refusal is Refusal.GONE,
        is_inside_first=refusal is Refusal.OPEN_ORDERS,
        first_pause_s=_SIGNER_PAUSE_S if is_of_unknown_signer(refusal, text) else FIRST_PAUSE_S,
    )


def find_refusal(answer: Answer) -> tuple[Refusal, str] | None:
    """Find what an answer refuses, and the venue's words, if it is to be remembered."""
    if (refused := find_refused(answer)) is not None:
        return None if refused.refusal in NOT_REMEMBERED else (refused.refusal, refused.text)
    if isinstance(answer, Unknown) and answer.says is not None:
        return Refusal.OTHER, answer.says
    return None

"""Request weights and the weight limit per client address.

Pure: time and address are arguments. Source: docs *Rate limits and user limits*.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

__all__ = ["IpWeights", "weigh_action", "weigh_question", "weigh_rows"]

_MINUTE_MS = 60_000
_LIGHT = 2
_NORMAL = 20
_LIGHT_KINDS = frozenset(
    {
        "l2Book",
        "allMids",
        "clearinghouseState",
        "orderStatus",
        "spotClearinghouseState",
        "exchangeStatus",
    }
)
_BY_KIND = dict.fromkeys(_LIGHT_KINDS, _LIGHT) | {"userRole": 60}
_ROWS_PER_WEIGHT = {
    "candleSnapshot": 60,
    "recentTrades": 20,
    "historicalOrders": 20,
    "userFills": 20,
    "userFillsByTime": 20,
    "fundingHistory": 20,
    "userFunding": 20,
    "userNonFundingLedgerUpdates": 20,
    "twapHistory": 20,
    "userTwapSliceFills": 20,
    "userTwapSliceFillsByTime": 20,
    "delegatorHistory": 20,
    "delegatorRewards": 20,
}
_BATCHES = ("orders", "cancels", "modifies")
_BATCH_STEP = 40


def weigh_question(request: object) -> int:
    """Weigh a `/info` body before it is answered.

    An unreadable request weighs as much as an ordinary one.
    """
    kind = request.get("type") if isinstance(request, Mapping) else None
    return _BY_KIND.get(kind, _NORMAL) if isinstance(kind, str) else _NORMAL


def weigh_rows(request: object, answer: object) -> int:
    """Weigh the rows of an answer.

    The docs do not say whether an incomplete step counts; here it does not.
    """
    kind = request.get("type") if isinstance(request, Mapping) else None
    step = _ROWS_PER_WEIGHT.get(kind) if isinstance(kind, str) else None
    return len(answer) // step if step is not None and isinstance(answer, list) else 0


def weigh_action(request: object) -> int:
    """Weigh an `/exchange` body.

    It is one, plus one for every 40 items of a batch.
    """
    action = request.get("action") if isinstance(request, Mapping) else None
    batches = [action.get(name) for name in _BATCHES] if isinstance(action, Mapping) else []
    return 1 + max((len(batch) for batch in batches if isinstance(batch, list)), default=0) // _BATCH_STEP


class IpWeights:
    """Rolling weight of each client address over the last minute.

    `per_minute` None: no limit. Memory is bounded: an entry weighs at least one, so an address has at most `per_minute`
    of them, and an address that was silent for a minute is forgotten at the next request of any address.
    """

    def __init__(self, per_minute: int | None) -> None:
        self._per_minute = per_minute
        self._sent: dict[str, deque[tuple[int, int]]] = {}
        self._totals: dict[str, int] = {}

    def admit(self, ip: str, weight: int, *, now_ms: int) -> bool:
        """Charge a request; return False if it exceeds the limit.

        A refused request costs nothing: the venue's own rule is unknown, so this is decided here.
        Source: docs for the limit.
        """
        if self._per_minute is None:
            return True
        self._forget(now_ms)
        if self._totals.get(ip, 0) + weight > self._per_minute:
            return False
        self._add(ip, weight, now_ms)
        return True

    def charge(self, ip: str, weight: int, *, now_ms: int) -> None:
        """Add weight that only the answer revealed.

        The sum may then exceed the limit, and the next request is refused.
        """
        if self._per_minute is not None and weight:
            self._add(ip, weight, now_ms)

    def used(self, ip: str, *, now_ms: int) -> int:
        """Return the weight that `ip` used in the last minute."""
        self._forget(now_ms)
        return self._totals.get(ip, 0)

    def _add(self, ip: str, weight: int, now_ms: int) -> None:
        self._sent.setdefault(ip, deque()).append((now_ms, weight))
        self._totals[ip] = self._totals.get(ip, 0) + weight

    def _forget(self, now_ms: int) -> None:
        for ip in tuple(self._sent):
            sent = self._sent[ip]
            while sent and sent[0][0] <= now_ms - _MINUTE_MS:
                self._totals[ip] -= sent.popleft()[1]
            if not sent:
                del self._sent[ip], self._totals[ip]

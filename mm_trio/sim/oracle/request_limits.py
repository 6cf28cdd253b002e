"""Check request weight, connections, messages and items against limits."""

from __future__ import annotations

from collections import deque

from mm_trio.sim.base.judge import Judge

__all__ = ["RequestLimits", "SlidingSum"]

MOST_ITEMS = 100

# Request weights of one IP, and the limits per minute. Source: docs, Rate limits.
WEIGHTS = {"spot_user_state": 2, "query_order_by_oid": 2, "query_order_by_cloid": 2, "reopen_feed": 0, "subscribe": 0}
WEIGHTS |= {"ping": 0, "l2_snapshot": 2}
READ_WEIGHT = 20
ROWS_PER_WEIGHT = 20
MINUTE_S = 60.0
MOST_WEIGHT, MOST_CONNECTIONS, MOST_MESSAGES = 1200, 30, 2000


class SlidingSum:
    """Sum over the last minute, or over another time."""

    def __init__(self, lasts_s: float = MINUTE_S) -> None:
        self._lasts_s = lasts_s
        self._parts: deque[tuple[float, int]] = deque()
        self._sum = 0

    def add(self, now_s: float, amount: int) -> int:
        """Add an amount and return the sum with it."""
        self._parts.append((now_s, amount))
        self._sum += amount
        while self._parts[0][0] <= now_s - self._lasts_s:
            self._sum -= self._parts.popleft()[1]
        return self._sum


class RequestLimits:
    """S11, and S6 for the number of items, of one process."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._weight, self._connections, self._messages = SlidingSum(), SlidingSum(), SlidingSum()

    def check(self, method: str, n_items: int, *, now_s: float) -> None:
        """Count a call and check the limits with it."""
        if method == "reopen_feed":
            n = self._connections.add(now_s, 1)
            self._check("S11", "connections in a minute", n, MOST_CONNECTIONS)
        elif method in ("subscribe", "ping"):
            n = self._messages.add(now_s, 1)
            self._check("S11", "messages in a minute", n, MOST_MESSAGES)
        self._check("S6", f"items in {method}", n_items, MOST_ITEMS)
        own_weight = 1 + n_items // 40 if n_items else WEIGHTS.get(method, READ_WEIGHT)
        weight = self._weight.add(now_s, own_weight)
        self._check("S11", f"request weight in a minute with {method}", weight, MOST_WEIGHT)

    def find_used_weight(self, now_s: float) -> int:
        """Return the request weight of the last minute."""
        return self._weight.add(now_s, 0)

    def add_rows(self, n_rows: int, *, now_s: float) -> None:
        """Add the weight of the rows of an answer."""
        self._weight.add(now_s, n_rows // ROWS_PER_WEIGHT)

    def _check(self, rule: str, what: str, n: int, most: int) -> None:
        self._judge.check(rule, n <= most, lambda: f"{what}: {n}, at most {most} are allowed")

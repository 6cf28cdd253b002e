"""Request weight that the venue counts against an IP address, within the last minute.

Every question and every action of a maker is counted here, and whatever may wait asks here first. Cancels never wait.
Pure: times are handed in. Source: Hyperliquid docs, rate limits (IP-based limits).
"""

from __future__ import annotations

from collections import deque

__all__ = [
    "FOR_SHUTDOWN",
    "MOST_AT_ONCE",
    "WEIGHT_PER_MINUTE",
    "IpWeight",
    "find_weight",
    "find_weight_of_action",
    "find_weight_of_rows",
]

WEIGHT_PER_MINUTE = 1_200
# A minute, and a second for the way there.
WINDOW_S = 61.0
# Nothing that may wait uses this weight. What the rows of an answer cost is known after the question only, 100 for the
# most that there are; and cancels are sent whatever is left.
SLACK = 100
# One round of a shutdown: the open orders and the fills, or a reconciliation.
FOR_SHUTDOWN = 100
# What anybody can wait for: all of a minute's but those two.
MOST_AT_ONCE = WEIGHT_PER_MINUTE - SLACK - FOR_SHUTDOWN
_LIGHT = frozenset({"query_order_by_oid", "query_order_by_cloid", "spot_user_state", "l2_snapshot", "exchange_status"})
_HEAVY = frozenset({"user_role"})
_WEIGHTLESS = frozenset({"subscribe", "ping"})
_BY_ROWS = frozenset({"user_fills_by_time", "user_non_funding_ledger_updates"})
ROWS_A_WEIGHT = 20
ITEMS_A_WEIGHT = 40


def find_weight(method: str) -> int:
    """Find what a question costs, by its method of the SDK's `Info`."""
    if method in _HEAVY:
        return 60
    return 0 if method in _WEIGHTLESS else 2 if method in _LIGHT else 20


def find_weight_of_rows(method: str, answer: object) -> int:
    """Find what the rows of an answer cost on top."""
    return len(answer) // ROWS_A_WEIGHT if method in _BY_ROWS and isinstance(answer, list) else 0


def find_weight_of_action(n_items: int) -> int:
    """Find what an action costs, by the number of its items."""
    return 1 + n_items // ITEMS_A_WEIGHT


class IpWeight:
    """Weight used within the last minute.

    Of `keep` and of `SLACK` nothing is given away by `compute_wait_s`.
    """

    def __init__(self) -> None:
        self._used: deque[tuple[float, int]] = deque()
        self._sum = 0

    def __len__(self) -> int:
        """Count the requests that are remembered."""
        return len(self._used)

    def on_request(self, weight: int, *, now_s: float) -> None:
        """Count weight that was used."""
        # Older weight is forgotten here too, so that the memory stays bounded where nobody asks.
        self.used(now_s)
        if weight:
            self._used.append((now_s, weight))
            self._sum += weight

    def used(self, now_s: float) -> int:
        """Sum the weight within the minute before `now_s`."""
        while self._used and self._used[0][0] <= now_s - WINDOW_S:
            self._sum -= self._used.popleft()[1]
        return self._sum

    def compute_wait_s(self, weight: int, *, keep: int = FOR_SHUTDOWN, now_s: float) -> float:
        """Compute the seconds until so much more may be used.

        `keep`: weight to be left for what comes later and is more urgent.
        """
        missing = self.used(now_s) + weight - (WEIGHT_PER_MINUTE - SLACK - keep)
        wait_s = 0.0
        for used_s, freed in self._used:
            if missing <= 0:
                break
            missing -= freed
            wait_s = used_s + WINDOW_S - now_s
        return wait_s

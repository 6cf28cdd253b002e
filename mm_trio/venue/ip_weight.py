"""Request weight that the venue counts against an IP address, within the last minute.

Pure: times are handed in. Source: Hyperliquid docs, rate limits (IP-based limits).
"""

from __future__ import annotations

from collections import deque

__all__ = ["IpWeight", "find_weight", "find_weight_of_rows"]

WEIGHT_PER_MINUTE = 1_200
# A minute, and a second for the way there.
WINDOW_S = 61.0
_LIGHT = frozenset({"query_order_by_oid", "query_order_by_cloid", "spot_user_state", "l2_snapshot"})
_WEIGHTLESS = frozenset({"subscribe", "ping"})
_BY_ROWS = frozenset({"user_fills_by_time"})
ROWS_A_WEIGHT = 20


def find_weight(method: str) -> int:
    """Find what a question costs, by its method of the SDK's `Info`."""
    return 0 if method in _WEIGHTLESS else 2 if method in _LIGHT else 20


def find_weight_of_rows(method: str, answer: object) -> int:
    """Find what the rows of an answer cost on top."""
    return len(answer) // ROWS_A_WEIGHT if method in _BY_ROWS and isinstance(answer, list) else 0


class IpWeight:
    """Weight used within the last minute."""

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

    def compute_wait_s(self, weight: int, *, now_s: float) -> float:
        """Compute the seconds until so much more may be used."""
        missing = self.used(now_s) + weight - WEIGHT_PER_MINUTE
        wait_s = 0.0
        for used_s, freed in self._used:
            if missing <= 0:
                break
            missing -= freed
            wait_s = used_s + WINDOW_S - now_s
        return wait_s

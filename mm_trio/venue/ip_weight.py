"""What the venue counts against an IP address: weight within the last minute. Pure; times are handed in.

Source: Hyperliquid docs, rate limits (IP-based limits).
"""

from __future__ import annotations

from collections import deque

__all__ = ["IpWeight", "find_weight", "find_weight_of_rows"]

WEIGHT_PER_MINUTE = 1_200
WINDOW_S = 61.0  # a second for the way there
_LIGHT = frozenset({"query_order_by_oid", "query_order_by_cloid", "spot_user_state", "l2_snapshot"})
_WEIGHTLESS = frozenset({"subscribe", "ping"})
_BY_ROWS = frozenset({"user_fills_by_time"})
ROWS_A_WEIGHT = 20


def find_weight(method: str) -> int:
    """What a question of the SDK's `Info` costs, by the name of its method."""
    return 0 if method in _WEIGHTLESS else 2 if method in _LIGHT else 20


def find_weight_of_rows(method: str, answer: object) -> int:
    """What its answer costs on top."""
    return len(answer) // ROWS_A_WEIGHT if method in _BY_ROWS and isinstance(answer, list) else 0


class IpWeight:
    """The weight used within the last minute."""

    def __init__(self) -> None:
        self._used: deque[tuple[float, int]] = deque()
        self._sum = 0

    def __len__(self) -> int:
        """Count the requests that are remembered."""
        return len(self._used)

    def on_request(self, weight: int, *, now_s: float) -> None:
        """So much was used."""
        self.used(now_s)  # what is older is forgotten, also where nobody asks
        if weight:
            self._used.append((now_s, weight))
            self._sum += weight

    def used(self, now_s: float) -> int:
        """Within the minute before `now_s`."""
        while self._used and self._used[0][0] <= now_s - WINDOW_S:
            self._sum -= self._used.popleft()[1]
        return self._sum

    def compute_wait_s(self, weight: int, *, now_s: float) -> float:
        """Seconds until so much more may be used."""
        missing = self.used(now_s) + weight - WEIGHT_PER_MINUTE
        wait_s = 0.0
        for used_s, freed in self._used:
            if missing <= 0:
                break
            missing -= freed
            wait_s = used_s + WINDOW_S - now_s
        return wait_s

"""Request budget that the venue grants an address.

10,000 requests at the start and one more for each unit of quote traded; every order named in a batch counts
one. Once it is used up, the venue still takes one request in ten seconds, and cancels on a wider limit of
their own.
Source: Hyperliquid docs, rate limits (address-based limits, batched requests).
"""

from __future__ import annotations

from decimal import Decimal

from mm_trio.model.numbers import Number, to_decimal

__all__ = ["RateLimitBudget"]

INITIAL_REQUESTS = 10_000
# 10 s after the previous answer, and a second for the way there: 11.1 s gaps were accepted when measured.
SLOT_EVERY_S = 11.0


class RateLimitBudget:
    """Items sent, counted against volume traded.

    The venue's own numbers replace ours when it reports them.
    """

    def __init__(self) -> None:
        self.cum_vlm = Decimal(0)
        self.n_requests = 0
        # Never replaced by the venue's numbers.
        self.n_counted = 0
        self._refused = False
        self._n_refusals = 0
        self._slot_taken_s: float | None = None

    def __repr__(self) -> str:
        return f"<RateLimitBudget {self.remaining()} left, {self.n_requests} sent, {self.cum_vlm} traded>"

    def remaining(self) -> int:
        """Return how many items the budget covers.

        Zero or less: none.
        """
        left = INITIAL_REQUESTS + int(self.cum_vlm) - self.n_requests
        return min(left, 0) if self._refused else left

    def on_request(self, n: int = 1) -> None:
        """Count a batch of `n` items that was sent."""
        self.n_requests += n
        self.n_counted += n

    def on_fill(self, volume: Number) -> None:
        """Count a fill of ours worth `volume` in quote."""
        self.cum_vlm += to_decimal(volume)

    def on_refused(self, n: int) -> None:
        """Take back `n` items refused for want of budget.

        It charged nothing, and its count is the one that matters.
        """
        self.n_requests -= n
        self.n_counted -= n
        self._refused = True
        self._n_refusals += 1

    @property
    def n_refusals(self) -> int:
        """Return how often the venue refused something for want of budget."""
        return self._n_refusals

    def sync_from_exchange(self, cum_vlm: Number, n_requests: int, *, n_since: int = 0) -> None:
        """Take over the venue's own numbers, which may lack the `n_since` items counted since they were asked for."""
        self.cum_vlm = to_decimal(cum_vlm)
        self.n_requests = n_requests + n_since
        self._refused = False

    def slot_is_free(self, now_s: float) -> bool:
        """Return whether the venue takes one item regardless.

        It does so now and then although the budget is used up.
        """
        return self._slot_taken_s is None or now_s - self._slot_taken_s >= SLOT_EVERY_S

    def on_slot_taken(self, now_s: float) -> None:
        """Note that one item used the slot.

        Its answer came at `now_s`.
        """
        self._slot_taken_s = now_s

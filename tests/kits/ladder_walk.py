"""HIP-2's ladder in a market of numbers, to check formulas of income against: its rule alone, nothing of the maker.

Sizes are in orders, prices in steps above level 0, so that a gain is in (orders * steps). The rule is written here a
second time on purpose: what is checked by it must not share its mistakes.
"""

from __future__ import annotations

from random import Random

__all__ = ["Ladder", "count_arbitrage", "swing"]

DUST = 1e-9


class Ladder:
    """HIP-2's ladder of `n` levels with `tokens` orders' worth of tokens, and quote enough."""

    def __init__(self, n: int, tokens: float) -> None:
        self.n, self.tokens, self.cash = n, tokens, 0.0
        self.orders: list[tuple[str, float]] = [("", 0.0)] * n
        self.update()

    def update(self) -> None:
        """Make the levels whole, and leave a bid on the remainder's level as it is."""
        full = int(self.tokens + DUST)
        part = max(0.0, self.tokens - full)
        level = self.n - full - 1
        for i in range(level):
            self.orders[i] = ("bid", 1.0)
        for i in range(level + 1, self.n):
            self.orders[i] = ("ask", 1.0)
        side, size = self.orders[level]
        if part < DUST:
            self.orders[level] = ("bid", 1.0)
        elif not (side == "bid" and size > DUST):
            self.orders[level] = ("ask", part)

    def take(self, side: str, amount: float) -> None:
        """Let a taker trade with all orders of a side, the best first."""
        for i in range(self.n) if side == "ask" else range(self.n - 1, -1, -1):
            resting, size = self.orders[i]
            if resting == side and amount > 0:
                filled = min(size, amount)
                amount -= filled
                self.orders[i] = (side, size - filled if size - filled > DUST else 0.0)
                self.tokens += -filled if side == "ask" else filled
                self.cash += filled * i if side == "ask" else -filled * i


def swing(swing_size: float, *, taker: float, rng: Random, starts: int, n_swings: int) -> float:
    """Return the gross gain of swings there and back, in steps of their volume.

    Takers of one size buy `swing_size` orders and sell them again, `n_swings` times from each of `starts` places inside
    a tranche that are drawn evenly. The ladder updates after each of them.
    """
    gain = 0.0
    n_takers = round(swing_size / taker)
    for _ in range(starts):
        ladder = Ladder(16, 8 + rng.random())
        for _ in range(n_swings):
            for side in ("ask", "bid"):
                for _ in range(n_takers):
                    ladder.take(side, taker)
                    ladder.update()
        gain += ladder.cash
    return gain / (starts * n_swings * 2 * n_takers * taker)


def count_arbitrage(*, step: int, gap: int, taker_fee: int, n_moves: int, rng: Random) -> int:
    """Count whole orders that arbitrageurs take while an outside price walks, all in bps.

    The price moves one bp at a time. An arbitrageur takes an ask when the price is his fee above it, and a bid when it
    is his fee below. The order sold at level i is bought back at level i - gap.
    """
    price, fills, sold = 0, 0, 0
    for _ in range(n_moves):
        price += 1 if rng.getrandbits(1) else -1
        # `sold` orders were sold, so the next ask is level `sold`, and the next bid buys back the last one.
        while price >= sold * step + taker_fee:
            sold, fills = sold + 1, fills + 1
        while price <= (sold - 1 - gap) * step - taker_fee:
            sold, fills = sold - 1, fills + 1
    return fills

"""Market whose price follows a path: the book of others, and who trades to that price.

Nobody in it looks at the maker's ladder: others quote around their own price, arbitrageurs take whatever is beyond it,
and takers come by chance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_UP, Context, Decimal
from math import exp, sqrt
from random import Random
from typing import Never

import trio

from mm_trio.sandbox import Deposit, Gateway, NewOrder, Pair, PlaceOrders, ReserveRequestWeight
from mm_trio.sim.actors.other_traders import cancel_all

__all__ = ["MovingMarket", "OthersBook", "PricePath"]

OTHERS, ARBITRAGEUR, PASSER = ("0x" + "0e" * 20, "0x" + "a4" * 20, "0x" + "9a" * 20)
PLENTY = Decimal(10) ** 12
MANY_REQUESTS = 10**8
# Most digits of a price at the venue, and most decimals of a price and a size together.
FIGURES, DECIMALS = 5, 8
STEP_S = 5.0
# Others quote anew when the price has moved by so much, and now and then to fill up what was taken.
REQUOTE_BY, REQUOTE_EVERY_S = 0.0005, 30.0
# Of the price around its path: as much in the long run, and how fast it comes back.
NOISE, NOISE_S = 0.005, 600.0
# Nobody who comes by chance pays more than so much beyond the price.
PASSERS_PAY = Decimal("0.01")
# The venue's least order, and a little more; and less than its largest.
LEAST_WORTH, MOST_WORTH = Decimal(11), Decimal(4_500_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class OthersBook:
    """What others offer: rows of (ratio to the price, size in base), best first."""

    bids: tuple[tuple[Decimal, Decimal], ...] = ()
    asks: tuple[tuple[Decimal, Decimal], ...] = ()


class PricePath:
    """Price of the others over a run.

    `points` are (share of the run, natural logarithm of the ratio to `start`), joined by straight lines, with noise
    that comes back to them. `highest` is never passed.
    """

    def __init__(
        self,
        points: Sequence[tuple[float, float]],
        *,
        start: Decimal,
        duration_s: float,
        rng: Random,
        highest: Decimal | None = None,
    ) -> None:
        self._points = points
        self._start = float(start)
        self._duration_s = duration_s
        self._rng = rng
        self._highest = Decimal("Infinity") if highest is None else highest
        self._noise = 0.0

    def step(self, now_s: float, *, passed_s: float) -> Decimal:
        """Return the price now; `passed_s` since the last step."""
        pull = min(1.0, passed_s / NOISE_S)
        self._noise += -pull * self._noise + NOISE * sqrt(2 * pull) * self._rng.gauss(0.0, 1.0)
        drift = self._find_drift(now_s / self._duration_s)
        return min(self._highest, Decimal(repr(self._start * exp(drift + self._noise))))

    def _find_drift(self, share: float) -> float:
        earlier, value = self._points[0]
        share = max(share, earlier)
        for later, next_value in self._points[1:]:
            if share < later:
                return value + (next_value - value) * (share - earlier) / (later - earlier)
            earlier, value = later, next_value
        return value


class MovingMarket:
    """Everybody but the maker.

    `taker_size` is the mean of the orders that come by chance, in base; `pause_s` lies between them on average.
    """

    def __init__(
        self,
        gateway: Gateway,
        pair: Pair,
        *,
        path: PricePath,
        book: OthersBook,
        taker_size: Decimal,
        pause_s: float,
        rng: Random,
    ) -> None:
        self._gateway, self._pair = gateway, pair
        self._path, self._book = path, book
        self._taker_size, self._pause_s = taker_size, pause_s
        self._rng = rng
        self._lot = Decimal(1).scaleb(-pair.base.sz_decimals)
        self._taker_fee = gateway.exchange.taker_fee
        self._quoted = (Decimal(0), float("-inf"))
        self.price = Decimal(0)
        for address in (OTHERS, ARBITRAGEUR, PASSER):
            for token in (pair.base, pair.quote):
                gateway.apply(Deposit(address, token.index, PLENTY))
            gateway.apply(ReserveRequestWeight(address, MANY_REQUESTS))

    def open(self) -> None:
        """Begin at the start of the path, before anybody else acts."""
        self._move(passed_s=0.0)

    async def move_forever(self) -> Never:
        """Move the price along its path."""
        while True:
            await trio.sleep(STEP_S)
            self._move(passed_s=STEP_S)

    async def take_forever(self) -> Never:
        """Let takers come by chance, as many on each side."""
        while True:
            await trio.sleep(self._rng.expovariate(1 / self._pause_s))
            is_buy = self._rng.random() < 0.5
            size = self._taker_size * Decimal(repr(self._rng.expovariate(1.0)))
            beyond = 1 + PASSERS_PAY if is_buy else 1 - PASSERS_PAY
            self._take(PASSER, is_buy=is_buy, limit=self.price * beyond, most=size)

    def _move(self, *, passed_s: float) -> None:
        now_s = trio.current_time()
        self.price = self._path.step(now_s, passed_s=passed_s)
        # What is left after the fee of a taker.
        for is_buy, limit in ((True, self.price / (1 + self._taker_fee)), (False, self.price * (1 + self._taker_fee))):
            self._take(ARBITRAGEUR, is_buy=is_buy, limit=limit, most=None)
        quoted, quoted_s = self._quoted
        if now_s - quoted_s >= REQUOTE_EVERY_S or abs(float(self.price / quoted) - 1) >= REQUOTE_BY:
            self._quote()

    def _take(self, address: str, *, is_buy: bool, limit: Decimal, most: Decimal | None) -> None:
        """Take what rests up to a price; `most` in base, None: all of it."""
        book = self._gateway.exchange.book(self._pair.name)
        rows = book.asks if is_buy else book.bids
        within = [row for row in rows if (row.price <= limit if is_buy else row.price >= limit)]
        if not within:
            return
        worst = within[-1].price
        size = sum((row.size for row in within), Decimal(0))
        if most is not None:
            size = min(size, max(most, LEAST_WORTH / worst))
        size = min(size, MOST_WORTH / worst).quantize(self._lot, rounding=ROUND_UP)
        self._gateway.apply(PlaceOrders(address, (NewOrder(self._pair.asset, is_buy, worst, size, "Ioc"),)))

    def _quote(self) -> None:
        """Let others quote around the price; what would meet the maker's orders is refused."""
        cancel_all(self._gateway, self._pair, OTHERS)
        sides = ((True, self._book.bids), (False, self._book.asks))
        orders = [self._make_order(is_buy, ratio, size) for is_buy, rows in sides for ratio, size in rows]
        for order in orders:
            # One by one: a batch is refused whole for one order that is too small.
            self._gateway.apply(PlaceOrders(OTHERS, (order,)))
        self._quoted = (self.price, trio.current_time())

    def _make_order(self, is_buy: bool, ratio: Decimal, size: Decimal) -> NewOrder:
        price = self._round(self.price * ratio, is_buy=is_buy)
        least = (LEAST_WORTH / price).quantize(self._lot, rounding=ROUND_UP)
        return NewOrder(self._pair.asset, is_buy, price, max(size, least), "Alo")

    def _round(self, price: Decimal, *, is_buy: bool) -> Decimal:
        """Round to a price that the venue takes, away from the middle."""
        rounding = ROUND_DOWN if is_buy else ROUND_UP
        figures = Context(prec=FIGURES, rounding=rounding).plus(price)
        unit = Decimal(1).scaleb(self._pair.base.sz_decimals - DECIMALS)
        return max(unit, figures.quantize(unit, rounding=rounding))

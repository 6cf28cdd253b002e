"""The account's other users: its owner and a second strategy.

The owner trades, cancels, deposits and withdraws.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from random import Random
from typing import Never

import trio

from mm_trio.sandbox import (
    Answered,
    CancelByOid,
    Deposit,
    Effect,
    FaultKind,
    Gateway,
    HoldElsewhere,
    ItemError,
    NewOrder,
    PlaceOrders,
    Refused,
    ReserveRequestWeight,
    Withdraw,
)
from mm_trio.sim.actors.other_traders import RIVAL, TAKER, cancel_all
from mm_trio.sim.base.fault_counter import FaultCounter
from mm_trio.sim.grids.grid import Grid
from mm_trio.sim.oracle.venue_view import OWN_PREFIX, is_own

__all__ = ["AccountOwner"]

PER_ACTION = 200
# Bought back when faults end.
REQUESTS = 40_000


class AccountOwner:
    """Actions on the maker's account by others than the maker.

    Where it has several grids, each act is on one of them by chance.
    """

    def __init__(self, gateway: Gateway, grids: Sequence[Grid], address: str, fault_counter: FaultCounter) -> None:
        self._gateway = gateway
        self._grids = tuple(grids)
        self._address = address
        self._fault_counter = fault_counter
        self._has_spent_budget = False
        # Token and amount that were paid in for a while.
        self._lent: tuple[int, Decimal] | None = None

    async def act_forever(self, rng: Random, kind: FaultKind) -> Never:
        """Do one kind of owner's action at random times."""
        acts = {
            FaultKind.MANUAL_ORDER: self._place,
            FaultKind.MANUAL_CANCEL: self._cancel,
            FaultKind.DEPOSIT: self.deposit,
            FaultKind.WITHDRAWAL: self._withdraw,
            FaultKind.BUDGET_EXHAUSTED: self._spend_budget,
            FaultKind.HELD_ELSEWHERE: self._hold_elsewhere,
        }
        while True:
            await trio.sleep(rng.expovariate(self._fault_counter.rate(kind)))
            if self._fault_counter.is_on and acts[kind](rng):
                self._fault_counter.count(kind)

    async def second_strategy_forever(self, rng: Random) -> Never:
        """Keep an order or two on a pair, moving them.

        They carry cloids of another prefix, or none.
        """
        while True:
            await trio.sleep(rng.expovariate(1 / 25))
            self._cancel_foreign()
            cloid = None if rng.random() < 0.5 else f"0x{rng.getrandbits(120):032x}"
            self._place(rng, cloid=cloid)

    def clean_up(self) -> None:
        """Cancel foreign and rival orders, and restore the request budget."""
        self._cancel_foreign()
        for grid in self._grids:
            cancel_all(self._gateway, grid.pair, RIVAL)
        if self._has_spent_budget:
            self._gateway.apply(ReserveRequestWeight(TAKER, REQUESTS, destination=self._address))

    def _cancel_foreign(self) -> None:
        for grid in self._grids:
            cancel_all(self._gateway, grid.pair, self._address, spare_prefix=OWN_PREFIX)

    def _choose_grid(self, rng: Random) -> Grid:
        """Choose a grid; the only one takes no random number."""
        return self._grids[0] if len(self._grids) == 1 else rng.choice(self._grids)

    # --- The owner's actions ---

    def _place(self, rng: Random, *, cloid: str | None = None) -> bool:
        grid = self._choose_grid(rng)
        price, is_buy = rng.choice(grid.levels), rng.random() < 0.5
        size = (12 / price).quantize(_find_lot(grid)) + _find_lot(grid)
        tif = rng.choice(("Alo", "Gtc", "Ioc"))
        order = NewOrder(grid.pair.asset, is_buy, price, size, tif, cloid)  # type: ignore[arg-type]
        return _was_done(self._gateway.apply(PlaceOrders(self._address, (order,))))

    def _cancel(self, rng: Random) -> bool:
        own = [o for o in self._gateway.exchange.open_orders(self._address) if is_own(o.cloid)]
        if not own:
            return False
        order = rng.choice(own)
        cancel = CancelByOid(self._address, ((order.asset, order.oid),))
        return _was_done(self._gateway.apply(cancel))

    def deposit(self, rng: Random) -> bool:
        """Pay in some of one token."""
        token, amount = self._draw_transfer(rng)
        self._gateway.apply(Deposit(self._address, token, amount))
        return True

    def lend(self, rng: Random) -> bool:
        """Pay in some of one token, or take out what was paid in here.

        Returns whether something was paid in.
        """
        if self._lent is not None:
            self._gateway.apply(Withdraw(self._address, *self._lent))
            self._lent = None
            return False
        self._lent = self._draw_transfer(rng)
        self._gateway.apply(Deposit(self._address, *self._lent))
        return True

    def _withdraw(self, rng: Random) -> bool:
        token, amount = self._draw_transfer(rng)
        free = self._gateway.exchange.account(self._address).available(token)
        amount = min(amount, free)
        return amount > 0 and not any(
            isinstance(effect, Refused) for effect in self._gateway.apply(Withdraw(self._address, token, amount))
        )

    def _hold_elsewhere(self, rng: Random) -> bool:
        """Hold some of one token as margin, or free what is held.

        What is held when the faults end stays held.
        """
        token, amount = self._draw_transfer(rng)
        before = self._gateway.exchange.account(self._address).elsewhere(token)
        self._gateway.apply(HoldElsewhere(self._address, token, rng.choice((Decimal(0), amount, 5 * amount))))
        return self._gateway.exchange.account(self._address).elsewhere(token) != before

    def _draw_transfer(self, rng: Random) -> tuple[int, Decimal]:
        grid, worth = self._choose_grid(rng), Decimal(rng.randint(5, 300))
        if rng.random() < 0.5:
            return grid.pair.quote.index, worth
        return grid.pair.base.index, (worth / grid.levels[0]).quantize(_find_lot(grid))

    # --- The request budget ---

    def _spend_budget(self, rng: Random) -> bool:
        """Use up the request budget by cancelling unknown orders."""
        account = self._gateway.exchange.account(self._address)
        n_left = account.request_cap - account.n_requests - rng.choice((0, 0, 7, 60))
        if n_left <= 0:
            return False
        asset = self._grids[0].pair.asset
        while n_left > 0:
            n = min(n_left, PER_ACTION)
            self._gateway.apply(CancelByOid(self._address, tuple((asset, i) for i in range(1, n + 1))))
            n_left -= n
        self._has_spent_budget = True
        return True


def _find_lot(grid: Grid) -> Decimal:
    return Decimal(1).scaleb(-grid.pair.base.sz_decimals)


def _was_done(effects: tuple[Effect, ...]) -> bool:
    answer = effects[0] if effects else None
    return isinstance(answer, Answered) and not any(isinstance(status, ItemError) for status in answer.statuses)

"""Grids that come and go while others quote."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import trio

from mm_trio.engine.grid_assembly import (
    Basis,
    Common,
    GridBasis,
    GridCore,
    GridTerms,
    Knowledge,
    draw_epoch,
    find_facts,
    make_grid,
)
from mm_trio.grids.grid import Grid
from mm_trio.grids.shared_funds import SharedFunds
from mm_trio.journal.replay import replay
from mm_trio.model.errors import ConfigError
from mm_trio.model.journal_entries import Entry
from mm_trio.model.market import Market
from mm_trio.sending.absent_coins import AbsentCoins
from mm_trio.sending.account_limits import AccountLimitGuard

__all__ = ["GridJoiner"]


@dataclass(frozen=True, slots=True)
class GridJoiner:
    """What makes a grid one of those that an account has already, and takes it out again.

    `made` and `grids` are the lists that the account's parts read, `dormant` the entries of ledgers that no grid keeps
    now, which a checkpoint repeats.
    """

    basis: Basis
    made: list[GridCore]
    grids: list[Grid]
    make_core: Callable[[GridBasis], GridCore]
    common: Common
    funds: SharedFunds
    dormant: dict[str, tuple[Entry, ...]]
    absent: AbsentCoins

    def join(self, terms: GridTerms, blank: Knowledge, market: Market) -> Grid:
        """Make a grid beside the others. Errors: ConfigError where it cannot be one."""
        if not self.common.account.gateway.sign_for(market.coin):
            raise ConfigError(f"{market.coin} is not known to this process; a pair that is so new needs a new start")
        taken = set().union(*(core.state.ownership.epochs for core in self.made))
        has_journal = self.basis.seams.journal is not None
        recovered = None
        if has_journal:
            earlier = self.dormant.get(market.coin, ())
            size, wall_ms = terms.settings.quoting.order_size, self.basis.clock.earliest_ms()
            recovered = replay(earlier, order_size=size, now_s=trio.current_time(), wall_ms=wall_ms)
            blank = blank if recovered.is_new else blank.with_ledger(recovered)
        facts = find_facts(market, network=self.basis.seams.network, rates={})
        epoch = draw_epoch(self.basis.seams.rng, taken=taken)
        core = self.make_core(GridBasis(terms, market, blank, recovered, epoch, facts))
        self.funds.join(core.state)
        core.events.start_telling(partial(self.funds.on_booked, core.state))
        grid = make_grid(self.basis, core, self.common)
        self.dormant.pop(market.coin, None)
        self.absent.leave(market.coin)
        self.basis.coins.add(market.coin)
        self.made.append(core)
        self.grids.append(grid)
        if isinstance(limits := self.common.account.stops.limits, AccountLimitGuard):
            limits.join(core.state, core.stops.limits)
        return grid

    def leave(self, grid: Grid) -> None:
        """Take out a grid that rests nothing any more."""
        coin = grid.coin
        # One that failed at its start may have booked fills there.
        self.dormant[coin] = grid.summarise(is_over=True) or ()
        self.basis.coins.discard(coin)
        self.made[:] = [core for core in self.made if core.state.market.coin != coin]
        self.grids[:] = [each for each in self.grids if each is not grid]
        self.common.shares.forget(coin)
        self.funds.leave(coin)
        if isinstance(limits := self.common.account.stops.limits, AccountLimitGuard):
            limits.leave(grid.state)

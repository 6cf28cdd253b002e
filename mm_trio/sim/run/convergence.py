"""Compare the maker with what the oracle expects of it, grid by grid and as a whole.

It looks at the open orders and at what the maker believes.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Never

import trio

from mm_trio.engine.grid_face import GridFace
from mm_trio.sim.actors.maker_process import MakerProcess
from mm_trio.sim.grids.grid import Grid
from mm_trio.sim.oracle.venue_view import is_own
from mm_trio.sim.run.grid_check import LEVEL_POLL_S, GridCheck
from mm_trio.sim.run.process_rules import POLL_S
from mm_trio.sim.run.process_starter import MAKER
from mm_trio.sim.run.world import World

__all__ = ["ConvergenceCheck"]

# A level may be empty for two ticks. The answer to a fill takes so many round trips, a reconciliation in between too.
EMPTY_POLL_S, EMPTY_TICKS, EMPTY_TRIPS = 0.5, 2, 16
MANY_REQUESTS = 100
# Time in which the maker notices that a message was late.
LATE_S = 1.0


class ConvergenceCheck:
    """Checks of a world that change nothing in it."""

    def __init__(self, world: World) -> None:
        self._world = world
        is_alone = world.scenario.n_grids == 1
        self._checks = tuple(
            GridCheck(
                grid,
                judge=world.judge if is_alone else world.judge.of_grid(grid.coin),
                has_faults=bool(world.scenario.rates),
                is_alone=is_alone,
            )
            for grid in world.all_grids
        )
        # Whether the book has settled in calm.
        self.is_settled = False

    @property
    def grids(self) -> tuple[GridCheck, ...]:
        """Return the checks of the grids that are configured now."""
        return tuple(check for check in self._checks if check.grid.is_configured)

    async def poll_forever(self) -> Never:
        """Check what need not be checked after every step."""
        n_polls = 0
        while True:
            await trio.sleep(LEVEL_POLL_S)
            n_polls += 1
            if (process := self._world.process) is not None:
                are_faults_on = bool(self._world.scenario.rates) and self._world.fault_counter.is_on
                for check in self._checks:
                    check.check_levels(process, are_faults_on=are_faults_on)
                if n_polls % int(POLL_S / LEVEL_POLL_S) == 0:
                    self._world.process_rules.poll(process)

    async def poll_empty_levels_forever(self) -> Never:
        """Check L8 in seeds without faults, and in calm.

        Faults, foreign orders, and a maker that ends are other reasons for an empty level.
        """
        scenario = self._world.scenario
        trips_s = EMPTY_TRIPS * (scenario.there_s + scenario.back_s + scenario.disk_s)
        most_s = EMPTY_TICKS * scenario.tuning["interval_s"] + scenario.frame_s + trips_s
        while True:
            await trio.sleep(EMPTY_POLL_S)
            is_alone = self.is_settled or not (scenario.rates or scenario.has_second_strategy)
            may_judge = is_alone and not self._world.is_ending
            for check in self._checks:
                check.check_empty_levels(self._world.process, may_judge=may_judge, most_s=most_s)

    def check_view(self) -> None:
        """Check that the oracle's view matches the venue.

        If it does not, the oracle is wrong.
        """
        open_orders = self._world.exchange.open_orders(MAKER)
        for grid in self._world.all_grids:
            truth = {o.oid: o.size for o in open_orders if o.coin == grid.coin and is_own(o.cloid)}
            self._world.judge.check(
                "SIM",
                truth == grid.view.book(),
                lambda g=grid, t=truth: f"the oracle's view of {g.coin} is {g.view.book()}, the venue has {t}",  # type: ignore[misc]
            )

    # --- Settled or not ---

    def find_unsettled(self) -> str | None:
        """Describe what has not settled in calm yet.

        Returns None if the maker quotes the expected books and knows that it does.
        """
        process = self._world.process
        if process is None or not process.is_quoting:
            return "no maker is quoting"
        socket = process.info.ws_manager
        if socket.silent or socket.pong_only or not socket.is_alive():
            return "its socket is still broken"
        if trio.current_time() <= self._world.frames.late_until_s + LATE_S:
            return "a late frame is still travelling"
        return (
            self._find_first(lambda check: check.find_unsettled(process))
            or self._find_budget_error(process.maker)
            or self._find_account_error(process)
            or self.find_ledger_error(process)
            or self.find_book_error(process)
        )

    def _find_budget_error(self, maker: GridFace) -> str | None:
        """Check L1: the maker knows its remaining request budget.

        Recent volume and requests that have just arrived late are tolerated.
        """
        account, believed = self._world.exchange.account(MAKER), maker.rate_limit.remaining()
        left = account.request_cap - account.n_requests
        is_right = believed <= left + MANY_REQUESTS and (believed > 0 or left < MANY_REQUESTS)
        return None if is_right else f"the maker believes that {believed} requests remain, {left} remain"

    def _find_account_error(self, process: MakerProcess) -> str | None:
        """Check L1, or S30 with several grids: the maker knows what it may offer of the account.

        Otherwise it would try what the account cannot pay for.
        """
        halted = process.find_halted()
        shown = {coin: _find_account(face) for coin, face in process.faces.items() if coin not in halted}
        if self._world.scenario.n_grids > 1:
            return self._world.account_rules.find_shown_error(shown)
        wallet, pair = self._world.exchange.account(MAKER), self._world.pair
        held, believed = (wallet.usable(pair.base.index), wallet.usable(pair.quote.index)), _find_account(process.maker)
        return None if believed == held else f"the maker believes that the account holds {believed}, it holds {held}"

    def find_ledger_error(self, process: MakerProcess) -> str | None:
        """Check S5: each ledger equals the expected one."""
        return self._find_first(lambda check: check.find_ledger_error(process))

    def find_book_error(self, process: MakerProcess) -> str | None:
        """Check L1: each book is the expected HIP-2 book."""
        return self._find_first(lambda check: check.find_book_error(process))

    def find_waiting(self, process: MakerProcess) -> list[Grid]:
        """Find the grids that lack an order."""
        return [check.grid for check in self.grids if check.is_waiting(process)]

    def _find_first(self, find: Callable[[GridCheck], str | None]) -> str | None:
        """Return the first text, naming the grid where there are several."""
        for check in self._checks:
            if (text := find(check)) is not None:
                return text if self._world.scenario.n_grids == 1 else f"{check.grid.coin}: {text}"
        return None


def _find_account(face: GridFace) -> tuple[Decimal | None, Decimal | None]:
    return face.inventory.account_token, face.inventory.account_usdc

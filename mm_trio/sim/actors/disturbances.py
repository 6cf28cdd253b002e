"""Start the other actors and the faults on a clock.

These are takers, rivals, the account's other users, the network and the venue.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from random import Random
from typing import Never

import trio

from mm_trio.sandbox import DelistPair, FaultKind, Gateway, Pair, RefuseOrders, RelistPair, SetPostOnly, draw_refusal
from mm_trio.sim.actors.account_owner import AccountOwner
from mm_trio.sim.actors.maker_process import MakerProcess
from mm_trio.sim.actors.other_traders import halve_price, rival_forever, take_forever
from mm_trio.sim.base.crash_points import Crash
from mm_trio.sim.base.fault_counter import FaultCounter
from mm_trio.sim.base.machine_clock import MachineClock
from mm_trio.sim.base.random_streams import split
from mm_trio.sim.base.scenario import Scenario
from mm_trio.sim.base.trace import Trace
from mm_trio.sim.grids.grid import Grid
from mm_trio.sim.network.frame_delivery import FrameDelivery
from mm_trio.sim.network.venue import SimVenue

__all__ = ["Disturbances"]

SOCKET_FAULTS = (FaultKind.SOCKET_CLOSED, FaultKind.SOCKET_DROPPED, FaultKind.SOCKET_SILENT, FaultKind.PONG_ONLY)
OWNER_FAULTS = (
    FaultKind.MANUAL_ORDER,
    FaultKind.MANUAL_CANCEL,
    FaultKind.DEPOSIT,
    FaultKind.WITHDRAWAL,
    FaultKind.BUDGET_EXHAUSTED,
    FaultKind.HELD_ELSEWHERE,
)
REPLICAS = (
    "open_orders",
    "spot_user_state",
    "user_fills_by_time",
    "query_order_by_oid",
    "query_order_by_cloid",
    "user_rate_limit",
)
# Duration of a revoked agent, of a delisting, and of the post-only period after an upgrade.
LASTS_S = (3.0, 30.0)
# Duration of a cause for which orders are refused.
REFUSED_S = (20.0, 120.0)


class Disturbances:
    """Actors and faults that run until the calm phase.

    `process` returns the current maker process. Takers and rivals come to each of the `grids`.
    """

    def __init__(
        self,
        scenario: Scenario,
        *,
        venue: SimVenue,
        frames: FrameDelivery,
        grids: Sequence[Grid],
        owner: AccountOwner,
        fault_counter: FaultCounter,
        trace: Trace,
        process: Callable[[], MakerProcess | None],
        machine: MachineClock,
        address: str,
    ) -> None:
        self._scenario = scenario
        self._venue = venue
        self._gateway: Gateway = venue.gateway
        self._frames = frames
        self._grids = tuple(grids)
        # The pair that is not listed now.
        self._delisted: Pair | None = None
        self._delistings = split(scenario.seed, "delisted pairs")
        self._spoilings = split(scenario.seed, "coins that cannot be read")
        self._owner = owner
        self._fault_counter = fault_counter
        self._trace = trace
        self._process = process
        self._machine = machine
        self._address = address
        self._scope = trio.CancelScope()
        self._texts = split(scenario.seed, "texts of refusals")
        # Whether orders of the maker are refused for a cause that lasts.
        self.is_refusing = False
        switches: dict[FaultKind, Callable[[bool], None]] = {
            FaultKind.AGENT_REVOKED: partial(self._lose_key, FaultKind.AGENT_REVOKED),
            FaultKind.DELISTED: self._delist,
            FaultKind.UPGRADE: self._upgrade,
            FaultKind.REFUSED_FOR_GOOD: self._refuse,
            FaultKind.COIN_GARBLED: self._spoil_coin,
        }
        self._switches = {kind: switch for kind, switch in switches.items() if scenario.rates.get(kind)}

    async def disturb_forever(self) -> None:
        """Run all actors but venue and maker until `end`."""
        scenario, seed = self._scenario, self._scenario.seed
        with self._scope:
            async with trio.open_nursery() as nursery:
                for n, grid in enumerate(self._grids):
                    self._start_traders(nursery, grid, of_grid=f" {grid.coin}" if n else "")
                if scenario.has_second_strategy:
                    nursery.start_soon(self._owner.second_strategy_forever, split(seed, "second strategy"))
                for kind in OWNER_FAULTS:
                    if scenario.rates.get(kind):
                        nursery.start_soon(self._owner.act_forever, split(seed, kind.value), kind)
                for kind in SOCKET_FAULTS:
                    if scenario.rates.get(kind):
                        nursery.start_soon(self._break_sockets_forever, kind)
                if scenario.rates.get(FaultKind.READ_STALE):
                    nursery.start_soon(self._lag_forever)
                if scenario.rates.get(FaultKind.CLOCK_DRIFT):
                    nursery.start_soon(self._set_clocks_wrong_forever)
                if scenario.rates.get(FaultKind.AGENT_EXPIRED):
                    nursery.start_soon(self._expire_forever)
                for kind, switch in self._switches.items():
                    nursery.start_soon(self._switch_forever, kind, switch)
                if scenario.halts is not None and scenario.halts.halves_s is not None:
                    nursery.start_soon(halve_price, self._gateway, self._grids[0].pair, scenario.halts.halves_s)
                nursery.start_soon(self._stop_at_times)
                nursery.start_soon(self._crash_at_times)

    def _start_traders(self, nursery: trio.Nursery, grid: Grid, *, of_grid: str) -> None:
        """Start takers and rivals of a grid; the first grid's random streams have the old labels."""
        seed, plan = self._scenario.seed, grid.plan
        if self._scenario.has_takers:
            takers = split(seed, f"takers{of_grid}")
            pauses = {"pause_s": plan.taker_pause_s, "trend_s": plan.trend_s}
            nursery.start_soon(partial(take_forever, self._gateway, grid.pair, takers, **pauses))
        if plan.has_rivals:
            nursery.start_soon(rival_forever, self._gateway, grid.pair, split(seed, f"rival{of_grid}"), grid.levels)

    def end(self) -> None:
        """Stop all faults and actors.

        Temporary states of the venue are undone; a broken socket stays broken.
        """
        self._scope.cancel()
        for switch in self._switches.values():
            switch(False)
        self._lose_key(FaultKind.AGENT_EXPIRED, False)
        if (process := self._process()) is not None:
            process.crash.disarm()

    # --- The network ---

    async def _break_sockets_forever(self, kind: FaultKind) -> Never:
        rng = split(self._scenario.seed, kind.value)
        while True:
            await trio.sleep(rng.expovariate(self._scenario.rates[kind]))
            process = self._process()
            if process is None or process.is_over:
                continue
            socket = process.info.ws_manager
            if not socket.is_alive() or socket.silent or socket.pong_only:
                continue
            self._fault_counter.count(kind)
            self._trace.add("network", kind.value)
            if kind is FaultKind.SOCKET_SILENT:
                socket.silent = True
            elif kind is FaultKind.PONG_ONLY:
                socket.pong_only = True
            else:
                socket.stop()

    async def _lag_forever(self) -> Never:
        rng = split(self._scenario.seed, "replicas")
        while True:
            await trio.sleep(rng.expovariate(self._scenario.rates[FaultKind.READ_STALE]))
            self._venue.freeze(*rng.sample(REPLICAS, rng.randint(1, len(REPLICAS))))
            try:
                await trio.sleep(rng.uniform(0.1, self._scenario.replica_lag_s))
            finally:
                self._venue.thaw()

    async def _set_clocks_wrong_forever(self) -> Never:
        kind = FaultKind.CLOCK_DRIFT
        rng = split(self._scenario.seed, kind.value)
        while True:
            await trio.sleep(rng.expovariate(self._scenario.rates[kind]))
            self._fault_counter.count(kind)
            self._trace.add("machine", kind.value)
            await self._machine.go_wrong(rng)

    # --- Temporary states of the venue ---

    async def _switch_forever(self, kind: FaultKind, switch: Callable[[bool], None]) -> Never:
        rng: Random = split(self._scenario.seed, "agent" if kind is FaultKind.AGENT_REVOKED else kind.value)
        while True:
            await trio.sleep(rng.expovariate(self._scenario.rates[kind]))
            self._trace.add("venue", kind.value)
            switch(True)
            await trio.sleep(rng.uniform(*(REFUSED_S if kind is FaultKind.REFUSED_FOR_GOOD else LASTS_S)))
            switch(False)

    def _lose_key(self, kind: FaultKind, on: bool) -> None:
        """Let the venue forget the key of the present process, or know it again."""
        if (process := self._process()) is None:
            return
        transport = process.transport
        if on and transport.lost_key is None:
            transport.lost_key = kind
        elif not on and transport.lost_key is kind:
            transport.lost_key = None

    async def _expire_forever(self) -> Never:
        """Let keys expire, each for good: the owner approves a new one once its maker has ended."""
        kind = FaultKind.AGENT_EXPIRED
        rng = split(self._scenario.seed, kind.value)
        while True:
            await trio.sleep(rng.expovariate(self._scenario.rates[kind]))
            self._trace.add("venue", kind.value)
            self._lose_key(kind, True)

    def _delist(self, on: bool) -> None:
        """Delist the pair of a grid, or list it again."""
        if on:
            grids = self._grids
            self._delisted = (grids[0] if len(grids) == 1 else self._delistings.choice(grids)).pair
        pair = self._delisted or self._grids[0].pair
        self._gateway.apply(DelistPair(pair.asset) if on else RelistPair(pair.asset))

    def _upgrade(self, on: bool) -> None:
        self._gateway.apply(SetPostOnly(on))

    def _refuse(self, on: bool) -> None:
        """Refuse the maker's orders, or no longer."""
        self.is_refusing = on
        refusal = draw_refusal(self._texts, self._address) if on else RefuseOrders(self._address, None)
        self._fault_counter.count(FaultKind.REFUSED_FOR_GOOD, n=on)
        self._gateway.apply(refusal)

    def _spoil_coin(self, on: bool) -> None:
        """Let no row of one coin be readable, or again."""
        self._frames.spoiled_coin = self._spoilings.choice(self._grids).coin if on else None

    # --- Stops and kills of the maker ---

    async def _stop_at_times(self) -> None:
        for at_s in self._scenario.stops_s:
            await trio.sleep_until(at_s)
            if (process := self._process()) is not None:
                self._trace.add("life", "asked to stop")
                process.stop()

    async def _crash_at_times(self) -> None:
        for at_s, crash in self._scenario.crashes:
            await trio.sleep_until(at_s)
            if (process := self._process()) is not None and not process.is_over:
                if crash is Crash.ANYTIME:
                    process.crash.trigger(crash)
                else:
                    process.crash.arm(crash)

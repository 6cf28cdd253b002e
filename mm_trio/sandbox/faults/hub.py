"""Faults of one server: by rate, schedule or on demand.

The layers around requests and frames inject faults as these pass. This module tries the faults of sockets, accounts
and the market, each second and at the times that a plan names.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from mm_trio.sandbox.clock import Clock
from mm_trio.sandbox.faults.dice import ACCOUNT_KINDS, SOCKET_KINDS, WORLD_KINDS, FaultDice, FaultPlan
from mm_trio.sandbox.faults.frames import FrameFaults, Tap
from mm_trio.sandbox.faults.kinds import FaultKind
from mm_trio.sandbox.faults.requests import RequestFaults
from mm_trio.sandbox.faults.world import FaultTarget, WorldFaults

__all__ = ["FaultHub", "Socket"]

_log = logging.getLogger(__name__)

# A rate of sockets, accounts and the market is a probability per this interval.
VISIT_EVERY_S = 1.0


class Socket(Protocol):
    """WebSocket that faults can break."""

    tap: Tap

    @property
    def is_open(self) -> bool:
        """Return True if open, neither closing nor silenced."""

    def expire(self) -> None:
        """Close as the venue does after some hours."""

    def cut(self) -> None:
        """End TCP without a closing frame."""

    def silence(self) -> None:
        """Make the connection half-open from now on."""


class FaultHub:
    """Injects one plan's faults into one server.

    The server sets `sockets` and `requests`.
    """

    def __init__(self, dice: FaultDice, clock: Clock, world: WorldFaults, *, targets: Iterable[FaultTarget]) -> None:
        self.dice = dice
        self.frames = FrameFaults(dice, clock)
        self.sockets: Callable[[], Sequence[Socket]] = tuple
        self.requests: RequestFaults | None = None
        self._clock = clock
        self._world = world
        self._targets = tuple(targets)

    def begin(self) -> None:
        """Register the plan's times with the clock."""
        self._clock.call_every(VISIT_EVERY_S, self._try_by_rate)
        self._schedule_moments(self.dice.plan)

    def add_rules(self, plan: FaultPlan) -> None:
        """Add the rules of another plan.

        Its `at_s` count from the start of the clock, as those of the first plan do.
        """
        self.dice.add_rules(plan.rules)
        self._schedule_moments(plan)

    def strike(self, kind: FaultKind, count: int = 1, plan: FaultPlan | None = None) -> int:
        """Make the kind strike `count` times as soon as possible.

        Sockets, accounts and the market are struck now, if there are any; requests and frames when the next ones come.
        `plan`: the parameters of its first rule apply.
        Returns: the number of strikes that happened at once.
        """
        before = self.dice.struck[kind]
        for _ in range(count):
            self.dice.arm(kind, like=plan.rules[0] if plan and plan.rules else None)
            self._try_faults(with_rates=False, kinds=(kind,))
        return self.dice.struck[kind] - before

    def _schedule_moments(self, plan: FaultPlan) -> None:
        for rule in plan.rules:
            if rule.at_s is not None and rule.kind in (*SOCKET_KINDS, *WORLD_KINDS):
                self._clock.call_in(rule.at_s - self._clock.now_s(), self._try_faults)

    def _try_by_rate(self) -> None:
        if self.requests is not None:
            self.requests.on_clock()
        self._try_faults(with_rates=True)

    def _try_faults(
        self, *, with_rates: bool = False, kinds: Sequence[FaultKind] = (*SOCKET_KINDS, *WORLD_KINDS)
    ) -> None:
        """Throw for every socket and account.

        `with_rates` False: only strike what is scheduled and due.
        """
        for kind in kinds:
            if not self.dice.may_strike(kind):
                continue
            if kind in SOCKET_KINDS:
                for socket in self.sockets():
                    self._fail_socket(kind, socket, with_rates=with_rates)
            elif kind in WORLD_KINDS:
                targets = self._targets if kind in ACCOUNT_KINDS else (FaultTarget(""),)
                for target in targets:
                    self._change_world(kind, target, with_rates=with_rates)

    def _fail_socket(self, kind: FaultKind, socket: Socket, *, with_rates: bool) -> None:
        if not socket.is_open or socket.tap.pong_only:
            return
        if self.dice.draw(kind, now_s=self._clock.now_s(), with_rates=with_rates) is None:
            return
        self.dice.count(kind)
        _log.info("fault struck: kind=%s open_sockets=%d", kind.value, len(self.sockets()))
        match kind:
            case FaultKind.SOCKET_CLOSED:
                socket.expire()
            case FaultKind.SOCKET_DROPPED:
                socket.cut()
            case FaultKind.SOCKET_SILENT:
                socket.silence()
            case _:
                socket.tap.pong_only = True

    def _change_world(self, kind: FaultKind, target: FaultTarget, *, with_rates: bool) -> None:
        strike = self.dice.draw(kind, now_s=self._clock.now_s(), with_rates=with_rates)
        if strike is None:
            return
        if self._world.strike(strike, target):
            self.dice.count(kind)
        else:
            self.dice.take_back(strike)

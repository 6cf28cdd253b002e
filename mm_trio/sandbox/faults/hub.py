"""All faults of one server together: who may be struck each second, and who at a word.

Requests and frames meet their faults on their way; sockets, accounts and the market are visited here, each second
and at the moments that a plan names.
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

VISIT_EVERY_S = 1.0  # what a rate of sockets, accounts and the market is counted by


class Socket(Protocol):
    """A WebSocket that can be failed."""

    tap: Tap

    @property
    def is_open(self) -> bool:
        """And neither closing nor deaf."""

    def expire(self) -> None:
        """Say goodbye as the venue does to a connection that is hours old."""

    def cut(self) -> None:
        """End TCP, without a word."""

    def silence(self) -> None:
        """Half open from now on."""


class FaultHub:
    """One plan's faults at one server. `sockets` and `requests` are the server's to set."""

    def __init__(self, dice: FaultDice, clock: Clock, world: WorldFaults, *, targets: Iterable[FaultTarget]) -> None:
        self.dice = dice
        self.frames = FrameFaults(dice, clock)
        self.sockets: Callable[[], Sequence[Socket]] = tuple
        self.requests: RequestFaults | None = None
        self._clock = clock
        self._world = world
        self._targets = tuple(targets)

    def begin(self) -> None:
        """Make the appointments of the plan."""
        self._clock.call_every(VISIT_EVERY_S, self._try_by_rate)
        self._schedule_moments(self.dice.plan)

    def add_rules(self, plan: FaultPlan) -> None:
        """Take up the rules of another plan; its `at_s` count from the start of the clock, as those of the first."""
        self.dice.add_rules(plan.rules)
        self._schedule_moments(plan)

    def strike(self, kind: FaultKind, count: int = 1, plan: FaultPlan | None = None) -> int:
        """Let the kind strike so many times as soon as it can; gives how often it did at once.

        Sockets, accounts and the market are struck now, if there are any; requests and frames when the next ones
        come. `plan`: its first rule's parameters hold.
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
        """Throw for every socket and account, or only see whether a moment has come."""
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
        _log.info("fault %s: one of %d sockets", kind.value, len(self.sockets()))
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

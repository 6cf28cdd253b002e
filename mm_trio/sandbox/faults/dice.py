"""Fault plans, and dice that decide when faults strike.

Plain values and one `random.Random`: no clock, no socket, no task, so the server and a simulation throw the same dice.
The caller that throws also carries out the fault. The file format of a plan is in `plan`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from random import Random

from mm_trio.sandbox.faults.kinds import FaultKind
from mm_trio.sandbox.faults.untruths import LISTED_LATE_S

__all__ = [
    "ACCOUNT_KINDS",
    "FINAL_KINDS",
    "FRAME_KINDS",
    "MACHINE_KINDS",
    "READ_KINDS",
    "SOCKET_KINDS",
    "WORLD_KINDS",
    "WRITE_KINDS",
    "FaultDice",
    "FaultPlan",
    "FaultRule",
    "Strike",
]

# A rate is a probability per opportunity: one request, one frame, one second of one socket, one second of one account.
WRITE_KINDS = (
    FaultKind.REQUEST_LOST,
    FaultKind.ANSWER_LOST,
    FaultKind.ANSWER_HUNG,
    FaultKind.ANSWER_DELAYED,
    FaultKind.ANSWER_GARBLED,
    FaultKind.ANSWER_TRUNCATED,
    FaultKind.RATE_LIMITED,
    FaultKind.BAD_GATEWAY,
    FaultKind.ERROR_BUT_APPLIED,
    FaultKind.LATE_EXECUTION,
    FaultKind.FILLED_AT_ONCE,  # Its opportunity is an order action that was carried out.
)
READ_KINDS = (
    FaultKind.RATE_LIMITED,
    FaultKind.BAD_GATEWAY,
    FaultKind.READ_FAILED,
    FaultKind.READ_EMPTY,
    FaultKind.READ_STALE,
    FaultKind.STATUS_FORGOTTEN,
    FaultKind.HISTORY_LATE,  # Its opportunity is a row of a fill history.
)
FRAME_KINDS = (
    FaultKind.FRAME_DROPPED,
    FaultKind.FRAME_DUPLICATED,
    FaultKind.FRAME_REORDERED,
    FaultKind.FRAME_DELAYED,
    FaultKind.FRAME_GARBLED,
    FaultKind.FEED_REPLAYED,  # Its opportunity is a subscription rather than a frame.
    FaultKind.FRAME_LIES,  # Its opportunity is a frame of new fills.
)
SOCKET_KINDS = (
    FaultKind.SOCKET_CLOSED,
    FaultKind.SOCKET_DROPPED,
    FaultKind.SOCKET_SILENT,
    FaultKind.PONG_ONLY,
)
ACCOUNT_KINDS = (
    FaultKind.BUDGET_EXHAUSTED,
    FaultKind.AGENT_REVOKED,
    FaultKind.MANUAL_ORDER,
    FaultKind.MANUAL_CANCEL,
    FaultKind.DEPOSIT,
    FaultKind.WITHDRAWAL,
    FaultKind.HELD_ELSEWHERE,
    FaultKind.REFUSED_FOR_GOOD,
    FaultKind.AGENT_EXPIRED,
)
WORLD_KINDS = (*ACCOUNT_KINDS, FaultKind.DELISTED, FaultKind.UPGRADE)
# These do not pass by themselves, and nobody trades after them. "all" does not mean them: they are asked for by name.
FINAL_KINDS = (FaultKind.AGENT_EXPIRED,)
# The client's own machine, and what only an account with several coins can have: the simulation does this, no server.
MACHINE_KINDS = (FaultKind.CLOCK_DRIFT, FaultKind.COIN_GARBLED)

# Minimum and maximum in seconds, for a rule that names no delay. Decided here: long enough to matter, short enough to
# watch.
_DELAYS_S: Mapping[FaultKind, tuple[float, float]] = {
    FaultKind.ANSWER_DELAYED: (1.0, 8.0),
    FaultKind.LATE_EXECUTION: (1.0, 60.0),
    FaultKind.FRAME_DELAYED: (0.5, 5.0),
    # A frame waits this long for another one to overtake it.
    FaultKind.FRAME_REORDERED: (0.5, 0.5),
    FaultKind.HISTORY_LATE: LISTED_LATE_S,
}
# Minimum and maximum in seconds, for a rule that does not say how long its state lasts.
_WINDOWS_S: Mapping[FaultKind, tuple[float, float]] = {
    FaultKind.BUDGET_EXHAUSTED: (20.0, 60.0),
    FaultKind.AGENT_REVOKED: (5.0, 20.0),
    FaultKind.DELISTED: (5.0, 20.0),
    FaultKind.UPGRADE: (5.0, 20.0),
    FaultKind.HELD_ELSEWHERE: (20.0, 60.0),
    FaultKind.REFUSED_FOR_GOOD: (30.0, 120.0),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultRule:
    """Rule that makes one kind strike, by exactly one trigger.

    `rate`: strikes at each opportunity with this probability. `nth`: strikes at the n-th opportunity and at the
    `count - 1` following ones; opportunities are counted from 1, since the kind has had a rule. `at_s`: strikes at the
    first `count` opportunities from that many seconds on.
    `delay_s`: delay of a delayed answer or frame. `for_s`: duration of a lasting state (a revoked agent, a delisting,
    an upgrade, an exhausted budget until new requests are bought, margin). `amount`: value of a deposit, withdrawal,
    manual order or margin, in quote units. Of these three, None means a random value.
    """

    kind: FaultKind
    rate: float | None = None
    nth: int | None = None
    at_s: float | None = None
    count: int = 1
    delay_s: float | None = None
    for_s: float | None = None
    amount: Decimal | None = None

    def __post_init__(self) -> None:
        if sum(trigger is not None for trigger in (self.rate, self.nth, self.at_s)) != 1:
            raise ValueError(f"{self.kind.value}: needs exactly one of rate, nth and at_s")
        if self.rate is not None and not 0 <= self.rate <= 1:
            raise ValueError(f"{self.kind.value}: rate must be from 0 to 1, got {self.rate}")
        if self.rate is not None and self.count != 1:
            raise ValueError(f"{self.kind.value}: count works with nth or at_s, not with rate")
        for name, least in (("nth", 1), ("count", 1), ("at_s", 0), ("delay_s", 0), ("for_s", 0)):
            value = getattr(self, name)
            if value is not None and not least <= value < float("inf"):
                raise ValueError(f"{self.kind.value}: {name} must be at least {least} and finite, got {value}")
        if self.amount is not None and not (self.amount.is_finite() and self.amount > 0):
            raise ValueError(f"{self.kind.value}: amount must be above 0, got {self.amount}")


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """Fault rules in order.

    Of several rates for one kind the last one holds; all other rules apply together.
    """

    rules: tuple[FaultRule, ...] = ()

    def __add__(self, other: FaultPlan) -> FaultPlan:
        return FaultPlan(self.rules + other.rules)

    def kinds(self) -> frozenset[FaultKind]:
        """Return the kinds that may strike at all."""
        rates = {rule.kind: rule.rate for rule in self.rules if rule.rate is not None}
        moments = {rule.kind for rule in self.rules if rule.rate is None}
        return frozenset(moments | {kind for kind, rate in rates.items() if rate})


@dataclass(frozen=True, slots=True)
class Strike:
    """One fault that happens.

    Units: seconds; `amount` in quote units. `amount` None: the code that carries out the fault draws it.
    """

    kind: FaultKind
    delay_s: float = 0.0
    for_s: float = 0.0
    amount: Decimal | None = None
    # Set if a rule with `nth` or `at_s` caused the strike, so that `take_back` can restore it.
    scheduled_rule: FaultRule | None = None


@dataclass(slots=True)
class _ScheduledRule:
    """Rule with `nth` or `at_s`, and its strikes left."""

    rule: FaultRule
    left: int


@dataclass(slots=True)
class FaultDice:
    """Throws one plan's dice; `struck` counts strikes by kind.

    A throw uses a random number only if the kind has a rate above zero. Removing a kind from a plan therefore does not
    change when the other kinds strike.
    """

    plan: FaultPlan
    rng: Random
    struck: Counter[FaultKind] = field(default_factory=Counter)
    _rates: dict[FaultKind, FaultRule] = field(default_factory=dict, init=False)
    _scheduled: dict[FaultKind, list[_ScheduledRule]] = field(default_factory=dict, init=False)
    _n_opportunities: Counter[FaultKind] = field(default_factory=Counter, init=False)

    def __post_init__(self) -> None:
        self.add_rules(self.plan.rules)

    def add_rules(self, rules: Iterable[FaultRule]) -> None:
        """Add rules; a rate replaces its kind's earlier rate."""
        for rule in rules:
            if rule.rate is not None:
                self._rates[rule.kind] = rule
            else:
                self._scheduled.setdefault(rule.kind, []).append(_ScheduledRule(rule, rule.count))

    def arm(self, kind: FaultKind, *, like: FaultRule | None = None) -> None:
        """Make the kind strike at its next opportunity, like `like`."""
        rule = like or FaultRule(kind=kind, at_s=0.0)
        self._scheduled.setdefault(kind, []).insert(
            0, _ScheduledRule(replace(rule, kind=kind, rate=None, nth=None, at_s=0.0), 1)
        )

    def kinds(self) -> frozenset[FaultKind]:
        """Return the kinds that may still strike."""
        return frozenset(kind for kind in FaultKind if self.may_strike(kind))

    def may_strike(self, kind: FaultKind) -> bool:
        """Return True if the kind may still strike.

        If not, callers need not look for an opportunity.
        """
        rule = self._rates.get(kind)
        return bool(self._scheduled.get(kind)) or (rule is not None and bool(rule.rate))

    def rates(self) -> dict[FaultKind, float]:
        """Return the rates above zero."""
        return {kind: rule.rate for kind, rule in self._rates.items() if rule.rate}

    def draw(self, kind: FaultKind, *, now_s: float = 0.0, with_rates: bool = True) -> Strike | None:
        """Throw once for one request, frame, socket or account.

        It counts no strike: the caller calls `count` once the fault is carried out.
        `now_s`: seconds since the plan began. `with_rates` False: only rules with `nth` or `at_s` are considered.
        """
        if not self.may_strike(kind):
            return None
        # A check of the schedule alone does not count as an opportunity.
        self._n_opportunities[kind] += with_rates
        rule = self._find_due(kind, now_s)
        if rule is None and with_rates:
            rule = self._rates.get(kind)
            if rule is None or not rule.rate or self.rng.random() >= rule.rate:
                return None
        return None if rule is None else self._strike(rule)

    def strikes(self, kind: FaultKind, *, now_s: float = 0.0) -> Strike | None:
        """Throw once and count a strike.

        For faults that always succeed.
        """
        strike = self.draw(kind, now_s=now_s)
        if strike is not None:
            self.count(kind)
        return strike

    def count(self, kind: FaultKind) -> None:
        """Count a strike that changed something sent, received or held."""
        self.struck[kind] += 1

    def take_back(self, strike: Strike) -> None:
        """Undo a strike that had no effect.

        For example, there was no order to cancel. Its scheduled rule then waits for the next opportunity.
        """
        if strike.scheduled_rule is not None:
            self._scheduled.setdefault(strike.kind, []).insert(0, _ScheduledRule(strike.scheduled_rule, 1))

    def summary(self) -> dict[str, int]:
        """Return strike counts by name, in `FaultKind` order."""
        return {kind.value: self.struck[kind] for kind in FaultKind if self.struck[kind]}

    def _find_due(self, kind: FaultKind, now_s: float) -> FaultRule | None:
        """Take one strike from the first scheduled rule due."""
        waiting = self._scheduled.get(kind)
        if not waiting:
            return None
        n_opportunities = self._n_opportunities[kind]
        for scheduled in waiting:
            rule = scheduled.rule
            is_due = (
                now_s >= rule.at_s if rule.at_s is not None else rule.nth is not None and n_opportunities >= rule.nth
            )
            if is_due:
                scheduled.left -= 1
                if not scheduled.left:
                    waiting.remove(scheduled)
                return rule
        return None

    def _strike(self, rule: FaultRule) -> Strike:
        """Build a strike from the rule; draw its missing parameters."""
        return Strike(
            rule.kind,
            delay_s=self._draw_s(rule.delay_s, _DELAYS_S.get(rule.kind)),
            for_s=self._draw_s(rule.for_s, _WINDOWS_S.get(rule.kind)),
            amount=rule.amount,
            scheduled_rule=None if rule.rate is not None else rule,
        )

    def _draw_s(self, named: float | None, limits: tuple[float, float] | None) -> float:
        if named is not None:
            return named
        return 0.0 if limits is None else self.rng.uniform(*limits)

"""What shall go wrong, and when: a plan of faults, and the dice that answer "does it strike here?".

Plain values and one `random.Random`: no clock, no socket, no task, so the wire and a simulation throw the same
dice. Who asks also carries the fault out. How a plan is written down is known in `fault_plan`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from random import Random

from mm_trio.sandbox.faults.kinds import FaultKind

__all__ = [
    "ACCOUNT_KINDS",
    "FRAME_KINDS",
    "READ_KINDS",
    "SOCKET_KINDS",
    "WORLD_KINDS",
    "WRITE_KINDS",
    "FaultDice",
    "FaultPlan",
    "FaultRule",
    "Strike",
]

# What a rate is counted by: one request, one frame, one second of one socket, one second of one account.
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
)
READ_KINDS = (
    FaultKind.RATE_LIMITED,
    FaultKind.BAD_GATEWAY,
    FaultKind.READ_FAILED,
    FaultKind.READ_EMPTY,
    FaultKind.READ_STALE,
    FaultKind.STATUS_FORGOTTEN,
)
FRAME_KINDS = (
    FaultKind.FRAME_DROPPED,
    FaultKind.FRAME_DUPLICATED,
    FaultKind.FRAME_REORDERED,
    FaultKind.FRAME_DELAYED,
    FaultKind.FRAME_GARBLED,
    FaultKind.FEED_REPLAYED,  # of a subscription rather than of a frame
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
)
WORLD_KINDS = (*ACCOUNT_KINDS, FaultKind.DELISTED, FaultKind.UPGRADE)

# Seconds, least and most, where a rule names none. Decided here: late enough to be felt, soon enough to be watched.
_DELAYS_S: Mapping[FaultKind, tuple[float, float]] = {
    FaultKind.ANSWER_DELAYED: (1.0, 8.0),
    FaultKind.LATE_EXECUTION: (1.0, 60.0),
    FaultKind.FRAME_DELAYED: (0.5, 5.0),
    FaultKind.FRAME_REORDERED: (0.5, 0.5),  # how long a frame waits for one that may overtake it
}
_WINDOWS_S: Mapping[FaultKind, tuple[float, float]] = {
    FaultKind.BUDGET_EXHAUSTED: (20.0, 60.0),
    FaultKind.AGENT_REVOKED: (5.0, 20.0),
    FaultKind.DELISTED: (5.0, 20.0),
    FaultKind.UPGRADE: (5.0, 20.0),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultRule:
    """When one kind strikes, by exactly one of three triggers.

    `rate`: with this probability, each time it could. `nth`: at the n-th time it could, from 1 on and since the
    kind has a rule, and the `count - 1` times after. `at_s`: at the first `count` times that it could from so many
    seconds on.
    `delay_s`: how late what is delayed comes. `for_s`: how long a state lasts: a revoked agent, a delisting, an
    upgrade, a budget until it is bought anew. `amount`: of a deposit, a withdrawal or an order by hand, in quote
    units of its worth. None: drawn.
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
            raise ValueError(f"{self.kind.value}: needs one of rate, nth and at_s")
        if self.rate is not None and not 0 <= self.rate <= 1:
            raise ValueError(f"{self.kind.value}: rate must be from 0 to 1, got {self.rate}")
        if self.rate is not None and self.count != 1:
            raise ValueError(f"{self.kind.value}: count goes with nth or at_s, not with rate")
        for name, least in (("nth", 1), ("count", 1), ("at_s", 0), ("delay_s", 0), ("for_s", 0)):
            value = getattr(self, name)
            if value is not None and not least <= value < float("inf"):
                raise ValueError(f"{self.kind.value}: {name} must be at least {least}, got {value}")
        if self.amount is not None and not (self.amount.is_finite() and self.amount > 0):
            raise ValueError(f"{self.kind.value}: amount must be above 0, got {self.amount}")


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """Rules in order. Of several rates of one kind the last one holds; the other rules add up."""

    rules: tuple[FaultRule, ...] = ()

    def __add__(self, other: FaultPlan) -> FaultPlan:
        return FaultPlan(self.rules + other.rules)

    def kinds(self) -> frozenset[FaultKind]:
        """The kinds that may strike at all."""
        rates = {rule.kind: rule.rate for rule in self.rules if rule.rate is not None}
        moments = {rule.kind for rule in self.rules if rule.rate is None}
        return frozenset(moments | {kind for kind, rate in rates.items() if rate})


@dataclass(frozen=True, slots=True)
class Strike:
    """One fault that happens. Units: seconds; `amount` in quote units, None: whoever carries it out draws it."""

    kind: FaultKind
    delay_s: float = 0.0
    for_s: float = 0.0
    amount: Decimal | None = None
    scheduled_rule: FaultRule | None = None  # the rule, if it was one of a moment


@dataclass(slots=True)
class _ScheduledRule:
    """A rule with a moment, and how often it may still strike."""

    rule: FaultRule
    left: int


@dataclass(slots=True)
class FaultDice:
    """Throws for one plan. `struck` counts by kind what really struck.

    A throw costs a random number only where the kind has a rate above zero: a plan without a kind leaves the
    course of the others as it was.
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
        """Take up further rules; a rate replaces the rate that its kind had."""
        for rule in rules:
            if rule.rate is not None:
                self._rates[rule.kind] = rule
            else:
                self._scheduled.setdefault(rule.kind, []).append(_ScheduledRule(rule, rule.count))

    def arm(self, kind: FaultKind, *, like: FaultRule | None = None) -> None:
        """Let the kind strike the next time it can, with the parameters of `like`."""
        rule = like or FaultRule(kind=kind, at_s=0.0)
        self._scheduled.setdefault(kind, []).insert(
            0, _ScheduledRule(replace(rule, kind=kind, rate=None, nth=None, at_s=0.0), 1)
        )

    def kinds(self) -> frozenset[FaultKind]:
        """The kinds that may still strike."""
        return frozenset(kind for kind in FaultKind if self.may_strike(kind))

    def may_strike(self, kind: FaultKind) -> bool:
        """Whether the kind may still strike: where it may not, nobody need look for an opportunity."""
        rule = self._rates.get(kind)
        return bool(self._scheduled.get(kind)) or (rule is not None and bool(rule.rate))

    def rates(self) -> dict[FaultKind, float]:
        """The rates above zero."""
        return {kind: rule.rate for kind, rule in self._rates.items() if rule.rate}

    def draw(self, kind: FaultKind, *, now_s: float = 0.0, with_rates: bool = True) -> Strike | None:
        """One throw for one request, frame, socket or account; counts nothing: `count` does, once it is done.

        `now_s`: seconds since the plan began. `rated` False: only rules with a moment are looked at.
        """
        if not self.may_strike(kind):
            return None
        self._n_opportunities[kind] += with_rates  # a look at the clock alone is no opportunity
        rule = self._find_due(kind, now_s)
        if rule is None and with_rates:
            rule = self._rates.get(kind)
            if rule is None or not rule.rate or self.rng.random() >= rule.rate:
                return None
        return None if rule is None else self._strike(rule)

    def strikes(self, kind: FaultKind, *, now_s: float = 0.0) -> Strike | None:
        """`draw`, and counted at once: for a fault that nothing can keep from happening."""
        strike = self.draw(kind, now_s=now_s)
        if strike is not None:
            self.count(kind)
        return strike

    def count(self, kind: FaultKind) -> None:
        """The kind struck: something that was sent, received or held is not what it would have been."""
        self.struck[kind] += 1

    def take_back(self, strike: Strike) -> None:
        """Nothing could come of it (no order to cancel, say): a rule of a moment waits for the next opportunity."""
        if strike.scheduled_rule is not None:
            self._scheduled.setdefault(strike.kind, []).insert(0, _ScheduledRule(strike.scheduled_rule, 1))

    def summary(self) -> dict[str, int]:
        """What struck, by name, in the order of the list of kinds."""
        return {kind.value: self.struck[kind] for kind in FaultKind if self.struck[kind]}

    def _find_due(self, kind: FaultKind, now_s: float) -> FaultRule | None:
        """The first rule of a moment that has come."""
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
        """The rule's parameters, the missing ones drawn."""
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

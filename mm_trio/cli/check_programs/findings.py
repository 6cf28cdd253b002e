"""Findings of a check, and facts that may not be known.

A check gets facts and returns what they mean. It asks nobody and never fails: a fact that could not be read says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias, TypeVar

if TYPE_CHECKING:
    from mm_trio.cli.check_programs.facts import Facts

__all__ = ["Check", "Fact", "Finding", "Outcome", "Unknown", "Verdict", "expect", "need", "run_checks"]

_T = TypeVar("_T")


class Verdict(StrEnum):
    """Verdict of a check."""

    PASS = "pass"
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class Outcome:
    """Verdict, what was found, and what to do about it."""

    verdict: Verdict
    text: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """Outcome of the check of that name; one line."""

    name: str
    verdict: Verdict
    text: str
    remedy: str = ""

    def to_json(self) -> dict[str, str]:
        """Return plain JSON values."""
        return {"name": self.name, "verdict": str(self.verdict), "text": self.text, "remedy": self.remedy}


@dataclass(frozen=True, slots=True)
class Unknown:
    """Reason why a fact is not known, and how bad that is."""

    why: str
    remedy: str = "run `mm-trio doctor` again"
    verdict: Verdict = Verdict.WARN


Fact: TypeAlias = _T | Unknown


class _NotKnown(Exception):
    """Raised by a check whose fact is not known."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.text)
        self.outcome = outcome


def expect(fact: Fact[_T]) -> _T:
    """Return a fact; without it the check has the verdict of its absence.

    For the one check that is about this fact.
    """
    if isinstance(fact, Unknown):
        raise _NotKnown(Outcome(fact.verdict, fact.why, "" if fact.verdict is Verdict.SKIP else fact.remedy))
    return fact


def need(fact: Fact[_T]) -> _T:
    """Return a fact that another check is about; without it this check is skipped."""
    if isinstance(fact, Unknown):
        raise _NotKnown(Outcome(Verdict.SKIP, f"not looked at: {fact.why}"))
    return fact


@dataclass(frozen=True, slots=True)
class Check:
    """Check of one thing; `about` names it for the documentation."""

    name: str
    about: str
    look: Callable[[Facts], Outcome]

    def run(self, facts: Facts) -> Finding:
        """Return what is found."""
        try:
            outcome = self.look(facts)
        except _NotKnown as error:
            outcome = error.outcome
        # Names and texts of the venue and of errors may have several lines.
        text, remedy = (" ".join(words.split()) for words in (outcome.text, outcome.remedy))
        return Finding(self.name, outcome.verdict, text, remedy)


def run_checks(checks: Iterable[Check], facts: Facts) -> tuple[Finding, ...]:
    """Run checks in their order."""
    return tuple([check.run(facts) for check in checks])

"""Findings of a check, and facts that may not be known.

A check gets facts and returns what they mean. It asks nobody and never fails: a fact that could not be read says so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias, TypeVar

if TYPE_CHECKING:
    from mm_trio.cli.check_programs.facts import Facts

__all__ = ["Check", "DoctorReport", "Fact", "Finding", "Outcome", "Unknown", "Verdict", "expect", "need", "run_checks"]

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
    """Reason of a missing fact, and how bad that is."""

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
    """Return the fact that a check is about.

    Without it the check has the verdict of its absence.
    """
    if isinstance(fact, Unknown):
        raise _NotKnown(Outcome(fact.verdict, fact.why, "" if fact.verdict is Verdict.SKIP else fact.remedy))
    return fact


def need(fact: Fact[_T]) -> _T:
    """Return a fact that another check is about.

    Without it this check is skipped.
    """
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


@dataclass(frozen=True, slots=True)
class DoctorReport:
    """What the checks found, and how dear it was.

    `is_unreached`: the venue could not be asked.
    """

    findings: tuple[Finding, ...]
    weight: int = 0
    took_s: float = 0.0
    is_unreached: bool = False

    def count(self, verdict: Verdict) -> int:
        """Count the findings with this verdict."""
        return Counter(finding.verdict for finding in self.findings)[verdict]

    def to_json(self) -> dict[str, object]:
        """Return plain JSON values."""
        return {
            "ok": not self.count(Verdict.FAIL) and not self.is_unreached,
            **{str(verdict): self.count(verdict) for verdict in Verdict},
            "findings": [finding.to_json() for finding in self.findings],
            "weight": self.weight,
            "took_s": round(self.took_s, 1),
        }

    def to_text(self) -> str:
        """Return a line for each check, and a summary."""
        width = max(len(finding.name) for finding in self.findings)
        lines = [_show(finding, width) for finding in self.findings]
        counts = ", ".join(f"{self.count(verdict)} {verdict}" for verdict in Verdict)
        return "\n".join(
            [*lines, f"{counts}; request weight {self.weight}, {self.took_s:.1f} s; nothing was sent or written"]
        )


def _show(finding: Finding, width: int) -> str:
    has_remedy = finding.remedy and finding.verdict in (Verdict.WARN, Verdict.FAIL)
    to_do = f" -> {finding.remedy}" if has_remedy else ""
    return f"{finding.verdict.upper():4}  {finding.name:{width}}  {finding.text}{to_do}"

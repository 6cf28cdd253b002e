"""What a broken rule is, and what the rules have in common: they report, and the run stops at the first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["KNOWN_GAPS", "RULES", "Judge", "Violation"]

# S: holds after every step of the venue; L: holds in the end. What each says is where it is checked.
RULES: dict[str, str] = {
    "S1": "one order of ours for each side and level",
    "S2": "no bid of ours at or above an ask of ours",
    "S3": "asks never offer more than the ledger and the wallet hold",
    "S4": "bids never cost more than the ledger and the wallet hold",
    "S5": "the ledger is the allocation and every own fill, each once",
    "S6": "prices of the ladder, whole lots, the minimum worth, at most 100 items",
    "S7": "every order under a fresh cloid of ours; nobody else's order is touched",
    "S8": "no order above the order size, no side above its window",
    "S9": "post-only orders alone; never a taker",
    "S10": "with the budget gone one action in ten seconds",
    "S11": "request weight, connections and messages within a minute's limits",
    "S12": "nonces rise",
    "S13": "nothing arrives that is not in the journal, durable",
    "S14": "nothing new after a stop; nothing rests, or what may rest is named",
    "S15": "one maker at a time for an account and a coin",
    "S16": "nothing new while the feed is not proven live",
    "S17": "the maker ends when it is asked to, and not before",
    "S18": "no secret in files, logs or words",
    "S19": "what is kept is bounded",
    "S20": "the same seed is the same run",
    "S21": "what it believes to rest does rest, once all is quiet",
    "L1": "the book becomes the HIP-2 book",
    "L2": "a fill is answered by the corrected book within the round trips it takes",
    "L3": "an unknown outcome becomes known",
    "L4": "a restart quotes again",
    "L5": "a stop takes ten seconds at most",
    "L6": "a stop cancels everything also with the request budget gone",
    "L7": "a level due for a minute has its order",
    "SIM": "the simulation itself runs through",
}

# Rules that the maker is known not to keep yet: counted as seen, not reported. Empty is the aim.
KNOWN_GAPS: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule that did not hold, when, and how."""

    rule: str
    at_s: float
    text: str

    def __str__(self) -> str:
        return f"{self.rule} at {self.at_s:.3f} s: {self.text}  [{RULES[self.rule]}]"


class Judge:
    """Collects violations and counts what was seen; `on_first` is called with the first violation."""

    def __init__(self, now_s: Callable[[], float], *, on_first: Callable[[Violation], None]) -> None:
        self._now_s = now_s
        self._on_first = on_first
        self.violations: list[Violation] = []
        self.n_checks: Counter[str] = Counter()
        self.coverage: Counter[str] = Counter()  # "sometimes": situations that a good run meets

    def check(self, rule: str, holds: bool, text: Callable[[], str]) -> None:
        """Count a check; where it does not hold, report with `text()`."""
        self.n_checks[rule] += 1
        if not holds:
            self.report(rule, text())

    def report(self, rule: str, text: str) -> None:
        """A rule is broken."""
        assert rule in RULES, rule
        if rule in KNOWN_GAPS:
            self.coverage[f"gap {rule}"] += 1
            return
        self.violations.append(Violation(rule, self._now_s(), text))
        if len(self.violations) == 1:
            self._on_first(self.violations[0])

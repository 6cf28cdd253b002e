"""Rules of the oracle, and the collector of violations.

The run stops at the first violation.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["KNOWN_GAPS", "RULES", "Judge", "Violation"]

# S rules hold after every step of the venue, L rules in the end. The code that checks a rule states it exactly.
RULES: dict[str, str] = {
    "S1": "at most one order of ours per side and level",
    "S2": "every bid of ours is below every ask of ours",
    "S3": "asks offer no more than the ledger and the wallet hold",
    "S4": "bids cost no more than the ledger and the wallet hold",
    "S5": "the ledger is the allocation plus every own fill, each counted once",
    "S6": "prices of the ladder, whole lots, the minimum notional, at most 100 items per action",
    "S7": "every order has a fresh cloid of ours; foreign orders are not touched",
    "S8": "no order above the order size, no side above its window",
    "S9": "only post-only orders, never a taker",
    "S10": "with the request budget used up, one action per ten seconds",
    "S11": "request weight, connections and messages stay within the limits per minute",
    "S12": "nonces increase",
    "S13": "every action that arrives is durable in the journal, or covered by a durable reservation",
    "S14": "no new orders after a stop; every order that may still be open is named",
    "S15": "one maker at a time per account and coin",
    "S16": "no new orders while the feed is not proven live",
    "S17": "the maker ends when it is asked to and not before",
    "S18": "no secret in files, logs or messages",
    "S19": "remembered data is bounded",
    "S20": "the same seed gives the same run",
    "S21": "orders that the maker believes to be open are open, once all is quiet",
    "S22": "nothing is sent that changes nothing",
    "S23": "what is refused twice alike is not sent again within its pause",
    "S24": "a key that the venue refuses three times in a row is used no more, and the maker ends",
    "S25": "no order is signed beyond a limit of the operator",
    "S26": "a stopped maker places nothing, in any later life, until it is resumed",
    "S27": "a halt is on disk before anything follows from it, and says why",
    "S28": "every movement of funds in the journal was made at the venue, with its cause and amounts, and counts once",
    "S29": "all grids together offer and spend no more than is allocated, on their own coins alone",
    "S30": "each grid is shown its own of a shared token while there is enough, and all never more than there is",
    "S31": "actions leave one at a time, each for any number of coins",
    "S32": "a halt of one grid leaves the others quoting",
    "S33": "the inside of a ladder that changes is never wider than before and after for more than one tick",
    "S34": "a change takes no more requests than were printed, but for what answers fills",
    "S35": "nothing rests of a grid that was removed",
    "L1": "the book becomes the HIP-2 book",
    "L2": "after a fill the book is corrected within the round trips this takes",
    "L3": "an unknown outcome becomes known",
    "L4": "the maker quotes again after a restart",
    "L5": "a shutdown takes at most ten seconds",
    "L6": "a shutdown cancels everything even with the request budget used up",
    "L7": "a level that is due for a minute has its order",
    "L8": "a level that is due for two ticks has its order, unless something explains why not",
    "L9": "no grid starves while others are served",
    "L10": "a change of the configuration is answered, and followed in calm",
    "SIM": "the simulation itself runs without an error",
}

# Rules that the maker is known to break are counted, not reported. The list should be empty.
KNOWN_GAPS: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class Violation:
    """Report of one broken rule: which, when, and the details."""

    rule: str
    at_s: float
    text: str

    def __str__(self) -> str:
        return f"{self.rule} at {self.at_s:.3f} s: {self.text}  [{RULES[self.rule]}]"


class Judge:
    """Collector of violations, checks and coverage of one run.

    `on_first` is called with the first violation.
    """

    def __init__(self, now_s: Callable[[], float], *, on_first: Callable[[Violation], None]) -> None:
        self._now_s = now_s
        self._on_first = on_first
        self._grid = ""
        self.violations: list[Violation] = []
        self.n_checks: Counter[str] = Counter()
        # Hard cases that a good run meets ("sometimes assertions"), with how often each was met.
        self.coverage: Counter[str] = Counter()

    def of_grid(self, coin: str) -> Judge:
        """Return a judge with the same records that names the grid in each text."""
        judge = copy.copy(self)
        judge._grid = f"{coin}: "
        return judge

    def check(self, rule: str, holds: bool, text: Callable[[], str]) -> None:
        """Count a check; if it fails, report with `text()`."""
        self.n_checks[rule] += 1
        if not holds:
            self.report(rule, text())

    def report(self, rule: str, text: str) -> None:
        """Record a violation, or count it as a known gap."""
        assert rule in RULES, rule
        if rule in KNOWN_GAPS:
            self.coverage[f"gap {rule}"] += 1
            return
        self.violations.append(Violation(rule, self._now_s(), self._grid + text))
        if len(self.violations) == 1:
            self._on_first(self.violations[0])

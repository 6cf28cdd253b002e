"""End of the maker's key, as the venue lists it, and when to warn of that.

An agent with a name ends at a time that only the venue tells. From then on every action is refused. Pure: answers and
times are handed in.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mm_trio.model.replies import ListedAgent

__all__ = ["LOOK_EVERY_S", "RETRY_S", "WARN_DAYS", "KeyLife", "KeyNews"]

WARN_DAYS = (14, 7, 3, 1)
# The second one after a look that failed.
LOOK_EVERY_S, RETRY_S = 86_400.0, 3_600.0
_DAY_MS = 86_400_000
# The look that warns comes a little after its moment, so that rounding cannot make it one too early.
_AFTER_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyNews:
    """What is to be told of a key.

    `days_left` None: the venue listed the agent before, and does not any more.
    """

    agent: ListedAgent
    days_left: float | None


class KeyLife:
    """Watch over the end of one key.

    `address` is the agent's, `owner` the account that approved it. `agent` is how the venue lists it, None where it
    does not, as for an agent without a name.
    """

    def __init__(self, address: str, *, owner: str) -> None:
        self.address = address.lower()
        self.owner = owner
        self.agent: ListedAgent | None = None
        self._told_days: int | None = None
        self._is_looked_up = self._was_listed = False

    @property
    def is_lost(self) -> bool:
        """Check if the venue listed the key before, and does not any more."""
        return self._was_listed and self.agent is None

    @property
    def is_looked_up(self) -> bool:
        """Check if the venue has listed the agents of the owner."""
        return self._is_looked_up

    def on_listed(self, agents: Iterable[ListedAgent], *, now_ms: int) -> KeyNews | None:
        """Take what the venue lists; return what is to be told.

        Each of `WARN_DAYS` is told once, the nearest one alone where several have passed. An agent that was approved
        anew, with another end, is told of anew.
        """
        self._is_looked_up = True
        before, self.agent = self.agent, next((each for each in agents if each.address == self.address), None)
        self._was_listed = self._was_listed or self.agent is not None
        if self.agent is None:
            self._told_days = None
            return None if before is None else KeyNews(agent=before, days_left=None)
        if before is not None and before.valid_until_ms != self.agent.valid_until_ms:
            self._told_days = None
        days_left = self.compute_days_left(now_ms)
        due = [days for days in WARN_DAYS if days_left is not None and days_left <= days]
        if not due or (self._told_days is not None and self._told_days <= due[-1]):
            return None
        self._told_days = due[-1]
        return KeyNews(agent=self.agent, days_left=days_left)

    def compute_days_left(self, now_ms: int) -> float | None:
        """Compute the days until the key ends; None where no end is told."""
        if self.agent is None or self.agent.valid_until_ms is None:
            return None
        return (self.agent.valid_until_ms - now_ms) / _DAY_MS

    def compute_pause_s(self, now_ms: int) -> float:
        """Compute the time until the next look: a day, or less where a warning is due before.

        Where no look has succeeded yet, the next one comes soon.
        """
        if not self._is_looked_up:
            return RETRY_S
        days_left = self.compute_days_left(now_ms)
        ahead = [] if days_left is None else [days_left - days for days in (*WARN_DAYS, 0) if days_left > days]
        return min(LOOK_EVERY_S, ahead[0] * LOOK_EVERY_S + _AFTER_S) if ahead else LOOK_EVERY_S

"""When a maker counts as silent. Pure.

Only what its guard itself saw counts: how long the heartbeat has not changed while the guard was awake, and how long
ago, by that heartbeat, the maker heard the venue. No calendar is compared, except two moments by the maker's own clock:
cancels signed after the heartbeat of an end are of a later maker, whose heartbeat could not be written.
"""

from __future__ import annotations

from enum import Enum

from mm_trio.guard.heartbeat import Heartbeat, Life

__all__ = ["OwnSilence", "Silence", "Watched"]

# A guard that was stopped, or whose machine stood still, does not know whether the maker did too. So much of a longer
# pause between two looks counts, which is more than a look takes that waits for a hanging disk.
MOST_STEP_S = 2.0


# The frames that tell of a guard's cancels come at once where the venue is heard again, or with the next look.
FIRED_WITHIN_S = 60.0


class Watched(Enum):
    """What a guard thinks of its maker."""

    ABSENT = "no heartbeat was seen yet"
    ALIVE = "it runs, and hears the venue"
    ENDED = "it ended, and nothing is to be cancelled"
    SILENT = "it is dead, or hears nothing of the venue"


class Silence:
    """Silence of one maker, in seconds."""

    def __init__(self, after_s: float) -> None:
        self._after_s = after_s
        self._age_s = 0.0
        self._looked_s: float | None = None
        # When signed cancels were made that are newer than the heartbeat of a maker that ended.
        self._later_ms: int | None = None
        self.heartbeat: Heartbeat | None = None

    def on_look(self, heartbeat: Heartbeat | None, *, now_s: float, made_ms: int | None = None) -> None:
        """Note what was found; None where there was no whole heartbeat.

        `made_ms`: when the signed cancels were made, None where they name no order.
        """
        since_s = 0.0 if self._looked_s is None else min(now_s - self._looked_s, MOST_STEP_S)
        self._looked_s = now_s
        if heartbeat is not None and heartbeat != self.heartbeat:
            self.heartbeat, self._age_s = heartbeat, 0.0
        else:
            self._age_s += since_s
        later_ms = self._find_later(made_ms)
        if later_ms is not None and later_ms != self._later_ms:
            # The only sign of life there is.
            self._age_s = 0.0
        self._later_ms = later_ms

    def _find_later(self, made_ms: int | None) -> int | None:
        """Return when a maker signed cancels that runs after the last heartbeat's has ended."""
        beat = self.heartbeat
        if beat is None or beat.state is Life.RUNNING or made_ms is None or not beat.is_older_than(made_ms):
            return None
        return made_ms

    @property
    def is_unheard(self) -> bool:
        """Say whether a maker runs that leaves signed cancels and no heartbeat."""
        return self._later_ms is not None

    @property
    def silent_s(self) -> float:
        """Seconds since the maker heard the venue, as far as is known."""
        if self.heartbeat is None or self.is_unheard:
            return self._age_s
        return self._age_s + max(0.0, self.heartbeat.venue_heard_s_ago)

    @property
    def state(self) -> Watched:
        """Return what to think of the maker now."""
        if self.heartbeat is None:
            return Watched.ABSENT
        if self.heartbeat.state is not Life.RUNNING and not self.is_unheard:
            return Watched.ENDED
        return Watched.SILENT if self.silent_s > self._after_s else Watched.ALIVE

    def describe(self) -> str:
        """Describe the silence as `key=value`."""
        beat = self.heartbeat
        if beat is None:
            return "heartbeat=none"
        if self.is_unheard:
            return f"heartbeat={beat.state} cancels=newer silent_s={self._age_s:.1f}"
        return f"pid={beat.pid} silent_s={self.silent_s:.1f} heartbeat_s_ago={self._age_s:.1f}"


class OwnSilence:
    """What a maker knows of its own silence: after it, its guard may have cancelled. In seconds of the loop's clock.

    A guard acts after `after_s`.
    """

    def __init__(self, after_s: float, *, now_s: float) -> None:
        self._after_s = after_s
        self._lived_s = now_s
        self._until_s = float("-inf")

    def on_alive(self, *, now_s: float, heard_s: float) -> None:
        """Note that this process runs, and when the venue was heard last."""
        if now_s - min(self._lived_s, heard_s) > self._after_s:
            self._until_s = now_s + FIRED_WITHIN_S
        self._lived_s = now_s

    def may_have_fired(self, *, now_s: float) -> bool:
        """Check if a guard may have cancelled a moment ago."""
        return now_s <= self._until_s or now_s - self._lived_s > self._after_s

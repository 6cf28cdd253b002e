"""The venue's time, by what the venue says of it.

An answer with a time in it bounds the venue's time from both sides: it was not written before we asked, nor after we
received it. A frame proves only that the venue is at least that far. Places, cancels and nonces take their times from
here; the machine's own clock is compared and not believed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

__all__ = ["DAY_MS", "MOST_SKEW_S", "ClockVerdict", "Moment", "VenueClock"]

# The deadline of an action is set by our time, and counts as passed 4 s later.
MOST_SKEW_S = 2.0
_MOST_SKEW_MS = int(1000 * MOST_SKEW_S)
# An answer that took longer than this bounds nothing well enough: an order counts as dead 4 s after its deadline.
_SLOWEST_ANSWER_MS = 4_000
# Five failed comparisons in a row, at the usual pace.
TOO_OLD_S = 900.0
# Rows of the venue may be dated this much after our estimate of its time.
_ROWS_AHEAD_MS = 60_000
DAY_MS = 86_400_000
# So many refusals as expired in a row raise a doubt. One more, after the clocks agreed, has another cause.
_DOUBT_AT = 2
# Answers in a row that must agree before something else is believed.
_AGREE_AT = 2


class ClockVerdict(Enum):
    """What is known of this machine's clock."""

    UNKNOWN = "not compared yet"
    FINE = "right"
    AHEAD = "ahead"
    BEHIND = "behind"
    TOO_OLD = "compared too long ago"


@dataclass(frozen=True, slots=True)
class Moment:
    """One moment on three clocks, in ms.

    `loop_ms`: cannot be set, and stands still while the machine sleeps. `local_ms`: the calendar that the session
    carries on, also through sleep. `wall_ms`: what the machine's clock says now.
    """

    loop_ms: float
    local_ms: int
    wall_ms: int


class _Expired:
    """Actions in a row that the venue refused as expired.

    `halt`: why comparing the clocks did not help.
    """

    def __init__(self) -> None:
        self.n = 0
        self.halt: str | None = None
        # The clocks were found to agree after such refusals.
        self._agrees_in_vain = False

    def on_refused(self) -> None:
        """Count a refusal."""
        self.n += 1
        if self._agrees_in_vain:
            self.halt = (
                f"the venue refused {self.n} actions in a row as expired although the clocks agree; look at the "
                "venue's status and at what lies between it and this machine, then start again"
            )

    def on_accepted(self) -> None:
        """End the row."""
        self.n, self._agrees_in_vain = 0, False

    def on_compared(self, *, explains: bool) -> None:
        """Note a comparison, and whether it explains the refusals."""
        if explains:
            self.n = 0
        self._agrees_in_vain = self.n >= _DOUBT_AT


class VenueClock:
    """Estimate of the venue's time, and verdict on the machine's clock.

    `compares` False: nobody tells the venue's time, and `local_ms` is taken for it. Otherwise two clocks carry the
    estimate on from the last comparison; places are refused where they part.
    """

    def __init__(
        self,
        local_ms: Callable[[], int],
        *,
        wall_ms: Callable[[], int] | None = None,
        now_s: Callable[[], float] | None = None,
        compares: bool = False,
    ) -> None:
        self.compares = compares
        self._local_ms = local_ms
        self._wall_ms = wall_ms or local_ms
        self._now_s = now_s or (lambda: local_ms() / 1000)
        # The venue's time at the last comparison, with that moment. Before the first one: our own calendar.
        self._anchor = self.read_clocks()
        self._anchor_ms: float = self._anchor.local_ms
        self._compared_s: float | None = None
        # An estimate that a second answer has to confirm, with its moment.
        self._proposed: tuple[Moment, float] | None = None
        # How far the machine's clock is ahead, as confirmed; 0 while it is right.
        self._ahead_ms = 0
        self._n_contrary = 0
        self._doubt: str | None = None
        self._expired = _Expired()

    def read_clocks(self) -> Moment:
        """Read our clocks, for a question that is asked now."""
        return Moment(1000 * self._now_s(), self._local_ms(), self._wall_ms())

    # --- The venue's time -------------------------------------------------------------------------

    def earliest_ms(self) -> int:
        """Return the lower estimate of the venue's time.

        For nonces and for the deadlines of new orders: too low a value costs a refusal, too high a value lets an
        order arrive that counts as dead.
        """
        return int(min(self._estimates()))

    def latest_ms(self) -> int:
        """Return the upper estimate of the venue's time.

        For the deadlines of cancels, which do no harm when they arrive late.
        """
        return int(max(self._estimates()))

    def _estimates(self) -> tuple[float, float]:
        now = self.read_clocks()
        if not self.compares:
            return now.local_ms, now.local_ms
        by_loop = self._anchor_ms + now.loop_ms - self._anchor.loop_ms
        return by_loop, self._anchor_ms + now.local_ms - self._anchor.local_ms

    def is_plausible(self, time_ms: int) -> bool:
        """Check that a row of the venue is not dated in its future."""
        return self._compared_s is None or time_ms <= self.latest_ms() + _ROWS_AHEAD_MS

    # --- Witnesses --------------------------------------------------------------------------------

    def on_answer(self, asked: Moment, venue_ms: int) -> bool:
        """Take in an answer with the venue's time.

        Return False where it came too late after the question to prove anything.
        """
        now = self.read_clocks()
        took_ms = now.loop_ms - asked.loop_ms
        if took_ms > _SLOWEST_ANSWER_MS:
            return False
        self._estimate(now, venue_ms, took_ms)
        ahead_ms = max(asked.wall_ms - venue_ms, 0) or min(now.wall_ms - venue_ms, 0)
        self._judge_machine(ahead_ms)
        return True

    def _estimate(self, now: Moment, venue_ms: int, took_ms: float) -> None:
        """Move the estimate into the bounds of an answer."""
        believed = self._anchor_ms + now.loop_ms - self._anchor.loop_ms
        found = min(max(believed, venue_ms), venue_ms + took_ms)
        is_confirmed = abs(found - believed) <= _MOST_SKEW_MS
        if not is_confirmed and self._proposed is not None:
            moment, proposed_ms = self._proposed
            proposed = proposed_ms + now.loop_ms - moment.loop_ms
            is_confirmed = abs(min(max(proposed, venue_ms), venue_ms + took_ms) - proposed) <= _MOST_SKEW_MS
        if not is_confirmed:
            # One answer may be wrong by days. It is not believed alone, or a nonce would be lost to it.
            self._proposed = (now, found)
            return
        self._expired.on_compared(explains=abs(found - believed) > _MOST_SKEW_MS)
        self._anchor, self._anchor_ms = now, found
        self._compared_s = now.loop_ms / 1000
        self._proposed = self._doubt = None

    def _judge_machine(self, ahead_ms: int) -> None:
        is_off = abs(ahead_ms) > _MOST_SKEW_MS
        self._n_contrary = self._n_contrary + 1 if is_off != bool(self._ahead_ms) else 0
        if self._n_contrary >= _AGREE_AT:
            self._ahead_ms, self._n_contrary = ahead_ms if is_off else 0, 0
        elif is_off and self._ahead_ms:
            self._ahead_ms = ahead_ms

    @property
    def wants_another(self) -> bool:
        """Check if a second answer has to confirm the last one."""
        return self._proposed is not None or self._n_contrary > 0

    @property
    def is_contradicted(self) -> bool:
        """Check if the last answer contradicts the estimate, unconfirmed."""
        return self._proposed is not None

    def on_frame(self, event_ms: int) -> None:
        """Take in a frame's time: the venue is at least that far.

        It is not believed alone, but a comparison is due.
        """
        behind_ms = event_ms - self.latest_ms()
        if self.compares and self._doubt is None and behind_ms > _MOST_SKEW_MS:
            self._doubt = (
                f"a message of the venue is dated {behind_ms / 1000:.0f} s after our time: comparing the clocks"
            )

    def on_expired(self) -> None:
        """Note that the venue refused an action as expired."""
        self._expired.on_refused()
        if self.compares and self._expired.n >= _DOUBT_AT:
            self._doubt = f"the venue refused {self._expired.n} actions in a row as expired: comparing the clocks"

    def on_nonce_refused(self) -> None:
        """Note that the venue refused a nonce."""
        if self.compares:
            self._doubt = "the venue refused a nonce: comparing the clocks"

    def on_accepted(self) -> None:
        """Note that the venue did not refuse an action for its times."""
        self._expired.on_accepted()

    # --- Verdicts ---------------------------------------------------------------------------------

    @property
    def verdict(self) -> ClockVerdict:
        """Return the verdict on the machine's clock."""
        if self._compared_s is None:
            return ClockVerdict.UNKNOWN
        if self._ahead_ms:
            return ClockVerdict.AHEAD if self._ahead_ms > 0 else ClockVerdict.BEHIND
        return ClockVerdict.TOO_OLD if self.compute_age_s() > TOO_OLD_S else ClockVerdict.FINE

    def compute_age_s(self) -> float:
        """Compute the seconds since the last comparison."""
        return float("inf") if self._compared_s is None else self._now_s() - self._compared_s

    def describe_skew(self) -> str | None:
        """Describe how wrong the machine's clock is, or None."""
        if not self._ahead_ms:
            return None
        where = "ahead of" if self._ahead_ms > 0 else "behind"
        return (
            f"this machine's clock is {abs(self._ahead_ms) / 1000:.0f} s {where} the venue's; at most "
            f"{MOST_SKEW_S:g} s is allowed: set the clock (NTP)"
        )

    def find_doubt(self) -> str | None:
        """Return why the estimate of the venue's time is in doubt."""
        if not self.compares:
            return None
        if self._compared_s is None:
            return "this machine's clock was not compared with the venue's yet"
        if self._doubt is not None:
            return self._doubt
        if self._proposed is not None:
            return "the venue told a time far from our estimate: comparing the clocks again"
        by_loop, by_calendar = self._estimates()
        if abs(by_calendar - by_loop) > _MOST_SKEW_MS:
            return (
                f"this machine's clock leapt by {(by_calendar - by_loop) / 1000:+.0f} s: comparing it with the venue's"
            )
        if (age_s := self.compute_age_s()) > TOO_OLD_S:
            return f"this machine's clock was compared with the venue's {age_s:.0f} s ago, at most {TOO_OLD_S:g} s"
        return None

    def find_fault(self) -> str | None:
        """Return why nothing new may be placed, or None."""
        if (fault := self.describe_skew() or self.find_doubt()) is None and self._n_contrary:
            return "an answer of the venue says that this machine's clock is off: comparing them again"
        return fault

    def find_halt(self) -> str | None:
        """Return why comparing the clocks did not help, or None."""
        return self._expired.halt

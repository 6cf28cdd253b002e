"""Clock of the maker's machine: the venue's calendar, and how far it is off."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import trio

from mm_trio.sim.base.random_streams import log_uniform

__all__ = ["MachineClock"]

# Around every threshold of the maker: what a clock may be off, how long orders live, and when they count as dead.
TARGETS_S = (1.9, 2.1, 3.0, 5.0, 9.0, 10.5, 14.5, 20.0)
LEAPS_S = (3_600.0, 40_000.0, 86_300.0, 259_200.0)
LEAP_SHARE, STEP_SHARE = 0.15, 0.4
# Seconds off in a second: one in a minute, to one in five seconds.
DRIFTS = (1 / 60, 1 / 5)
# How long the clock stays as wrong as it became.
STAYS_S = (5.0, 90.0)


class MachineClock:
    """Clock of a machine, off by `skew_ms` and by what goes wrong.

    `venue_ms` reads the venue's calendar.
    """

    def __init__(self, venue_ms: Callable[[], int], *, skew_ms: int) -> None:
        self.venue_ms = venue_ms
        self._skew_s = skew_ms / 1000
        # Further seconds off, and how many more each second brings, since a moment.
        self._off_s = self._drift = self._since_s = 0.0

    def read_ms(self) -> int:
        """Return what the machine takes for the time."""
        return self.venue_ms() + int(1000 * self.read_skew_s())

    def read_skew_s(self) -> float:
        """Return how many seconds the clock is ahead."""
        return self._skew_s + self._off_s + self._drift * (trio.current_time() - self._since_s)

    def set_off(self, off_s: float, *, drift: float = 0.0) -> None:
        """Make the clock step, and drift from there on."""
        self._off_s, self._drift, self._since_s = off_s, drift, trio.current_time()

    def restore(self) -> None:
        """Set the clock as a time service does."""
        self.set_off(0.0)

    @property
    def stepped_s(self) -> float:
        """Return when the clock was last set."""
        return self._since_s

    async def go_wrong(self, rng: Random) -> None:
        """Step or drift away, stay there for a while, and be set."""
        sign = rng.choice((-1, 1))
        kind, target_s, drift = rng.random(), rng.choice(TARGETS_S), log_uniform(rng, *DRIFTS)
        try:
            if kind < LEAP_SHARE:
                self.set_off(sign * rng.choice(LEAPS_S))
            elif kind < STEP_SHARE:
                self.set_off(sign * target_s)
            else:
                self.set_off(0.0, drift=sign * drift)
                await trio.sleep(target_s / drift)
                self.set_off(sign * target_s)
            await trio.sleep(rng.uniform(*STAYS_S))
        finally:
            self.restore()

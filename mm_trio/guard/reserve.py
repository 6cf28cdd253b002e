"""Nonces reserved for cancels that a guard may post. Pure.

The venue keeps the 100 highest nonces of a signer and takes a new one that is above the lowest of these. A nonce many
hours ahead stays above all that a maker uses meanwhile, however many they are. Once used it is among the 100 highest
until the time has passed it, and takes the place of one that the maker could use: so few may be spent at a time.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

__all__ = ["MOST_ACTIONS", "MOST_ITEMS", "NO_RESERVE", "Reserve"]

HOUR_MS = 3_600_000
# The venue takes a nonce up to a day ahead, less two minutes.
AHEAD_MS = 20 * HOUR_MS
RENEW_MS = 2 * HOUR_MS
# Items that one action may have, and actions: the venue lets at most 5,000 orders rest.
MOST_ITEMS, MOST_ACTIONS = 200, 25
# A volley that is refused is spent, so there are others where these are few.
MOST_VOLLEYS, MOST_SIGNED = 3, 30
# Half of what the venue keeps; the other half is for the maker.
MOST_SPENT = 50


@dataclass(frozen=True, slots=True)
class Reserve:
    """Nonces from `first` on: `MOST_ACTIONS` numbers for each volley.

    The n-th action of a volley has the same nonce in every file, so at most one file can be carried out. `widest` is
    the most actions that a volley had. `spent` were used earlier, and are ahead of the venue's time.
    """

    first: int = 0
    widest: int = 0
    spent: tuple[int, ...] = ()

    def list_signed(self) -> list[int]:
        """List the nonces that some file was signed with."""
        # A volley is made where all volleys have at most `MOST_SIGNED` actions together.
        widths = [min(self.widest, MOST_SIGNED // (n + 1)) for n in range(MOST_VOLLEYS)]
        return [nonce for n, width in enumerate(widths) for nonce in self._number(n, width)]

    def list_reserved(self) -> range:
        """List the nonces that any file may be signed with."""
        return range(self.first, self.first + MOST_VOLLEYS * MOST_ACTIONS)

    def number_volleys(self, n_actions: int) -> list[list[int]]:
        """Return the nonces of each volley of so many actions.

        None at all where too many are spent for another one.
        """
        if not n_actions:
            return []
        room = MOST_SPENT - len(self.spent)
        n_volleys = min(MOST_VOLLEYS, max(1, MOST_SIGNED // n_actions), room // n_actions)
        return [self._number(n, n_actions) for n in range(n_volleys)]

    def _number(self, volley: int, n_actions: int) -> list[int]:
        begin = self.first + volley * MOST_ACTIONS
        return list(range(begin, begin + n_actions))

    def is_due(self, now_ms: int) -> bool:
        """Check whether new nonces are needed, by the venue's time.

        Also where they are further ahead than any that we reserve: our estimate of that time was wrong then.
        """
        return not now_ms + RENEW_MS <= self.first <= now_ms + AHEAD_MS + HOUR_MS

    def widen(self, n_actions: int) -> Reserve:
        """Note how many actions a file has."""
        return replace(self, widest=max(self.widest, n_actions))

    def renew(self, now_ms: int, *, used: Collection[int] = ()) -> Reserve:
        """Return new nonces; `used` ones of the old reserve are spent from now on."""
        spent = tuple(sorted(nonce for nonce in {*self.spent, *used} if nonce > now_ms))
        # Never a number of the old reserve, whose cancels may be posted late.
        is_near = self.first <= now_ms + AHEAD_MS + HOUR_MS
        after = self.first + MOST_VOLLEYS * MOST_ACTIONS if is_near else 0
        return Reserve(max(now_ms + AHEAD_MS, after), 0, spent)

    def is_used(self, fired: Collection[int]) -> bool:
        """Check whether a guard has posted any of these nonces."""
        return any(nonce in fired for nonce in self.list_signed())


NO_RESERVE = Reserve()

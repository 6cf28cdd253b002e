"""Pause of one kind of refusal: the levels refused alike, and when one is tried again. Pure.

Up to five levels pause for themselves. Where more are refused alike, the kind pauses as a whole, and a probe of one
item is sent now and then. Items that follow a good probe become more with each success.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

__all__ = ["FIRST_PAUSE_S", "MOST_PAIRS", "Item", "KindPause"]

# More levels than this that are refused alike have one cause, and one pause.
MOST_PAIRS = 5
# Refusals alike of one level until it pauses. That an order is gone is a lost race, and its fills change the plan: only
# a venue that says it of an order that rests says it so often.
FREE_ONCE, FREE_RACES = 1, 3
# Pause of a level, from its second refusal alike on, and pause between two probes of a kind. Five levels at the longest
# pause cost 60 items in an hour, and so does one probe in a minute.
FIRST_PAUSE_S, LONGEST_PAUSE_S, LONGEST_PROBE_PAUSE_S = 10.0, 300.0, 60.0
# Time from the beginning of a pause in which every level is tried once, whatever that costs.
FREE_S = 120.0
# Items sent at once after good probes, until so many succeeded in a row that the cause must be gone.
MOST_STEPS, TRUSTED_AFTER = 5, 16
GOLDEN = 0.618034
# A level that is wanted no longer is forgotten: once its pause is over, or later where its kind pauses.
FORGET_ONCE_S, FORGET_S = 30.0, 300.0


class Item(Protocol):
    """Order or cancel; `slot` is what pauses: its (side, level), or the oid."""

    @property
    def slot(self) -> Hashable: ...


@dataclass(slots=True)
class _Pair:
    """One level that was refused, `n` times alike in a row."""

    item: Item
    seen_s: float
    free: int
    n: int = 0
    until_s: float = 0.0
    until_emit: int = 0

    def on_refused(self, item: Item, *, now_s: float, n_emits: int) -> None:
        """Count a refusal: the same item rests one emit, and its level pauses once it was refused more often."""
        self.item, self.seen_s, self.n = item, now_s, self.n + 1
        self.until_emit = n_emits + 2
        if self.is_pausing:
            pause_s = FIRST_PAUSE_S * 2.0 ** min(self.n - self.free - 1, 9)
            # After 80 s comes the longest: 160 s would bring a thirteenth item of the level into an hour.
            self.until_s = now_s + (pause_s if pause_s <= LONGEST_PAUSE_S / 3 else LONGEST_PAUSE_S)

    @property
    def is_pausing(self) -> bool:
        """Check if the level waits longer than one emit."""
        return self.n > self.free

    def on_seen(self, now_s: float) -> None:
        """Note that the level is wanted."""
        self.seen_s = now_s

    def try_again(self) -> None:
        """End the pause; the level is forgotten unless it is wanted."""
        self.until_s, self.seen_s = 0.0, -FORGET_S

    def is_forgotten(self, now_s: float, *, is_whole: bool) -> bool:
        """Check if the level was not wanted for a time."""
        unseen_s = now_s - self.seen_s
        return unseen_s >= FORGET_S or (not is_whole and unseen_s >= FORGET_ONCE_S and now_s >= self.until_s)


class KindPause:
    """Levels that were refused alike, and their pauses.

    `is_wide`: the refusal is of everything that is sent, so everything pauses. `text` is the venue's last one.
    `is_race`: it is of single orders, whatever happens to others. `is_inside_first`: far ends make way, so the
    innermost level is always the probe. `first_pause_s`: pause before the first probe, where the kind pauses as a
    whole.
    """

    def __init__(
        self, *, is_race: bool = False, is_inside_first: bool = False, first_pause_s: float = FIRST_PAUSE_S
    ) -> None:
        self._is_race = is_race
        self._is_inside_first = is_inside_first
        self.text = ""
        self._first_pause_s = first_pause_s
        self.is_whole = False
        self.is_wide = False
        self._pairs: dict[Hashable, _Pair] = {}
        self._pause_s = first_pause_s
        self._began_s = self._probe_s = 0.0
        self._n_probes = 0
        # Items that succeeded since the last refusal, and those that may be sent now although the kind pauses.
        self._streak = 0
        self._granted: set[Hashable] = set()

    @property
    def n_items(self) -> int:
        """Count the levels that were refused alike."""
        return len(self._pairs)

    @property
    def is_pausing(self) -> bool:
        """Check if anything waits longer than one tick."""
        return self.is_whole or any(pair.is_pausing for pair in self._pairs.values())

    # --- Answers ------------------------------------------------------------------------------------

    def on_refused(self, items: Sequence[Item], text: str, *, is_wide: bool, now_s: float, n_emits: int) -> None:
        """Remember the items of one action that were refused alike."""
        self.text = text
        for item in items:
            free = FREE_RACES if self._is_race else FREE_ONCE
            pair = self._pairs.setdefault(item.slot, _Pair(item, now_s, free))
            pair.on_refused(item, now_s=now_s, n_emits=n_emits)
        n_probes = sum(item.slot in self._granted for item in items)
        self._granted.difference_update(item.slot for item in items)
        if self.is_whole:
            self._put_off(n_probes, len(items), now_s=now_s)
        elif not self._is_race and (is_wide or len(self._pairs) > MOST_PAIRS):
            self.is_whole, self._began_s, self._probe_s = True, now_s, now_s + self._pause_s
        self.is_wide |= is_wide
        self._streak = 0

    def _put_off(self, n_probes: int, n_items: int, *, now_s: float) -> None:
        """Put off the next probe after more items were refused.

        Each takes its minute of the sixty items in an hour. At first, levels that nothing is known of cost nothing.
        """
        if n_probes:
            self._pause_s = min(2 * self._pause_s, LONGEST_PROBE_PAUSE_S)
            self._n_probes += 1
        elif now_s - self._began_s <= FREE_S:
            return
        share_s = min(LONGEST_PROBE_PAUSE_S * (n_items - 1), LONGEST_PAUSE_S)
        self._probe_s = now_s + max(self._pause_s, share_s)

    def on_success(self, item: Item) -> None:
        """Forget a level that the venue took."""
        was_asked = self._pairs.pop(item.slot, None) is not None or item.slot in self._granted
        self._granted.discard(item.slot)
        if self.is_whole and was_asked:
            self._streak += 1

    def forget(self, item: Item) -> None:
        """Forget a level that was refused otherwise meanwhile."""
        self._pairs.pop(item.slot, None)

    def try_again(self) -> None:
        """Try again at once: what the refusal named has changed."""
        self._pause_s, self._probe_s, self._n_probes = self._first_pause_s, 0.0, 0
        for pair in self._pairs.values():
            pair.try_again()

    # --- Choice of items ----------------------------------------------------------------------------

    def choose(self, wanted: Sequence[Item], *, free: Sequence[Item], now_s: float) -> None:
        """Choose probes among the wanted items, from the boundary outwards.

        `free` are those that no other kind holds back. What was not wanted for a time is forgotten. A probe that was
        not sent, whatever the reason, is not waited for: the next one is another.
        """
        for item in wanted:
            if (pair := self._pairs.get(item.slot)) is not None:
                pair.on_seen(now_s)
        for slot, pair in tuple(self._pairs.items()):
            if pair.is_forgotten(now_s, is_whole=self.is_whole):
                del self._pairs[slot]
        self._n_probes += bool(self._granted)
        self._granted.clear()
        if not self._pairs and not (self.is_wide and wanted):
            self.is_whole = self.is_wide = False
        if self.is_whole and now_s >= self._probe_s:
            self._granted.update(self._pick([item.slot for item in free if self.is_wide or item.slot in self._pairs]))

    def _pick(self, suspects: Sequence[Hashable]) -> Iterable[Hashable]:
        """Pick the next probes, and more of them after each success.

        Causes go from one end of a ladder or from the other: the nearest, the farthest and the middle take turns.
        """
        n = 1 if not self._streak else 2 * self._streak
        n = n if self._streak >= TRUSTED_AFTER else min(n, MOST_STEPS)
        turn = 0 if self._is_inside_first else self._n_probes % 3
        if turn == 0:
            return suspects[:n]
        if turn == 1:
            return suspects[-n:]
        # Multiples of the golden ratio spread evenly, however many there are.
        first = int(self._n_probes // 3 * GOLDEN % 1 * len(suspects))
        return suspects[first : first + n]

    def holds_back(self, item: Item, *, now_s: float, n_emits: int) -> bool:
        """Check if an item has to wait."""
        pair = self._pairs.get(item.slot)
        if self.is_whole:
            return (self.is_wide or pair is not None) and item.slot not in self._granted
        if pair is None:
            return False
        return now_s < pair.until_s or (n_emits < pair.until_emit and item == pair.item)

    @property
    def is_over(self) -> bool:
        """Check if nothing of this kind is remembered any more."""
        if self.is_whole and self.is_wide:
            return self._streak >= TRUSTED_AFTER
        return not self._pairs

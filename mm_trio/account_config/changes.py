"""Difference between two configurations of one account."""

from __future__ import annotations

from dataclasses import dataclass, fields

from mm_trio.account_config.settings import GRID_TUNING, AccountSettings
from mm_trio.config.settings import Settings

__all__ = ["AccountChange", "GridChange", "compare_accounts"]

# What a maker takes over only when it starts.
_RESTART = "leave it as it was, or end the maker and start it with the new file"
_FIXED = ("tuning", "guard", "record", "page", "alerts")


@dataclass(frozen=True, slots=True)
class GridChange:
    """Settings of one coin before and after; None where it has no grid."""

    old: Settings | None
    new: Settings | None

    @property
    def coin(self) -> str:
        """Return the coin as it is configured."""
        settings = self.new or self.old
        assert settings is not None
        return settings.market.coin

    @property
    def kind(self) -> str:
        """Return the word for what happens to the grid."""
        if self.old is None:
            return "added"
        if self.new is None:
            return "removed"
        return "unchanged" if self.old == self.new else "changed"

    def describe(self) -> str:
        """Name each value that changes, old and new."""
        if self.old is None or self.new is None:
            return ""
        words = []
        for section in ("market", "strategy", "allocation", "tuning", "limits"):
            before, after = getattr(self.old, section), getattr(self.new, section)
            if before is None or after is None:
                words += [] if before is after else [f"{section} {'added' if before is None else 'removed'}"]
                continue
            for item in fields(after):
                values = getattr(before, item.name), getattr(after, item.name)
                if values[0] != values[1]:
                    words.append(f"{section}.{item.name} {_show(values[0])} -> {_show(values[1])}")
        return ", ".join(words)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountChange:
    """What a new configuration changes.

    `grids` are those of the old file in its order, then the new ones. `refusals` say what a running maker cannot
    change, a line each. `limits_changed`: those over all grids.
    """

    grids: tuple[GridChange, ...]
    limits_changed: bool = False
    refusals: tuple[str, ...] = ()

    def list_kind(self, kind: str) -> tuple[GridChange, ...]:
        """List the grids that are added, removed, changed or unchanged."""
        return tuple(grid for grid in self.grids if grid.kind == kind)

    @property
    def is_empty(self) -> bool:
        """Check if nothing changes."""
        return not self.limits_changed and all(grid.kind == "unchanged" for grid in self.grids)


def compare_accounts(old: AccountSettings, new: AccountSettings) -> AccountChange:
    """Compare what runs with what is wanted."""
    before = {grid.market.coin: grid for grid in old.grids}
    after = {grid.market.coin: grid for grid in new.grids}
    coins = dict.fromkeys((*before, *after))
    return AccountChange(
        grids=tuple(GridChange(before.get(coin), after.get(coin)) for coin in coins),
        limits_changed=old.limits != new.limits,
        refusals=tuple(_find_refusals(old, new)),
    )


def _find_refusals(old: AccountSettings, new: AccountSettings) -> list[str]:
    section = "account" if new.lists_markets else "market"
    refusals = []
    for item in fields(new.account):
        was, is_now = getattr(old.account, item.name), getattr(new.account, item.name)
        if was != is_now:
            refusals.append(
                f"[{section}] {item.name} {_show(was)} -> {_show(is_now)}: another account or network is another "
                f"maker; {_RESTART}"
            )
    if old.lists_markets != new.lists_markets:
        forms = {True: "[[market]] tables", False: "one [market] table"}
        refusals.append(
            f"{forms[old.lists_markets]} -> {forms[new.lists_markets]}: the journal lies elsewhere then; {_RESTART}"
        )
    for name in _FIXED:
        before, after = getattr(old, name), getattr(new, name)
        for item in fields(after):
            if name == "tuning" and item.name in GRID_TUNING:
                # Compared grid by grid.
                continue
            if item.metadata["kind"].is_hidden:
                # It is not written down, so nobody knows what it was.
                continue
            values = getattr(before, item.name), getattr(after, item.name)
            if values[0] != values[1]:
                refusals.append(
                    f"[{name}] {item.name} {_show(values[0])} -> {_show(values[1])}: it is read when a maker "
                    f"starts; {_RESTART}"
                )
    return refusals


def _show(value: object) -> str:
    return "none" if value is None else f"{value}"

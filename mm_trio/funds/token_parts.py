"""Parts of a token that several grids of an account use, and how they change. Pure.

Each grid has its own part; what is in nobody's part is the rest of the account. A part moves by the fills of its grid.
Nothing else raises it above what its grid is entitled to: the allocation, moved by the same fills.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from mm_trio.model.errors import ConfigError
from mm_trio.model.numbers import EXACT

__all__ = ["Part", "check_allocations", "plan_allocations", "spread"]

_NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One grid's part of a token at this moment.

    `amount` is what its ledger has (`account_usdc`, or `account_token`), `entitled` its allocation moved by its fills
    (`virtual_usdc`, or `virtual_token`). Its own orders hold `hold_least` of the token at the least and `hold_most` at
    the most. `unquiet_s` is when its last fill was booked or its last doubt ended, `changed_s` when an order of it last
    changed, `has_doubts` if an order is in doubt now.
    """

    name: str
    amount: Decimal
    entitled: Decimal
    hold_least: Decimal = _NOTHING
    hold_most: Decimal = _NOTHING
    unquiet_s: float = float("-inf")
    changed_s: float = float("-inf")
    has_doubts: bool = False

    @property
    def owned(self) -> Decimal:
        """Return what the grid may offer; never below zero."""
        return max(_NOTHING, min(self.amount, self.entitled))

    @property
    def lacking(self) -> Decimal:
        """Return what the grid is entitled to and does not have; never below zero."""
        return EXACT.subtract(max(_NOTHING, self.entitled), self.owned)


def spread(parts: Iterable[Part], usable: Decimal, *, unit: Decimal) -> dict[str, Decimal]:
    """Compute what each grid has where `usable` of the token may be used.

    Less than all parts: each one shrinks in proportion to itself. More: parts that lack something grow in proportion to
    what they lack, up to what they are entitled to. Both are rounded down to `unit`, the token's smallest amount, and
    what is left over is nobody's. So is a gain below one unit a part, which would never come to an end.
    Returns the new amounts, by name; their sum is at most `usable`, or all are zero.
    """
    parts = tuple(parts)
    owned = {part.name: part.owned for part in parts}
    free = EXACT.subtract(usable, _add_up(owned.values()))
    if free < 0:
        return _share_out(max(_NOTHING, usable), owned, unit=unit)
    lacking = {part.name: part.lacking for part in parts if part.lacking}
    if free >= _add_up(lacking.values()):
        gains = lacking
    elif free < len(lacking) * unit:
        gains = {}
    else:
        gains = _share_out(free, lacking, unit=unit)
    return {name: EXACT.add(amount, gains.get(name, _NOTHING)) for name, amount in owned.items()}


def plan_allocations(parts: Iterable[Part], changes: Mapping[str, Decimal] | None = None) -> dict[str, Decimal]:
    """Compute what each grid has after changes of allocations.

    `changes` are the new allocations less the old ones, by name. A grid that is added has a part of nothing and its
    whole allocation as change; one that is removed, the opposite of what it is entitled to. An allocation that shrinks
    takes only what is above it then. Without a change a part loses what is above what its grid is entitled to, such as
    the rest of an account of which it was the only grid.
    Returns the amounts that the grids want, by name: check them, then let the ledgers take them over all at once.
    """
    changes = changes or {}
    planned = {}
    for part in parts:
        change = changes.get(part.name, _NOTHING)
        entitled = max(_NOTHING, EXACT.add(part.entitled, change))
        planned[part.name] = min(entitled, EXACT.add(part.owned, max(_NOTHING, change)))
    return planned


def check_allocations(wanted: Mapping[str, Decimal], *, token: str, total: Decimal, held: Decimal) -> None:
    """Check that the account can give each grid what it wants.

    `wanted` has what each grid is to have of the token, by name; `total` is what the account has, and `held` what
    others hold of that. Errors: ConfigError that names each grid's share.
    """
    free = max(_NOTHING, EXACT.subtract(total, held))
    if below := [name for name, amount in sorted(wanted.items()) if amount < 0]:
        raise ConfigError(
            f"allocation of {token} to {below[0]}: {wanted[below[0]]:f} is below zero; allocate from 0 to {free:f}"
        )
    asked = _add_up(wanted.values())
    if asked <= free:
        return
    shares = ", ".join(f"{name} {amount:f}" for name, amount in sorted(wanted.items()))
    others = f", {held:f} of its {total:f} held by other orders or as margin" if held > 0 else ""
    raise ConfigError(
        f"allocations of {token} sum up to {asked:f} ({shares}), and {free:f} is free on the account{others}; allocate "
        f"from 0 to {free:f} together, or deposit {EXACT.subtract(asked, free):f} {token} more"
    )


def _share_out(amount: Decimal, claims: Mapping[str, Decimal], *, unit: Decimal) -> dict[str, Decimal]:
    """Share an amount in proportion to claims that it does not cover, in whole units and never rounded up."""
    whole = EXACT.multiply(_add_up(claims.values()), unit)
    if not whole:
        return dict(claims)
    return {
        name: EXACT.multiply(EXACT.divide_int(EXACT.multiply(claim, amount), whole), unit)
        for name, claim in claims.items()
    }


def _add_up(amounts: Iterable[Decimal]) -> Decimal:
    total = _NOTHING
    for amount in amounts:
        total = EXACT.add(total, amount)
    return total

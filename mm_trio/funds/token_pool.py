"""One token of the account that several grids use, checked against the venue's balance. Pure.

The venue shows one total and one hold, and does not know of grids. The pool turns them into what each grid is shown as
its balance: its own part, as its ledger has it, until looks prove that the account no longer covers all parts, or can
give back what some of them lost. Then all parts change at once, so that a shortage is spread exactly once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum

from mm_trio.funds.holds import Usable, compute_usable
from mm_trio.funds.look_rule import CONFIRM_S, LookRule
from mm_trio.funds.token_parts import Part, spread
from mm_trio.model.numbers import EXACT

__all__ = ["Look", "LookVerdict", "TokenBalance", "TokenPool"]

_NOTHING = Decimal(0)


class LookVerdict(Enum):
    """Verdict on a look at a token's balance."""

    EQUAL = "the account covers all parts"
    ASK_AGAIN = "it does not, or can give something back; another look will decide"
    ADOPTED = "all parts changed"
    ONE_GRID = "one grid alone uses the token; its own ledger decides"


@dataclass(frozen=True, slots=True)
class TokenBalance:
    """Total of one token and the hold in it.

    `held` is None where the venue does not say; then what orders of others hold is off the total already.
    """

    total: Decimal
    held: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """What a look at a token's balance means for its grids.

    `adopted` has the new amount of each part that changed, by name: the ledgers take them over before anything else
    happens. `shown` is each grid's balance after that. `missing` is what the account lacked of all parts, by this look
    alone.
    """

    verdict: LookVerdict
    shown: Mapping[str, TokenBalance]
    adopted: Mapping[str, Decimal] = field(default_factory=dict)
    missing: Decimal = _NOTHING


class TokenPool:
    """Judge of the balances of a token.

    It remembers past looks, and no part: the ledgers of the grids own these. `unit` is the token's smallest amount.
    """

    def __init__(self, *, unit: Decimal) -> None:
        self._unit = unit
        self._rule = LookRule()

    @property
    def confirm_s(self) -> float:
        """Return after how long a look that differs is worth another one."""
        return self._rule.confirm_s

    def on_moved(self, amount: Decimal, *, now_s: float) -> None:
        """Note by how much a fill of any grid moved its part.

        Called for each fill that is booked, in the order of the venue.
        """
        self._rule.on_moved(amount, now_s=now_s)

    def look(
        self, parts: Sequence[Part], balance: TokenBalance, *, asked_s: float | None, was_pushed: bool = False
    ) -> Look:
        """Compare a balance with the parts of all grids that use the token.

        `asked_s` is when the venue was asked. A balance that `was_pushed` is as old as a frame may be. Without
        `asked_s` the parts take over at once what the balance means for them.
        """
        if len(parts) == 1:
            return Look(LookVerdict.ONE_GRID, {parts[0].name: balance})
        usable = find_pool_usable(parts, balance)
        owned = _NOTHING
        for part in parts:
            owned = EXACT.add(owned, part.owned)
        amount = usable.most if asked_s is None else usable.find_nearest(owned)
        changed = self._find_changed(parts, amount)
        missing = max(_NOTHING, EXACT.subtract(owned, amount))
        if not changed:
            self._rule.on_equal()
            return Look(LookVerdict.EQUAL, _show(parts, {}), missing=missing)
        if asked_s is not None:
            proves = max(part.changed_s for part in parts) <= asked_s - (CONFIRM_S if was_pushed else 0)
            if not (proves and self._is_proven(parts, EXACT.subtract(amount, owned), asked_s=asked_s)):
                return Look(LookVerdict.ASK_AGAIN, _show(parts, {}), missing=missing)
            self._rule.on_adopted(asked_s)
        return Look(LookVerdict.ADOPTED, _show(parts, changed), changed, missing)

    def _find_changed(self, parts: Sequence[Part], amount: Decimal) -> dict[str, Decimal]:
        after = spread(parts, amount, unit=self._unit)
        # A grid that was quoted alone for a while took the whole account for its own.
        before = {part.name: max(part.owned, part.amount) for part in parts}
        return {name: amount for name, amount in after.items() if amount != before[name]}

    def _is_proven(self, parts: Sequence[Part], difference: Decimal, *, asked_s: float) -> bool:
        return self._rule.is_proven(
            difference,
            asked_s=asked_s,
            quiet_since_s=max(part.unquiet_s for part in parts),
            has_doubts=any(part.has_doubts for part in parts),
        )


def find_pool_usable(parts: Sequence[Part], balance: TokenBalance) -> Usable:
    """Take off a balance what neither of these grids holds of it."""
    if balance.held is None:
        return Usable(balance.total, balance.total)
    least = most = _NOTHING
    for part in parts:
        least, most = EXACT.add(least, part.hold_least), EXACT.add(most, part.hold_most)
    return compute_usable(balance.total, balance.held, own_least=least, own_most=most)


def _show(parts: Sequence[Part], adopted: Mapping[str, Decimal]) -> dict[str, TokenBalance]:
    """Show each grid its own part, of which others hold nothing."""
    return {part.name: TokenBalance(adopted.get(part.name, part.amount), _NOTHING) for part in parts}

"""Check of the price that a ladder opens with.

The boundary follows the tokens that are offered, and nothing else. A wrong number in a configuration, or a balance
that is smaller than was thought, therefore opens the ladder far from where its operator wants it. It is compared with
the target, with the market, and with the ledger.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from mm_trio.model.pricing_grid import PricingGrid
from mm_trio.model.settings import Allotment, find_changed_terms, find_ladder_rule

__all__ = ["Amounts", "Earlier", "Inside", "LastQuoted", "Opening", "OpeningRules", "find_opening_fault"]

# How near an accepted price has to be, as a ratio.
ACCEPTED_WITHIN = Decimal("0.001")
# The parameters of the ledger that decide where the boundary is; the allocation does too.
_DECISIVE = ("start_px", "n_orders", "tick_size", "order_sz")


class Amounts(NamedTuple):
    """Amounts of base and quote; None: all that the account has."""

    token: Decimal | None
    usdc: Decimal | None


NOTHING = Amounts(Decimal(0), Decimal(0))


class Inside(NamedTuple):
    """Prices that a ladder opens with, None on a side without an order.

    `boundary_px` is the price of the lowest level that asks; without asks, of the highest level.
    """

    boundary_px: Decimal
    best_bid: Decimal | None
    best_ask: Decimal | None

    def __str__(self) -> str:
        """Describe the prices in words."""
        bid, ask = (_plain(price) for price in (self.best_bid, self.best_ask))
        return f"{_plain(self.boundary_px)} (best bid {bid}, best ask {ask})"


class Earlier(NamedTuple):
    """Boundary price of an earlier session, and the terms that changed since."""

    boundary_px: Decimal
    changed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LastQuoted:
    """Last boundary of an earlier session, and the terms it was quoted under.

    A start that was refused has recorded its terms too, at most; it quoted nothing.
    """

    boundary_level: int
    parameters: Mapping[str, str]
    allocation: Allotment

    def compare(self, grid: PricingGrid, parameters: Mapping[str, str], allocation: Allotment) -> Earlier | None:
        """Compare the terms with those of today.

        The price is that of its own ladder. None where it recorded no ladder.
        """
        before = self.parameters
        if not before.keys() >= set(_DECISIVE):
            return None
        level, rule = min(self.boundary_level, int(before["n_orders"]) - 1), find_ladder_rule(before)
        ladder = PricingGrid(
            before["start_px"],
            level + 1,
            tick_size=before["tick_size"],
            sz_decimals=grid.sz_decimals,
            ladder=rule,
        )
        changed = [name for name in find_changed_terms(parameters, before) if name in _DECISIVE]
        changed += [] if rule == grid.ladder else ["ladder"]
        changed += [] if allocation == self.allocation else ["allocation"]
        return Earlier(ladder.levels[level], tuple(changed))


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What a start knows of the price it would open with.

    `market_bid` and `market_ask` are the best of others. `wanted` are the amounts of the configuration, `moved` what
    fills added to them since the ledger began, `offered` those of the ladder, `held` those free on the account.
    `earlier` is None where no session quoted before.
    """

    grid: PricingGrid
    boundary_level: int
    inside: Inside
    market_bid: Decimal | None
    market_ask: Decimal | None
    tokens: tuple[str, str]
    wanted: Amounts
    offered: Amounts
    held: Amounts
    moved: Amounts = NOTHING
    earlier: Earlier | None = None

    @property
    def mid(self) -> Decimal | None:
        """Return the middle between the best prices of others."""
        if self.market_bid is None or self.market_ask is None:
            return None
        return (self.market_bid + self.market_ask) / 2

    @property
    def is_resumed(self) -> bool:
        """Check if an earlier session quoted under the same terms."""
        return self.earlier is not None and not self.earlier.changed


@dataclass(frozen=True, slots=True, kw_only=True)
class OpeningRules:
    """What the operator allows, and the price that was accepted by name."""

    max_distance_pct: Decimal
    target_px: Decimal | None = None
    accepted_px: Decimal | None = None


def find_opening_fault(opening: Opening, rules: OpeningRules) -> str | None:
    """Return why the ladder must not open at this price, or None.

    A price that the operator accepted has to be the one it opens at; then nothing else is asked. Else the target has to
    be met, and the ladder must not lie beyond the mid of others by more than `max_distance_pct`. A book of others
    around our inside says nothing against it. Where they have no mid near it, changed terms must not move the boundary
    by more than that from where an earlier session had it.
    """
    if rules.accepted_px is not None:
        return _find_unaccepted(opening, rules.accepted_px)
    return (
        _find_missed_target(opening, rules.target_px)
        or _find_distance_to_market(opening, rules.max_distance_pct)
        or _find_distance_to_ledger(opening, rules.max_distance_pct)
    )


def _find_unaccepted(opening: Opening, accepted_px: Decimal) -> str | None:
    price = opening.inside.boundary_px
    is_near = abs(price / accepted_px - 1) <= ACCEPTED_WITHIN
    if is_near or opening.grid.level_for_price(accepted_px) == opening.boundary_level:
        return None
    return (
        f"--accept-price {_plain(accepted_px)} is not the price that the ladder would open at: that is "
        f"{opening.inside}. Its own level, or 0.1 % beside it, is allowed. Check the configuration{_advise(opening)}"
    )


def _find_missed_target(opening: Opening, target_px: Decimal | None) -> str | None:
    """Return why the target is not met.

    A session that is resumed has traded since it opened there, so only a new target is judged.
    """
    if target_px is None or opening.is_resumed:
        return None
    level = opening.grid.level_for_price(target_px)
    lacks_quote = (opening.held.usdc or 0) < (opening.wanted.usdc or 0)
    lacks_bids = lacks_quote and bool(level) and opening.inside.best_bid is None
    if level == opening.boundary_level and not lacks_bids:
        return None
    needed, held, offered = (
        " and ".join(f"{_plain(amount)} {name}" for amount, name in zip(amounts, opening.tokens, strict=True))
        for amounts in (opening.wanted, opening.held, opening.offered)
    )
    return (
        f"target_px {_plain(target_px)} cannot be met: the ladder would open at {opening.inside}. The target needs "
        f"{needed}; the account holds {held}, and {offered} can be offered after all fills of the ledger. Deposit what "
        f"is missing, or choose another target_px{_advise(opening)}"
    )


def _find_distance_to_market(opening: Opening, most_pct: Decimal) -> str | None:
    """Return how far our inside lies beyond the market, if too far.

    A session that sold all its tokens, or spent all its quote, is resumed on the harmless side of a market that went on
    without it: there, nothing of ours is offered at a wrong price.
    """
    found = _find_gap(opening)
    if found is None or found.distance_pct <= most_pct:
        return None
    inside = opening.inside
    is_out = inside.best_bid is None if found.is_above else inside.best_ask is None
    if opening.is_resumed and is_out:
        return None
    bid, ask = _plain(opening.market_bid), _plain(opening.market_ask)
    return (
        f"the ladder would open at {inside}, {_describe_pct(found.distance_pct, is_above=found.is_above)} the market's "
        f"{found.name} {_plain(found.price)} (best bid {bid}, best ask {ask}, without our own orders); at most "
        f"{_describe_limit(most_pct)}. {_explain_distance(opening)}{_advise(opening)}"
    )


def _explain_distance(opening: Opening) -> str:
    if opening.is_resumed:
        return (
            "The market moved while this maker was away, and the boundary follows the tokens alone. Wait until the "
            "market is back, or change the ladder or the allocation"
        )
    return (
        "The boundary follows the tokens alone. Check start_px, n_orders, tick_size, order_sz, and target_px or the "
        "allocation"
    )


def _find_distance_to_ledger(opening: Opening, most_pct: Decimal) -> str | None:
    """Return how far changed terms move the boundary, if too far.

    Others whose mid is near confirm the new price.
    """
    earlier = opening.earlier
    if earlier is None or not earlier.changed or _is_confirmed(opening, most_pct):
        return None
    distance_pct = 100 * (opening.inside.boundary_px / earlier.boundary_px - 1)
    if abs(distance_pct) <= most_pct:
        return None
    return (
        f"the ladder would open at {opening.inside}, {_describe_pct(abs(distance_pct), is_above=distance_pct > 0)} the "
        f"last boundary price {_plain(earlier.boundary_px)} of this ledger: changed since are "
        f"{', '.join(earlier.changed)}, and no market of others confirms the new price; at most "
        f"{_describe_limit(most_pct)}. Change it back{_advise(opening)}"
    )


class _Gap(NamedTuple):
    """Distance of our inside from a price of the market, in percent of that."""

    name: str
    price: Decimal
    distance_pct: Decimal
    is_above: bool


def _find_gap(opening: Opening) -> _Gap | None:
    """Find how far our inside lies beyond the market.

    None where it overlaps the spread of others, or nothing can be compared. With one side of a book the price of that
    side is compared, and only an inside beyond it.
    """
    low, high = _find_edges(opening)
    bid, ask, mid = opening.market_bid, opening.market_ask, opening.mid
    if low is None or high is None:
        return None
    if ask is not None and low >= ask:
        name, price, nearest = ("mid", mid, low) if mid is not None else ("best ask", ask, low)
    elif bid is not None and high <= bid:
        name, price, nearest = ("mid", mid, high) if mid is not None else ("best bid", bid, high)
    else:
        return None
    distance = nearest / price - 1
    return _Gap(name, price, 100 * abs(distance), distance > 0)


def _find_edges(opening: Opening) -> tuple[Decimal | None, Decimal | None]:
    """Return the lower and the upper price of our inside."""
    bid, ask = opening.inside.best_bid, opening.inside.best_ask
    return (ask if bid is None else bid), (bid if ask is None else ask)


def _is_confirmed(opening: Opening, most_pct: Decimal) -> bool:
    """Check if the mid of others is within, or near, our inside."""
    (low, high), mid = _find_edges(opening), opening.mid
    if mid is None or low is None or high is None:
        return False
    return low * (1 - most_pct / 100) <= mid <= high * (1 + most_pct / 100)


def _describe_pct(distance_pct: Decimal, *, is_above: bool) -> str:
    return f"{distance_pct:.2f} % {'above' if is_above else 'below'}"


def _describe_limit(most_pct: Decimal) -> str:
    return f"{_plain(most_pct)} % is allowed ([tuning] max_open_distance_pct)"


def _advise(opening: Opening) -> str:
    return f"; to open there all the same: --accept-price {_plain(opening.inside.boundary_px)}"


def _plain(value: Decimal | None) -> str:
    return "none" if value is None else f"{value.normalize():f}"

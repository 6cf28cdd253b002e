"""What of the amounts offered is not quoted, and why. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from mm_trio.model.orders import Quote
from mm_trio.model.pricing_grid import PricingGrid
from mm_trio.model.settings import QuoteSettings
from mm_trio.quoting.quoting_engine import cut_tranches

__all__ = ["Offer", "Withheld", "find_withheld", "plain"]

# Sessions of earlier releases did not record their window.
_LEFT_OUT = "they are due, or paused after refusals, or outside of a window (active_levels) that was not recorded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """Amounts offered, and how the tokens are cut: `full` whole orders and a `remainder`.

    `level` is that of the remainder, `n_orders - full - 1`: below 0 where the ladder has no level for it.
    """

    token: Decimal
    quote: Decimal
    full: int
    remainder: Decimal
    level: int

    @classmethod
    def of(cls, grid: PricingGrid, settings: QuoteSettings, *, token: Decimal, quote: Decimal) -> Offer:
        """Cut the tokens into whole orders."""
        full, remainder = cut_tranches(token, order_size=settings.order_size, lot=grid.lot)
        return cls(token=token, quote=quote, full=full, remainder=remainder, level=grid.n_orders - full - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Withheld:
    """Amounts that no order offers, each with its reasons."""

    token: Decimal
    quote: Decimal
    token_because: tuple[str, ...]
    quote_because: tuple[str, ...]

    def to_json(self) -> dict[str, object]:
        """Return plain JSON values."""
        return {
            "token": f"{self.token:f}",
            "token_because": list(self.token_because),
            "quote": f"{self.quote:f}",
            "quote_because": list(self.quote_because),
        }


def plain(value: Decimal) -> str:
    """Write a number in plain digits without idle zeros."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def find_withheld(grid: PricingGrid, settings: QuoteSettings, offer: Offer, quotes: Sequence[Quote]) -> Withheld:
    """Find what `quotes` leave of an offer."""
    asked = sum((quote.size for quote in quotes if quote.side == "sell"), Decimal(0))
    spent = sum((quote.size * quote.price for quote in quotes if quote.side == "buy"), Decimal(0))
    token, left = offer.token - asked, offer.quote - spent
    return Withheld(
        token=token,
        quote=left,
        token_because=tuple(_explain_tokens(grid, settings, offer, quotes)) if token > 0 else (),
        quote_because=tuple(_explain_quote(grid, settings, quotes, left=left)) if left > 0 else (),
    )


def _explain_tokens(grid: PricingGrid, settings: QuoteSettings, offer: Offer, quotes: Sequence[Quote]) -> list[str]:
    reasons: list[str] = []
    n_asks = sum(quote.side == "sell" for quote in quotes)
    places = {(quote.side, quote.level_index): quote for quote in quotes}
    if offer.level < -1 or (offer.level == -1 and offer.remainder):
        reasons.append(f"the ladder has {grid.n_orders} levels, and tokens for more of them are offered")
    elif offer.remainder and ("sell", offer.level) not in places:
        reasons.append(_explain_remainder(grid, settings, offer, has_bid=("buy", offer.level) in places))
    if offer.token % grid.lot:
        reasons.append(f"less than a lot of {plain(grid.lot)} cannot be offered")
    if settings.active_levels is not None and n_asks >= settings.active_levels:
        reasons.append(f"only {settings.active_levels} asks rest at once (active_levels)")
    elif offer.level >= 0 and (missing := _count_missing_asks(grid, offer, quotes)):
        reasons.append(f"{missing} whole orders to sell do not rest: {_LEFT_OUT}")
    return reasons or ["an order on its way, in doubt or due is not counted"]


def _count_missing_asks(grid: PricingGrid, offer: Offer, quotes: Sequence[Quote]) -> int:
    """Count the levels above that of the remainder which have no ask."""
    above = sum(quote.side == "sell" and quote.level_index > offer.level for quote in quotes)
    return max(0, min(offer.full, grid.n_orders) - above)


def _explain_remainder(grid: PricingGrid, settings: QuoteSettings, offer: Offer, *, has_bid: bool) -> str:
    at = f"level {offer.level} ({plain(grid.levels[offer.level])})"
    if has_bid:
        return f"the remainder of {plain(offer.remainder)} waits: a bid of ours on its {at} stays until it is filled"
    if offer.remainder * grid.levels[offer.level] < settings.min_notional:
        return (
            f"the remainder of {plain(offer.remainder)} on {at} is worth less than {plain(settings.min_notional)} quote"
        )
    return f"the remainder of {plain(offer.remainder)} has no ask on {at}"


def _explain_quote(grid: PricingGrid, settings: QuoteSettings, quotes: Sequence[Quote], *, left: Decimal) -> list[str]:
    bids = [quote for quote in quotes if quote.side == "buy"]
    if settings.active_levels is not None and len(bids) >= settings.active_levels:
        return [f"only {settings.active_levels} bids rest at once (active_levels)"]
    if not bids:
        return [f"no bid has room: it needs a level below the asks, and {plain(settings.min_notional)} quote or more"]
    lowest = min(quote.level_index for quote in bids)
    if lowest == 0:
        return ["there is a bid on the lowest level: the ladder ends there"]
    if left >= settings.min_notional:
        return [f"bids from level {lowest - 1} down do not rest: {_LEFT_OUT}"]
    least = f"an order of {plain(settings.min_notional)} quote or more"
    return [f"what is left does not pay for {least} on level {lowest - 1}"]

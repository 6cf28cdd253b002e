"""Check of a market against the one that a ledger was kept for."""

from __future__ import annotations

from collections.abc import Mapping

from mm_trio.model.market import Market

__all__ = ["describe_market", "find_market_change"]


def describe_market(market: Market) -> dict[str, str]:
    """Return what identifies a market, for the journal."""
    return {
        "asset": str(market.asset_id),
        "base": str(market.base.index),
        "quote": str(market.quote.index),
        "sz_decimals": str(market.base.sz_decimals),
    }


def find_market_change(parameters: Mapping[str, str], market: Market) -> str | None:
    """Return how the market differs from the recorded one, or None.

    The venue never reuses an asset id, a token's index or its decimals: another value is another market, or an answer
    that is wrong. A ledger that did not record them is not judged.
    """
    now = describe_market(market)
    changed = [name for name in now if parameters.get(name, now[name]) != now[name]]
    if not changed:
        return None
    return "; ".join(f"{name} was {parameters[name]} and is {now[name]}" for name in changed)

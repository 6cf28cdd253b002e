"""Terms in use, by name.

Their numbers are those of public agreements. Where one leaves a number to the market, the note says which was chosen.
"""

from __future__ import annotations

from typing import Final

from mm_trio.liquidity.terms import Terms, read_terms

__all__ = ["PRESETS", "PRESET_NOTES", "read_preset"]


def _audit(depth: str) -> dict[str, object]:
    """Sample audit of a token project: 95 % of the time, 30 bps, depth by tier within 2 %."""
    promise = {"side": "both", "at_least": "0.95"}
    return {
        "within_pct": "2",
        "target_bps": "30",
        "clause": [
            {"name": "uptime", **promise, "within_pct": "2"},
            {"name": "spread", **promise, "spread_bps": "30"},
            {"name": "depth", **promise, "within_pct": "2", "min_depth": depth},
        ],
    }


# A majority: more than a half. No period has so many samples that one of them is less than 10^-8.
_MAJORITY: Final = "0.50000001"

PRESETS: Final[dict[str, dict[str, object]]] = {
    "spark": {
        "within_pct": "0.35",
        "target_bps": "35",
        "clause": [
            {"name": "uptime bid", "side": "bid", "at_least": "0.85", "within_pct": "0.35"},
            {"name": "uptime ask", "side": "ask", "at_least": "0.85", "within_pct": "0.35"},
            {"name": "uptime mean", "side": "mean", "at_least": "0.85", "within_pct": "0.35"},
            {"name": "spread", "side": "both", "at_least": "0.85", "spread_bps": "35"},
        ],
    },
    "monday-trade": {
        "within_pct": "2",
        "target_bps": "50",
        "clause": [
            {"name": "uptime", "side": "both", "at_least": "0.9", "within_pct": "2"},
            {
                "name": "depth while up",
                "measure": "depth_while_up",
                "side": "both",
                "at_least": "50000",
                "within_pct": "2",
            },
        ],
    },
    "audit-5k": _audit("5000"),
    "audit-50k": _audit("50000"),
    "first-tier": {
        "within_pct": "2",
        "target_bps": "50",
        "clause": [{"name": "uptime", "side": "both", "at_least": "0.98", "within_pct": "2"}],
    },
    "vega": {
        "within_pct": "5",
        "target_bps": "100",
        "clause": [
            {"name": "time in range", "side": "both", "at_least": "0.95", "within_pct": "5", "over": "day"},
        ],
    },
    "quote-asset": {
        "within_pct": "0.2",
        "target_bps": "40",
        "clause": [
            {
                "name": "0.998 to 1.002",
                "side": "both",
                "at_least": _MAJORITY,
                "price_low": "0.998",
                "price_high": "1.002",
                "min_depth": "100000",
            },
            {
                "name": "0.99 to 1.01",
                "side": "both",
                "at_least": _MAJORITY,
                "price_low": "0.99",
                "price_high": "1.01",
                "min_depth": "1000000",
            },
        ],
    },
    "quote-asset-hype": {
        "within_pct": "0.5",
        "target_bps": "100",
        "clause": [
            {
                "name": "within 0.5 %",
                "side": "both",
                "at_least": _MAJORITY,
                "within_pct": "0.5",
                "min_depth": "50000",
            },
        ],
    },
}

PRESET_NOTES: Final[dict[str, str]] = {
    "spark": "each side and the mean of both at least 85 %; spread at most 0.1 to 0.35 % by pair, here 0.35 %",
    "monday-trade": "at least 90 %; 50,000 a side on the mean while up, here within 2 %",
    "audit-5k": "sample audit of a token project, lowest tier: 95 %, 30 bps, 5,000 a side within 2 %",
    "audit-50k": "the same, highest tier: 50,000 a side within 2 %",
    "first-tier": "first-tier listing: 98 % on both sides, here within 2 %",
    "vega": "part of each epoch inside a range of prices; here 95 % of each UTC day within 5 % of the mid",
    "quote-asset": "the venue's rule for a quote asset, over 3 days: a majority of samples with 100,000 a side from "
    "0.998 to 1.002, and 1,000,000 from 0.99 to 1.01",
    "quote-asset-hype": "the same rule on the asset's HYPE pair: 50,000 a side within 0.5 %",
}


def read_preset(name: str) -> Terms:
    """Return the terms of a preset, which is one of `PRESETS`."""
    return read_terms(PRESETS[name])

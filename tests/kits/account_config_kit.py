"""Documents of accounts with several grids, for tests."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import Any

from mm_trio.account_config.loading import parse_account_settings
from mm_trio.account_config.settings import AccountSettings

ACCOUNT = "0x" + "ab" * 20

TWO_MARKETS = f"""
[account]
network = "testnet"
account = "{ACCOUNT}"

[limits]
max_side_notional = "9000"
budget_floor = 500

[tuning]
interval_s = 2.0
dead_zone_bps = 1.0

[[market]]
coin = "HYPE/USDC"
base = "HYPE"
[market.strategy]
start_px = "20"
n_orders = 100
order_sz = "5"
[market.allocation]
token = "250"
usdc = "5000"
[market.limits]
max_order_notional = "150"
[market.tuning]
dead_zone_bps = 4.0

[[market]]
coin = "@1"
[market.strategy]
start_px = "1.5"
n_orders = 50
order_sz = "10"
[market.allocation]
token = "100"
usdc = "300"
"""


def two_markets() -> dict[str, Any]:
    """Return the document of two grids, fresh."""
    return tomllib.loads(TWO_MARKETS)


def one_market() -> dict[str, Any]:
    """Return the document of one grid, in the old form, fresh."""
    return {
        "market": {"coin": "@107", "account": ACCOUNT},
        "strategy": {"start_px": "20", "n_orders": 100, "order_sz": "5"},
        "allocation": {"token": "250", "usdc": "5000"},
    }


def make_market(coin: str, **sections: Any) -> dict[str, Any]:
    """Return one [[market]] table."""
    table: dict[str, Any] = {
        "coin": coin,
        "strategy": {"start_px": "20", "n_orders": 100, "order_sz": "5"},
        "allocation": {"token": "250", "usdc": "5000"},
    }
    return {name: value for name, value in (table | sections).items() if value is not None}


def make_document(*markets: Mapping[str, Any], **sections: Any) -> dict[str, Any]:
    """Return a document with these [[market]] tables."""
    return {"account": {"account": ACCOUNT}, "market": list(markets), **sections}


def parse_account(document: Mapping[str, Any], environ: Mapping[str, str] | None = None) -> AccountSettings:
    """Parse a document as `mm.toml`."""
    return parse_account_settings(document, environ=environ or {}, source="mm.toml")

"""What a sandbox tells whoever started it: where it is and with which keys, and at the end what happened."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from mm_trio.cli.demo_market import DemoMarket

__all__ = ["ReplaySummary", "SandboxAccess", "SandboxSummary", "TestAccount"]


@dataclass(frozen=True, slots=True)
class TestAccount:
    """A funded account and the test key of its agent."""

    __test__ = False  # pytest: no test

    account: str
    private_key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SandboxAccess:
    """What a client needs: where, for which accounts, and the test keys of their agents."""

    url: str
    accounts: tuple[TestAccount, ...]
    control_token: str = field(repr=False)
    markets: tuple[DemoMarket, ...] = field(repr=False)

    def to_json(self) -> str:
        """One line of JSON. `account`, `private_key` and `coin` are the first ones."""
        first = self.accounts[0]
        document = {
            "url": self.url,
            "account": first.account,
            "private_key": first.private_key,
            "coin": self.markets[0].pair.name,
            "coins": [market.pair.name for market in self.markets],
            "accounts": [{"account": each.account, "private_key": each.private_key} for each in self.accounts],
            "control_token": self.control_token,
        }
        return json.dumps(document)

    def to_text(self) -> str:
        """What a person needs, ready to be copied."""
        more = "".join(f"# another account: {each.account}, key {each.private_key}\n" for each in self.accounts[1:])
        return f"""\
# The sandbox listens at {self.url}; Ctrl-C ends it.
# To look behind it, and to change it while it runs:
#   curl -H 'Authorization: Bearer {self.control_token}' {self.url}/sandbox/state
{more}# 1. the test key of its agent, for the shell that runs the maker (worth nothing anywhere else):
export MM_TRIO_PRIVATE_KEY={self.accounts[0].private_key}
# 2. a configuration; save what follows as sandbox.toml, then: mm-trio run --config sandbox.toml

{self.to_config()}"""

    def to_config(self) -> str:
        """A configuration that `run` accepts as it is; the key goes into the environment."""
        market = self.markets[0]
        return f"""\
[market]
coin = "{market.pair.name}"
network = "sandbox"
api_url = "{self.url}"
account = "{self.accounts[0].account}"

[strategy]
start_px = "{market.start_px}"
n_orders = {market.n_orders}
order_sz = "{market.order_sz}"
active_levels = {market.active_levels}

[allocation]
token = "{market.tokens}"
usdc = "{market.quote}"
"""


@dataclass(frozen=True, slots=True)
class SandboxSummary:
    """What happened in the end: trades and orders by account, and how often each fault struck."""

    faults: dict[str, int]
    fills: dict[str, int]
    orders_resting: dict[str, int]

    def to_json(self) -> dict[str, Any]:
        return {"faults": self.faults, "fills": self.fills, "orders_resting": self.orders_resting}

    def to_text(self) -> str:
        """One line for each fault that struck."""
        if not self.faults:
            return "faults: none"
        return "\n".join(["faults:", *(f"  {name:20} {n}" for name, n in self.faults.items())])


@dataclass(frozen=True, slots=True)
class ReplaySummary:
    """Where a history leads. `is_whole`: its last line says where it should, and it does."""

    commands: int
    digest: str
    is_whole: bool
    fills: dict[str, int]
    orders_resting: dict[str, int]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def to_text(self) -> str:
        """One line for each fact."""
        return "\n".join(f"{name:16} {value}" for name, value in self.to_json().items())

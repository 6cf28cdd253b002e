"""Texts that the `sandbox` command prints."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field

from mm_trio.cli.programs.demo_market import STEP, DemoMarket

__all__ = ["ReplaySummary", "SandboxAccess", "SandboxSummary", "TestAccount"]


@dataclass(frozen=True, slots=True)
class TestAccount:
    """A funded account and the test key of its agent.

    `master` is empty, or the account whose sub-account it is; then the agent is that one's.
    """

    # The name would make pytest collect this class.
    __test__ = False

    account: str
    private_key: str = field(repr=False)
    master: str = ""

    def to_json(self) -> dict[str, str]:
        """Return plain JSON values."""
        values = {"account": self.account, "private_key": self.private_key}
        return {**values, "master": self.master} if self.master else values


@dataclass(frozen=True, slots=True)
class SandboxAccess:
    """Address, accounts and test keys that a client needs."""

    url: str
    accounts: tuple[TestAccount, ...]
    control_token: str = field(repr=False)
    markets: tuple[DemoMarket, ...] = field(repr=False)

    def to_json(self) -> str:
        """Return one line of JSON.

        `account`, `private_key` and `coin` are those of the first account and market.
        """
        first = self.accounts[0]
        document = {
            "url": self.url,
            **first.to_json(),
            "coin": self.markets[0].pair.name,
            "coins": [market.pair.name for market in self.markets],
            "accounts": [each.to_json() for each in self.accounts],
            "control_token": self.control_token,
        }
        return json.dumps(document)

    def to_text(self) -> str:
        """Return instructions for a person, ready to be copied."""
        more = "".join(f"# another account: {each.account}, key {each.private_key}\n" for each in self.accounts[1:])
        return f"""\
# The sandbox listens at {self.url}; Ctrl-C ends it.
# To inspect its state, and to change it while it runs:
#   curl -H 'Authorization: Bearer {self.control_token}' {self.url}/sandbox/state
{more}# 1. Set the test key of the account's agent in the shell that runs the maker (the key works only here):
export MM_TRIO_PRIVATE_KEY={self.accounts[0].private_key}
# 2. Save the following configuration as sandbox.toml, then: mm-trio run --config sandbox.toml

{self.to_config()}"""

    def to_config(self) -> str:
        """Return a configuration that `run` accepts unchanged.

        The key is not in it: `run` takes it from the environment.
        """
        market = self.markets[0]
        step = "" if market.step == STEP else f'tick_size = "{market.step}"\n'
        vault = "vault = true\n" if self.accounts[0].master else ""
        return f"""\
[market]
coin = "{market.pair.name}"
network = "sandbox"
api_url = "{self.url}"
account = "{self.accounts[0].account}"
{vault}
[strategy]
start_px = "{market.start_px}"
n_orders = {market.n_orders}
order_sz = "{market.order_sz}"
{step}active_levels = {market.active_levels}

[allocation]
token = "{market.tokens}"
usdc = "{market.quote}"
"""


@dataclass(frozen=True, slots=True)
class SandboxSummary:
    """Fills, open orders and injected faults of a sandbox."""

    faults: dict[str, int]
    fills: dict[str, int]
    orders_resting: dict[str, int]

    def to_json(self) -> dict[str, object]:
        """Return plain JSON values."""
        return {"faults": self.faults, "fills": self.fills, "orders_resting": self.orders_resting}

    def to_text(self) -> str:
        """Return one line per kind of fault that was injected."""
        if not self.faults:
            return "faults: none"
        return "\n".join(["faults:", *(f"  {name:20} {n}" for name, n in self.faults.items())])


@dataclass(frozen=True, slots=True)
class ReplaySummary:
    """State that a history leads to.

    `is_whole`: the last line of the history confirms that state.
    """

    commands: int
    digest: str
    is_whole: bool
    fills: dict[str, int]
    orders_resting: dict[str, int]

    def to_json(self) -> dict[str, object]:
        """Return plain JSON values."""
        return asdict(self)

    def to_text(self) -> str:
        """Return one line per value."""
        return "\n".join(f"{name:16} {value}" for name, value in self.to_json().items())

"""Texts that the `sandbox` command prints, and the file of its configuration."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

from mm_trio.cli.programs.demo_market import STEP, DemoMarket
from mm_trio.model.errors import ConfigError, LocalError
from mm_trio.model.local_failures import describe_local_failure
from mm_trio.model.pricing_grid import PricingGrid
from mm_trio.planning.ladder_plan import plan_allocation
from mm_trio.planning.plan_limits import find_limits
from mm_trio.planning.plan_request import Shape

__all__ = ["ReplaySummary", "SandboxAccess", "SandboxSummary", "TestAccount", "save_config"]

# What `grid` writes too: far above what a ladder needs.
PACE_LIMITS = {
    "max_actions_per_hour": "20000",
    "max_fills_per_minute": "600",
    "max_unknown_outcomes": "20",
    "budget_floor": "500",
}
CONFIG_MARK = "# Written by mm-trio sandbox"


@dataclass(frozen=True, slots=True)
class TestAccount:
    """A funded account, the test keys of its agents, and its own one.

    `private_key` is that of the first agent. Only an account's own key moves its funds and approves agents. `master` is
    empty, or the account whose sub-account it is; then the keys are that one's.
    """

    # The name would make pytest collect this class.
    __test__ = False

    account: str
    private_key: str = field(repr=False)
    master_key: str = field(default="", repr=False)
    agent_keys: tuple[str, ...] = field(default=(), repr=False)
    master: str = ""

    def to_json(self) -> dict[str, str]:
        """Return plain JSON values."""
        values = {"account": self.account, "private_key": self.private_key}
        return {**values, "master": self.master} if self.master else values


@dataclass(frozen=True, slots=True)
class SandboxAccess:
    """Address, accounts and test keys that a client needs.

    `is_mainnet`: only what is signed for mainnet is taken.
    """

    url: str
    accounts: tuple[TestAccount, ...]
    control_token: str = field(repr=False)
    markets: tuple[DemoMarket, ...] = field(repr=False)
    is_mainnet: bool = False

    def to_json(self) -> str:
        """Return one line of JSON.

        `account`, `private_key` and `coin` are those of the first account and market. The lists of keys are in the
        order of `accounts`.
        """
        first = self.accounts[0]
        document = {
            "url": self.url,
            **first.to_json(),
            "coin": self.markets[0].pair.name,
            "coins": [market.pair.name for market in self.markets],
            "accounts": [each.to_json() for each in self.accounts],
            "agent_keys": [list(each.agent_keys) for each in self.accounts],
            "master_keys": [each.master_key for each in self.accounts],
            "control_token": self.control_token,
            "as": "mainnet" if self.is_mainnet else "testnet",
        }
        return json.dumps(document)

    def to_text(self) -> str:
        """Return instructions for a person, ready to be copied."""
        first = self.accounts[0]
        more = "".join(f"# another account: {each.account}, key {each.private_key}\n" for each in self.accounts[1:])
        more += "".join(f"# another agent of the first account, key {key}\n" for key in first.agent_keys[1:])
        more += f"# The first account's own key, for transfers and to approve agents: {first.master_key}\n"
        if self.is_mainnet:
            more += (
                "# It takes what is signed for mainnet. `run` with the following configuration asks the real venue:\n"
            )
            more += "# only a test that replaces the venue's address in its own process reaches this sandbox with it.\n"
        return f"""\
# The sandbox listens at {self.url}; Ctrl-C ends it.
# To inspect its state, and to change it while it runs:
#   curl -H 'Authorization: Bearer {self.control_token}' {self.url}/sandbox/state
{more}# 1. Set the test key of the account's agent in the shell that runs the maker (the key works only here):
export MM_TRIO_PRIVATE_KEY={first.private_key}
# 2. Save the following configuration as sandbox.toml, then: mm-trio run --config sandbox.toml

{self.to_config()}"""

    def to_config(self) -> str:
        """Return a configuration that `run` accepts unchanged.

        The key is not in it: `run` takes it from the environment. One for mainnet names no address, because the venue's
        own is in code alone; it has the limits that `run --live` asks for.
        """
        market = self.markets[0]
        place = f'network = "sandbox"\napi_url = "{self.url}"'
        if self.is_mainnet:
            place = f'network = "mainnet"  # the real one, unless a test replaces it\nbase = "{market.pair.base.name}"'
        step = "" if market.step == STEP else f'tick_size = "{market.step}"\n'
        vault = "vault = true\n" if self.accounts[0].master else ""
        return f"""\
[market]
coin = "{market.pair.name}"
{place}
account = "{self.accounts[0].account}"
{vault}
[strategy]
start_px = "{market.start_px}"
n_orders = {market.n_orders}
order_sz = "{market.order_sz}"
{step}active_levels = {market.active_levels}
{_write_limits(market) if self.is_mainnet else ""}
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


def _write_limits(market: DemoMarket) -> str:
    """Write the limits of a market's own ladder, as a configuration has them."""
    grid = PricingGrid(
        market.start_px, market.n_orders, tick_size=market.step, sz_decimals=market.pair.base.sz_decimals
    )
    plan = plan_allocation(
        Shape(grid, market.order_sz, market.tokens),
        market.quote,
        gap_levels=market.gap_levels,
        min_notional=market.min_notional,
        active_levels=market.active_levels,
    )
    amounts = {name: f'"{value:f}"' for name, value in asdict(find_limits(plan)).items()}
    lines = [f"{name} = {value}" for name, value in (amounts | PACE_LIMITS).items()]
    return "\n".join(["", "[limits]", *lines, ""])


def save_config(path: Path, config: str) -> None:
    """Write a configuration to a file that only its owner can read.

    It replaces what another sandbox wrote, and nothing else. Errors: ConfigError for a file of somebody else,
    LocalError where it cannot be written.
    """
    try:
        if path.exists() and not (path.is_file() and path.read_bytes().startswith(CONFIG_MARK.encode())):
            raise ConfigError(f"--config-out: {path} exists, and no sandbox wrote it; name a new file")
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with open(number, "w", encoding="utf-8") as file:
            file.write(f"{CONFIG_MARK}; the next one that is given this file replaces it.\n{config}")
    except OSError as error:
        words = describe_local_failure(OSError(error.errno or 0, error.strerror or str(error)))
        raise LocalError(f"--config-out: {path} cannot be written: {words}") from error

"""A sandbox with several pairs, and the file of a maker that makes all of their markets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from process_kit import Sandbox, open_sandbox

COINS = ("@107", "@142", "@151")
ACCOUNT = """
[account]
network = "sandbox"
api_url = "{url}"
account = "{account}"

[tuning]
interval_s = 1.0
"""
MARKET = """
[[market]]
coin = "{coin}"
[market.strategy]
start_px = "20.6"
n_orders = 40
order_sz = "5"
active_levels = 5
[market.allocation]
token = "100"
usdc = "{usdc}"
"""
# What the sandbox gives an account of USDC suffices for three of these.
USDC = "1000"


@contextmanager
def open_several(folder: Path, *arguments: str, coins: Sequence[str] = COINS) -> Iterator[Sandbox]:
    """A sandbox whose takers trade all the pairs."""
    with open_sandbox(folder, "--coin", coins[0], "--pairs", ",".join(coins[1:]), *arguments) as sandbox:
        yield sandbox


def save_several(
    sandbox: Sandbox, folder: Path, *, coins: Sequence[str] = COINS, more: str = "", own: dict[str, str] | None = None
) -> Path:
    """The file of all markets; `more` is of the account, `own` of a coin."""
    text = ACCOUNT.format(url=sandbox.url, account=sandbox.account) + more
    for coin in coins:
        text += MARKET.format(coin=coin, usdc=USDC) + (own or {}).get(coin, "")
    path = folder / "several.toml"
    path.write_text(text)
    return path


def open_orders(sandbox: Sandbox) -> dict[str, int]:
    """How many orders the account has open, by coin."""
    counts: dict[str, int] = {}
    for row in sandbox.ask("openOrders"):
        counts[row["coin"]] = counts.get(row["coin"], 0) + 1
    return counts


def find_folder(folder: Path, sandbox: Sandbox, coin: str) -> Path:
    """The state folder of a coin, or the account's."""
    (found,) = (folder / "state").glob(f"mm_trio/sandbox/*/{sandbox.account.lower()}/{coin}")
    return found


def total(rows: Any, name: str) -> Decimal:
    """The sum of a field over the grids of a summary."""
    return sum((Decimal(str(row[name])) for row in rows.values()), Decimal(0))

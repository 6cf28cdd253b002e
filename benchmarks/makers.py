"""The makers that are measured as processes of their own, on loopback: ours, `pyperliquidity`, and a floor."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from common import CHECKOUT, peer_environ
from eth_account import Account

__all__ = [
    "ACCOUNT",
    "COIN",
    "LEVELS",
    "N_ORDERS",
    "ORDER_SIZE",
    "START_PRICE",
    "TAKER",
    "TOKENS",
    "USDC",
    "Maker",
    "make_floor",
    "make_ours",
    "make_peer",
    "running",
]

COIN, START_PRICE, N_ORDERS, ORDER_SIZE, TOKENS, USDC = "@107", "20", 60, 5, 150, 3200
LEVELS = 20  # a side
TAKER = "0x" + "7a" * 20
LEAVE_S = 60.0
_PEER_START = CHECKOUT / "tests" / "others" / "start_peer.py"
_WALLET = Account.from_key(sha256(b"mm_trio benchmark").digest())
_KEY = "0x" + _WALLET.key.hex().removeprefix("0x")
ACCOUNT: str = _WALLET.address


@dataclass(frozen=True, slots=True)
class Maker:
    """A command, its configuration, and its environment; URL and CONFIG stand for the exchange and the file."""

    name: str
    command: tuple[str, ...]
    config: str
    environ: Mapping[str, str]


def make_ours(
    name: str,
    *,
    interval_s: float,
    requote_on_fill: bool = False,
    window_slack: int = 0,
    checkout: Path = CHECKOUT,
    tuning: str = "",
) -> Maker:
    """mm_trio, its ledger in a folder of its own; `tuning` are further lines of that table."""
    config = f"""\
[market]
coin = "{COIN}"
network = "sandbox"
api_url = "URL"
account = "{ACCOUNT}"

[strategy]
start_px = "{START_PRICE}"
n_orders = {N_ORDERS}
order_sz = "{ORDER_SIZE}"
active_levels = {LEVELS}
window_slack = {window_slack}

[allocation]
token = "{TOKENS}"
usdc = "{USDC}"

[tuning]
interval_s = {interval_s}
requote_on_fill = {str(requote_on_fill).lower()}
{tuning}
"""
    command = (sys.executable, "-m", "mm_trio", "run", "--config", "CONFIG", "--plain")
    return Maker(name, command, config, peer_environ(MM_TRIO_PRIVATE_KEY=_KEY, PYTHONPATH=str(checkout)))


def make_floor(name: str) -> Maker:
    """What cannot be beaten with the same socket, signer and HTTP."""
    ours = make_ours(name, interval_s=3.0)
    script = str(Path(__file__).with_name("floor_maker.py"))
    return Maker(name, (sys.executable, script, "CONFIG"), ours.config, ours.environ)


def make_peer(name: str, python: str, *, interval_s: float) -> Maker:
    """pyperliquidity, with the Python of its environment."""
    config = f"""\
[market]
coin = "{COIN}"
testnet = true

[strategy]
start_px = {START_PRICE}
n_orders = {N_ORDERS}
order_sz = {ORDER_SIZE}
active_levels = {LEVELS}

[allocation]
allocated_token = {TOKENS}
allocated_usdc = {USDC}

[tuning]
interval_s = {interval_s}
min_notional = 10.0
"""
    environ = peer_environ(PYPERLIQUIDITY_PRIVATE_KEY=_KEY, PYPERLIQUIDITY_WALLET=ACCOUNT.lower())
    return Maker(name, (python, str(_PEER_START), "URL", "run", "--config", "CONFIG"), config, environ)


@contextmanager
def running(maker: Maker, url: str, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The maker's process, its log in `maker.log`; told to leave at the end, and killed if it does not."""
    config = folder / "maker.toml"
    config.write_text(maker.config.replace("URL", url))
    command = [{"CONFIG": str(config), "URL": url}.get(word, word) for word in maker.command]
    environ = {**maker.environ, "XDG_STATE_HOME": str(folder)}
    with (folder / "maker.log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder, env=environ)
    try:
        yield process
        process.send_signal(signal.SIGINT)
        process.wait(LEAVE_S)
    finally:
        process.kill()
        process.wait()

"""Another program's maker on our exchange: `pyperliquidity`, unchanged, quotes and trades with the sandbox's takers.

It needs an environment of its own, which `nox -s others` makes; MM_TRIO_PEER_PYTHON names its Python, and
MM_TRIO_PEER_SECONDS how long it trades.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from process_kit import DEADLINE_S, Program, Sandbox, clean_environ, open_sandbox

PEER_PYTHON = os.environ.get("MM_TRIO_PEER_PYTHON", "")
TRADES_S = float(os.environ.get("MM_TRIO_PEER_SECONDS", "10"))
LOOKS = 20  # at the book, spread over the whole time
LEVELS = 10
SLOWEST_FILLS_PER_S = 0.2  # takers come once a second on average

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.timeout(TRADES_S + 4 * DEADLINE_S),
    pytest.mark.skipif(not PEER_PYTHON, reason="MM_TRIO_PEER_PYTHON names no environment with pyperliquidity"),
]

# tokens worth half of the ladder's levels above its middle, and the money for those below
CONFIG = """\
[market]
coin = "@107"
testnet = true

[strategy]
start_px = 20.0
n_orders = 60
order_sz = 5.0
active_levels = 10

[allocation]
allocated_token = 150.0
allocated_usdc = 3000.0

[tuning]
interval_s = 0.5
min_notional = 10.0
"""


@contextmanager
def trading_peer(folder: Path, sandbox: Sandbox) -> Iterator[Program]:
    """The peer as its own command starts it; killed on leaving if it still runs."""
    config = folder / "peer.toml"
    config.write_text(CONFIG)
    environ = {"PYPERLIQUIDITY_PRIVATE_KEY": sandbox.private_key, "PYPERLIQUIDITY_WALLET": sandbox.account}
    command = [PEER_PYTHON, str(Path(__file__).with_name("start_peer.py")), sandbox.url, "run", "--config", str(config)]
    out_path, err_path = folder / "peer.out", folder / "peer.err"
    with out_path.open("wb") as out, err_path.open("wb") as err:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, cwd=folder, env=_environ_of_peer(environ)
        )
    try:
        yield Program(process, out_path, err_path)
    finally:
        process.kill()
        process.wait()


def _environ_of_peer(more: dict[str, str]) -> dict[str, str]:
    """Without the path to this checkout: what it imports is in its own environment."""
    environ = clean_environ(**more)
    del environ["PYTHONPATH"]
    return environ


@dataclass(frozen=True)
class Look:
    """What rested at one moment: oid -> (side, price)."""

    orders: dict[int, tuple[str, str]]

    def count(self, side: str) -> int:
        return sum(found == side for found, _ in self.orders.values())

    @property
    def is_whole(self) -> bool:
        return self.count("B") == self.count("A") == LEVELS


def look_at(sandbox: Sandbox) -> Look:
    rows: list[dict[str, Any]] = sandbox.ask("openOrders")
    return Look({row["oid"]: (row["side"], row["limitPx"]) for row in rows})


def wait_for_whole_ladder(sandbox: Sandbox) -> Look:
    end_s = time.monotonic() + DEADLINE_S
    while not (look := look_at(sandbox)).is_whole:
        assert time.monotonic() < end_s, f"never a whole ladder: {look}"
        time.sleep(0.5)
    return look


def test_the_peer_quotes_trades_and_requotes(tmp_path: Path) -> None:
    with open_sandbox(tmp_path, "--dense-meta") as sandbox, trading_peer(tmp_path, sandbox) as peer:
        first = wait_for_whole_ladder(sandbox)
        looks = []
        for _ in range(LOOKS):
            time.sleep(TRADES_S / LOOKS)
            looks.append(look_at(sandbox))
        fills = sandbox.ask("userFills")
        last = wait_for_whole_ladder(sandbox)
        code = peer.end(signal.SIGINT)
        left = look_at(sandbox)
        complaints = sandbox.program.err

    assert len(fills) >= SLOWEST_FILLS_PER_S * TRADES_S
    assert {fill["crossed"] for fill in fills} == {False}
    assert any(look.is_whole for look in looks[LOOKS // 2 :])
    new = last.orders.keys() - first.orders.keys()
    assert new, "nothing was quoted after the first ladder"
    assert set(first.orders) & {fill["oid"] for fill in fills}, "nobody took of the first ladder"
    assert code == 0, peer.err
    assert left.orders == {}
    assert "Traceback" not in peer.err
    assert "Traceback" not in complaints

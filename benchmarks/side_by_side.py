"""Two makers on one exchange, one after the other: how fast a fill is quoted again, and what it costs in requests.

Run by `python benchmarks/side_by_side.py`; the other maker, `pyperliquidity`, takes part where MM_TRIO_PEER_PYTHON
names the Python of its environment (`nox -s peer` makes one). Each maker is a process of its own, and so is the
exchange, which measures: the same takers, drawn from a seed, take the whole best order of a side every half second,
and the exchange notes when their fills were told and when the maker's orders came. Fees are zero, so that every
order stays whole and the right best prices are a matter of counting fills.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from eth_account import Account
from measured_venue import COIN, N_ORDERS, ORDER_SIZE, START_PRICE, TOKENS, USDC, Script, run_venue

__all__: list[str] = []

CHECKOUT = Path(__file__).resolve().parents[1]
PEER_START = CHECKOUT / "tests" / "others" / "start_peer.py"
LEVELS = 20  # a side
SLACK = 5  # by so many levels the far ends of our window may lag; the other maker has no such thing
LEAVE_S = 60.0
_WALLET = Account.from_key(sha256(b"mm_trio side by side").digest())


@dataclass(frozen=True, slots=True)
class Maker:
    """One way to make that market: a command, its configuration, and the variables that hold its key."""

    name: str
    command: tuple[str, ...]  # CONFIG and URL stand for the file and the exchange
    config: str
    environ: Mapping[str, str]


def _our_maker(name: str, *, interval_s: float, requote_on_fill: bool) -> Maker:
    config = f"""\
[market]
coin = "{COIN}"
network = "sandbox"
api_url = "URL"
account = "{_WALLET.address}"

[strategy]
start_px = "{START_PRICE}"
n_orders = {N_ORDERS}
order_sz = "{ORDER_SIZE}"
active_levels = {LEVELS}
window_slack = {SLACK}

[allocation]
token = "{TOKENS}"
usdc = "{USDC}"

[tuning]
interval_s = {interval_s}
requote_on_fill = {str(requote_on_fill).lower()}
"""
    command = (sys.executable, "-m", "mm_trio", "run", "--config", "CONFIG", "--plain")
    environ = {"MM_TRIO_PRIVATE_KEY": "0x" + _WALLET.key.hex().removeprefix("0x"), "PYTHONPATH": str(CHECKOUT)}
    return Maker(name, command, config, environ)


def _peer(name: str, python: str, *, interval_s: float) -> Maker:
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
    environ = {"PYPERLIQUIDITY_PRIVATE_KEY": _WALLET.key.hex(), "PYPERLIQUIDITY_WALLET": _WALLET.address.lower()}
    return Maker(name, (python, str(PEER_START), "URL", "run", "--config", "CONFIG"), config, environ)


def _list_makers(peer_python: str) -> list[Maker]:
    makers = [
        _our_maker("mm_trio, on fill (ticks of 3 s)", interval_s=3.0, requote_on_fill=True),
        _our_maker("mm_trio, ticks of 3 s", interval_s=3.0, requote_on_fill=False),
        _our_maker("mm_trio, ticks of 0.5 s", interval_s=0.5, requote_on_fill=False),
    ]
    if peer_python:
        makers += [
            _peer("pyperliquidity, ticks of 3 s", peer_python, interval_s=3.0),
            _peer("pyperliquidity, ticks of 0.5 s", peer_python, interval_s=0.5),
        ]
    return makers


@contextmanager
def _running(maker: Maker, url: str, folder: Path) -> Any:
    """The maker's process; told to leave at the end, and killed if it does not."""
    config = folder / "maker.toml"
    config.write_text(maker.config.replace("URL", url))
    command = [{"CONFIG": str(config), "URL": url}.get(word, word) for word in maker.command]
    kept = {name: value for name, value in os.environ.items() if not name.upper().endswith("_PROXY")}
    environ = {**kept, "XDG_STATE_HOME": str(folder), **maker.environ}
    with (folder / "maker.log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder, env=environ)
    try:
        yield process
        process.send_signal(signal.SIGINT)
        process.wait(LEAVE_S)
    finally:
        process.kill()
        process.wait()


def _measure(maker: Maker, script: Script) -> dict[str, float]:
    """Let the takers of `script` trade with `maker`. Errors: RuntimeError with the maker's log if it did not trade."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    venue = context.Process(target=run_venue, args=(theirs, script, _WALLET.address.lower(), LEVELS), daemon=True)
    venue.start()
    try:
        with tempfile.TemporaryDirectory(prefix="mm_trio-side-") as name:
            folder = Path(name)
            with _running(maker, ours.recv(), folder):
                if not ours.poll(script.lasts_s + 2 * LEAVE_S):
                    raise RuntimeError(f"{maker.name} did not trade:\n{(folder / 'maker.log').read_text()[-3000:]}")
                return _sum_up(ours.recv())
    finally:
        venue.kill()
        venue.join()


def _sum_up(seen: dict[str, Any]) -> dict[str, float]:
    waits_ms = [1000 * wait_s for wait_s in seen["waits_s"]]
    n = seen["n_fills"]
    deciles = statistics.quantiles(waits_ms, n=10) if len(waits_ms) > 1 else [0.0] * 9
    return {
        "fills": n,
        "requoted": len(waits_ms),
        "p50_ms": round(statistics.median(waits_ms), 2) if waits_ms else 0.0,
        "p90_ms": round(deciles[8], 2),
        "wrong_best_share": round(seen["wrong_s"] / seen["traded_s"], 4),
        "actions_per_fill": round(seen["n_actions"] / n, 2),
        "items_per_fill": round(seen["n_items"] / n, 2),
        "questions_per_fill": round(seen["n_questions"] / n, 2),
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Let each maker trade in turn, and print a table or a JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fills", type=int, default=100, metavar="N", help="orders taken of each maker")
    parser.add_argument("--every", type=float, default=0.5, metavar="S", help="seconds between takers")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of the sides they take")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    arguments = parser.parse_args(argv)
    script = Script(n_fills=arguments.fills, every_s=arguments.every, seed=arguments.seed)
    found: dict[str, dict[str, float]] = {}
    for maker in _list_makers(os.environ.get("MM_TRIO_PEER_PYTHON", "")):
        found[maker.name] = _measure(maker, script)
        if not arguments.json:
            print(
                f"{maker.name:34}" + "  ".join(f"{key} {value:g}" for key, value in found[maker.name].items()),
                flush=True,
            )
    if arguments.json:
        print(json.dumps({"script": asdict(script), "makers": found}))


if __name__ == "__main__":
    main()

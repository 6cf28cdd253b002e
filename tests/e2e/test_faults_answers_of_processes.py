"""A maker as a process of its own, whose venue answers without an end: R4, R5 and R7 of the fault table.

It drips for so many seconds as `MM_TRIO_DRIP_S` says; the session `drip` of nox makes it ten minutes.
"""

from __future__ import annotations

import json
import os
import re
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from process_kit import DEADLINE_S, Program, Sandbox, open_sandbox, run, running
from rogue_kit import Peer, open_rogue
from spoiling_proxy import MEGABYTE, Spoil, SpoilingProxy, drip, flood, open_proxy

SECONDS = float(os.environ.get("MM_TRIO_DRIP_S", "20"))
MOST_THREADS = 20
MOST_MB = 150
LOOK_EVERY_S = 0.25
# The shutdown has ten seconds; the rest is for a machine that is busy.
LEAVING_TAKES_S = 20.0
QUOTES = r"tick=1 .* placed=20 errors=0"
NOBODY = {"MM_TRIO_PRIVATE_KEY": "0x" + "5e" * 32}

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(SECONDS + 4 * DEADLINE_S)]


@dataclass
class Peak:
    """The most threads and memory that a process had."""

    threads: int = 0
    megabytes: int = 0

    def look(self, pid: int) -> None:
        status = Path(f"/proc/{pid}/status").read_text()
        found = {name: int(n) for name, n in re.findall(r"^(Threads|VmRSS):\s+(\d+)", status, re.MULTILINE)}
        self.threads = max(self.threads, found["Threads"])
        self.megabytes = max(self.megabytes, found["VmRSS"] // 1024)


def spoil_for(proxy: SpoilingProxy, maker: Program, spoil: Spoil, seconds: float) -> Peak:
    """Let the venue answer so, and look at the maker now and then."""
    peak = Peak()
    proxy.spoil = spoil
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        peak.look(maker.process.pid)
        time.sleep(LOOK_EVERY_S)
    return peak


def check_end(maker: Program, sandbox: Sandbox) -> float:
    """End it: whatever rests then is named, and the exit code says so. Gives the seconds that it took."""
    told_s = time.monotonic()
    code = maker.end(signal.SIGTERM)
    took_s = time.monotonic() - told_s
    resting = {f"oid {row['oid']}" for row in sandbox.ask("openOrders")}

    assert code in (0, 4), maker.err
    assert resting <= set(maker.last_object()["orders_may_rest"])
    assert (code == 4) == bool(maker.last_object()["orders_may_rest"])
    assert "Traceback" not in maker.err
    return took_s


@pytest.mark.usefixtures("each_transport")
@pytest.mark.parametrize(
    ("spoil", "seconds"),
    [
        pytest.param(drip, SECONDS, id="r4_drip"),
        pytest.param(flood("", MEGABYTE), 6.0, id="r5_no_length"),
        pytest.param(flood("Transfer-Encoding: chunked", b"100000\r\n" + MEGABYTE + b"\r\n"), 6.0, id="r5_chunks"),
    ],
)
def test_r4_r5_answers_without_an_end_cost_neither_threads_nor_memory(
    tmp_path: Path, spoil: Spoil, seconds: float
) -> None:
    with open_sandbox(tmp_path) as sandbox, open_proxy(sandbox.url) as proxy:
        config = sandbox.save_config(tmp_path, api_url=json.dumps(proxy.url))
        with running(tmp_path, "run", "--config", str(config), "--json", environ=sandbox.key) as maker:
            maker.wait_for(QUOTES)
            peak = spoil_for(proxy, maker, spoil, seconds)
            took_s = check_end(maker, sandbox)

    print(
        f"{seconds:g} s, {proxy.n_spoilt} answers: {peak.threads} threads, {peak.megabytes} MB, "
        f"exit code {maker.process.returncode} after {took_s:.1f} s"
    )
    assert proxy.n_spoilt > 3
    assert peak.threads <= MOST_THREADS
    assert peak.megabytes < MOST_MB
    assert took_s < LEAVING_TAKES_S


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"<html>502</html>", id="html"),
        pytest.param(b"[]", id="list"),
        pytest.param(b'{"universe": [], "tokens": []}', id="no pairs"),
        pytest.param(b'{"universe": [{"tokens": [1]}], "tokens": [{"index": []}]}', id="no token"),
        pytest.param(b"[" * 100_000, id="deep"),
        pytest.param(b'{"tokens": %s, "universe": NaN}' % (b"9" * 10_000), id="digits"),
    ],
)
def test_r7_a_start_on_garbage_is_one_line_and_exit_code_3(tmp_path: Path, body: bytes) -> None:
    n_asked = 0

    def answer(peer: Peer) -> None:
        nonlocal n_asked
        while peer.read_request():
            n_asked += 1
            peer.send_answer(body)

    with open_rogue(answer) as rogue:
        config = tmp_path / "mm.toml"
        config.write_text(
            f'[market]\ncoin = "@107"\naccount = "0x{"a1" * 20}"\napi_url = "{rogue.url}"\n'
            '[strategy]\nn_orders = 60\norder_sz = "5"\nstart_px = "20"\n'
        )
        code, out, err = run(tmp_path, "run", "--config", str(config), "--json", environ=NOBODY)

    assert (code, json.loads(out)["exit_code"]) == (3, 3)
    assert len(err.splitlines()) == 1, err
    assert err.startswith("mm-trio: ")
    # Three questions are asked at once, and each of them three times.
    assert n_asked == 9

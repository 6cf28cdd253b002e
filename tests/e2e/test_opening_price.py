"""`run` and the price that it would open at: refused, accepted or planned, by the program as a whole."""

from __future__ import annotations

import json
import re
import signal
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from process_kit import DEADLINE_S, Sandbox, open_sandbox, run, running
from script_kit import Script, open_script

pytestmark = pytest.mark.e2e

NOBODY = {"MM_TRIO_PRIVATE_KEY": "0x" + "5e" * 32}
TARGET = "20.302"  # level 5: with orders of 6 it needs 330 tokens, and the account has 300


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with open_sandbox(tmp_path_factory.mktemp("sandbox"), "--no-takers", "--accounts", "2") as opened:
        yield opened


def aim(sandbox: Sandbox, folder: Path, *, target: str = TARGET) -> Path:
    """The printed configuration with a target in place of its allocation."""
    path = sandbox.save_config(folder, order_sz='"6"')
    text = re.sub(r"\[allocation\].*", "", path.read_text(), flags=re.DOTALL)
    path.write_text(text.replace("[strategy]", f'[strategy]\ntarget_px = "{target}"'))
    return path


def check_refused(found: tuple[int, str, str], *told: str) -> None:
    """The exit code 2, and one line that says so."""
    code, out, err = found
    refusals = [line for line in err.splitlines() if line.startswith("mm-trio: ")]
    assert (code, json.loads(out)["exit_code"], len(refusals)) == (2, 2, 1), err
    assert [part for part in told if part not in refusals[0]] == []


@pytest.mark.smoke
def test_a_target_that_cannot_be_met_is_exit_code_2_and_nothing_rests(tmp_path: Path, sandbox: Sandbox) -> None:
    config = aim(sandbox, tmp_path)

    found = run(tmp_path, "run", "--config", str(config), "--json", environ=sandbox.key)

    check_refused(found, f"target_px {TARGET} cannot be met: the ladder would open at 20.604", "holds 300 HYPE")
    assert sandbox.ask("openOrders") == []


def test_the_price_that_the_refusal_names_is_accepted(tmp_path: Path, sandbox: Sandbox) -> None:
    config = str(aim(sandbox, tmp_path))
    _, _, err = run(tmp_path, "run", "--config", config, "--json", environ=sandbox.key)
    accepted = err.strip().rpartition(" ")[2]

    with running(
        tmp_path, "run", "--config", config, "--json", "--accept-price", accepted, environ=sandbox.key
    ) as maker:
        maker.wait_for(rf"start coin=.* boundary_px={accepted} .* best_ask={accepted} ")
        maker.wait_for(r"tick=1 .* errors=0")

        assert maker.end(signal.SIGTERM) == 0, maker.err


def test_a_ladder_far_from_the_market_is_exit_code_2(tmp_path: Path, sandbox: Sandbox) -> None:
    other: Script = open_script(sandbox.access, number=1)
    other.rest(24.9, is_buy=True)
    other.rest(25.1, is_buy=False)
    config = str(sandbox.save_config(tmp_path))
    try:
        found = run(tmp_path, "run", "--config", config, "--json", environ=sandbox.key)
        mistyped = run(tmp_path, "run", "--config", config, "--json", "--accept-price", "25", environ=sandbox.key)
    finally:
        other.cancel_all()

    check_refused(found, "below the market's mid 25 (best bid 24.9, best ask 25.1", "--accept-price 21.866")
    check_refused(mistyped, "--accept-price 25 is not the price", "--accept-price 21.866")
    assert sandbox.ask("openOrders") == []


def test_a_plan_needs_no_key_and_sends_nothing(tmp_path: Path, sandbox: Sandbox) -> None:
    config = aim(sandbox, tmp_path)
    n_requests = sandbox.ask("userRateLimit")["nRequestsUsed"]

    code, out, err = run(tmp_path, "run", "--config", str(config), "--plan", "--duration", "3", "--plain")

    assert code == 0, err
    assert re.search(r"plan opening: boundary_px=20\.604 best_bid=20\.543 best_ask=20\.604 ", out)
    assert f"plan refused: reason=target_px {TARGET} cannot be met" in out
    assert "plan place: side=sell level=10 px=20.604 sz=6" in out
    assert sandbox.ask("userRateLimit")["nRequestsUsed"] == n_requests


def test_a_plan_is_not_live(tmp_path: Path) -> None:
    code, out, err = run(tmp_path, "run", "--config", "nowhere.toml", "--plan", "--live")

    assert (code, out) == (2, "")
    assert "argument --live: not allowed with argument --plan" in err


@pytest.mark.parametrize("price", ["0", "-1", "nan", "21,5", "1e400"])
def test_an_accepted_price_that_is_not_a_price_is_exit_code_2(tmp_path: Path, price: str) -> None:
    code, out, err = run(tmp_path, "run", "--config", "nowhere.toml", f"--accept-price={price}")

    assert (code, out) == (2, "")
    assert "argument --accept-price: must be a number from 0.00000001 to 1000000000" in err


def test_a_whole_account_that_nobody_named_is_refused_on_testnet(tmp_path: Path) -> None:
    """Whatever would be asked of testnet would go to a proxy, which is ours and hears nothing."""
    config = tmp_path / "mm.toml"
    config.write_text(
        f'[market]\ncoin = "@107"\nnetwork = "testnet"\naccount = "0x{"ab" * 20}"\n'
        '[strategy]\nstart_px = "20"\nn_orders = 60\norder_sz = "5"\n'
    )
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        listener.settimeout(DEADLINE_S)
        proxy = {"HTTPS_PROXY": f"http://127.0.0.1:{listener.getsockname()[1]}"}
        found = run(tmp_path, "run", "--config", str(config), "--json", environ=NOBODY | proxy)

        check_refused(found, "neither [strategy] target_px nor [allocation] is given", "--accept-price")
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()

"""A running maker is asked and told by its control socket, and by the commands that use it."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import stat
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from process_kit import Program, open_sandbox, run, running, wait_until
from several_kit import COINS, open_orders, open_several, save_several

pytestmark = pytest.mark.e2e

QUIET = "--no-takers"


def find_socket(tmp_path: Path) -> Path:
    (found,) = (tmp_path / "state").rglob("control.sock")
    return found


def ask_json(folder: Path, *words: str, code: int = 0) -> Any:
    """The object that a command ends with."""
    ended, out, err = run(folder, *words, "--json")
    assert ended == code, out + err
    return json.loads(out.splitlines()[-1])


def connect(path: Path) -> socket.socket:
    """A client that waits until there is room for it."""
    client = socket.socket(socket.AF_UNIX)
    # A relative name is never too long.
    with contextlib.chdir(path.parent):
        client.connect(path.name)
    return client


def wait_for_quotes(maker: Program) -> None:
    maker.wait_for("tick=1 ")
    maker.wait_for("control socket open")


def test_the_commands_tell_what_the_running_maker_knows(tmp_path: Path) -> None:
    with open_sandbox(tmp_path) as sandbox:
        config = ("--config", str(sandbox.save_config(tmp_path)))
        before = ask_json(tmp_path, "status", *config)
        with running(tmp_path, "run", *config, "--json", environ=sandbox.key) as maker:
            wait_for_quotes(maker)
            mode = stat.S_IMODE(find_socket(tmp_path).stat().st_mode)
            wait_until(lambda: len(sandbox.ask("userFills")) > 2)
            status = ask_json(tmp_path, "status", *config)
            code, text, _ = run(tmp_path, "status", *config)
            orders = ask_json(tmp_path, "orders", *config)
            fills = ask_json(tmp_path, "fills", *config)
            assert maker.end(signal.SIGTERM) == 0
        after = ask_json(tmp_path, "status", *config)
        left = list((tmp_path / "state").rglob("control.sock"))
        orders_after, fills_after = (ask_json(tmp_path, verb, *config) for verb in ("orders", "fills"))

    assert (before["running"], before["status"], before["ledger"][0]["last_entry_ms"]) == (False, None, None)
    assert mode == 0o600
    assert (status["running"], status["ledger"]) == (True, [])
    found = status["status"]
    assert found["identity"]["account"] == sandbox.account.lower()
    assert found["grids"][0]["health"]["fills"] >= 2
    assert found["last_tick_age_s"] < 20
    assert code == 0
    assert "a maker runs: " in text
    assert "boundary " in text
    assert (orders["source"], orders["running"]) == ("maker", True)
    assert all(order["age_s"] is not None for order in orders["orders"] if order["phase"] == "resting")
    assert (fills["source"], fills["totals"]["n"] >= 2) == ("ledger", True)
    assert (after["running"], after["status"], left) == (False, None, [])
    assert after["ledger"][0]["boundary_level"] is not None
    assert (orders_after["source"], orders_after["orders"]) == ("ledger", [])
    assert {fill["tid"] for fill in fills["fills"]} <= {fill["tid"] for fill in fills_after["fills"]}


def test_a_killed_maker_leaves_a_socket_that_the_next_replaces(tmp_path: Path) -> None:
    with open_sandbox(tmp_path, QUIET) as sandbox:
        config = ("--config", str(sandbox.save_config(tmp_path)))
        with running(tmp_path, "run", *config, environ=sandbox.key) as maker:
            wait_for_quotes(maker)
            maker.end(signal.SIGKILL)
        dead = ask_json(tmp_path, "status", *config)
        code, text, _ = run(tmp_path, "status", *config)
        with running(tmp_path, "run", *config, environ=sandbox.key) as maker:
            wait_for_quotes(maker)
            again = ask_json(tmp_path, "status", *config)
            assert maker.end(signal.SIGTERM) == 0

    assert (dead["running"], dead["ledger"][0]["asks"] > 0) == (False, True)
    assert (code, "no maker runs" in text) == (0, True)
    assert again["status"]["state"] in ("quoting", "in part")


def test_a_maker_that_hangs_is_told_from_one_that_is_gone(tmp_path: Path) -> None:
    with open_sandbox(tmp_path, QUIET) as sandbox:
        config = ("--config", str(sandbox.save_config(tmp_path)))
        with running(tmp_path, "run", *config, environ=sandbox.key) as maker:
            wait_for_quotes(maker)
            maker.process.send_signal(signal.SIGSTOP)
            hung = ask_json(tmp_path, "status", *config, code=1)
            orders = ask_json(tmp_path, "orders", *config)
            maker.process.send_signal(signal.SIGCONT)
            assert maker.end(signal.SIGTERM) == 0

    assert (hung["running"], hung["status"]) == (True, None)
    assert "did not" in hung["unanswered_because"]
    assert len(hung["ledger"]) == 1
    assert orders["source"] == "ledger"


def test_each_market_of_several_is_asked_and_told(tmp_path: Path) -> None:
    with open_several(tmp_path) as sandbox:
        config = ("--config", str(save_several(sandbox, tmp_path)))
        before = ask_json(tmp_path, "status", *config)
        with running(tmp_path, "run", *config, "--json", environ=sandbox.key) as maker:
            maker.wait_for("control socket open")
            wait_until(lambda: set(open_orders(sandbox)) == set(COINS))
            wait_until(lambda: len({row["coin"] for row in sandbox.ask("userFills")}) == len(COINS))
            status = ask_json(tmp_path, "status", *config)
            one = ask_json(tmp_path, "status", *config, "--coin", COINS[1])
            orders = ask_json(tmp_path, "orders", *config, "--coin", COINS[1])
            fills = ask_json(tmp_path, "fills", *config, "--coin", COINS[1])
            paused = ask_json(tmp_path, "pause", *config, "--coin", COINS[1], "--reason", "news")
            told = ask_json(tmp_path, "status", *config)
            resumed = ask_json(tmp_path, "resume", *config, "--coin", COINS[1])
            assert maker.end(signal.SIGTERM) == 0
        after = ask_json(tmp_path, "status", *config)

    assert [each["last_entry_ms"] for each in before["ledger"]] == [None] * 3
    assert [grid["name"] for grid in status["status"]["grids"]] == list(COINS)
    assert [grid["name"] for grid in one["status"]["grids"]] == [COINS[1]]
    assert (orders["coin"], orders["source"], orders["last_entry_ms"]) == (COINS[1], "maker", None)
    assert (fills["source"], {fill["coin"] for fill in fills["fills"]}) == ("maker", {COINS[1]})
    assert (paused["paused"], paused["running"]) == (True, True)
    assert paused["standing"]["why"] == "the operator asked for PAUSE by the control socket: news"
    assert [grid["health"]["state"] for grid in told["status"]["grids"]].count("paused") == 1
    assert resumed["resumed"] is True
    assert [each["boundary_level"] is not None for each in after["ledger"]] == [True] * 3
    assert [(each["asks"], each["bids"]) for each in after["ledger"]] == [(0, 0)] * 3


def test_clients_that_misbehave_cost_a_real_maker_no_tick(tmp_path: Path) -> None:
    """The ticks are counted by what the venue and the log saw of them, on the real clock."""
    with open_sandbox(tmp_path, QUIET) as sandbox, ExitStack() as clients:
        config = sandbox.save_config(tmp_path)
        ticking = {"MM_TRIO__TUNING__INTERVAL_S": "0.5"}
        with running(tmp_path, "run", "--config", str(config), "--json", environ=sandbox.key | ticking) as maker:
            wait_for_quotes(maker)
            path = find_socket(tmp_path)
            first, began_s = ask_status(tmp_path, config), time.monotonic()
            deaf = [clients.enter_context(connect(path)) for _ in range(8)]
            for client in deaf:
                client.sendall(b"GET /v1/watch?screen=true HTTP/1.1\r\nhost: a\r\n\r\n")
            for _ in range(1_000):
                with connect(path) as client:
                    client.sendall(b"GET /v1/sta")
            garbage = clients.enter_context(connect(path))
            garbage.sendall(b"\x00" * 4_000)
            wait_until(lambda: time.monotonic() - began_s > 10)
            second, took_s = ask_status(tmp_path, config), time.monotonic() - began_s
            stopped_s = time.monotonic()
            assert maker.end(signal.SIGTERM) == 0
            ended_s = time.monotonic() - stopped_s

    n_ticks = second["grids"][0]["health"]["ticks"] - first["grids"][0]["health"]["ticks"]
    print(f"{n_ticks} ticks in {took_s:.1f} s, ended in {ended_s:.1f} s")
    assert n_ticks >= 0.8 * 2 * took_s - 2
    assert maker.last_object()["errors"] == 0
    assert "slow tick" not in maker.err
    assert ended_s < 10


def ask_status(folder: Path, config: Path) -> Any:
    return ask_json(folder, "status", "--config", str(config))["status"]

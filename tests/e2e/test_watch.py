"""`watch` attaches to a running maker, and leaves it as it is."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from process_kit import Program, clean_environ, open_sandbox, running, wait_until
from several_kit import COINS, open_several, save_several
from terminal_kit import ENTER_SCREEN, Terminal, check_screen_was_left, on_terminal

pytestmark = pytest.mark.e2e

QUIET = "--no-takers"
# What a shell does before it starts a program: the terminal becomes its controlling one.
LAUNCH = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
    "os.execv(sys.executable, [sys.executable, '-m', 'mm_trio', *sys.argv[1:]])"
)


@contextmanager
def open_watch(folder: Path, config: str, *words: str) -> Iterator[Terminal]:
    own = clean_environ(XDG_STATE_HOME=str(folder / "state"))
    command = [sys.executable, "-c", LAUNCH, "watch", "--config", config, *words]
    with on_terminal(command, own, columns=80, rows=24) as terminal:
        yield terminal


def read_objects(program: Program) -> list[dict[str, Any]]:
    return [json.loads(line) for line in program.out.splitlines()]


def read_state(folder: Path) -> str:
    found = list((folder / "state").rglob("@*/standing.json"))
    return str(json.loads(found[0].read_text())["state"]) if found else "active"


def test_json_lines_go_on_over_the_restart_of_a_maker(tmp_path: Path) -> None:
    with open_sandbox(tmp_path, QUIET) as sandbox:
        config = ("--config", str(sandbox.save_config(tmp_path)))
        with running(tmp_path, "watch", *config, "--json") as watch:
            wait_until(lambda: "no maker runs with this configuration; waiting" in watch.out)
            with running(tmp_path, "run", *config, environ=sandbox.key) as maker:
                wait_until(lambda: '"state": "quoting"' in watch.out)
                pid = maker.process.pid
                maker.end(signal.SIGKILL)
            wait_until(lambda: "the maker has ended; this was its last state" in watch.out)
            with running(tmp_path, "run", *config, environ=sandbox.key) as again:
                wait_until(lambda: f'"pid": {again.process.pid}' in watch.out)
                wait_until(lambda: read_objects(watch)[-1]["status"]["state"] == "quoting")
                assert watch.end(signal.SIGINT) == 0
                assert again.process.poll() is None
                assert again.end(signal.SIGTERM) == 0

    lines = read_objects(watch)
    assert all(set(line) == {"status", "notice"} for line in lines)
    assert all((line["status"] is None) != (line["notice"] is None) for line in lines)
    pids = [line["status"]["identity"]["pid"] for line in lines if line["status"] is not None]
    assert list(dict.fromkeys(pids)) == [pid, again.process.pid]


def test_lines_tell_each_market_that_changes(tmp_path: Path) -> None:
    with open_several(tmp_path) as sandbox:
        config = ("--config", str(save_several(sandbox, tmp_path)))
        with running(tmp_path, "run", *config, environ=sandbox.key) as maker:
            maker.wait_for("control socket open")
            with running(tmp_path, "watch", *config, "--plain", "--duration", "8") as watch:
                assert watch.end() == 0
            with running(tmp_path, "watch", *config, "--plain", "--duration", "3", "--coin", COINS[1]) as one:
                assert one.end() == 0
            assert maker.end(signal.SIGTERM) == 0

    assert all(f" market: coin={coin} state=" in watch.out for coin in COINS)
    assert " account: state=" in watch.out
    assert f"coin={COINS[1]}" in one.out
    assert f"coin={COINS[0]}" not in one.out


def test_a_maker_that_hangs_is_told(tmp_path: Path) -> None:
    with open_sandbox(tmp_path, QUIET) as sandbox:
        config = ("--config", str(sandbox.save_config(tmp_path)))
        with running(tmp_path, "run", *config, environ=sandbox.key) as maker:
            # A start that is stopped fails, because its questions get no answer in time.
            maker.wait_for("tick=1 ")
            maker.wait_for("control socket open")
            maker.process.send_signal(signal.SIGSTOP)
            with running(tmp_path, "watch", *config, "--plain") as watch:
                wait_until(lambda: "the maker does not answer" in watch.err)
                maker.process.send_signal(signal.SIGCONT)
                wait_until(lambda: "market: coin=@107 state=" in watch.out)
                assert watch.end(signal.SIGTERM) == 0
            assert maker.end(signal.SIGTERM) == 0


def test_the_screen_shows_the_maker_takes_keys_and_leaves_it(tmp_path: Path) -> None:
    with open_sandbox(tmp_path, QUIET) as sandbox:
        config = str(sandbox.save_config(tmp_path))
        with running(tmp_path, "run", "--config", config, environ=sandbox.key) as maker:
            maker.wait_for("tick=1 ")
            maker.wait_for("control socket open")
            with open_watch(tmp_path, config) as terminal:
                terminal.wait_for(ENTER_SCREEN, b"HYPE", b"boundary", b"quoting", b"the maker goes on")
                terminal.do(b"p")
                terminal.read_until(lambda: read_state(tmp_path) == "paused")
                terminal.wait_for(b"paused since ")
                terminal.do(b"r")
                terminal.wait_for(b"resuming lets it place")
                terminal.do(b"y")
                terminal.read_until(lambda: read_state(tmp_path) == "active")
                terminal.do(b"c")
                terminal.wait_for(b"cancel all orders of HYPE/USDC")
                terminal.do(b"y")
                terminal.read_until(lambda: not sandbox.ask("openOrders"))
                terminal.do(b"q")
                terminal.wait_for_end()
                check_screen_was_left(terminal)
                assert terminal.program.returncode == 0
                assert b"Traceback" not in terminal.output
            assert maker.process.poll() is None
            assert read_state(tmp_path) == "cancel_only"
            assert maker.end(signal.SIGTERM) == 0


def test_the_screen_of_several_markets_shows_each_of_them(tmp_path: Path) -> None:
    with open_several(tmp_path, QUIET) as sandbox:
        config = save_several(sandbox, tmp_path)
        with running(tmp_path, "run", "--config", str(config), environ=sandbox.key) as maker:
            maker.wait_for("control socket open")
            with open_watch(tmp_path, str(config)) as terminal:
                terminal.wait_for(ENTER_SCREEN, b"3 of 3 quoting")
                terminal.do(b"\x1b[B")
                terminal.do(b"\r")
                terminal.wait_for(b"@142", b"boundary")
                maker.end(signal.SIGKILL)
                terminal.wait_for(b"the maker has ended; this was its last state")
                terminal.do(b"q")
                terminal.wait_for_end()
                assert terminal.program.returncode == 0

"""The demo as a person sees it: on a pseudo-terminal of 100x35, with the keys that they press."""

from __future__ import annotations

import json
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from process_kit import clean_environ, open_sandbox, run
from terminal_kit import ENTER_SCREEN, Terminal, check_screen_was_left, on_terminal

pytestmark = pytest.mark.e2e

ROWS, COLUMNS = 35, 100
PAIR, PRICE = b"HYPE", b"21.866"  # the traded token, and where the ladder opens
# what a shell does before it starts a program: the terminal becomes its controlling one
LAUNCH = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
    "os.execv(sys.executable, [sys.executable, '-m', 'mm_trio', *sys.argv[1:]])"
)


@contextmanager
def open_terminal(folder: Path, *arguments: str, **environ: str) -> Iterator[Terminal]:
    """The program, with its state in `folder`: that of whoever runs the tests is no test's to touch."""
    own = clean_environ(XDG_STATE_HOME=str(folder / "state"), **environ)
    with on_terminal([sys.executable, "-c", LAUNCH, *arguments], own, columns=COLUMNS, rows=ROWS) as terminal:
        yield terminal


def check_summary(terminal: Terminal, after: str) -> None:
    """Exit code 0, and a summary of a demo that left nothing behind."""
    text = re.sub(r"\x1b\[[?0-9;]*[a-zA-Z]", "", after)
    told = dict(line.split() for line in text.splitlines() if len(line.split()) == 2)
    assert terminal.program.returncode == 0, after
    assert terminal.modes() == terminal.modes_before
    assert told["ledger_exact"] == "True"
    assert told["orders_resting_at_exit"] == told["errors"] == "0"
    assert int(told["ticks"]) > 0
    assert b"Traceback" not in terminal.output


@pytest.mark.parametrize("what", [b"q", b"\x03", signal.SIGTERM])
def test_the_demo_on_a_terminal_shows_the_ladder_until_a_key_or_a_signal_ends_it(
    tmp_path: Path, what: bytes | signal.Signals
) -> None:
    """The byte is what Ctrl-C sends: a key as long as the screen is open."""
    with open_terminal(tmp_path, "demo", "--seed", "2") as terminal:
        terminal.wait_for(ENTER_SCREEN, PAIR, PRICE, b"quoting", b"tick=")  # it says so before its first tick
        assert terminal.modes() != terminal.modes_before

        terminal.do(what)
        after = terminal.wait_for_end()

        check_summary(terminal, after)
        check_screen_was_left(terminal)


def test_a_demo_of_given_duration_leaves_its_screen_by_itself(tmp_path: Path) -> None:
    with open_terminal(tmp_path, "demo", "--seed", "2", "--duration", "15") as terminal:
        terminal.wait_for(ENTER_SCREEN, PAIR, PRICE)
        after = terminal.wait_for_end()

        check_summary(terminal, after)
        check_screen_was_left(terminal)


def test_plain_gives_lines_on_a_terminal_and_ctrl_c_is_a_signal_there(tmp_path: Path) -> None:
    with open_terminal(tmp_path, "demo", "--seed", "2", "--plain") as terminal:
        terminal.wait_for(b"tick=1 ", b" placed=20 ")
        assert terminal.modes() == terminal.modes_before

        terminal.do(b"\x03")
        after = terminal.wait_for_end()

        check_summary(terminal, after)
        assert "shutting down: signal=SIGINT; cancelling open orders" in after
        assert ENTER_SCREEN not in terminal.output


@pytest.mark.smoke
def test_run_on_a_terminal_shows_its_network_and_q_cancels_what_rests(tmp_path: Path) -> None:
    with open_sandbox(tmp_path, "--no-takers") as sandbox:
        config = str(sandbox.save_config(tmp_path))
        with open_terminal(tmp_path, "run", "--config", config, **sandbox.key) as terminal:
            terminal.wait_for(ENTER_SCREEN, PAIR, PRICE, b"sandbox", b"quoting")
            terminal.read_until(lambda: len(sandbox.ask("openOrders")) == 20)
            terminal.do(b"q")
            after = terminal.wait_for_end()

        assert terminal.program.returncode == 0, after
        assert sandbox.ask("openOrders") == []
        assert "orders_may_rest          []" in after
        assert sandbox.private_key[2:].encode() not in terminal.output
        assert [*(tmp_path / "state").rglob("journal.sqlite3")]
        check_screen_was_left(terminal)


def test_a_redirected_stderr_leaves_the_screen_and_the_log_is_in_a_file(tmp_path: Path) -> None:
    """As in `mm-trio run … 2>err`: what is drawn goes to stdout, and the log beside the ledger."""
    err = tmp_path / "err"
    redirect = f"import os; os.dup2(os.open({str(err)!r}, os.O_WRONLY | os.O_CREAT), 2); "
    with open_sandbox(tmp_path, "--no-takers") as sandbox:
        config = str(sandbox.save_config(tmp_path))
        command = [sys.executable, "-c", redirect + LAUNCH, "run", "--config", config]
        own = clean_environ(XDG_STATE_HOME=str(tmp_path / "state"), **sandbox.key)
        with on_terminal(command, own, columns=COLUMNS, rows=ROWS) as terminal:
            terminal.wait_for(ENTER_SCREEN, PAIR, PRICE, b"quoting", b"tick=")
            terminal.do(b"q")
            terminal.wait_for_end()

        (log,) = (tmp_path / "state").rglob("maker.log")
        assert terminal.program.returncode == 0
        assert err.read_text() == ""
        assert " mm_trio.grids.events tick=1 " in log.read_text()
        assert sandbox.private_key[2:] not in log.read_text()
        check_screen_was_left(terminal)


def test_a_log_file_has_what_the_screen_hides(tmp_path: Path) -> None:
    log = tmp_path / "demo.log"
    with open_terminal(tmp_path, "demo", "--seed", "2", "--log-file", str(log)) as terminal:
        terminal.wait_for(ENTER_SCREEN, PAIR, PRICE, b"quoting", b"tick=")
        terminal.do(b"q")
        terminal.wait_for_end()

    assert " mm_trio.grids.events tick=1 " in log.read_text()
    assert log.stat().st_mode & 0o777 == 0o600


def test_a_screen_shows_text_while_the_file_has_json(tmp_path: Path) -> None:
    log = tmp_path / "demo.log"
    with open_terminal(tmp_path, "demo", "--log-file", str(log), "--log-format", "json") as terminal:
        terminal.wait_for(ENTER_SCREEN, PAIR, PRICE, b"quoting", b"tick=")
        terminal.do(b"q")
        terminal.wait_for_end()

    assert b'"event"' not in terminal.output
    assert {"start", "tick"} <= {json.loads(line)["event"] for line in log.read_text().splitlines()}


def test_a_log_file_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    code, _, err = run(tmp_path, "demo", "--log-file", str(tmp_path / "none" / "log"), "--duration", "1")

    assert code == 2
    assert err.startswith(f"mm-trio: --log-file {tmp_path}/none/log cannot be written: No such file or directory;")


def test_a_terminal_without_the_signs_gets_ascii_ones(tmp_path: Path) -> None:
    with open_terminal(tmp_path, "demo", "--seed", "2", PYTHONIOENCODING="ascii") as terminal:
        terminal.wait_for(ENTER_SCREEN, PAIR, PRICE, b"* quoting", b"=====", b"boundary ")
        terminal.do(b"q")
        terminal.wait_for_end()

    assert terminal.output.isascii()
    assert b"??" not in terminal.output

"""The demo as a person sees it: on a pseudo-terminal of 100x35, with the keys that they press."""

from __future__ import annotations

import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from process_kit import clean_environ, open_sandbox

pytestmark = pytest.mark.e2e

DEADLINE_S = 60.0
ENTER_SCREEN, LEAVE_SCREEN, SHOW_CURSOR = b"\x1b[?1049h", b"\x1b[?1049l", b"\x1b[?25h"
THE_END = b"<end>"
ROWS, COLUMNS = 35, 100
PAIR, PRICE = b"HYPE", b"21.88"  # the traded token, and where the ladder opens
# what a shell does before it starts a program: the terminal becomes its controlling one
LAUNCH = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
    "os.execv(sys.executable, [sys.executable, '-m', 'mm_trio', *sys.argv[1:]])"
)


@dataclass
class Terminal:
    """The program on a terminal, and all that it wrote there."""

    ours: int
    theirs: int
    program: subprocess.Popen[bytes]
    modes_before: list[Any]
    output: bytearray = field(default_factory=bytearray)

    def read_until(self, condition: Callable[[], bool]) -> None:
        end_s = time.monotonic() + DEADLINE_S
        while not condition():
            assert time.monotonic() < end_s, bytes(self.output[-2000:])
            if select.select([self.ours], [], [], 0.05)[0]:
                self.output += os.read(self.ours, 65536)

    def wait_for(self, *texts: bytes) -> None:
        self.read_until(lambda: self.program.poll() is not None or all(text in self.output for text in texts))
        assert self.program.poll() is None, bytes(self.output)

    def wait_for_end(self) -> str:
        """What it wrote after it left the screen, if it had one."""
        self.read_until(lambda: self.program.poll() is not None)
        while select.select([self.ours], [], [], 0.1)[0]:
            self.output += os.read(self.ours, 65536)
        os.write(self.theirs, THE_END)  # comes after all that the program wrote, however long the kernel takes
        self.read_until(lambda: THE_END in self.output)
        return bytes(self.output).removesuffix(THE_END).rpartition(LEAVE_SCREEN)[2].decode()

    def do(self, what: bytes | signal.Signals) -> None:
        """Press keys, or send a signal."""
        if isinstance(what, bytes):
            os.write(self.ours, what)
        else:
            self.program.send_signal(what)

    def modes(self) -> list[Any]:
        return termios.tcgetattr(self.theirs)


@contextmanager
def open_terminal(*arguments: str, **environ: str) -> Iterator[Terminal]:
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    modes = termios.tcgetattr(theirs)
    program = subprocess.Popen(
        [sys.executable, "-c", LAUNCH, *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        env=clean_environ(TERM="xterm-256color", **environ),
    )
    try:
        yield Terminal(ours, theirs, program, modes)
    finally:
        program.kill()
        program.wait()
        os.close(ours)
        os.close(theirs)


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


def check_screen_was_left(terminal: Terminal) -> None:
    assert terminal.output.count(ENTER_SCREEN) == terminal.output.count(LEAVE_SCREEN) == 1
    assert terminal.output.rindex(SHOW_CURSOR) > terminal.output.rindex(ENTER_SCREEN)


@pytest.mark.parametrize("what", [b"q", b"\x03", signal.SIGTERM])
def test_the_demo_on_a_terminal_shows_the_ladder_until_a_key_or_a_signal_ends_it(what: bytes | signal.Signals) -> None:
    """The byte is what Ctrl-C sends: a key as long as the screen is open."""
    with open_terminal("demo", "--seed", "2") as terminal:
        terminal.wait_for(ENTER_SCREEN, PAIR, PRICE, b"quoting", b"tick=")  # it says so before its first tick
        assert terminal.modes() != terminal.modes_before

        terminal.do(what)
        after = terminal.wait_for_end()

        check_summary(terminal, after)
        check_screen_was_left(terminal)


def test_a_demo_of_given_duration_leaves_its_screen_by_itself() -> None:
    with open_terminal("demo", "--seed", "2", "--duration", "15") as terminal:
        terminal.wait_for(ENTER_SCREEN, PAIR, PRICE)
        after = terminal.wait_for_end()

        check_summary(terminal, after)
        check_screen_was_left(terminal)


def test_plain_gives_lines_on_a_terminal_and_ctrl_c_is_a_signal_there() -> None:
    with open_terminal("demo", "--seed", "2", "--plain") as terminal:
        terminal.wait_for(b"tick=1 ", b" placed=20 ")
        assert terminal.modes() == terminal.modes_before

        terminal.do(b"\x03")
        after = terminal.wait_for_end()

        check_summary(terminal, after)
        assert "SIGINT: leaving, orders are cancelled" in after
        assert ENTER_SCREEN not in terminal.output


def test_run_on_a_terminal_shows_its_network_and_q_cancels_what_rests(tmp_path: Path) -> None:
    with open_sandbox(tmp_path, "--no-takers") as sandbox:
        config = str(sandbox.save_config(tmp_path))
        with open_terminal("run", "--config", config, **sandbox.key) as terminal:
            terminal.wait_for(ENTER_SCREEN, PAIR, PRICE, b"sandbox", b"quoting")
            terminal.read_until(lambda: len(sandbox.ask("openOrders")) == 20)
            terminal.do(b"q")
            after = terminal.wait_for_end()

        assert terminal.program.returncode == 0, after
        assert sandbox.ask("openOrders") == []
        assert "orders_may_rest          []" in after
        assert sandbox.private_key[2:].encode() not in terminal.output
        check_screen_was_left(terminal)

"""A program on a pseudo-terminal, and the person before it: for the tests of what is seen there."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from process_kit import DEADLINE_S

ENTER_SCREEN, LEAVE_SCREEN, SHOW_CURSOR = b"\x1b[?1049h", b"\x1b[?1049l", b"\x1b[?25h"
_THE_END = b"<end>"


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
        """Until the program, which must not end before, has written them all."""
        self.read_until(lambda: self.program.poll() is not None or all(text in self.output for text in texts))
        assert self.program.poll() is None, bytes(self.output)

    def wait_for_end(self) -> str:
        """What it wrote after it left the screen, if it had one."""
        self.read_until(lambda: self.program.poll() is not None)
        while select.select([self.ours], [], [], 0.1)[0]:
            self.output += os.read(self.ours, 65536)
        os.write(self.theirs, _THE_END)  # comes after all that the program wrote, however long the kernel takes
        self.read_until(lambda: _THE_END in self.output)
        return bytes(self.output).removesuffix(_THE_END).rpartition(LEAVE_SCREEN)[2].decode()

    def do(self, what: bytes | signal.Signals) -> None:
        """Press keys, or send a signal."""
        if isinstance(what, bytes):
            os.write(self.ours, what)
        else:
            self.program.send_signal(what)

    def resize(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self.theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.program.send_signal(signal.SIGWINCH)

    def modes(self) -> list[Any]:
        return termios.tcgetattr(self.theirs)


@contextmanager
def on_terminal(command: Sequence[str], environ: Mapping[str, str], *, columns: int, rows: int) -> Iterator[Terminal]:
    """The command on a terminal of that size; it has yet to make it its controlling one, as a shell does for others."""
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    modes = termios.tcgetattr(theirs)
    # these would stand for the terminal's own size; xdist sets one
    own = {name: value for name, value in environ.items() if name not in ("COLUMNS", "LINES")}
    program = subprocess.Popen(
        command,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        env=own | {"TERM": "xterm-256color"},
    )
    try:
        yield Terminal(ours, theirs, program, modes)
    finally:
        program.kill()
        program.wait()
        os.close(ours)
        os.close(theirs)


def check_screen_was_left(terminal: Terminal) -> None:
    """Entered once and left once, with a cursor."""
    assert terminal.output.count(ENTER_SCREEN) == terminal.output.count(LEAVE_SCREEN) == 1
    assert terminal.output.rindex(SHOW_CURSOR) > terminal.output.rindex(ENTER_SCREEN)

"""The live screen on a real pseudo-terminal: whatever ends it, the terminal is as it was.

Run as a script, this file is the program on the other side: a screen beside a task that stands for the maker.
"""

from __future__ import annotations

import fcntl
import logging
import os
import signal
import sys
import termios
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
import trio
from process_kit import DEADLINE_S
from terminal_kit import LEAVE_SCREEN, Terminal, check_screen_was_left, on_terminal
from terminal_ui_kit import make_view

from mm_trio.terminal_ui.app import Panel, ViewFailed, run_tui
from mm_trio.terminal_ui.terminal import RecentRecords, divert_logging, is_terminal
from mm_trio.views.values import MakerView

pytestmark = pytest.mark.e2e

BEAT_EVERY_S = 0.05
LONGEST_BEAT_S = 4.0  # a slow machine is not a terminal that nobody reads, which lasts 6 s here
# "synchronised output is known, and off": what today's terminals answer; each frame is three writes then
KNOWS_SYNC = b"\x1b[?2026;2$y"
SECRET = "0x" + "5e" * 32  # a local variable of what fails


# --- the program on the terminal --------------------------------------------------------------


async def live(how: str) -> None:
    """Show the screen until it ends; SIGTERM cancels. The beats go to a file, as intervals in seconds."""
    records = RecentRecords()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(beat_forever, Path(os.environ["BEATS"]))
        scope = trio.CancelScope()
        nursery.start_soon(cancel_on_sigterm, scope)
        ended = "cancelled"
        with divert_logging(records), scope:
            try:
                await run_tui(fake_take(how), records=records)
                ended = "quit"
            except ViewFailed as error:
                ended = f"failed: {error}"
        await trio.sleep(0.3)  # the neighbours live on
        nursery.cancel_scope.cancel()
    print(f"ended: {ended}", flush=True)


def fake_take(how: str) -> Callable[[], MakerView]:
    looks = 0

    def take() -> MakerView:
        nonlocal looks
        secret = SECRET
        looks += 1
        logging.getLogger("mm_trio").warning("look %d", looks)
        print("a stray print")
        if how == "failing take" and looks > 2:
            raise RuntimeError(f"look {looks} of {len(secret)}")
        if how == "flood":
            return make_view(uptime_s=looks * 977.0, spread_bps=looks * 7919.0 % 1000, title=str(looks) * 9)
        return make_view()

    return take


def break_widget() -> None:
    drawn = 0
    render = Panel.render

    def broken(self: Panel) -> Any:
        nonlocal drawn
        secret = SECRET
        drawn += 1
        if drawn > 12:
            raise RuntimeError(f"cannot draw {len(secret)}")
        return render(self)

    setattr(Panel, "render", broken)  # noqa: B010 - for the type checker, which forbids it otherwise


async def beat_forever(path: Path) -> None:
    with path.open("w") as file:
        before_s = time.monotonic()
        while True:
            await trio.sleep(BEAT_EVERY_S)
            file.write(f"{time.monotonic() - before_s}\n")
            file.flush()
            before_s = time.monotonic()


async def cancel_on_sigterm(scope: trio.CancelScope) -> None:
    with trio.open_signal_receiver(signal.SIGTERM) as signals:
        async for _ in signals:
            scope.cancel()


def main(how: str) -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    logging.basicConfig(stream=sys.stdout, level=logging.INFO)
    assert is_terminal()
    handlers = [signal.getsignal(number) for number in (signal.SIGTSTP, signal.SIGCONT, signal.SIGWINCH)]
    if how == "broken widget":
        break_widget()
    trio.run(live, how)
    assert handlers == [signal.getsignal(number) for number in (signal.SIGTSTP, signal.SIGCONT, signal.SIGWINCH)]
    logging.getLogger("mm_trio").info("lines again")


# --- the person before the terminal -----------------------------------------------------------


@pytest.fixture
def beats_path(tmp_path: Path) -> Path:
    return tmp_path / "beats"


def read_beats(path: Path) -> list[float]:
    return [float(line) for line in path.read_text().splitlines()]


@pytest.fixture
def open_terminal(beats_path: Path) -> Callable[[str], Any]:
    """Gives the program on a terminal of 80x24."""

    def opened(how: str) -> AbstractContextManager[Terminal]:
        tests = Path(__file__).resolve().parents[1]
        path = os.pathsep.join([str(tests / "kits"), str(tests.parent), os.environ.get("PYTHONPATH", "")])
        environ = os.environ | {"PYTHONPATH": path, "BEATS": str(beats_path)}
        return on_terminal([sys.executable, __file__, how], environ, columns=80, rows=24)

    return opened


def check_restored(terminal: Terminal, after: str, *, ended: str) -> None:
    """The modes, the screen and the cursor are back, and one clean line says what happened."""
    assert terminal.program.returncode == 0, after
    assert terminal.modes() == terminal.modes_before
    check_screen_was_left(terminal)
    assert f"ended: {ended}" in after
    assert "lines again" in after
    assert b"stray print" not in terminal.output
    assert b"look 1" in terminal.output  # on the screen's log line
    assert "look 1" not in after
    assert SECRET.encode() not in terminal.output
    assert b"Traceback" not in terminal.output


@pytest.mark.parametrize("keys", [b"q", b"\x03", b"\x11"])
def test_a_key_leaves_the_screen_and_the_terminal_as_it_was(open_terminal: Any, keys: bytes) -> None:
    """q, ctrl+c and ctrl+q."""
    with open_terminal("quiet") as terminal:
        terminal.wait_for(b"20.607")
        assert terminal.modes() != terminal.modes_before

        terminal.do(keys)
        after = terminal.wait_for_end()

        check_restored(terminal, after, ended="quit")


def test_cancelled_by_its_neighbours_the_screen_leaves_the_terminal_as_it_was(open_terminal: Any) -> None:
    with open_terminal("quiet") as terminal:
        terminal.wait_for(b"20.607")

        terminal.program.terminate()
        terminal.read_until(lambda: LEAVE_SCREEN in terminal.output)
        after = terminal.wait_for_end()

        check_restored(terminal, after, ended="cancelled")


@pytest.mark.parametrize(("how", "reason"), [("failing take", "look 3 of 66"), ("broken widget", "cannot draw 66")])
def test_a_failing_screen_leaves_one_line_and_the_terminal_as_it_was(open_terminal: Any, how: str, reason: str) -> None:
    with open_terminal(how) as terminal:
        after = terminal.wait_for_end()

        check_restored(terminal, after, ended=f"failed: RuntimeError: {reason} (test_terminal.py:")


def test_a_terminal_that_takes_no_output_does_not_stop_the_maker(open_terminal: Any, beats_path: Path) -> None:
    """Nobody reads for seconds, as with a hung connection; then somebody does, and the screen goes on."""
    with open_terminal("flood") as terminal:
        terminal.wait_for(b"20.607")
        terminal.do(KNOWS_SYNC)
        n_before = len(read_beats(beats_path))

        time.sleep(6)
        n_output = len(terminal.output)
        terminal.read_until(lambda: len(terminal.output) > n_output + 20_000)
        terminal.do(b"q")
        after = terminal.wait_for_end()

        assert max(read_beats(beats_path)[n_before:]) < LONGEST_BEAT_S
        check_restored(terminal, after, ended="quit")


def test_a_screen_that_is_cancelled_while_its_terminal_hangs_ends_all_the_same(
    open_terminal: Any, beats_path: Path
) -> None:
    with open_terminal("flood") as terminal:
        terminal.wait_for(b"20.607")
        terminal.do(KNOWS_SYNC)
        time.sleep(6)
        n_before = len(read_beats(beats_path))

        terminal.program.terminate()
        end_s = time.monotonic() + DEADLINE_S
        while terminal.modes() != terminal.modes_before:  # and still nobody reads
            assert time.monotonic() < end_s
            time.sleep(0.02)
        terminal.wait_for_end()

        assert max(read_beats(beats_path)[n_before:]) < LONGEST_BEAT_S
        assert terminal.modes() == terminal.modes_before


def test_a_stop_signal_from_outside_is_ignored_while_the_screen_is_open(open_terminal: Any) -> None:
    with open_terminal("quiet") as terminal:
        terminal.wait_for(b"20.607")

        terminal.program.send_signal(signal.SIGTSTP)
        terminal.program.send_signal(signal.SIGCONT)
        terminal.do(b"q")
        after = terminal.wait_for_end()

        check_restored(terminal, after, ended="quit")


def test_a_resized_terminal_is_filled(open_terminal: Any) -> None:
    with open_terminal("quiet") as terminal:
        terminal.wait_for(b"20.607")
        assert b"\x1b[40;" not in terminal.output

        terminal.resize(120, 40)
        terminal.wait_for(b"\x1b[40;")
        terminal.do(b"q")
        after = terminal.wait_for_end()

        check_restored(terminal, after, ended="quit")


if __name__ == "__main__":
    main(sys.argv[1])

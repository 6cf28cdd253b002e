"""Standard streams in every state: nothing raises, nobody waits, and what was lost is known.

Each test starts an interpreter of its own, since a process has each of these streams once.
"""

from __future__ import annotations

import fcntl
import logging
import os
import subprocess
import sys
import time
from io import StringIO
from pathlib import Path

import pytest
from process_kit import DEADLINE_S, LOOK_EVERY_S, clean_environ

from mm_trio.terminal_ui.signs import spell
from mm_trio.terminal_ui.streams import LineHandler, tell_end

FULL = Path("/dev/full")
needs_a_full_disk = pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")
BEGIN = "import os, sys\nfrom mm_trio.terminal_ui.streams import *\nopen_streams()\n"
BUFFERED = {"PYTHONUNBUFFERED": ""}
# A pipe holds so much at least, before a writer has to wait.
SMALLEST_PIPE = 4096


def run_script(script: str, *, shell: str = "", environ: dict[str, str] | None = None) -> tuple[int, str, str]:
    """Run it with the streams as a shell redirects them; gives its code, stdout and stderr."""
    command = ["sh", "-c", f'exec "$0" -c "$1" {shell}', sys.executable, BEGIN + script]
    ended = subprocess.run(
        command, capture_output=True, text=True, timeout=DEADLINE_S, env=clean_environ(**(environ or {})), check=False
    )
    return ended.returncode, ended.stdout, ended.stderr


def test_r12_a_file_never_gets_the_number_of_a_closed_stream() -> None:
    """The ledger under the number of stderr would take whatever is printed there."""
    script = "print_out('out'); tell('err'); finish_streams(); sys.exit(os.open('/dev/null', os.O_RDONLY))"

    assert run_script(script, shell="<&- >&- 2>&-")[0] > 2


def test_r12_closed_streams_are_read_as_empty_and_written_in_vain() -> None:
    script = "assert sys.stdin.read() == ''; assert not sys.stdin.isatty(); tell('x'); print_out('x')\n"
    script += "sys.exit(finish_streams().errno)"

    assert run_script(script, shell="<&- >&- 2>&-") == (9, "", "")  # EBADF


@needs_a_full_disk
def test_r12_a_result_that_a_full_disk_refused_is_known() -> None:
    code, _, err = run_script("print_out('result'); tell(str(finish_streams()))", shell=">/dev/full")

    assert (code, err) == (0, "[Errno 28] No space left on device\n")


@needs_a_full_disk
def test_r12_what_others_left_in_a_buffer_is_a_lost_result_too() -> None:
    """The interpreter would end with 120 and words of its own."""
    code, _, err = run_script("print('result'); tell(str(finish_streams()))", shell=">/dev/full", environ=BUFFERED)

    assert (code, err) == (0, "[Errno 28] No space left on device\n")


def test_r12_a_reader_who_left_loses_nothing() -> None:
    code, _, err = run_script("print_out('x' * 200_000); tell(str(finish_streams()))", shell="| true")

    assert (code, err) == (0, "None\n")


@pytest.mark.parametrize("environ", [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "0"}])
def test_r12_characters_that_an_encoding_lacks_are_replaced(environ: dict[str, str]) -> None:
    script = "print_out('\\u2500 20.5'); print('\\udcff'); tell('\\u2500'); finish_streams()"
    code, out, err = run_script(script, environ=environ)

    assert (code, "20.5" in out, "Traceback" in err) == (0, True, False)


@pytest.mark.parametrize("shell", ["2>&-", pytest.param("2>/dev/full", marks=needs_a_full_disk)])
def test_r12_a_log_without_a_stream_prints_nothing_of_itself(shell: str) -> None:
    """Nor does it raise, whatever the record holds."""
    script = "import logging\nlogging.basicConfig(handlers=[LineHandler(sys.stderr)])\n"
    script += "logging.warning('%d', 'no number'); logging.warning('x' * 100_000)\n"
    script += "print_out('done'); finish_streams()"

    assert run_script(script, shell=shell) == (0, "done\n", "")


def test_r12_a_record_whose_arguments_do_not_fit_is_logged_all_the_same() -> None:
    stream = StringIO()
    LineHandler(stream).emit(logging.LogRecord("mm", logging.INFO, "", 0, "n=%d", ("x",), None))

    assert stream.getvalue() == "INFO mm n=%d\n"


def test_r12_a_log_that_nobody_reads_holds_nobody_up() -> None:
    """Ten times what the pipe holds; the rest is written once somebody reads."""
    script = "import logging, time\nlogging.basicConfig(handlers=[LineHandler(sys.stderr)])\n"
    script += "for n in range(2000): logging.warning('line %d', n)\n"
    script += "print_out('logged'); sys.stdin.read(1); finish_streams()"
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, SMALLEST_PIPE)
    with subprocess.Popen(
        [sys.executable, "-c", BEGIN + script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=writing,
        env=clean_environ(),
    ) as process:
        os.close(writing)
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == b"logged\n"
        process.stdin.close()
        with open(reading, "rb") as log:
            lines = log.read().splitlines()
        process.wait(DEADLINE_S)

    assert len(lines) == 2000
    assert process.returncode == 0


def test_r12_an_end_is_not_held_up_by_a_log_that_nobody_reads(tmp_path: Path) -> None:
    script = "tell(*('line' for _ in range(5000))); tell('last'); finish_streams(); print_out('ended')"
    reading, writing = os.pipe()
    out = tmp_path / "out"
    with (
        out.open("wb") as stdout,
        subprocess.Popen(
            [sys.executable, "-c", BEGIN + script], stdout=stdout, stderr=writing, env=clean_environ()
        ) as process,
    ):
        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, SMALLEST_PIPE)
        end_s = time.monotonic() + DEADLINE_S
        while process.poll() is None and time.monotonic() < end_s:
            time.sleep(LOOK_EVERY_S)
        code = process.poll()
        process.kill()
    os.close(reading)
    os.close(writing)

    assert (code, out.read_text()) == (0, "ended\n")


def test_r12_the_end_names_the_reasons_and_then_the_orders(capsys: pytest.CaptureFixture[str]) -> None:
    tell_end(halted_because=["the disk is full"], orders_may_rest=["oid 7", "cloid 0xab"], remedy="cancel them")

    assert capsys.readouterr().err.splitlines() == [
        "mm-trio: halted: the disk is full",
        "mm-trio: order may still be open: oid 7",
        "mm-trio: order may still be open: cloid 0xab",
        "mm-trio: cancel them",
    ]


def test_no_remedy_is_told_where_nothing_rests(capsys: pytest.CaptureFixture[str]) -> None:
    tell_end(halted_because=[], orders_may_rest=[], remedy="cancel them")

    assert capsys.readouterr().err == ""


def test_an_encoding_without_the_signs_gets_ascii_ones() -> None:
    assert spell("━━╸ ask · ● quoting", "ascii") == "==- ask | * quoting"
    assert spell("━━╸ ask", "utf-8") == "━━╸ ask"

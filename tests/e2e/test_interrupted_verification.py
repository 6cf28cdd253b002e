"""A verification that a signal cuts short gives no verdict."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from process_kit import running, wait_until

pytestmark = pytest.mark.e2e
GOLDEN = Path(__file__).resolve().parents[1] / "data" / "certificates" / "spark.jsonl"


def find_reader(path: Path) -> int | None:
    """Open a pipe to write, once somebody reads it."""
    try:
        return os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return None


def test_a_verification_that_is_cut_short_ends_with_1_and_says_so(tmp_path: Path) -> None:
    """The file is a pipe, and half of the certificate comes through it."""
    pipe, opened = tmp_path / "pipe", list[int]()
    os.mkfifo(pipe)

    def is_read() -> bool:
        opened.extend(fd for fd in [find_reader(pipe)] if fd is not None)
        return bool(opened)

    with running(tmp_path, "verify", str(pipe), "--json") as program:
        wait_until(is_read)
        os.write(opened[0], GOLDEN.read_bytes()[:2_000])
        code = program.end(signal.SIGTERM)
        os.close(opened[0])

        told = program.last_object()
        assert (code, told["interrupted"], told["signal"]) == (1, True, "SIGTERM")
        assert "ok" not in told
        assert "Traceback" not in program.err

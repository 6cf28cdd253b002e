"""Errors and their exit codes: the venue's is for the venue alone, and orders that may rest come first."""

from __future__ import annotations

import errno
from functools import partial

import pytest
import requests
import trio

from mm_trio.cli.main import _report_error
from mm_trio.cli.programs.start_checks import ask_at_start
from mm_trio.cli.shell.exit_codes import ExitCode
from mm_trio.model.errors import ConfigError, HistoryLost, LocalError, OrdersMayRest, Unreachable

FULL = OSError(errno.ENOSPC, "No space left on device")
LOST, AWAY, WRONG, OURS = HistoryLost("history"), Unreachable("venue"), ConfigError("value"), AssertionError("bug")


def end_with_orders(error: Exception) -> OrdersMayRest:
    ended = OrdersMayRest()
    ended.__cause__ = error
    return ended


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (FULL, ExitCode.CONFIG),
        (MemoryError(), ExitCode.CONFIG),
        (RuntimeError("can't start new thread"), ExitCode.CONFIG),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), ExitCode.CONFIG),
        (ConnectionResetError(errno.ECONNRESET, "reset"), ExitCode.VENUE),
        (AWAY, ExitCode.VENUE),
        (WRONG, ExitCode.CONFIG),
        (LOST, ExitCode.HALTED),
        (OURS, ExitCode.BUG),
        (KeyboardInterrupt(), ExitCode.CLEAN),
    ],
)
def test_r12_each_kind_of_error_has_its_exit_code(error: BaseException, code: ExitCode) -> None:
    assert _report_error(error) == code


@pytest.mark.parametrize(
    ("errors", "code"),
    [
        ([AWAY, WRONG], ExitCode.CONFIG),
        ([AWAY, OURS], ExitCode.BUG),
        ([OURS, FULL, LOST], ExitCode.HALTED),
        ([LOST, OURS, end_with_orders(AWAY)], ExitCode.ORDERS_MAY_BE_OPEN),
    ],
)
def test_r12_of_several_errors_the_most_urgent_gives_the_code(
    errors: list[Exception], code: ExitCode, capsys: pytest.CaptureFixture[str]
) -> None:
    """And each is told, with its own words or its own traceback."""
    assert _report_error(ExceptionGroup("several", errors)) == code

    told = capsys.readouterr().err
    assert [word for error in errors if (word := str(error).split("] ")[-1]) not in told] == []
    assert told.count("Traceback") <= 1


def test_r12_an_error_that_left_orders_is_told_with_exit_code_4(capsys: pytest.CaptureFixture[str]) -> None:
    assert _report_error(end_with_orders(MemoryError())) == ExitCode.ORDERS_MAY_BE_OPEN
    assert capsys.readouterr().err == "mm-trio: out of memory; free some memory\n"


def test_r12_a_start_without_file_handles_does_not_blame_the_venue() -> None:
    def ask() -> None:
        raise requests.ConnectionError("failed") from OSError(errno.EMFILE, "Too many open files")

    with pytest.raises(LocalError, match="was not asked: Too many open files; raise the limit"):
        trio.run(partial(ask_at_start, ask))

"""Errors and their exit codes: the venue's is for the venue alone, and orders that may rest come first."""

from __future__ import annotations

import errno
import json
from functools import partial

import pytest
import requests
import trio

from mm_trio.cli.main import _describe_leaf, _report_error, main
from mm_trio.cli.programs.start_checks import ask_at_start
from mm_trio.cli.shell.exit_codes import ExitCode
from mm_trio.cli.shell.output import print_summary
from mm_trio.model.errors import ConfigError, HistoryLost, LocalError, OrdersMayRest, Unreachable
from mm_trio.terminal_ui.streams import finish_streams, open_streams

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


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["run", "--config", "/nowhere.toml"], "/nowhere.toml: cannot be read: No such file or directory"),
        (["ledger", "audit", "--config", "/nowhere.toml"], "/nowhere.toml: cannot be read: No such file or directory"),
        (["grid", "--coin", "@107", "--tokens", "x", "--range", "1", "2"], "argument --tokens: must be a number"),
        (["run", "--confg", "x"], "the following arguments are required: --config"),
    ],
)
def test_an_error_is_json_too_where_json_was_asked_for(
    words: list[str], text: str, capfd: pytest.CaptureFixture[str]
) -> None:
    code = main([*words, "--json"])
    out, err = capfd.readouterr()

    told = json.loads(out.splitlines()[-1])
    assert (code, told["exit_code"], sorted(told)) == (2, 2, ["error", "exit_code"])
    assert text in told["error"]
    assert text in err


def test_an_error_leaves_stdout_alone_without_json(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--config", "/nowhere.toml"]) == 2
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize(
    ("error", "described"),
    [
        (OURS, "AssertionError: bug"),
        (AWAY, "venue"),
        (LOST, "history"),
        (end_with_orders(AWAY), "orders may still rest, see stderr; venue"),
    ],
)
def test_an_error_is_described_in_one_line(error: BaseException, described: str) -> None:
    assert _describe_leaf(error) == described


class Ended:
    """Summary of a maker that ended in some way."""

    def __init__(self, *orders: str, halted: str = "") -> None:
        self.orders_may_rest = orders
        self._halted = [halted] if halted else []

    def to_json(self) -> dict[str, object]:
        return {"ticks": 1, "halted_because": self._halted}


@pytest.mark.parametrize(
    ("summary", "code", "error"),
    [
        (Ended("oid 5", "oid 6"), 4, "orders may still rest: oid 5; oid 6"),
        (Ended(halted="disk full"), 5, "halted: disk full"),
        (Ended(), 0, None),
    ],
)
def test_a_summary_of_a_bad_end_has_its_error(
    summary: Ended, code: int, error: str | None, capfd: pytest.CaptureFixture[str]
) -> None:
    open_streams()
    assert print_summary(summary, as_json=True) == code
    finish_streams()

    told = json.loads(capfd.readouterr().out)
    assert told["ticks"] == 1
    assert (told.get("error"), told.get("exit_code", 0)) == (error, code)

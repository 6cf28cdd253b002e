"""Signals that ask a command to stop: none is lost, and no interrupted check is clean."""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from mm_trio.cli.ledger_programs.held_ledger import replace_journal, write_rows
from mm_trio.cli.shell.exit_codes import ExitCode
from mm_trio.cli.shell.parser import Command, add_json_option, make_parser
from mm_trio.cli.shell.stop_signal import StopSignal
from mm_trio.cli.shell.verdict import Check, gives_verdict
from mm_trio.journal.sqlite_journal import JOURNAL_NAME, Journal
from mm_trio.model.errors import LedgerError
from mm_trio.model.journal_entries import Began

Work = Callable[..., Awaitable[None]]


async def wait_for_the_end(*, stop_scope: trio.CancelScope) -> None:
    """Return normally once the scope is cancelled, as a careless check may."""
    with trio.fail_after(30), stop_scope:
        await trio.sleep_forever()


async def stop_by_signal(*, stop_scope: trio.CancelScope) -> None:
    signal.raise_signal(signal.SIGTERM)
    await wait_for_the_end(stop_scope=stop_scope)


async def fail_when_stopped(*, stop_scope: trio.CancelScope) -> None:
    await stop_by_signal(stop_scope=stop_scope)
    raise LedgerError("the chain is broken")


async def finish_before_the_signal(*, stop_scope: trio.CancelScope) -> None:
    with stop_scope:
        signal.raise_signal(signal.SIGTERM)


def test_work_is_done_where_every_signal_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    """As under a supervisor that started this with all of them ignored."""

    async def work(*, stop_scope: trio.CancelScope) -> str:
        return "done"

    monkeypatch.setattr("mm_trio.cli.shell.stop_signal._SIGNALS", ())

    assert StopSignal().run(work) == "done"


def run_verdict(work: Work, *words: str) -> int:
    """Run a check that does this work and then always passes, and return its exit code."""

    def check(arguments: argparse.Namespace, stop: StopSignal) -> int:
        stop.run(work)
        print("all is well")
        return ExitCode.CLEAN

    return run_check(check, *words)


def run_check(check: Check, *words: str) -> int:
    """Run the command `mm-trio look`, whose exit code is this check's verdict."""
    look = Command(name="look", help="", description="", add_arguments=add_json_option, run=gives_verdict(check))
    arguments = make_parser([look]).parse_args(["look", *words])
    code: int = arguments.run(arguments)
    return code


def test_a_check_that_was_cut_short_unnoticed_is_not_clean(capsys: pytest.CaptureFixture[str]) -> None:
    code = run_verdict(stop_by_signal, "--json")

    out, err = capsys.readouterr()
    told = json.loads(out.splitlines()[-1])
    assert (code, told["interrupted"], told["signal"]) == (1, True, "SIGTERM")
    assert err.startswith("mm-trio look was interrupted by SIGTERM and gives no verdict")


def test_a_finished_check_keeps_its_verdict_despite_a_signal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code = run_verdict(finish_before_the_signal, "--json")

    assert (code, capsys.readouterr().out) == (0, "all is well\n")


def test_an_error_is_not_hidden_by_a_signal() -> None:
    with pytest.RaisesGroup(pytest.RaisesExc(LedgerError, match="the chain is broken")):
        run_verdict(fail_when_stopped)


def test_a_signal_outside_of_waiting_ends_a_check_too(capsys: pytest.CaptureFixture[str]) -> None:
    def check(arguments: argparse.Namespace, stop: StopSignal) -> int:
        signal.raise_signal(signal.SIGINT)
        return ExitCode.CLEAN

    assert run_check(check, "--json") == 1
    assert json.loads(capsys.readouterr().out)["signal"] == "SIGINT"


def test_a_signal_after_work_that_is_not_the_last_ends_a_check_too(capsys: pytest.CaptureFixture[str]) -> None:
    async def ask(*, stop_scope: trio.CancelScope) -> None:
        await trio.lowlevel.checkpoint()

    def check(arguments: argparse.Namespace, stop: StopSignal) -> int:
        stop.run(ask, is_last=False)
        signal.raise_signal(signal.SIGHUP)
        return ExitCode.CLEAN

    assert run_check(check, "--json") == ExitCode.CHECK_FAILED
    assert json.loads(capsys.readouterr().out)["signal"] == "SIGHUP"


def test_a_signal_before_the_receiver_is_open_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    start: Callable[..., Any] = trio.run

    def start_late(*args: Any) -> Any:
        signal.raise_signal(signal.SIGTERM)
        return start(*args)

    monkeypatch.setattr(trio, "run", start_late)
    stop = StopSignal()
    stop.run(wait_for_the_end)

    assert stop.is_cut_short


async def stop_by_two_signals(*, stop_scope: trio.CancelScope) -> None:
    with stop_scope:
        signal.raise_signal(signal.SIGTERM)
        await trio.sleep_forever()
    signal.raise_signal(signal.SIGINT)
    with trio.fail_after(30):
        await trio.testing.wait_all_tasks_blocked()


@pytest.mark.parametrize(
    ("cancels_orders", "lines"),
    [
        (False, ["shutting down: signal=SIGTERM", "already shutting down: signal=SIGINT"]),
        (
            True,
            [
                "shutting down: signal=SIGTERM; cancelling open orders",
                "already shutting down: signal=SIGINT; cancelling open orders takes up to 10 s",
            ],
        ),
    ],
)
def test_the_log_mentions_orders_only_if_they_are_cancelled(
    cancels_orders: bool, lines: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="mm_trio")

    StopSignal(cancels_orders=cancels_orders).run(stop_by_two_signals)

    assert [record.getMessage() for record in caplog.records] == lines


async def test_a_stopped_rebuild_keeps_the_old_journal(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path)
    journal.append([Began(1, {})], at_ms=1)
    journal.close()

    with trio.CancelScope() as stop_scope:
        stop_scope.cancel()
        await replace_journal(tmp_path, partial(write_rows, rows=[], found=[Began(2, {})]))

    assert stop_scope.cancelled_caught
    assert JOURNAL_NAME in os.listdir(tmp_path)
    assert "set-aside-1" not in os.listdir(tmp_path)

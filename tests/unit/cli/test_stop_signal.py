"""Signals that ask a command to stop: none is lost, and no check that they cut short comes out clean."""

from __future__ import annotations

import argparse
import json
import os
import signal
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from mm_trio.cli.ledger import _replace_journal, _write_anew
from mm_trio.cli.main import EXIT_CLEAN, _add_verdict
from mm_trio.cli.stop_signal import StopSignal
from mm_trio.journal.sqlite_journal import JOURNAL_NAME, Journal
from mm_trio.model.errors import LedgerError
from mm_trio.model.journal_entries import Began

pytestmark = pytest.mark.usefixtures("restore_signals")

Work = Callable[..., Awaitable[None]]


async def wait_for_the_end(*, stop_scope: trio.CancelScope) -> None:
    """Return as if all were well once the scope is cancelled, as a careless check may."""
    with trio.fail_after(30), stop_scope:
        await trio.sleep_forever()


async def be_told_to_stop(*, stop_scope: trio.CancelScope) -> None:
    signal.raise_signal(signal.SIGTERM)
    await wait_for_the_end(stop_scope=stop_scope)


async def fail_when_told_to_stop(*, stop_scope: trio.CancelScope) -> None:
    await be_told_to_stop(stop_scope=stop_scope)
    raise LedgerError("the chain is broken")


async def end_before_the_signal(*, stop_scope: trio.CancelScope) -> None:
    with stop_scope:
        signal.raise_signal(signal.SIGTERM)


def run_verdict(work: Work, *words: str) -> int:
    """The exit code of a verdict verb that does this work and then always says yes."""

    def check(arguments: argparse.Namespace, stop: StopSignal) -> int:
        stop.run(work)
        print("all is well")
        return EXIT_CLEAN

    parser = argparse.ArgumentParser(prog="mm-trio")
    _add_verdict(parser.add_subparsers(), "look", check)
    arguments = parser.parse_args(["look", *words])
    code: int = arguments.run(arguments)
    return code


def test_a_check_that_does_not_notice_that_it_was_cut_short_is_not_clean(capsys: pytest.CaptureFixture[str]) -> None:
    code = run_verdict(be_told_to_stop, "--json")

    out, err = capsys.readouterr()
    told = json.loads(out.splitlines()[-1])
    assert (code, told["interrupted"], told["signal"]) == (1, True, "SIGTERM")
    assert err.startswith("mm-trio look was interrupted by SIGTERM and gives no verdict")


def test_a_check_that_came_to_its_end_keeps_its_verdict_whatever_signal_came(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code = run_verdict(end_before_the_signal, "--json")

    assert (code, capsys.readouterr().out) == (0, "all is well\n")


def test_what_went_wrong_is_not_hidden_by_a_signal() -> None:
    with pytest.RaisesGroup(pytest.RaisesExc(LedgerError, match="the chain is broken")):
        run_verdict(fail_when_told_to_stop)


def test_a_signal_outside_of_waiting_ends_a_check_too(capsys: pytest.CaptureFixture[str]) -> None:
    def check(arguments: argparse.Namespace, stop: StopSignal) -> int:
        signal.raise_signal(signal.SIGINT)
        return EXIT_CLEAN

    parser = argparse.ArgumentParser(prog="mm-trio")
    _add_verdict(parser.add_subparsers(), "look", check)
    arguments = parser.parse_args(["look", "--json"])

    assert arguments.run(arguments) == 1
    assert json.loads(capsys.readouterr().out)["signal"] == "SIGINT"


def test_a_signal_that_comes_before_anybody_listens_is_heeded(monkeypatch: pytest.MonkeyPatch) -> None:
    start: Callable[..., Any] = trio.run

    def start_late(*args: Any) -> Any:
        signal.raise_signal(signal.SIGTERM)
        return start(*args)

    monkeypatch.setattr(trio, "run", start_late)
    stop = StopSignal()
    stop.run(wait_for_the_end)

    assert stop.is_cut_short


async def test_a_rebuild_that_was_told_to_stop_leaves_the_old_journal_in_its_place(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path)
    journal.append([Began(1, {})], at_ms=1)
    journal.close()

    with trio.CancelScope() as stop_scope:
        stop_scope.cancel()
        await _replace_journal(tmp_path, partial(_write_anew, rows=[], found=[Began(2, {})]))

    assert stop_scope.cancelled_caught
    assert JOURNAL_NAME in os.listdir(tmp_path)
    assert "set-aside-1" not in os.listdir(tmp_path)

"""A limit that is broken ends the program; a restart is refused until it is resumed."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
from process_kit import DEADLINE_S, open_sandbox, run, running

pytestmark = pytest.mark.e2e

BUSY = ("--seed", "181")  # pauses of at most 0.6 s between its takers, while a maker starts
LIMITED = {"MM_TRIO__LIMITS__MAX_FILLS_PER_MINUTE": "1"}


def test_a_halt_ends_with_5_lasts_over_restarts_and_ends_by_resume(tmp_path: Path) -> None:
    with open_sandbox(tmp_path, *BUSY) as sandbox:
        config = ("--config", str(sandbox.save_config(tmp_path)))
        with running(tmp_path, "run", *config, "--json", environ=sandbox.key | LIMITED) as maker:
            code = maker.process.wait(DEADLINE_S)
            maker.end(signal.SIGINT)
            told_at_the_end = maker.err
        left = sandbox.ask("openOrders")
        again, _, refused = run(tmp_path, "run", *config, environ=sandbox.key)
        shown, what, _ = run(tmp_path, "resume", *config, "--show", "--json", environ=sandbox.key)
        still, _, _ = run(tmp_path, "run", *config, environ=sandbox.key)
        resumed, told, _ = run(tmp_path, "resume", *config, environ=sandbox.key)
        with running(tmp_path, "run", *config, "--json", environ=sandbox.key) as maker:
            maker.wait_for("tick=1 ")
            n_resting = len(sandbox.ask("openOrders"))
            last = maker.end(signal.SIGINT)

    assert (code, left) == (5, [])
    assert "it stays halted over restarts" in told_at_the_end
    assert again == still == 5
    assert "halted since" in refused
    assert "max_fills_per_minute" in refused
    assert "mm-trio resume" in refused
    assert shown == 0
    assert json.loads(what.splitlines()[-1])["resumed"] is False
    assert resumed == 0
    assert "resumed: the next `mm-trio run`" in told
    assert n_resting > 0
    assert last == 0


def test_a_running_maker_that_quotes_has_nothing_to_resume(tmp_path: Path) -> None:
    with open_sandbox(tmp_path, "--no-takers") as sandbox:
        config = ("--config", str(sandbox.save_config(tmp_path)))
        with running(tmp_path, "run", *config, environ=sandbox.key) as maker:
            maker.wait_for("tick=1 ")
            code, out, _ = run(tmp_path, "resume", *config, environ=sandbox.key)

    assert code == 0
    assert "nothing to resume" in out

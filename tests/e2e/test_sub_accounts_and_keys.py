"""Who signs for an account: the agent of a sub-account's master, or a key that the venue does not know any more."""

from __future__ import annotations

import signal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
from process_kit import DEADLINE_S, open_sandbox, run, running

from mm_trio.cli.run_programs.run_maker import run_settings
from mm_trio.cli.shell.output import print_summary
from mm_trio.config.keys import Secret, load_key
from mm_trio.config.loading import load_settings

pytestmark = pytest.mark.e2e

BUSY = ("--seed", "181")  # pauses of at most 0.6 s between its takers, while a maker starts
FIRST_FILL = "fill side="


def test_a_maker_on_a_sub_account_quotes_fills_and_leaves_nothing(tmp_path: Path) -> None:
    with open_sandbox(tmp_path, "--sub-accounts", *BUSY) as sandbox:
        config = sandbox.save_config(tmp_path)
        with running(tmp_path, "run", "--config", str(config), "--json", environ=sandbox.key) as maker:
            maker.wait_for(FIRST_FILL)
            n_resting = len(sandbox.ask("openOrders"))
            code = maker.end(signal.SIGINT)
        n_fills, left = len(sandbox.ask("userFills")), sandbox.ask("openOrders")
        audit, told, err = run(tmp_path, "ledger", "audit", "--config", str(config), "--json", environ=sandbox.key)
        state = sandbox.control("state")

    assert code == 0, maker.err
    assert n_resting > 0
    assert left == []
    assert maker.last_object()["fills"] == n_fills > 0
    assert maker.last_object()["errors"] == 0
    assert audit == 0, told + err
    master = state["accounts"][sandbox.access["master"]]
    assert (master["fills"], master["open_orders"]) == ([], [])


def test_the_role_of_a_sub_account_names_its_master(tmp_path: Path) -> None:
    with open_sandbox(tmp_path, "--sub-accounts", "--no-takers") as sandbox:
        role = sandbox.ask("userRole")

    assert role == {"role": "subAccount", "data": {"master": sandbox.access["master"]}}


def test_a_sub_account_without_the_setting_is_refused_with_what_to_set(tmp_path: Path) -> None:
    with open_sandbox(tmp_path, "--sub-accounts", "--no-takers") as sandbox:
        config = sandbox.save_config(tmp_path, vault="false")
        code, _, err = run(tmp_path, "run", "--config", str(config), "--json", environ=sandbox.key)

    assert code == 2
    assert "put vault = true into [market]" in err


def test_an_account_that_is_none_of_both_is_refused_with_the_setting(tmp_path: Path) -> None:
    with open_sandbox(tmp_path, "--no-takers") as sandbox:
        config = sandbox.save_config(tmp_path)
        environ = sandbox.key | {"MM_TRIO__MARKET__VAULT": "true"}
        code, _, err = run(tmp_path, "run", "--config", str(config), "--json", environ=environ)

    assert code == 2
    assert "is an ordinary account, not a sub-account or a vault: remove vault = true" in err


def test_a_lost_key_ends_the_program_with_exit_code_4_and_the_list(tmp_path: Path) -> None:
    with open_sandbox(tmp_path, "--no-takers") as sandbox:
        config = sandbox.save_config(tmp_path)
        with running(tmp_path, "run", "--config", str(config), "--json", environ=sandbox.key) as maker:
            maker.wait_for(r"tick=1 .* placed=20 errors=0")
            sandbox.control("faults", {"strike": "agent_expired"})
            # Somebody takes the best ask, so there is something to send.
            sandbox.control("take", {"side": "buy", "sz": "5", "coin": sandbox.coin})
            code = maker.end()
        rows = sandbox.ask("openOrders")

    sides = {"A": "sell", "B": "buy"}
    left = {
        (order["oid"], order["side"], float(order["px"]), float(order["sz"]))
        for order in maker.last_object()["orders_left"]
    }
    assert code == 4, maker.err
    assert maker.err.count("SIGNER_LOST") == 2  # in the log, and in what is told at the end
    assert left == {(row["oid"], sides[row["side"]], float(row["limitPx"]), float(row["sz"])) for row in rows}
    assert len(left) == 19


def test_a_key_that_is_lost_before_the_first_order_ends_the_program_with_exit_code_5(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It expires right after the check of its role."""

    async def trust(*_: Any, **__: Any) -> None:
        sandbox.control("faults", {"strike": "agent_expired"})

    monkeypatch.setattr("mm_trio.cli.run_programs.open_maker.check_signer", trust)
    with open_sandbox(tmp_path, "--no-takers") as sandbox:
        environ = {"XDG_STATE_HOME": str(tmp_path / "state")}
        work = partial(
            run_settings,
            load_settings(sandbox.save_config(tmp_path), environ=environ),
            load_key({name: Secret(text) for name, text in sandbox.key.items()}),
            environ=environ,
            duration_s=DEADLINE_S,
            stop_scope=trio.CancelScope(),
        )
        summary = trio.run(work)

    assert summary.orders_may_rest == ()
    assert ["SIGNER_LOST" in reason for reason in summary.halted_because] == [True]
    assert print_summary(summary, as_json=True) == 5

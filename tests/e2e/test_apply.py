"""`apply` plans the change of a maker that runs, from what rests at the venue, and changes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from process_kit import DEADLINE_S, Sandbox, open_sandbox, run, running

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(4 * DEADLINE_S)]

LADDER = {"MM_TRIO__STRATEGY__ACTIVE_LEVELS": "10"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("apply")


@pytest.fixture(scope="module")
def sandbox(folder: Path) -> Iterator[Sandbox]:
    """A sandbox on which a maker runs with twenty orders."""
    with open_sandbox(folder, "--no-takers") as sandbox:
        config = sandbox.save_config(folder)
        with running(folder, "run", "--config", str(config), "--json", environ=sandbox.key | LADDER) as maker:
            maker.wait_for("tick=1 .* placed=20 ")
            yield sandbox


def apply(folder: Path, sandbox: Sandbox, *words: str, **environ: str) -> tuple[int, dict[str, Any]]:
    """Run the command with the maker's own file, changed by the environment."""
    code, out, err = run(
        folder, "apply", "--config", str(sandbox.save_config(folder)), "--json", *words, environ=LADDER | environ
    )
    assert "Traceback" not in err, err
    return code, json.loads(out.splitlines()[-1])


def test_the_configuration_that_runs_changes_nothing(folder: Path, sandbox: Sandbox) -> None:
    code, found = apply(folder, sandbox)

    assert code == 0
    assert (found["changed"], found["unchanged"], found["requests"]) == ([], ["@107"], 0)
    assert found["running"] is True


def test_a_ladder_that_rests_is_planned_order_by_order(folder: Path, sandbox: Sandbox) -> None:
    """Its window grows by two orders a side, which are all that is sent."""
    code, found = apply(folder, sandbox, MM_TRIO__STRATEGY__ACTIVE_LEVELS="12")

    assert code == 0
    (grid,) = found["grids"]
    assert grid["settings"] == "strategy.active_levels 10 -> 12"
    assert (grid["resting"], grid["kept"], grid["placed"], grid["cancelled"]) == (20, 20, 4, 0)
    assert (grid["requests"], grid["ticks"]) == (4, 1)


def test_another_ladder_keeps_its_inside_on_the_way(folder: Path, sandbox: Sandbox) -> None:
    code, found = apply(folder, sandbox, MM_TRIO__STRATEGY__TICK_SIZE="0.004")

    assert code == 0
    (grid,) = found["grids"]
    assert grid["one_sided_ticks"] == 0
    assert grid["requests"] <= 40


def test_what_needs_a_start_is_refused(folder: Path, sandbox: Sandbox) -> None:
    code, found = apply(folder, sandbox, MM_TRIO__TUNING__INTERVAL_S="1")

    assert code == 2
    assert "[tuning] interval_s" in found["error"]


def test_a_maker_of_one_market_table_is_not_changed(folder: Path, sandbox: Sandbox) -> None:
    before = sandbox.ask("openOrders")

    code, found = apply(folder, sandbox, "--yes", MM_TRIO__STRATEGY__ACTIVE_LEVELS="12")

    assert code == 2
    assert "a maker of one [market] table takes over no change while it runs, and nothing was changed" in found["error"]
    assert sandbox.ask("openOrders") == before


def test_an_account_without_a_maker_has_nothing_to_change(folder: Path, sandbox: Sandbox) -> None:
    code, found = apply(folder, sandbox, MM_TRIO_ACCOUNT_ADDRESS="0x" + "1" * 40)

    assert code == 2
    assert "there is no applied.toml in" in found["error"]

"""Several grids of one account in one process of its own, among takers, and killed: `benchmarks/fleet.py`, shorter."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
N_GRIDS, N_KILLS = 5, 2


@pytest.fixture(scope="module")
def fleet() -> Mapping[str, Any]:
    """Figures of a fleet. It fails where a grid's ledger does not become what the exchange's fills make of it."""
    words = ("--grids", N_GRIDS, "--idle", 1, "--seconds", 6, "--every", 0.05, "--kills", N_KILLS, "--record")
    command = (sys.executable, str(CHECKOUT / "benchmarks" / "fleet.py"), *map(str, words), "--ordinary", "--json")
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    found: Mapping[str, Any] = json.loads(done.stdout.splitlines()[-1])["fleet"]
    return found


def test_every_grid_is_filled_and_its_ledger_is_exact(fleet: Mapping[str, Any]) -> None:
    assert fleet["fewest_fills_of_a_grid"] > 0


def test_all_grids_share_one_socket(fleet: Mapping[str, Any]) -> None:
    assert fleet["sockets"] == 1


def test_all_ledgers_are_exact_after_each_kill(fleet: Mapping[str, Any]) -> None:
    assert fleet["exact_after_kills"] == N_KILLS


def test_a_start_asks_once_for_all_grids(fleet: Mapping[str, Any]) -> None:
    """A start of one grid has a weight of 184 at most, its checks included."""
    assert fleet["start_weight"] <= 184

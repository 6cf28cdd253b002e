"""Planted mistakes in the maker, each caught by a rule of the simulation or by the tests named with it.

`MM_TRIO_MUTANTS=all pytest -s tests/sim/test_planted.py` makes all of them and prints what caught each.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from planted import PLANTED, PLANTED_VARIABLE

from mm_trio.sim.base.report import SeedReport
from mm_trio.sim.base.scenario import draw_scenario
from mm_trio.sim.run.episode import simulate

MOST_SEEDS = 40
# Two that the first seeds catch, and one that a unit test catches.
QUICK = frozenset(
    {
        "a new allocation replaces the ledger",
        "one answer is enough to move the venues time",
        "the ladder is computed from unrounded prices",
    }
)
IS_WHOLE = os.environ.get("MM_TRIO_MUTANTS") == "all"
ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.slow


def catch_by_a_rule() -> SeedReport | None:
    """Return the report of the first failing seed.

    Seeds count from 1.
    """
    for seed in range(1, MOST_SEEDS + 1):
        report = simulate(draw_scenario(seed, faults=None))
        if report.violations:
            return report
    return None


def run_tests(tests: Sequence[str], *, mistake: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run tests in a process of their own, with this mistake made."""
    kits = os.pathsep.join([str(ROOT), str(ROOT / "tests" / "kits")])
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "planted", "-q", "-x", f"--basetemp={folder}", *tests],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": kits, PLANTED_VARIABLE: mistake},
        capture_output=True,
        text=True,
        timeout=280,
    )


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", sorted(PLANTED if IS_WHOLE else QUICK))
def test_a_planted_mistake_is_caught(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    mistake = PLANTED[name]
    if mistake.tests:
        ended = run_tests(mistake.tests, mistake=name, folder=tmp_path / "tests")

        # 1: tests ran, and some failed.
        assert ended.returncode == 1, f"{name}: not caught by {', '.join(mistake.tests)}\n{ended.stdout[-2000:]}"
        print(f"{name} | {', '.join(mistake.tests)}")
        return
    mistake.patch(monkeypatch)

    report = catch_by_a_rule()

    assert report is not None, f"{name}: not caught in {MOST_SEEDS} seeds"
    assert report.violations[0].rule != "SIM", report.violations[0]
    print(f"{name} | {report.violations[0].rule} | {report.seed}")


def test_forty_mistakes_are_planted_and_half_of_them_break_a_rule() -> None:
    assert len(PLANTED) == 40
    assert sum(not mistake.tests for mistake in PLANTED.values()) >= 20

"""Seeded mistakes in the maker, each caught by a rule.

Each must be caught within a few seeds. Without a mistake no rule is broken.
"""

from __future__ import annotations

import os

import pytest
from mutants import MUTANTS, MUTANTS_BESIDE, MUTANTS_OF_GRIDS
from mutants_of_changes import MUTANTS_OF_CHANGES

from mm_trio.sim.base.report import SeedReport
from mm_trio.sim.run.campaign import Campaign
from mm_trio.sim.run.episode import simulate

MOST_SEEDS = int(os.environ.get("MM_TRIO_MUTANT_SEEDS", "80"))

# These take more than a handful of seeds and about a minute. Set `MM_TRIO_MUTANTS=all` to run them too.
RARE = frozenset(
    {
        "a halt does not say why",
        "a halt is acted on before it is on disk",
        "a halt is ended by a restart",
        "a halt of one grid ends all",
        "a limit of spend lets one order more through",
        "a used up budget stays used up",
        "an order in flight is given up at once",
        "the key is in the log",
        "the way out is not verified",
        "what a snapshot misses is gone",
        "what was in flight is forgotten by a restart",
    }
)
IS_WHOLE = os.environ.get("MM_TRIO_MUTANTS") == "all"

pytestmark = pytest.mark.slow


def catch(
    n_seeds: int = MOST_SEEDS,
    *,
    ledger: str = "ahead",
    grids: tuple[int, int] = (1, 1),
    hours: float | None = None,
) -> SeedReport | None:
    """Return the report of the first failing seed.

    Seeds count from 1.
    """
    campaign = Campaign(first=1, last=n_seeds, ledger=ledger, grids=grids, hours=hours)
    for seed in campaign.seeds:
        report = simulate(campaign.draw(seed))
        if report.violations:
            return report
    return None


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", sorted(MUTANTS if IS_WHOLE else MUTANTS.keys() - RARE))
def test_a_mistake_is_caught_by_a_rule(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    MUTANTS[name](monkeypatch)

    report = catch()

    assert report is not None, f"{name}: not caught in {MOST_SEEDS} seeds"
    assert report.violations[0].rule != "SIM", report.violations[0]
    print(f"{name} | {report.violations[0].rule} | {report.seed}")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", sorted(MUTANTS_BESIDE))
def test_a_mistake_of_a_ledger_beside_the_request_is_caught_by_a_rule(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    MUTANTS_BESIDE[name](monkeypatch)

    report = catch(ledger="beside")

    assert report is not None, f"{name}: not caught in {MOST_SEEDS} seeds"
    assert report.violations[0].rule != "SIM", report.violations[0]
    print(f"{name} | {report.violations[0].rule} | {report.seed}")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", sorted(MUTANTS_OF_GRIDS if IS_WHOLE else MUTANTS_OF_GRIDS.keys() - RARE))
def test_a_mistake_of_several_grids_is_caught_by_a_rule(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    MUTANTS_OF_GRIDS[name](monkeypatch)

    report = catch(grids=(2, 8), hours=0.05)

    assert report is not None, f"{name}: not caught in {MOST_SEEDS} seeds"
    assert report.violations[0].rule != "SIM", report.violations[0]
    print(f"{name} | {report.violations[0].rule} | {report.seed}")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", sorted(MUTANTS_OF_CHANGES))
def test_a_mistake_in_a_change_is_caught_by_a_rule(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    MUTANTS_OF_CHANGES[name](monkeypatch)

    report = catch(grids=(2, 8), hours=0.05)

    assert report is not None, f"{name}: not caught in {MOST_SEEDS} seeds"
    assert report.violations[0].rule != "SIM", report.violations[0]
    print(f"{name} | {report.violations[0].rule} | {report.seed}")


def test_there_are_enough_mistakes() -> None:
    assert len(MUTANTS) >= 20
    assert {*MUTANTS, *MUTANTS_OF_GRIDS} >= RARE

"""Summary of several markets: the account's sums, and a line for each market."""

from __future__ import annotations

from decimal import Decimal

import pytest

from mm_trio.cli.account_programs.account_summary import AccountSummary, sum_stats
from mm_trio.cli.shell.output import print_summary
from mm_trio.state.stats import RunStats


def make_summary() -> AccountSummary:
    grids = {
        "@107": RunStats(ticks=3, fills=2, fill_volume=Decimal(40), budget_left=90),
        "@142": RunStats(ticks=4, fills=1, fill_volume=Decimal(10), budget_left=80),
    }
    return AccountSummary(
        stats=sum_stats(list(grids.values())), grids={coin: each.to_json() for coin, each in grids.items()}
    )


def test_counts_are_summed_and_the_budget_is_one() -> None:
    values = make_summary().to_json()

    assert (values["ticks"], values["fills"], values["fill_volume"], values["budget_left"]) == (7, 3, 50.0, 80)


def test_each_market_has_a_line_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    print_summary(make_summary(), as_json=False)

    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith("@")] == [
        f"{'@107':24} ticks=3 fills=2 fill_volume=40.0 items=0 errors=0",
        f"{'@142':24} ticks=4 fills=1 fill_volume=10.0 items=0 errors=0",
    ]

"""Campaigns of seeds, and the output of `sim`.

A fixed set of seeds must break no rule.
"""

from __future__ import annotations

import json
import logging
import signal
from contextlib import suppress
from dataclasses import replace

import pytest

from mm_trio.cli.main import main
from mm_trio.cli.programs.run_sim import parse_faults, parse_grids, parse_seeds
from mm_trio.model.errors import ConfigError
from mm_trio.sandbox.faults.kinds import FaultKind
from mm_trio.sim.base.judge import RULES, Violation
from mm_trio.sim.base.report import SeedReport
from mm_trio.sim.base.scenario import OF_SEVERAL_GRIDS, Scenario, draw_scenario
from mm_trio.sim.run import campaign as campaigns
from mm_trio.sim.run.campaign import Campaign, run_campaign
from mm_trio.sim.run.episode import simulate

FIXED = Campaign(first=1, last=60)
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_sixty_seeds_break_no_rule() -> None:
    summary = run_campaign(FIXED, jobs=2, on_done=lambda report: None)

    assert summary.failed == (), summary.to_text()
    assert summary.sim_hours >= 10
    assert summary.n_not_converged == 0
    assert sum(summary.struck.values()) > 5000
    assert set(summary.struck) == {kind.value for kind in FaultKind if kind not in OF_SEVERAL_GRIDS}


def test_a_few_short_seeds_break_no_rule() -> None:
    summary = run_campaign(Campaign(first=1, last=4, hours=120 / 3600), jobs=1, on_done=lambda report: None)

    assert summary.failed == (), summary.to_text()
    assert summary.sim_hours >= 4 * 120 / 3600
    assert summary.n_checks["S1"] > 100


def test_without_faults_none_strikes() -> None:
    report = simulate(draw_scenario(3, faults=(), safety_s=60))

    assert report.struck == {}
    assert report.violations == ()


def test_only_the_faults_that_were_named_strike() -> None:
    report = simulate(draw_scenario(3, faults=(FaultKind.ANSWER_LOST, FaultKind.FRAME_DROPPED), safety_s=120))

    assert set(report.struck) <= {"answer_lost", "frame_dropped"}
    assert report.struck


def test_a_longer_run_begins_like_a_shorter_one() -> None:
    short, long = (draw_scenario(3, faults=None, safety_s=seconds) for seconds in (60, 120))

    assert (short.rates, short.ladder, short.tuning) == (long.rates, long.ladder, long.tuning)


# --- The command ---


def test_the_command_says_what_it_did(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["sim", "--seed", "3", "--hours", "0.02", "--faults", "answer_lost,frame_dropped", "--json"])

    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert code == 0
    assert result["seeds"] == 1
    assert result["sim_hours"] >= 0.02
    assert result["violations"] == result["not_converged"] == 0
    assert set(result["faults_injected"]) <= {"answer_lost", "frame_dropped"}
    assert len(result["trace_hash"]) == 64
    assert result["wall_s"] > 0
    assert result["failure_bound"] == 1


def test_a_violation_is_told_with_the_command_that_repeats_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    honest = simulate

    def break_a_rule(scenario: Scenario) -> SeedReport:
        report = honest(scenario)
        return replace(report, violations=(Violation("S1", 1.5, "two in one slot"),), last_steps=("a step",))

    monkeypatch.setattr(campaigns, "simulate", break_a_rule)

    code = main(["sim", "--seed", "4..5", "--hours", "0.02", "--faults", "none", "--jobs", "1"])

    out, err = capsys.readouterr()
    assert code == 1
    assert "VIOLATION S1 at 1.500 s: two in one slot" in out
    assert "python -m mm_trio sim --seed 4 --faults none --hours 0.020000" in out
    assert "a step" in out
    assert "seed 4: S1" in err


def test_a_campaign_for_so_many_minutes_ends_when_they_are_over(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--seed", "3", "--minutes", "0.01", "--hours", "0.02", "--faults", "none", "--jobs", "1", "--json"]

    code = main(["sim", *words])

    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert code == 0
    assert result["first_seed"] == 3
    assert 1 <= result["seeds"] < 10
    assert "told: User or API Wallet" in result["never_seen"]


def test_a_hard_case_that_was_never_met_is_named_and_fails_where_all_were_asked_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code = main(["sim", "--seed", "3", "--hours", "0.02", "--faults", "none", "--jobs", "1", "--all-seen"])

    out, err = capsys.readouterr()
    assert code == 1
    assert "0 violations" in out
    assert "coverage: hard case never reached: told: User or API Wallet\n" in err


@pytest.mark.parametrize("number", SIGNALS)
def test_a_campaign_that_a_signal_cuts_short_sums_up_the_seeds_that_ended_and_is_not_clean(
    number: signal.Signals, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt_the_third(scenario: Scenario) -> SeedReport:
        if scenario.seed == 5:
            signal.raise_signal(number)
        return simulate(scenario)

    monkeypatch.setattr(campaigns, "simulate", interrupt_the_third)
    code = main(["sim", "--seed", "3..60", "--hours", "0.02", "--faults", "none", "--jobs", "1", "--json"])

    out, err = capsys.readouterr()
    result = json.loads(out.splitlines()[-1])
    assert code == 1
    assert (result["interrupted"], result["signal"], result["seeds"], result["violations"]) == (
        True,
        number.name,
        2,
        0,
    )
    assert (result["checked"], result["not_checked"]) == (["seeds 3..4"], ["seeds 5..60"])
    assert f"sim was interrupted by {number.name} and gives no verdict; checked: seeds 3..4" in err


def test_a_seed_that_takes_the_signal_for_an_error_of_its_own_does_not_count(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def swallow(scenario: Scenario) -> SeedReport:
        with suppress(BaseException):
            signal.raise_signal(signal.SIGTERM)
        return simulate(scenario)

    monkeypatch.setattr(campaigns, "simulate", swallow)
    code = main(["sim", "--seed", "3..60", "--hours", "0.02", "--faults", "none", "--jobs", "1", "--json"])

    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (code, result["interrupted"], result["seeds"]) == (1, True, 0)


def test_a_campaign_that_ended_by_itself_does_not_say_that_it_was_interrupted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    main(["sim", "--seed", "3", "--hours", "0.02", "--faults", "none", "--json"])

    assert "interrupted" not in json.loads(capsys.readouterr().out)


def test_each_fortieth_seed_is_run_twice_and_has_to_be_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    campaign = Campaign(first=40, last=41, faults=(), hours=60 / 3600)
    honest = run_campaign(campaign, jobs=1, on_done=lambda report: None)
    n_runs = 0

    def differ(scenario: Scenario) -> SeedReport:
        nonlocal n_runs
        n_runs += 1
        return replace(simulate(scenario), digest=str(n_runs))

    monkeypatch.setattr(campaigns, "simulate", differ)
    broken = run_campaign(campaign, jobs=1, on_done=lambda report: None)

    assert honest.failed == ()
    assert honest.n_checks["S20"] == 1
    assert n_runs == 3
    assert [(report.seed, report.violations[0].rule) for report in broken.failed] == [(40, "S20")]


@pytest.mark.parametrize(
    "words",
    [
        ["--seed", "x"],
        ["--seed", "5..1"],
        ["--seed", "-1"],
        ["--seed", "1..9999999"],
        ["--seed", "1", "--hours", "0"],
        ["--seed", "1", "--hours", "nan"],
        ["--seed", "1", "--jobs", "0"],
        ["--seed", "1", "--faults", "no_such_fault"],
        ["--seed", "1", "--minutes", "0"],
        ["--seed", "1", "--minutes", "nan"],
        ["--seed", "1", "--grids", "0"],
        ["--seed", "1", "--grids", "9"],
        ["--seed", "1", "--grids", "3..2"],
        ["--seed", "1", "--grids", "many"],
    ],
)
def test_arguments_that_make_no_campaign_are_refused_in_one_line(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["sim", *words])

    err = capsys.readouterr().err
    assert code == 2
    assert err.count("\n") == 1
    assert err.startswith("mm-trio: --")


def test_faults_are_named_as_the_sandbox_names_them() -> None:
    assert parse_faults("all") is None
    assert parse_faults("none") == ()
    assert parse_faults("answer-lost, read_stale,answer_lost") == (FaultKind.ANSWER_LOST, FaultKind.READ_STALE)
    with pytest.raises(ConfigError, match="unknown: nonsense"):
        parse_faults("nonsense")


def test_seeds_are_a_number_or_a_range() -> None:
    assert parse_seeds("7") == (7, 7)
    assert parse_seeds("1..60") == (1, 60)


def test_grids_are_a_number_or_a_range() -> None:
    assert parse_grids("3") == (3, 3)
    assert parse_grids("1..8") == (1, 8)


def test_the_command_that_repeats_a_seed_names_the_range_of_grids() -> None:
    command = Campaign(first=1, last=2, grids=(1, 8)).format_command(2)

    assert command == "python -m mm_trio sim --seed 2 --grids 1..8"


def test_every_rule_says_what_it_means() -> None:
    assert all(text and text[-1] != "." for text in RULES.values())


def test_a_run_leaves_the_log_as_it_was() -> None:
    log = logging.getLogger("mm_trio")
    before = log.level
    simulate(draw_scenario(1, faults=(), safety_s=60))

    assert log.level == before

"""Which tests a run takes: three thirds are everything, and each has something of every sweep."""

from __future__ import annotations

from pathlib import Path

import pytest
import selection

N_PARTS = selection.N_PARTS
pytest_plugins = "pytester"

SWEEPING = """
import pytest

@pytest.mark.sweep
@pytest.mark.parametrize("case", range(10))
def test_wide(case): ...

@pytest.mark.sweep
@pytest.mark.parametrize("case", range(3))
def test_narrow(case): ...

@pytest.mark.sweep
@pytest.mark.parametrize("case", range(2))
def test_too_narrow(case): ...

@pytest.mark.parametrize("case", range(4))
def test_whole(case): ...
"""


def run(pytester: pytest.Pytester, part: str, *arguments: str) -> list[str]:
    """Run `SWEEPING` and give the names of the cases that ran."""
    pytester.makeini("[pytest]\nmarkers =\n    sweep\n    smoke\naddopts = -p no:trio")
    pytester.makepyfile(test_x=SWEEPING)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(selection.VARIABLE, part)
        found = pytester.inline_run("-p", "no:cacheprovider", *arguments, plugins=[selection])
    reports = found.getreports("pytest_runtest_logreport")
    return [report.nodeid.partition("::")[2] for report in reports if report.when == "call"]


@pytest.mark.parametrize("n_cases", [3, 4, 5, 6, 40, 120])
def test_the_thirds_partition_a_sweep(n_cases: int) -> None:
    cases = [f"tests/test_x.py::test_x[{number}]" for number in range(n_cases)]

    thirds = [selection.keep_part(cases, part) for part in range(N_PARTS)]

    assert sorted(case for third in thirds for case in third) == sorted(cases)
    assert min(map(len, thirds)) >= n_cases // N_PARTS


def test_a_third_does_not_follow_the_numbers_of_its_cases() -> None:
    cases = [str(number) for number in range(60)]

    for part in range(N_PARTS):
        assert {int(case) % 3 for case in selection.keep_part(cases, part)} == {0, 1, 2}


def test_each_third_runs_something_of_every_sweep_and_all_of_the_rest(pytester: pytest.Pytester) -> None:
    thirds = [run(pytester, part) for part in ("0", "1", "2")]

    whole = [f"test_whole[{n}]" for n in range(4)] + [f"test_too_narrow[{n}]" for n in range(2)]
    for third in thirds:
        assert {case.partition("[")[0] for case in third} == {
            "test_wide",
            "test_narrow",
            "test_too_narrow",
            "test_whole",
        }
        assert set(whole) <= set(third)
    swept = sorted(case for third in thirds for case in third if case not in whole)
    assert swept == sorted([f"test_wide[{n}]" for n in range(10)] + [f"test_narrow[{n}]" for n in range(3)])


def test_without_a_choice_everything_runs(pytester: pytest.Pytester) -> None:
    assert len(run(pytester, "all")) == 19


def test_the_smoke_has_one_case_of_each_sweep(pytester: pytest.Pytester) -> None:
    cases = run(pytester, "1", "-m", "smoke")

    assert [case.partition("[")[0] for case in cases] == ["test_wide", "test_narrow", "test_too_narrow"]


def test_workers_take_the_third_that_the_commit_chose(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are started by the environment that `pytest_configure` leaves."""
    monkeypatch.setenv(selection.VARIABLE, "commit")

    selection.pytest_configure(pytester.parseconfig())

    assert (
        selection.pytest_report_header()
        == f"sweeps: MM_TRIO_SWEEP={selection.choose_part('commit', checkout=selection.TESTS)}"
    )


def test_without_git_the_first_third_runs(tmp_path: Path) -> None:
    assert selection.find_commit(tmp_path) is None
    assert selection.choose_part("commit", checkout=tmp_path) == 0


@pytest.mark.parametrize("asked", ["3", "-1", "", "half"])
def test_a_choice_that_does_not_exist_is_refused(asked: str, tmp_path: Path) -> None:
    with pytest.raises(pytest.UsageError, match="use all, commit, 0, 1 or 2"):
        selection.choose_part(asked, checkout=tmp_path)

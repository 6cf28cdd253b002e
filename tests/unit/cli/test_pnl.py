"""Command `pnl`: statement, JSON, exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from earnings_kit import BASE_CASE, make_ledger, trade

from mm_trio.cli.main import main
from mm_trio.model.journal_entries import Adjusted, Moved, MoveKind


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(["pnl", *words])
    out, err = capsys.readouterr()
    return code, out, err


def run_json(capsys: pytest.CaptureFixture[str], folder: Path, *words: str) -> dict[str, object]:
    code, out, _ = run(capsys, "--folder", str(folder), "--json", *words)
    assert code == 0
    values = json.loads(out.splitlines()[-1])
    assert isinstance(values, dict)
    return values


def test_the_base_case(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values = run_json(capsys, make_ledger(tmp_path), "--mark", "20.03")

    assert values["pnl_vs_hold"] == "0.21982"
    assert values["realised"] == "0.30"
    assert values["fees"] == {"in_quote": "0.08018", "base": "0.002", "quote": "0.04012", "other": {}}


def test_without_a_mark_figures_are_null_and_amounts_exact(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values = run_json(capsys, make_ledger(tmp_path))

    assert (values["pnl_vs_hold"], values["earned_base"], values["earned_quote"]) == (None, "-0.002", "0.25988")
    absent = values["absent"]
    assert isinstance(absent, dict)
    assert "no prices were recorded" in absent["pnl_vs_hold"]


def test_the_statement_names_units_and_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    third = trade("sell", "5", "20.06", "0.01", "Z\x1b[2J")
    moved = Moved(BASE_CASE[0].price, BASE_CASE[0].price, MoveKind.DEPOSIT, BASE_CASE[0].time_ms, "a")
    make_ledger(tmp_path, [*BASE_CASE, third], moved, Adjusted(BASE_CASE[0].price, BASE_CASE[0].price, "balance"))

    code, out, _ = run(capsys, "--folder", str(tmp_path), "--by", "day", "--fee-share", "0.5")

    assert code == 0
    for words in ("0.04012 quote and 0.002 base", "-0.01 Z[2J", "deposit (1)", "unexplained (1)", "ESTIMATED"):
        assert words in out
    assert "not known:\n  pnl_vs_hold, open, fees, inventory, " in out
    assert out.count(": no prices were recorded") == 1
    assert "2026-11-30" in out


def test_an_empty_period_is_no_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "--folder", str(make_ledger(tmp_path)), "--from", "2030-01-01", "--by", "day")

    assert (code, "no fills from 2030-01-01" in out) == (0, True)


def test_a_span_is_by_the_venues_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sold, bought = (one.time_ms for one in BASE_CASE)
    values = run_json(capsys, make_ledger(tmp_path), "--from", str(sold), "--to", str(bought))

    fills = values["fills"]
    assert isinstance(fills, dict)
    assert (fills["sells"], fills["buys"]) == (1, 0)


@pytest.mark.parametrize(
    "words, said",
    [
        (["--folder", "FOLDER", "--mark", "0"], "--mark"),
        (["--folder", "FOLDER", "--mark", "nan"], "--mark"),
        (["--folder", "FOLDER", "--fee-share", "1.1"], "from 0 to 1"),
        (["--folder", "FOLDER", "--from", "monday"], "UTC date"),
        (["--folder", "FOLDER", "--last", "day"], "such as 24h"),
        (["--folder", "FOLDER", "--last", "1h", "--to", "2026-01-01"], "--last cannot be combined"),
        (["--folder", "FOLDER", "--from", "2026-01-02", "--to", "2026-01-01"], "must be later"),
        (["--folder", "FOLDER", "--by", "hour"], "--by"),
        (["--folder", "FOLDER/not-there"], "there is no ledger"),
        (["--config", "FOLDER/not-there.toml"], "not-there.toml"),
        ([], "--config"),
        (["--folder", "FOLDER", "--config", "x"], "not allowed with"),
    ],
)
def test_bad_words_are_one_line_and_exit_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    make_ledger(tmp_path)
    code, out, err = run(capsys, *(word.replace("FOLDER", str(tmp_path)) for word in words), "--json")

    assert code == 2
    assert said in err
    assert json.loads(out.splitlines()[-1])["exit_code"] == 2

"""Commands `fills`, `orders` and `explain`: their answers, and bad input."""

from __future__ import annotations

import csv
import json
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from day_kit import TradedDay
from past_kit import START_MS, place, write_ledger

from mm_trio.cli.earnings_programs.past_words import lay_out, say_age, say_time
from mm_trio.cli.main import main
from mm_trio.model.observations import BestPrices, Coverage
from mm_trio.recorder.record_file import RecordFile


def ask(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    assert main([*words, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return found


def test_fills_are_those_of_the_exchange_to_the_last_digit(
    quiet_hour: TradedDay, capsys: pytest.CaptureFixture[str]
) -> None:
    found = ask(capsys, "fills", "--folder", str(quiet_hour.folder), "--limit", "0")

    assert sorted((row["time_ms"], row["tid"], Decimal(row["fee"])) for row in found["fills"]) == sorted(
        (fill.time_ms, fill.tid, fill.fee) for fill in quiet_hour.fills
    )


def test_a_limit_keeps_the_last_fills_and_sums_up_all(
    quiet_hour: TradedDay, capsys: pytest.CaptureFixture[str]
) -> None:
    found = ask(capsys, "fills", "--folder", str(quiet_hour.folder), "--limit", "7")

    assert [row["tid"] for row in found["fills"]] == [fill.tid for fill in quiet_hour.fills[-7:]]
    assert found["totals"]["n"] == len(quiet_hour.fills)


def test_orders_tell_what_rests_and_what_is_withheld(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_ledger(tmp_path, place("sell", 4, "2", oid=1), place("sell", 5, oid=2), place("buy", 3, oid=3))

    found = ask(capsys, "orders", "--folder", str(tmp_path))

    assert [(row["oid"], row["side"], row["phase"]) for row in found["orders"]] == [
        (2, "sell", "resting"),
        (1, "sell", "resting"),
        (3, "buy", "resting"),
    ]
    assert (found["boundary"], found["withheld"]["token"]) == (4, "10")


def test_orders_are_read_while_a_maker_has_the_ledger_open(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from mm_trio.journal.sqlite_journal import Journal

    write_ledger(tmp_path, place("sell", 5, oid=2))
    journal = Journal.open(tmp_path)
    journal.append(place("buy", 3, oid=3), at_ms=START_MS + 5_000)

    assert len(ask(capsys, "orders", "--folder", str(tmp_path))["orders"]) == 2


def test_the_text_of_orders_names_the_reason_of_a_pause(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from mm_trio.halts.standing import Standing, State
    from mm_trio.halts.standing_file import replace_standing

    write_ledger(tmp_path, place("sell", 5, oid=2))
    replace_standing(tmp_path, Standing(state=State.PAUSED, since_ms=START_MS, why="asked by its operator"))

    assert main(["orders", "--folder", str(tmp_path)]) == 0
    assert "no maker runs, paused since 2026-09-21 00:00:00 UTC: asked by its operator" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["fills"], "no ledger in"),
        (["orders"], "no ledger in"),
        (["explain", "3"], "no ledger in"),
    ],
)
def test_a_folder_without_a_ledger_is_one_line(
    words: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--folder", str(tmp_path)]) == 2

    assert told in capsys.readouterr().err


@pytest.mark.parametrize("level", ["40", "19.5", "x"])
def test_a_level_outside_of_the_ladder_is_one_line(
    level: str, quiet_hour: TradedDay, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", level, "--folder", str(quiet_hour.folder)]) == 2

    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 s"), (59, "59 s"), (61, "1 min 1 s"), (7261, "2 h 1 min"), (200_000, "2 d 7 h"), (None, "unknown")],
)
def test_an_age_has_its_two_largest_units(seconds: float | None, words: str) -> None:
    assert say_age(seconds) == words


def test_a_time_is_written_to_the_millisecond() -> None:
    assert say_time(START_MS + 7) == "2026-09-21 00:00:00.007"


def test_a_table_is_as_wide_as_its_cells() -> None:
    assert lay_out(("a", "b"), [("long", "x")]) == ["a     b", "long  x"]


@pytest.mark.parametrize("behind_ms, until_ms", [(900, START_MS + 100), (5_001, None)])
def test_a_record_that_is_a_moment_behind_still_tells_the_prices(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], behind_ms: int, until_ms: int | None
) -> None:
    write_ledger(tmp_path, place("sell", 5, oid=2))
    begin_ms, end_ms = START_MS - 60_000, START_MS + 1_000 - behind_ms
    with closing(RecordFile.open(tmp_path)) as record:
        record.append([Coverage("market", begin_ms, end_ms), BestPrices(begin_ms, Decimal(20), None, None, None)])

    market = ask(capsys, "explain", "5", "--folder", str(tmp_path))["market"]

    assert (None if market is None else market["recorded_until_ms"]) == until_ms


def test_a_table_of_fills_has_all_of_them_with_all_digits(
    quiet_hour: TradedDay, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "fills.csv"
    for _ in range(2):  # the same file is replaced
        found = ask(capsys, "fills", "--folder", str(quiet_hour.folder), "--limit", "1", "--csv", str(table))

    rows = list(csv.DictReader(table.read_text(encoding="utf-8").splitlines()))

    assert sorted(int(row["tid"]) for row in rows) == sorted(fill.tid for fill in quiet_hour.fills)
    spent = sum((Decimal(row["quote"]) for row in rows if row["side"] == "buy"), Decimal(0))
    assert (found["csv"], spent) == (str(table), Decimal(found["totals"]["paid"]))


def test_a_table_of_fills_replaces_nothing_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_ledger(tmp_path / "ledger")
    (tmp_path / "maker.toml").write_text("[market]")

    code = main(["fills", "--folder", str(tmp_path / "ledger"), "--csv", str(tmp_path / "maker.toml")])

    assert (code, "is not a table of fills" in capsys.readouterr().err) == (2, True)
    assert (tmp_path / "maker.toml").read_text() == "[market]"

"""What the doctor finds of one market of several: ledger, standing and guard are the account's."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest
from core_kit import dec
from doctor_kit import Patient, by_name

from mm_trio.cli.check_programs.findings import Verdict
from mm_trio.halts.standing import Standing, State
from mm_trio.halts.standing_file import replace_standing
from mm_trio.journal.data_dir import ACCOUNT_NAME
from mm_trio.journal.sqlite_journal import Journal
from mm_trio.model.journal_entries import Adjusted, Allocated, Began, Of


@pytest.fixture
def patient(tmp_path: Path) -> Patient:
    return Patient(tmp_path, of_account=True)


def find_shared(patient: Patient) -> Path:
    folder = patient.state_folder.parent / ACCOUNT_NAME
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def write_ledger(patient: Patient, *coins: str) -> Path:
    """A ledger in which each of these coins had a session."""
    folder = find_shared(patient)
    with closing(Journal.open(folder)) as journal:
        for number, coin in enumerate(coins, 7):
            entries = (
                Allocated(dec("100"), dec("2000")),
                Began(number, {}),
                Adjusted(dec("100"), dec("2000"), "balance"),
            )
            journal.append([Of(coin, entry) for entry in entries], at_ms=1)
        journal.mark_end()
    return folder


def test_the_part_of_a_coin_is_read_from_the_ledger_of_the_account(patient: Patient) -> None:
    write_ledger(patient, "@107", "@142")

    found = by_name(patient.examine())["ledger"]

    assert found.verdict is Verdict.PASS
    assert "1 sessions" in found.text


def test_a_coin_that_had_no_session_yet_has_no_ledger(patient: Patient) -> None:
    write_ledger(patient, "@142")

    found = by_name(patient.examine())["ledger"]

    assert (found.verdict, "there is no ledger yet" in found.text) == (Verdict.PASS, True)


def test_a_ledger_of_the_account_that_is_lost_fails(patient: Patient) -> None:
    folder = write_ledger(patient, "@107")
    (folder / "journal.sqlite3").unlink()

    found = by_name(patient.examine())["ledger"]

    assert (found.verdict, "there was one" in found.text) == (Verdict.FAIL, True)


def test_a_halt_of_the_account_fails_for_each_market(patient: Patient) -> None:
    replace_standing(find_shared(patient), Standing(state=State.HALTED, since_ms=1, why="max_net_spend"))

    found = by_name(patient.examine())["standing"]

    assert (found.verdict, "max_net_spend" in found.text) == (Verdict.FAIL, True)


def test_a_guard_that_watches_over_the_account_passes(patient: Patient) -> None:
    text = json.dumps({"version": 1, "at_ms": patient.clock.now_ms - 9_000, "pid": 42, "armed": True})
    (find_shared(patient) / "guard-alive.json").write_text(text)

    found = by_name(patient.examine())["guard"]

    assert (found.verdict, "is alive, armed" in found.text) == (Verdict.PASS, True)

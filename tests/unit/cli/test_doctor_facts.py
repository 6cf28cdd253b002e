"""A fact that cannot be read costs its own check, and nothing crashes."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trio
from doctor_kit import ACCOUNT, SIGNER, Patient, by_name
from filelock import FileLock
from sandbox_kit import TAKER, buy, sell
from trio.testing import MockClock

from mm_trio.cli.alert_programs.channel_facts import AlertFacts
from mm_trio.cli.check_programs import examination
from mm_trio.cli.check_programs.budget_checks import check_dead_man
from mm_trio.cli.check_programs.examination import ALL_CHECKS, examine
from mm_trio.cli.check_programs.facts import Facts
from mm_trio.cli.check_programs.findings import Check, DoctorReport, Finding, Outcome, Unknown, Verdict, expect, need
from mm_trio.cli.check_programs.local_facts import look_at_key
from mm_trio.cli.check_programs.machine_checks import check_alerts, check_disk, check_signing, check_versions
from mm_trio.journal.data_dir import LOCK_NAME
from mm_trio.journal.sqlite_journal import Journal
from mm_trio.model.cloid import CloidParts, encode_cloid
from mm_trio.model.errors import Interrupted
from mm_trio.model.journal_entries import Allocated, Began, Entry, Quoted
from mm_trio.model.pricing_grid import PricingGrid
from mm_trio.venue import wire

# The check that is about the answer to each question.
QUESTIONS = {
    "l2Book": "clock",
    "exchangeStatus": "exchange_status",
    "tokenDetails": "hip2",
    "userRole": "account",
    "extraAgents": "key_days",
    "userAbstraction": "account_mode",
    "spotClearinghouseState": "balances",
    "openOrders": "open_orders",
    "userRateLimit": "budget",
    "userFees": "fees",
}
GARBAGE: list[Any] = [
    (),
    [],
    {},
    "no answer",
    7,
    [[]],
    {"time": "x"},
    {"role": ["x"]},
    {"levels": 1},
    {"balances": [1]},
]


@pytest.fixture
def patient(tmp_path: Path) -> Patient:
    return Patient(tmp_path)


@pytest.fixture
def facts(patient: Patient) -> Facts:
    return patient.gather()


# --- Answers that do not come -----------------------------------------------------------------


@pytest.mark.parametrize("question", QUESTIONS)
def test_an_answer_that_does_not_come_is_a_warning_of_its_own_check(patient: Patient, question: str) -> None:
    patient.venue.answers[question] = ConnectionResetError(104, "Connection reset by peer")

    found = by_name(patient.examine())

    assert found[QUESTIONS[question]].verdict is Verdict.WARN
    assert "Connection reset by peer" in found[QUESTIONS[question]].text
    assert [f for f in found.values() if f.verdict is Verdict.FAIL] == []


@pytest.mark.parametrize("garbage", GARBAGE, ids=repr)
@pytest.mark.parametrize("question", ["spotMeta", *QUESTIONS])
def test_garbage_for_an_answer_crashes_nothing(patient: Patient, question: str, garbage: Any) -> None:
    patient.venue.answers[question] = lambda answer: garbage

    assert len(patient.examine().findings) == len(ALL_CHECKS)


def test_without_the_pairs_the_venue_counts_as_unreached_and_this_machine_is_shown(patient: Patient) -> None:
    patient.venue.answers["spotMeta"] = ConnectionRefusedError(111, "Connection refused")

    report = patient.examine()
    found = by_name(report)

    assert report.is_unreached
    assert (found["venue"].verdict, found["budget"].verdict) == (Verdict.FAIL, Verdict.SKIP)
    assert all(found[name].verdict is Verdict.PASS for name in ("state_folder", "ledger", "standing", "limits", "key"))


def test_without_the_pairs_nothing_else_is_asked(patient: Patient) -> None:
    patient.venue.answers["spotMeta"] = ConnectionRefusedError(111, "Connection refused")

    patient.examine()

    assert patient.steps == ["pairs", "state folder and ledger"]


@pytest.mark.parametrize("n_answered", [0, 1])
def test_a_venue_that_goes_silent_takes_less_than_a_minute(patient: Patient, n_answered: int) -> None:
    async def answer_or_hang(call: Callable[..., Any], *args: Any, **options: Any) -> Any:
        nonlocal n_answered
        if getattr(call, "__self__", None) is None and "look" in str(call):
            return call(*args)
        n_answered -= 1
        if n_answered < 0:
            await trio.sleep_forever()
        return call(*args)

    examiner = replace(patient.examiner, run_sync=answer_or_hang)
    key = look_at_key(patient.secrets, None)
    work = partial(examine, patient.settings, key, examiner=examiner, stop_scope=trio.CancelScope())

    report = trio.run(work, clock=MockClock(autojump_threshold=0))

    assert 10 < report.took_s < 60
    assert len(report.findings) == len(ALL_CHECKS)


def test_a_signal_ends_it_without_a_verdict(patient: Patient) -> None:
    key, scope = look_at_key(patient.secrets, None), trio.CancelScope()
    scope.cancel()

    with pytest.raises(Interrupted) as caught:
        trio.run(partial(examine, patient.settings, key, examiner=patient.examiner, stop_scope=scope))
    assert caught.value.not_checked == ("questions to the venue", "state folder and ledger")


def test_no_home_is_a_fail_and_no_crash(patient: Patient) -> None:
    patient.environ["XDG_STATE_HOME"] = "~nobody-by-this-name/state"

    found = by_name(patient.examine())["state_folder"]

    assert found.verdict is Verdict.FAIL
    assert "no home folder is known" in found.text


# --- Questions that can be spared -------------------------------------------------------------


def test_the_role_of_a_listed_agent_is_not_asked_for(patient: Patient) -> None:
    patient.examine()

    assert "role of the key" not in patient.steps


def test_the_role_of_an_agent_without_a_name_is_asked_for(patient: Patient) -> None:
    patient.agents.forget(SIGNER)
    patient.approve(days=60, name=None)

    found = by_name(patient.examine())

    assert "role of the key" in patient.steps
    assert (found["key_role"].verdict, found["key_days"].verdict) == (Verdict.PASS, Verdict.SKIP)


def test_of_a_vault_no_agents_are_asked_for(patient: Patient) -> None:
    patient.venue.answers["userRole"] = {"role": "vault"}
    patient.set("market", vault=True)

    found = by_name(patient.examine())

    assert "agents" not in patient.steps
    assert found["account"].verdict is Verdict.PASS


# --- The ledger -------------------------------------------------------------------------------


def begin_ledger(patient: Patient, *, epoch: int = 7, token: str = "100") -> None:
    ladder = {"start_px": "20", "n_orders": "40", "tick_size": "0.003", "order_sz": "5", "ladder": "hip2"}
    entries: list[Entry] = [Began(epoch, ladder), Allocated(Decimal(token), Decimal(2000)), Quoted(20)]
    with closing(Journal.open(patient.state_folder)) as journal:
        journal.append(entries, at_ms=1)
        journal.mark_end()


def rest_one_of(patient: Patient, *, epoch: int) -> None:
    mark = encode_cloid(CloidParts(epoch=epoch, side="buy", level_index=3, number=1))
    patient.place(ACCOUNT, replace(buy("20.18", "5"), cloid=mark))


def test_orders_of_the_ledgers_own_sessions_are_no_rivals(patient: Patient) -> None:
    begin_ledger(patient, epoch=7)
    rest_one_of(patient, epoch=7)

    found = by_name(patient.examine())

    assert (found["rivals"].verdict, found["ledger"].verdict) == (Verdict.PASS, Verdict.PASS)
    assert "1 sessions" in found["ledger"].text


def test_own_orders_without_a_maker_are_a_warning(patient: Patient) -> None:
    begin_ledger(patient, epoch=7)
    rest_one_of(patient, epoch=7)

    found = by_name(patient.examine())["left_orders"]

    assert found.verdict is Verdict.WARN
    assert "1 orders of this maker rest on @107" in found.text


def test_own_orders_of_a_maker_that_runs_are_looked_after(patient: Patient) -> None:
    begin_ledger(patient, epoch=7)
    rest_one_of(patient, epoch=7)
    with FileLock(patient.state_folder / LOCK_NAME):
        found = by_name(patient.examine())["left_orders"]

    assert found.verdict is Verdict.PASS


def test_own_orders_that_rest_are_not_held_by_others(patient: Patient) -> None:
    begin_ledger(patient, epoch=7)
    rest_one_of(patient, epoch=7)

    assert "6000.0 USDC of 6000.0 may be offered" in by_name(patient.examine())["balances"].text


def test_the_opening_follows_the_amounts_of_the_ledger(patient: Patient) -> None:
    begin_ledger(patient, token="100")
    patient.set("allocation", token="105")
    patient.place(TAKER, buy("21.29", "1"), sell("21.29", "1", "Ioc"))

    opening = patient.gather().ladder.opening

    assert not isinstance(opening, Unknown)
    assert opening.earlier is not None
    assert (opening.boundary_level, opening.earlier.changed) == (19, ("allocation",))


def test_a_ledger_keeps_the_rule_of_its_ladder(patient: Patient) -> None:
    with closing(Journal.open(patient.state_folder)) as journal:
        journal.append([Began(7, {"coin": "@107"}), Allocated(Decimal(100), Decimal(2000))], at_ms=1)

    grid = patient.gather().ladder.grid

    assert not isinstance(grid, Unknown)
    assert grid.ladder == "half-even"


# --- Checks of facts that no sandbox has ------------------------------------------------------


def test_our_own_ladder_in_the_book_is_no_sign_of_hip2(patient: Patient) -> None:
    patient.place(ACCOUNT, *(sell(str(price), "5") for price in PricingGrid("21.5", 8, sz_decimals=2).levels))

    assert by_name(patient.examine())["hip2"].verdict is Verdict.PASS


def test_such_a_ladder_of_somebody_else_is_a_sign_of_hip2(patient: Patient) -> None:
    patient.place(TAKER, *(sell(str(price), "5") for price in PricingGrid("21.5", 8, sz_decimals=2).levels))

    assert by_name(patient.examine())["hip2"].verdict is Verdict.WARN


@pytest.mark.parametrize("free, verdict", [(99_999_999, Verdict.WARN), (100_000_000, Verdict.PASS)])
def test_a_disk_that_is_nearly_full_is_a_warning(facts: Facts, free: int, verdict: Verdict) -> None:
    changed = replace(facts, machine=replace(facts.machine, free_bytes=free))

    assert check_disk(changed).verdict is verdict


def test_a_library_that_cannot_sign_fails(facts: Facts) -> None:
    broken = Unknown("coincurve cannot sign: no module", "install it again", Verdict.FAIL)
    check = Check("signing", "", check_signing)

    assert check.run(replace(facts, machine=replace(facts.machine, signing=broken))).verdict is Verdict.FAIL


@pytest.mark.parametrize(
    "python, verdict",
    [("3.10.9", Verdict.WARN), ("3.11.0", Verdict.PASS), ("3.13.2", Verdict.PASS), ("3.14.0rc1", Verdict.WARN)],
)
def test_a_python_that_was_not_tested_is_a_warning(facts: Facts, python: str, verdict: Verdict) -> None:
    versions = {**facts.machine.versions, "Python": python}

    assert check_versions(replace(facts, machine=replace(facts.machine, versions=versions))).verdict is verdict


def test_a_library_that_is_not_installed_is_a_warning(facts: Facts) -> None:
    versions = {**facts.machine.versions, "trio": "not installed"}

    assert check_versions(replace(facts, machine=replace(facts.machine, versions=versions))).verdict is Verdict.WARN


@pytest.mark.parametrize("volume, verdict", [("999999.9", Verdict.FAIL), ("1000000", Verdict.PASS)])
def test_the_venues_dead_man_needs_a_volume(facts: Facts, volume: str, verdict: Verdict) -> None:
    settings: Any = SimpleNamespace(guard=SimpleNamespace(dead_man="venue"))
    changed = replace(facts, settings=settings, account=replace(facts.account, budget=(Decimal(volume), 0)))

    assert check_dead_man(changed).verdict is verdict


@pytest.mark.parametrize(
    ("alerts", "verdict", "words"),
    [
        (AlertFacts(), Verdict.SKIP, "nobody is told"),
        (AlertFacts(names=("1:json://127.0.0.1",)), Verdict.PASS, "1:json://127.0.0.1; nothing was sent"),
        (AlertFacts(fault="[alerts] urls are wrong"), Verdict.FAIL, "[alerts] urls are wrong"),
        (AlertFacts(names=("1:a", "2:b"), silent=("2:b",)), Verdict.WARN, "no connection to 2:b"),
        (AlertFacts(names=("1:a",), is_exposed=True), Verdict.WARN, "others may read"),
    ],
)
def test_alerts_are_judged(facts: Facts, alerts: AlertFacts, verdict: Verdict, words: str) -> None:
    found = check_alerts(replace(facts, alerts=alerts))

    assert (found.verdict, words in found.text) == (verdict, True)


def test_on_mainnet_somebody_should_be_told(facts: Facts) -> None:
    settings: Any = SimpleNamespace(market=SimpleNamespace(network="mainnet"))

    assert check_alerts(replace(facts, settings=settings)).verdict is Verdict.WARN


# --- Findings ---------------------------------------------------------------------------------

MISSING = Unknown("it was not there", "look again", Verdict.FAIL)


def test_the_check_about_a_fact_has_the_verdict_of_its_absence(facts: Facts) -> None:
    check = Check("disk", "", lambda _: Outcome(Verdict.PASS, str(expect(MISSING))))

    assert check.run(facts) == Finding("disk", Verdict.FAIL, "it was not there", "look again")


def test_a_check_that_needs_a_missing_fact_is_skipped(facts: Facts) -> None:
    check = Check("disk", "", lambda _: Outcome(Verdict.PASS, str(need(MISSING))))

    assert check.run(facts) == Finding("disk", Verdict.SKIP, "not looked at: it was not there")


def test_a_finding_is_one_line(facts: Facts) -> None:
    check = Check("disk", "", lambda _: Outcome(Verdict.WARN, "one\n  two", "three\nfour"))

    assert (check.run(facts).text, check.run(facts).remedy) == ("one two", "three four")


def test_the_report_as_json_is_plain(patient: Patient) -> None:
    values = json.loads(json.dumps(patient.examine().to_json()))

    assert values["ok"] is True
    assert values["pass"] + values["skip"] == len(ALL_CHECKS) == len(values["findings"])


def test_the_text_has_a_line_for_each_check_and_what_to_do() -> None:
    report = DoctorReport((Finding("disk", Verdict.FAIL, "full", "free some"), Finding("key", Verdict.PASS, "there")))

    lines = report.to_text().splitlines()

    assert lines[0] == "FAIL  disk  full -> free some"
    assert lines[1] == "PASS  key   there"
    assert lines[2].startswith("1 pass, 0 warn, 1 fail, 0 skip")


@pytest.mark.parametrize(
    "told, status",
    [(None, None), ([], None), ({}, None), (["upgrade"], "['upgrade']"), ("x\x1b[2J" * 200, ("x[2J" * 200)[:200])],
    ids=["none", "list", "object", "one", "long"],
)
def test_the_status_of_the_exchange_is_read_as_it_is(told: object, status: str | None) -> None:
    assert wire.parse_exchange_status({"time": 1, "specialStatuses": told}) == status


def test_every_module_of_checks_is_run() -> None:
    parts = [value for name, value in vars(examination).items() if name.endswith("_CHECKS") and name != "ALL_CHECKS"]

    assert {check.name for part in parts for check in part} == {check.name for check in ALL_CHECKS}

"""A sound maker is found sound; spoiled in one way, the doctor names that way."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from doctor_kit import ACCOUNT, DAY_MS, KEY, SIGNER, Patient, by_name
from filelock import FileLock
from hyperliquid.utils.error import ClientError
from sandbox_kit import HYPE_TOKEN, PURR_ASSET, TAKER, USDC_TOKEN, buy, dec, sell

from mm_trio.cli.check_programs.examination import ALL_CHECKS
from mm_trio.cli.check_programs.findings import Verdict
from mm_trio.cli.check_programs.venue_facts import MOST_WEIGHT
from mm_trio.config.keys import Secret
from mm_trio.halts.requests import Request, write_request
from mm_trio.halts.standing import Standing, State
from mm_trio.halts.standing_file import replace_standing
from mm_trio.journal.data_dir import LOCK_NAME
from mm_trio.journal.end_mark import EndMark, write_mark
from mm_trio.journal.sqlite_journal import JOURNAL_NAME, Journal
from mm_trio.model.cloid import CloidParts, encode_cloid
from mm_trio.model.journal_entries import Allocated, Began
from mm_trio.sandbox.model.commands import ExhaustBudget, HoldElsewhere, SetFees, Withdraw

OTHER_KEY = "0x" + "22" * 32
OTHER = "0x" + "c3" * 20


@pytest.fixture
def patient(tmp_path: Path) -> Patient:
    return Patient(tmp_path)


@dataclass(frozen=True)
class Case:
    """A way to spoil a maker, the check that names it, its verdict, and a piece of its text."""

    name: str
    verdict: Verdict
    text: str
    spoil: Callable[[Patient], object]


CASES: dict[str, Case] = {}


def case(name: str, verdict: Verdict, text: str) -> Callable[[Callable[[Patient], object]], None]:
    def keep(spoil: Callable[[Patient], object]) -> None:
        CASES[spoil.__name__] = Case(name, verdict, text, spoil)

    return keep


WARN, FAIL = Verdict.WARN, Verdict.FAIL


@case("config", FAIL, "gap_levels must be from 0 to 39")
def a_gap_as_long_as_the_ladder(patient: Patient) -> None:
    patient.set("strategy", gap_levels=40)


@case("config", FAIL, "window_slack must be 0 or more and below active_levels")
def a_slack_as_wide_as_the_window(patient: Patient) -> None:
    patient.set("strategy", active_levels=5, window_slack=5)


# --- Key and account --------------------------------------------------------------------------


@case("key", FAIL, "no signing key")
def no_key(patient: Patient) -> None:
    patient.secrets.clear()


@case("key", FAIL, "not a valid private key")
def a_key_cut_short(patient: Patient) -> None:
    patient.secrets["MM_TRIO_PRIVATE_KEY"] = Secret(KEY[:-2])


@case("key", FAIL, "more than one signing key")
def two_keys(patient: Patient) -> None:
    patient.secrets["MM_TRIO_KEY_FILE"] = Secret(str(write_key(patient)))


@case("key", FAIL, "has mode 0644")
def a_key_file_that_others_read(patient: Patient) -> None:
    write_key(patient).chmod(0o644)
    patient.secrets = {"MM_TRIO_KEY_FILE": Secret(str(patient.folder / "key"))}


@case("key", WARN, "HYPERLIQUID_PK and MM_TRIO_PRIVATE_KEY")
def a_key_of_another_program_beside_it(patient: Patient) -> None:
    patient.secrets["HYPERLIQUID_PK"] = Secret(OTHER_KEY)


@case("key", WARN, "the system keeps what a process was started with")
def a_mainnet_key_in_the_environment(patient: Patient) -> None:
    patient.set("market", network="mainnet")


@case("own_key", FAIL, "the account's own")
def the_own_key_on_mainnet(patient: Patient) -> None:
    patient.set("market", network="mainnet", account=SIGNER)
    patient.fund(SIGNER, "150", "6000")


@case("own_key", WARN, "the account's own")
def the_own_key_on_testnet(patient: Patient) -> None:
    patient.agents.forget(SIGNER)
    patient.set("market", account=SIGNER)
    patient.fund(SIGNER, "150", "6000")


@case("own_key", FAIL, "could withdraw")
def the_key_of_a_sub_accounts_master(patient: Patient) -> None:
    patient.set("market", network="mainnet", account=make_sub_account(patient, SIGNER), vault=True)


@case("key_role", FAIL, "known as 'missing'")
def a_key_that_was_never_approved(patient: Patient) -> None:
    patient.agents.forget(SIGNER)


@case("key_role", FAIL, f"an agent of {TAKER}")
def a_key_of_another_account(patient: Patient) -> None:
    patient.approve(days=60, master=TAKER)


@case("key_role", FAIL, "known as 'missing'")
def a_key_that_has_ended(patient: Patient) -> None:
    patient.clock.now_ms += 61 * DAY_MS


@case("key_days", FAIL, "ends in 3.0 days")
def three_days_on_mainnet(patient: Patient) -> None:
    patient.set("market", network="mainnet")
    patient.approve(days=3)


@case("key_days", WARN, "ends in 3.0 days")
def three_days_on_testnet(patient: Patient) -> None:
    patient.approve(days=3)


@case("key_days", WARN, "ends in 10.0 days")
def ten_days_on_mainnet(patient: Patient) -> None:
    patient.set("market", network="mainnet")
    patient.approve(days=10)


@case("account", FAIL, "nothing was ever paid in")
def an_account_without_a_deposit(patient: Patient) -> None:
    patient.set("market", account=OTHER)


@case("account", FAIL, f'put account = "{ACCOUNT}"')
def the_address_of_the_agent(patient: Patient) -> None:
    patient.set("market", account=SIGNER)


@case("account", FAIL, "put vault = true")
def a_sub_account_without_its_word(patient: Patient) -> None:
    patient.set("market", account=make_sub_account(patient, ACCOUNT))


@case("account", FAIL, "remove vault = true")
def an_ordinary_account_called_a_vault(patient: Patient) -> None:
    patient.set("market", vault=True)


@case("account_mode", WARN, "'dexAbstraction' is not a mode known here")
def a_mode_nobody_knows(patient: Patient) -> None:
    patient.venue.answers["userAbstraction"] = "dexAbstraction"


@case("balances", FAIL, "not funded")
def nothing_left(patient: Patient) -> None:
    patient.gateway.apply(Withdraw(ACCOUNT, HYPE_TOKEN, dec("150")))
    patient.gateway.apply(Withdraw(ACCOUNT, USDC_TOKEN, dec("6000")))


@case("balances", WARN, "2000 USDC are allocated")
def margin_that_holds_what_is_allocated(patient: Patient) -> None:
    patient.gateway.apply(HoldElsewhere(ACCOUNT, USDC_TOKEN, dec("5000")))


# --- Pair and ladder --------------------------------------------------------------------------


@case("pair", FAIL, "unknown coin 'HYPE/USDT'")
def a_pair_that_is_not_there(patient: Patient) -> None:
    patient.set("market", coin="HYPE/USDT")


@case("pair", FAIL, "ambiguous coin")
def a_name_that_two_pairs_have(patient: Patient) -> None:
    patient.set("market", coin="HYPE/USDC")
    patient.venue.answers["spotMeta"] = add_namesake


@case("pair", WARN, "1 other pairs are called so too: @9000")
def a_pair_with_a_namesake(patient: Patient) -> None:
    patient.venue.answers["spotMeta"] = add_namesake


@case("base", FAIL, "base is 'PURR'")
def another_base_than_was_named(patient: Patient) -> None:
    patient.set("market", base="PURR")


@case("base", WARN, "names no token")
def no_base_on_mainnet(patient: Patient) -> None:
    patient.set("market", network="mainnet", base=None)


@case("token", WARN, "tells no id")
def a_token_without_an_id(patient: Patient) -> None:
    patient.venue.answers["spotMeta"] = lambda meta: rename_tokens(meta, tokenId=None)


@case("quote", WARN, "are in USDH, not in USDC")
def a_quote_that_is_not_usdc(patient: Patient) -> None:
    patient.venue.answers["spotMeta"] = lambda meta: rename_quote(meta, "USDH")


@case("lots", FAIL, "order_sz to 5.12")
def an_order_between_two_lots(patient: Patient) -> None:
    patient.set("strategy", order_sz="5.125")


@case("min_notional", FAIL, "below 1.01 times the minimum")
def orders_that_are_too_small(patient: Patient) -> None:
    patient.set("strategy", order_sz="0.5")


@case("min_notional", WARN, "both parts of a partly filled order")
def orders_that_are_rather_small(patient: Patient) -> None:
    patient.set("strategy", order_sz="0.75")


@case("opening", FAIL, "2.81 % below the market's mid")
def tokens_that_open_it_far_from_the_market(patient: Patient) -> None:
    patient.set("allocation", token="150")


@case("opening", FAIL, "cannot be met")
def a_target_that_needs_more_tokens(patient: Patient) -> None:
    del patient.config["allocation"]
    patient.set("strategy", target_px="20.1")


@case("opening", FAIL, "outside the ladder")
def a_target_outside_the_ladder(patient: Patient) -> None:
    del patient.config["allocation"]
    patient.set("strategy", target_px="30")


@case("band", FAIL, "39 of 39 orders are outside")
def a_market_ten_times_higher(patient: Patient) -> None:
    patient.place(TAKER, buy("21.3", "10", "Ioc"), buy("250", "1"), sell("251", "1"))


@case("hip2", WARN, "it was given 700 HYPE")
def hip2_on_the_same_pair(patient: Patient) -> None:
    told = {"seededUsdc": "0.0", "genesis": {"userBalances": [["0x" + "f" * 40, "700"]]}}
    patient.venue.answers["tokenDetails"] = told


@case("open_orders", WARN, "970 open orders of others and 39")
def many_orders_of_others(patient: Patient) -> None:
    patient.fund(ACCOUNT, "0.001", "100000000")
    for _ in range(5):
        patient.place(ACCOUNT, *(buy("0.05", "1000", asset=PURR_ASSET) for _ in range(194)))


@case("foreign_orders", WARN, "1 orders of others are open on @107")
def an_order_by_hand(patient: Patient) -> None:
    patient.place(ACCOUNT, buy("20.5", "1"))


@case("rivals", FAIL, "of another mm_trio are open")
def an_order_of_another_maker(patient: Patient) -> None:
    mark = encode_cloid(CloidParts(epoch=7, side="buy", level_index=3, number=1))
    patient.place(ACCOUNT, replace(buy("20.18", "5"), cloid=mark))


# --- Money and limits -------------------------------------------------------------------------


@case("amounts", FAIL, "the whole account would be offered")
def neither_amounts_nor_target(patient: Patient) -> None:
    del patient.config["allocation"]
    for name in ("max_net_spend", "max_loss_vs_hold", "max_drawdown_vs_hold"):
        patient.set("limits", **{name: None})


@case("limits", FAIL, "11 of 11 limits")
def no_limits_on_mainnet(patient: Patient) -> None:
    patient.set("market", network="mainnet")
    del patient.config["limits"]


@case("limits", WARN, "1 of 11 limits are not given: budget_floor")
def a_limit_missing_on_testnet(patient: Patient) -> None:
    patient.set("limits", budget_floor=None)


@case("limits_fit", WARN, "max_net_spend 500 is below 2146.98")
def a_limit_below_the_worst_case(patient: Patient) -> None:
    patient.set("limits", max_net_spend="500")


@case("limits_fit", WARN, "price_high 22 is below the highest level")
def a_highest_price_inside_the_ladder(patient: Patient) -> None:
    patient.set("limits", price_high="22")


@case("worst_case", WARN, "pay for bids down to")
def bids_that_are_not_paid_for(patient: Patient) -> None:
    patient.set("allocation", usdc="1000")


@case("fees", FAIL, "every round trip loses")
def a_fee_above_the_step(patient: Patient) -> None:
    patient.gateway.apply(SetFees(ACCOUNT, dec("0.002"), dec("0.002")))


@case("fees", WARN, "gains nothing and costs 8.0 bps")
def no_gap_and_a_fee(patient: Patient) -> None:
    patient.set("strategy", gap_levels=0)


# --- The venue --------------------------------------------------------------------------------


@case("ip_weight", FAIL, "1 questions were refused as too many")
def an_address_that_asks_too_much(patient: Patient) -> None:
    patient.venue.answers["userFees"] = ClientError(429, None, "null", {})


@case("clock", FAIL, "60 s ahead of the venue's")
def a_clock_that_is_fast(patient: Patient) -> None:
    patient.ahead_ms = 60_000


@case("exchange_status", WARN, "postOnly")
def a_special_state(patient: Patient) -> None:
    patient.venue.answers["exchangeStatus"] = {"time": 1, "specialStatuses": ["postOnly"]}


@case("budget", FAIL, "no request is left")
def a_budget_that_is_used_up(patient: Patient) -> None:
    patient.gateway.apply(ExhaustBudget(ACCOUNT))


@case("budget", WARN, "placing and cancelling the ladder takes 78")
def a_budget_down_to_its_floor(patient: Patient) -> None:
    patient.venue.answers["userRateLimit"] = {"cumVlm": "0.0", "nRequestsUsed": 9_450}


# --- This machine -----------------------------------------------------------------------------


@case("state_folder", FAIL, "not safe from other users")
def a_state_folder_that_others_write_to(patient: Patient) -> None:
    patient.state_folder.chmod(0o777)


@case("state_folder", FAIL, "cannot be written to")
def a_file_in_the_place_of_the_folder(patient: Patient) -> None:
    (patient.folder / "state").write_text("")


@case("ledger", FAIL, "ledger rebuild")
def a_ledger_that_is_damaged(patient: Patient) -> None:
    (patient.state_folder / JOURNAL_NAME).write_bytes(b"no ledger at all" * 1000)


@case("ledger", FAIL, "but there was one")
def a_ledger_that_is_gone(patient: Patient) -> None:
    write_mark(patient.state_folder, EndMark(7, b"\1" * 16))


@case("ledger", FAIL, "lacks entries")
def an_older_copy_of_the_ledger(patient: Patient) -> None:
    with closing(Journal.open(patient.state_folder)) as journal:
        journal.append([Began(1, {}), Allocated(dec("100"), dec("2000"))], at_ms=1)
    write_mark(patient.state_folder, EndMark(7, b"\1" * 16))


@case("standing", FAIL, "halted since 2023-11-14 22:13:20 UTC: spent too much")
def a_maker_that_was_halted(patient: Patient) -> None:
    halt(patient, State.HALTED, why="spent too much")


@case("standing", FAIL, "paused since")
def a_maker_that_was_paused(patient: Patient) -> None:
    halt(patient, State.PAUSED, why="by hand")


@case("standing", FAIL, "paused since")
def a_pause_that_the_next_start_follows(patient: Patient) -> None:
    write_request(patient.state_folder, Request.PAUSE, "maintenance")


@case("standing", FAIL, "the operator asked for HALT by the file HALT")
def a_halt_that_waits_beside_a_pause(patient: Patient) -> None:
    write_request(patient.state_folder, Request.PAUSE)
    write_request(patient.state_folder, Request.HALT)


@case("standing", FAIL, "standing.json cannot be read")
def a_standing_that_cannot_be_read(patient: Patient) -> None:
    (patient.state_folder / "standing.json").write_text("{")


@case("guard", WARN, "no guard watches")
def no_guard_on_mainnet(patient: Patient) -> None:
    patient.set("market", network="mainnet")


@case("guard", WARN, "gave its last sign of life 11 s ago")
def a_guard_that_is_gone(patient: Patient) -> None:
    patient.set("market", network="mainnet")
    write_guard(patient, at_ms=patient.clock.now_ms - 11_000)


@case("guard", WARN, "cannot be read")
def a_guards_file_that_cannot_be_read(patient: Patient) -> None:
    (patient.state_folder / "guard-alive.json").write_text("[" * 4000)


# --- Short words ------------------------------------------------------------------------------


def write_key(patient: Patient) -> Path:
    path = patient.folder / "key"
    path.write_text(KEY)
    path.chmod(0o600)
    return path


def make_sub_account(patient: Patient, master: str) -> str:
    made = patient.agents.sub_accounts.create(master, "maker")
    assert not isinstance(made, str)
    patient.fund(made.address, "150", "6000")
    return made.address


def add_namesake(meta: Any) -> Any:
    row = next(pair for pair in meta["universe"] if pair["name"] == "@107")
    return meta | {"universe": [*meta["universe"], row | {"name": "@9000", "index": 9000}]}


def rename_tokens(meta: Any, **values: Any) -> Any:
    return meta | {"tokens": [token | values for token in meta["tokens"]]}


def rename_quote(meta: Any, name: str) -> Any:
    tokens = [token | {"name": name} if token["index"] == USDC_TOKEN else token for token in meta["tokens"]]
    return meta | {"tokens": tokens}


def halt(patient: Patient, state: State, *, why: str) -> None:
    replace_standing(patient.state_folder, Standing(state=state, since_ms=1_700_000_000_000, why=why))


def write_guard(patient: Patient, *, at_ms: int, armed: bool = True) -> None:
    text = json.dumps({"version": 1, "at_ms": at_ms, "pid": 42, "armed": armed})
    (patient.state_folder / "guard-alive.json").write_text(text)


# --- The tests --------------------------------------------------------------------------------


@pytest.mark.parametrize("way", CASES)
def test_the_doctor_names_what_is_wrong(patient: Patient, way: str) -> None:
    expected = CASES[way]
    expected.spoil(patient)

    found = by_name(patient.examine())[expected.name]

    assert found.verdict is expected.verdict, found
    assert re.search(re.escape(expected.text), f"{found.text} {found.remedy}"), found


@pytest.mark.parametrize("way", CASES)
def test_what_is_wrong_comes_with_what_to_do(patient: Patient, way: str) -> None:
    CASES[way].spoil(patient)

    wrong = [f for f in patient.examine().findings if f.verdict in (WARN, FAIL)]

    assert [f for f in wrong if not f.remedy] == []


@pytest.mark.parametrize("way", CASES)
def test_no_examination_weighs_more_than_its_bound(patient: Patient, way: str) -> None:
    CASES[way].spoil(patient)

    report = patient.examine()

    assert patient.venue.weight <= MOST_WEIGHT <= 300
    assert report.weight == patient.venue.weight


def test_a_sound_maker_is_found_sound(patient: Patient) -> None:
    findings = patient.examine().findings

    assert [f for f in findings if f.verdict not in (Verdict.PASS, Verdict.SKIP)] == []
    assert {f.name for f in findings if f.verdict is Verdict.SKIP} == {"guard", "alerts", "dead_man"}


def test_there_are_so_many_checks_and_ways() -> None:
    assert len(ALL_CHECKS) >= 25
    assert len({check.name for check in ALL_CHECKS}) == len(ALL_CHECKS)
    assert len({expected.name for expected in CASES.values()}) >= 25


def test_a_held_lock_says_that_a_maker_runs(patient: Patient) -> None:
    with FileLock(patient.state_folder / LOCK_NAME):
        found = by_name(patient.examine())["maker_lock"]

    assert found.verdict is WARN
    assert "a maker runs" in found.text


def test_a_key_that_another_maker_signs_with_fails(patient: Patient) -> None:
    patient.signer_lock.parent.mkdir(parents=True, mode=0o700)
    with FileLock(patient.signer_lock):
        found = by_name(patient.examine())["key_lock"]

    assert found.verdict is FAIL


def test_the_maker_that_runs_here_may_sign_with_the_key(patient: Patient) -> None:
    patient.signer_lock.parent.mkdir(parents=True, mode=0o700)
    with FileLock(patient.state_folder / LOCK_NAME), FileLock(patient.signer_lock):
        found = by_name(patient.examine())["key_lock"]

    assert found.verdict is Verdict.PASS


def test_a_guard_that_is_alive_passes(patient: Patient) -> None:
    write_guard(patient, at_ms=patient.clock.now_ms - 9_000, armed=False)

    found = by_name(patient.examine())["guard"]

    assert (found.verdict, "not armed" in found.text) == (Verdict.PASS, True)


def test_a_proxy_before_the_venue_is_named_without_its_password(
    patient: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://user:secret@proxy.example:3128")

    found = by_name(patient.examine())["proxies"]

    assert found.verdict is WARN
    assert "http://proxy.example:3128" in found.text
    assert "secret" not in found.text


def test_a_proxy_that_cannot_be_read_crashes_nothing(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://[proxy")

    assert "an address that cannot be read" in by_name(patient.examine())["proxies"].text


def test_an_examination_writes_nothing(patient: Patient) -> None:
    with closing(Journal.open(patient.state_folder)) as journal:
        journal.append([Began(1, {}), Allocated(dec("100"), dec("2000"))], at_ms=1)
    before = read_all(patient.folder)

    patient.examine()

    assert read_all(patient.folder) == before


def test_an_examination_logs_nothing(patient: Patient, caplog: pytest.LogCaptureFixture) -> None:
    patient.set("strategy", order_sz="0.75")

    patient.examine()

    assert caplog.messages == []


def test_an_examination_creates_no_folder(patient: Patient) -> None:
    patient.examine()

    assert list(patient.folder.iterdir()) == []


def read_all(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

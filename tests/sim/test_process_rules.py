"""Rules beside the book's, and the hard cases.

They look for secrets, a second maker, memory growth and levels without orders.
"""

from __future__ import annotations

import base64
import logging
from collections import Counter
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from mm_trio.sandbox.faults.kinds import FaultKind
from mm_trio.sim.base.crash_points import Crash
from mm_trio.sim.base.judge import RULES, Judge
from mm_trio.sim.base.scenario import draw_scenario
from mm_trio.sim.network.secret_canary import KEY, MARK, CanaryExchange, LogScanner, find_secret
from mm_trio.sim.oracle.coverage import HARD_CASES, find_never_seen, shorten
from mm_trio.sim.oracle.request_limits import SlidingSum
from mm_trio.sim.oracle.starvation import Starvation
from mm_trio.sim.run.episode import simulate


def make_judge() -> Judge:
    return Judge(lambda: 0.0, on_first=lambda violation: None)


# --- Secrets ---


@pytest.mark.parametrize(
    "text",
    [
        KEY.hex(),
        f"key=0x{KEY.hex().upper()}!",
        base64.b64encode(KEY).decode(),
        base64.b64encode(b"x" + KEY + b"yz").decode(),
        base64.b64encode(b"xy" + KEY).decode(),
        repr({"key": KEY}),
        f"0x{MARK.hex()}0123",
    ],
)
def test_a_secret_is_found_however_it_is_written(text: str) -> None:
    assert find_secret(texts=("nothing", text)) is not None
    assert find_secret(texts=("nothing", text[: len(text) // 3])) is None


def test_a_secret_is_found_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "journal").write_bytes(b"\0\1" + KEY)

    assert find_secret(folder=tmp_path) == "the file journal"


def test_the_log_is_read_with_its_tracebacks() -> None:
    log, log_scanner = logging.getLogger("mm_trio.test_of_the_canary"), LogScanner()
    log.addHandler(log_scanner)
    try:
        log.error("all is well")
        assert log_scanner.found is None
        try:
            raise ValueError(f"bad key {KEY.hex()}")
        except ValueError:
            log.exception("what now")
    finally:
        log.removeHandler(log_scanner)

    assert log_scanner.found is not None


def test_every_signature_of_the_canary_can_be_told() -> None:
    assert find_secret(texts=(CanaryExchange.wallet.sign("ab" * 32),)) is not None
    assert find_secret(texts=(repr(CanaryExchange.wallet),)) is None


# --- Levels without orders ---


def test_a_level_due_for_a_minute_without_an_order_starves() -> None:
    judge = make_judge()
    starvation = Starvation(judge)
    for now_s in range(0, 66, 5):
        starvation.check([("buy", 1), ("buy", 2)], {("buy", 2): Decimal(1)}, now_s=now_s, refused_s=0.0)

    assert [violation.rule for violation in judge.violations] == ["L7"]
    assert "('buy', 1)" in judge.violations[0].text


@pytest.mark.parametrize("why", ["it rested for a moment", "it was not due for a moment", "refused", "forgotten"])
def test_a_level_that_had_its_chance_has_a_minute_again(why: str) -> None:
    judge = make_judge()
    starvation = Starvation(judge)
    for now_s in range(0, 91, 5):
        is_middle = now_s == 45
        book = {("buy", 1): Decimal(1)} if is_middle and why == "it rested for a moment" else {}
        due = [] if is_middle and why == "it was not due for a moment" else [("buy", 1)]
        if is_middle and why == "forgotten":
            starvation.forget()
        starvation.check(due, book, now_s=now_s, refused_s=45.0 if now_s >= 45 and why == "refused" else 0.0)

    assert judge.violations == []


# --- Memory and the hard cases ---


def test_a_minute_forgets() -> None:
    minute = SlidingSum(10.0)

    assert [minute.add(now_s, 1) for now_s in (0.0, 5.0, 9.9, 10.0, 30.0)] == [1, 2, 3, 3, 1]


def test_what_differs_from_time_to_time_is_left_out_of_a_text() -> None:
    assert shorten("Too many cumulative requests sent (10258 > 10000) for") == "Too many cumulative requests sent"
    assert shorten("Insufficient spot balance asset=10107") == "Insufficient spot balance"
    assert shorten("User or API Wallet 0xa1a1 does not exist.") == "User or API Wallet"


def test_every_crash_is_among_the_hard_cases_and_none_is_named_twice() -> None:
    assert {f"crash {crash.value}" for crash in Crash} <= set(HARD_CASES)
    assert len(set(HARD_CASES)) == len(HARD_CASES)
    assert find_never_seen(Counter(HARD_CASES)) == []
    assert find_never_seen({}) == list(HARD_CASES)


def test_there_are_thirty_five_safety_and_ten_liveness_properties() -> None:
    assert [rule for rule in RULES if rule != "SIM"] == [
        *(f"S{n}" for n in range(1, 36)),
        *(f"L{n}" for n in range(1, 11)),
    ]


# --- Faults of the venue itself ---


def test_a_delisting_ends_orders_and_an_upgrade_refuses_takers() -> None:
    rates = {FaultKind.DELISTED: 1 / 60, FaultKind.UPGRADE: 1 / 60}
    report = simulate(replace(draw_scenario(3, faults=(), safety_s=300), rates=rates))

    assert report.violations == ()
    assert report.struck["delisted"] > 0
    assert report.struck["upgrade"] > 0
    assert report.coverage["status delistedCanceled"] > 0

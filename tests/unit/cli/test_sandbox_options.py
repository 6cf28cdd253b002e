"""What may be asked of the `sandbox` command, and how it says no before it opens a port."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio

from mm_trio.cli.sandbox import SandboxOptions, parse_limits, plan_faults, run_sandbox
from mm_trio.cli.sandbox_history import replay_history
from mm_trio.model.errors import ConfigError
from mm_trio.sandbox.faults.kinds import FaultKind
from mm_trio.sandbox.model.limits import Limits


def test_limits_are_the_venues_or_off_or_scaled() -> None:
    assert parse_limits("venue") == Limits()
    assert parse_limits("account") == Limits.of_accounts()
    assert parse_limits("account").base_requests == Limits().base_requests
    assert parse_limits("account").ip_weight_per_minute is None
    assert parse_limits("off").ip_weight_per_minute is None
    assert parse_limits("scaled:2.5").ip_weight_per_minute == 3000


@pytest.mark.parametrize("text", ["none", "", "scaled", "scaled:", "scaled:x", "scaled:0", "scaled:-1", "scaled:nan"])
def test_other_limits_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="limits: "):
        parse_limits(text)


def test_words_override_the_rates_of_a_plan_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_text('[{"kind": "deposit", "rate": 1}, {"kind": "upgrade", "at_s": 3}]')

    plan = plan_faults(["deposit:0", "answer_lost:0.1"], path)

    assert plan.kinds() == {FaultKind.UPGRADE, FaultKind.ANSWER_LOST}


def test_no_words_and_no_file_are_no_faults() -> None:
    assert plan_faults([], None).kinds() == frozenset()


@pytest.mark.parametrize(
    "words, told",
    [(["answer_lots:1"], "faults: unknown fault 'answer_lots'"), (["deposit"], "faults: 'deposit' is not")],
)
def test_wrong_words_are_an_error_of_the_operator(words: list[str], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        plan_faults(words, None)


@pytest.mark.parametrize(
    "change, told",
    [
        ({"host": "0.0.0.0"}, "loopback only"),
        ({"coins": ("NOPE/USDC",)}, "unknown coin 'NOPE/USDC'"),
        ({"coins": ("@107", "HYPE/USDC")}, "a coin is named twice: @107, HYPE/USDC"),
        ({"tape": Path("nowhere.json")}, "nowhere.json: cannot be read"),
        ({"tape": Path("nowhere.json"), "coins": ("@107", "@4")}, "a tape is of one coin"),
        ({"history": Path(__file__)}, "is there already"),
    ],
)
async def test_options_that_make_no_sandbox_are_refused(change: dict[str, Any], told: str) -> None:
    options = SandboxOptions(**({"coins": ("@107",)} | change))

    with pytest.RaisesGroup(pytest.RaisesExc(ConfigError, match=told), allow_unwrapped=True, flatten_subgroups=True):
        await run_sandbox(options, on_ready=lambda access: pytest.fail("it began"), stop_scope=trio.CancelScope())


@pytest.mark.parametrize("text, told", [("", "line 1"), ("[]", "line 1"), ("{}", "line 1"), ("\xff", "line 1")])
def test_what_is_no_history_is_told_with_its_line(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "history.jsonl"
    path.write_text(text)

    with pytest.raises(ConfigError, match=told):
        replay_history(path)


def test_a_history_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        replay_history(tmp_path / "nowhere.jsonl")

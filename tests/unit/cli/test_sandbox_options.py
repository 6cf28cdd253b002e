"""Options of the `sandbox` command, and their refusal before a port is opened."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio

from mm_trio.cli.programs.run_sandbox import SandboxOptions, parse_limits, plan_faults, run_sandbox
from mm_trio.cli.programs.sandbox_history import replay_history
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


def test_words_override_only_the_rates_of_a_plan_file(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_text('[{"kind": "deposit", "rate": 1}, {"kind": "upgrade", "at_s": 3}]')

    plan = plan_faults(["deposit:0", "answer_lost:0.1"], path)

    assert plan.kinds() == {FaultKind.UPGRADE, FaultKind.ANSWER_LOST}


def test_without_words_and_file_there_are_no_faults() -> None:
    assert plan_faults([], None).kinds() == frozenset()


@pytest.mark.parametrize(
    "words, message",
    [(["answer_lots:1"], "faults: unknown fault 'answer_lots'"), (["deposit"], "faults: 'deposit' is not")],
)
def test_wrong_words_are_an_error_of_the_operator(words: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        plan_faults(words, None)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"host": "0.0.0.0"}, "loopback only"),
        ({"coins": ("NOPE/USDC",)}, "unknown coin 'NOPE/USDC'"),
        ({"coins": ("@107", "HYPE/USDC")}, "a coin is named twice: @107, HYPE/USDC"),
        ({"tape": Path("nowhere.json")}, "nowhere.json: cannot be read"),
        ({"tape": Path("nowhere.json"), "coins": ("@107", "@4")}, "--tape replays one coin"),
        ({"history": Path(__file__)}, "exists already"),
    ],
)
async def test_invalid_options_are_refused(change: dict[str, Any], message: str) -> None:
    options = SandboxOptions(**({"coins": ("@107",)} | change))

    with pytest.RaisesGroup(pytest.RaisesExc(ConfigError, match=message), allow_unwrapped=True, flatten_subgroups=True):
        await run_sandbox(options, on_ready=lambda access: pytest.fail("it began"), stop_scope=trio.CancelScope())


@pytest.mark.parametrize("text, message", [("", "line 1"), ("[]", "line 1"), ("{}", "line 1"), ("\xff", "line 1")])
def test_an_invalid_history_is_refused_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "history.jsonl"
    path.write_text(text)

    with pytest.raises(ConfigError, match=message):
        replay_history(path)


def test_a_missing_history_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        replay_history(tmp_path / "nowhere.jsonl")

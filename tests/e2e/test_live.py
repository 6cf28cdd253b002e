"""Real money, rehearsed: `run --live` against a sandbox that stands in for mainnet, and everything that refuses it."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from hyperliquid.exchange import Exchange
from hyperliquid.utils.signing import sign_agent
from process_kit import DEADLINE_S, Program, Sandbox, open_sandbox, run, running

pytestmark = pytest.mark.e2e

# Pauses of at most 0.6 s between its takers, while a maker starts.
BUSY = ("--seed", "181", "--maker")
MASTER = Account.from_key(sha256(b"mm_trio sandbox account 181").hexdigest())
DAY_MS = 86_400_000
# Of ten USDC and a hundredth at the lowest level of 20, in whole lots; the plan has orders of 5.
SMALL, WHOLE = "0.51", "5.0"


@dataclass
class Rehearsal:
    """A configuration for mainnet, and the exchange in its place."""

    folder: Path
    sandbox: Sandbox
    key: str
    more: dict[str, str] = field(default_factory=dict)

    @property
    def environ(self) -> dict[str, str]:
        return {"MM_TRIO_PRIVATE_KEY": self.key} | self.more

    @property
    def config(self) -> tuple[str, str]:
        path = self.folder / "live.toml"
        path.write_text(self.sandbox.config)
        return "--config", str(path)

    def run(self, verb: str, *words: str, environ: Mapping[str, str] | None = None) -> tuple[int, str, str]:
        verbs = verb.split()
        more = self.environ | dict(environ or {})
        return run(self.folder, *verbs, *self.config, *words, environ=more, mainnet=self.sandbox.url)

    def running(self, *words: str) -> AbstractContextManager[Program]:
        return running(
            self.folder, "run", *self.config, "--live", *words, environ=self.environ, mainnet=self.sandbox.url
        )

    def look_at_plan(self) -> None:
        code, _, err = self.run("run", "--duration", "1", "--json")
        assert code == 0, err
        assert "plan noted" in err, err

    def list_orders(self) -> list[tuple[str, str]]:
        """Side and size of what rests; ours alone trades on this account."""
        return sorted((row["side"], row["sz"]) for row in self.sandbox.ask("openOrders"))


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """One exchange for the tests that trade nothing."""
    with open_sandbox(tmp_path_factory.mktemp("sandbox"), "--as", "mainnet", *BUSY) as opened:
        yield opened


@pytest.fixture
def refused(exchange: Sandbox, tmp_path: Path) -> Iterator[Rehearsal]:
    """A live start that a test spoils; it must not have sent anything."""
    rehearsal = Rehearsal(tmp_path, exchange, exchange.private_key)
    yield rehearsal
    account = exchange.control("state")["accounts"][exchange.account]
    assert (account["n_requests"], account["open_orders"], account["fills"]) == (0, [], [])


def check_refusal(answer: tuple[int, str, str], *, code: int, told: str) -> None:
    assert answer[0] == code, answer
    assert told in answer[2]
    assert "Traceback" not in answer[2]


# --- Trading ---------------------------------------------------------------------------------------------


def watch(maker: Program, rehearsal: Rehearsal, *, n_fills: int) -> list[list[tuple[str, str]]]:
    """What rested, look after look, until there were so many fills."""
    maker.wait_for("tick=1 ")
    looks = [rehearsal.list_orders()]
    end_s = time.monotonic() + DEADLINE_S
    while maker.err.count("fill side=") < n_fills:
        looks.append(rehearsal.list_orders())
        assert maker.process.poll() is None, maker.err
        assert time.monotonic() < end_s, maker.err
    return looks


def test_the_first_run_is_small_and_after_it_was_looked_at_the_plan_is_whole(tmp_path: Path) -> None:
    with open_sandbox(tmp_path, "--as", "mainnet", *BUSY) as sandbox:
        rehearsal = Rehearsal(tmp_path, sandbox, sandbox.private_key)
        rehearsal.look_at_plan()
        with rehearsal.running("--json") as first:
            small_looks = watch(first, rehearsal, n_fills=3)
            first_code = first.end(signal.SIGTERM)
        after_first = rehearsal.list_orders()
        first_audit = rehearsal.run("ledger audit", "--json")
        confirmed = rehearsal.run("resume", "--first-run-seen", "--json")
        with rehearsal.running("--json") as second:
            whole_looks = watch(second, rehearsal, n_fills=3)
            second_code = second.end(signal.SIGTERM)
        after_second = rehearsal.list_orders()
        second_audit = rehearsal.run("ledger audit", "--json")

    # At most one order a side, of the minimum, at every look.
    for look in small_looks:
        assert [side for side, _ in look] in ([], ["A"], ["B"], ["A", "B"])
        assert all(Decimal(size) <= Decimal(SMALL) for _, size in look)
    assert [("A", SMALL), ("B", SMALL)] in small_looks
    assert "live: first run, capped at one order of 0.51 HYPE a side" in first.err
    assert max(len(look) for look in whole_looks) == 20
    assert any((side, WHOLE) in look for side in "AB" for look in whole_looks)
    assert "capped" not in second.err
    assert (first_code, second_code, after_first, after_second) == (0, 0, [], [])
    assert confirmed[0] == 0
    assert json.loads(confirmed[1].splitlines()[-1])["first_run_seen"] is True
    for code, out, err in (first_audit, second_audit):
        assert code == 0, out + err


def test_a_restart_of_a_first_run_stays_small(tmp_path: Path) -> None:
    with open_sandbox(tmp_path, "--as", "mainnet", *BUSY) as sandbox:
        rehearsal = Rehearsal(tmp_path, sandbox, sandbox.private_key)
        rehearsal.look_at_plan()
        with rehearsal.running("--json") as first:
            watch(first, rehearsal, n_fills=1)
            first.process.send_signal(signal.SIGKILL)
            first.process.wait(DEADLINE_S)
        with rehearsal.running("--json") as second:
            looks = watch(second, rehearsal, n_fills=1)
            code = second.end(signal.SIGTERM)
        audit = rehearsal.run("ledger audit")
        left = rehearsal.list_orders()

    assert max(len(look) for look in looks) <= 2
    assert (code, audit[0], left) == (0, 0, [])


def test_a_first_run_that_halted_is_resumed_before_it_counts_as_looked_at(tmp_path: Path) -> None:
    with open_sandbox(tmp_path, "--as", "mainnet", *BUSY) as sandbox:
        narrow = {"MM_TRIO__LIMITS__MAX_FILLS_PER_MINUTE": "1"}
        rehearsal = Rehearsal(tmp_path, sandbox, sandbox.private_key, narrow)
        rehearsal.look_at_plan()
        halted = rehearsal.run("run", "--live", "--duration", "60")
        left = rehearsal.list_orders()
        again = rehearsal.run("run", "--live")
        too_early = rehearsal.run("resume", "--first-run-seen")
        resumed = rehearsal.run("resume")
        confirmed = rehearsal.run("resume", "--first-run-seen")

    assert (halted[0], left, again[0]) == (5, [], 5)
    check_refusal(too_early, code=2, told="the first live run is halted since")
    assert (resumed[0], confirmed[0]) == (0, 0)


def test_an_exchange_for_testnet_takes_nothing_that_is_signed_for_mainnet(tmp_path: Path) -> None:
    with open_sandbox(tmp_path, "--as", "mainnet", *BUSY) as mainnet:
        config = mainnet.config
    with open_sandbox(tmp_path, *BUSY) as sandbox:
        rehearsal = Rehearsal(tmp_path, sandbox, sandbox.private_key)
        object.__setattr__(sandbox, "config", config)
        rehearsal.look_at_plan()
        code, _, err = rehearsal.run("run", "--live", "--duration", "60")
        account = sandbox.control("state")["accounts"][sandbox.account]

    assert code == 5, err
    assert "User or API Wallet 0x" in err
    assert (account["n_requests"], account["open_orders"], account["fills"]) == (0, [], [])


# --- Refused before anything is sent -----------------------------------------------------------------------


def test_a_plan_that_was_not_looked_at_is_refused(refused: Rehearsal) -> None:
    check_refusal(refused.run("run", "--live"), code=2, told="look at the plan first")


def test_a_plan_that_changed_since_is_refused(refused: Rehearsal) -> None:
    refused.look_at_plan()
    refused.more["MM_TRIO__STRATEGY__ORDER_SZ"] = "4"

    check_refusal(refused.run("run", "--live"), code=2, told="was changed since")


def test_the_accounts_own_key_is_refused(refused: Rehearsal) -> None:
    refused.look_at_plan()
    refused.key = MASTER.key.hex()

    check_refusal(refused.run("run", "--live"), code=2, told="the key is the account's own")


def test_a_key_that_is_no_agent_of_the_account_now_is_refused(refused: Rehearsal) -> None:
    refused.look_at_plan()
    refused.key = "0x" + "5e" * 32

    check_refusal(refused.run("run", "--live"), code=3, told="the venue refuses this key")


def test_an_account_that_holds_less_than_the_worst_case_is_refused(refused: Rehearsal) -> None:
    refused.more["MM_TRIO__ALLOCATION__USDC"] = "7000"
    refused.look_at_plan()

    check_refusal(refused.run("run", "--live"), code=2, told="7000 USDC are needed and 6266.38 are free")


def test_a_ladder_far_from_the_market_is_refused_although_its_plan_was_looked_at(refused: Rehearsal) -> None:
    """The plan is of a new ledger, so after months of trading it is refused there while the start is right."""
    refused.more["MM_TRIO__ALLOCATION__TOKEN"] = "100"
    refused.look_at_plan()

    check_refusal(refused.run("run", "--live"), code=2, told="the ladder would open at")


def test_limits_far_wider_than_the_plan_are_refused(refused: Rehearsal) -> None:
    refused.more["MM_TRIO__LIMITS__MAX_ORDER_NOTIONAL"] = "13109"
    refused.look_at_plan()

    check_refusal(refused.run("run", "--live"), code=2, told="is more than 10 times the worst case")


def test_another_token_than_the_named_one_is_refused(refused: Rehearsal) -> None:
    refused.more["MM_TRIO__MARKET__BASE"] = "HYPO"

    check_refusal(refused.run("run", "--live"), code=2, told="'HYPO', and the base token of '@107' is 'HYPE'")


def test_a_key_that_ends_within_a_week_is_refused(exchange: Sandbox, refused: Rehearsal) -> None:
    refused.look_at_plan()
    agent = Account.from_key("0x" + "6e" * 32)
    now_ms = time.time_ns() // 1_000_000
    name = f"soon valid_until {now_ms + 3 * DAY_MS}"
    action = {"type": "approveAgent", "agentAddress": agent.address.lower(), "agentName": name, "nonce": now_ms}
    owner = Exchange(MASTER, exchange.url, meta={"universe": []}, spot_meta={"universe": [], "tokens": []})
    assert owner._post_action(action, sign_agent(MASTER, action, True), now_ms)["status"] == "ok"
    refused.key = agent.key.hex()

    check_refusal(refused.run("run", "--live"), code=2, told="ends in 3.0 days, and a live run needs 7")


@pytest.mark.parametrize("network", ["sandbox", "testnet"])
def test_live_is_for_mainnet_alone(refused: Rehearsal, network: str) -> None:
    refused.more["MM_TRIO__MARKET__NETWORK"] = network

    check_refusal(refused.run("run", "--live"), code=2, told='--live is for network = "mainnet" alone')


@pytest.mark.parametrize("variable", ["MM_TRIO_LIVE", "MM_TRIO__LIVE", "MM_TRIO__RUN__LIVE", "MM_TRIO__MARKET__LIVE"])
def test_no_variable_of_the_environment_means_live(refused: Rehearsal, variable: str) -> None:
    check_refusal(refused.run("run", "--duration", "2", environ={variable: "true"}), code=2, told="unknown")


def test_without_live_nothing_is_sent(refused: Rehearsal) -> None:
    code, _, err = refused.run("run", "--duration", "2")

    assert code == 0, err


def test_a_first_run_that_never_was_is_not_confirmed(refused: Rehearsal) -> None:
    refused.look_at_plan()

    check_refusal(refused.run("resume", "--first-run-seen"), code=2, told="there was no live run yet")


def test_a_first_run_of_another_network_is_not_confirmed(refused: Rehearsal) -> None:
    refused.more["MM_TRIO__MARKET__NETWORK"] = "testnet"

    check_refusal(refused.run("resume", "--first-run-seen"), code=2, told='--first-run-seen is for network = "mainnet"')


def read(answer: tuple[int, str, str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(answer[1].splitlines()[-1])
    return found


def test_a_refusal_is_told_as_json_too(refused: Rehearsal) -> None:
    assert "look at the plan first" in read(refused.run("run", "--live", "--json"))["error"]

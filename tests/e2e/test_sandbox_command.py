"""`sandbox` as a process: its options, its control room over the wire, its history, and how it says no."""

from __future__ import annotations

import http.client
import json
import signal
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from eth_account import Account
from hyperliquid.exchange import Exchange
from process_kit import DEADLINE_S, Sandbox, open_sandbox, run

from mm_trio.sandbox.model.markets import DEFAULT_MARKETS

pytestmark = pytest.mark.e2e


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")


def place(sandbox: Sandbox, *orders: tuple[bool, str, str], account: int = 0) -> list[Any]:
    """Post-only orders (is a buy, price, size) through the official SDK; gives their statuses."""
    wallet = Account.from_key(sandbox.access["accounts"][account]["private_key"])
    meta: Any = {"universe": []}
    spot_meta: Any = DEFAULT_MARKETS.spot_meta()
    sdk = Exchange(wallet, sandbox.url, meta=meta, spot_meta=spot_meta, timeout=DEADLINE_S)
    rows: list[Any] = [
        {"coin": sandbox.coin, "is_buy": is_buy, "limit_px": float(price), "sz": float(size)}
        | {"order_type": {"limit": {"tif": "Alo"}}, "reduce_only": False}
        for is_buy, price, size in orders
    ]
    statuses: list[Any] = sdk.bulk_orders(rows)["response"]["data"]["statuses"]
    return statuses


def post(sandbox: Sandbox, path: str, body: object, **headers: str) -> tuple[int, Any]:
    with closing(http.client.HTTPConnection(urlsplit(sandbox.url).netloc, timeout=DEADLINE_S)) as door:
        door.request("POST", path, json.dumps(body), {"Content-Type": "application/json"} | headers)
        answer = door.getresponse()
        return answer.status, json.load(answer)


def test_several_accounts_and_pairs_are_funded_and_told(tmp_path: Path) -> None:
    with open_sandbox(tmp_path, "--accounts", "3", "--pairs", "PURR/USDC,@4", "--no-takers") as sandbox:
        state = sandbox.control("state")
        statuses = place(sandbox, (True, "19", "1"), account=2)
        code = sandbox.program.end(signal.SIGINT)

    access = sandbox.access
    assert access["coins"] == ["@107", "PURR/USDC", "@4"] == list(state["books"])
    assert access["accounts"][0] == {"account": sandbox.account, "private_key": sandbox.private_key}
    assert len({each["account"] for each in access["accounts"]}) == 3
    for each in access["accounts"]:
        assert set(state["accounts"][each["account"]]["balances"]) == {"HYPE", "PURR", "JEFF", "USDC"}
    assert "resting" in statuses[0]
    assert code == 0
    assert sandbox.program.last_object() == {
        "faults": {},
        "fills": {each["account"]: 0 for each in access["accounts"]},
        "orders_resting": {each["account"]: int(place_ == 2) for place_, each in enumerate(access["accounts"])},
    }


def test_the_same_seed_has_the_same_accounts_and_every_start_another_token(tmp_path: Path) -> None:
    seen = []
    for seed in ("5", "5", "6"):
        with open_sandbox(tmp_path, "--seed", seed, "--accounts", "2") as sandbox:
            seen.append((sandbox.access["accounts"], sandbox.access["control_token"]))

    assert seen[0][0] == seen[1][0] != seen[2][0]
    assert len({token for _, token in seen}) == 3


def test_the_control_room_asks_for_its_token_and_nothing_else_is_behind_that_path(tmp_path: Path) -> None:
    with open_sandbox(tmp_path) as sandbox:
        token = {"Authorization": f"Bearer {sandbox.access['control_token']}"}
        refused = post(sandbox, "/sandbox/fund", {})
        wrong = post(sandbox, "/sandbox/fund", {}, Authorization="Bearer x")
        nowhere = post(sandbox, "/sandbox/", {}, **token)
        step = post(sandbox, "/sandbox/step", {"ms": 5}, **token)
        funded = post(sandbox, "/sandbox/fund", {"account": sandbox.account, "token": "USDC", "amount": "1.5"}, **token)

    assert (refused[0], wrong[0], nowhere[0], step[0]) == (403, 403, 404, 409)
    assert funded[0] == 200
    assert sandbox.access["control_token"] not in sandbox.program.err.replace(
        f"Bearer {sandbox.access['control_token']}'", ""
    )


def test_time_stands_until_it_is_stepped(tmp_path: Path) -> None:
    with open_sandbox(tmp_path, "--stepped", "--fault", "deposit:1") as sandbox:
        before = sandbox.control("state")
        stepped = sandbox.control("step", {"ms": 3000})
        after = sandbox.control("state")

    assert before["faults"]["struck"] == {}
    assert before["clock"]["stepped"] is True
    assert stepped["now_ms"] == after["clock"]["now_ms"] == before["clock"]["now_ms"] + 3000
    assert after["faults"]["struck"] == {"deposit": 3}


def test_a_plan_file_and_words_make_the_faults_and_each_is_told_when_it_strikes(tmp_path: Path) -> None:
    plan = tmp_path / "plan.toml"
    plan.write_text('[[fault]]\nkind = "withdrawal"\nat_s = 2\namount = 25\n[[fault]]\nkind = "deposit"\nrate = 1\n')
    arguments = ("--stepped", "--fault-plan", str(plan), "--fault", "deposit:0", "--fault", "upgrade:1")
    with open_sandbox(tmp_path, *arguments) as sandbox:
        sandbox.control("step", {"ms": 2000})
        sandbox.control("faults", {"strike": "deposit", "amount": "7"})
        sandbox.program.end(signal.SIGINT)

    assert sandbox.program.last_object()["faults"] == {"deposit": 1, "withdrawal": 1, "upgrade": 1}
    for line in (
        "fault struck: kind=withdrawal account=",
        "fault struck: kind=upgrade scope=exchange",
        f"fault struck: kind=deposit account={sandbox.account} amount=7 ",
    ):
        assert line in sandbox.program.err


def test_a_scripted_taker_takes(tmp_path: Path) -> None:
    with open_sandbox(tmp_path, "--no-takers") as sandbox:
        place(sandbox, (False, "20.5", "3"))
        taken = sandbox.control("take", {"side": "buy", "sz": "2"})
        (fill,) = sandbox.ask("userFills")
        sandbox.program.end(signal.SIGINT)

    assert (taken["filled"], taken["avg_px"]) == ("2", "20.5")
    assert (fill["sz"], fill["side"], fill["crossed"]) == ("2.0", "A", False)
    assert sandbox.program.last_object()["fills"] == {sandbox.account: 1}


def test_a_tape_begins_with_the_ladder_and_takes_what_was_recorded(tmp_path: Path) -> None:
    prices = ("20", "20.06", "20.12")
    rows = [
        {"coin": "@107", "px": px, "sz": "2", "side": "A", "time": 1000 * second, "fee": "0.0", "feeToken": "USDC"}
        for second, px in enumerate(prices, start=1)
    ]
    (tmp_path / "tape.json").write_text(json.dumps(rows))
    with open_sandbox(tmp_path, "--stepped", "--tape", "tape.json") as sandbox:
        sandbox.control("step", {"ms": 60_000})  # nobody makes a market yet: the tape waits
        place(sandbox, *((False, px, "2") for px in prices))
        place(sandbox, *((True, px, "1") for px in ("19.94", "19.88", "19.82")))
        sandbox.control("step", {"ms": 1000})
        early = sandbox.ask("userFills")
        sandbox.control("step", {"ms": 3000})
        fills = sandbox.ask("userFills")

    assert len(early) < 3
    assert [(row["px"], row["sz"], row["side"], row["fee"]) for row in reversed(fills)] == [
        ("20.0", "2.0", "A", "0.0"),
        ("20.06", "2.0", "A", "0.0"),
        ("20.12", "2.0", "A", "0.0"),
    ]


@pytest.mark.parametrize("limits, status", [("venue", 429), ("scaled:2", 200)])
def test_limits_are_the_venues_or_scaled(tmp_path: Path, limits: str, status: int) -> None:
    with open_sandbox(tmp_path, "--limits", limits) as sandbox:
        question = {"type": "openOrders", "user": sandbox.account}  # weighs 20 of 1200
        answers = [post(sandbox, "/info", question) for _ in range(61)]

    assert answers[-1][0] == status
    assert {answer[0] for answer in answers[:60]} == {200}


# --- history ---


def test_a_history_leads_to_the_same_end_and_one_that_was_changed_is_found_out(tmp_path: Path) -> None:
    with open_sandbox(tmp_path, "--no-takers", "--save-history", "history.jsonl") as sandbox:
        place(sandbox, (False, "20.5", "3"))
        sandbox.control("take", {"side": "buy", "sz": "2"})
        saved = sandbox.control("history", {})["saved"]
        halfway = run(tmp_path, "sandbox", "--replay", saved, "--json")
        sandbox.program.end(signal.SIGINT)
    whole = run(tmp_path, "sandbox", "--replay", saved, "--json")
    history = tmp_path / "history.jsonl"
    history.write_text(history.read_text().replace('"20.5"', '"20.6"'))
    changed = run(tmp_path, "sandbox", "--replay", saved)

    assert Path(saved) == history
    told = [json.loads(out) for _, out, _ in (halfway, whole)]
    assert [each["is_whole"] for each in told] == [False, True]
    assert [each["fills"][sandbox.account] for each in told] == [1, 1]
    assert told[0]["digest"] == told[1]["digest"]
    assert changed[0] == 2
    assert "the replayed state differs from the recorded one" in changed[2]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--fault", "answer_lots:1"), "faults: unknown fault 'answer_lots': did you mean 'answer_lost'?"),
        (("--accounts", "0"), "must be a whole number from 1 to 100, got 0"),
        (("--save-history", "there.json"), "there.json exists already"),
    ],
)
def test_what_cannot_be_is_told_in_one_line(tmp_path: Path, arguments: tuple[str, ...], told: str) -> None:
    (tmp_path / "there.json").write_text("[]")

    code, out, err = run(tmp_path, "sandbox", "--port", "0", *arguments)

    assert code == 2
    assert told in err
    assert "Traceback" not in err
    assert out == ""


def test_a_maker_quotes_both_sides_and_fills_up_what_is_taken(tmp_path: Path) -> None:
    with open_sandbox(tmp_path, "--maker", "--no-takers", "--stepped") as sandbox:
        before = sandbox.control("state")["books"]["@107"]
        taken = sandbox.control("take", {"side": "buy", "sz": "7", "account": sandbox.account})
        eaten = sandbox.control("state")["books"]["@107"]
        sandbox.control("step", {"ms": 1000})
        after = sandbox.control("state")["books"]["@107"]

    assert (len(before["bids"]), len(before["asks"]), taken["filled"]) == (5, 5, "7")
    assert len(eaten["asks"]) == 4
    assert after["asks"][0] == before["asks"][0]


def test_a_maker_quotes_around_the_price_that_the_printed_ladder_opens_with(tmp_path: Path) -> None:
    with open_sandbox(tmp_path, "--maker", "--no-takers") as sandbox:
        path = sandbox.save_config(tmp_path)
        code, out, err = run(tmp_path, "run", "--config", str(path), "--plan", "--duration", "2", environ=sandbox.key)

    assert code == 0, err
    assert "plan refused" not in out + err
    assert "plan place" in out + err


def test_each_of_several_agents_may_trade_for_its_account(tmp_path: Path) -> None:
    with open_sandbox(tmp_path, "--agents", "3", "--accounts", "2", "--no-takers") as sandbox:
        keys = sandbox.access["agent_keys"]
        clients = [Exchange(Account.from_key(key), sandbox.url, timeout=DEADLINE_S) for key in keys[1]]
        answers = [client.order("@107", True, 1, 19.5, {"limit": {"tif": "Alo"}}) for client in clients]
        state = sandbox.control("state")

    assert [len(each) for each in keys] == [3, 3]
    assert all("resting" in answer["response"]["data"]["statuses"][0] for answer in answers)
    assert len(state["accounts"][sandbox.access["accounts"][1]["account"]]["open_orders"]) == 3


def test_the_first_agent_is_the_same_however_many_there_are(tmp_path: Path) -> None:
    with open_sandbox(tmp_path, "--agents", "2") as sandbox:
        assert sandbox.access["agent_keys"][0][0] == sandbox.private_key
        private_key = sandbox.private_key
    with open_sandbox(tmp_path) as sandbox:
        assert sandbox.private_key == private_key


def test_an_accounts_own_key_moves_its_funds(tmp_path: Path) -> None:
    with open_sandbox(tmp_path, "--accounts", "2", "--no-takers") as sandbox:
        to = sandbox.access["accounts"][1]["account"]
        own = Exchange(Account.from_key(sandbox.access["master_keys"][0]), sandbox.url, timeout=DEADLINE_S)
        answer = own.usd_transfer(5, to)

    assert answer == {"status": "ok", "response": {"type": "default"}}


def test_the_configuration_is_written_for_its_owner_alone_and_run_accepts_it(tmp_path: Path) -> None:
    path = tmp_path / "written.toml"
    with open_sandbox(tmp_path, "--config-out", str(path)) as sandbox:
        code, _, err = run(tmp_path, "run", "--config", str(path), "--plan", "--duration", "2", environ=sandbox.key)
        text = path.read_text()

    assert code == 0, err
    assert path.stat().st_mode & 0o777 == 0o600
    assert not any(key in text for key in (sandbox.private_key, *sandbox.access["master_keys"]))


def test_a_configuration_of_another_sandbox_is_replaced_and_a_file_of_somebody_else_is_not(tmp_path: Path) -> None:
    path, mine = tmp_path / "written.toml", tmp_path / "mine.toml"
    mine.write_text("[market]\n")
    for _ in range(2):
        with open_sandbox(tmp_path, "--config-out", str(path)) as sandbox:
            assert sandbox.url in path.read_text()

    code, out, err = run(tmp_path, "sandbox", "--port", "0", "--config-out", str(mine))

    assert (code, out, mine.read_text()) == (2, "", "[market]\n")
    assert f"{mine} exists, and no sandbox wrote it; name a new file" in err


def test_a_configuration_that_cannot_be_written_ends_the_sandbox_with_its_reason(tmp_path: Path) -> None:
    code, out, err = run(tmp_path, "sandbox", "--port", "0", "--config-out", str(tmp_path / "nowhere" / "x.toml"))

    assert (code, out) == (2, "")
    assert "x.toml cannot be written: " in err

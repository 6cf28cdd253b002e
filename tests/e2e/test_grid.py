"""The command `grid` on an exchange on loopback: it reads little, needs no key, and sends nothing."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Mapping
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
from process_kit import open_sandbox, run, running

from mm_trio.cli.programs.pair_facts import parse_facts, read_facts
from mm_trio.config.loading import load_settings
from mm_trio.model.errors import ConfigError
from mm_trio.sandbox.api.auth import Auth
from mm_trio.sandbox.api.gateway import Gateway
from mm_trio.sandbox.api.ip_weights import weigh_question
from mm_trio.sandbox.matching.exchange import Exchange
from mm_trio.sandbox.model.commands import Deposit, NewOrder, PlaceOrders
from mm_trio.sandbox.server.server import serve

pytestmark = pytest.mark.e2e

ACCOUNT, HIP2 = "0x" + "a1" * 20, "0x" + "f" * 40
COIN, ASSET, BASE, QUOTE = "@107", 10_107, 150, 0
DEADLINE_S = 30.0
MOST_WEIGHT = 100


class Listening(Gateway):
    """An exchange that notes what it is asked."""

    def __init__(self, exchange: Exchange) -> None:
        super().__init__(exchange, now_ms=lambda: time.time_ns() // 1_000_000)
        self.asked: list[Mapping[str, Any]] = []

    def info(self, request: Any) -> Any:
        self.asked.append(request)
        return super().info(request)


async def read(gateway: Gateway, coin: str = COIN, account: str | None = ACCOUNT) -> dict[str, Any]:
    async with trio.open_nursery() as nursery:
        server = await nursery.start(partial(serve, gateway, Auth(lambda address: False)))
        with trio.fail_after(DEADLINE_S):
            facts = await read_facts(server.url, coin, account, stop_scope=trio.CancelScope())
        nursery.cancel_scope.cancel()
    assert facts is not None
    return facts


def make_gateway() -> Listening:
    """HIP-2's account has an ask at 20.1 and a bid at 19.9."""
    gateway = Listening(Exchange())
    for token, amount in ((BASE, 1000), (QUOTE, 100_000)):
        gateway.apply(Deposit(HIP2, token, Decimal(amount)))
    orders = (
        NewOrder(ASSET, False, Decimal("20.1"), Decimal(3), "Alo"),
        NewOrder(ASSET, True, Decimal("19.9"), Decimal(3), "Alo"),
    )
    gateway.apply(PlaceOrders(HIP2, orders))
    return gateway


async def test_all_reads_together_weigh_little() -> None:
    gateway = make_gateway()

    await read(gateway)

    assert sum(weigh_question(question) for question in gateway.asked) <= MOST_WEIGHT
    assert [question["type"] for question in gateway.asked] == [
        *("spotMeta", "l2Book", "userFees", "openOrders", "tokenDetails")
    ]


async def test_book_fees_and_signs_of_hip2_are_read() -> None:
    pair = parse_facts(await read(make_gateway()), COIN)

    assert pair.view.mid == 20
    assert pair.view.hip2_orders == 2
    assert pair.fees is not None
    assert (pair.fees.maker, pair.fees.taker) == (Decimal("0.0004"), Decimal("0.0007"))


async def test_without_an_account_no_fees_are_asked_for() -> None:
    gateway = make_gateway()

    facts = await read(gateway, account=None)

    assert "userFees" not in {question["type"] for question in gateway.asked}
    assert parse_facts(facts, COIN).fees is None


async def test_an_unknown_pair_is_an_error_of_the_operator() -> None:
    with pytest.raises(ExceptionGroup) as caught:
        await read(make_gateway(), coin="@99999")

    assert caught.group_contains(ConfigError, match="unknown coin '@99999'")


async def test_what_only_a_warning_needs_may_fail() -> None:
    class Shy(Listening):
        def info(self, request: Any) -> Any:
            if request.get("type") == "openOrders":
                return {"not": "rows"}
            return super().info(request)

    gateway = Shy(Exchange())

    assert "hip2Orders" not in await read(gateway)


def test_the_command_plans_on_a_sandbox_and_sends_nothing(tmp_path: Path) -> None:
    with open_sandbox(tmp_path, "--no-takers") as sandbox:
        before = sandbox.ask("userRateLimit")["nRequestsUsed"]
        words = ("--coin", sandbox.coin, "--range", "20", "26", "--tokens", "200", "--target-px", "23")
        out, saved = tmp_path / "plan.toml", tmp_path / "facts.json"
        files = ("--out", str(out), "--save", str(saved))
        code, told, err = run(
            tmp_path, "grid", *words, "--api-url", sandbox.url, "--account", sandbox.account, *files, "--json"
        )

        assert (code, err) == (0, "")
        assert sandbox.ask("userRateLimit")["nRequestsUsed"] == before
        assert sandbox.ask("openOrders") == []
    settings = load_settings(out, environ={})
    assert (settings.market.api_url, settings.market.account) == (sandbox.url, sandbox.account)
    offline = run(tmp_path, "grid", *words, "--offline", str(saved), "--account", sandbox.account, "--json")
    values, again = json.loads(told.splitlines()[-1]), json.loads(offline[1].splitlines()[-1])
    assert {name for name in values if values[name] != again[name]} == {"config", "out"}


def test_a_venue_that_is_away_has_its_own_exit_code(tmp_path: Path) -> None:
    words = ("--coin", "@107", "--range", "20", "26", "--tokens", "200", "--api-url", "http://127.0.0.1:9")

    code, out, err = run(tmp_path, "grid", *words)

    assert (code, out) == (3, "")
    assert "name the network to read (--network)" in err
    assert "Traceback" not in err


@pytest.mark.parametrize("gap", ["0", "1"])
def test_the_maker_runs_on_what_was_written(tmp_path: Path, gap: str) -> None:
    """Its first placement is the plan, and it tells its limits."""
    with open_sandbox(tmp_path, "--no-takers") as sandbox:
        words = ("--coin", sandbox.coin, "--range", "20", "23", "--tokens", "100", "--target-px", "21.5")
        place = ("--api-url", sandbox.url, "--account", sandbox.account, "--out", str(tmp_path / "plan.toml"))
        code, told, err = run(tmp_path, "grid", *words, *place, "--gap-levels", gap, "--json")
        assert (code, err) == (0, "")
        with running(tmp_path, "run", "--config", "plan.toml", "--plain", environ=sandbox.key) as maker:
            maker.wait_for(r"tick=2 .* errors=0")
            orders = sandbox.ask("openOrders")
            assert maker.end(signal.SIGINT) == 0

    plan = json.loads(told.splitlines()[-1])
    bids = [Decimal(order["limitPx"]) for order in orders if order["side"] == "B"]
    asks = [Decimal(order["limitPx"]) for order in orders if order["side"] == "A"]
    assert (len(asks), len(bids)) == (plan["asks"], plan["bids"])
    assert (max(bids), min(asks)) == (Decimal(plan["best_bid"]), Decimal(plan["best_ask"]))
    assert "limits: max_order_notional=" in maker.out

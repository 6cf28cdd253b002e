"""The sandbox's answers against those captured from the venue: the same keys, JSON types and form of numbers.

Each capture is compared with what the sandbox says in the same kind of situation. Values are not compared, except
texts. Each test runs on made-up messages of the captures' form, and on the captures where they are there.
Where the sandbox departs on purpose, the field is named in `DEPARTURES` with its reason.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from captures_kit import SOURCES, Messages, as_params
from eth_account import Account
from hyperliquid.utils.signing import sign_agent
from sdk_client_kit import NOW_MS, OTHER, STRANGER, WALLET, World, address_of, order, place, statuses

from mm_trio.sandbox.api.signature_check import Signature, SignedAction, recover_signer, recover_user
from mm_trio.sandbox.api.user_signed_actions import parse_user_action
from mm_trio.sandbox.model.commands import ConvertDust, Deposit, ExhaustBudget

CLOID = "0x00000000000000000000000000000abc"
HYPE, USER = "@107", WALLET.address
DAY_MS = 86_400_000

# What the sandbox has or lacks, by place, and why. `+` is ours alone, `-` the capture's alone.
DEPARTURES: dict[str, str] = {
    "fill +tid": "the capture is of 2023, before trade ids were told",
    "fill +feeToken": "the capture is of 2023, when every fee was in USDC",
    "fill +twapId": "the capture is of 2023, before TWAP orders",
    "fill +cloid": "only on orders that have one; captured rows without one are of orders without",
    "fill -cloid": "only on orders that have one",
    "fill -builderFee": "no builder is paid here",
    "openOrder +origSz": "the capture is of 2023, before the original size was told",
    "openOrder +cloid": "only on orders that have one; the capture is of orders without",
    "openOrder -reduceOnly": "there are no reduce-only orders on spot",
    "frontendOrder +cloid": "the capture is of 2023, before cloids were told",
    "book level +n": "left out of the capture by those who kept it",
    "rateLimit +nRequestsSurplus": "the capture is of before reserved requests",
    "meta universe": "there are no perps here: the list has one that is delisted",
    "perpState +time": "the capture is of 2023",
    "perpState +crossMaintenanceMarginUsed": "the capture is of 2023",
    "token +deployerTradingFeeShare": "the capture is of January 2025, before shares were told",
    "userRole vault": "there are no vaults here",
    "funding rows": "only perps pay funding: the list is empty",
}

NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
SHOWN = re.compile(r"-?[0-9]+\.([0-9]*[1-9]|0)")  # at least one decimal, no zero behind


def kind_of(value: Any) -> str:
    """The JSON type; decimals in strings, addresses and hashes are types of their own."""
    if isinstance(value, str):
        if NUMBER.fullmatch(value):
            return "decimal"
        if re.fullmatch(r"0x[0-9a-f]+", value):
            return f"hex of {len(value)}"
        return "text"
    return type(value).__name__


def find_differences(place_name: str, captured: Any, ours: Any, *, shown: bool = True) -> set[str]:
    """The fields of one object that only one side has, or has as another type. Null agrees with everything."""
    found = {f"{place_name} -{key}" for key in captured.keys() - ours.keys()}
    found |= {f"{place_name} +{key}" for key in ours.keys() - captured.keys()}
    for key in captured.keys() & ours.keys():
        theirs, mine = captured[key], ours[key]
        if theirs is None or mine is None:
            continue
        if kind_of(theirs) != kind_of(mine):
            found.add(f"{place_name} {key}: {kind_of(theirs)} there, {kind_of(mine)} here")
        if shown and kind_of(mine) == "decimal" and not SHOWN.fullmatch(mine) and SHOWN.fullmatch(theirs):
            found.add(f"{place_name} {key}: {mine} is no form of the venue's")
    return found


def check_rows(place_name: str, captured: list[Any], ours: list[Any]) -> None:
    assert captured
    assert ours
    differences = set.union(*[find_differences(place_name, row, mine) for row in captured for mine in ours])

    assert differences - DEPARTURES.keys() == set()


# --- a world in which everything has happened ---


@pytest.fixture(scope="module")
def world() -> World:
    """Resting orders with and without cloid, fills of both sides, dust, rejections, an agent."""
    world = World()
    world.now_ms = NOW_MS
    world.act(place(order("20", "10", c=CLOID), order("19.5", "1", tif="Gtc"), order("21.5", "3", is_buy=False)))
    world.act(place(order("20", "1.25", is_buy=False, tif="Ioc")), wallet=OTHER)
    world.act(place(order("21.5", "0.57", tif="Ioc", c=CLOID)), wallet=OTHER)
    world.act(place(order("15", "1", tif="Ioc")), wallet=OTHER)
    (status,) = statuses(world.act(place(order("18", "1"))))
    world.act({"type": "cancel", "cancels": [{"a": 10107, "o": status["resting"]["oid"]}]})
    world.gateway.apply(Deposit(address_of(STRANGER), 150, Decimal("0.005")))
    world.gateway.apply(ConvertDust())
    world.now_ms += 1
    action = {"type": "approveAgent", "agentAddress": "0x" + "5" * 40, "agentName": "bot", "nonce": world.now_ms}
    envelope = {"action": action, "nonce": world.now_ms, "signature": sign_agent(WALLET, action, False)}
    assert b'"ok"' in world.post("/exchange", envelope).body
    return world


# --- answers of /info ---


@pytest.mark.parametrize(
    "name",
    [
        "rest/sdk_get_user_fills.json",
        "rest/sdk_get_user_fills_by_time.json",
        "rest/hypercore_userFills_spot_testnet.json",
        "rest/hypercore_hip2like_maker_fills_testnet_selected.json",
        "rest/condor_userFills_spot_maker_sell_with_builder_fee.json",
        "rest/nautilus_userFills_dust_conversion.json",
    ],
)
def test_fills_look_like_the_captured_ones(messages: Messages, world: World, name: str) -> None:
    ours = [row for user in (USER, OTHER.address, STRANGER.address) for row in world.ask("userFills", user=user)]

    assert {row["dir"] for row in ours} == {"Buy", "Sell", "Spot Dust Conversion"}
    check_rows("fill", messages.load(name), ours)


def test_spot_fills_have_the_captured_keys_with_or_without_a_cloid(messages: Messages, world: World) -> None:
    """Exactly: a row of ours has the keys of some captured row of today."""
    captured = [
        row for row in messages.load("rest/hypercore_userFills_spot_testnet.json") if row["coin"].startswith("@")
    ]
    allowed = {frozenset(row) for row in captured}
    ours = [row for user in (USER, OTHER.address, STRANGER.address) for row in world.ask("userFills", user=user)]

    assert {frozenset(row) for row in ours} <= allowed


@pytest.mark.parametrize("name, kind", [("rest/sdk_get_open_orders.json", "openOrders")])
def test_open_orders_look_like_the_captured_ones(messages: Messages, world: World, name: str, kind: str) -> None:
    check_rows("openOrder", messages.load(name), world.ask(kind, user=USER, dex=""))


def test_an_open_order_of_today_has_the_captured_keys(messages: Messages, world: World) -> None:
    captured = messages.load("rest/shield_info_snippets_testnet.json")["openOrders_reduce_only"]

    check_rows("openOrder", captured, world.ask("openOrders", user=USER, dex=""))


@pytest.mark.parametrize(
    "name", ["rest/sdk_get_frontend_open_orders.json", "rest/jkorf_frontendOpenOrders_spot_hype.json"]
)
def test_frontend_orders_look_like_the_captured_ones(messages: Messages, world: World, name: str) -> None:
    check_rows("frontendOrder", messages.load(name), world.ask("frontendOpenOrders", user=USER, dex=""))


def test_historical_orders_look_like_the_captured_ones(messages: Messages, world: World) -> None:
    captured = messages.load("rest/sdk_historical_orders.json")
    ours = [row for user in (USER, OTHER.address) for row in world.ask("historicalOrders", user=user)]

    check_rows("record", captured, ours)
    check_rows("frontendOrder", [row["order"] for row in captured], [row["order"] for row in ours])
    assert {row["status"] for row in captured} <= {row["status"] for row in ours}


@pytest.mark.parametrize("name", ["rest/jkorf_spotClearinghouseState.json", "rest/shield_info_snippets_testnet.json"])
def test_balances_look_like_the_captured_ones(messages: Messages, world: World, name: str) -> None:
    captured = messages.load(name)
    rows = captured["balances"] if "balances" in captured else captured["spot_balances_after_buy_0.27_HYPE"]
    ours = world.ask("spotClearinghouseState", user=USER)

    assert set(ours) == {"balances"}
    check_rows("balance", rows, ours["balances"])


@pytest.mark.parametrize(
    "name", ["jkorf_l2Book_spot_107_20_levels", "sdk_l2Book_DYDX_2023", "nautilus_l2Book_btc_no_n"]
)
def test_a_book_looks_like_the_captured_one(messages: Messages, world: World, name: str) -> None:
    captured, ours = messages.load(f"rest/{name}.json"), world.ask("l2Book", coin=HYPE)

    assert find_differences("book", captured, ours) == set()
    check_rows(
        "book level",
        [row for side in captured["levels"] for row in side],
        [row for side in ours["levels"] for row in side],
    )
    for side, is_falling in zip(captured["levels"], (True, False), strict=True):
        prices = [Decimal(row["px"]) for row in side]
        assert prices == sorted(prices, reverse=is_falling)


def test_mids_look_like_the_captured_ones(messages: Messages, world: World) -> None:
    captured, ours = messages.load("rest/sdk_get_all_mids.json"), world.ask("allMids", dex="")

    assert {kind_of(value) for value in captured.values()} == {kind_of(value) for value in ours.values()}
    assert all(SHOWN.fullmatch(value) for value in ours.values())


@pytest.mark.parametrize("name", ["jkorf_candleSnapshot_spot_107", "sdk_candleSnapshot_kPEPE_2023"])
def test_candles_look_like_the_captured_ones(messages: Messages, world: World, name: str) -> None:
    captured = messages.load(f"rest/{name}.json")
    req = {"coin": HYPE, "interval": captured[0]["i"], "startTime": 0, "endTime": world.now_ms + DAY_MS}
    ours = world.ask("candleSnapshot", req=req)

    check_rows("candle", captured, ours)
    for row in captured + ours:
        assert row["T"] - row["t"] == {"1d": DAY_MS, "1h": 3_600_000}[row["i"]] - 1
        assert row["t"] % (row["T"] + 1 - row["t"]) == 0


def test_spot_metadata_looks_like_the_captured_one(messages: Messages, world: World) -> None:
    captured, ours = messages.load("rest/hypercore_spotMeta_mainnet_trimmed.json"), world.ask("spotMeta")

    assert find_differences("spotMeta", captured, ours) == set()
    check_rows("pair", captured["universe"], ours["universe"])
    check_rows("token", captured["tokens"], ours["tokens"])


def test_spot_contexts_look_like_the_captured_ones(messages: Messages, world: World) -> None:
    (meta, contexts), (our_meta, ours) = (
        messages.load("rest/jkorf_spotMetaAndAssetCtxs_purr.json"),
        world.ask("spotMetaAndAssetCtxs"),
    )

    check_rows("token", meta["tokens"], our_meta["tokens"])
    check_rows("context", contexts, ours)


def test_a_token_looks_like_the_captured_one(messages: Messages, world: World) -> None:
    captured = messages.load("rest/jkorf_tokenDetails_usdc.json")
    tokens = [world.ask("tokenDetails", tokenId=token["tokenId"]) for token in world.spot_meta()["tokens"]]

    check_rows("tokenDetails", [captured], tokens)


def test_fees_look_like_the_captured_ones(messages: Messages, world: World) -> None:
    captured, ours = messages.load("rest/hypercore_userFees_testnet.json"), world.ask("userFees", user=USER)

    assert find_differences("userFees", captured, ours) == set()
    check_rows("day", captured["dailyUserVlm"], ours["dailyUserVlm"])
    assert len(captured["dailyUserVlm"]) == len(ours["dailyUserVlm"])
    assert captured["feeSchedule"] == ours["feeSchedule"]  # the same rates, to the letter
    assert [key for key in captured if captured[key] != ours[key]] == ["dailyUserVlm"]


@pytest.mark.parametrize("name", ["sdk_user_rate_limit", "jkorf_userRateLimit_old_shape"])
def test_the_rate_limit_looks_like_the_captured_one(messages: Messages, world: World, name: str) -> None:
    captured = messages.load(f"rest/{name}.json")
    check_rows("rateLimit", [captured], [world.ask("userRateLimit", user=USER)])

    assert captured["nRequestsCap"] == 10_000 + int(Decimal(captured["cumVlm"]))


def test_agents_and_roles_look_like_the_captured_ones(messages: Messages, world: World) -> None:
    snippets = messages.load("rest/shield_info_snippets_testnet.json")
    ours = world.ask("extraAgents", user=USER)

    check_rows("agent", messages.load("rest/sdk_extra_agents.json") + snippets["extraAgents"], ours)
    check_rows("role", [snippets["userRole_of_agent"]], [world.ask("userRole", user=ours[0]["address"])])
    assert world.ask("userRole", user=USER).keys() == messages.load("rest/sdk_user_role.json").keys()
    assert messages.load("rest/sdk_user_role.json")["role"] == "vault"
    assert "userRole vault" in DEPARTURES


def test_ledger_updates_look_like_the_captured_ones(messages: Messages) -> None:
    captured = {
        row["delta"]["type"]: row
        for row in messages.load("rest/sdk_user_non_funding_ledger_updates_without_end_time.json")
    }
    world = World()
    world.sdk().spot_transfer(1.5, address_of(OTHER), "USDC")
    ours = {row["delta"]["type"]: row for row in world.ask("userNonFundingLedgerUpdates", user=USER, startTime=0)}

    assert messages.load("rest/sdk_user_non_funding_ledger_updates_with_end_time.json") == []
    for kind in ("deposit", "spotTransfer"):
        check_rows("update", [captured[kind]], [ours[kind]])
        check_rows(kind, [captured[kind]["delta"]], [ours[kind]["delta"]])


def test_a_trader_without_perps_looks_like_one_with(messages: Messages) -> None:
    captured, ours = messages.load("rest/sdk_get_user_state.json"), World().ask("clearinghouseState", user=USER, dex="")

    check_rows("perpState", [captured], [ours])
    check_rows("margin", [captured["marginSummary"]], [ours["marginSummary"]])
    check_rows("margin", [captured["crossMarginSummary"]], [ours["crossMarginSummary"]])


@pytest.mark.parametrize("name", ["sdk_meta_2023", "nautilus_meta_perp_sample"])
def test_perps_are_a_list(messages: Messages, world: World, name: str) -> None:
    assert messages.load(f"rest/{name}.json").keys() == world.ask("meta", dex="").keys()
    assert "meta universe" in DEPARTURES


def test_funding_is_a_list_that_is_empty(messages: Messages, world: World) -> None:
    assert isinstance(messages.load("rest/sdk_user_funding_history_with_end_time.json"), list)
    assert world.ask("userFunding", user=USER, startTime=0) == []
    assert "funding rows" in DEPARTURES


def test_every_capture_of_an_answer_has_its_test(messages: Messages) -> None:
    source = Path(__file__).read_text()
    names = {path.stem for path in (messages.venue / "rest").glob("*.json")}

    assert {name for name in names if name not in source} == set()


def test_the_requests_of_the_captures_are_all_answered(messages: Messages, world: World) -> None:
    """The bodies that the captured answers were given to, as the list of them tells."""
    for entry in messages.load("rest/sdk_index.json"):
        answer = world.post("/info", entry["request"])
        unknown = entry["request"].get("coin") or (entry["request"].get("req") or {}).get("coin")
        assert answer.status == entry["status"] or unknown in ("kPEPE",), entry


def test_every_body_that_the_sdk_posts_is_answered(messages: Messages, world: World) -> None:
    for method, bodies in messages.load("generated/sdk_0.24.0_info_request_bodies.json").items():
        for body in bodies:
            assert world.post("/info", body).status == 200, method


# --- answers of /exchange ---


def observed(messages: Messages, name: str) -> Any:
    (entry,) = [entry for entry in messages.load("exchange/observed_responses.json") if entry["id"] == name]
    return entry


def shape_of(value: Any) -> Any:
    """The answer with numbers and hex digits left out: what must be the same to the letter."""
    if isinstance(value, dict):
        return {key: shape_of(each) for key, each in value.items()}
    if isinstance(value, list):
        return [shape_of(each) for each in value]
    if isinstance(value, str):
        return re.sub(r"(asset=|\$|\(|> |nonce |^)[0-9][0-9.]*", r"\1N", re.sub(r"0x[0-9a-f]+", "0x", value))
    return type(value).__name__


def _trade(world: World, is_buy: bool) -> Any:
    world.act(place(order("20", "5", is_buy=not is_buy)))
    return world.act(place(order("20", "1", is_buy=is_buy, tif="Ioc")), wallet=OTHER)


def _cancel(world: World) -> Any:
    oids = [status["resting"]["oid"] for status in statuses(world.act(place(order("20", "1"), order("20", "1"))))]
    world.act(place(order("20", "1", is_buy=False, tif="Ioc")), wallet=OTHER)
    return world.act({"type": "cancel", "cancels": [{"a": 10107, "o": oid} for oid in (oids[1], oids[0], 1)]})


def _cancel_one(world: World) -> Any:
    (status,) = statuses(world.act(place(order("20", "1"))))
    return world.act({"type": "cancel", "cancels": [{"a": 10107, "o": status["resting"]["oid"]}]})


def _order(world: World, *args: str, **more: Any) -> Any:
    return world.act(place(order(*args, **more)))


def _banded(world: World) -> Any:
    _trade(world, True)
    return _order(world, "900", "1")


def _duplicate(world: World) -> Any:
    world.act({"type": "noop"}, nonce=NOW_MS)
    return world.act({"type": "noop"}, nonce=NOW_MS)


def _exhausted(world: World) -> Any:
    world.gateway.apply(ExhaustBudget(USER))
    world.act({"type": "noop"})
    return world.act({"type": "noop"})


def _zero_signature(world: World) -> Any:
    body = {"action": {"type": "noop"}, "nonce": NOW_MS, "signature": {"r": "0x0", "s": "0x0", "v": 27}}
    return json.loads(world.post("/exchange", body).body)


def _vault(world: World) -> Any:
    from hyperliquid.utils.signing import sign_l1_action

    vault = "0x000000000000000000000000000000000000dead"
    signature = sign_l1_action(WALLET, {"type": "noop"}, vault, NOW_MS, None, False)
    body = {"action": {"type": "noop"}, "nonce": NOW_MS, "signature": signature, "vaultAddress": vault}
    return json.loads(world.post("/exchange", body).body)


def _approve(world: World, *, wallet: Any = WALLET, n: int = 1) -> Any:
    answer: Any = None
    for number in range(n):
        world.now_ms += 1
        agent = f"0x{number + 1:040x}"
        action = {"type": "approveAgent", "agentAddress": agent, "agentName": f"n{number}", "nonce": world.now_ms}
        envelope = {"action": action, "nonce": world.now_ms, "signature": sign_agent(wallet, action, False)}
        answer = json.loads(world.post("/exchange", envelope).body)
    return answer


def _reserve_by_agent(world: World) -> Any:
    world.auth.register_agent(STRANGER.address, master=USER)
    return world.act({"type": "reserveRequestWeight", "weight": 5}, wallet=STRANGER)


TRIGGER = {"trigger": {"isMarket": True, "triggerPx": "103", "tpsl": "sl"}}
SITUATIONS: dict[str, Any] = {
    "order_ioc_filled_spot": lambda world: _trade(world, True),
    "order_ioc_sell_filled_spot": lambda world: _trade(world, False),
    "order_gtc_resting": lambda world: _order(world, tif="Gtc"),
    "cancel_success": _cancel_one,
    "modify_dead_target_single_modify_action": lambda w: w.act({"type": "modify", "oid": 5, "order": order()}),
    "expires_after_stale": lambda world: world.act(place(order()), expires_after=NOW_MS - 1),
    "schedule_cancel_volume_gate": lambda world: world.act({"type": "scheduleCancel"}),
    "vault_not_registered": _vault,
    "unfunded_signer": lambda world: _approve(world, wallet=STRANGER),
    "too_many_agents": lambda world: _approve(world, n=4),
    "default_ok": lambda world: world.act({"type": "noop"}),
    "address_rate_limited": _exhausted,
    "min_notional_spot": lambda world: _order(world, "20", "0.01"),
    "ioc_no_match_spot": lambda world: _order(world, tif="Ioc"),
    "invalid_size_whole_batch_one_status": lambda w: w.act(place(order(), order(size="0.001"), order())),
    "bad_signature_zero": _zero_signature,
    "duplicate_nonce": _duplicate,
    "cancel_mixed_live_filled_unknown": _cancel,
    "batch_over_200": lambda world: world.act(place(*[order()] * 201)),
    "ioc_partial_reports_filled": lambda world: (world.act(place(order("20", "1"))), _order_of_other(world))[1],
    "reserve_weight_signed_by_agent": _reserve_by_agent,
    "spot_status_error_1": _banded,
    "spot_status_error_2": lambda world: _order(world, "0.0000001", "1"),
    "spot_status_error_3": lambda world: world.act(place(order() | {"t": TRIGGER})),
    "spot_status_error_4": lambda world: _order(world, "20", "300000"),
    "spot_status_error_5": lambda world: _order(world, "20", "6000"),
    "spot_status_error_6": lambda world: _order(world, "20", "0"),
}
NOT_HERE = {
    "order_trigger_waiting": "there are no trigger orders on spot",
    "order_reduce_only_rejected": "a perp's text; on spot reduce-only is refused by another one",
    "min_notional_perp": "there are no perps",
    "pending_agent_removal": "an approval ends at once here",
}
BY_HTTP = ("http_422", "http_400", "http_415", "http_429", "info_500_null")


def _order_of_other(world: World) -> Any:
    return world.act(place(order("20", "2", is_buy=False, tif="Ioc")), wallet=OTHER)


@pytest.mark.parametrize("name", SITUATIONS)
def test_an_action_is_answered_as_the_venue_answered_it(messages: Messages, name: str) -> None:
    captured = observed(messages, name)["response"]
    if isinstance(captured["response"], str):
        captured = captured | {"response": captured["response"].replace("<address>", "0x")}

    assert shape_of(SITUATIONS[name](World())) == shape_of(captured)


def test_every_observed_answer_has_its_situation(messages: Messages) -> None:
    names = {entry["id"] for entry in messages.load("exchange/observed_responses.json")}

    assert names == SITUATIONS.keys() | NOT_HERE.keys() | set(BY_HTTP)


@pytest.mark.parametrize("name", BY_HTTP)
def test_below_the_protocol_the_answer_is_the_same_to_the_byte(messages: Messages, name: str) -> None:
    world = World(ip_weight=0 if name == "http_429" else None)
    content_type, body = {
        "http_422": ("application/json", b'{"type":"noSuchThing"}'),
        "http_400": ("application/json", b"{"),
        "http_415": ("text/plain", b"{}"),
        "http_429": ("application/json", b'{"type":"meta"}'),
        "info_500_null": ("application/json", b'{"type":"l2Book","coin":"@107","nSigFigs":9}'),
    }[name]
    captured, answer = observed(messages, name), world.door.answer("POST", "/info", content_type, body)

    assert answer.status == captured["http_status"]
    assert answer.body.decode() == captured["body_text"]
    assert answer.content_type.decode() == captured["content_type"]


# --- signatures ---


def vectors(messages: Messages) -> list[Any]:
    documents = [messages.load(f"generated/sdk_{name}_l1_signing_vectors.json") for name in ("0.24.0", "official")]
    found = []
    for document in documents:
        rows = document if isinstance(document, list) else document["vectors"]
        found += [row | {"address": row.get("address") or document["address"]} for row in rows]
    return found


@pytest.mark.parametrize(
    "source, name, vector",
    as_params(*((each, f"{v['name']}-{v['is_mainnet']}", v) for each in SOURCES for v in vectors(each))),
)
def test_every_signing_vector_recovers_to_its_wallet(source: Messages, name: str, vector: dict[str, Any]) -> None:
    signature = vector["signature"]
    signed = SignedAction(
        action=vector["action"],
        nonce=vector["nonce"],
        r=int(signature["r"], 16),
        s=int(signature["s"], 16),
        v=signature["v"],
        vault=vector["vaultAddress"],
        expires_after=vector["expiresAfter"],
    )

    assert recover_signer(signed, is_mainnet=vector["is_mainnet"]) == vector["address"].lower()
    assert recover_signer(signed, is_mainnet=not vector["is_mainnet"]) != vector["address"].lower()


def sdk_requests(messages: Messages) -> list[tuple[str, Any]]:
    document = messages.load("generated/sdk_0.24.0_exchange_requests.json")
    return [
        (name, post["body"])
        for name, posts in document["requests"].items()
        for post in posts
        if "action" in post["body"]
    ]


@pytest.mark.parametrize(
    "source, name, body", as_params(*((each, name, body) for each in SOURCES for name, body in sdk_requests(each)))
)
def test_every_request_that_the_sdk_makes_is_read_and_its_signer_known(
    source: Messages, name: str, body: dict[str, Any]
) -> None:
    """Through the door: refused for what it asks at most, never for its form or its signature."""
    document = source.load("generated/sdk_0.24.0_exchange_requests.json")
    world = World()
    world.now_ms = body["nonce"]
    for wallet in (document["address"], *([] if name != "order_agent" else [_signer_of(body)])):
        world.gateway.apply(Deposit(wallet.lower(), 0, Decimal(1000)))
        world.gateway.apply(Deposit(wallet.lower(), 150, Decimal(1000)))

    answer = world.post("/exchange", body)

    assert answer.status == 200, answer
    text = json.loads(answer.body)["response"]
    refused = text if isinstance(text, str) else ""
    assert "does not exist" not in refused
    assert "Must deposit" not in refused
    assert "recover" not in refused
    if body["vaultAddress"]:
        assert refused == f"Vault not registered: {body['vaultAddress'].lower()}"


def _signer_of(body: dict[str, Any]) -> str:
    """The address of the throwaway agent that signed; whichever it is, it is one and not a random one each time."""
    signature = body["signature"]
    signed = SignedAction(
        action=body["action"],
        nonce=body["nonce"],
        r=int(signature["r"], 16),
        s=int(signature["s"], 16),
        v=signature["v"],
    )
    signer = recover_signer(signed)
    assert signer is not None
    return signer


@pytest.mark.parametrize("name", ["approve_agent", "usd_class_transfer", "spot_transfer"])
def test_a_user_signed_request_recovers_to_its_wallet(messages: Messages, name: str) -> None:
    document = messages.load("generated/sdk_0.24.0_exchange_requests.json")
    (post,) = document["requests"][name]
    body = post["body"]
    action, signature = parse_user_action(body["action"]), body["signature"]
    made = Signature(int(signature["r"], 16), int(signature["s"], 16), signature["v"])

    assert recover_user(action.kind, action.fields, action.chain_id, made) == document["address"].lower()
    assert Account.from_key(document["private_key"]).address == document["address"]

"""Parsing of the venue's messages, made up and captured, field by field."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from captures_kit import CAPTURED, MADE_UP, SOURCES, Messages, as_params
from core_kit import listen, make_state

from mm_trio.model.market import Market, Token
from mm_trio.model.orders import Side
from mm_trio.model.pricing_grid import PricingGrid
from mm_trio.model.replies import Cancelled, Fill, Filled, OpenOrder, Refusal, Refused, Resting, Unknown
from mm_trio.model.settings import QuoteSettings
from mm_trio.quoting.plan import plan_tick
from mm_trio.state.fill_history import FillHistory
from mm_trio.state.inventory import Inventory
from mm_trio.state.maker_state import MakerState
from mm_trio.state.order_state import OrderState
from mm_trio.state.ownership import Ownership
from mm_trio.state.rate_limit import RateLimitBudget
from mm_trio.venue import wire
from mm_trio.venue.action_answers import parse_answers

SIDES: dict[str, Side] = {"B": "buy", "A": "sell"}

# How many rows there are at least: the made-up messages have two of each kind.
FILLS, OPEN_ORDERS = {MADE_UP: 30, CAPTURED: 50}, {MADE_UP: 8, CAPTURED: 60}


def frames(messages: Messages, channel: str) -> list[Any]:
    """Every socket frame of a channel, whatever list or wrapper it is kept in."""
    found: list[Any] = []
    for name in messages.names("ws", "*.json"):
        kept = messages.load(name)
        for entry in kept if isinstance(kept, list) else [kept]:
            frame = entry.get("msg", entry)
            if frame.get("channel") == channel:
                found.append(frame)
    return found


def market_of(coin: str, base: str = "BASE", quote: str = "USDC") -> Market:
    return Market(coin, 10000, Token(1, base, 2), Token(0, quote, 8), {coin: (1, 0)})


def check_order(order: OpenOrder, row: dict[str, Any]) -> None:
    assert (order.coin, order.oid, order.side) == (row["coin"], row["oid"], SIDES[row["side"]])
    assert (order.price, order.size) == (Decimal(row["limitPx"]), Decimal(row["sz"]))
    assert order.original_size == (Decimal(row["origSz"]) if "origSz" in row else None)
    assert order.cloid == row.get("cloid")


def check_fill(fill: Fill, row: dict[str, Any], base: str) -> None:
    assert (fill.oid, fill.tid, fill.time_ms, fill.coin) == (row["oid"], row["tid"], row["time"], row["coin"])
    assert (fill.price, fill.size, fill.fee) == (Decimal(row["px"]), Decimal(row["sz"]), Decimal(row["fee"]))
    assert (fill.side, fill.cloid) == (SIDES[row["side"]], row.get("cloid"))
    assert fill.fee_token == {base: "base", "USDC": "quote"}.get(row["feeToken"], row["feeToken"])


def test_every_fill_row_of_a_spot_pair_is_read_whole(messages: Messages) -> None:
    files = messages.names("rest", "*userFills*.json", "*maker_fills*.json")
    rows = [row for name in files for row in messages.load(name) if row["coin"].startswith("@") or "/" in row["coin"]]
    rows += [row for frame in frames(messages, "user") for row in frame["data"]["fills"]]

    assert len(rows) > FILLS[messages]
    for row in rows:
        base = row["feeToken"] if row["side"] == "B" else "BASE"
        (fill,), bad = wire.parse_fills([row], market_of(row["coin"], base))
        assert bad == ()
        check_fill(fill, row, base)


@pytest.mark.parametrize("name", ["rest/*_get_user_fills.json", "rest/*_get_user_fills_by_time.json"])
def test_old_rows_without_a_trade_id_on_other_coins_are_passed_over(messages: Messages, name: str) -> None:
    rows = messages.load(name)
    assert "tid" not in rows[0]

    assert wire.parse_fills(rows, market_of("@107")) == ((), ())
    assert wire.newest_fill_ms(rows) == max(row["time"] for row in rows)


def test_a_page_of_fills_gives_those_of_our_coin_alone(messages: Messages) -> None:
    rows = messages.load("rest/*_hip2like_maker_fills_*.json")

    fills, bad = wire.read_fill_message({"channel": "userFills", "data": {"fills": rows}}, market_of("@11", "OTORO"))

    ours = [row for row in rows if row["coin"] == "@11"]
    assert len(fills) == len(ours) > 1
    assert bad == ()
    for fill, row in zip(fills, ours, strict=True):
        check_fill(fill, row, "OTORO")


def test_dust_rows_have_trade_id_zero_and_are_no_duplicates_of_each_other(messages: Messages) -> None:
    rows = [
        row for name in messages.names("rest", "*serFills*.json") for row in messages.load(name) if row.get("tid") == 0
    ]
    assert rows

    state = make_state()
    booked = listen(state)
    for row in rows:
        (fill,), _ = wire.parse_fills([row], market_of(row["coin"]))
        state.apply_fill(fill, now_s=0)
    assert booked == []  # never an order of ours


def test_every_row_of_open_orders_is_read(messages: Messages) -> None:
    pages = [messages.load(name) for name in messages.names("rest", "*pen*rders*.json")]
    pages.append(messages.load("rest/*_info_snippets_testnet.json")["openOrders_reduce_only"])

    assert sum(map(len, pages)) > OPEN_ORDERS[messages]
    for page in pages:
        orders, unreadable = wire.parse_open_orders(page, page[0]["coin"])
        assert unreadable == ()
        for order, row in zip(orders, page, strict=True):
            check_order(order, row)


def test_every_order_update_frame_is_read(messages: Messages) -> None:
    rows = [row for frame in frames(messages, "orderUpdates") for row in frame["data"]]
    rows += [
        entry["element"] for entry in messages.load("ws/*_order_rows_testnet.json") if "status" in entry["element"]
    ]

    assert len(rows) >= 2
    for row in rows:
        (update,), bad = wire.read_update_message({"data": [row]}, market_of(row["order"]["coin"]))
        assert bad == ()
        assert (update.status, update.live) == (row["status"], row["status"] == "open")
        check_order(update.order, row["order"])


def test_every_order_record_is_read_as_an_answer_to_a_question(messages: Messages) -> None:
    for record in messages.load("rest/*_historical_orders.json"):
        answer = wire.parse_order_status({"status": "order", "order": record})

        assert (answer.status, answer.live) == (record["status"], record["status"] == "open")
        assert answer.order is not None
        check_order(answer.order, record["order"])


def test_balances_are_the_totals_of_the_rows(messages: Messages) -> None:
    snippets = messages.load("rest/*_info_snippets_testnet.json")
    pages = [messages.load("rest/*_spotClearinghouseState.json")["balances"]]
    pages += [page for key, page in snippets.items() if key.startswith("spot_balances")]

    for page in pages:
        by_name = {row["coin"]: row for row in page}
        hype, usdc = by_name["HYPE"], by_name["USDC"]
        market = Market("@107", 10107, Token(hype["token"], "HYPE", 2), Token(usdc["token"], "USDC", 8), {})
        expected = (Decimal(hype["total"]), Decimal(usdc["total"]))
        answered = wire.parse_balances({"balances": page}, market)
        pushed = wire.read_balance_message({"data": {"spotState": {"balances": page}}}, market)

        assert (answered.token, answered.usdc) == expected
        assert pushed == answered


@pytest.mark.parametrize("name", ["rest/*_user_rate_limit.json", "rest/*_userRateLimit_old_shape.json"])
def test_budgets_are_read_in_both_shapes_and_count_as_the_venue_does(messages: Messages, name: str) -> None:
    raw = messages.load(name)
    budget = RateLimitBudget()
    budget.sync_from_exchange(*wire.parse_rate_limit(raw))

    assert (budget.cum_vlm, budget.n_requests) == (Decimal(raw["cumVlm"]), raw["nRequestsUsed"])
    assert budget.remaining() == raw["nRequestsCap"] - raw["nRequestsUsed"]


def test_every_pair_of_a_meta_with_gaps_is_found_with_its_own_tokens(messages: Messages) -> None:
    """Token ids are indices: read as places in the list they give the wrong decimals, or nothing."""
    meta = messages.load("rest/*_spotMeta_mainnet_*.json")
    tokens = {token["index"]: token for token in meta["tokens"]}
    assert any(meta["tokens"][i]["index"] != i for i in range(len(meta["tokens"])))

    for pair in meta["universe"]:
        base, quote = (tokens[index] for index in pair["tokens"])
        market = wire.parse_market(meta, pair["name"])
        assert (market.coin, market.asset_id) == (pair["name"], 10000 + pair["index"])
        for found, token in ((market.base, base), (market.quote, quote)):
            assert (found.index, found.name, found.sz_decimals) == (token["index"], token["name"], token["szDecimals"])
        assert wire.parse_market(meta, f"{base['name']}/{quote['name']}") == market


def test_a_meta_with_contexts_holds_a_meta(messages: Messages) -> None:
    meta = messages.load("rest/*_spotMetaAndAssetCtxs_*.json")[0]

    assert wire.parse_market(meta, "PURR/USDC").base.sz_decimals == meta["tokens"][1]["szDecimals"]


# --- answers ----------------------------------------------------------------------------------

REFUSALS = {
    "expires_after_stale": Refusal.EXPIRED,
    "vault_not_registered": Refusal.SIGNER,
    "unfunded_signer": Refusal.SIGNER,
    "reserve_weight_signed_by_agent": Refusal.SIGNER,
    "bad_signature_zero": Refusal.SIGNER,
    "duplicate_nonce": Refusal.NONCE,
    "address_rate_limited": Refusal.BUDGET,
    "pending_agent_removal": Refusal.SIGNER,
    "too_many_agents": Refusal.SIGNER,
    "batch_over_200": Refusal.TOO_MANY,
    "order_reduce_only_rejected": Refusal.OTHER,
    "min_notional_perp": Refusal.MIN_NOTIONAL,
    "min_notional_spot": Refusal.MIN_NOTIONAL,
    "ioc_no_match_spot": Refusal.OTHER,
    "invalid_size_whole_batch_one_status": Refusal.TICK_OR_LOT,
    "spot_status_error_1": Refusal.PRICE_BAND,
    "spot_status_error_2": Refusal.TICK_OR_LOT,
    "spot_status_error_3": Refusal.FORM,
    "spot_status_error_4": Refusal.TOO_LARGE,
    "spot_status_error_5": Refusal.BALANCE,
    "spot_status_error_6": Refusal.TICK_OR_LOT,
}


def observed(source: Messages) -> dict[str, Any]:
    entries = source.load("exchange/observed_responses.json")
    return {entry["id"]: entry["response"] for entry in entries if "response" in entry}


@pytest.mark.parametrize(
    "source, name", as_params(*((source, name) for source in SOURCES for name in sorted(observed(source))))
)
def test_every_observed_answer_is_read(source: Messages, name: str) -> None:
    raw = observed(source)[name]
    data = raw["response"].get("data") if isinstance(raw["response"], dict) else None
    statuses = data["statuses"] if data else [raw["response"]]

    answers = parse_answers(raw, len(statuses))

    assert len(answers) == len(statuses)
    for answer, status in zip(answers, statuses, strict=True):
        match answer:
            case Resting(oid):
                assert oid == status["resting"]["oid"]
            case Filled(oid):
                assert oid == status["filled"]["oid"]
            case Cancelled():
                assert status == "success"
            case Refused(refusal, text):
                assert text == (status["error"] if isinstance(status, dict) else status)
                assert refusal is REFUSALS.get(name, Refusal.GONE)
            case Unknown():
                assert name not in REFUSALS  # a top-level text of which nobody knows what it left behind
                assert isinstance(status, str | dict)
                assert "error" not in status


# The ladder's price two levels below the first of seven fills.
START_OF_SEVEN = {MADE_UP: "0.003288", CAPTURED: "0.000879"}

# --- the rule of the boundary -----------------------------------------------------------------


def test_seven_fills_of_a_live_account_come_out_row_by_row(messages: Messages) -> None:
    """Boundary and inventory together, on the ladder of that account, its sizes and its first balance."""
    rows = [r for r in messages.load("rest/*_hip2like_maker_fills_*.json") if r["coin"] == "@1226"]
    order_size, tokens = Decimal(rows[0]["sz"]), Decimal(rows[0]["startPosition"])
    grid = PricingGrid(START_OF_SEVEN[messages], int(tokens // order_size) + 2, sz_decimals=2)
    market = market_of("@1226", "TRADES")
    inventory = Inventory(order_size, account_token=tokens, account_usdc=1000)
    ownership, history = Ownership(market.coin, keep_foreign=False), FillHistory(market.coin)
    state = MakerState(market, grid, OrderState(), inventory, RateLimitBudget(), ownership, history)
    settings = QuoteSettings(order_size=order_size, min_notional=Decimal(0), active_levels=4)
    sent = 0

    for before, row in zip([None, *rows], rows, strict=False):
        if before is None or before["time"] != row["time"]:  # the venue updates between blocks, not within one
            diff = plan_tick(grid, inventory, state.order_state, settings).diff
            for oid in (*diff.cancels, *(oid for oid, _ in diff.modifies)):
                state.order_state.on_cancel_confirmed(oid)
            for order in (*(aim for _, aim in diff.modifies), *diff.places):
                sent += 1
                state.order_state.on_place_confirmed(sent, order.side, order.level_index, order.price, order.size)
        (fill,), _ = wire.parse_fills([row], market)
        assert inventory.effective_token == round(Decimal(row["startPosition"]), 2)  # the venue's is a float sum
        (rests,) = [o for o in state.order_state.get_current_orders() if (o.side, o.price) == (fill.side, fill.price)]
        is_part = row["sz"] != str(order_size) and fill.side == "buy"
        assert rests.size == (order_size if is_part else fill.size)
        state.apply_fill(
            Fill(rests.oid, fill.tid, fill.size, fill.price, time_ms=fill.time_ms, coin=fill.coin), now_s=0
        )

    assert len(rows) == 7

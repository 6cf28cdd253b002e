"""Properties of parsing: a value or a ProtocolError; as many answers as items of an action."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from effort import FACTOR
from hypothesis import given, settings
from hypothesis import strategies as st

from mm_trio.model.errors import ConfigError, ProtocolError
from mm_trio.model.market import Market, Token
from mm_trio.model.replies import Refused
from mm_trio.venue import wire
from mm_trio.venue.action_answers import parse_answers

many = settings(max_examples=120 * FACTOR, deadline=None)

MARKET = Market("@107", 10107, Token(150, "HYPE", 2), Token(0, "USDC", 8), {"@107": (150, 0)})
CLOID = "0x6d6d7472000000010000000000000001"
ORDER = {"coin": "@107", "side": "B", "limitPx": "20.0", "sz": "1.5", "oid": 7, "origSz": "3.0", "cloid": CLOID}
FILL = {"coin": "@107", "oid": 7, "tid": 9, "sz": "1.5", "px": "20.0", "side": "A", "time": 1000, "fee": "0.01"}
BALANCES = [{"coin": "HYPE", "token": 150, "total": "3.0"}, {"coin": "USDC", "total": "10.0"}]
META = {
    "universe": [{"tokens": [150, 0], "name": "@107", "index": 107}],
    "tokens": [{"name": "HYPE", "szDecimals": 2, "index": 150}, {"name": "USDC", "szDecimals": 8, "index": 0}],
}
ANSWER = {
    "status": "ok",
    "response": {
        "type": "order",
        "data": {
            "statuses": [
                {"resting": {"oid": 7, "cloid": CLOID}},
                {"filled": {"totalSz": "1.5", "avgPx": "20.0", "oid": 8}},
                {"error": "Order has invalid size."},
                "success",
            ]
        },
    },
}

MESSAGES: dict[str, tuple[Any, Callable[[Any], object]]] = {
    "spotMeta": (META, lambda raw: wire.parse_market(raw, "@107")),
    "spotMeta by name": (META, lambda raw: wire.parse_market(raw, "HYPE/USDC")),
    "openOrders": ([ORDER, {**ORDER, "coin": "BTC"}], lambda raw: wire.parse_open_orders(raw, "@107")),
    "spotState": ({"balances": BALANCES}, lambda raw: wire.parse_balances(raw, MARKET)),
    "userRateLimit": ({"cumVlm": "1.5", "nRequestsUsed": 3}, wire.parse_rate_limit),
    "userFills": ([FILL, {**FILL, "feeToken": "USDC", "cloid": CLOID}], lambda raw: wire.parse_fills(raw, MARKET)),
    "orderStatus": ({"status": "order", "order": {"order": ORDER, "status": "open"}}, wire.parse_order_status),
    "orderUpdates": (
        {"channel": "orderUpdates", "data": [{"order": ORDER, "status": "filled"}]},
        lambda raw: wire.read_update_message(raw, MARKET),
    ),
    "userFills frame": (
        {"channel": "userFills", "data": {"isSnapshot": True, "fills": [FILL]}},
        lambda raw: wire.read_fill_message(raw, MARKET),
    ),
    "webData2": (
        {"channel": "webData2", "data": {"spotState": {"balances": BALANCES}}},
        lambda raw: wire.read_balance_message(raw, MARKET),
    ),
}

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(("@107", "HYPE", "USDC", "NaN", "sNaN", "-Infinity", "1e999", "-0", "order", "open", "err", "ok"))
)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=8,
)


def places_in(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to every value inside a message."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, child in inner for place in places_in(child, (*path, key)))]


@st.composite
def mutations(draw: st.DrawFn, message: Any) -> Any:
    """The message with one to three values replaced by anything, or left out."""
    mutated = copy.deepcopy(message)
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.sampled_from(places_in(mutated)))
        if not place:
            mutated = draw(anything)
            continue
        parent = mutated
        for key in place[:-1]:
            parent = parent[key]
        if draw(st.integers(0, 3)) == 0:
            del parent[place[-1]]
        else:
            parent[place[-1]] = draw(anything)
    return mutated


@pytest.mark.parametrize("name", MESSAGES)
def test_the_message_as_the_venue_sends_it_is_read(name: str) -> None:
    message, read = MESSAGES[name]

    assert read(json.loads(json.dumps(message))) is not None


@pytest.mark.parametrize("name", MESSAGES)
@settings(max_examples=80 * FACTOR, deadline=None)
@given(st.data())
def test_a_mutated_message_is_read_or_is_a_protocol_error(name: str, data: st.DataObject) -> None:
    message, read = MESSAGES[name]
    raw = data.draw(mutations(message) | anything)

    # a list of pairs without our coin is well read, and says so in its own way
    allowed = (ProtocolError, ConfigError) if name.startswith("spotMeta") else (ProtocolError,)
    with suppress(*allowed):
        read(raw)


@many
@given(mutations(ANSWER) | anything, st.integers(1, 6))
def test_a_mutated_answer_is_one_answer_for_each_item_and_never_an_exception(raw: Any, n: int) -> None:
    answers = parse_answers(raw, n)

    assert len(answers) == n
    assert all(not answer.untouched or answer.text for answer in answers if isinstance(answer, Refused))


@many
@given(st.lists(st.sampled_from((FILL, {**FILL, "coin": "BTC"}, {**FILL, "sz": None}, None, {})), max_size=8))
def test_every_row_of_our_coin_is_either_read_or_reported(rows: list[Any]) -> None:
    fills, bad = wire.parse_fills(rows, MARKET)

    assert len(fills) == rows.count(FILL)
    assert len(bad) == sum(row is None or row == {} or row.get("sz", "") is None for row in rows)

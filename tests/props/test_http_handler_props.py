"""Properties of the sandbox's HTTP handler under arbitrary requests.

It answers with one of the venue's statuses, never with an exception, and a refused request changes nothing. Requests
are bytes that are not JSON, reads and actions that are almost right, and signed actions with nonsensical content, so
that they reach the exchange.
"""

from __future__ import annotations

import json
from typing import Any, Never

from effort import FACTOR
from hyperliquid.utils import signing
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from sdk_client_kit import JSON, NOW_MS, OTHER, WALLET, World, address_of, order, place

from mm_trio.sandbox.api.http_handler import Answer
from mm_trio.sandbox.api.signature_check import USER_SIGNED_FIELDS
from mm_trio.sandbox.info.endpoint import _KINDS

STATUSES = {200, 400, 404, 405, 415, 422, 429, 500}
BODIES = {
    400: b"Failed to parse the request body as JSON",
    415: b"Expected request with `Content-Type: application/json`",
    422: b"Failed to deserialize the JSON body into the target type",
    429: b"null",
    500: b"null",
}


def effort(examples: int) -> settings:
    """Together two thousand in the normal run."""
    return settings(max_examples=examples * FACTOR, deadline=None, suppress_health_check=list(HealthCheck))


def check(world: World, body: bytes, *, path: str, method: str = "POST", content_type: str = JSON) -> Answer:
    """Send it; the answer is one that is documented, and what was not understood has changed nothing."""
    before = world.exchange.digest()
    answer = world.door.answer(method, path, content_type, body)

    assert answer.status in STATUSES
    assert answer.body == BODIES.get(answer.status, answer.body)
    if answer.status == 200:
        json.loads(answer.body, parse_constant=_refuse)
    else:
        assert world.exchange.digest() == before
    return answer


def _refuse(name: str) -> Never:
    raise AssertionError(f"{name} in an answer")


# what no field is, or hardly one
ODD: list[Any] = [None, True, False, 0, -1, 5, 1.5, 1e300, 1 << 63, (1 << 64) - 1, 1 << 64, -(1 << 70), 10**60]
ODD += ["", " ", "0", "-1", "+1", "1e5", "NaN", "Infinity", ".", "1.", ".5", "1\n", "\u0661", "20.123456789", "9" * 40]
ODD += [
    "0x",
    "0x12",
    "0X" + "1" * 40,
    "0x" + "g" * 40,
    "1m",
    "\ud800",
    "\x00",
    "a" * 1000,
    [],
    {},
    [[]],
    [None],
    {"a": 1},
]

scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=12)
)
json_values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)
odd_values = st.sampled_from(ODD) | st.sampled_from(ODD) | json_values


HARMS = st.sampled_from([*["none"] * 20, "odd", "odd", "odd", "gone", "more"])  # objects nest, so harms add up


@st.composite
def almost(draw: Any, fields: dict[str, SearchStrategy[Any]], *, may_lack: tuple[str, ...] = ()) -> dict[str, Any]:
    """An object with these fields; now and then one of them is gone or odd, or there is one too many."""
    made = {name: draw(values) for name, values in fields.items() if name not in may_lack or draw(st.booleans())}
    harm = draw(HARMS)
    if harm == "odd" and made:
        made[draw(st.sampled_from(sorted(made)))] = draw(odd_values)
    elif harm == "gone" and made:
        del made[draw(st.sampled_from(sorted(made)))]
    elif harm == "more":
        made[draw(st.text(max_size=6))] = draw(json_values)
    return made


addresses = st.sampled_from([WALLET.address, OTHER.address, address_of(WALLET), "0x" + "0" * 40, "0x" + "7" * 40])
cloids = st.sampled_from(["0x" + "0" * 31 + "1", "0x" + "A" * 32])
coins = st.sampled_from(["@107", "@107", "PURR/USDC", "@207", "@99999", "HYPE"])
times = st.sampled_from([0, 1, NOW_MS - 86_400_000, NOW_MS, NOW_MS + 2, NOW_MS + 10_000, (1 << 64) - 1])
flags = st.booleans()


# --- bytes ---

SAMPLES = [
    b'{"type":"openOrders","user":"0x1a642f0e3c3af545e7acbd38b07251b3990914f1","dex":""}',
    b'{"action":{"type":"noop"},"nonce":1795000000000,"signature":{"r":"0x1","s":"0x2","v":27},"vaultAddress":null}',
    b'{"type":"userFillsByTime","user":"0x1a642f0e3c3af545e7acbd38b07251b3990914f1","startTime":0}',
]
SPLICES = [
    b"",
    b"{",
    b"[",
    b'"',
    b"\\",
    b"\x00",
    b"\xff",
    b"1e999",
    b"-",
    b"NaN",
    b"9" * 5000,
    b"[" * 3000,
    b"\xef\xbb\xbf",
]


@st.composite
def damaged_bodies(draw: Any) -> bytes:
    sample = draw(st.sampled_from(SAMPLES))
    at, cut = draw(st.integers(0, len(sample))), draw(st.integers(0, 4))
    splice: bytes = draw(st.sampled_from(SPLICES) | st.binary(max_size=6))
    return bytes(sample[:at] + splice + sample[at + cut :])


@effort(300)
@given(
    body=st.binary(max_size=64) | damaged_bodies() | damaged_bodies(),
    path=st.sampled_from(["/info", "/exchange", "/info", "/exchange", "/", "//info", "/ws"]),
    method=st.sampled_from(["POST", "POST", "POST", "GET", "PUT", "OPTIONS", ""]),
    content_type=st.sampled_from([JSON, JSON, JSON, "application/json; charset=utf-8", "text/plain", "", "a" * 500]),
)
def test_no_bytes_make_the_door_stumble(body: bytes, path: str, method: str, content_type: str) -> None:
    check(World(), body, path=path, method=method, content_type=content_type)


@effort(20)
@given(
    depth=st.integers(1, 200_000),
    opening=st.sampled_from([b"[", b'{"a":', b'{"type":"noop","x":[']),
    path=st.sampled_from(["/info", "/exchange"]),
)
def test_no_depth_makes_the_door_stumble(depth: int, opening: bytes, path: str) -> None:
    check(World(), opening * min(depth, 1_000_000 // len(opening)), path=path)
    closing = {b"[": b"]", b'{"a":': b"}"}.get(opening)
    if closing is not None:
        shallow = depth % 900  # what the reader of JSON still takes
        check(World(), opening * shallow + b"1" + closing * shallow, path=path)
        nested = b'{"action":{"type":"noop","x":%b1%b},"nonce":1,"signature":{"r":"0x1","s":"0x1","v":27}}'
        check(World(), nested % (opening * shallow, closing * shallow), path=path)


# --- questions ---

span = {"startTime": times, "endTime": times | st.none()}
user: dict[str, SearchStrategy[Any]] = {"user": addresses}
dex = {"dex": st.sampled_from(["", None, "abc"])}
PARAMETERS: dict[str, dict[str, SearchStrategy[Any]]] = {
    "l2Book": {
        "coin": coins,
        "nSigFigs": st.none() | st.integers(1, 6),
        "mantissa": st.sampled_from([None, None, None, 1, 2, 3, 5]),
    },
    "recentTrades": {"coin": coins},
    "fundingHistory": {"coin": coins} | span,
    "candleSnapshot": {
        "req": almost({"coin": coins, "interval": st.sampled_from(["1m", "3d", "1w", "1M", "8h"])} | span)
    },
    "tokenDetails": {"tokenId": st.sampled_from(["0x5a" + "0" * 30, "0x5A" + "0" * 27 + "150", "0x" + "0" * 32])},
    "orderStatus": user | {"oid": cloids | st.sampled_from([90_000_000_001, 90_000_000_002, 7])},
    "userFills": user | {"aggregateByTime": flags},
    "userFillsByTime": user | span | {"aggregateByTime": flags, "reversed": flags},
    "maxBuilderFee": user | {"builder": addresses},
    "openOrders": user | dex,
    "frontendOpenOrders": user | dex,
    "allMids": dex,
    "meta": dex,
}
PLAIN = sorted(set(_KINDS) - set(PARAMETERS))
questions = st.sampled_from([*PARAMETERS, *PARAMETERS, "plain", "nonsense"]).flatmap(
    lambda kind: almost(
        {
            "type": st.sampled_from(PLAIN)
            if kind == "plain"
            else st.text(max_size=9)
            if kind == "nonsense"
            else st.just(kind),
            **PARAMETERS.get(kind, user | span),
        }
    )
)


def busy_world() -> World:
    """One with orders, fills, candles, dust to come and an agent, so that answers have rows."""
    world = World()
    world.act(place(order("20", "5"), order("19.5", "1", c="0x" + "0" * 31 + "1"), order("21", "5", is_buy=False)))
    world.act(place(order("20", "1.25", is_buy=False, tif="Ioc")), wallet=OTHER)
    return world


BUSY = busy_world()  # questions change nothing, so all of them may be asked of one


@effort(900)
@given(question=questions)
def test_no_question_makes_the_door_stumble(question: dict[str, Any]) -> None:
    answer = check(BUSY, json.dumps(question).encode(), path="/info")

    assert answer.status in (200, 422, 500)
    kind = question.get("type")
    if not isinstance(kind, str) or kind not in _KINDS:
        assert answer.status == 422


# --- actions ---

NO_DECIMALS = ["", ".", "-1", "1e5", "NaN", "20.000000001", 20]
PRICES = ["20", "20.5", "19", "21", "100", "0.00000001", "12345.6", "20.50", "99999999999999999999"]
SIZES = ["1", "0.5", "0.50000000", "1000", "0.001", "0", "99999999999999999999.99999999"]
prices, sizes = st.sampled_from(PRICES * 4 + NO_DECIMALS), st.sampled_from(SIZES * 4 + NO_DECIMALS)
tifs = st.sampled_from(["Alo", "Ioc", "Gtc"])
kinds_of_order = almost({"limit": almost({"tif": tifs})}) | st.just({"limit": {"tif": "Gtc"}})
triggers = almost({"trigger": almost({"isMarket": flags, "triggerPx": prices, "tpsl": st.sampled_from(["tp", "sl"])})})
assets = st.sampled_from([10107, 10107, 10107, 10000, 10207, 99999])
oids = st.sampled_from([90_000_000_001, 90_000_000_002, 5])
fields_of_order = {
    "a": assets,
    "b": flags,
    "p": prices,
    "s": sizes,
    "r": st.just(False),
    "t": kinds_of_order | kinds_of_order | triggers,
    "c": cloids,
}
good_orders = st.builds(
    lambda price, size, is_buy, tif: order(price, size, is_buy=is_buy, tif=tif), prices, sizes, flags, tifs
)
orders = almost(fields_of_order, may_lack=("c", "r")) | good_orders
many = st.builds(lambda one, n: [one] * n, orders, st.sampled_from([0, 41, 200, 201]))
FIELDS: dict[str, dict[str, SearchStrategy[Any]]] = {
    "order": {
        "orders": st.lists(orders, min_size=1, max_size=3) | many,
        "grouping": st.sampled_from(["na", "na", "normalTpsl", {"p": 1}]),
        "builder": almost({"b": addresses, "f": st.integers(0, 100)}),
    },
    "cancel": {"cancels": st.lists(almost({"a": assets, "o": oids}), max_size=3), "f": flags},
    "cancelByCloid": {"cancels": st.lists(almost({"asset": assets, "cloid": cloids}), max_size=3), "f": flags},
    "modify": {"oid": oids | cloids, "order": orders, "a": flags},
    "batchModify": {"modifies": st.lists(almost({"oid": oids | cloids, "order": orders}), max_size=3), "a": flags},
    "scheduleCancel": {"time": times},
    "reserveRequestWeight": {"weight": st.sampled_from([0, 1, 5, (1 << 64) - 1]), "destination": addresses},
    "noop": {},
}
MAY_LACK = ("f", "a", "grouping", "builder", "time", "destination")
actions = st.sampled_from(["order", "order", "batchModify", *FIELDS]).flatmap(
    lambda kind: almost({"type": st.just(kind), **FIELDS[kind]}, may_lack=MAY_LACK)
)
words = st.sampled_from(["0x0", "0x1", "0x2", "0x" + "f" * 64])
envelopes = almost(
    {
        "action": actions,
        "nonce": times,
        "signature": almost({"r": words, "s": words, "v": st.sampled_from([27, 28])}),
        "vaultAddress": st.none() | addresses,
        "expiresAfter": st.none() | times,
    }
)


@effort(380)
@given(body=envelopes | json_values)
def test_no_envelope_makes_the_door_stumble(body: Any) -> None:
    answer = check(World(), json.dumps(body).encode(), path="/exchange")

    assert answer.status in (200, 422)


@effort(250)
@given(steps=st.lists(st.tuples(actions, st.booleans()), min_size=1, max_size=4))
def test_no_signed_action_makes_the_door_stumble(steps: list[tuple[dict[str, Any], bool]]) -> None:
    world = World()
    for action, by_other in steps:
        world.now_ms += 1
        try:
            signature = signing.sign_l1_action(OTHER if by_other else WALLET, action, None, world.now_ms, None, False)
        except (OverflowError, ValueError, UnicodeEncodeError):
            continue  # nobody can have signed that
        body = {"action": action, "nonce": world.now_ms, "signature": signature}
        answer = check(world, json.dumps(body).encode(), path="/exchange")
        assert answer.status in (200, 422)


amounts = st.sampled_from(["1", "0.5", "1e1", "0", "-1", "1e99", "1e-99", "0.123456789", "NaN", "", "1e19", "9" * 20])
names = st.sampled_from(["", "bot", "x" * 17, f"bot valid_until {NOW_MS + 900_000}", "bot valid_until 1", "\n"])
tokens = st.sampled_from(["USDC", "PURR", "HYPE:0x0d01dc56dcaaca66ad901c959b4011ec", "HYPE"])
dexes = st.sampled_from(["spot", "spot", ""])
USER_VALUES: dict[str, SearchStrategy[Any]] = {
    "destination": addresses.map(str.lower),
    "amount": amounts,
    "token": tokens,
    "toPerp": flags,
    "agentAddress": addresses,
    "agentName": names,
    "maxFeeRate": st.sampled_from(["0.001%", "2%", "1%", "%", ""]),
    "builder": addresses,
    "sourceDex": dexes,
    "destinationDex": dexes,
    "fromSubAccount": st.sampled_from(["", "", "0x" + "1" * 40]),
    "time": st.just(NOW_MS),
    "nonce": st.just(NOW_MS),
}
CHAINS = {
    "signatureChainId": st.sampled_from(["0x66eee", "0x0", "0x" + "f" * 16, "0x" + "f" * 17]),
    "hyperliquidChain": st.sampled_from(["Testnet", "Mainnet"]),
}
user_actions = st.sampled_from(sorted(USER_SIGNED_FIELDS)).flatmap(
    lambda kind: almost(
        {"type": st.just(kind), **{name: USER_VALUES[name] for _, name in USER_SIGNED_FIELDS[kind][1]}, **CHAINS},
        may_lack=("agentName",),
    )
)


@effort(200)
@given(action=user_actions, is_signed=st.sampled_from([True, True, False]))
def test_no_user_signed_action_makes_the_door_stumble(action: dict[str, Any], is_signed: bool) -> None:
    world = World()
    signature = (_try_to_sign(action) if is_signed else None) or {"r": "0x1", "s": "0x2", "v": 27}
    body = json.dumps({"action": action, "nonce": NOW_MS, "signature": signature}).encode()
    answer = check(world, body, path="/exchange")

    assert answer.status in (200, 422)


def _try_to_sign(action: dict[str, Any]) -> Any:
    """The SDK's signature, where what is to be signed has a form at all. It fills in the chains."""
    kind = action.get("type")
    if not isinstance(kind, str) or kind not in USER_SIGNED_FIELDS:
        return None
    name, types = USER_SIGNED_FIELDS[kind]
    declared = [{"name": "hyperliquidChain", "type": "string"}, *({"name": n, "type": t} for t, n in types)]
    filled = {"agentName": "", "fromSubAccount": ""} | action
    try:
        signature = signing.sign_user_signed_action(WALLET, filled, declared, f"HyperliquidTransaction:{name}", False)
    except Exception:  # noqa: BLE001  # whatever a field's odd value makes of the SDK's encoder
        return None
    action |= {"signatureChainId": filled["signatureChainId"], "hyperliquidChain": filled["hyperliquidChain"]}
    return signature

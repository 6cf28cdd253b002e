"""Whatever bytes come as an answer, callers get a declared error or a value: R7 of the fault table.

`MM_TRIO_GARBAGE` says how many bodies there are in all; each part takes its share.
"""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing
from decimal import Decimal
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import pytest
import trio
from builders import ALLOCATION, World, run_inline
from core_kit import MARKET, desired, make_state
from desk_kit import ReadySender
from garbage_kit import N_BODIES, Garbler, spoil_one_in
from hyperliquid.utils.error import ClientError
from rogue_kit import Peer, open_rogue
from sdk_client_kit import OTHER, WALLET, address_of
from sdk_client_kit import World as Door
from trio.testing import MockClock

from mm_trio.account_config.settings import AccountSettings
from mm_trio.cli.ledger_programs.audit_ledger import audit_ledger
from mm_trio.cli.ledger_programs.rebuild_ledger import rebuild_ledger
from mm_trio.cli.programs.plan_only import plan_forever
from mm_trio.cli.programs.start_checks import ask_for_pairs, check_signer
from mm_trio.cli.run_programs.open_maker import open_maker
from mm_trio.config.keys import Secret
from mm_trio.config.loading import parse_settings
from mm_trio.config.settings import MarketSettings, Settings
from mm_trio.engine.feed_reader import FeedReader
from mm_trio.journal.data_dir import find_state_folder
from mm_trio.journal.sqlite_journal import Journal
from mm_trio.model.errors import ConfigError, LedgerError, VenueError, find_leaves
from mm_trio.model.journal_entries import Allocated, Began
from mm_trio.model.orders import Intent
from mm_trio.model.replies import Cancelled, Filled, Refused, Resting, Unknown
from mm_trio.sandbox.info.question import BadRequest
from mm_trio.sandbox.model.commands import NewOrder, PlaceOrders
from mm_trio.state.stats import RunStats
from mm_trio.venue.bounded_response import HttpAnswer, parse_json
from mm_trio.venue.http_session import VENUE_FAILURES, JsonSession
from mm_trio.venue.order_gateway import Burnt, OrderGateway
from mm_trio.venue.rest_client import VenueClient
from mm_trio.venue.sdk import make_exchange, make_info, make_wallet
from mm_trio.venue.socket import DisposableSocket
from mm_trio.venue.wire import parse_spot_meta
from mm_trio.witness.venue_clock import VenueClock

URL = "http://127.0.0.1:1"  # where nobody listens: what is posted is answered in this process
ACCOUNT = address_of(WALLET)
COIN, ASSET = "@107", 10_107
# The name that the exchange has for its start.
INSTANCE = "00000000deadbeef"
# What a command waits before it asks again, in seconds.
PAUSES = (
    "mm_trio.cli.programs.start_checks.PAIRS_PAUSE_S",
    "mm_trio.cli.programs.start_checks.ROLE_PAUSE_S",
    "mm_trio.cli.ledger_programs.audit_ledger.LOOK_AGAIN_S",
    "mm_trio.venue.rest_client.CLOCK_PAUSE_S",
    "mm_trio.venue.rest_client.NAME_PAUSE_S",
)
DECLARED = (VenueError, ConfigError, LedgerError)
SHARES = {"questions": 0.4, "actions": 0.3, "messages": 0.28}
N_SOCKET, N_STARTS, N_SESSIONS = 300, 60, 12


def share_of(part: str) -> int:
    return int(N_BODIES * SHARES[part])


async def fails(work: Callable[[], Awaitable[object]]) -> bool:
    """Do it, and say whether an error came of it that is declared; any other is raised."""
    try:
        await work()
    except BaseException as error:
        if not all(isinstance(leaf, (*DECLARED, trio.Cancelled)) for leaf in find_leaves(error)):
            raise
        return True
    return False


class Venue:
    """Answers what a session posts from an exchange, with garbage in one of `n` answers."""

    def __init__(self, seed: int | str, *, one_in: int = 1) -> None:
        self.door = Door()
        self.garbler = Garbler(seed)
        self.one_in = one_in
        for size, buys in (("3", True), ("2", False)):
            price = Decimal("20") if buys else Decimal("21")
            ours = NewOrder(ASSET, buys, price, Decimal("5"), "Alo", None)
            self.door.gateway.apply(PlaceOrders(ACCOUNT, (ours,)))
            taken = NewOrder(ASSET, not buys, price, Decimal(size), "Ioc", None)
            self.door.gateway.apply(PlaceOrders(address_of(OTHER), (taken,)))
        self._known: dict[bytes, Any] = {}

    def set_clock(self) -> None:
        """The venue's time is this machine's, also in what it answered before."""
        self.door.now_ms = time.time_ns() // 1_000_000
        self._known.clear()

    def listen(self, patch: pytest.MonkeyPatch) -> None:
        """Take the place of the network below every session."""
        patch.setattr(JsonSession, "_exchange", lambda session, body, within_s: self.answer(session, body))

    def answer(self, session: JsonSession, body: bytes) -> HttpAnswer:
        return HttpAnswer(200, {}, spoil_one_in(self.one_in, self.garbler, partial(self._ask, session, body)))

    def _ask(self, session: JsonSession, body: bytes) -> Any:
        if body not in self._known:
            path = str(session._request.url).removeprefix(URL)
            answer = self.door.door.answer("POST", path, "application/json", body)
            assert answer.status == 200, answer
            self._known[body] = json.loads(answer.body)
        return self._known[body]

    def pairs(self) -> Any:
        return parse_spot_meta(self.door.exchange.markets.spot_meta())


@pytest.fixture
def patch(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Without request weight nothing would be sent after a few dozen requests."""
    monkeypatch.setattr("mm_trio.venue.ip_weight.WEIGHT_PER_MINUTE", 10**9)
    return monkeypatch


async def test_r7_no_answer_to_a_question_raises_what_is_not_declared(patch: pytest.MonkeyPatch) -> None:
    venue = Venue("questions")
    venue.listen(patch)
    client = VenueClient(make_info(URL, venue.pairs()), address=ACCOUNT, run_sync=run_inline, whole_fills=True)
    market = MARKET
    questions: Sequence[Callable[[], Awaitable[object]]] = (
        lambda: client.fetch_market(COIN),
        lambda: client.fetch_open_orders(market),
        lambda: client.fetch_balances(market),
        client.fetch_budget,
        lambda: client.fetch_fills(market, since_ms=0),
        lambda: client.fetch_order_status(oid=1),
        lambda: client.fetch_order_status(cloid=f"0x{7:032x}"),
    )
    n_refused = 0
    while venue.garbler.n_bodies < share_of("questions"):
        try:
            await questions[venue.garbler.n_bodies % len(questions)]()
        except (VenueError, ConfigError) as error:
            n_refused += len(str(error)) < 600

    print(f"questions: {venue.garbler.n_bodies} bodies, {n_refused} refused")
    assert n_refused > venue.garbler.n_bodies / 2


ANSWERS: tuple[Any, ...] = (
    {"resting": {"oid": 77}},
    {"resting": {"oid": 78, "cloid": f"0x{7:032x}"}},
    {"filled": {"totalSz": "1.5", "avgPx": "20", "oid": 79}},
    {"error": "Post only order would have immediately matched, bbo was 20@21. asset=10107"},
    "success",
)


async def test_r7_no_answer_to_an_action_raises_or_counts_as_a_refusal(patch: pytest.MonkeyPatch) -> None:
    """A refusal needs the venue's words. What is not understood leaves the outcome open."""
    garbler = Garbler("actions")

    def answer(_session: JsonSession, _body: bytes, _within_s: float) -> HttpAnswer:
        statuses = [garbler.rng.choice(ANSWERS) for _ in range(3)]
        valid = {"status": "ok", "response": {"type": "order", "data": {"statuses": statuses}}}
        if garbler.rng.random() < 0.2:
            valid = {"status": "err", "response": "Invalid nonce: duplicate nonce 5"}
        return HttpAnswer(200, {}, garbler.spoil(valid))

    patch.setattr(JsonSession, "_exchange", answer)
    gateway = make_gateway()
    sender = ReadySender(gateway, COIN)
    intents = [Intent(f"0x{i + 1:032x}", desired("sell", i), nonce=5, expires_ms=9) for i in range(3)]
    moves = [Intent(f"0x{i + 9:032x}", desired("sell", i), i, nonce=5, expires_ms=9) for i in range(3)]
    actions: Sequence[Callable[[], Awaitable[Any]]] = (
        lambda: sender.send_places(intents),
        lambda: sender.send_modifies(moves),
        lambda: sender.send_cancels([1, 2, 3], expires_ms=9),
        lambda: sender.send_cancels_by_cloid(intents, expires_ms=9),
        lambda: gateway.burn_nonce(5, expires_ms=9),
    )
    n_unknown = 0
    while garbler.n_bodies < share_of("actions"):
        found = await actions[garbler.n_bodies % len(actions)]()

        assert isinstance(found, Burnt) or len(found) == 3
        for each in () if isinstance(found, Burnt) else found:
            assert isinstance(each, Resting | Filled | Cancelled | Refused | Unknown)
            n_unknown += isinstance(each, Unknown)

    print(f"actions: {garbler.n_bodies} bodies, {n_unknown} items unknown")
    assert n_unknown > garbler.n_bodies / 4


def make_gateway() -> OrderGateway:
    """The gateway of a maker on the SDK, with a ledger that forgets."""
    market = MarketSettings(coin=COIN, api_url=URL, account=ACCOUNT)
    exchange = make_exchange(market, make_wallet("0x" + "01" * 32), Venue("pairs").pairs())
    return OrderGateway(exchange, run_sync=run_inline, ledger=Forgetful(), clock=VenueClock(lambda: 1))


class Forgetful:
    """A ledger that writes nothing down."""

    covers = True

    def record(self, entry: object) -> None:
        pass

    async def flush_unless_covered(self) -> None:
        pass

    async def flush_then(self, is_wanted: Callable[[], bool], send: Callable[..., Any], *args: Any) -> Any:
        assert is_wanted()
        return send(*args)


def test_r7_a_message_that_is_refused_changes_nothing() -> None:
    garbler = Garbler("messages")
    order = {"coin": COIN, "side": "A", "limitPx": "21", "sz": "2", "oid": 7, "timestamp": 1000, "origSz": "5"}
    fill = {"coin": COIN, "oid": 7, "tid": 9, "sz": "1", "px": "21", "side": "A", "time": 1000, "fee": "0.1"}
    fill |= {"feeToken": "USDC", "cloid": None}
    balances = [{"coin": "HYPE", "token": 150, "total": "50", "hold": "5"}, {"coin": "USDC", "token": 0, "total": "9"}]
    frames: Sequence[dict[str, Any]] = (
        {"channel": "orderUpdates", "data": [{"order": order, "status": "open", "statusTimestamp": 1000}]},
        {"channel": "userFills", "data": {"user": ACCOUNT, "isSnapshot": False, "fills": [fill, fill | {"tid": 10}]}},
        {"channel": "webData2", "data": {"user": ACCOUNT, "spotState": {"balances": balances}}},
        {"channel": "subscriptionResponse", "data": {"subscription": {"type": "userFills"}}},
    )
    n_refused = 0
    for i in range(share_of("messages")):
        frame = frames[i % len(frames)]
        state, stats, troubles = make_state(), RunStats(), list[str]()
        before = repr(state.inventory.__dict__), state.order_state.get_current_orders()
        reader = FeedReader(state, stats, on_balances=lambda check: None, on_trouble=troubles.append)
        socket = DisposableSocket(URL)
        for channel in ("orderUpdates", "userFills", "webData2"):
            listen(socket, channel, reader)
        socket.on_message(None, garbler.spoil(frame))

        if troubles and stats.fills == 0 and not state.order_state.get_current_orders():
            n_refused += 1
            assert (repr(state.inventory.__dict__), state.order_state.get_current_orders()) == before

    print(f"messages: {garbler.n_bodies} bodies, {n_refused} refused")
    assert n_refused > 0


def listen(socket: DisposableSocket, channel: str, reader: FeedReader) -> None:
    """Subscribe without a connection, as the SDK remembers it."""
    socket.ws_ready = False
    name = {"orderUpdates": "orderUpdates"}.get(channel, f"{channel}:{ACCOUNT}")

    def apply(body: object) -> None:
        event_ms = reader.apply(channel, body, now_s=1.0)
        # As the watchdog reckons with it.
        assert event_ms is None or abs(event_ms / 1000) < 1e10

    socket.active_subscriptions[name].append(_Subscription(apply))


class _Subscription:
    def __init__(self, callback: Callable[[object], None]) -> None:
        self.callback = callback


# --- whole commands ------------------------------------------------------------------------------


def make_settings() -> Settings:
    return parse_settings(
        {
            "market": {"coin": COIN, "network": "sandbox", "api_url": URL, "account": ACCOUNT},
            "strategy": {"start_px": "15", "n_orders": 200, "order_sz": "5"},
            "allocation": {"token": "100", "usdc": "1000"},
            "tuning": {"interval_s": 0.1},
        },
        environ={},
        source="the test",
    )


async def run_command(name: str, settings: Settings, environ: dict[str, str]) -> None:
    stop = trio.CancelScope()
    match name:
        case "plan":
            await plan_forever(settings, stop_scope=stop, duration_s=0.3)
        case "audit":
            await audit_ledger(settings, environ=environ, stop_scope=stop)
        case "rebuild":
            account = AccountSettings.of_one_market(settings)
            await rebuild_ledger(account, environ=environ, stop_scope=stop)
        case "start":
            async with open_maker(settings, Secret("0x" + "01" * 32), environ=environ):
                pass
        case "signer":
            info = make_info(URL, await ask_for_pairs(URL))
            await check_signer(info, address_of(OTHER), ACCOUNT, network="testnet")


@pytest.mark.parametrize("name", ["plan", "audit", "rebuild", "start", "signer"])
async def test_r7_no_answer_breaks_a_command(patch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    """The entry turns what is declared into the codes 2, 3 and 5; everything else would be 70."""
    for pause in PAUSES:
        patch.setattr(pause, 0.001)
    patch.setattr("mm_trio.cli.programs.start_checks._fetch_instance", lambda base_url: INSTANCE)
    settings, n_failed = make_settings(), 0
    n_runs = max(N_STARTS, N_BODIES // 200) // (5 if name == "plan" else 1)
    venue = Venue(name, one_in=10**9)
    venue.set_clock()
    venue.listen(patch)
    environ = {"XDG_STATE_HOME": str(tmp_path)}
    if name == "audit":
        network = f"sandbox/{INSTANCE}"
        with closing(Journal.open(find_state_folder(environ, network=network, account=ACCOUNT, coin=COIN))) as journal:
            journal.append([Began(1, {}), Allocated(None, None)], at_ms=1)
    # A start asks for everything several times.
    venue.one_in = 2 if name == "start" else 4
    for _ in range(n_runs):
        venue.set_clock()
        n_failed += await fails(partial(run_command, name, settings, environ))

    print(f"{name}: {venue.garbler.n_bodies} bodies in {n_runs} runs, {n_failed} failed")
    assert name == "plan" or n_failed > 0


# --- over a socket, and in a running maker --------------------------------------------------------


def test_r7_no_bytes_on_the_socket_raise_what_is_not_declared() -> None:
    """Status line, headers and body are spoilt alike."""
    garbler = Garbler("socket")
    valid = {"universe": [{"name": "@1", "index": 1, "tokens": [1, 0]}], "tokens": []}

    def answer(peer: Peer) -> None:
        peer.read_request()
        body = garbler.spoil(valid)
        whole = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nContent-Type: application/json\r\n\r\n" % len(body) + body
        peer.send(garbler._spoil_bytes(whole) if garbler.rng.random() < 0.7 else whole)
        peer.sock.close()

    n_read = 0
    with open_rogue(answer) as rogue:
        session = JsonSession(rogue.url + "/info", {}, direct=True)
        for _ in range(max(N_SOCKET, N_BODIES // 100)):
            try:
                session.post(rogue.url + "/info", json={}, timeout=5.0).json()
                n_read += 1
            except VENUE_FAILURES:
                pass

    print(f"socket: {garbler.n_bodies} answers, {n_read} read")
    assert 0 < n_read < garbler.n_bodies


@pytest.mark.parametrize("seed", range(max(N_SESSIONS, min(200, N_BODIES // 5000))))
async def test_r7_no_answer_ends_a_running_maker(
    autojump_clock: MockClock, patch: pytest.MonkeyPatch, seed: int
) -> None:
    """Two answers in three are garbage for two minutes, to questions and actions.

    A lie that can be read may end it as a doubt of the ledger: a fill history that lacks a fill does. What rests is not
    judged: an answer that says "refused" of an order that rests is such a lie too, and its level gets a second one.
    """
    world = World(token="100", usdc="5000", signing=True)
    garbler = Garbler(f"session {seed}")
    maker = world.maker(reconcile_every=2, dead_zone_bps=0, **ALLOCATION)
    ask = world.venue.call

    def garble(method: str, n_items: int, run: Callable[[], Any]) -> Any:
        try:
            answer = ask(method, n_items, run)
        except BadRequest as refusal:
            # An oid out of an earlier lie may be none that the venue reads; the SDK raises its 422 as this.
            raise ClientError(refusal.status, None, str(refusal), {}) from refusal
        if not garbler.rng.randrange(3):
            return answer
        try:
            return parse_json(garbler.spoil(answer))
        except ValueError:
            return None if n_items else {"error": "Could not parse JSON"}

    async def trade() -> None:
        async with world.running(maker):
            patch.setattr(world.venue, "call", garble)
            rng = Random(seed)
            for _ in range(40):
                (world.buy if rng.random() < 0.5 else world.sell)("4")
                await trio.sleep(3)

    await fails(trade)

    print(f"session {seed}: {garbler.n_bodies} bodies")
    assert garbler.n_bodies > 0

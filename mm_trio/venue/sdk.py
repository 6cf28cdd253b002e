"""The official SDK's objects: how they are built, and sockets that can be thrown away.

The only module that imports the SDK. What it protects from: constructors that start a socket thread by
accident, threads that keep the process alive, a socket that never reconnects, a metadata list with gaps,
proxies in front of loopback, and debug logging of signed payloads.
"""

from __future__ import annotations

import contextlib
import json
import logging
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import eth_account
import websocket
from hyperliquid.exchange import Exchange
from hyperliquid.info import Info
from hyperliquid.utils.constants import MAINNET_API_URL
from hyperliquid.utils.error import Error as SdkError
from hyperliquid.utils.error import ServerError
from hyperliquid.utils.signing import (
    action_hash,
    order_request_to_order_wire,
    order_wires_to_order_action,
)
from hyperliquid.utils.types import Cloid
from hyperliquid.websocket_manager import WebsocketManager, ws_msg_to_identifier

from mm_trio.model.errors import Busy, Unreachable
from mm_trio.venue.http_session import JsonSession, encode_json
from mm_trio.venue.signer import ActionSigner
from mm_trio.venue.wire import RETIRED_FEED

__all__ = [
    "VENUE_FAILURES",
    "DisposableSocket",
    "SignedAction",
    "SigningExchange",
    "UnsignedAction",
    "describe_failure",
    "discard_socket",
    "fetch_spot_meta",
    "make_cloid",
    "make_exchange",
    "make_info",
    "make_read_error",
    "make_wallet",
    "may_be_sent_again",
    "quiet_sdk_logging",
    "replace_socket",
]

# What a call of the SDK may raise for the world's sake: network (`requests` errors are OSErrors), its own two
# errors, and what it trips over when an HTTP 4xx carries JSON that it does not expect.
VENUE_FAILURES = (OSError, SdkError, KeyError, AttributeError, ValueError, websocket.WebSocketException)

HTTP_TOO_MANY = 429
CONNECT_TIMEOUT_S = 10.0
HTTP_TIMEOUT_S = 5.0  # for one read of the SDK's HTTP; its default is to wait for ever
# A cancel that does not wait its turn: 0.4 s instead of 0.7 s when measured. Source: venue page on latency.
FAST = {"f": True}
_LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "::1")
_GREETING = "Websocket connection established."
_NO_TOKENS: Any = {"universe": [], "tokens": []}
_NO_PERPS: Any = {"universe": []}
_log = logging.getLogger(__name__)


def describe_failure(error: BaseException) -> str:
    """One short line for one of `VENUE_FAILURES`: the HTTP status or the system's own words, where there are."""
    status = getattr(error, "status_code", None)
    if isinstance(error, SdkError) and status is not None:
        return f"HTTP {status}"
    reason = re.search(r"\[Errno -?\d+\] [^'\")\]]+", str(error))  # behind the pools of the HTTP library
    return f"{type(error).__name__}: {reason[0] if reason else str(error)[:200]}"


def make_read_error(what: object, error: BaseException) -> Unreachable:
    """One of `VENUE_FAILURES`, met by a question, as an error of ours."""
    is_busy = getattr(error, "status_code", None) == HTTP_TOO_MANY
    return (Busy if is_busy else Unreachable)(f"{what}: {describe_failure(error)}")


def may_be_sent_again(error: BaseException) -> bool:
    """Whether one of `VENUE_FAILURES` leaves open if the request arrived: a broken connection, a 5xx.

    Not a 4xx: the door read it and said no, or that we ask too often.
    """
    return isinstance(error, OSError | ServerError)


def make_wallet(private_key: str) -> Any:
    """The signer of a private key (hex); it shows its address and never the key."""
    return eth_account.Account.from_key(private_key)


def make_cloid(cloid: str) -> Any:
    """The SDK's type for a client order id."""
    return Cloid.from_str(cloid)


class _NoSdkPayloads(logging.Filter):
    """Drops what the SDK logs on the root logger itself: signed payloads, which anybody could replay."""

    def filter(self, record: logging.LogRecord) -> bool:
        return record.name != "root" or "/hyperliquid/" not in record.pathname.replace("\\", "/")


def quiet_sdk_logging() -> None:
    """Keep the SDK's records out of every log, whatever its level. Safe to call twice."""
    root = logging.getLogger()
    if not any(isinstance(f, _NoSdkPayloads) for f in root.filters):
        root.addFilter(_NoSdkPayloads())
    # its two lines for each lost socket are said better by the watchdog
    logging.getLogger("websocket").setLevel(logging.CRITICAL)


def _is_loopback(base_url: str) -> bool:
    return urlsplit(base_url).hostname in _LOOPBACK_HOSTS


def _make_door(client: Any, path: str) -> JsonSession:
    """In place of the session of an object of the SDK, which posts to `path` and nowhere else."""
    is_direct = _is_loopback(client.base_url)  # a proxy of the environment cannot see our loopback
    return JsonSession(client.base_url + path, client.session.headers, direct=is_direct)


def _bare_info(base_url: str, spot_meta: Any) -> Info:
    info = Info(base_url, skip_ws=True, meta=_NO_PERPS, spot_meta=spot_meta, timeout=HTTP_TIMEOUT_S)
    info.session = _make_door(info, "/info")
    return info


def fetch_spot_meta(base_url: str) -> Any:
    """The venue's spotMeta, by one blocking call and without a socket. Errors: `VENUE_FAILURES`."""
    return _bare_info(base_url, _NO_TOKENS).spot_meta()


def _known_pairs(spot_meta: Mapping[str, Any]) -> Any:
    """Metadata the SDK's constructors accept: without pairs whose token is not listed."""
    listed = {token["index"] for token in spot_meta["tokens"]}
    pairs = [pair for pair in spot_meta["universe"] if listed.issuperset(pair["tokens"])]
    return {"universe": pairs, "tokens": spot_meta["tokens"]}


def make_info(base_url: str, spot_meta: Mapping[str, Any]) -> Info:
    """An `Info` without a call and without a socket; `replace_socket` gives it one."""
    quiet_sdk_logging()
    return _bare_info(base_url, _known_pairs(spot_meta))


@dataclass(frozen=True, slots=True)
class UnsignedAction:
    """What will be signed. `digest` is the hash that the signature is made over (venue: the connection id), in hex."""

    action: Mapping[str, Any]
    nonce: int
    expires_after: int
    digest: str


@dataclass(frozen=True, slots=True)
class SignedAction:
    """One action as it goes over the wire, however often."""

    body: bytes = field(repr=False)  # with the signature: whoever has it may send it


class SigningExchange(Exchange):  # type: ignore[misc]
    """The SDK's `Exchange` with signing and sending apart, so that nonce and deadline come from the one lane."""

    def __init__(self, wallet: Any, base_url: str, **options: Any) -> None:
        super().__init__(wallet, base_url, **options)
        self._signer = ActionSigner(wallet, is_mainnet=self.base_url == MAINNET_API_URL)

    def make_action(
        self, method: str, items: Sequence[Mapping[str, Any]], *, nonce: int, expires_after: int
    ) -> UnsignedAction:
        """What the SDK's method of that name would sign and send for these items."""
        action = self._encode_action(method, items)
        digest = action_hash(action, self.vault_address, nonce, expires_after).hex()
        return UnsignedAction(action, nonce, expires_after, digest)

    def sign_action(self, unsigned: UnsignedAction) -> SignedAction:
        """Sign it; no call is made. Blocks for the time of one signature."""
        payload = {
            "action": unsigned.action,
            "nonce": unsigned.nonce,
            "signature": self._signer.sign(bytes.fromhex(unsigned.digest)),
            "vaultAddress": self.vault_address,
            "expiresAfter": unsigned.expires_after,
        }
        return SignedAction(encode_json(payload).encode())

    def _encode_action(self, method: str, items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        asset = self.info.name_to_asset
        if method == "bulk_orders":
            orders = [order_request_to_order_wire(item, asset(item["coin"])) for item in items]
            action: dict[str, Any] = order_wires_to_order_action(orders, None, "na")
            return action
        if method == "bulk_modify_orders_new":
            modifies = [
                {"oid": item["oid"], "order": order_request_to_order_wire(item["order"], asset(item["order"]["coin"]))}
                for item in items
            ]
            return {"type": "batchModify", "modifies": modifies}
        if method == "bulk_cancel":
            cancels = [{"a": asset(item["coin"]), "o": item["oid"]} for item in items]
            return {"type": "cancel", "cancels": cancels, **FAST}
        if method == "bulk_cancel_by_cloid":
            cancels = [{"asset": asset(item["coin"]), "cloid": item["cloid"].to_raw()} for item in items]
            return {"type": "cancelByCloid", "cancels": cancels, **FAST}
        assert method == "noop", method
        return {"type": "noop"}

    def post_signed(self, signed: SignedAction) -> Any:
        """Send it, for the first time or again. Blocks; errors: `VENUE_FAILURES`."""
        response = self.session.post(f"{self.base_url}/exchange", data=signed.body, timeout=self.timeout)
        self._handle_exception(response)
        try:
            return response.json()
        except ValueError:
            return None  # it came and says nothing


def make_exchange(base_url: str, wallet: Any, spot_meta: Mapping[str, Any], *, account: str) -> SigningExchange:
    """An `Exchange` that signs with `wallet` for `account`, without a call."""
    quiet_sdk_logging()
    exchange = SigningExchange(
        wallet,
        base_url,
        meta=_NO_PERPS,
        spot_meta=_known_pairs(spot_meta),
        account_address=account,
        timeout=HTTP_TIMEOUT_S,
    )
    exchange.session = _make_door(exchange, "/exchange")
    return exchange


class DisposableSocket(WebsocketManager):  # type: ignore[misc]
    """The SDK's manager for one connection: its threads never hold the process, its end is never waited for."""

    def __init__(self, base_url: str) -> None:
        super().__init__(base_url)
        self.daemon = True
        self.ping_sender.daemon = True
        # the library heeds a list of exceptions only beside a proxy of its own, so it gets one that is never used
        never = {"http_proxy_host": "unused", "http_proxy_port": 1, "proxy_type": "http"}
        direct = {**never, "http_no_proxy": list(_LOOPBACK_HOSTS)}
        self._connect_options: dict[str, Any] = direct if _is_loopback(base_url) else {}
        self._settled = threading.Event()  # open, or over
        self._acknowledged: frozenset[str] = frozenset()  # replaced whole: read by another thread
        self.n_frames = 0  # counted by the reading thread alone

    def run(self) -> None:
        """Read until the connection ends; then it is over, there is no reconnecting."""
        self.ping_sender.start()
        try:
            # checking UTF-8 in pure Python is most of the cost of a message, and json.loads checks it again
            self.ws.run_forever(skip_utf8_validation=True, **self._connect_options)
        finally:
            self.stop_event.set()
            self._settled.set()

    def on_open(self, ws: Any) -> None:
        """The connection is open: send what was queued."""
        if self.stop_event.is_set():  # thrown away while it connected: nothing else would ever close it
            _discard(self)
            return
        super().on_open(ws)
        self._settled.set()

    @property
    def acknowledged(self) -> frozenset[str]:
        """Names of the feeds whose subscription the venue has confirmed."""
        return self._acknowledged

    def wait_open(self) -> None:
        """Block until the connection is open. Errors: ConnectionError if it ended first, or takes too long."""
        self._settled.wait(CONNECT_TIMEOUT_S)
        if not self.ws_ready or not self.is_alive():
            raise ConnectionError(f"the socket to {self.ws.url} did not open")

    def ping(self) -> None:
        """Send the venue's ping; its pong counts as a frame."""
        self.ws.send(json.dumps({"method": "ping"}))

    def stop(self) -> None:
        """End it without waiting for anything."""
        _discard(self)

    def on_message(self, _ws: Any, message: str | bytes) -> None:
        """Dispatch a frame to its callbacks; what cannot be read is dropped and told in one line.

        Error frames are logged: the SDK drops them in silence, and a refused feed would look like a quiet one.
        """
        self.n_frames += 1
        text = message.decode("utf-8", "replace") if isinstance(message, bytes) else message
        if text == _GREETING:
            return
        try:
            frame = json.loads(text)
            if frame["channel"] == "subscriptionResponse":
                self._acknowledged |= {frame["data"]["subscription"]["type"]}
                return
            identifier = ws_msg_to_identifier(frame)
            if frame["channel"] == "error":
                _log_refusal(str(frame.get("data")))
        except (ValueError, KeyError, TypeError, AttributeError):
            _log.warning("socket: unreadable frame of %d characters dropped", len(text))
            return
        for subscription in self.active_subscriptions.get(identifier, ()):
            subscription.callback(frame)


def _log_refusal(text: str) -> None:
    if RETIRED_FEED in text:
        _log.info("%s is not served here; balances are read over REST", RETIRED_FEED)
    else:
        _log.warning("feed refused: %s", text[:200])


def _discard(manager: Any) -> None:
    """Let go of a socket manager, ours or the SDK's: its threads end by themselves, nobody waits."""
    manager.stop_event.set()
    manager.ws.keep_running = False
    if (sock := manager.ws.sock) is not None:
        sock.abort()


def replace_socket(info: Any) -> None:
    """Give `info` a fresh, connected socket in place of the old one. Blocks; errors: ConnectionError.

    A stand-in without an address has no socket: there is nothing to replace.
    """
    if not isinstance(getattr(info, "base_url", None), str):
        return
    if info.ws_manager is not None:
        _discard(info.ws_manager)
    fresh = DisposableSocket(info.base_url)
    info.ws_manager = fresh
    fresh.start()
    fresh.wait_open()


def discard_socket(info: Any) -> None:
    """Let go of the socket of `info`, if it has one of the SDK's kind."""
    if isinstance(getattr(info, "ws_manager", None), WebsocketManager):
        with contextlib.suppress(OSError):  # whatever state the socket is in, our leaving goes on
            _discard(info.ws_manager)

"""Sockets of the SDK that can be thrown away.

The SDK's manager has threads that keep the process alive, and a connection that ended stays ended. Here each
connection has a manager of its own, which is replaced by a fresh one.
"""

from __future__ import annotations

import contextlib
import json
import logging
import socket
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import websocket
from hyperliquid.websocket_manager import WebsocketManager, subscription_to_identifier, ws_msg_to_identifier

from mm_trio.venue.bounded_response import MOST_BYTES, parse_json
from mm_trio.venue.http_session import LOOPBACK_HOSTS, is_loopback
from mm_trio.venue.wire import FEEDS, HEARTBEAT_FEED, RETIRED_FEED

__all__ = ["PING", "DisposableSocket", "FeedFrames", "discard_socket", "identify", "replace_socket"]

_log = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 10.0
# The venue sends each message whole.
MOST_FRAGMENTS = 1000
_KNOWN_FEEDS = frozenset((*FEEDS, HEARTBEAT_FEED))
_GREETING = "Websocket connection established."
# The venue tells the prices of all its coins several times a second. Nobody here reads them: that they come is the sign
# of life, so the hundreds of numbers are not parsed.
_HEARTBEAT_BEGINS = f'{{"channel":"{HEARTBEAT_FEED}",'
_HEARTBEAT: dict[str, object] = {"channel": HEARTBEAT_FEED, "data": {"mids": {}}}
PING = json.dumps({"method": "ping"})


def identify(subscription: Mapping[str, str]) -> str:
    """Return the name by which the frames of a subscription are told apart."""
    identifier: str = subscription_to_identifier(subscription)
    return identifier


class FeedFrames:
    """Frames of one connection, counted and given to the callbacks of their feed.

    `find_callbacks` returns those of an identifier. Frames come from one thread alone.
    """

    def __init__(self, find_callbacks: Callable[[str | None], Iterable[Callable[[Any], None]]]) -> None:
        self._find_callbacks = find_callbacks
        # Replaced as a whole, because another thread reads it.
        self.acknowledged: frozenset[str] = frozenset()
        self.n_frames = 0

    def take(self, message: str | bytes) -> None:
        """Dispatch a frame to its callbacks; those of the heartbeat get one without prices.

        A frame that cannot be read is dropped and logged. Error frames are logged, because the SDK drops them in
        silence and a refused feed would look like a quiet one.
        """
        self.n_frames += 1
        text = message.decode("utf-8", "replace") if isinstance(message, bytes) else message
        if text == _GREETING:
            return
        if text.startswith(_HEARTBEAT_BEGINS):
            self._call_back(HEARTBEAT_FEED, _HEARTBEAT)
            return
        try:
            frame = parse_json(text)
            if frame["channel"] == "subscriptionResponse":
                self.acknowledged |= _KNOWN_FEEDS & {frame["data"]["subscription"]["type"]}
                return
            identifier = ws_msg_to_identifier(frame)
            if frame["channel"] == "error":
                _log_refusal(str(frame.get("data")))
        except (ValueError, KeyError, TypeError, AttributeError):
            _log.warning("socket: unreadable frame of %d characters dropped", len(text))
            return
        self._call_back(identifier, frame)

    def _call_back(self, identifier: str | None, frame: object) -> None:
        for callback in self._find_callbacks(identifier):
            callback(frame)


class _BoundedFrames(websocket.frame_buffer):
    """The library's reader of frames, which ends the connection at a frame above `MOST_BYTES`."""

    def recv_length(self) -> None:
        super().recv_length()
        if (self.length or 0) > MOST_BYTES:
            # Saying goodbye, the library would read on.
            self.recv = _refuse_more
            raise websocket.WebSocketPayloadException(f"a frame of {self.length} bytes; at most {MOST_BYTES} are read")


def _refuse_more(_n_bytes: int) -> bytes:
    raise websocket.WebSocketConnectionClosedException("nothing more is read")


class _BoundedFragments(websocket.continuous_frame):
    """The library's collector of fragments, which ends the connection at a message without an end."""

    _n_fragments = 0

    def add(self, frame: Any) -> None:
        self._n_fragments += 1
        super().add(frame)
        if self._n_fragments > MOST_FRAGMENTS or len((self.cont_data or ["", b""])[1]) > MOST_BYTES:
            raise websocket.WebSocketPayloadException(f"a message of {self._n_fragments} fragments is too long")
        if frame.fin:
            self._n_fragments = 0


class DisposableSocket(WebsocketManager):  # type: ignore[misc]
    """The SDK's manager for one connection.

    Its threads never hold the process, and its end is never waited for.
    """

    def __init__(self, base_url: str) -> None:
        super().__init__(base_url)
        self.daemon = True
        self.ping_sender.daemon = True
        # Called when the library has made its socket and before it connects, which it does without a time-out.
        self.ws.header = self._bound_steps
        # The library lets go of it before it has said goodbye, which can drip.
        self.library_socket: Any = None
        # The library heeds a list of exceptions only beside a proxy of its own, so it gets one that is never used.
        never = {"http_proxy_host": "unused", "http_proxy_port": 1, "proxy_type": "http"}
        direct = {**never, "http_no_proxy": list(LOOPBACK_HOSTS)}
        self._connect_options: dict[str, Any] = direct if is_loopback(base_url) else {}
        # Set once the connection is open or over.
        self._settled = threading.Event()
        self._frames = FeedFrames(self._find_callbacks)

    def run(self) -> None:
        """Read until the connection ends. It never reconnects."""
        self.ping_sender.start()
        try:
            # Checking UTF-8 in pure Python is most of the cost of a message, and json.loads checks it again.
            self.ws.run_forever(skip_utf8_validation=True, **self._connect_options)
        finally:
            self.stop_event.set()
            self._settled.set()

    def _bound_steps(self) -> list[str]:
        """Bound each step of connecting; return no further headers."""
        self.library_socket = self.ws.sock
        self.library_socket.settimeout(CONNECT_TIMEOUT_S)
        return []

    def send_ping(self) -> None:
        """Cut a connection that does not open in time, then send pings.

        A server whose greeting drips never runs into the time-out of one step.
        """
        while not self._settled.wait(CONNECT_TIMEOUT_S):
            _discard(self)
        super().send_ping()

    def on_open(self, ws: Any) -> None:
        """Send the queued subscriptions on the open connection."""
        _bound_messages(self.library_socket)
        # A socket that was thrown away while it connected is closed here, because nothing else would close it.
        if self.stop_event.is_set():
            _discard(self)
            return
        super().on_open(ws)
        self._settled.set()

    @property
    def acknowledged(self) -> frozenset[str]:
        """Names of the feeds whose subscription the venue has confirmed."""
        return self._frames.acknowledged

    @property
    def n_frames(self) -> int:
        """Number of frames, pongs included."""
        return self._frames.n_frames

    def wait_open(self) -> None:
        """Block until the connection is open.

        Errors: ConnectionError if it ended first or takes longer than 10 s.
        """
        self._settled.wait(CONNECT_TIMEOUT_S)
        if not self.ws_ready or not self.is_alive():
            raise ConnectionError(f"the socket to {self.ws.url} did not open")

    def ping(self) -> None:
        """Send the venue's ping. Its pong counts as a frame."""
        self.ws.send(PING)

    def stop(self) -> None:
        """End the connection without waiting for anything."""
        _discard(self)

    def on_message(self, _ws: Any, message: str | bytes) -> None:
        """Dispatch a frame to its callbacks."""
        self._frames.take(message)

    def _find_callbacks(self, identifier: str | None) -> list[Callable[[Any], None]]:
        return [subscription.callback for subscription in self.active_subscriptions.get(identifier, ())]


def _log_refusal(text: str) -> None:
    if RETIRED_FEED in text:
        _log.info("feed refused: %s is not served by this venue; balances are read over REST", RETIRED_FEED)
    else:
        _log.warning("feed refused: %s", text[:200])


def _bound_messages(sock: Any) -> None:
    """Bound the messages of an open connection, and wait for them without end.

    Silence, and a message that drips, are the watchdog's to notice: it discards the connection.
    """
    sock.settimeout(None)
    sock.frame_buffer = _BoundedFrames(sock.frame_buffer.recv, skip_utf8_validation=True)
    sock.cont_frame = _BoundedFragments(fire_cont_frame=False, skip_utf8_validation=True)


def _discard(manager: Any) -> None:
    """Let go of a socket manager, ours or the SDK's.

    Its threads end by themselves, and nothing waits for them.
    """
    manager.stop_event.set()
    manager.ws.keep_running = False
    # Also one that is not open yet: the library's own way to wake its reader works on an open one alone.
    library_socket = getattr(manager, "library_socket", None) or manager.ws.sock
    raw = getattr(library_socket, "sock", None)
    if raw is not None:
        with contextlib.suppress(OSError):
            raw.shutdown(socket.SHUT_RDWR)


def replace_socket(info: Any) -> None:
    """Give `info` a fresh, connected socket in place of the old one.

    Blocks. A stand-in without an address has no socket, so there is nothing to replace. Errors: ConnectionError.
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
        # Our shutdown goes on, whatever state the socket is in.
        with contextlib.suppress(OSError):
            _discard(info.ws_manager)

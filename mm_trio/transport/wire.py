"""Open byte streams to the venue: TCP, a proxy's tunnel, TLS.

Nothing here has a deadline of its own: whoever opens a wire sets one around it.
"""

from __future__ import annotations

import base64
import os
import select
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import SplitResult, unquote, urlsplit

import h11
import requests
import trio

from mm_trio.model.errors import ConfigError
from mm_trio.venue.http_session import is_loopback

__all__ = ["BUNDLE_VARIABLES", "MOST_READ", "WIRE_FAILURES", "OpensWire", "Route", "Wire", "find_route", "open_wire"]

# What opening, reading or writing a wire may raise. All of it says that the connection is over.
WIRE_FAILURES = (OSError, trio.BrokenResourceError, trio.ClosedResourceError)
# Bytes of one read. A slow loop leaves the rest with the kernel, which slows the venue down.
MOST_READ = 64 * 1024
MOST_PROXY_HEADER_BYTES = 64 * 1024
# The variables that `requests` heeds, the first one first.
BUNDLE_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


@dataclass(frozen=True, slots=True)
class Route:
    """Way to the venue: its host, and a proxy where the environment names one.

    `tls` None: the connection is plain, which only one on this machine may be.
    """

    host: str
    port: int
    tls: ssl.SSLContext | None = None
    proxy: SplitResult | None = None

    @property
    def authority(self) -> str:
        """The host as HTTP names it, with the port where it is not the usual one."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (80 if self.tls is None else 443) else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Wire:
    """Open byte stream.

    `close` ends it at once, from any task of the loop, and wakes whoever reads or writes it. `has_news` checks without
    waiting whether something can be read, be it the end.
    """

    stream: trio.abc.Stream
    close: Callable[[], None]
    has_news: Callable[[], bool]


class OpensWire(Protocol):
    """Opens a wire. Errors: `WIRE_FAILURES`."""

    async def __call__(self, route: Route, /) -> Wire:
        """Open a wire on this route."""


def find_route(base_url: str, *, tls: ssl.SSLContext | None = None) -> Route:
    """Find the way to the venue in the address and the environment.

    `tls` replaces the default context, which checks certificates. Errors: ConfigError for a proxy of another kind than
    HTTP, and for certificates that cannot be read.
    """
    place = urlsplit(base_url)
    host, is_secure = str(place.hostname), place.scheme == "https"
    context = (tls or _make_context(os.environ)) if is_secure else None
    # A proxy of the environment cannot see our loopback.
    proxy = None if is_loopback(base_url) else _find_proxy(base_url)
    return Route(host, place.port or (443 if is_secure else 80), context, proxy)


def _find_proxy(base_url: str) -> SplitResult | None:
    """Find the proxy that the SDK's HTTP library would use. Errors: ConfigError."""
    found = requests.utils.select_proxy(base_url, requests.utils.get_environ_proxies(base_url))
    if not found:
        return None
    try:
        proxy = urlsplit(found if "://" in found else f"http://{found}")
        if proxy.scheme == "http" and proxy.hostname and (proxy.port or 1) > 0:
            return proxy
    except ValueError:
        pass
    # Not shown, because a proxy's address may hold a password.
    raise ConfigError(
        "the proxy that the environment names for the venue is not a valid proxy for [tuning] transport "
        '"trio", which needs http://HOST:PORT in HTTPS_PROXY; set that, name the venue in NO_PROXY, or set '
        'transport = "sdk"'
    )


def _make_context(environ: Mapping[str, str]) -> ssl.SSLContext:
    """Make a context that checks certificates by the same lists as the SDK's two libraries.

    Errors: ConfigError.
    """
    named = next((name for name in BUNDLE_VARIABLES if environ.get(name)), None)
    try:
        if named is None:
            context = ssl.create_default_context()
            # A container may have no list of its own.
            context.load_verify_locations(requests.utils.DEFAULT_CA_BUNDLE_PATH)
            return context
        path = environ[named]
        if os.path.isdir(path):
            return ssl.create_default_context(capath=path)
        return ssl.create_default_context(cafile=path)
    except (OSError, ValueError) as error:
        where = named or "the list of this installation"
        raise ConfigError(f"the certificates of {where} cannot be read: {error}; correct or unset it") from error


async def open_wire(route: Route) -> Wire:
    """Connect, through the proxy if there is one, and begin TLS where the route has it.

    Errors: `WIRE_FAILURES`.
    """
    proxy = route.proxy
    near = (route.host, route.port) if proxy is None else (str(proxy.hostname), proxy.port or 80)
    tcp = await trio.open_tcp_stream(*near)
    sock = tcp.socket
    try:
        if proxy is not None:
            await _ask_for_tunnel(tcp, route, proxy)
        stream: trio.abc.Stream = tcp
        if route.tls is not None:
            stream = await _begin_tls(tcp, route.tls, route.host)
    except BaseException:
        sock.close()
        raise
    poller = select.poll()
    poller.register(sock.fileno(), select.POLLIN)
    return Wire(stream, sock.close, lambda: bool(poller.poll(0)))


async def _begin_tls(tcp: trio.SocketStream, tls: ssl.SSLContext, host: str) -> trio.abc.Stream:
    stream = trio.SSLStream(tcp, tls, server_hostname=host, https_compatible=True)
    try:
        await stream.do_handshake()
    except trio.BrokenResourceError as error:
        # The library's own words, such as those of a certificate that is not trusted.
        raise ConnectionError(f"TLS with {host}: {error.__cause__ or 'the connection broke'}") from error
    return stream


async def _ask_for_tunnel(tcp: trio.SocketStream, route: Route, proxy: SplitResult) -> None:
    """Ask a proxy for a tunnel to the venue. Errors: ConnectionError."""
    host = f"[{route.host}]" if ":" in route.host else route.host
    target = f"{host}:{route.port}"
    headers = [("Host", target)]
    if proxy.username is not None:
        pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
        headers.append(("Proxy-Authorization", f"Basic {base64.b64encode(pair.encode()).decode()}"))
    http = h11.Connection(h11.CLIENT, max_incomplete_event_size=MOST_PROXY_HEADER_BYTES)
    request = http.send(h11.Request(method="CONNECT", target=target, headers=headers)) or b""
    await tcp.send_all(request + (http.send(h11.EndOfMessage()) or b""))
    try:
        while not isinstance(event := http.next_event(), h11.Response):
            if event is h11.NEED_DATA:
                http.receive_data(await tcp.receive_some(MOST_READ))
            elif isinstance(event, h11.ConnectionClosed):
                raise ConnectionError("the proxy closed the connection")
    except h11.RemoteProtocolError as error:
        raise ConnectionError(f"the proxy's answer cannot be read: {error}") from error
    if not 200 <= event.status_code < 300:
        raise ConnectionError(f"the proxy refused a tunnel to {target}: HTTP {event.status_code}")
    # Before its client speaks, a venue is silent.
    if http.trailing_data[0]:
        raise ConnectionError("the proxy sent something before the tunnel was used")

"""The way to the venue: TLS that checks certificates, proxies of the environment, and plain TCP on this machine."""

from __future__ import annotations

import base64
from dataclasses import replace
from urllib.parse import urlsplit

import pytest
import trio
from tls_kit import Certificate, Serve, join, listening, make_certificate

from mm_trio.model.errors import ConfigError
from mm_trio.transport.wire import WIRE_FAILURES, Route, Wire, find_route, open_wire

VENUE = "https://api.hyperliquid-testnet.xyz"
# That of the environment must not decide what these tests see.
VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("tls"))


# --- what the environment says --------------------------------------------------------------------


def test_a_venue_on_the_internet_is_reached_by_tls_that_checks_its_certificate() -> None:
    route = find_route(VENUE)

    assert (route.host, route.port, route.proxy) == ("api.hyperliquid-testnet.xyz", 443, None)
    assert route.tls is not None
    assert route.tls.check_hostname
    assert route.tls.get_ca_certs()


@pytest.mark.parametrize(
    ("url", "authority"),
    [
        (VENUE, "api.hyperliquid-testnet.xyz"),
        ("http://127.0.0.1:3001", "127.0.0.1:3001"),
        ("http://127.0.0.1", "127.0.0.1"),
        ("http://[::1]:3001", "[::1]:3001"),
    ],
)
def test_the_host_is_named_as_http_wants_it(url: str, authority: str) -> None:
    assert find_route(url).authority == authority


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
@pytest.mark.parametrize("value", ["http://proxy.test:8080", "proxy.test:8080"])
def test_a_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.setenv(variable, value)

    proxy = find_route(VENUE).proxy

    assert proxy is not None
    assert (proxy.hostname, proxy.port) == ("proxy.test", 8080)


def test_a_venue_that_is_named_as_an_exception_has_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.test:8080")
    monkeypatch.setenv("NO_PROXY", "hyperliquid-testnet.xyz")

    assert find_route(VENUE).proxy is None


def test_no_proxy_comes_between_us_and_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "socks5://proxy.test:8080")

    assert find_route("http://127.0.0.1:3001") == Route("127.0.0.1", 3001)


@pytest.mark.parametrize(
    "value", ["socks5://me:secret@proxy.test:1080", "https://me:secret@proxy.test", "http://me:secret@proxy.test:x"]
)
def test_a_proxy_of_another_kind_is_refused_and_its_password_is_not_shown(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", value)

    with pytest.raises(ConfigError, match=r'HTTPS_PROXY.* transport = "sdk"') as caught:
        find_route(VENUE)
    assert "secret" not in str(caught.value)


def test_certificates_that_cannot_be_read_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")

    with pytest.raises(ConfigError, match="certificates of REQUESTS_CA_BUNDLE cannot be read"):
        find_route(VENUE)


# --- on loopback ----------------------------------------------------------------------------------


async def keep(_stream: trio.abc.Stream) -> None:
    await trio.sleep_forever()


def echo_by_tls(certificate: Certificate) -> Serve:
    async def serve(stream: trio.abc.Stream) -> None:
        tls = trio.SSLStream(stream, certificate.make_server_context(), server_side=True, https_compatible=True)
        while data := await tls.receive_some():
            await tls.send_all(data)

    return serve


async def echo(wire: Wire) -> bytes:
    await wire.stream.send_all(b"hello")
    return bytes(await wire.stream.receive_some())


async def test_a_certificate_that_is_trusted_opens_the_way(
    monkeypatch: pytest.MonkeyPatch, certificate: Certificate
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate.certificate))
    async with listening(echo_by_tls(certificate)) as port:
        wire = await open_wire(find_route(f"https://localhost:{port}"))

        assert await echo(wire) == b"hello"
        wire.close()


async def test_a_certificate_that_nobody_vouches_for_is_refused(certificate: Certificate) -> None:
    async with listening(echo_by_tls(certificate)) as port:
        with pytest.raises(ConnectionError, match=r"TLS with localhost: .*CERTIFICATE_VERIFY_FAILED"):
            await open_wire(find_route(f"https://localhost:{port}"))


async def test_a_certificate_of_another_host_is_refused(certificate: Certificate) -> None:
    route = find_route("https://elsewhere.test", tls=certificate.make_client_context())
    async with listening(echo_by_tls(certificate)) as port:

        async def connect(stream: trio.abc.Stream) -> None:
            await answer_connect(stream, port)

        async with listening(connect) as proxy_port:
            with pytest.raises(ConnectionError, match="Hostname mismatch"):
                await open_wire(replace(route, proxy=urlsplit(f"http://127.0.0.1:{proxy_port}")))


async def test_a_venue_without_tls_is_no_venue(certificate: Certificate) -> None:
    async def serve(stream: trio.abc.Stream) -> None:
        await stream.receive_some()
        await stream.send_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with listening(serve) as port:
        with pytest.raises(ConnectionError, match="TLS with localhost"):
            await open_wire(find_route(f"https://localhost:{port}", tls=certificate.make_client_context()))


async def test_a_venue_that_does_not_listen_is_an_error_of_the_system() -> None:
    async with listening(keep) as port:
        pass

    with pytest.raises(OSError, match="connect"):
        await open_wire(find_route(f"http://127.0.0.1:{port}"))


# --- through a proxy ------------------------------------------------------------------------------


async def read_head(stream: trio.abc.Stream) -> bytes:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += await stream.receive_some(1)
    return head


async def answer_connect(stream: trio.abc.Stream, port: int) -> None:
    """Be a proxy whose tunnels all end at `port`."""
    await read_head(stream)
    await join(stream, port, greeting=b"HTTP/1.1 200 Connection established\r\n\r\n")


async def test_a_tunnel_leads_to_the_venue_and_tls_runs_through_it(
    monkeypatch: pytest.MonkeyPatch, certificate: Certificate
) -> None:
    async with (
        listening(echo_by_tls(certificate)) as port,
        listening(lambda stream: answer_connect(stream, port)) as proxy_port,
    ):
        proxy = urlsplit(f"http://127.0.0.1:{proxy_port}")
        wire = await open_wire(Route("localhost", port, certificate.make_client_context(), proxy))

        assert await echo(wire) == b"hello"
        wire.close()


async def test_a_proxy_is_asked_by_name_and_with_the_password_of_its_address() -> None:
    asked: list[bytes] = []

    async def refuse(stream: trio.abc.Stream) -> None:
        asked.append(await read_head(stream))
        await stream.send_all(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")

    async with listening(refuse) as port:
        route = replace(find_route(VENUE), proxy=urlsplit(f"http://me:p%40ss@127.0.0.1:{port}"))
        with pytest.raises(ConnectionError, match=r"refused a tunnel to api\.hyperliquid-testnet\.xyz:443: HTTP 407"):
            await open_wire(route)

    assert asked[0].split(b"\r\n") == [
        b"CONNECT api.hyperliquid-testnet.xyz:443 HTTP/1.1",
        b"Host: api.hyperliquid-testnet.xyz:443",
        b"Proxy-Authorization: Basic " + base64.b64encode(b"me:p@ss"),
        *(b"", b""),
    ]


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"SSH-2.0\r\n\r\n", id="garbage"),
        pytest.param(b"HTTP/1.1 200 " + b"x" * 100_000, id="long"),
        pytest.param(b"HTTP/1.1 200 OK\r\n\r\nhello", id="early"),
    ],
)
async def test_a_proxy_that_answers_nonsense_is_an_error_of_the_connection(answer: bytes) -> None:
    async def serve(stream: trio.abc.Stream) -> None:
        await read_head(stream)
        await stream.send_all(answer)

    async with listening(serve) as port:
        with pytest.raises(ConnectionError, match="proxy"):
            await open_wire(replace(find_route(VENUE), proxy=urlsplit(f"http://127.0.0.1:{port}")))


# --- an open wire ---------------------------------------------------------------------------------


async def test_closing_wakes_who_reads_and_needs_no_wait() -> None:
    async with listening(keep) as port:
        wire = await open_wire(find_route(f"http://127.0.0.1:{port}"))
        async with trio.open_nursery() as nursery:

            async def fail() -> None:
                with pytest.raises(WIRE_FAILURES):
                    await wire.stream.receive_some()

            nursery.start_soon(fail)
            await trio.testing.wait_all_tasks_blocked()
            wire.close()


async def test_an_end_of_the_other_side_is_seen_without_reading() -> None:
    may_end = trio.Event()

    async with listening(lambda stream: may_end.wait()) as port:
        wire = await open_wire(find_route(f"http://127.0.0.1:{port}"))
        assert not wire.has_news()
        may_end.set()
        while not wire.has_news():  # noqa: ASYNC110 - the end is on its way through the kernel
            await trio.sleep(0.001)
        wire.close()

"""The page's server on real sockets: who is let in, and that no client holds up the loop or its end."""

from __future__ import annotations

import logging
import socket
from contextlib import suppress

import pytest
import trio

pytest.importorskip("starlette", reason="the extra `page` is not installed")
pytest.importorskip("hypercorn", reason="the extra `page` is not installed")

from crowd_kit import crowd, watching_lateness
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from web_kit import Answer, Server, answer_hello, open_server, read_answer

from mm_trio.model.errors import ConfigError
from mm_trio.web import connections, http1, pace
from mm_trio.web.app import HEADERS, WebRoute
from mm_trio.web.server import bind_page

pytestmark = pytest.mark.e2e

ENOUGH_S = 30.0


async def fail(_request: Request) -> Response:
    raise RuntimeError("broken")


class Endless(Response):
    """Answer that never ends."""

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while True:
            await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})
            await trio.lowlevel.checkpoint()


async def stream_for_ever(_request: Request) -> Response:
    return Endless()


ROUTES = (
    WebRoute(path="/", answer=answer_hello),
    WebRoute(path="/healthz", answer=answer_hello, is_open=True),
    WebRoute(path="/fails", answer=fail, is_open=True),
    WebRoute(path="/endless", answer=stream_for_ever, is_open=True),
)


# --- Who is let in ------------------------------------------------------------------------------


async def test_a_link_opens_the_page_once() -> None:
    async with open_server(ROUTES) as server:
        link = f"/enter?token={server.access.token}"
        before = await server.ask("/")
        await server.enter()
        after, again = await server.ask("/"), await server.ask(link)

    assert (before.status, after.status, again.status) == (401, 200, 401)
    assert "page-link" in before.text
    assert "was used" in again.text


async def test_a_cookie_is_kept_from_scripts_and_other_sites() -> None:
    async with open_server(ROUTES) as server:
        answer = await server.ask(f"/enter?token={server.access.token}")

    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(answer.headers["set-cookie"].split("; "))
    assert server.access.token not in answer.headers["set-cookie"]


async def test_a_new_link_lets_another_browser_in() -> None:
    async with open_server(ROUTES) as server:
        await server.enter()
        first = dict(server.headers)
        await server.enter()
        second = await server.ask("/")
        server.headers = first

        assert (second.status, (await server.ask("/")).status) == (200, 200)


@pytest.mark.parametrize("query", ["", "?token=", "?token=wrong", "?token=%F0%9F%98%80", "?other=1"])
async def test_a_wrong_token_is_refused(query: str) -> None:
    async with open_server(ROUTES) as server:
        answer = await server.ask(f"/enter{query}")

    assert (answer.status, "set-cookie" in answer.headers) == (401, False)


@pytest.mark.parametrize("headers", [{"sec_purpose": "prefetch"}, {"sec_purpose": "prefetch;prerender"}])
async def test_a_browser_that_loads_ahead_does_not_use_a_link_up(headers: dict[str, str]) -> None:
    async with open_server(ROUTES) as server:
        token = server.access.token
        answers = [
            await server.ask(f"/enter?token={token}", **headers),
            await server.ask(f"/enter?token={token}", method="HEAD"),
        ]

        assert [answer.status for answer in answers] == [405, 405]
        assert server.access.token == token


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},
        {"host": "127.0.0.1"},
        {"host": "127.0.0.1:1"},
        {"host": "127.0.0.1.evil.example:{port}"},
        {"host": ""},
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "https://127.0.0.1:{port}"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
    ],
)
@pytest.mark.parametrize("path", ["/", "/healthz", "/nothing"])
async def test_another_site_is_refused(headers: dict[str, str], path: str) -> None:
    async with open_server(ROUTES) as server:
        await server.enter()
        answer = await server.ask(path, **{name: value.format(port=server.port) for name, value in headers.items()})

    assert answer.status in (400, 403)
    assert "hello" not in answer.text


@pytest.mark.parametrize("headers", [{}, {"origin": "http://localhost:{port}"}, {"sec_fetch_site": "none"}])
@pytest.mark.parametrize("host", ["127.0.0.1:{port}", "localhost:{port}", "LocalHost:{port}", "[::1]:{port}"])
async def test_our_own_page_is_answered(host: str, headers: dict[str, str]) -> None:
    async with open_server(ROUTES) as server:
        given = {name: value.format(port=server.port) for name, value in {"host": host, **headers}.items()}

        assert (await server.ask("/healthz", **given)).text == "hello"


async def test_a_name_is_answered_where_it_was_given() -> None:
    async with open_server(ROUTES, names=("maker", "proxy.example:443")) as server:
        told = [await server.ask("/healthz", host=host) for host in (f"maker:{server.port}", "proxy.example:443")]
        by_proxy = await server.ask("/healthz", host="proxy.example:443", origin="https://proxy.example:443")
        wrong = await server.ask("/healthz", host=f"proxy.example:{server.port}")

    assert [answer.status for answer in (*told, by_proxy, wrong)] == [200, 200, 200, 403]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
async def test_nothing_can_be_changed(method: str) -> None:
    async with open_server(ROUTES) as server:
        await server.enter()
        answers = [await server.ask(path, method=method) for path in ("/", "/healthz", "/enter")]

    assert [(answer.status, answer.headers["allow"]) for answer in answers] == [(405, "GET, HEAD")] * 3


async def test_every_answer_has_its_headers() -> None:
    async with open_server(ROUTES) as server:
        paths = ("/", "/healthz", "/fails", "/nothing", f"/enter?token={server.access.token}")
        answers = [await server.ask(path) for path in paths] + [await server.ask("/", host="evil.example")]

    assert [answer.status for answer in answers] == [401, 200, 500, 401, 200, 403]
    for answer in answers:
        assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS
        assert "server" not in answer.headers


@pytest.mark.parametrize("path", ["/../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "//etc/passwd", "/healthz/../secret"])
async def test_a_path_leads_nowhere_else(path: str) -> None:
    async with open_server(ROUTES) as server:
        without = await server.ask(path)
        await server.enter()

        assert (without.status, (await server.ask(path)).status) == (401, 404)


async def test_no_other_protocol_is_spoken() -> None:
    async with open_server(ROUTES) as server:
        h2c = await server.ask(
            "/healthz", connection="Upgrade, HTTP2-Settings, close", upgrade="h2c", http2_settings="AAMAAABkAAQAAP__"
        )
        websocket = await server.ask(
            "/healthz",
            connection="Upgrade",
            upgrade="websocket",
            sec_websocket_version="13",
            sec_websocket_key="dGhlIHNhbXBsZSBub25jZQ==",
        )
        async with await server.connect() as stream:
            await stream.send_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            prior = read_answer(b"".join([bytes(chunk) async for chunk in stream]))

        assert (h2c.text, websocket.status, prior.status) == ("hello", 403, 403)


# --- Who goes wrong -----------------------------------------------------------------------------


async def test_a_handler_that_raises_is_one_line_and_a_500(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        async with open_server(ROUTES) as server:
            answers = [await server.ask("/fails"), await server.ask("/healthz")]

    assert [answer.status for answer in answers] == [500, 200]
    assert caplog.messages == ["page request failed: path='/fails' error=RuntimeError('broken'); the maker goes on"]


async def test_no_log_has_a_token(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        async with open_server(ROUTES) as server:
            token = server.access.token
            await server.enter()
            await server.ask(f"/fails?token={token}")

    assert token not in caplog.text


@pytest.mark.parametrize("data", [b"\x00" * 100_000, b"GET", b"GET / HTTP/9\r\n\r\n", b"GET /" + b"a" * 100_000])
async def test_a_client_that_talks_nonsense_ends_alone(data: bytes) -> None:
    async with open_server(ROUTES) as server:
        async with await server.connect() as stream:
            await stream.send_all(data)

        assert (await server.ask("/healthz")).text == "hello"


async def test_a_client_that_never_reads_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "SEND_WITHIN_S", 0.2)
    async with open_server(ROUTES) as server:
        async with await server.connect() as stream:
            await stream.send_all(f"GET /endless HTTP/1.1\r\nhost: 127.0.0.1:{server.port}\r\n\r\n".encode())
            await trio.sleep(0.5)
            # It reads again once the server has given up: what was on its way, and then the end.
            with trio.fail_after(ENOUGH_S), suppress(trio.BrokenResourceError):
                while await stream.receive_some(1_000_000):
                    pass

        assert (await server.ask("/healthz")).text == "hello"


async def test_a_client_that_says_nothing_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http1, "IDLE_S", 0.1)
    async with open_server(ROUTES) as server, await server.connect() as silent, await server.connect() as slow:
        await slow.send_all(b"GET / HTTP/1.1\r\nhost:")
        with trio.fail_after(ENOUGH_S):
            assert (await silent.receive_some(1), await slow.receive_some(1)) == (b"", b"")


async def start_endless(server: Server) -> trio.SocketStream:
    stream = await server.connect()
    await stream.send_all(f"GET /endless HTTP/1.1\r\nhost: 127.0.0.1:{server.port}\r\n\r\n".encode())
    assert await stream.receive_some(1) == b"H"
    return stream


async def test_it_ends_at_once_while_clients_do_not_read() -> None:
    async with open_server(ROUTES) as server:
        streams = [await start_endless(server) for _ in range(10)]
        await trio.sleep(0.2)
        began_s = trio.current_time()
        server.scope.cancel()

    assert trio.current_time() - began_s < connections.SEND_WITHIN_S / 2
    for stream in streams:
        await stream.aclose()


async def ask_until_free(server: Server) -> Answer:
    """Ask until the server noticed that a client has left."""
    while True:
        answer = await server.ask("/healthz")
        if answer.status != 503:
            return answer
        await trio.sleep(0.01)


async def test_too_many_clients_are_told_so(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(connections, "MOST_CONNECTIONS", 5)
    monkeypatch.setattr(connections.Connections.__init__, "__defaults__", (5,))
    with caplog.at_level(logging.INFO):
        async with open_server(ROUTES) as server:
            held = [await start_endless(server) for _ in range(5)]
            refused = [await server.ask("/healthz") for _ in range(3)]
            await held.pop().aclose()
            with trio.fail_after(ENOUGH_S):
                answer = await ask_until_free(server)
            for stream in held:
                await stream.aclose()

    assert {(each.status, each.headers["retry-after"]) for each in refused} == {(503, "5")}
    assert answer.text == "hello"
    assert [line.partition(":")[0] for line in caplog.messages] == ["page is full"]


async def test_a_thousand_clients_do_not_hold_up_the_loop() -> None:
    """A task beats beside the server, as a tick would; every client is answered or let go."""
    async with open_server(ROUTES) as server, watching_lateness() as late_s:
        request = f"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1:{server.port}\r\nconnection: close\r\n\r\n"
        async with crowd(server.port, 1000, request) as statuses:
            last = await ask_until_free(server)

    assert (statuses.total(), last.text) == (1000, "hello")
    assert statuses[200] >= pace.BURST
    # A tick comes each three seconds, and the machine may be busy with others.
    assert max(late_s) < 0.5, sorted(late_s)[-5:]


# --- Where it listens ---------------------------------------------------------------------------


def test_a_port_in_use_is_named_with_its_remedy() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(ConfigError, match=rf"127\.0\.0\.1 port {other.getsockname()[1]} .*use another port"):
            bind_page("127.0.0.1", other.getsockname()[1])


def test_an_address_of_another_machine_is_named() -> None:
    with pytest.raises(ConfigError, match="does not have that address"):
        bind_page("192.0.2.1", 0)

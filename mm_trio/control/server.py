"""Server of a maker's control socket: one task a connection, and a bound on everything.

Nothing that a client does, or does not do, reaches the maker: a handler that fails is told and answered, one that hangs
is cut off, a client that does not read is dropped.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Never, TypeAlias

import trio

from mm_trio.control.http_link import Answer, BadRequest, HttpLink, LinkTerms, Request, encode_refusal, make_refusal
from mm_trio.control.socket_file import OpenSocket

__all__ = ["ControlServer", "Handler", "Routes", "ServerTerms", "StreamLines"]

_log = logging.getLogger(__name__)

# A socket takes so few bytes at once.
REFUSE_WITHIN_S = 1.0

# Writes the lines of an answer that goes on until the client leaves. It gets what sends one line.
StreamLines: TypeAlias = Callable[[Callable[[bytes], Awaitable[None]]], Awaitable[None]]
# Errors: BadRequest.
Handler: TypeAlias = Callable[[Request], Awaitable[Answer | StreamLines]]
# By path and method.
Routes: TypeAlias = Mapping[str, Mapping[str, Handler]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerTerms:
    """How many may come, and how long an answer may take.

    Streams have a bound of their own, so that those who watch never keep out who has to pause.
    """

    connections: int = 32
    streams: int = 16
    answer_within_s: float = 12.0
    tell_every_s: float = 60.0
    link: LinkTerms = field(default_factory=LinkTerms)


class ControlServer:
    """Answers of `routes` to whoever connects."""

    def __init__(self, routes: Routes, terms: ServerTerms | None = None) -> None:
        self._routes = routes
        self._terms = terms or ServerTerms()
        self._told_s = float("-inf")
        self.n_connections = 0
        self.n_streams = 0

    async def serve_forever(self, opened: OpenSocket) -> Never:
        """Serve connections until cancelled. Connections end with it, at once."""
        listener = trio.SocketListener(trio.socket.from_stdlib_socket(opened.listener))
        async with trio.open_nursery() as nursery:
            await trio.serve_listeners(self.serve, [listener], handler_nursery=nursery)
        raise AssertionError("listeners are served until cancelled")

    async def serve(self, stream: trio.SocketStream) -> None:
        """Serve one connection. Errors: none, whatever the client or a handler does."""
        async with stream:
            if self.n_connections >= self._terms.connections:
                if self._may_tell():
                    _log.warning("control client refused: connections=%d; close one", self.n_connections)
                await _refuse(stream, f"{self.n_connections} connections are open, the most that are served")
                return
            self.n_connections += 1
            try:
                await self._serve_requests(stream)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                pass
            except Exception as error:  # noqa: BLE001 - a bug in here must not cost the other clients their server
                _log.error("control connection failed: error=%r; the maker goes on", error)
            finally:
                self.n_connections -= 1

    async def _serve_requests(self, stream: trio.SocketStream) -> None:
        link = HttpLink(stream, self._terms.link)
        goes_on = True
        while goes_on:
            try:
                request = await link.receive()
                if request is None:
                    return
                answer = await self._find_answer(link, request)
            except BadRequest as error:
                answer = Answer(values=make_refusal(error.status, str(error)), status=error.status)
                await link.send(answer, is_last=True)
                return
            if answer is None:
                return
            if isinstance(answer, Answer):
                goes_on = await link.send(answer)
            else:
                await self._stream(link, answer)
                return

    async def _find_answer(self, link: HttpLink, request: Request) -> Answer | StreamLines | None:
        """Find the answer to a request; None where the client has gone, and then nothing was done for it."""
        methods = self._routes.get(request.path)
        if methods is None:
            why = f"unknown path {request.path[:60]!r}; there are: {', '.join(self._routes)}"
            return Answer(values=make_refusal(404, why), status=404)
        handler = methods.get(request.method)
        if handler is None:
            why = f"{request.path} takes {', '.join(methods)}, not {request.method[:20]}"
            return Answer(values=make_refusal(405, why), status=405, allow=", ".join(methods))
        if request.method == "GET":
            return await self._call(handler, request)
        # Whoever went away has given up, and must not be followed by surprise, once a stopped process goes on.
        return None if link.is_gone else await self._call_while_there(link, handler, request)

    async def _call_while_there(
        self, link: HttpLink, handler: Handler, request: Request
    ) -> Answer | StreamLines | None:
        answer: Answer | StreamLines | None = None
        async with trio.open_nursery() as nursery:

            async def cancel_when_gone() -> None:
                await link.wait_until_gone()
                nursery.cancel_scope.cancel()

            nursery.start_soon(cancel_when_gone)
            answer = await self._call(handler, request)
            nursery.cancel_scope.cancel()
        return answer

    async def _call(self, handler: Handler, request: Request) -> Answer | StreamLines:
        within_s = self._terms.answer_within_s
        try:
            with trio.move_on_after(within_s):
                return await handler(request)
        except BadRequest as error:
            return Answer(values=make_refusal(error.status, str(error)), status=error.status)
        except Exception as error:  # noqa: BLE001 - a handler that fails costs its request alone
            _log.error(
                "control request failed: method=%s path=%s error=%r; the maker goes on",
                request.method,
                request.path,
                error,
            )
            return Answer(values=make_refusal(500, "this failed inside the maker; its log says how"), status=500)
        _log.error("control request cut off: path=%s within_s=%g; the maker goes on", request.path, within_s)
        return Answer(values=make_refusal(504, f"there is no answer within {within_s:g} s"), status=504)

    async def _stream(self, link: HttpLink, write_lines: StreamLines) -> None:
        """Write lines until the client leaves, or does not read."""
        if self.n_streams >= self._terms.streams:
            why = f"{self.n_streams} streams are open, the most that are served; close one"
            await link.send(Answer(values=make_refusal(503, why), status=503), is_last=True)
            return
        self.n_streams += 1
        try:
            async with trio.open_nursery() as nursery:

                async def write() -> None:
                    await link.begin_lines()
                    await write_lines(link.send_line)

                nursery.start_soon(write)
                await link.wait_until_gone()
                nursery.cancel_scope.cancel()
        except* trio.BrokenResourceError:
            pass
        finally:
            self.n_streams -= 1

    def _may_tell(self) -> bool:
        """Check if a line may be logged: clients could fill the log."""
        now_s = trio.current_time()
        if now_s - self._told_s < self._terms.tell_every_s:
            return False
        self._told_s = now_s
        return True


async def _refuse(stream: trio.SocketStream, why: str) -> None:
    """Answer a client whose request is not read."""
    with trio.move_on_after(REFUSE_WITHIN_S):
        await stream.send_all(encode_refusal(503, why))

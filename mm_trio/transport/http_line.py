"""One kept connection for requests, one after another, by HTTP/1.1."""

from __future__ import annotations

import h11
import trio

from mm_trio.transport.wire import MOST_READ, Wire
from mm_trio.venue.bounded_response import (
    MOST_BYTES,
    MOST_CHUNKS,
    MOST_HEADER_BYTES,
    AnswerRefused,
    HttpAnswer,
)

__all__ = ["HttpLine"]

# No venue sends any; each has to be read before the answer.
MOST_INTERIM = 10


class HttpLine:
    """Kept connection for requests to one address.

    It serves one request at a time. After an error, or a request that was cut off, it must be closed.
    """

    def __init__(self, wire: Wire, *, target: str, headers: list[tuple[str, str]]) -> None:
        self._wire = wire
        self._target = target
        self._headers = headers
        # Made ahead, because a reaction to the market waits for it.
        lines = [f"POST {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers), "Content-Length: "]
        self._head = "\r\n".join(lines).encode("ascii")
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=MOST_HEADER_BYTES)
        self.used_s = trio.current_time()

    def is_stale(self, *, idle_at_most_s: float) -> bool:
        """Check whether it was idle for long, or ended or said something meanwhile."""
        return trio.current_time() - self.used_s > idle_at_most_s or self._wire.has_news()

    def close(self) -> None:
        """End the connection at once."""
        self._wire.close()

    async def post(self, body: bytes) -> HttpAnswer:
        """Send a request and read its whole answer.

        Errors: `WIRE_FAILURES`, `h11.ProtocolError`; AnswerRefused for one that is too long or compressed.
        """
        await self._wire.stream.send_all(b"%b%d\r\n\r\n%b" % (self._head, len(body), body))
        self._note_request(body)
        head = await self._read_head()
        answer = HttpAnswer(head.status_code, _decode_headers(head), await self._read_body())
        self.used_s = trio.current_time()
        return answer

    def _note_request(self, body: bytes) -> None:
        """Tell the protocol what was sent, so that it can read the answer.

        It would word the request alike, which takes it longer than all else that is done before a request leaves.
        """
        headers = [*self._headers, ("Content-Length", str(len(body)))]
        self._http.send(h11.Request(method="POST", target=self._target, headers=headers))
        self._http.send(h11.Data(data=body))
        self._http.send(h11.EndOfMessage())

    def begin_next(self) -> bool:
        """Make ready for the next request; return False where the venue ends the connection."""
        if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
            return False
        # What came behind an answer belongs to no request, be it only the end.
        data, is_over = self._http.trailing_data
        self._http.start_next_cycle()
        return not data and not is_over

    async def _read_head(self) -> h11.Response:
        for _ in range(MOST_INTERIM):
            event = await self._read_event()
            if isinstance(event, h11.Response):
                _refuse_compressed(event)
                return event
            if not isinstance(event, h11.InformationalResponse):
                raise ConnectionError("the venue closed the connection without an answer")
        raise AnswerRefused(f"more than {MOST_INTERIM} interim answers")

    async def _read_body(self) -> bytes:
        body, n_chunks = bytearray(), 0
        while isinstance(event := await self._read_event(), h11.Data):
            body += event.data
            n_chunks += event.chunk_start
            if len(body) > MOST_BYTES:
                raise AnswerRefused(f"the answer has more than {MOST_BYTES} bytes")
            if n_chunks > MOST_CHUNKS:
                raise AnswerRefused(f"the answer has more than {MOST_CHUNKS} chunks")
        return bytes(body)

    async def _read_event(self) -> object:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            self._http.receive_data(bytes(await self._wire.stream.receive_some(MOST_READ)))
        return event


def _decode_headers(head: h11.Response) -> dict[str, str]:
    return {name.decode("ascii"): value.decode("latin-1") for name, value in head.headers}


def _refuse_compressed(head: h11.Response) -> None:
    """Refuse an answer that is compressed: a few bytes can be gigabytes. Errors: AnswerRefused."""
    for name, value in head.headers:
        encoding = value.decode("latin-1").strip().lower()
        if name == b"content-encoding" and encoding != "identity":
            raise AnswerRefused(f"the answer is compressed ({encoding[:20]!r}), which was not asked for")

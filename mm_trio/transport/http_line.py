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
        http = self._http
        headers = [*self._headers, ("Content-Length", str(len(body)))]
        request = h11.Request(method="POST", target=self._target, headers=headers)
        parts = (http.send(request), http.send(h11.Data(data=body)), http.send(h11.EndOfMessage()))
        # In one packet, as far as it fits.
        await self._wire.stream.send_all(b"".join(part for part in parts if part))
        head = await self._read_head()
        answer = HttpAnswer(head.status_code, _decode_headers(head), await self._read_body())
        self.used_s = trio.current_time()
        return answer

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

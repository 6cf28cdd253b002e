"""A network between a maker and the exchange: each answer comes so much later than on loopback."""

from __future__ import annotations

from functools import partial

import trio

__all__ = ["open_slow_road"]

_Chunks = trio.MemoryReceiveChannel[tuple[float, bytes]]


async def open_slow_road(url: str, *, delay_s: float, nursery: trio.Nursery) -> str:
    """Give another address of the exchange at `url`, whose answers take `delay_s` longer.

    Connecting costs nothing extra, so what is measured is how many questions follow one another.
    """
    if not delay_s:
        return url
    port = int(url.rsplit(":", 1)[1])
    carry = partial(_carry, port=port, delay_s=delay_s)
    (listener,) = await nursery.start(partial(trio.serve_tcp, carry, 0, host="127.0.0.1"))
    return f"http://127.0.0.1:{listener.socket.getsockname()[1]}"


async def _carry(near: trio.SocketStream, *, port: int, delay_s: float) -> None:
    far = await trio.open_tcp_stream("127.0.0.1", port)
    send, receive = trio.open_memory_channel[tuple[float, bytes]](float("inf"))
    async with near, far, trio.open_nursery() as nursery:
        nursery.start_soon(_hurry, near, far, nursery.cancel_scope)
        nursery.start_soon(_deliver, receive, near, nursery.cancel_scope)
        try:
            async for chunk in far:
                await send.send((trio.current_time() + delay_s, bytes(chunk)))
        except trio.BrokenResourceError:
            pass
        await send.aclose()


async def _hurry(near: trio.SocketStream, far: trio.SocketStream, scope: trio.CancelScope) -> None:
    """Requests go at once."""
    try:
        async for chunk in near:
            await far.send_all(chunk)
    except trio.BrokenResourceError:
        pass
    scope.cancel()


async def _deliver(chunks: _Chunks, near: trio.SocketStream, scope: trio.CancelScope) -> None:
    """Answers come when their time has come, in order."""
    try:
        async for due_s, chunk in chunks:
            await trio.sleep_until(due_s)
            await near.send_all(chunk)
    except trio.BrokenResourceError:
        pass
    scope.cancel()

"""How long a fill waits in the sandbox: from the commit of its block until its frame has left, and has arrived.

An exchange behind its server in this process; in another one the SDK sends signed actions at a steady pace, half of
them trades, and a bare socket listens. Both read the same monotonic clock. Figures of one machine at one moment; the
`cpu` ones are what the server itself worked meanwhile, and so do not count what else the machine did.
Run by `nox -s bench`, or `python benchmarks/sandbox_ws.py`.
"""

from __future__ import annotations

import json
import re
import socket
import statistics
import threading
import time
from collections.abc import Sequence
from decimal import Decimal
from functools import partial
from hashlib import sha256
from multiprocessing import get_context
from typing import Any, NamedTuple

import trio
from common import describe_machine, make_parser, print_figures, print_machine, print_targets, tell
from eth_account import Account
from hyperliquid.exchange import Exchange as SdkExchange
from wsproto import ConnectionType, WSConnection
from wsproto.events import Request, TextMessage

from mm_trio.sandbox import Auth, Command, Deposit, Effect, Exchange, FillMade, Gateway, Limits, TcpLink, serve

__all__ = ["measure_fills"]

COIN, BASE, QUOTE = "@107", 150, 0
WARM_UP = 20  # trades
BOUND_MS = 2.0
_TID = re.compile(rb'"tid":(\d+)')


def _make_wallet(name: str) -> Any:
    return Account.from_key(sha256(f"mm_trio benchmark {name}".encode()).hexdigest())


MAKER, TAKER = _make_wallet("maker"), _make_wallet("taker")


# --- the sandbox, with a clock at two places ----------------------------------------------------


class _Moment(NamedTuple):
    """On the wall, and in what this thread has worked so far."""

    wall_s: float
    cpu_s: float

    @classmethod
    def now(cls) -> _Moment:
        return cls(time.perf_counter(), time.thread_time())


class _TimedExchange(Exchange):
    """Notes when each trade was committed, by its trade id."""

    committed: dict[int, _Moment]

    def apply(self, now_ms: int, command: Command) -> tuple[Effect, ...]:
        effects = super().apply(now_ms, command)
        moment = _Moment.now()
        for effect in effects:
            if isinstance(effect, FillMade):
                self.committed.setdefault(effect.fill.tid, moment)
        return effects


def _note_leaving(left: dict[int, _Moment]) -> None:
    """From now on, note when a frame of fills was handed to the kernel, by the trade ids in it."""
    send_all, send_now = TcpLink.send_all, TcpLink.send_now

    def note(data: bytes) -> None:
        if b'"channel":"userFills"' in data and b'"isSnapshot"' not in data:
            moment = _Moment.now()
            for tid in _TID.findall(data):
                left.setdefault(int(tid), moment)

    async def send_all_and_note(link: TcpLink, data: bytes) -> None:
        await send_all(link, data)
        note(data)

    def send_now_and_note(link: TcpLink, data: bytes) -> bytes:
        rest = send_now(link, data)
        note(data[: len(data) - len(rest)])
        return rest

    TcpLink.send_all, TcpLink.send_now = send_all_and_note, send_now_and_note  # type: ignore[method-assign,assignment]


async def measure_fills(*, seconds: float, actions_per_s: float, n_listeners: int = 3) -> dict[str, float]:
    """Milliseconds from the commit of a fill to its frame's leaving and arriving, at that pace of signed actions.

    `n_listeners` more sockets are subscribed to books, mids, orders and the same fills.
    """
    exchange = _TimedExchange(limits=Limits.off())
    exchange.committed = {}
    left: dict[int, _Moment] = {}
    _note_leaving(left)
    gateway = Gateway(exchange, now_ms=lambda: time.time_ns() // 1_000_000)
    for wallet in (MAKER, TAKER):
        for token in (BASE, QUOTE):
            gateway.apply(Deposit(wallet.address, token, Decimal(10) ** 9))
    async with trio.open_nursery() as nursery:
        server = await nursery.start(serve, gateway, Auth(lambda address: address in exchange.addresses()))
        for _ in range(n_listeners):
            nursery.start_soon(_listen_forever, server.url)
        receiver, sender = get_context("spawn").Pipe(duplex=False)
        n_actions = int(seconds * actions_per_s)
        client = get_context("spawn").Process(target=_run_client, args=(server.url, n_actions, actions_per_s, sender))
        client.start()
        sender.close()
        told: dict[str, Any] = await trio.to_thread.run_sync(receiver.recv, abandon_on_cancel=True)
        await trio.to_thread.run_sync(client.join)
        nursery.cancel_scope.cancel()
    return _summarise(exchange.committed, left, told)


async def _listen_forever(url: str) -> None:
    """One more client that reads everything it is sent."""
    host, _, port = url.removeprefix("http://").rpartition(":")
    stream = await trio.open_tcp_stream(host, int(port))
    protocol = WSConnection(ConnectionType.CLIENT)
    await stream.send_all(protocol.send(Request(host=host, target="/ws")))
    await stream.receive_some()
    for wish in _wishes():
        await stream.send_all(_encode(wish))
    async for _ in stream:
        pass


def _wishes() -> list[dict[str, str]]:
    user = TAKER.address
    return [
        *({"type": kind, "coin": COIN} for kind in ("l2Book", "bbo", "trades")),
        *({"type": kind, "user": user} for kind in ("userFills", "orderUpdates", "spotState")),
        {"type": "allMids"},
    ]


def _encode(wish: dict[str, str]) -> bytes:
    """A subscription as a client's frame with a mask of zeros."""
    data = json.dumps({"method": "subscribe", "subscription": wish}).encode()
    length = bytes([0x80 | len(data)]) if len(data) < 126 else bytes([0x80 | 126]) + len(data).to_bytes(2, "big")
    return b"\x81" + length + bytes(4) + data


def _summarise(committed: dict[int, _Moment], left: dict[int, _Moment], told: dict[str, Any]) -> dict[str, float]:
    tids = list(committed)[WARM_UP:]
    arrived_s: dict[int, float] = told["arrived_s"]
    times_s = {
        "leaves": [left[tid].wall_s - committed[tid].wall_s for tid in tids],
        "leaves_cpu": [left[tid].cpu_s - committed[tid].cpu_s for tid in tids],
        "arrives": [arrived_s[tid] - committed[tid].wall_s for tid in tids],
    }
    found: dict[str, float] = {"fills": len(tids), "actions_per_s": told["actions_per_s"]}
    for name, times in times_s.items():
        times.sort()
        found[f"fill_{name}_p50_ms"] = 1000 * statistics.median(times)
        found[f"fill_{name}_p99_ms"] = 1000 * times[int(0.99 * len(times))]
        found[f"fill_{name}_max_ms"] = 1000 * times[-1]
    return found


# --- the client's process -----------------------------------------------------------------------


def _run_client(url: str, n_actions: int, actions_per_s: float, sender: Any) -> None:
    """Trade at that pace while a thread listens, then tell what came when."""
    arrived_s: dict[int, float] = {}
    is_ready, is_over = threading.Event(), threading.Event()
    n_trades = n_actions // 2
    listener = threading.Thread(target=_listen, args=(url, n_trades, arrived_s, is_ready, is_over), daemon=True)
    listener.start()
    assert is_ready.wait(10), "no snapshot of fills"
    maker, taker = (SdkExchange(wallet, url, timeout=10) for wallet in (MAKER, TAKER))
    began_s = time.perf_counter()
    for i in range(n_trades):
        for j, (sdk, is_buy, tif) in enumerate(((maker, False, "Alo"), (taker, True, "Ioc"))):
            time.sleep(max(0.0, began_s + (2 * i + j) / actions_per_s - time.perf_counter()))
            answer = sdk.order(COIN, is_buy, 1.0, 20.0, {"limit": {"tif": tif}})
            assert "error" not in str(answer), answer
    took_s = time.perf_counter() - began_s
    assert is_over.wait(10), "some fills never came"
    sender.send({"arrived_s": arrived_s, "actions_per_s": 2 * n_trades / took_s})


def _listen(url: str, n: int, arrived_s: dict[int, float], is_ready: threading.Event, is_over: threading.Event) -> None:
    """Read a socket until the fills of `n` trades have come; `is_ready` with the snapshot, which has none."""
    host, _, port = url.removeprefix("http://").rpartition(":")
    with socket.create_connection((host, int(port))) as link:
        protocol = WSConnection(ConnectionType.CLIENT)
        link.sendall(protocol.send(Request(host=host, target="/ws")))
        link.sendall(_encode({"type": "userFills", "user": TAKER.address}))
        part = ""
        while len(arrived_s) < n:
            protocol.receive_data(link.recv(65_536))
            now_s = time.perf_counter()
            for event in protocol.events():
                if not isinstance(event, TextMessage):
                    continue
                part += event.data
                if not event.message_finished:
                    continue
                if '"isSnapshot"' in part:
                    is_ready.set()
                for tid in _TID.findall(part.encode()):
                    arrived_s.setdefault(int(tid), now_s)
                part = ""
    is_over.set()


# --- the report ---------------------------------------------------------------------------------


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, and print one line a figure or a JSON object."""
    parser = make_parser(__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, metavar="S", help="how long actions are sent")
    parser.add_argument("--rate", type=float, default=50.0, metavar="N", help="signed actions a second")
    parser.add_argument("--listeners", type=int, default=3, metavar="N", help="sockets that hear everything as well")
    arguments = parser.parse_args(argv)
    machine = describe_machine()
    found = trio.run(
        partial(
            measure_fills,
            seconds=arguments.seconds,
            actions_per_s=arguments.rate,
            n_listeners=arguments.listeners,
        )
    )
    p99_ms = {name: found[f"fill_{name}_p99_ms"] for name in ("leaves", "leaves_cpu")}
    targets = {
        f"fill_{name}, p99 in ms": {"value": value, "at_most": BOUND_MS, "met": value <= BOUND_MS}
        for name, value in p99_ms.items()
    }

    def print_tables() -> None:
        print_machine(machine)
        print_figures(found)
        print_targets(targets)

    tell(arguments, {"machine": machine, **found, "targets": targets}, print_tables)


if __name__ == "__main__":
    main()

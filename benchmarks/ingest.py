"""What a WebSocket message costs its reader in CPU: through our socket, and through the SDK's manager as it is.

Run by `nox -s bench`, or `python benchmarks/ingest.py`. A server on loopback sends the same mix of `orderUpdates`,
`userFills` and `l2Book` frames to either, by turns, and then the heartbeat `allMids`. Each reader is a process of its
own and tells the CPU time of all its threads, from the first message to the last. Both are of one SDK and one Python;
with the C extension `wsaccel` the SDK's own would be faster, so the table says whether it is there.
"""

from __future__ import annotations

import importlib.util
import json
import multiprocessing
import random
import socket
import statistics
import threading
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Any

from common import describe_machine, make_parser, print_machine, print_table, print_targets, ratio, tell
from hyperliquid.websocket_manager import WebsocketManager
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, TextMessage

from mm_trio.venue.socket import DisposableSocket

__all__: list[str] = []

USER, COIN = "0x" + "ab" * 20, "@107"
FEEDS: tuple[dict[str, Any], ...] = (
    {"type": "orderUpdates", "user": USER},
    {"type": "userFills", "user": USER},
    {"type": "l2Book", "coin": COIN},
    {"type": "allMids"},
)
N_COINS = 600  # Of the venue, whose prices the heartbeat tells several times a second.
WARM_UP = 200
PATIENCE_S = 60.0
TARGET = 1 / 5
READERS: dict[str, type[WebsocketManager]] = {"ours": DisposableSocket, "SDK": WebsocketManager}


# --- the messages -----------------------------------------------------------------------------


def make_messages(n: int) -> list[str]:
    """Feeds by turns, in the venue's shape, the same every time."""
    rng = random.Random(1)
    makers = (_make_updates, _make_fills, _make_book)
    frames = [makers[i % len(makers)](rng, 1_790_000_000_000 + 100 * i) for i in range(n)]
    return [json.dumps(frame, separators=(",", ":")) for frame in frames]


def make_heartbeats(n: int) -> list[str]:
    """The prices of all coins, as often as wanted, in the venue's shape."""
    rng = random.Random(1)
    mids = {f"@{i}": f"{20 + rng.random():.5f}" for i in range(N_COINS)}
    return [json.dumps({"channel": "allMids", "data": {"mids": mids}}, separators=(",", ":"))] * n


def _make_updates(rng: random.Random, now_ms: int) -> dict[str, Any]:
    """One order leaves, another comes."""
    return {
        "channel": "orderUpdates",
        "data": [
            {
                "order": {
                    "coin": COIN,
                    "side": side,
                    "limitPx": f"{20 + rng.random():.3f}",
                    "sz": "5.0",
                    "oid": rng.randrange(10**11),
                    "timestamp": now_ms,
                    "origSz": "5.0",
                    "cloid": f"0x{rng.getrandbits(128):032x}",
                },
                "status": status,
                "statusTimestamp": now_ms,
            }
            for side, status in (("A", "filled"), ("B", "open"))
        ],
    }


def _make_fills(rng: random.Random, now_ms: int) -> dict[str, Any]:
    fill = {
        "coin": COIN,
        "px": f"{20 + rng.random():.3f}",
        "sz": "5.0",
        "side": "A",
        "time": now_ms,
        "startPosition": "100.0",
        "dir": "Sell",
        "closedPnl": "0.0",
        "hash": f"0x{rng.getrandbits(256):064x}",
        "oid": rng.randrange(10**11),
        "crossed": False,
        "fee": "0.04",
        "tid": rng.getrandbits(50),
        "feeToken": "USDC",
        "cloid": f"0x{rng.getrandbits(128):032x}",
    }
    return {"channel": "userFills", "data": {"user": USER, "fills": [fill]}}


def _make_book(rng: random.Random, now_ms: int) -> dict[str, Any]:
    def side(sign: int) -> list[dict[str, Any]]:
        return [
            {"px": f"{20 + sign * i * 0.06:.3f}", "sz": f"{rng.random() * 100:.2f}", "n": rng.randrange(1, 5)}
            for i in range(1, 21)
        ]

    return {"channel": "l2Book", "data": {"coin": COIN, "time": now_ms, "levels": [side(-1), side(1)]}}


# --- the two ends -----------------------------------------------------------------------------


def read_messages(pipe: Connection, name: str, url: str, n_messages: int) -> None:
    """In the reader's process: subscribe, tell that, read so many messages, tell the seconds of CPU."""
    manager = READERS[name](url)
    manager.daemon = True
    n_seen, began_s, took_s = 0, 0.0, 0.0
    done = threading.Event()

    def on_message(_message: Any) -> None:
        nonlocal n_seen, began_s, took_s
        n_seen += 1
        if n_seen == WARM_UP:
            began_s = time.process_time()
        elif n_seen == WARM_UP + n_messages:
            took_s = time.process_time() - began_s
            done.set()

    manager.start()
    while not manager.ws_ready:
        time.sleep(0.01)
    for feed in FEEDS:
        manager.subscribe(feed, on_message)
    pipe.send("subscribed")
    done.wait(PATIENCE_S)
    pipe.send(took_s)


def _shake_hands(door: socket.socket) -> tuple[socket.socket, WSConnection]:
    stream, _address = door.accept()
    stream.settimeout(PATIENCE_S)
    protocol = WSConnection(ConnectionType.SERVER)
    events: list[object] = []
    while not events:
        protocol.receive_data(stream.recv(65_536))
        events = list(protocol.events())
    stream.sendall(protocol.send(AcceptConnection()))
    return stream, protocol


def measure_reader(name: str, messages: Sequence[str]) -> float:
    """Microseconds of CPU for a message. Errors: RuntimeError if they did not all arrive."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    with socket.create_server(("127.0.0.1", 0)) as door:
        door.settimeout(PATIENCE_S)
        url = f"http://127.0.0.1:{door.getsockname()[1]}"
        n_messages = len(messages) - WARM_UP
        reader = context.Process(target=read_messages, args=(theirs, name, url, n_messages), daemon=True)
        reader.start()
        try:
            stream, protocol = _shake_hands(door)
            with stream:
                if not ours.poll(PATIENCE_S):
                    raise RuntimeError(f"the reader {name!r} did not subscribe")
                ours.recv()
                stream.sendall(b"".join(protocol.send(TextMessage(data=message)) for message in messages))
                took_s: float = ours.recv() if ours.poll(2 * PATIENCE_S) else 0.0
                if not took_s:
                    raise RuntimeError(f"the reader {name!r} did not get all messages")
        finally:
            reader.kill()
            reader.join()
    return 1e6 * took_s / n_messages


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, and print a table or a JSON object."""
    parser = make_parser(__doc__)
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="turns that each takes")
    parser.add_argument("--messages", type=int, default=3_000, metavar="N", help="of one turn")
    arguments = parser.parse_args(argv)
    machine = describe_machine() | {"wsaccel": importlib.util.find_spec("wsaccel") is not None}
    messages = make_messages(WARM_UP + max(1, arguments.messages))
    n_bytes = statistics.mean(len(message) for message in messages)
    took_us: dict[str, list[float]] = {name: [] for name in READERS}
    for _ in range(max(1, arguments.rounds)):
        for name, took in took_us.items():
            took.append(measure_reader(name, messages))
    beats = make_heartbeats(WARM_UP + max(1, arguments.messages) // 5)
    heartbeat_us = {name: measure_reader(name, beats) for name in READERS}
    share = ratio(took_us["ours"], took_us["SDK"]) or 0.0
    medians = {name: statistics.median(took) for name, took in took_us.items()}
    targets = {"CPU of a message, beside the SDK": {"value": share, "at_most": TARGET, "met": share <= TARGET}}

    def print_tables() -> None:
        print_machine(machine)
        print(f"wsaccel: {'yes' if machine['wsaccel'] else 'no'}; {n_bytes:,.0f} bytes a message on average")
        rows = [(name, medians[name], heartbeat_us[name]) for name in READERS]
        print_table(("reader", "CPU us a message", f"a heartbeat of {N_COINS} coins"), rows)
        print_targets(targets)

    found = {
        "machine": machine,
        "cpu_us": medians,
        "heartbeat_us": heartbeat_us,
        "mean_bytes": n_bytes,
        "targets": targets,
    }
    tell(arguments, found, print_tables)


if __name__ == "__main__":
    main()

"""From the start of a maker's process to its first order, behind a network that is slow.

Run by `nox -s bench`, or `python benchmarks/start.py`; `pyperliquidity` takes part where MM_TRIO_PEER_PYTHON names its
Python. Maker and exchange are a process each, and between them lies a line that holds back all that the exchange says,
by 200 ms unless `--delay` says otherwise. Starts of the makers alternate. Told are the seconds until the first order
arrives, the questions until then with their request weight as the venue counts it, and how many of them had to wait for
another.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import trio
from common import describe_machine, find_peer_python, make_parser, print_machine, print_table, print_targets, tell
from makers import ACCOUNT, COIN, TAKER, TOKENS, USDC, Maker, make_ours, make_peer, running

from mm_trio.sandbox import (
    DEFAULT_MARKETS,
    Auth,
    Command,
    Deposit,
    Effect,
    Exchange,
    Gateway,
    Limits,
    PlaceOrders,
    serve,
)
from mm_trio.sandbox.api.ip_weights import weigh_question

__all__: list[str] = []

PATIENCE_S = 60.0
CHUNK = 1 << 16
MOST_WEIGHT = 165


class WatchedDoor(Gateway):
    """Notes the questions until the first order, and when that arrives."""

    def __init__(self, exchange: Exchange, maker: str) -> None:
        super().__init__(exchange, now_ms=lambda: time.time_ns() // 1_000_000)
        self._maker = maker
        self.asked: list[tuple[float, str, int]] = []  # (moment, kind, weight)
        self.ordered = trio.Event()
        self.ordered_s = 0.0

    def info(self, request: object) -> object:
        if not self.ordered.is_set():
            kind = str(request.get("type")) if isinstance(request, dict) else "?"
            self.asked.append((time.perf_counter(), kind, weigh_question(request)))
        return super().info(request)

    def apply(self, command: Command) -> tuple[Effect, ...]:
        if isinstance(command, PlaceOrders) and command.address.lower() == self._maker and not self.ordered.is_set():
            self.ordered_s = time.perf_counter()
            self.ordered.set()
        return super().apply(command)


def run_venue(pipe: Connection, maker: str, delay_s: float) -> None:
    """Tell the address, then what was seen until the first order."""
    trio.run(_run_venue, pipe, maker, delay_s)


async def _run_venue(pipe: Connection, maker: str, delay_s: float) -> None:
    exchange = Exchange(DEFAULT_MARKETS.dense(), maker_fee="0", taker_fee="0", limits=Limits.off())
    door, pair = WatchedDoor(exchange, maker), exchange.markets.pair(COIN)
    for owner, token, quote in ((maker, TOKENS, USDC), (TAKER, 10**9, 10**9)):
        door.apply(Deposit(owner, pair.base.index, Decimal(token)))
        door.apply(Deposit(owner, pair.quote.index, Decimal(quote)))
    async with trio.open_nursery() as nursery:
        server = await nursery.start(serve, door, Auth(lambda address: address in exchange.addresses()))
        port = await nursery.start(_run_line, urlsplit(server.url).port, delay_s)
        pipe.send(f"http://127.0.0.1:{port}")
        await door.ordered.wait()
        pipe.send((door.ordered_s, door.asked))
        await trio.sleep_forever()


async def _run_line(to: int, delay_s: float, *, task_status: trio.TaskStatus[int]) -> None:
    """Forward connections, and hold back what the exchange says."""

    async def carry(client: trio.SocketStream) -> None:
        async with client, await trio.open_tcp_stream("127.0.0.1", to) as server, trio.open_nursery() as nursery:
            hold, held = trio.open_memory_channel[tuple[float, bytes]](10_000)
            nursery.start_soon(_pump, client, server)
            nursery.start_soon(_read_ahead, server, hold, delay_s)
            async for due_s, data in held:
                await trio.sleep_until(due_s)
                await client.send_all(data)
            nursery.cancel_scope.cancel()

    async def serve_one(client: trio.SocketStream) -> None:
        try:
            await carry(client)
        except* (OSError, trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # one of the two hung up

    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    task_status.started(listeners[0].socket.getsockname()[1])
    await trio.serve_listeners(serve_one, listeners)


async def _pump(source: trio.SocketStream, target: trio.SocketStream) -> None:
    while data := await source.receive_some(CHUNK):
        await target.send_all(data)
    await target.send_eof()


async def _read_ahead(
    server: trio.SocketStream, hold: trio.MemorySendChannel[tuple[float, bytes]], delay_s: float
) -> None:
    async with hold:
        while data := await server.receive_some(CHUNK):
            await hold.send((trio.current_time() + delay_s, data))


@contextmanager
def _venue(delay_s: float) -> Iterator[tuple[str, Connection]]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=run_venue, args=(theirs, ACCOUNT.lower(), delay_s), daemon=True)
    process.start()
    try:
        if not ours.poll(PATIENCE_S):
            raise RuntimeError("the exchange did not start")
        yield ours.recv(), ours
    finally:
        process.kill()
        process.join()


def measure_start(maker: Maker, delay_s: float) -> dict[str, Any]:
    """One start of a maker on an exchange of its own. Errors: RuntimeError with its log if it never quoted."""
    with tempfile.TemporaryDirectory(prefix="mm_trio-start-") as name, _venue(delay_s) as (url, pipe):
        folder = Path(name)
        began_s = time.perf_counter()
        with running(maker, url, folder):
            if not pipe.poll(PATIENCE_S):
                raise RuntimeError(f"{maker.name} never quoted:\n{(folder / 'maker.log').read_text()[-3000:]}")
            ordered_s, asked = pipe.recv()
    return {
        "first_order_s": ordered_s - began_s,
        "first_question_s": asked[0][0] - began_s,
        "questions": len(asked),
        "in_a_row": _count_in_a_row([at_s for at_s, _, _ in asked], delay_s),
        "weight": sum(weight for _, _, weight in asked),
        "kinds": [kind for _, kind, _ in asked],
    }


def _count_in_a_row(asked_s: Sequence[float], delay_s: float) -> int:
    """Count the groups of questions: one asked before the first answer of a group could be there belongs to it."""
    n_groups, until_s = 0, float("-inf")
    for at_s in asked_s:
        if at_s >= until_s:
            n_groups, until_s = n_groups + 1, at_s + delay_s
    return n_groups


def _sum_up(starts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Medians, and the questions of the last start."""
    figures = {key: statistics.median(start[key] for start in starts) for key in starts[0] if key != "kinds"}
    return figures | {"least_s": min(start["first_order_s"] for start in starts), "kinds": starts[-1]["kinds"]}


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, and print a table or a JSON object."""
    parser = make_parser(__doc__)
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="starts of each maker")
    parser.add_argument("--delay", type=float, default=0.2, metavar="S", help="seconds that each answer is held back")
    arguments = parser.parse_args(argv)
    python = find_peer_python()
    machine = describe_machine(python)
    # An installed program is compiled, and so is the other maker; a start that compiles is not what a user waits for.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    makers = [make_ours("mm_trio", interval_s=3.0)]
    makers += [make_peer("pyperliquidity", python, interval_s=3.0)] if python else []
    starts: dict[str, list[dict[str, Any]]] = {maker.name: [] for maker in makers}
    for maker in makers:
        measure_start(maker, arguments.delay)  # not counted
    for _ in range(max(1, arguments.rounds)):
        for maker in makers:
            starts[maker.name].append(measure_start(maker, arguments.delay))
    found = {name: _sum_up(of_one) for name, of_one in starts.items()}
    ours, peer = found["mm_trio"], found.get("pyperliquidity")
    wanted = [("request weight until the first order", ours["weight"], MOST_WEIGHT)]
    if peer is not None:
        wanted.append(("start to first order, s", ours["first_order_s"], peer["first_order_s"]))
    targets = {name: {"value": value, "at_most": most, "met": value <= most} for name, value, most in wanted}
    tell(arguments, {"machine": machine, "makers": found, "targets": targets}, partial(_print, machine, found, targets))


def _print(machine: dict[str, Any], found: dict[str, dict[str, Any]], targets: dict[str, dict[str, Any]]) -> None:
    print_machine(machine)
    rows = [key for key in found["mm_trio"] if key != "kinds"]
    print_table(("", *found), [(key, *(of[key] for of in found.values())) for key in rows])
    for name, of in found.items():
        print(f"{name} asks: {json.dumps(of['kinds'])}")
    print_targets(targets)


if __name__ == "__main__":
    main()

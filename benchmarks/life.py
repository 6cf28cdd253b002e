"""A maker's life on loopback: start, a lost socket, and what it costs while nothing happens.

Run by `nox -s bench`, or `python benchmarks/life.py`; `pyperliquidity` takes part where MM_TRIO_PEER_PYTHON names its
Python. Maker and exchange are a process each. From the start of the maker's process on: its first order, and its 40
orders at rest. Then its CPU and memory while nobody trades, at ticks of half a second. Then every socket is cut and the
best ask taken at once: when there is a socket again, and when a bid at the price of that fill. Linux only, for CPU and
memory come from /proc. `start.py` has the start behind a network that is slow.
"""

from __future__ import annotations

import multiprocessing
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from decimal import Decimal
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import trio
from common import (
    compute_quantile,
    describe_machine,
    find_peer_python,
    make_parser,
    print_machine,
    print_table,
    print_targets,
    take_priority,
    tell,
)
from makers import ACCOUNT, COIN, LEVELS, TAKER, TOKENS, USDC, Maker, make_ours, make_peer, running

from mm_trio.sandbox import (
    DEFAULT_MARKETS,
    Auth,
    Command,
    Deposit,
    Effect,
    Exchange,
    Gateway,
    Limits,
    ModifyOrders,
    NewOrder,
    PlaceOrders,
    SandboxServer,
    serve,
)

__all__ = ["CpuClock", "read_rss_mib"]

INTERVAL_S = 0.5
START_PATIENCE_S, SETTLE_S, RECOVERY_PATIENCE_S = 60.0, 4.0, 30.0
LOOK_EVERY_S = 0.01
FIRST_QUOTE_TARGET_S = 1.5


# --- the exchange, in a process of its own ----------------------------------------------------


class WatchedFront(Gateway):
    """Notes when which orders of the maker arrive; the clock is one for all processes."""

    def __init__(self, exchange: Exchange, maker: str) -> None:
        super().__init__(exchange, now_ms=lambda: time.time_ns() // 1_000_000)
        self._maker = maker
        self.first_s: float | None = None
        self.bids_s: dict[Decimal, float] = {}  # price -> the last one there

    def apply(self, command: Command) -> tuple[Effect, ...]:
        if getattr(command, "address", "").lower() == self._maker:
            self._note(command, time.perf_counter())
        return super().apply(command)

    def _note(self, command: Command, now_s: float) -> None:
        orders: tuple[NewOrder, ...] = ()
        match command:
            case PlaceOrders(orders=orders):
                self.first_s = self.first_s or now_s
            case ModifyOrders(modifies=modifies):
                orders = tuple(order for _, order in modifies)
        self.bids_s.update((order.price, now_s) for order in orders if order.is_buy)

    def is_whole(self) -> bool:
        book = self.exchange.book(COIN)
        return len(book.bids) >= LEVELS and len(book.asks) >= LEVELS

    def take_best_ask(self) -> Decimal:
        """All of it; gives its price."""
        best = self.exchange.book(COIN, depth=1).asks[0]
        asset = self.exchange.markets.pair(COIN).asset
        self.bids_s.pop(best.price, None)
        order = NewOrder(asset=asset, is_buy=True, price=best.price, size=best.size, tif="Ioc")
        self.apply(PlaceOrders(TAKER, (order,)))
        return best.price


def run_venue(pipe: Connection, maker: str) -> None:
    """Tell the address, then what was seen of the start, then answer each "drop" with what was seen of that."""
    trio.run(_run_venue, pipe, maker)


async def _run_venue(pipe: Connection, maker: str) -> None:
    exchange = Exchange(DEFAULT_MARKETS.dense(), maker_fee="0", taker_fee="0", limits=Limits.off())
    gateway, pair = WatchedFront(exchange, maker), exchange.markets.pair(COIN)
    # the account holds no more than the maker may use: what it believes of its balance is then soon corrected
    for owner, token, quote in ((maker, TOKENS, USDC), (TAKER, 10**9, 10**9)):
        gateway.apply(Deposit(owner, pair.base.index, Decimal(token)))
        gateway.apply(Deposit(owner, pair.quote.index, Decimal(quote)))
    async with trio.open_nursery() as nursery:
        server = await nursery.start(serve, gateway, Auth(lambda address: address in exchange.addresses()))
        pipe.send(server.url)
        while not gateway.is_whole():  # noqa: ASYNC110 - once, and nothing else is measured then
            await trio.sleep(LOOK_EVERY_S)
        pipe.send((gateway.first_s, time.perf_counter()))
        while await trio.to_thread.run_sync(pipe.recv, abandon_on_cancel=True) == "drop":
            pipe.send(await _drop_sockets(server, gateway))


async def _drop_sockets(server: SandboxServer, gateway: WatchedFront) -> tuple[float | None, float | None]:
    """Seconds until there is a socket again, and until a bid where an ask was taken meanwhile; None: not in time."""
    server.drop_sockets()
    began_s = time.perf_counter()
    price = gateway.take_best_ask()
    socket_s: float | None = None
    with trio.move_on_after(RECOVERY_PATIENCE_S):
        while socket_s is None or price not in gateway.bids_s:
            await trio.sleep(LOOK_EVERY_S)
            if socket_s is None and server.n_connections:
                socket_s = time.perf_counter() - began_s
    quoted_s = gateway.bids_s.get(price)
    return socket_s, None if quoted_s is None else quoted_s - began_s


@contextmanager
def _venue() -> Iterator[tuple[str, Connection]]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=run_venue, args=(theirs, ACCOUNT.lower()), daemon=True)
    process.start()
    try:
        yield _receive(ours, "the exchange did not start"), ours
    finally:
        process.kill()
        process.join()


def _receive(pipe: Connection, complaint: str) -> Any:
    if not pipe.poll(START_PATIENCE_S):
        raise RuntimeError(complaint)
    return pipe.recv()


def measure_life(maker: Maker, *, idle_s: float) -> dict[str, float | None]:
    """One life of a maker. Errors: RuntimeError with its log if it never quoted."""
    with tempfile.TemporaryDirectory(prefix="mm_trio-life-") as name, _venue() as (url, pipe):
        folder = Path(name)
        began_s = time.perf_counter()
        with running(maker, url, folder) as process:
            if not pipe.poll(START_PATIENCE_S):
                raise RuntimeError(f"{maker.name} never quoted:\n{(folder / 'maker.log').read_text()[-3000:]}")
            first_s, whole_s = pipe.recv()
            clock = CpuClock(process.pid)
            start_cpu_s = clock.read_s()
            time.sleep(SETTLE_S)
            idle_cpu = clock.watch(idle_s)
            rss_mib = read_rss_mib(process.pid)
            pipe.send("drop")
            socket_s, quoted_s = _receive(pipe, "the exchange did not answer")
    return {
        "first_quote_s": first_s - began_s,
        "whole_ladder_s": whole_s - began_s,
        "start_cpu_s": start_cpu_s,
        "idle_cpu_ms_per_s": 1000 * idle_cpu,
        "rss_mib": rss_mib,
        "socket_again_s": socket_s,
        "fill_quoted_s": quoted_s,
    }


class CpuClock:
    """Seconds of CPU of a process, to the microsecond: the kernel's own count of a process has steps of 10 ms."""

    def __init__(self, pid: int) -> None:
        self._folder = Path(f"/proc/{pid}/task")
        self._seen_ns: dict[str, int] = {}  # by thread; those that ended stay

    def read_s(self) -> float:
        """Since the start, less what threads did after they were last looked at before their end."""
        for thread in self._folder.iterdir():
            with suppress(OSError):  # it has just ended
                self._seen_ns[thread.name] = int((thread / "schedstat").read_text().split()[0])
        return sum(self._seen_ns.values()) / 1e9

    def watch(self, for_s: float) -> float:
        """CPU seconds for each second of the next so many."""
        before_s, began_s = self.read_s(), time.perf_counter()
        while (passed_s := time.perf_counter() - began_s) < for_s:
            time.sleep(min(0.5, for_s - passed_s))
            self.read_s()
        return (self.read_s() - before_s) / (time.perf_counter() - began_s)


def read_rss_mib(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1024


# --- all of it --------------------------------------------------------------------------------


def _sum_up(lives: Sequence[dict[str, float | None]]) -> dict[str, float | None]:
    """Medians; what did not happen in time counts as longer than all that did."""
    found: dict[str, float | None] = {}
    for key in lives[0]:
        values = [float("inf") if (value := life[key]) is None else value for life in lives]
        middle = statistics.median(values) if max(values) < float("inf") else compute_quantile(values, 0.5)
        found[key] = None if middle == float("inf") else middle
    return found


def _check_targets(found: Mapping[str, dict[str, float | None]]) -> dict[str, dict[str, Any]]:
    ours, peer = found["mm_trio"], found.get("pyperliquidity")
    wanted = [("start to first quote, s", ours["first_quote_s"], FIRST_QUOTE_TARGET_S)]
    if peer is not None:
        wanted.append(("idle CPU, ms a second", ours["idle_cpu_ms_per_s"], peer["idle_cpu_ms_per_s"] or 0.0))
    return {
        name: {"value": value, "at_most": most, "met": value is not None and value <= most}
        for name, value, most in wanted
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, and print a table or a JSON object."""
    parser = make_parser(__doc__)
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="lives of each maker")
    parser.add_argument("--idle", type=float, default=20.0, metavar="S", help="seconds without a trade")
    parser.add_argument(
        "--beside", action="append", default=[], metavar="NAME=FOLDER", help="our code of another checkout as well"
    )
    arguments = parser.parse_args(argv)
    if not Path("/proc/self/stat").exists():
        sys.exit("CPU and memory are read from /proc, which this system does not have")
    python = find_peer_python()
    machine = describe_machine(python) | {"priority": take_priority()}
    makers = [make_ours("mm_trio", interval_s=INTERVAL_S)]
    makers += [make_peer("pyperliquidity", python, interval_s=INTERVAL_S)] if python else []
    for text in arguments.beside:
        name, checkout = text.split("=", 1)
        makers.append(make_ours(name, interval_s=INTERVAL_S, checkout=Path(checkout)))
    lives: dict[str, list[dict[str, float | None]]] = {maker.name: [] for maker in makers}
    for _ in range(max(1, arguments.rounds)):
        for maker in makers:
            lives[maker.name].append(measure_life(maker, idle_s=max(1.0, arguments.idle)))
    found = {name: _sum_up(of_one) for name, of_one in lives.items()}
    targets = _check_targets(found)

    def print_tables() -> None:
        print_machine(machine)
        print_table(("", *found), [(key, *(of[key] for of in found.values())) for key in found["mm_trio"]])
        print(f"a dash: not within {RECOVERY_PATIENCE_S:g} s")
        print_targets(targets)

    tell(arguments, {"machine": machine, "makers": found, "targets": targets}, print_tables)


if __name__ == "__main__":
    main()

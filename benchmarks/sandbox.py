"""What the sandbox can take: the exchange core alone, and order actions over HTTP, signatures checked.

Run by `nox -s bench`, or `python benchmarks/sandbox.py`. The server is a process of its own and every body is signed
beforehand, so that the client takes as little of the machine as it can. Measures take turns, and the median of each
is told: figures of one machine at one moment.
"""

from __future__ import annotations

import multiprocessing
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from functools import partial
from hashlib import sha256
from typing import Any

import trio
from common import describe_machine, make_parser, print_figures, print_machine, print_targets, tell
from eth_account import Account
from hyperliquid.utils.signing import sign_l1_action
from raw_client import Share, drive, make_request
from sandbox_ws import measure_fills

from mm_trio.sandbox import (
    DEFAULT_MARKETS,
    Answered,
    Auth,
    CancelByOid,
    Command,
    Deposit,
    Exchange,
    Filled,
    Gateway,
    Limits,
    ModifyOrders,
    NewOrder,
    PlaceOrders,
    Resting,
    serve,
)

__all__: list[str] = []

COIN = "@107"
PAIR = DEFAULT_MARKETS.pair(COIN)
MAKER, TAKER = "0x" + "ab" * 20, "0x" + "cd" * 20
PLENTY = Decimal(10) ** 12
SIZE = Decimal(5)
BATCH = 40  # of which one action costs the IP limit no more than one order does
LADDER = 20  # orders that rest on either side all the while
TARGET_PER_S = 500  # order actions over the wire
FEED_ACTIONS_PER_S = 50.0

Measure = Callable[[], dict[str, float]]


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _make_exchange(*owners: str) -> Exchange:
    exchange = Exchange(limits=Limits.off())
    for owner in owners:
        for token in (PAIR.base.index, PAIR.quote.index):
            exchange.apply(0, Deposit(owner, token, PLENTY))
    return exchange


# --- the core alone ---------------------------------------------------------------------------


class Core:
    """One exchange with a ladder on it, and the oids of what was placed."""

    def __init__(self) -> None:
        self.exchange = _make_exchange(MAKER, TAKER)
        for i in range(LADDER):
            self.place([_order(is_buy=True, level=-i)])
            self.place([_order(is_buy=False, level=LADDER + i)])

    def apply(self, command: Command) -> Answered:
        answer, *_ = self.exchange.apply(1, command)
        assert isinstance(answer, Answered), answer
        return answer

    def place(self, orders: Sequence[NewOrder]) -> list[int]:
        statuses = self.apply(PlaceOrders(MAKER, tuple(orders))).statuses
        return [status.oid for status in statuses if isinstance(status, Resting)]

    def cancel(self, oids: Sequence[int]) -> None:
        self.apply(CancelByOid(MAKER, tuple((PAIR.asset, oid) for oid in oids)))


def _order(*, is_buy: bool, level: int, tif: str = "Alo") -> NewOrder:
    """Levels are a hundredth apart; negative ones are below 20."""
    price = Decimal(20) + Decimal(level) / 100
    return NewOrder(asset=PAIR.asset, is_buy=is_buy, price=price, size=SIZE, tif=tif)  # type: ignore[arg-type]


def _place_and_cancel(core: Core, *, items: int) -> int:
    """Gives how many orders were placed or cancelled."""
    oids = core.place([_order(is_buy=True, level=-LADDER - i) for i in range(items)])
    core.cancel(oids)
    assert len(oids) == items
    return 2 * items


def _place_and_fill(core: Core, *, items: int) -> int:
    core.place([_order(is_buy=False, level=1 + i % (LADDER - 1)) for i in range(items)])
    taker = PlaceOrders(TAKER, tuple(_order(is_buy=True, level=LADDER - 1, tif="Ioc") for _ in range(items)))
    assert all(isinstance(status, Filled) for status in core.apply(taker).statuses)
    return 2 * items


def _place_modify_cancel(core: Core, *, items: int) -> int:
    oids = core.place([_order(is_buy=True, level=-LADDER - i) for i in range(items)])
    modifies = tuple((oid, _order(is_buy=True, level=-LADDER - i - 1)) for i, oid in enumerate(oids))
    moved = core.apply(ModifyOrders(MAKER, modifies)).statuses
    core.cancel([status.oid for status in moved if isinstance(status, Resting)])
    return 3 * items


def _measure_core(work: Callable[..., int], *, items: int, n_orders: int) -> dict[str, float]:
    core, done = Core(), 0
    began_s, worked_s = time.perf_counter(), time.process_time()
    while done < n_orders:
        done += work(core, items=items)
    worked_s = time.process_time() - worked_s
    return {"per_s": done / (time.perf_counter() - began_s), "cpu_us_each": 1e6 * worked_s / done}


# --- over the wire ----------------------------------------------------------------------------

_WALLET = Account.from_key(sha256(b"mm_trio benchmark").digest())


class Server:
    """A sandbox without limits, in a process of its own."""

    def __init__(self, pipe: Any) -> None:
        self._pipe = pipe
        assert pipe.poll(60), "the server did not start"
        self.url: str = pipe.recv()

    def cpu_s(self) -> float:
        """What its process has worked so far."""
        self._pipe.send(None)
        worked_s: float = self._pipe.recv()
        return worked_s


@contextmanager
def _open_server() -> Iterator[Server]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs,), daemon=True)
    process.start()
    try:
        yield Server(ours)
    finally:
        process.kill()
        process.join()


def _serve(pipe: Any) -> None:
    """The server's process: tells its address, then its CPU time as often as it is asked; until it is killed."""

    async def run() -> None:
        gateway = Gateway(_make_exchange(_WALLET.address.lower()), now_ms=_now_ms)
        async with trio.open_nursery() as nursery:
            server = await nursery.start(serve, gateway, Auth(lambda address: address in gateway.exchange.addresses()))
            pipe.send(server.url)
            while True:
                await trio.to_thread.run_sync(pipe.recv)
                pipe.send(time.process_time())

    trio.run(run)


class Signer:
    """Bodies of the one account, each with a nonce above the last."""

    def __init__(self) -> None:
        self._nonce = _now_ms()
        self._n_orders = 0

    def sign_pairs(self, *, n_pairs: int, items: int, lines: int) -> list[Share]:
        """For each connection its requests: place `items` orders, cancel them, and so on; `n_pairs` pairs in all."""
        shares: list[Share] = [[] for _ in range(lines)]
        for i in range(n_pairs):
            shares[i % lines] += self._sign_pair(items)
        return shares

    def _sign_pair(self, items: int) -> Iterator[bytes]:
        cloids = [f"0x{self._n_orders + i:032x}" for i in range(items)]
        self._n_orders += items
        post_only = {"limit": {"tif": "Alo"}}
        orders = [
            {"a": PAIR.asset, "b": True, "p": f"{20 - i / 100:g}", "s": "5", "r": False, "t": post_only, "c": cloid}
            for i, cloid in enumerate(cloids)
        ]
        yield self._sign({"type": "order", "orders": orders, "grouping": "na"})
        cancels = [{"asset": PAIR.asset, "cloid": cloid} for cloid in cloids]
        yield self._sign({"type": "cancelByCloid", "cancels": cancels})

    def _sign(self, action: dict[str, Any]) -> bytes:
        self._nonce += 1
        signature = sign_l1_action(_WALLET, action, None, self._nonce, None, False)
        body = {"action": action, "nonce": self._nonce, "signature": signature}
        return make_request("/exchange", body | {"vaultAddress": None, "expiresAfter": None})


def _measure_wire(server: Server, signer: Signer, *, items: int, lines: int, n_actions: int) -> dict[str, float]:
    shares = signer.sign_pairs(n_pairs=n_actions // 2, items=items, lines=lines)
    began_s, worked_s = time.perf_counter(), server.cpu_s()
    times_s = drive(server.url, shares)
    took_s, worked_s = time.perf_counter() - began_s, server.cpu_s() - worked_s
    return {
        "per_s": len(times_s) / took_s,
        "p50_ms": 1000 * statistics.median(times_s),
        "p99_ms": 1000 * statistics.quantiles(times_s, n=100)[98],
        "server_cpu_ms_each": 1000 * worked_s / len(times_s),
    }


# --- the report -------------------------------------------------------------------------------


def _list_measures(server: Server, *, n_orders: int, n_actions: int) -> dict[str, Measure]:
    """All measures by name, in the order of their turns."""
    works = {
        "place+cancel": _place_and_cancel,
        "place+fill": _place_and_fill,
        "place+modify+cancel": _place_modify_cancel,
    }
    found: dict[str, Measure] = {}
    for items in (1, BATCH):
        for name, work in works.items():
            found[f"core, orders, {name}, by {items}"] = partial(_measure_core, work, items=items, n_orders=n_orders)
    signer = Signer()
    for items, lines in ((1, 1), (1, 4), (BATCH, 1), (BATCH, 4)):
        name = f"wire, actions of {items}, {lines} connection{'s' * (lines > 1)}"
        n = n_actions if items == 1 else max(20, n_actions // 10)
        found[name] = partial(_measure_wire, server, signer, items=items, lines=lines, n_actions=n)
    return found


def _measure_all(*, rounds: int, n_orders: int, n_actions: int) -> dict[str, dict[str, float]]:
    """The median of each figure over rounds in which the measures take turns."""
    with _open_server() as server:
        measures = _list_measures(server, n_orders=n_orders, n_actions=n_actions)
        runs: dict[str, list[dict[str, float]]] = {name: [] for name in measures}
        for _ in range(rounds):
            for name, measure in measures.items():
                runs[name].append(measure())
    return {
        name: {key: round(statistics.median(run[key] for run in found), 3) for key in found[0]}
        for name, found in runs.items()
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, and print a table or a JSON object."""
    parser = make_parser(__doc__)
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="turns of each measure")
    parser.add_argument("--orders", type=int, default=10_000, metavar="N", help="orders a turn of the core")
    parser.add_argument("--actions", type=int, default=1_000, metavar="N", help="actions a turn over the wire")
    parser.add_argument("--feed-seconds", type=float, default=10.0, metavar="S", help="how long fills are timed, once")
    arguments = parser.parse_args(argv)
    machine = describe_machine()
    found = _measure_all(rounds=arguments.rounds, n_orders=arguments.orders, n_actions=arguments.actions)
    feed = trio.run(partial(measure_fills, seconds=arguments.feed_seconds, actions_per_s=FEED_ACTIONS_PER_S))
    found["feed, from a fill to its frame"] = feed
    worst = min(figures["per_s"] for name, figures in found.items() if name.startswith("wire, actions of 1,"))
    target = {"value": worst, "at_least": TARGET_PER_S, "met": worst >= TARGET_PER_S}
    targets = {"actions a second over the wire": target}

    def print_tables() -> None:
        print_machine(machine)
        for name, figures in found.items():
            print(name)
            print_figures({f"    {key}": value for key, value in figures.items()})
        print_targets(targets)

    tell(arguments, {"machine": machine, "sandbox": found, "targets": targets}, print_tables)


if __name__ == "__main__":
    main()

"""What the durable ledger costs: a journalled intent on its way to the exchange, and a restart.

Run by `nox -s bench`, or `python benchmarks/ledger.py`. Figures of one machine at one moment: read ratios, and
medians of interleaved runs.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import trio
from common import describe_machine, make_parser, print_figures, tell

from mm_trio.cli.programs.demo_market import default_market, fund_accounts
from mm_trio.config.settings import MarketSettings
from mm_trio.journal.replay import Recovered, replay
from mm_trio.journal.sqlite_journal import Journal
from mm_trio.journal.writer import JournalWriter
from mm_trio.model.cloid import CloidParts, encode_cloid
from mm_trio.model.journal_entries import Adjusted, Allocated, Arrived, Began, Booked, Checkpoint, Entry, Quoted, Sent
from mm_trio.model.orders import Intent, Quote
from mm_trio.model.replies import Unknown
from mm_trio.sandbox import Auth, Exchange, Gateway, serve
from mm_trio.sending.action_lane import ActionLane, Departure
from mm_trio.sending.order_desk import OrderDesk
from mm_trio.state.order_state import OrderState
from mm_trio.venue.order_gateway import OrderGateway
from mm_trio.venue.sdk import fetch_spot_meta, make_exchange, make_wallet
from mm_trio.witness.nonces import Nonces
from mm_trio.witness.reservation import Reservation
from mm_trio.witness.venue_clock import VenueClock

__all__: list[str] = []

PRICE, SIZE = Decimal("20.5"), Decimal(5)
WARM_UP = 20
PAUSE_S = 0.06  # as long as a commit that was put off: the one beside a request is over before the next one
WAL_PAGES = 1_000  # SQLite begins its log anew then


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


# --- a journalled intent ----------------------------------------------------------------------


async def measure_requests(folder: Path, *, n: int) -> dict[str, float]:
    """Milliseconds of one place over loopback through the SDK, interleaved.

    Without a journal, with the entry written ahead, and with the entry written beside the request.
    """
    market = default_market("@107", seed=1)
    exchange = Exchange(market.markets, max_open_orders=10 * n)
    gateway = Gateway(exchange, now_ms=_now_ms)
    async with trio.open_nursery() as nursery:
        server = await nursery.start(serve, gateway, Auth(lambda address: address in exchange.addresses()))
        wallet = make_wallet(sha256(b"mm_trio benchmark").hexdigest())
        account = wallet.address.lower()
        fund_accounts(gateway, market, account)
        spot_meta = await trio.to_thread.run_sync(fetch_spot_meta, server.url)
        settings = MarketSettings(coin=market.pair.name, api_url=server.url, account=account)
        sender = make_exchange(settings, wallet, spot_meta)
        files = {name: _open_worn(folder / name) for name in ("journalled", "beside")}
        times_ms: dict[str, list[float]] = {"in_memory": [], "journalled": [], "beside": []}
        senders = {}
        nonces = Nonces(VenueClock(_now_ms))  # One signer for all: its nonces rise over all actions.
        for name in times_ms:
            writer = await _open_writer(nursery, files.get(name), nonces if name == "beside" else None)
            orders = OrderState()
            orders.start_recording(writer.record)
            gateway_of_it = OrderGateway(
                sender, run_sync=trio.to_thread.run_sync, ledger=writer, clock=VenueClock(_now_ms), nonces=nonces
            )
            lane = ActionLane(gateway_of_it)
            senders[name] = OrderDesk(gateway_of_it, lane, coin=market.pair.name, record=writer.record), orders
        for i in range(len(senders) * (n + WARM_UP)):
            name = tuple(senders)[i % len(senders)]
            await trio.sleep(PAUSE_S)
            desk, orders = senders[name]
            began_s = time.perf_counter()
            quote = Quote("buy", 0, Decimal("20.000") + Decimal(i % 500) / 1000, SIZE)
            (answer,) = await desk.send_places(partial(_intend, orders, quote, number=i), most=1)
            took_ms = 1000 * (time.perf_counter() - began_s)
            assert not isinstance(answer, Unknown), answer
            if i >= len(senders) * WARM_UP:
                times_ms[name].append(took_ms)
        for file in files.values():
            file.close()
        nursery.cancel_scope.cancel()
    found = {f"request_{name}_p50_ms": statistics.median(times) for name, times in times_ms.items()}
    found |= {f"request_{name}_p90_ms": statistics.quantiles(times, n=10)[-1] for name, times in times_ms.items()}
    # of neighbours, one after the other: what the machine does meanwhile is then in both
    for name in ("journalled", "beside"):
        added = [after - before for before, after in zip(times_ms["in_memory"], times_ms[name], strict=True)]
        found[f"{name}_adds_p50_ms"] = statistics.median(added)
    return found


def _open_worn(folder: Path) -> Journal:
    """Open a journal as it is in any run of some minutes: its log is overwritten, it does not grow."""
    journal = Journal.open(folder)
    for n_written in range(WAL_PAGES):
        journal.append([Quoted(n_written)], at_ms=_now_ms())
    return journal


async def _open_writer(nursery: trio.Nursery, file: Journal | None, nonces: Nonces | None) -> JournalWriter:
    """Make a writer; with nonces one whose requests leave beside their entries."""
    reservation = None if nonces is None else Reservation(1, clock=VenueClock(_now_ms), nonces=nonces)
    writer = JournalWriter(
        file, run_sync=trio.to_thread.run_sync, wall_ms=_now_ms, summarise=tuple, reservation=reservation
    )
    if reservation is not None:
        writer.reserve()
        writer.record(Began(1, {}))
        await writer.flush()
        nursery.start_soon(writer.keep_forever)
    return writer


def _intend(orders: OrderState, quote: Quote, departure: Departure, *, number: int) -> list[Intent]:
    nonce, expires_ms = departure.take()
    cloid = encode_cloid(CloidParts(1, "buy", 0, number))
    intent = Intent(cloid, quote, expires_ms=expires_ms, nonce=nonce)
    orders.on_sent(intent)
    return [intent]


def measure_commits(folder: Path, *, n: int) -> dict[str, float]:
    """Milliseconds (p50) of one durable commit of one entry, and of twenty."""
    journal = Journal.open(folder)
    found: dict[str, float] = {}
    for size in (1, 20):
        entries = _make_sent(size)
        times = [_time(partial(journal.append, entries, at_ms=_now_ms())) for _ in range(n)]
        found[f"commit_of_{size}_p50_ms"] = 1000 * statistics.median(times)
    journal.close()
    return found


def _time(work: Callable[[], object]) -> float:
    began_s = time.perf_counter()
    work()
    return time.perf_counter() - began_s


def _make_sent(n: int) -> list[Entry]:
    return [Sent(f"0x{i:032x}", Quote("buy", i, PRICE, SIZE), None, 1, 1) for i in range(n)]


# --- a restart --------------------------------------------------------------------------------


def measure_restart(folder: Path, *, n: int) -> dict[str, float]:
    """Seconds to open and replay a journal of `n` entries, from the first one and from its last checkpoint."""
    journal = Journal.open(folder)
    batch: list[Entry] = []
    for i, entry in enumerate(_make_history(n), start=1):
        batch.append(entry)
        if len(batch) == 10_000 or i == n:
            journal.append(batch, at_ms=_now_ms())
            batch.clear()
            _show_progress("writing the journal", i, n)
    journal.close()
    found = {f"restart_of_{n}_s": _time(lambda: _restart(folder))}
    state = _restart(folder)
    journal = Journal.open(folder)
    parts = (*state.inventory.summarise(), *state.order_state.summarise(remember_after_ms=n))
    journal.append([Checkpoint(parts)], at_ms=_now_ms())
    journal.append(list(_make_history(1_000, begin=n))[2:], at_ms=_now_ms())
    journal.close()
    found[f"restart_of_{n}_from_checkpoint_s"] = _time(lambda: _restart(folder))
    found[f"archive_of_{n}_s"] = _time(lambda: _archive(folder))
    found[f"restart_of_{n}_beside_archives_s"] = _time(lambda: _restart(folder))
    return found


def _archive(folder: Path) -> None:
    journal = Journal.open(folder)
    try:
        journal.move_to_archive()
    finally:
        journal.close()


def _restart(folder: Path) -> Recovered:
    journal = Journal.open(folder)
    try:
        return replay((row.entry for row in journal.read()), order_size=SIZE, now_s=0.0, wall_ms=_now_ms())
    finally:
        journal.close()


def _make_history(n: int, *, begin: int = 0) -> Iterator[Entry]:
    """A busy maker's entries: every order sent, arrived, filled whole."""
    yield Began(1, {})
    yield Allocated(Decimal(10) ** 9, Decimal(10) ** 9)
    yield Adjusted(Decimal(10) ** 9, Decimal(10) ** 9, "balance")
    for i in range(begin + 3, begin + n, 3):
        quote = Quote("buy" if i % 2 else "sell", i % 100, PRICE, SIZE)
        yield Sent(f"0x{i:032x}", quote, None, i, i)
        yield Arrived(f"0x{i:032x}", i)
        yield Booked(i, i, i, "@107", quote, Decimal("0.002"), "base")


# --- the report -------------------------------------------------------------------------------


def _show_progress(what: str, done: int, of: int) -> None:
    if sys.stderr.isatty():
        print(f"\r{what}: {done:,} of {of:,}", end="" if done < of else "\n", file=sys.stderr, flush=True)


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, and print one line a figure or a JSON object."""
    parser = make_parser(__doc__)
    parser.add_argument("--requests", type=int, default=300, metavar="N", help="places measured each way")
    parser.add_argument("--entries", type=int, default=1_000_000, metavar="N", help="length of the journal replayed")
    arguments = parser.parse_args(argv)
    machine = describe_machine()
    with tempfile.TemporaryDirectory(prefix="mm_trio-bench-") as name:
        base = Path(name)
        found: dict[str, Any] = measure_commits(base / "commits", n=arguments.requests)
        found |= trio.run(lambda: measure_requests(base / "requests", n=arguments.requests))
        found |= measure_restart(base / "restart", n=arguments.entries)
    tell(arguments, {"machine": machine, **found}, partial(print_figures, found))


if __name__ == "__main__":
    main()

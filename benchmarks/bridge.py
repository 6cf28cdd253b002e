"""From the SDK's threads into the loop: how late a message is, and how many get through in a second.

Run by `nox -s bench`, or `python benchmarks/bridge.py`. Ours is the maker's inbox: a thread waits until the loop took
its message. Beside it is what an asyncio maker does: `run_coroutine_threadsafe`, fire and forget, by this Python's own
library. Both take turns. Latency is measured with a pause between the messages of a thread, throughput without;
`waiting` is how many messages were underway at the most, which nobody limits in the second way.
"""

from __future__ import annotations

import asyncio
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import trio
from common import (
    compute_quantile,
    describe_machine,
    make_parser,
    print_machine,
    print_table,
    print_targets,
    ratio,
    tell,
)

from mm_trio.venue.thread_bridge import Inbox

__all__: list[str] = []

PRODUCERS = (1, 4)
PAUSE_S = 0.001
TARGET = 0.25  # of the messages that the other way gets through, from four threads

Callback = Callable[[float], None]


class Meter:
    """What the loop notes: only its own thread writes the delays."""

    def __init__(self, n_expected: int) -> None:
        self._n_expected = n_expected
        self.delays_s: list[float] = []
        self.began_s = time.perf_counter()
        self.took_s = 0.0
        self.n_sent = [0] * max(PRODUCERS)  # by thread
        self.most_waiting = 0

    def on_message(self, sent_s: float) -> bool:
        """Note one message; true with the last one."""
        now_s = time.perf_counter()
        self.delays_s.append(now_s - sent_s)
        self.most_waiting = max(self.most_waiting, sum(self.n_sent) - len(self.delays_s))
        if len(self.delays_s) < self._n_expected:
            return False
        self.took_s = now_s - self.began_s
        return True


def _start_producers(meter: Meter, callback: Callback, *, n_threads: int, each: int, pause_s: float) -> None:
    def produce(number: int) -> None:
        for _ in range(each):
            meter.n_sent[number] += 1
            callback(time.perf_counter())
            if pause_s:
                time.sleep(pause_s)

    for number in range(n_threads):
        threading.Thread(target=produce, args=(number,), daemon=True).start()


def run_inbox(*, n_threads: int, each: int, pause_s: float) -> Meter:
    """Through the maker's inbox: one task takes."""

    async def main() -> Meter:
        inbox, meter = Inbox(), Meter(n_threads * each)
        callback = inbox.callback("userFills", 1)
        _start_producers(meter, callback, n_threads=n_threads, each=each, pause_s=pause_s)
        while True:
            body = (await inbox.receive()).body
            assert isinstance(body, float)
            if meter.on_message(body):
                break
        inbox.close()
        return meter

    return trio.run(main)


def run_asyncio(*, n_threads: int, each: int, pause_s: float) -> Meter:
    """Through `run_coroutine_threadsafe`: each message is a task of its own."""

    async def main() -> Meter:
        loop, meter, done = asyncio.get_running_loop(), Meter(n_threads * each), asyncio.Event()

        async def handle(sent_s: float) -> None:
            if meter.on_message(sent_s):
                done.set()

        def callback(sent_s: float) -> None:
            asyncio.run_coroutine_threadsafe(handle(sent_s), loop)

        _start_producers(meter, callback, n_threads=n_threads, each=each, pause_s=pause_s)
        await done.wait()
        return meter

    return asyncio.run(main())


WAYS: dict[str, Callable[..., Meter]] = {"inbox": run_inbox, "asyncio": run_asyncio}


def measure_all(*, rounds: int, messages: int) -> list[dict[str, Any]]:
    """A row for each way and number of threads: medians of the rounds."""
    delays_us: dict[tuple[str, int], list[float]] = {}
    per_s: dict[tuple[str, int], list[float]] = {}
    waiting: dict[tuple[str, int], int] = {}
    for _ in range(rounds):
        for n_threads in PRODUCERS:
            for way, run in WAYS.items():
                key, each = (way, n_threads), messages // n_threads
                paced = run(n_threads=n_threads, each=max(1, each // 10), pause_s=PAUSE_S)
                delays_us.setdefault(key, []).extend(1e6 * delay_s for delay_s in paced.delays_s)
                flat_out = run(n_threads=n_threads, each=each, pause_s=0.0)
                per_s.setdefault(key, []).append(n_threads * each / flat_out.took_s)
                waiting[key] = max(waiting.get(key, 0), flat_out.most_waiting)
    return [
        {
            "way": way,
            "threads": n_threads,
            "p50_us": statistics.median(delays),
            "p99_us": compute_quantile(delays, 0.99),
            "per_s": statistics.median(per_s[way, n_threads]),
            "most_waiting": waiting[way, n_threads],
        }
        for (way, n_threads), delays in delays_us.items()
    ]


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, and print a table or a JSON object."""
    parser = make_parser(__doc__)
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="turns that each takes")
    parser.add_argument("--messages", type=int, default=10_000, metavar="N", help="of one turn without pauses")
    arguments = parser.parse_args(argv)
    machine = describe_machine()
    rows = measure_all(rounds=max(1, arguments.rounds), messages=max(max(PRODUCERS), arguments.messages))
    many = {row["way"]: row["per_s"] for row in rows if row["threads"] == max(PRODUCERS)}
    share = ratio([many["inbox"]], [many["asyncio"]]) or 0.0
    target = {"value": share, "at_least": TARGET, "met": share >= TARGET}
    targets = {"messages a second of four threads, beside asyncio": target}

    def print_tables() -> None:
        print_machine(machine)
        heads = ("into the loop", "threads", "p50 us", "p99 us", "messages/s", "waiting")
        print_table(heads, [tuple(row.values()) for row in rows])
        print_targets(targets)

    tell(arguments, {"machine": machine, "bridges": rows, "targets": targets}, print_tables)


if __name__ == "__main__":
    main()

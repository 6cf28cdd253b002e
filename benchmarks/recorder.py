"""What the record costs: processor time at a steady stream of frames.

Run by `nox -s bench`, or `python benchmarks/recorder.py`. A thread parses frames as the socket's does and hands them
over; looks and writes are those of a maker with forty orders, one of which changes each second. Figures of one machine.
"""

from __future__ import annotations

import json
import random
import tempfile
import threading
import time
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import trio
from common import describe_machine, make_parser, print_machine, print_table, print_targets, tell

from mm_trio.concurrency.thread_pools import ThreadPools
from mm_trio.model.observations import OwnBook, RestingSize
from mm_trio.recorder.kept_file import RecordBounds
from mm_trio.recorder.record_keeping import Connected, RecordKeeping
from mm_trio.recorder.recorder import Recorder

__all__: list[str] = []

COIN = "@107"
MOST_PERCENT = 3.0
USERS = ["0x" + "a1" * 20, "0x" + "b2" * 20]


class Feed:
    """Feed whose frames a thread sends, half of them prices and half of them trades."""

    def __init__(self, frames_a_second: float) -> None:
        self._every_s = 1 / frames_a_second
        self._callbacks: dict[str, Any] = {}
        self.spent_s = 0.0

    async def subscribe_market(self, feed: str, coin: str, callback: Any) -> None:
        self._callbacks[feed] = callback

    def send_for(self, seconds: float) -> None:
        """Send frames on this thread, and note the processor time that it took."""
        rng, end_s, n = random.Random(1), time.monotonic() + seconds, 0
        while time.monotonic() < end_s:
            n += 1
            text = self._make_trades(rng, n) if n % 2 else self._make_prices(rng)
            began_s = time.thread_time()
            frame = json.loads(text)
            self._callbacks[frame["channel"]](frame)
            self.spent_s += time.thread_time() - began_s
            time.sleep(self._every_s)

    def _make_prices(self, rng: random.Random) -> str:
        bid = 20 + rng.randint(0, 1000) / 1000
        sides = [{"px": f"{price:.3f}", "sz": f"{rng.random() * 90 + 1:.2f}", "n": 2} for price in (bid, bid + 0.06)]
        return json.dumps({"channel": "bbo", "data": {"coin": COIN, "time": _now_ms(), "bbo": sides}})

    def _make_trades(self, rng: random.Random, n: int) -> str:
        row = {"coin": COIN, "side": "B", "px": "20.123", "sz": f"{rng.random() * 9 + 1:.2f}", "time": _now_ms()}
        return json.dumps({"channel": "trades", "data": [row | {"hash": "0x" + "0" * 64, "tid": n, "users": USERS}]})


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def look_at_own(now_ms: int) -> OwnBook:
    """Return a book of forty orders; the size of one is another each second."""
    sizes = [RestingSize("buy", Decimal(20 - i) / 3, Decimal(5)) for i in range(39)]
    return OwnBook(now_ms, (*sizes, RestingSize("sell", Decimal(21), Decimal(now_ms // 1000 % 97 + 1))), "quoting")


async def measure(folder: Path, *, frames_a_second: float, seconds: float) -> dict[str, float]:
    """Measure processor time and bytes of a steady stream."""
    recorder = Recorder(folder, coin=COIN, bounds=RecordBounds())
    feed: Any = Feed(frames_a_second)
    keeping = RecordKeeping(
        recorder,
        feed,
        find_connected=lambda: Connected(1, trio.current_time()),
        wall_ms=_now_ms,
        run_sync=ThreadPools(trio.to_thread.run_sync).record,
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(keeping.keep_forever, look_at_own)
        await trio.sleep(1.5)
        sender = threading.Thread(target=feed.send_for, args=(seconds,))
        began_s, began_cpu_s = time.monotonic(), time.process_time()
        sender.start()
        while sender.is_alive():
            await trio.sleep(1)
            recorder.take_fill(_now_ms() - 500)
        took_s, cpu_s = time.monotonic() - began_s, time.process_time() - began_cpu_s
        nursery.cancel_scope.cancel()
    recorder.close()
    counts = recorder.counts
    return {
        "frames_a_second": frames_a_second,
        "seconds": round(took_s, 1),
        "cpu_percent": round(100 * cpu_s / took_s, 2),
        "of_which_parsing_percent": round(100 * feed.spent_s / took_s, 2),
        "prices": counts["prices"],
        "trades": counts["trades"],
        "marks": counts["marks"],
        "lost": counts["lost"],
    }


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, metavar="S", help="length of each stream (default: 60)")
    arguments = parser.parse_args()
    machine, streams = describe_machine(), []
    for rate in (0.5, 20.0):
        with tempfile.TemporaryDirectory() as folder:
            run = partial(measure, Path(folder), frames_a_second=rate, seconds=arguments.seconds)
            streams.append(trio.run(run))
    busiest = streams[-1]["cpu_percent"]
    targets = {
        "processor at 20 frames a second, percent of a core": {
            "value": busiest,
            "at_most": MOST_PERCENT,
            "met": busiest <= MOST_PERCENT,
        }
    }

    def print_tables() -> None:
        print_machine(machine)
        print_table(list(streams[0]), [list(stream.values()) for stream in streams])
        print_targets(targets)

    tell(arguments, {"machine": machine, "streams": streams, "targets": targets}, print_tables)


if __name__ == "__main__":
    main()

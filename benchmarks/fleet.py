"""Many grids of one account in one process: memory, sockets, request weight, CPU, reactions, and exact ledgers.

Run by `nox -s fleet`, or `python benchmarks/fleet.py --grids 50`. Each grid quotes a pair of the sandbox of its own,
and all share the quote token. For a while nobody trades, then Poisson takers take whole best orders of pairs drawn from
a seed, and then the maker is killed again and again while they trade. Whenever they rest, each grid's ledger has to be
what the exchange's fills make of its part, and the sum of all parts what the account has, to the last digit.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

from common import compute_quantile, describe_machine, make_parser, print_figures, print_machine, take_priority, tell
from fleet_venue import Fleet, run_venue
from life import CpuClock, read_rss_mib
from makers import ACCOUNT, ORDER_SIZE, START_PRICE, TAKER, make_ours

__all__ = ["measure_fleet"]

# Fifty grids of ten levels a side are the thousand orders that an account may have open.
LEVELS, SLACK = 8, 2
TOKENS, QUOTE = 80, 2_000
SETTLE_S, PATIENCE_S, EXACT_WITHIN_S = 8.0, 60.0, 40.0
LIVES_S = (1.0, 4.0)  # of a maker that will be killed
CONFIG = {
    "start_px": START_PRICE,
    "n_orders": 60,
    "order_sz": ORDER_SIZE,
    "active_levels": LEVELS,
    "window_slack": SLACK,
    "allocated_token": TOKENS,
    "allocated_usdc": QUOTE,
    "requote_on_fill": True,
}


class _Maker:
    """The maker's process, started anew after each kill."""

    def __init__(self, url: str, coins: Sequence[str], folder: Path, *, record: bool) -> None:
        asked = {
            "url": url,
            "account": ACCOUNT,
            "coins": coins,
            "grid": CONFIG,
            "folder": str(folder),
            "record": record,
        }
        self._command = (sys.executable, str(Path(__file__).with_name("fleet_maker.py")), json.dumps(asked))
        self._environ = dict(make_ours("", interval_s=3).environ)
        self._log = folder / "maker.log"
        self._journal = folder / "state" / "account"
        self.start()

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=self._environ,
            )

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    @property
    def pid(self) -> int:
        return self._process.pid

    def ask(self) -> dict[str, dict[str, Any]]:
        """What each grid's ledger has now. Errors: RuntimeError with the end of the log where it has ended."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(b"\n")
            self._process.stdin.flush()
            found: dict[str, dict[str, Any]] = json.loads(self._process.stdout.readline())
        except (OSError, ValueError) as error:
            raise RuntimeError(f"the fleet ended:\n{self.read_log()[-3000:]}") from error
        return found

    def read_log(self) -> str:
        return self._log.read_text()

    def measure_journal(self) -> int:
        """Bytes of the journal and what lies beside it."""
        return sum(path.stat().st_size for path in self._journal.iterdir())


def find_differences(ledgers: dict[str, dict[str, Any]], seen: dict[str, Any]) -> list[str]:
    """What a grid or the sum of all has that the exchange does not."""
    found = []
    for coin, (token, usdc) in seen["parts"].items():
        own = ledgers[coin]["token"], ledgers[coin]["usdc"]
        if (Decimal(own[0]), Decimal(own[1])) != (token, usdc) or token != seen["tokens"][coin]:
            found.append(f"{coin} has {own}, its fills make {token}, {usdc}; the account has {seen['tokens'][coin]}")
    total = sum((Decimal(ledger["usdc"]) for ledger in ledgers.values()), Decimal(0))
    if total != seen["usdc"]:
        found.append(f"all grids have {total} USDC, the account has {seen['usdc']}")
    return found + [f"{coin} ended: {each['failure']}" for coin, each in ledgers.items() if each["failure"]]


class _Venue:
    """The exchange's process, and questions to it."""

    def __init__(self, fleet: Fleet, *, every_s: float) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=run_venue, args=(theirs, fleet, every_s), daemon=True)
        self._process.start()
        self.url: str = self._pipe.recv()

    def ask(self, what: str, maker: _Maker) -> dict[str, Any]:
        self._pipe.send(what)
        if not self._pipe.poll(PATIENCE_S):
            raise RuntimeError(f"the fleet did not quote:\n{maker.read_log()[-3000:]}")
        found: dict[str, Any] = self._pipe.recv()
        return found

    def end(self) -> None:
        self._process.kill()
        self._process.join()


def wait_until_exact(venue: _Venue, maker: _Maker) -> float:
    """Let the takers rest; return seconds until all ledgers are exact. Errors: RuntimeError where they stay wrong."""
    began_s = time.perf_counter()
    venue.ask("rest", maker)
    while found := find_differences(maker.ask(), venue.ask("look", maker)):
        if time.perf_counter() > began_s + EXACT_WITHIN_S:
            raise RuntimeError("\n".join(found) + f"\n{maker.read_log()[-3000:]}")
        time.sleep(0.05)
    return time.perf_counter() - began_s


def measure_fleet(
    n_grids: int, *, idle_s: float, seconds: float, every_s: float, kills: int = 0, record: bool = False
) -> dict[str, Any]:
    """Measure one life of a fleet, and kill it so many times. Errors: RuntimeError if it does not quote exactly."""
    coins = [f"@{n}" for n in range(1, n_grids + 1)]
    venue = _Venue(Fleet(ACCOUNT, TAKER, coins, TOKENS, QUOTE, LEVELS), every_s=every_s)
    try:
        with tempfile.TemporaryDirectory(prefix="mm_trio-fleet-") as name:
            began_s = time.perf_counter()
            maker = _Maker(venue.url, coins, Path(name), record=record)
            try:
                start = venue.ask("whole", maker)
                found = {
                    "grids": n_grids,
                    "recorders": n_grids if record else 0,
                    "whole_ladders_s": time.perf_counter() - began_s,
                    "start_weight": start["weight"],
                    "open_orders": start["open_orders"],
                }
                found |= _watch_idle(venue, maker, idle_s)
                found |= _watch_trades(venue, maker, seconds)
                return found | (_kill_often(venue, maker, kills) if kills else {})
            finally:
                maker.kill()
    finally:
        venue.end()


def _watch_idle(venue: _Venue, maker: _Maker, idle_s: float) -> dict[str, Any]:
    time.sleep(min(SETTLE_S, idle_s))
    before, began_s = venue.ask("look", maker), time.perf_counter()
    cpu = CpuClock(maker.pid).watch(idle_s)
    after, took_s = venue.ask("look", maker), time.perf_counter() - began_s
    return {
        "idle_weight_a_minute": 60 * (after["weight"] - before["weight"]) / took_s,
        "idle_cpu_ms_per_s": 1000 * cpu,
        "idle_rss_mib": read_rss_mib(maker.pid),
    }


def _watch_trades(venue: _Venue, maker: _Maker, seconds: float) -> dict[str, Any]:
    journal, n_lines = maker.measure_journal(), maker.read_log().count("\n")
    before, began_s = venue.ask("take", maker), time.perf_counter()
    cpu = CpuClock(maker.pid).watch(seconds)
    after, took_s = venue.ask("rest", maker), time.perf_counter() - began_s
    waits_ms, n_fills = [1000 * wait_s for wait_s in after["waits_s"]], after["fills"] - before["fills"]
    figures = {
        "weight_a_minute": 60 * (after["weight"] - before["weight"]) / took_s,
        "questions": {
            kind: n - before["questions"].get(kind, 0)
            for kind, n in after["questions"].items()
            if n > before["questions"].get(kind, 0)
        },
        "actions_a_minute": 60 * (after["actions"] - before["actions"]) / took_s,
        "cpu_ms_per_s": 1000 * cpu,
        "rss_mib": read_rss_mib(maker.pid),
        "threads": len(os.listdir(f"/proc/{maker.pid}/task")),
        "sockets": after["sockets"],
        "open_orders": after["open_orders"],
        "fills": n_fills,
        "fewest_fills_of_a_grid": after["fewest_fills"],
        "items_a_fill": (after["items"] - before["items"]) / max(1, n_fills),
        "journal_bytes_a_fill": (maker.measure_journal() - journal) / max(1, n_fills),
        "log_lines_a_fill": (maker.read_log().count("\n") - n_lines) / max(1, n_fills),
        "fills_quoted": len(waits_ms),
        "p50_ms": statistics.median(waits_ms) if waits_ms else None,
        "p90_ms": compute_quantile(waits_ms, 0.9) if waits_ms else None,
    }
    return figures | {"exact_after_s": wait_until_exact(venue, maker)}


def _kill_often(venue: _Venue, maker: _Maker, kills: int) -> dict[str, Any]:
    """Kill the maker while takers trade, some of whom trade on without it; each restart has to be exact."""
    rng, starts_s, exact_s = Random(1), [], []
    n_before = venue.ask("take", maker)["fills"]
    for _ in range(kills):
        venue.ask("take", maker)
        time.sleep(rng.uniform(*LIVES_S))
        maker.kill()
        time.sleep(rng.random())
        began_s = time.perf_counter()
        maker.start()
        venue.ask("whole", maker)
        # Ladders may be whole because they rested all the while; this one answers once its grids have begun.
        maker.ask()
        starts_s.append(time.perf_counter() - began_s)
        exact_s.append(wait_until_exact(venue, maker))
    return {
        "kills": kills,
        "fills_among_kills": venue.ask("look", maker)["fills"] - n_before,
        "exact_after_kill_s": statistics.median(exact_s),
        "exact_after_kill_most_s": max(exact_s),
        "exact_after_kills": len(exact_s),
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, and print figures or a JSON object."""
    parser = make_parser(__doc__)
    parser.add_argument("--grids", type=int, default=50, metavar="N", help="of the fleet")
    parser.add_argument("--idle", type=float, default=30.0, metavar="S", help="seconds without a trade")
    parser.add_argument("--seconds", type=float, default=60.0, metavar="S", help="seconds with takers")
    parser.add_argument(
        "--every", type=float, default=0.1, metavar="S", help="mean seconds between takers, of all pairs"
    )
    parser.add_argument("--kills", type=int, default=0, metavar="N", help="times that the maker is killed at the end")
    parser.add_argument("--record", action="store_true", help="record each pair's market")
    parser.add_argument("--ordinary", action="store_true", help="take no real-time priority")
    arguments = parser.parse_args(argv)
    machine = describe_machine() | {"priority": "ordinary" if arguments.ordinary else take_priority()}
    found = measure_fleet(
        arguments.grids,
        idle_s=arguments.idle,
        seconds=arguments.seconds,
        every_s=arguments.every,
        kills=arguments.kills,
        record=arguments.record,
    )

    def print_tables() -> None:
        print_machine(machine)
        print_figures({name: value for name, value in found.items() if isinstance(value, int | float)})

    tell(arguments, {"machine": machine, "fleet": found}, print_tables)


if __name__ == "__main__":
    main()

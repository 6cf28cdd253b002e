"""Many grids of one account in one process: memory, threads, sockets, request weight, CPU, and reactions.

Run by `nox -s bench`, or `python benchmarks/fleet.py --grids 50`. Each grid quotes a pair of the sandbox of its own.
For a while nobody trades, then Poisson takers take whole best orders of pairs drawn from a seed. Linux only.
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
from importlib.util import find_spec
from pathlib import Path
from random import Random
from typing import Any

import trio
from common import compute_quantile, describe_machine, make_parser, print_figures, print_machine, take_priority, tell
from life import CpuClock, read_rss_mib
from makers import ACCOUNT, ORDER_SIZE, START_PRICE, TAKER, make_ours

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
    serve,
)
from mm_trio.sandbox.api.ip_weights import weigh_question

__all__ = ["measure_fleet"]

LEVELS, SETTLE_S, LOOK_EVERY_S, PATIENCE_S = 10, 8.0, 0.1, 60.0
TOKENS, QUOTE = ORDER_SIZE * LEVELS, 2_000
MOST_PER_PAIR = 4  # whole orders on the way from the beginning, so that no ladder ends


class FleetFront(Gateway):
    """Notes what the maker asks, and when fills are quoted again."""

    def __init__(self, exchange: Exchange, maker: str) -> None:
        super().__init__(exchange, now_ms=lambda: time.time_ns() // 1_000_000)
        self._maker = maker
        self.weight = 0
        self.waits_s: list[float] = []
        self.owed: dict[tuple[int, bool, Decimal], float] = {}

    def info(self, request: object) -> object:
        self.weight += weigh_question(request)
        return super().info(request)

    def apply(self, command: Command) -> tuple[Effect, ...]:
        if getattr(command, "address", "").lower() == self._maker:
            now_s = time.perf_counter()
            orders: tuple[NewOrder, ...] = ()
            match command:
                case PlaceOrders(orders=orders):
                    pass
                case ModifyOrders(modifies=modifies):
                    orders = tuple(order for _, order in modifies)
            for order in orders:
                told_s = self.owed.pop((order.asset, order.is_buy, order.price), None)
                if told_s is not None:
                    self.waits_s.append(now_s - told_s)
        return super().apply(command)


def run_venue(pipe: Any, coins: Sequence[str], seconds: float, every_s: float) -> None:
    """Tell the address and that all ladders rest; then wait for "idle" and "take", and tell what was seen."""
    trio.run(_run, pipe, coins, seconds, every_s)


async def _run(pipe: Any, coins: Sequence[str], seconds: float, every_s: float) -> None:
    exchange = Exchange(DEFAULT_MARKETS.dense(), maker_fee="0", taker_fee="0", limits=Limits.off())
    gateway = FleetFront(exchange, ACCOUNT.lower())
    tokens = {t.index for coin in coins for t in (exchange.markets.pair(coin).base, exchange.markets.pair(coin).quote)}
    for owner in (ACCOUNT.lower(), TAKER):
        for token in sorted(tokens):
            gateway.apply(Deposit(owner, token, Decimal(10) ** 9))
    async with trio.open_nursery() as nursery:
        server = await nursery.start(serve, gateway, Auth(lambda address: address in exchange.addresses()))
        pipe.send(server.url)
        while any(len(exchange.book(coin).asks) < LEVELS for coin in coins):  # noqa: ASYNC110
            await trio.sleep(LOOK_EVERY_S)
        pipe.send(gateway.weight)
        while (what := await trio.to_thread.run_sync(pipe.recv, abandon_on_cancel=True)) != "end":
            if what == "take":
                await _take_all(gateway, coins, seconds, every_s)
            pipe.send({"weight": gateway.weight, "sockets": server.n_connections, "waits_s": gateway.waits_s})
        nursery.cancel_scope.cancel()


async def _take_all(gateway: FleetFront, coins: Sequence[str], seconds: float, every_s: float) -> None:
    rng, moved = Random(1), dict.fromkeys(coins, 0)
    until_s = trio.current_time() + seconds
    while trio.current_time() < until_s:
        await trio.sleep(rng.expovariate(1 / every_s))
        coin = rng.choice(coins)
        is_buy = rng.random() < 0.5 - moved[coin] / (2 * MOST_PER_PAIR)
        book = gateway.exchange.book(coin, depth=1)
        levels = book.asks if is_buy else book.bids
        if levels:
            best, asset = levels[0], gateway.exchange.markets.pair(coin).asset
            moved[coin] += 1 if is_buy else -1
            order = NewOrder(asset=asset, is_buy=is_buy, price=best.price, size=best.size, tif="Ioc")
            gateway.owed[asset, is_buy, best.price] = time.perf_counter()
            gateway.apply(PlaceOrders(TAKER, (order,)))
    await trio.sleep(1.0)


def measure_fleet(n_grids: int, *, idle_s: float, seconds: float, every_s: float) -> dict[str, float | None]:
    """Measure one life of a fleet. Errors: RuntimeError with its log if it did not quote."""
    coins = [f"@{n}" for n in range(1, n_grids + 1)]
    context = multiprocessing.get_context("spawn")
    pipe, theirs = context.Pipe()
    venue = context.Process(target=run_venue, args=(theirs, coins, seconds, every_s), daemon=True)
    venue.start()
    try:
        with tempfile.TemporaryDirectory(prefix="mm_trio-fleet-") as name:
            return _measure(pipe, coins, Path(name), idle_s=idle_s)
    finally:
        venue.kill()
        venue.join()


def _measure(pipe: Any, coins: Sequence[str], folder: Path, *, idle_s: float) -> dict[str, float | None]:
    grid = {
        "start_px": START_PRICE,
        "n_orders": 60,
        "order_sz": ORDER_SIZE,
        "active_levels": LEVELS,
        "window_slack": 3,
        "allocated_token": TOKENS,
        "allocated_usdc": QUOTE,
        "requote_on_fill": True,
    }
    asked = {"url": pipe.recv(), "account": ACCOUNT, "coins": coins, "grid": grid, "folder": str(folder / "state")}
    command = (sys.executable, str(Path(__file__).with_name("fleet_maker.py")), json.dumps(asked))
    environ = dict(make_ours("", interval_s=3).environ)
    began_s = time.perf_counter()
    with (folder / "maker.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environ)
    try:
        if not pipe.poll(PATIENCE_S):
            raise RuntimeError(f"the fleet did not quote:\n{(folder / 'maker.log').read_text()[-3000:]}")
        start_weight, started_s = pipe.recv(), time.perf_counter()
        time.sleep(SETTLE_S)
        pipe.send("look")
        before, clock = pipe.recv(), CpuClock(process.pid)
        idle_cpu, idle_began_s = clock.watch(idle_s), time.perf_counter()
        pipe.send("take")
        seen = pipe.recv()
        waits_ms = [1000 * wait_s for wait_s in seen["waits_s"]]
        return {
            "grids": len(coins),
            "whole_ladders_s": started_s - began_s,
            "start_weight": start_weight,
            "weight_a_minute": 60 * (seen["weight"] - before["weight"]) / (time.perf_counter() - idle_began_s + idle_s),
            "idle_cpu_ms_per_s": 1000 * idle_cpu,
            "rss_mib": read_rss_mib(process.pid),
            "threads": len(os.listdir(f"/proc/{process.pid}/task")),
            "sockets": seen["sockets"],
            "fills_quoted": len(waits_ms),
            "p50_ms": statistics.median(waits_ms) if waits_ms else None,
            "p90_ms": compute_quantile(waits_ms, 0.9) if waits_ms else None,
        }
    finally:
        process.kill()
        process.wait()


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, and print figures or a JSON object."""
    parser = make_parser(__doc__)
    parser.add_argument("--grids", type=int, default=50, metavar="N", help="of the fleet")
    parser.add_argument("--idle", type=float, default=30.0, metavar="S", help="seconds without a trade")
    parser.add_argument("--seconds", type=float, default=60.0, metavar="S", help="seconds with takers")
    parser.add_argument(
        "--every", type=float, default=0.1, metavar="S", help="mean seconds between takers, of all pairs"
    )
    arguments = parser.parse_args(argv)
    machine = describe_machine() | {"priority": take_priority()}
    if find_spec("mm_trio.engine.account_maker") is None:
        sys.exit("this version has no AccountMaker: there is no fleet to measure")
    found = measure_fleet(arguments.grids, idle_s=arguments.idle, seconds=arguments.seconds, every_s=arguments.every)

    def print_tables() -> None:
        print_machine(machine)
        print_figures({name: float("nan") if value is None else value for name, value in found.items()})

    tell(arguments, {"machine": machine, "fleet": found}, print_tables)


if __name__ == "__main__":
    main()

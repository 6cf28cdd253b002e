"""Makers on one exchange, one after the other: how fast a fill is quoted again, and what it costs in requests.

Run by `nox -s bench`, or `python benchmarks/side_by_side.py`; `pyperliquidity` takes part where MM_TRIO_PEER_PYTHON
names the Python of its environment. Each maker is a process of its own, and so is the exchange, which measures: the
same takers, drawn from a seed, take the whole best order of a side every half second, and the exchange notes when
their fills were told and when the maker's orders were received. Fees are zero, so that every order stays whole and
the right best prices are a matter of counting fills. The floor keeps no ledger and no ladder: what it takes is the
machine's. How much slower this machine is than the one that the aims were set on is measured by the other maker's own
tick, which took 65 microseconds there: before each turn, since it changes within minutes.
"""

from __future__ import annotations

import multiprocessing
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from common import (
    compute_quantile,
    describe_machine,
    find_peer_python,
    make_parser,
    print_machine,
    print_table,
    print_targets,
    tell,
)
from makers import ACCOUNT, LEVELS, Maker, make_floor, make_ours, make_peer, running
from measured_venue import Script, run_venue
from tick import Case, Peer

__all__: list[str] = []

SLACK = 5  # by so many levels the far ends of our window may lag; the other maker has no such thing
PATIENCE_S = 120.0
ON_FILL, FLOOR, PEER_FAST = "mm_trio, on fills", "floor", "peer, ticks of 0.5 s"
REACTION_TARGET = 3.0  # ms, where the peer's tick of this case takes so many microseconds
PEER_TICK, PEER_TICK_US = Case(1_000, 20), 65.0
TICKS = 300  # of the peer's, to know the machine by
WRONG_TARGET, ITEMS_TARGET = 0.01, 0.6


def _list_makers(peer_python: str) -> list[Maker]:
    makers = [
        make_ours(ON_FILL, interval_s=3.0, requote_on_fill=True, window_slack=SLACK),
        make_floor(FLOOR),
        make_ours("mm_trio, ticks of 3 s", interval_s=3.0, window_slack=SLACK),
        make_ours("mm_trio, ticks of 0.5 s", interval_s=0.5, window_slack=SLACK),
    ]
    if peer_python:
        makers += [
            make_peer("peer, ticks of 3 s", peer_python, interval_s=3.0),
            make_peer(PEER_FAST, peer_python, interval_s=0.5),
        ]
    return makers


def _measure(maker: Maker, script: Script) -> dict[str, Any]:
    """Let the takers of `script` trade with `maker`. Errors: RuntimeError with the maker's log if it did not trade."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    venue = context.Process(target=run_venue, args=(theirs, script, ACCOUNT.lower(), LEVELS), daemon=True)
    venue.start()
    try:
        with tempfile.TemporaryDirectory(prefix="mm_trio-side-") as name:
            folder = Path(name)
            with running(maker, ours.recv(), folder):
                if not ours.poll(script.lasts_s + PATIENCE_S):
                    raise RuntimeError(f"{maker.name} did not trade:\n{(folder / 'maker.log').read_text()[-3000:]}")
                seen: dict[str, Any] = ours.recv()
                return seen
    finally:
        venue.kill()
        venue.join()


def _measure_slowness(peer: Peer) -> float:
    """How many times as long as on the machine of the aims a tick of the peer takes here and now."""
    took_us: list[float] = peer.measure(PEER_TICK, levels=1, times=TICKS)["us"]
    return statistics.median(took_us) / PEER_TICK_US


def _sum_up(turns: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Of all turns of one maker together."""
    waits_ms = [1000 * wait_s for seen in turns for wait_s in seen["waits_s"]]
    names = ("n_fills", "n_actions", "n_items", "n_questions", "wrong_s", "traded_s")
    total = {name: sum(seen[name] for seen in turns) for name in names}
    n = total["n_fills"]
    return {
        "fills": n,
        "requoted": len(waits_ms),
        "p50_ms": statistics.median(waits_ms) if waits_ms else float("nan"),
        "p90_ms": compute_quantile(waits_ms, 0.9),
        "wrong_best_share": total["wrong_s"] / total["traded_s"],
        "actions_per_fill": total["n_actions"] / n,
        "items_per_fill": total["n_items"] / n,
        "questions_per_fill": total["n_questions"] / n,
    }


def _check_targets(found: Mapping[str, Mapping[str, float]], slowness: float) -> dict[str, dict[str, Any]]:
    ours, peer = found[ON_FILL], found.get(PEER_FAST)
    wanted = [
        ("from a fill to its replacement, p50 in ms", ours["p50_ms"], REACTION_TARGET * slowness),
        ("share of time with a wrong best price", ours["wrong_best_share"], WRONG_TARGET),
    ]
    if peer is not None:
        wanted.append(("items beside the peer", ours["items_per_fill"] / peer["items_per_fill"], ITEMS_TARGET))
    return {name: {"value": value, "at_most": most, "met": value <= most} for name, value, most in wanted}


def main(argv: Sequence[str] | None = None) -> None:
    """Let each maker trade in turn, and print a table or a JSON object."""
    parser = make_parser(__doc__)
    parser.add_argument("--rounds", type=int, default=1, metavar="N", help="turns that each takes")
    parser.add_argument("--fills", type=int, default=100, metavar="N", help="orders taken of each maker in a turn")
    parser.add_argument("--every", type=float, default=0.5, metavar="S", help="seconds between takers")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of the sides they take")
    arguments = parser.parse_args(argv)
    python = find_peer_python()
    machine = describe_machine(python)
    script = Script(n_fills=arguments.fills, every_s=arguments.every, seed=arguments.seed)
    turns: dict[str, list[dict[str, Any]]] = {}
    slownesses: list[float] = []
    peer = Peer(python) if python else None
    for _ in range(max(1, arguments.rounds)):
        for maker in _list_makers(python):
            if peer is not None:
                slownesses.append(_measure_slowness(peer))
            turns.setdefault(maker.name, []).append(_measure(maker, script))
    if peer is not None:
        peer.close()
    found = {name: _sum_up(seen) for name, seen in turns.items()}
    slowness = statistics.median(slownesses) if slownesses else 1.0
    targets = _check_targets(found, slowness)

    def print_tables() -> None:
        print_machine(machine)
        if slownesses:
            print(f"the peer's tick takes {slowness:.2f} times as long as on the machine that the aims were set on")
        print_table(("", *found[ON_FILL]), [(name, *figures.values()) for name, figures in found.items()])
        print_targets(targets)

    told = {"machine": machine, "slowness": slowness, "script": asdict(script), "makers": found, "targets": targets}
    tell(arguments, told, print_tables)


if __name__ == "__main__":
    main()

"""Makers on one exchange, one after the other: how fast a fill is quoted again, and what it costs in requests.

Run by `nox -s bench`, or `python benchmarks/side_by_side.py`; `pyperliquidity` takes part where MM_TRIO_PEER_PYTHON
names the Python of its environment. Each maker is a process of its own, and so is the exchange, which measures: the
same takers, drawn from a seed, take the whole best order of a side, and the exchange notes when their fills were told
and when the maker's orders were received. Takers come by a Poisson process (2.9 a second) and, in another turn, evenly.
Fees are zero, so that every order stays whole and the right best prices are a matter of counting fills. The floor keeps
no ledger and no ladder: what it takes is the machine's, so the result is the ratio to the floor of the same run. The
makers take turns, at real-time priority where that is allowed, with the ledger on the disk and in memory.
"""

from __future__ import annotations

import multiprocessing
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
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
    take_priority,
    tell,
)
from makers import ACCOUNT, LEVELS, Maker, make_floor, make_ours, make_peer, running
from measured_venue import Script, run_venue

__all__ = ["FLOOR", "Case", "measure", "measure_in_turns"]

SLACK = 5  # by so many levels the far ends of our window may lag; the other maker has no such thing
PATIENCE_S = 120.0
MEMORY = Path("/dev/shm")  # A file system without a disk.
OURS, FLOOR, PEER_FAST = "mm_trio, on fills", "floor", "peer, ticks of 0.5 s"
TO_FLOOR_TARGET, P90_TARGET, WRONG_TARGET, ITEMS_TARGET = 2.3, 1.5, 0.01, 0.6
KINDS = {"poisson": True, "even": False}


@dataclass(frozen=True, slots=True)
class Case:
    """A maker, and the folder that its files are in; None is the system's."""

    name: str
    maker: Maker
    folder: Path | None = None


def _list_cases(peer_python: str, arguments: Any) -> list[Case]:
    checkouts = {OURS: "", **dict(text.split("=", 1) for text in arguments.beside)}
    folders = {"disk": None} | ({"memory": MEMORY} if MEMORY.is_dir() else {})
    cases = [Case(FLOOR, make_floor(FLOOR))]
    for name, checkout in checkouts.items():
        options = {"checkout": Path(checkout)} if checkout else {}
        maker = make_ours(
            name, interval_s=3.0, requote_on_fill=True, window_slack=SLACK, tuning=arguments.tuning, **options
        )
        cases += [Case(f"{name}, {kind}", maker, folder) for kind, folder in folders.items()]
    if arguments.reaction_only:
        return cases
    for interval_s in (3.0, 0.5):
        name = f"ticks of {interval_s:g} s"
        cases.append(Case(f"mm_trio, {name}", make_ours(name, interval_s=interval_s, window_slack=SLACK)))
        if peer_python:
            cases.append(Case(f"peer, {name}", make_peer(name, peer_python, interval_s=interval_s)))
    return cases


def measure(case: Case, script: Script) -> dict[str, Any]:
    """Let the takers of `script` trade with a maker. Errors: RuntimeError with its log if it did not trade."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    venue = context.Process(target=run_venue, args=(theirs, script, ACCOUNT.lower(), LEVELS), daemon=True)
    venue.start()
    try:
        with tempfile.TemporaryDirectory(prefix="mm_trio-side-", dir=case.folder) as name:
            folder = Path(name)
            with running(case.maker, ours.recv(), folder):
                if not ours.poll(script.lasts_s + PATIENCE_S):
                    raise RuntimeError(f"{case.name} did not trade:\n{(folder / 'maker.log').read_text()[-3000:]}")
                seen: dict[str, Any] = ours.recv()
                return seen
    finally:
        venue.kill()
        venue.join()


def measure_in_turns(cases: Sequence[Case], scripts: Sequence[Script]) -> dict[str, dict[str, float | None]]:
    """Let each case trade with each script, and sum up by case. Errors: RuntimeError."""
    turns: dict[str, list[dict[str, Any]]] = {}
    for script in scripts:
        for case in cases:
            turns.setdefault(case.name, []).append(measure(case, script))
    sums = {name: _sum_up(seen) for name, seen in turns.items()}
    floor = sums.get(FLOOR, {}).get("p50_ms")
    return {
        name: {"to_floor": figures["p50_ms"] / floor if floor else None, **figures} for name, figures in sums.items()
    }


def _sum_up(turns: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Of all turns of one maker together."""
    waits_ms = [1000 * wait_s for seen in turns for wait_s in seen["waits_s"]]
    names = ("n_fills", "n_actions", "n_items", "n_questions", "wrong_s", "traded_s")
    total = {name: sum(seen[name] for seen in turns) for name in names}
    n, p50_ms = total["n_fills"], statistics.median(waits_ms) if waits_ms else float("nan")
    p90_ms = compute_quantile(waits_ms, 0.9)
    return {
        "p50_ms": p50_ms,
        "p90_ms": p90_ms,
        "p99_ms": compute_quantile(waits_ms, 0.99),
        "p90_to_p50": p90_ms / p50_ms,
        "wrong_best_share": total["wrong_s"] / total["traded_s"],
        "fills": n,
        "requoted": len(waits_ms),
        "actions_per_fill": total["n_actions"] / n,
        "items_per_fill": total["n_items"] / n,
        "questions_per_fill": total["n_questions"] / n,
    }


def _check_targets(found: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Of Poisson takers, with the ledger on the disk."""
    ours, peer = found[f"{OURS}, disk"], found.get(PEER_FAST)
    wanted = [
        ("fill to replacement, p50 beside the floor", ours["to_floor"], TO_FLOOR_TARGET),
        ("fill to replacement, p90 beside p50", ours["p90_to_p50"], P90_TARGET),
        ("share of time with a wrong best price", ours["wrong_best_share"], WRONG_TARGET),
    ]
    if peer is not None:
        wanted.append(("items beside the peer", ours["items_per_fill"] / peer["items_per_fill"], ITEMS_TARGET))
    return {name: {"value": value, "at_most": most, "met": value <= most} for name, value, most in wanted}


def _add_arguments(parser: Any) -> None:
    parser.add_argument("--rounds", type=int, default=1, metavar="N", help="turns that each takes")
    parser.add_argument("--fills", type=int, default=100, metavar="N", help="orders taken of each maker in a turn")
    parser.add_argument("--every", type=float, default=0.345, metavar="S", help="mean seconds between takers")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of the first turn's sides and pauses")
    parser.add_argument("--arrivals", choices=(*KINDS, "both"), default="both", help="how the takers come")
    parser.add_argument("--reaction-only", action="store_true", help="only the floor, and makers that quote on fills")
    parser.add_argument("--tuning", default="", metavar="LINE", help="a further line of our [tuning]")
    parser.add_argument(
        "--beside", action="append", default=[], metavar="NAME=FOLDER", help="our code of another checkout as well"
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Let each maker trade in turn, and print tables or a JSON object."""
    parser = make_parser(__doc__)
    _add_arguments(parser)
    arguments = parser.parse_args(argv)
    python = find_peer_python()
    machine = describe_machine(python) | {"priority": take_priority()}
    cases = _list_cases(python, arguments)
    found: dict[str, dict[str, dict[str, float | None]]] = {}
    for kind, is_poisson in KINDS.items():
        if arguments.arrivals in (kind, "both"):
            scripts = [
                Script(arguments.fills, arguments.every, arguments.seed + i, is_poisson)
                for i in range(max(1, arguments.rounds))
            ]
            found[kind] = measure_in_turns(cases, scripts)
    targets = _check_targets(found["poisson"]) if "poisson" in found else {}

    def print_tables() -> None:
        print_machine(machine)
        for kind, of_kind in found.items():
            print_table((f"{kind} takers", *of_kind[FLOOR]), [(name, *of.values()) for name, of in of_kind.items()])
        print_targets(targets)

    told = {"machine": machine, "script": asdict(scripts[0]), "takers": found, "targets": targets}
    tell(arguments, told, print_tables)


if __name__ == "__main__":
    main()

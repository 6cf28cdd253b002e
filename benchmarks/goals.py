"""The whole table of docs/performance.md: what was aimed at, and what is measured here and now.

Run by `python benchmarks/goals.py`; it takes ten minutes. With `pyperliquidity` where MM_TRIO_PEER_PYTHON names its
Python, and a fleet where this version has one. Best on a machine that does nothing else.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from common import make_parser, print_machine, print_table, tell

__all__: list[str] = []

OURS, FLOOR, PEER, PEER_LIFE = "mm_trio, on fills", "floor", "peer, ticks of 0.5 s", "pyperliquidity"
# What, aim, ours, floor, peer.
_Row: TypeAlias = tuple[str | float | None, ...]


def _run(name: str, folder: Path, *options: str) -> dict[str, Any] | None:
    """Run a measurement beside this one; None where it does not come to an end."""
    script, saved = Path(__file__).with_name(f"{name}.py"), folder / f"{name}.json"
    done = subprocess.run((sys.executable, str(script), "--save", str(saved), *options), stdout=subprocess.DEVNULL)
    if done.returncode or not saved.exists():
        print(f"{name}: not measured, it ended with {done.returncode}", file=sys.stderr)
        return None
    found: dict[str, Any] = json.loads(saved.read_text())
    return found


def _list_reactions(found: Mapping[str, Any]) -> Iterator[_Row]:
    for kind, makers in found["takers"].items():
        floor, peer = makers[FLOOR], makers.get(PEER, {})
        for place in ("disk", "memory"):
            if (ours := makers.get(f"{OURS}, {place}")) is None:
                continue
            name = f"{kind} takers, ledger on {'the disk' if place == 'disk' else 'no disk'}:"
            to_floor = peer.get("to_floor")
            yield f"{name} p50, times the floor", 2.3, ours["to_floor"], 1.0, to_floor
            yield f"{name} p50, ms", None, ours["p50_ms"], floor["p50_ms"], peer.get("p50_ms")
            yield f"{name} p90 / p50", 1.5, ours["p90_to_p50"], floor["p90_to_p50"], peer.get("p90_to_p50")
            yield f"{name} p99, ms", None, ours["p99_ms"], floor["p99_ms"], peer.get("p99_ms")
            shares = (ours, floor, peer)
            yield f"{name} wrong best price, %", 1.0, *(_percent(each.get("wrong_best_share")) for each in shares)
            yield f"{name} items a fill", 1.2, *(each.get("items_per_fill") for each in shares)


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _list_life(found: Mapping[str, Any]) -> Iterator[_Row]:
    ours, peer = found["makers"]["mm_trio"], found["makers"].get(PEER_LIFE, {})
    idle = "idle_cpu_ms_per_s"
    yield "idle CPU at ticks of 0.5 s, ms a second", peer.get(idle), ours[idle], None, peer.get(idle)
    yield "start to the first order, s", 1.5, ours["first_quote_s"], None, peer.get("first_quote_s")
    yield "sockets cut to a socket again, s", 1.0, ours["socket_again_s"], None, peer.get("socket_again_s")
    yield "to a quote of the fill of that moment, s", 1.0, ours["fill_quoted_s"], None, peer.get("fill_quoted_s")


def _list_start(found: Mapping[str, Any]) -> Iterator[_Row]:
    ours, peer = found["makers"]["mm_trio"], found["makers"].get(PEER_LIFE, {})
    first = "first_order_s"
    yield "the same, each answer 200 ms later, s", peer.get(first), ours[first], None, peer.get(first)
    yield "answers that follow one another until then", None, ours["in_a_row"], None, peer.get("in_a_row")


def _list_fleet(found: Mapping[str, Any]) -> Iterator[_Row]:
    fleet = found["fleet"]
    aims = {"rss_mib": 120.0, "sockets": 1.0, "weight_a_minute": 100.0}
    for name, value in fleet.items():
        if name != "grids":
            yield f"fleet of {fleet['grids']}: {name}", aims.get(name), value, None, None


def main(argv: Sequence[str] | None = None) -> None:
    """Measure everything, and print one table or a JSON object."""
    parser = make_parser(__doc__)
    parser.add_argument("--fills", type=int, default=100, metavar="N", help="orders taken of each maker in a turn")
    parser.add_argument("--rounds", type=int, default=1, metavar="N", help="turns that each takes")
    parser.add_argument("--grids", type=int, default=50, metavar="N", help="of the fleet; 0 measures none")
    parser.add_argument("--reaction-only", action="store_true", help="no makers that wait for their ticks, no peer")
    arguments = parser.parse_args(argv)
    rounds = ("--rounds", str(arguments.rounds))
    only = ("--reaction-only",) if arguments.reaction_only else ()
    rows: list[_Row] = []
    machine: Mapping[str, Any] | None = None
    with tempfile.TemporaryDirectory(prefix="mm_trio-goals-") as name:
        folder = Path(name)
        if (reactions := _run("side_by_side", folder, "--fills", str(arguments.fills), *rounds, *only)) is not None:
            machine = reactions["machine"]
            rows += _list_reactions(reactions)
        if (life := _run("life", folder, *rounds)) is not None:
            rows += _list_life(life)
        if (start := _run("start", folder, *rounds)) is not None:
            rows += _list_start(start)
        if arguments.grids and (fleet := _run("fleet", folder, "--grids", str(arguments.grids))) is not None:
            rows += _list_fleet(fleet)

    def print_tables() -> None:
        if machine is not None:
            print_machine(machine)
        print_table(("what", "at most", "mm_trio", "floor", "peer"), rows)

    tell(arguments, {"machine": machine, "rows": rows}, print_tables)


if __name__ == "__main__":
    main()

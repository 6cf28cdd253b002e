"""What the measurements share: which machine it was, medians, a table or one JSON object, and the other maker.

`pyperliquidity`, an asyncio maker, takes part where MM_TRIO_PEER_PYTHON names the Python of its environment
(`nox -s peer` makes one).
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = [
    "CHECKOUT",
    "compute_quantile",
    "describe_machine",
    "find_peer_python",
    "make_parser",
    "peer_environ",
    "print_figures",
    "print_machine",
    "print_table",
    "print_targets",
    "ratio",
    "take_priority",
    "tell",
]

CHECKOUT = Path(__file__).resolve().parents[1]
_OURS = ("trio", "hyperliquid-python-sdk", "websocket-client", "wsproto", "coincurve")
_THEIRS = ("pyperliquidity", "hyperliquid-python-sdk", "websocket-client")


def make_parser(about: str | None) -> argparse.ArgumentParser:
    """A parser with what all have; the description is the module's docstring, as it is written."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of tables")
    parser.add_argument("--save", type=Path, metavar="FILE", help="that object, into a file as well")
    return parser


def find_peer_python() -> str:
    """The Python of the other maker's environment, or nothing. Errors: SystemExit if it cannot import that maker."""
    python = os.environ.get("MM_TRIO_PEER_PYTHON", "")
    if python:
        try:
            subprocess.run([python, "-c", "import pyperliquidity"], check=True, capture_output=True, env=peer_environ())
        except (OSError, subprocess.CalledProcessError):
            sys.exit(f"MM_TRIO_PEER_PYTHON: {python} cannot import pyperliquidity; `nox -s peer` makes one that can")
    return python


def take_priority() -> str:
    """Run this process and its children before all others, as `chrt -r 1` does; say whether that was allowed.

    On a busy machine a long sample is cut more often than a short one, so without it a ratio of the two is false too.
    """
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except (AttributeError, PermissionError):
        return "none: not allowed here, so these figures contain what else this machine did"
    return "real-time"


def peer_environ(**more: str) -> dict[str, str]:
    """Without proxies, and without the path to this checkout: what the other maker imports is its own."""
    kept = {name: value for name, value in os.environ.items() if not name.upper().endswith("_PROXY")}
    kept.pop("PYTHONPATH", None)
    return kept | more


def describe_machine(peer_python: str = "") -> dict[str, Any]:
    """Machine, load and versions: without them a figure says nothing."""
    return {
        "cpu": _read_cpu_name(),
        "cores": os.cpu_count(),
        "load_1_min": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": {name: importlib.metadata.version(name) for name in _OURS},
        "peer": _ask_versions(peer_python) if peer_python else None,
    }


def _read_cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())


def _ask_versions(python: str) -> dict[str, str]:
    script = (
        "import importlib.metadata as m, json, platform, sys;"
        "print(json.dumps({'python': platform.python_version()} | {n: m.version(n) for n in sys.argv[1:]}))"
    )
    done = subprocess.run([python, "-c", script, *_THEIRS], check=True, capture_output=True, env=peer_environ())
    versions: dict[str, str] = json.loads(done.stdout)
    return versions


def compute_quantile(values: Iterable[float], share: float) -> float:
    """The smallest value that `share` of all do not exceed; nan of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


def ratio(values: Sequence[float], over: Sequence[float]) -> float | None:
    """Median over median: what two of us took, measured by turns. None without both."""
    if not values or not over or not statistics.median(over):
        return None
    return statistics.median(values) / statistics.median(over)


def print_machine(machine: Mapping[str, Any]) -> None:
    """Two or three lines."""
    print(f"{machine['cpu']}, {machine['cores']} cores, load {machine['load_1_min']}, {machine['system']}")
    if "priority" in machine:
        print(f"priority: {machine['priority']}")
    print(f"Python {machine['python']}, " + ", ".join(f"{k} {v}" for k, v in machine["versions"].items()))
    if machine["peer"]:
        print("peer: " + ", ".join(f"{k} {v}" for k, v in machine["peer"].items()))


def print_table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """The first column to the left, the others to the right; None is a dash."""
    lines = [list(heads), *([_show(cell) for cell in row] for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(heads))]
    for line in lines:
        cells = [line[0].ljust(widths[0]), *(cell.rjust(n) for cell, n in zip(line[1:], widths[1:], strict=True))]
        print("  ".join(cells).rstrip(), flush=True)


def tell(arguments: argparse.Namespace, found: Mapping[str, Any], print_tables: Callable[[], None]) -> None:
    """What was found, as the arguments of `make_parser` want it told; floats to four digits of what matters."""
    text = json.dumps(_round(found))
    if arguments.save is not None:
        arguments.save.parent.mkdir(parents=True, exist_ok=True)
        arguments.save.write_text(text + "\n")
    if arguments.json:
        print(text, flush=True)
    else:
        print_tables()


def print_figures(found: Mapping[str, float]) -> None:
    """One line a figure."""
    for name, value in found.items():
        print(f"{name:44} {value:>12,.3f}")


def print_targets(targets: Mapping[str, Mapping[str, Any]]) -> None:
    """One line a target: {"value", "at_most" or "at_least", "met"}."""
    for name, target in targets.items():
        bound = f"at most {target['at_most']:.4g}" if "at_most" in target else f"at least {target['at_least']:.4g}"
        print(f"{name}: {target['value']:.4g}, {bound}: {'met' if target['met'] else 'MISSED'}")


def _round(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, Mapping):
        return {key: _round(item) for key, item in value.items()}
    return [_round(item) for item in value] if isinstance(value, list | tuple) else value


def _show(cell: object) -> str:
    if cell is None:
        return "-"
    if isinstance(cell, float):
        return f"{cell:,.0f}" if abs(cell) >= 100 else f"{cell:.3g}"
    return f"{cell:,}" if isinstance(cell, int) and not isinstance(cell, bool) else str(cell)

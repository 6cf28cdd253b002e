"""How mm_trio is checked: `nox` runs lint, types, tests on every Python, e2e and build.

More by name: `nox -s props` (many examples), `schedules` (the tasks take turns in other orders), `kill` (a thousand
SIGKILLs), `nightly` (the simulation with fresh seeds), `soak` (the sandbox with every fault), `others` (strangers on
the sandbox), `bench` (what things cost). What follows `--` goes to the tool of the session.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import nox

PYTHONS = ["3.11", "3.12", "3.13"]

BENCHMARKS = (
    *("tick", "side_by_side", "bridge", "ingest", "life"),
    *("ledger", "sandbox", "sandbox_ws", "simulation"),
)

nox.needs_version = ">=2025.2"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.download_python = "never"
nox.options.sessions = ["lint", "types", "tests", "e2e", "build", "matrix"]

# nox finds a pyenv interpreter only if its folder is on the path
_PYENV = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
for _version in PYTHONS:
    for _bin in sorted(_PYENV.glob(f"versions/{_version}.*/bin")):
        os.environ["PATH"] += os.pathsep + str(_bin)

_ran: set[str] = set()  # Pythons whose tests ran in this run of nox
_peer_python: list[str] = []  # of the environment that `peer` made


def _groups(*names: str) -> tuple[str, ...]:
    """The requirements of dependency groups of pyproject.toml."""
    return nox.project.dependency_groups(nox.project.load_toml("pyproject.toml"), *names)


def _unless_first(session: nox.Session) -> str:
    """What takes minutes and does not depend on the interpreter runs on the first one alone."""
    return "" if session.python == PYTHONS[0] else " and not slow"


@nox.session(python="3.11")
def lint(session: nox.Session) -> None:
    """Ruff: rules and format."""
    session.install(*_groups("lint"))
    session.run("ruff", "check", *session.posargs)
    session.run("ruff", "format", "--check")


@nox.session(python="3.11")
def types(session: nox.Session) -> None:
    """Mypy, strict, over the package and the tests."""
    session.install("-e", ".", *_groups("types"))
    session.run("mypy", *session.posargs)


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """All tests that need neither sockets nor the real clock, and those of the bridge; the slow ones on one Python."""
    session.install("-e", ".", *_groups("test"))
    session.run("pytest", "-m", f"not e2e{_unless_first(session)}", "-p", "xdist", "-n", "2", *session.posargs)
    assert isinstance(session.python, str)
    _ran.add(session.python)


@nox.session(python=PYTHONS)
def e2e(session: nox.Session) -> None:
    """The real SDK against the exchange on loopback, on the real clock; most of it is waiting, so two at a time."""
    session.install("-e", ".", *_groups("test"))
    session.run("pytest", "-m", f"e2e{_unless_first(session)}", "-p", "xdist", "-n", "2", *session.posargs)


@nox.session(python="3.11")
def kill(session: nox.Session) -> None:
    """A thousand SIGKILLs of the maker while takers trade; `-- N [SEED]` for so many, or to repeat a run's moments."""
    session.install("-e", ".", *_groups("test"))
    names = ("MM_TRIO_KILLS", "MM_TRIO_KILL_SEED")
    environ = {"MM_TRIO_KILLS": os.environ.get("MM_TRIO_KILLS", "1000")} | dict(
        zip(names, session.posargs, strict=False)
    )
    session.run("pytest", "-s", "tests/e2e/test_kill.py", env=environ)


@nox.session(python="3.11")
def peer(session: nox.Session) -> None:
    """The environment of another program's maker, apart from ours: two programs want an SDK each."""
    session.install(*_groups("peer"))
    _peer_python.append(str(Path(session.bin) / "python"))


@nox.session(python="3.11", requires=["peer"])
def others(session: nox.Session) -> None:
    """A stranger's SDK script on the sandbox, and that other maker for MM_TRIO_PEER_SECONDS (default: two minutes)."""
    session.install("-e", ".", *_groups("test"))
    environ = {
        "MM_TRIO_PEER_PYTHON": _peer_python[-1],
        "MM_TRIO_PEER_SECONDS": os.environ.get("MM_TRIO_PEER_SECONDS", "120"),
    }
    session.run("pytest", "tests/others", *session.posargs, env=environ)


@nox.session(python="3.11")
def soak(session: nox.Session) -> None:
    """A sandbox with every fault at once and three clients of the official SDK, for ten minutes; `-- N`: N seconds."""
    session.install("-e", ".", *_groups("test"))
    seconds = session.posargs[0] if session.posargs else os.environ.get("MM_TRIO_SOAK_S", "600")
    session.run("pytest", "-s", "tests/e2e/test_soak.py", env={"MM_TRIO_SOAK_S": seconds})


@nox.session(python="3.11")
def nightly(session: nox.Session) -> None:
    """The simulation with seeds nobody has run yet, for an hour; `-- MINUTES`. What fails is told with its seed."""
    session.install("-e", ".")
    minutes, first = session.posargs[0] if session.posargs else "60", int(time.time()) * 10_000
    session.run(
        "python", "-m", "mm_trio", "sim", "--seed", str(first), "--minutes", minutes, "--all-seen", "--json"
    )  # fmt: skip


@nox.session(python="3.11")
def bench(session: nox.Session) -> None:
    """What things cost, after `nox -s peer bench` beside another maker; JSON goes to build/bench. `-- NAMES`: some."""
    session.install("-e", ".")
    environ = {"MM_TRIO_PEER_PYTHON": _peer_python[-1]} if _peer_python else {}
    for name in session.posargs or BENCHMARKS:
        session.run("python", f"benchmarks/{name}.py", "--save", f"build/bench/{name}.json", env=environ)


@nox.session(python="3.11")
def props(session: nox.Session) -> None:
    """The property tests with many examples."""
    session.install("-e", ".", *_groups("test"))
    session.run("pytest", "tests/props", *session.posargs, env={"MM_TRIO_EXAMPLES": "20"})


@nox.session(python="3.11")
def schedules(session: nox.Session) -> None:
    """The tests of the tasks, ten times, each time with another order of who runs first; `-- N` times."""
    session.install("-e", ".", *_groups("test"))
    for schedule in range(1, int(session.posargs[0] if session.posargs else 10) + 1):
        environ = {"MM_TRIO_SCHEDULE": str(schedule)}
        session.run("pytest", "tests/tasks", "tests/unit", "-m", "not slow", "-p", "xdist", "-n", "2", env=environ)


@nox.session(python="3.11")
def build(session: nox.Session) -> None:
    """The wheel installs by itself, and its demo runs."""
    session.install(*_groups("build"))
    dist = Path(session.create_tmp()) / "dist"
    session.run("python", "-m", "build", "--wheel", "--outdir", str(dist), silent=True)
    wheel = max(dist.glob("*.whl"), key=lambda path: path.stat().st_mtime)
    session.install("--force-reinstall", str(wheel))
    session.cd(str(dist))  # away from the checkout, so that the wheel is what is imported
    session.run("mm-trio", "--version")
    session.run("mm-trio", "demo", "--duration", "5", "--json", silent=not session.interactive)


@nox.session(venv_backend="none")
def matrix(session: nox.Session) -> None:
    """Fail if the tests ran on no Python at all, or under CI not on every one."""
    missing = [version for version in PYTHONS if version not in _ran]
    if len(missing) == len(PYTHONS) or (missing and "CI" in os.environ):
        session.error(f"the tests did not run on {', '.join(missing)}")
    session.log(f"tests ran on {', '.join(sorted(_ran))}")

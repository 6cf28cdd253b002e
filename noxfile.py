"""Check mm_trio: `nox` runs lint, types, the tests on every Python, and builds the wheel.

Three sizes. `nox -s quick`, for a first change: lint, types and the units on one Python. `nox`, before a push: all
tests on the lowest Python, of the sweeps a third that the commit chooses; on the others what is marked `smoke`
(tests/kits/selection.py says what that is). `nox -s full`: everything on all of them, as `nightly` does.

More by name: `nox -s props` (many examples), `schedules` (the tasks take turns in other orders), `kill` (a thousand
SIGKILLs), `cuts` (a thousand cut ledgers), `nightly` (`full`, all seeded mistakes, a million spoilt answers, the
simulation with fresh seeds), `soak` (the sandbox with every fault), `drip` (answers without an end), `others`
(strangers on the sandbox), `bench` (what things cost), `fleet` (fifty grids in one process), `measure` (the shape of
the code), `browser` (the page of a maker in a Chromium), `pictures`, `page_pictures` (those of the pages of docs, drawn
and taken anew). What follows `--` goes to the tool of the session.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nox

PYTHONS = ["3.11", "3.12", "3.13"]

# Two thirds of what the end-to-end tests take is waiting, so there are more workers than cores. Each takes the tests of
# a file in turn, where neighbours share a sandbox, and takes over from one that has more to do.
PARALLEL = ("-p", "xdist", "-n", str(min(8, 2 * (os.cpu_count() or 2))), "--dist", "worksteal")
# What a maker that runs as a service may be configured for; `requirements.lock` pins it too.
SERVICE_EXTRAS = ("page", "alerts")
ENOUGH_MEMORY = 2**29  # Bytes; a run leaves a tenth of it behind, and a container may have no more than 64 MiB.

BENCHMARKS = (
    *("tick", "side_by_side", "bridge", "ingest", "life", "start", "fleet"),
    *("guard", "ledger", "earnings", "report", "recorder", "certificate", "sandbox", "sandbox_ws", "simulation"),
)

nox.needs_version = ">=2025.2"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.download_python = "never"
nox.options.sessions = ["lint", "types", "tests", "browser", "build", "matrix"]

# nox finds a pyenv interpreter only if its folder is on the path
_PYENV = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
for _version in PYTHONS:
    for _bin in sorted(_PYENV.glob(f"versions/{_version}.*/bin")):
        os.environ["PATH"] += os.pathsep + str(_bin)

_ran: set[str] = set()  # Pythons whose tests ran in this run of nox
_peer_python: list[str] = []  # of the environment that `peer` made
_client_pythons: dict[str, str] = {}  # of the environments of clients, by the variable that names them
_wheel: list[Path] = []  # that `build` made


def _groups(*names: str) -> tuple[str, ...]:
    """The requirements of dependency groups of pyproject.toml."""
    return nox.project.dependency_groups(nox.project.load_toml("pyproject.toml"), *names)


@contextmanager
def _fast_files(session: nox.Session) -> Iterator[dict[str, str]]:
    """Keep temporary files in memory where there is room, and byte code between runs.

    Half of what the tests of the ledger take is the disk's answer to `fsync`, which they ask for as the program does.
    A run starts the program some hundred times, and each start takes 1.1 s without byte code and 0.5 s with it.
    """
    byte_code = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str((session.cache_dir / "bytecode").absolute())}
    memory = Path("/dev/shm")
    if not (memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > ENOUGH_MEMORY):
        yield byte_code
        return
    # A name of its own: two runs may be under way.
    with tempfile.TemporaryDirectory(prefix="mm-trio-tests-", dir=memory, ignore_cleanup_errors=True) as folder:
        yield byte_code | {"TMPDIR": folder}


def _pytest(session: nox.Session, *arguments: str, **environ: str) -> None:
    """Run pytest with fast files; what follows `--` goes to it."""
    with _fast_files(session) as places:
        session.run("pytest", *arguments, *session.posargs, env=places | environ)


@nox.session(python="3.11")
def lint(session: nox.Session) -> None:
    """Ruff: rules and format; hadolint: the image."""
    session.install(*_groups("lint", "deploy"))
    session.run("ruff", "check", *session.posargs)
    session.run("ruff", "format", "--check")
    session.run("hadolint", "deploy/docker/Dockerfile")


@nox.session(python="3.11")
def types(session: nox.Session) -> None:
    """Mypy, strict, over the package and the tests."""
    session.install("-e", ".", *_groups("types"))
    session.run("mypy", *session.posargs)


@nox.session(python="3.11")
def quick(session: nox.Session) -> None:
    """Check a first change: format, lint, types and the units on one Python."""
    session.install("-e", ".", *_groups("lint", "types"))
    session.run("ruff", "format", "--check")
    session.run("ruff", "check")
    session.run("mypy")
    _pytest(session, "tests/unit", "tests/test_layers.py", "-m", "not slow", "-p", "xdist", "-n", "2")


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Test on the lowest Python all but two thirds of the sweeps, on the others the smoke."""
    session.install("-e", ".", *_groups("test"))
    chosen = () if session.python == PYTHONS[0] else ("-m", "smoke and not slow")
    _pytest(session, *chosen, *PARALLEL, MM_TRIO_SWEEP=os.environ.get("MM_TRIO_SWEEP", "commit"))
    assert isinstance(session.python, str)
    _ran.add(session.python)


@nox.session(python=PYTHONS)
def full(session: nox.Session) -> None:
    """Run every test with every case on every Python."""
    session.install("-e", ".", *_groups("test"))
    _pytest(session, *PARALLEL, MM_TRIO_SWEEP="all")
    assert isinstance(session.python, str)
    _ran.add(session.python)


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
def cuts(session: nox.Session) -> None:
    """A thousand ledgers that lack their end, each exact or refused; `-- N [SEED]` for so many, or to repeat some."""
    session.install("-e", ".", *_groups("test"))
    names = ("MM_TRIO_CUTS", "MM_TRIO_CUT_SEED")
    environ = {"MM_TRIO_CUTS": os.environ.get("MM_TRIO_CUTS", "1000")} | dict(zip(names, session.posargs, strict=False))
    with _fast_files(session) as places:
        session.run("pytest", "-s", "tests/tasks/test_r1_cuts.py", env=places | environ)


@nox.session(python="3.11")
def peer(session: nox.Session) -> None:
    """The environment of another program's maker, apart from ours: two programs want an SDK each."""
    session.install(*_groups("peer"))
    _peer_python.append(str(Path(session.bin) / "python"))


@nox.session(python="3.11")
def ccxt(session: nox.Session) -> None:
    """The environment of ccxt."""
    session.install(*_groups("ccxt"))
    _client_pythons["MM_TRIO_CCXT_PYTHON"] = str(Path(session.bin) / "python")


@nox.session(python="3.12")
def nautilus(session: nox.Session) -> None:
    """The environment of nautilus_trader: a release needs Python 3.12, and a build of its source a Rust compiler."""
    session.install("--only-binary", "nautilus_trader", *_groups("nautilus"))
    _client_pythons["MM_TRIO_NAUTILUS_PYTHON"] = str(Path(session.bin) / "python")


@nox.session(python="3.11", requires=["build"])
def outsider(session: nox.Session) -> None:
    """The tests of somebody who has our wheel and pytest, in an environment that has nothing else."""
    session.install(str(_wheel[-1]), "pytest")
    # Away from the checkout, so that the wheel is what is imported, and none of our settings is found.
    with tempfile.TemporaryDirectory(prefix="mm-trio-outsider-") as folder:
        shutil.copy("tests/others/scripts/outside_user.py", f"{folder}/test_outside.py")
        with session.chdir(folder):
            session.run("pytest", "test_outside.py")


@nox.session(python="3.11", requires=["peer", "ccxt", "nautilus", "outsider"])
def others(session: nox.Session) -> None:
    """Strangers' clients on the sandbox, and that other maker for MM_TRIO_PEER_SECONDS (default: two minutes)."""
    session.install("-e", ".", *_groups("test"))
    packages = session.create_tmp()
    shutil.copy("tests/others/scripts/package.json", packages)
    npm = ("npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", packages)
    session.run(*npm, external=True)
    environ = _client_pythons | {
        "MM_TRIO_NODE_MODULES": str(Path(packages, "node_modules").absolute()),
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
def drip(session: nox.Session) -> None:
    """A maker whose venue answers a byte a second for ten minutes, or without an end; `-- N`: N seconds."""
    session.install("-e", ".", *_groups("test"))
    seconds = session.posargs[0] if session.posargs else os.environ.get("MM_TRIO_DRIP_S", "600")
    tests = "tests/e2e/test_faults_answers_of_processes.py"
    session.run("pytest", "-s", tests, env={"MM_TRIO_DRIP_S": seconds})


@nox.session(python="3.11")
def nightly(session: nox.Session) -> None:
    """Run every seeded mistake, a million spoilt answers, the simulation for an hour (`-- MINUTES`), and then `full`.

    The simulation has fresh seeds. What fails in it is told with its seed.
    """
    for name in (*(f"full-{version}" for version in PYTHONS), "matrix"):
        session.notify(name, posargs=())  # The minutes are not theirs.
    session.install("-e", ".", *_groups("test"))
    with _fast_files(session) as places:
        environ = places | {"MM_TRIO_MUTANTS": "all"}
        session.run("pytest", "tests/sim/test_mutants.py", "-p", "xdist", "-n", "2", env=environ)
        garbage = places | {"MM_TRIO_GARBAGE": os.environ.get("MM_TRIO_GARBAGE", "1000000")}
        session.run("pytest", "-s", "tests/props/test_garbage.py", "-o", "timeout=0", env=garbage)
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
def fleet(session: nox.Session) -> None:
    """Fifty grids in one process for ten minutes among takers, then 20 kills, every ledger exact; `-- N`: N seconds."""
    session.install("-e", ".")
    words = ("--grids", "50", "--record", "--every", "0.2", "--kills", "20", "--save", "build/bench/fleet.json")
    session.run("python", "benchmarks/fleet.py", *words, "--seconds", *(session.posargs or ["600"]))


@nox.session(python="3.11")
def props(session: nox.Session) -> None:
    """The property tests with many examples."""
    session.install("-e", ".", *_groups("test"))
    _pytest(session, "tests/props", MM_TRIO_EXAMPLES="20")


@nox.session(python="3.11")
def schedules(session: nox.Session) -> None:
    """The tests of the tasks, ten times, each time with another order of who runs first; `-- N` times."""
    session.install("-e", ".", *_groups("test"))
    for schedule in range(1, int(session.posargs[0] if session.posargs else 10) + 1):
        with _fast_files(session) as places:
            environ = places | {"MM_TRIO_SCHEDULE": str(schedule)}
            session.run("pytest", "tests/tasks", "tests/unit", "-m", "not slow", "-p", "xdist", "-n", "2", env=environ)


@nox.session(python="3.11")
def measure(session: nox.Session) -> None:
    """Print the shape of the code: sizes, nesting, parameters, docstrings; `-- -v` names the worst places."""
    session.run("python", "tools/measure.py", *session.posargs)


@nox.session(python="3.11")
def pictures(session: nox.Session) -> None:
    """Draw the pictures of the pages, and check that they are the committed ones."""
    session.install("-e", ".", *_groups("docs", "test"))
    session.run("python", "tools/draw_economics.py", *session.posargs)
    session.run("pytest", "tests/unit/docs/test_pictures.py")


@nox.session(python="3.11")
def browser(session: nox.Session) -> None:
    """Look at the page of a maker in a Chromium, if there is one; MM_TRIO_SCREENSHOTS keeps what it showed."""
    session.install("-e", ".", *_groups("browser"))
    _pytest(session, "tests/e2e/test_page.py", "-rs")


@nox.session(python="3.11")
def page_pictures(session: nox.Session) -> None:
    """Take the pictures of docs/page.md anew: the page of a simulated hour, on a desk and on a phone."""
    session.install("-e", ".", *_groups("browser"))
    with tempfile.TemporaryDirectory() as folder:
        _pytest(session, "tests/e2e/test_page.py", "-k", "hour", MM_TRIO_SCREENSHOTS=folder)
        for path in (Path(folder) / name for name in ("page-desk.png", "page-phone.png")):
            shutil.copy(path, Path("docs") / "pictures")


@nox.session(python="3.11")
def lock(session: nox.Session) -> None:
    """Write the locks anew: what a service needs, and what builds its image; with hashes, for every Python."""
    session.install("uv")
    words = ("--universal", "--python-version", "3.11", "--generate-hashes", "--no-emit-index-url", "--upgrade")
    project = nox.project.load_toml("pyproject.toml")
    known = project["project"]["optional-dependencies"]
    extras = [word for extra in SERVICE_EXTRAS if extra in known for word in ("--extra", extra)]
    tools = Path(session.create_tmp(), "build.in")
    tools.write_text("\n".join(project["build-system"]["requires"]))
    for source, target, more in (
        ("pyproject.toml", "requirements.lock", extras),
        (str(tools), "deploy/docker/build.lock", ["--no-annotate"]),
    ):
        command = ("--custom-compile-command", "nox -s lock", "--output-file", target)
        session.run("uv", "pip", "compile", source, *words, *more, *command, *session.posargs, silent=True)


@nox.session(python="3.11")
def build(session: nox.Session) -> None:
    """The wheel installs by itself, and its demo runs."""
    session.install(*_groups("build"))
    dist = Path(session.create_tmp()) / "dist"
    session.run("python", "-m", "build", "--wheel", "--outdir", str(dist), silent=True)
    wheel = max(dist.glob("*.whl"), key=lambda path: path.stat().st_mtime)
    _wheel.append(wheel.resolve())
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

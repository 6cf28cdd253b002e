"""Which way imports point: read from the source, so that a wrong arrow fails here and not in somebody's review."""

from __future__ import annotations

import ast
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from mm_trio import sandbox

PACKAGE = "mm_trio"
ROOT = Path(__file__).resolve().parents[1] / PACKAGE

# The one order of folders: a folder imports itself and folders before it, nothing behind it.
ORDER = (
    "model",
    "concurrency",
    "witness",
    "limits",
    "funds",
    "state",
    "config",
    "account_config",
    "messages",
    "venue",
    "transport",
    "refusals",
    "quoting",
    "planning",
    "migration",
    "earnings",
    "liquidity",
    "journal",
    "recorder",
    "history",
    "pages",
    "reports",
    "halts",
    "guard",
    "sending",
    "grids",
    "engine",
    "changes",
    "views",
    "control",
    "alerts",
    "logs",
    "terminal_ui",
    "web",
    "web.page",
    "metrics",
    "sandbox",
    "sandbox.model",
    "sandbox.matching",
    "sandbox.info",
    "sandbox.feeds",
    "sandbox.api",
    "sandbox.faults",
    "sandbox.inprocess",
    "sandbox.traffic",
    "sandbox.server",
    "sim",
    "sim.base",
    "sim.network",
    "sim.oracle",
    "sim.grids",
    "sim.actors",
    "sim.changes",
    "sim.run",
    "cli.shell",
    "cli.programs",
    "cli.run_programs",
    "cli.alert_programs",
    "cli.ledger_programs",
    "cli.key_programs",
    "cli.live_programs",
    "cli.account_programs",
    "cli.halt_programs",
    "cli.copy_programs",
    "cli.guard_programs",
    "cli.check_programs",
    "cli.rehearse_programs",
    "cli.apply_programs",
    "cli.safety",
    "cli.record_programs",
    "cli.earnings_programs",
    "cli.control_programs",
    "cli.liquidity_programs",
    "cli.insight",
    "cli",
)
MOST_MODULES = 12
CORE_FOLDERS = (
    *("model", "witness", "limits", "funds", "state", "messages", "refusals", "quoting", "planning", "earnings"),
    *("migration", "liquidity"),
)
# a clock, the environment, a file, a log or a thread: handed in as values, or not the core's business
NOT_FOR_CORE = {"time", "datetime", "os", "logging", "pathlib", "threading", "socket", "sqlite3", "io", "asyncio"}
NOT_FOR_CORE |= {"subprocess", "shutil", "tempfile", "secrets", "uuid"}
SDK = frozenset({"hyperliquid", "websocket"})
MAY_IMPORT_THE_SDK = {"venue.sdk", "venue.socket", "venue.signer", "venue.http_session"}
# the command line and the room of keys may make a wallet of a key
MAY_IMPORT_ETH_ACCOUNT = ("config.keys", "cli")
# Folders in which only an object itself sets its attributes.
KEEP_THEIR_STATE = {
    "model",
    "witness",
    "state",
    "refusals",
    "quoting",
    "journal",
    "recorder",
    "halts",
    "guard",
    "sending",
    "grids",
    "engine",
    "venue",
    "config",
}
# The SDK offers no other way to replace its sockets and sessions, nor the HTTP library its connections.
MAY_SET_ON_THE_SDK = {"venue.sdk", "venue.socket", "venue.bounded_response"}
# Trio's CancelScope is controlled by these attributes.
SET_ON_TRIO = {"deadline", "shield"}
FIELD_NAMES = frozenset({"limitPx", "limit_px", "szDecimals", "origSz", "feeToken", "spotState"})


@dataclass(frozen=True)
class Import:
    """`what` is imported at `line` of `module`. `lazy`: inside a function, or for the type checker alone."""

    module: str
    what: str
    line: int
    lazy: bool

    def __str__(self) -> str:
        return f"{self.module}:{self.line} imports {self.what}"


def name_of(path: Path) -> str:
    """`venue.wire`, `cli`; the package itself is the empty name, `sandbox` is sandbox/__init__.py."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {name_of(path): path for path in sorted(ROOT.rglob("*.py"))}
TREES = {name: ast.parse(path.read_bytes(), str(path)) for name, path in SOURCES.items()}


def folder_of(module: str) -> str:
    """The folder that a module lies in; a package lies in itself, and the top is the empty name."""
    return module if SOURCES[module].stem == "__init__" else module.rpartition(".")[0]


# Core: pure. The last four are of other folders, and as pure.
CORE = {name for name in SOURCES if folder_of(name) in CORE_FOLDERS and name not in CORE_FOLDERS}
CORE |= {"journal.replay", "journal.audit", "journal.ledger_sums", "venue.ip_weight"}


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def find_imports(module: str) -> list[Import]:
    """Every import of a module, absolute; names of ours that are modules count as these modules."""
    found: list[Import] = []

    def add(node: ast.Import | ast.ImportFrom, *, lazy: bool) -> None:
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            assert node.level == 0, f"{module}:{node.lineno}: imports are absolute here"
            origin = node.module or ""
            inside = origin.removeprefix(PACKAGE).removeprefix(".")
            names = [
                f"{origin}.{alias.name}"
                if origin.split(".")[0] == PACKAGE and f"{inside}.{alias.name}".strip(".") in SOURCES
                else origin
                for alias in node.names
            ]
        found.extend(Import(module, name, node.lineno, lazy) for name in dict.fromkeys(names))

    def walk(node: ast.AST, *, lazy: bool) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import | ast.ImportFrom):
                add(child, lazy=lazy)
            else:
                later = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
                walk(child, lazy=lazy or later or is_type_checking(child))

    walk(TREES[module], lazy=False)
    return found


IMPORTS = {module: find_imports(module) for module in SOURCES}
ALL_IMPORTS = [found for imports in IMPORTS.values() for found in imports]


def top(name: str) -> str:
    return name.split(".")[0]


def ours(found: Import) -> str | None:
    """The module of ours that is imported, by its name within the package."""
    if top(found.what) != PACKAGE:
        return None
    return found.what.removeprefix(PACKAGE).removeprefix(".")


def told(wrong: list[Import]) -> list[str]:
    return [str(found) for found in wrong]


def test_the_one_order_of_folders() -> None:
    """Prints the order too: `pytest -s tests/test_layers.py -k order`."""
    print("\n" + " < ".join(ORDER))
    places = {folder: place for place, folder in enumerate(ORDER)}
    wrong = [
        found
        for found in ALL_IMPORTS
        if (folder := folder_of(found.module)) in places
        and found.module != "sandbox"  # its face re-exports what lies deeper, late
        and (name := ours(found)) in SOURCES
        and name
        and places[folder_of(name)] > places[folder]
    ]

    assert told(wrong) == []
    assert {folder_of(name) for name in SOURCES} == {"", *ORDER}


def test_a_folder_holds_what_can_be_seen_at_a_glance() -> None:
    held = Counter(folder_of(name) for name, path in SOURCES.items() if path.stem != "__init__")

    assert {folder: n for folder, n in held.items() if n > MOST_MODULES} == {}


@pytest.mark.parametrize("module", sorted(CORE))
def test_the_core_imports_the_standard_library_and_itself(module: str) -> None:
    wrong = [
        found
        for found in IMPORTS[module]
        if (ours(found) not in CORE if top(found.what) == PACKAGE else top(found.what) not in sys.stdlib_module_names)
    ]

    assert told(wrong) == []


@pytest.mark.parametrize("module", sorted(CORE))
def test_the_core_knows_no_clock_log_file_or_thread(module: str) -> None:
    wrong = [found for found in IMPORTS[module] if top(found.what) in NOT_FOR_CORE]

    assert told(wrong) == []


@pytest.mark.parametrize("module", sorted(CORE))
def test_chance_reaches_the_core_only_as_a_value(module: str) -> None:
    """`random.Random` may be named as a type; the module's own functions are a hidden global."""
    used = [
        ast.unparse(node)
        for node in ast.walk(TREES[module])
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "random"
    ]

    assert [name for name in used if name != "random.Random"] == []


def test_only_its_neighbours_import_the_sdk() -> None:
    importing = {found.module for found in ALL_IMPORTS if top(found.what) in SDK}

    assert importing == MAY_IMPORT_THE_SDK


def test_only_who_makes_wallets_imports_eth_account() -> None:
    wrong = [
        found
        for found in ALL_IMPORTS
        if top(found.what) == "eth_account" and not found.module.startswith(MAY_IMPORT_ETH_ACCOUNT)
    ]

    assert told(wrong) == []


def test_the_sandbox_imports_nothing_of_the_maker() -> None:
    """Shared code would hide a shared mistake."""
    wrong = [
        found
        for found in ALL_IMPORTS
        if top(found.module) == "sandbox" and (name := ours(found)) is not None and top(name) != "sandbox"
    ]

    assert told(wrong) == []


def test_the_sandbox_is_entered_by_its_public_face() -> None:
    """Then it can be taken out of this package, or changed inside, without a look at who uses it."""
    wrong = [
        found
        for found in ALL_IMPORTS
        if top(found.module) != "sandbox" and (name := ours(found)) is not None and name.startswith("sandbox.")
    ]

    assert told(wrong) == []
    assert set(sandbox.__all__) == set(sandbox._HOMES)
    assert [name for name in sandbox.__all__ if not hasattr(sandbox, name)] == []


def test_the_simulation_looks_on_from_outside() -> None:
    """It starts the maker and reads its journal; what is right it works out by itself, or a mistake would be shared."""
    of_the_maker = {
        *("engine.ws_state", "engine.account_maker", "engine.grid_face", "model.settings", "model.market"),
        *("journal.data_dir", "journal.sqlite_journal", "journal.replay"),
        *("model.journal_entries", "model.errors", "concurrency.blocking_calls", "limits.terms"),
        # What an operator writes and reads beside the maker.
        *("halts.requests", "halts.standing", "halts.standing_file"),
        *("halts.applied_file", "halts.change_request", "account_config.settings", "account_config.changes"),
        *(
            "config.settings",
            "changes.change_plan",
            "changes.change_report",
            "changes.follow_changes",
        ),
        *("changes.ledgers", "model.replies", "model.orders"),
    }
    wrong = [
        found
        for found in ALL_IMPORTS
        if top(found.module) == "sim"
        and (name := ours(found)) is not None
        and top(name) not in ("sim", "sandbox")
        and name not in of_the_maker
    ]

    assert told(wrong) == []


def test_only_its_commands_import_the_simulation() -> None:
    wrong = [
        found
        for found in ALL_IMPORTS
        if (name := ours(found)) is not None
        and top(name) == "sim"
        and top(found.module) != "sim"
        and found.module != "cli.programs.run_sim"
        and not found.module.startswith("cli.rehearse_programs.")
    ]

    assert told(wrong) == []


def test_the_venue_boundary_knows_the_core_and_no_task_of_the_maker() -> None:
    allowed = CORE | {name for name in SOURCES if top(name) in ("venue", "concurrency")}
    wrong = [
        found
        for found in ALL_IMPORTS
        if top(found.module) == "venue" and (name := ours(found)) is not None and name not in allowed
    ]

    assert told(wrong) == []


def test_nothing_imports_the_command_line() -> None:
    wrong = [
        found
        for found in ALL_IMPORTS
        if (name := ours(found)) is not None
        and top(name) in ("cli", "__main__")
        and top(found.module) not in ("cli", "__main__")
    ]

    assert told(wrong) == []


def test_no_module_imports_the_package_for_a_name_that_has_a_home() -> None:
    """`from mm_trio import X` inside the package would go in a circle; only the version lives there."""
    wrong = [
        found
        for module, tree in TREES.items()
        for found in ast.walk(tree)
        if isinstance(found, ast.ImportFrom)
        and found.module == PACKAGE
        and any(alias.name not in SOURCES and alias.name != "__version__" for alias in found.names)
        and module != "__main__"
    ]

    assert [f"{node.lineno}: {ast.unparse(node)}" for node in wrong] == []


def test_textual_comes_after_trio_asyncio() -> None:
    """It keeps the `asyncio.current_task` that it finds, which knows no loop of trio-asyncio on 3.12 and later."""
    for path in sorted((ROOT / "terminal_ui").glob("*.py")):
        text = path.read_text(encoding="utf-8")
        if "from textual.app" in text:
            assert -1 < text.find("import trio_asyncio") < text.find("from textual"), path.name


def test_there_is_no_cycle() -> None:
    arrows = {
        module: {name for found in imports if not found.lazy and (name := ours(found)) in SOURCES and name != module}
        for module, imports in IMPORTS.items()
    }
    done: set[str] = set()
    path: list[str] = []

    def visit(module: str) -> None:
        assert module not in path, " -> ".join([*path[path.index(module) :], module])
        if module in done:
            return
        path.append(module)
        for name in sorted(arrows[module]):
            visit(name)
        path.pop()
        done.add(module)

    for module in sorted(arrows):
        visit(module)
    assert done == set(SOURCES)


def find_foreign_writes(tree: ast.AST) -> list[str]:
    """Find the code that sets an attribute of an object other than `self` or `cls`."""
    return [
        f"{node.lineno}: {ast.unparse(node)}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Store | ast.Del)
        and not (isinstance(node.value, ast.Name) and node.value.id in ("self", "cls"))
        and node.attr not in SET_ON_TRIO
    ]


@pytest.mark.parametrize("module", sorted(name for name in SOURCES if name.split(".")[0] in KEEP_THEIR_STATE))
def test_only_an_object_itself_sets_its_attributes(module: str) -> None:
    """Other objects call its methods, so that each change of state is found in one class."""
    written = find_foreign_writes(TREES[module])

    assert module in MAY_SET_ON_THE_SDK or written == []


@pytest.mark.parametrize(
    "source, n",
    [
        ("order.size = 1", 1),
        ("order.size += 1", 1),
        ("order.size: int = 1", 1),
        ("self.order.size -= 1", 1),
        ("a, order.size = 1, 2", 1),
        ("for order.size in sizes: pass", 1),
        ("del order.size", 1),
        ("self.size = cls.size = 1", 0),
        ("size = order.size", 0),
        ("sizes[order.oid] = 1", 0),
        ("self._scope.deadline = 1.0", 0),
    ],
)
def test_the_search_for_foreign_writes_finds_every_form(source: str, n: int) -> None:
    assert len(find_foreign_writes(ast.parse(source))) == n


def find_strings(tree: ast.AST) -> set[str]:
    """String constants of the code, docstrings apart."""
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    return {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings
    }


def test_the_venues_field_names_have_one_home() -> None:
    """Of the maker: `wire` beside the readers of `messages`; the sandbox writes its JSON on its own."""
    homes = {
        module: sorted(names)
        for module, tree in TREES.items()
        if top(module) not in ("sandbox", "messages") and (names := find_strings(tree) & FIELD_NAMES)
    }

    assert homes == {"venue.wire": sorted(FIELD_NAMES)}


@pytest.mark.parametrize("module", sorted(name for name in SOURCES if name.split(".")[-1] != "__main__"))
def test_every_module_names_what_it_offers(module: str) -> None:
    """An `__init__` that is only a docstring has nothing to offer."""
    tree = TREES[module]
    assigned = [
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets)
    ]
    only_docstring = all(isinstance(node, ast.Expr) for node in tree.body)

    assert assigned or only_docstring
    for value in assigned:
        names = ast.literal_eval(value)
        assert len(names) == len(set(names))


def test_the_package_re_exports_lazily() -> None:
    eager = [found for found in IMPORTS[""] if not found.lazy]

    assert {top(found.what) for found in eager} <= set(sys.stdlib_module_names)
    assert any(isinstance(node, ast.FunctionDef) and node.name == "__getattr__" for node in TREES[""].body)

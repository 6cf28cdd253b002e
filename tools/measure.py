"""Measure the shape of the code: sizes, nesting, parameters, docstrings, comments.

`nox -s measure` prints a column for the maker, the sandbox, the simulation and all of them. `python tools/measure.py
NAME=FOLDER …` measures other trees the same way, and `-v` adds the worst places of each with file and line.

How is counted: a line of code is neither blank nor a comment nor part of a docstring. Comment lines that follow each
other are one comment. An `__init__.py` of 40 lines or fewer is not a module of its own.
"""

from __future__ import annotations

import argparse
import ast
import io
import re
import sys
import tokenize
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from statistics import median

ROOT = Path(__file__).resolve().parents[1] / "mm_trio"
APART = ("sandbox", "sim")  # Trees of their own; what is left is the maker.
N_WORST = 10
LONG_FUNCTION, MANY_BRANCHES, DEEP, MANY_ATTRIBUTES, SHORT_INIT = 40, 10, 4, 12, 40

# What comes from outside has no type before it was read: JSON of the venue, objects of the SDK and their stand-ins.
ANY_ALLOWED = re.compile(r"(^|/)(venue/|sandbox/inprocess|sandbox/troubles)")
NOT_PROSE = re.compile(r"(noqa|type:|pragma|pylint|fmt:|mypy|!|-\*-)")

# First words by which a docstring's first line is a noun clause instead of an imperative sentence.
ASKING = frozenset({"who", "what", "where", "how", "whether", "when", "those"})
NAMING = frozenset({"a", "an", "the", "one", "all", "every", "nothing", "no", "so", "is", "are"})
NAMING |= {"this", "that", "these"}

Found = tuple[int, str]  # A size, and the place that has it.
Function = ast.FunctionDef | ast.AsyncFunctionDef
BLOCKS = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.TryStar, ast.Match)
BRANCHES = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.ExceptHandler, ast.IfExp, ast.comprehension, ast.match_case)


def _percent(part: int, whole: int, *, digits: int = 0) -> str:
    return f"{100 * part / max(1, whole):.{digits}f}"


@dataclass
class Shape:
    """Hold all that was found in one tree; where there is nothing to count, `size` is 1."""

    code_lines: int = 0
    n_public: int = 0
    comments: list[str] = field(default_factory=list)
    first_lines: list[str] = field(default_factory=list)
    found: defaultdict[str, list[Found]] = field(default_factory=lambda: defaultdict(list))

    def max_of(self, kind: str) -> int:
        """Give the largest size; of nothing it is 0."""
        return max((size for size, _ in self.found[kind]), default=0)

    def share_above(self, kind: str, limit: int) -> str:
        """Write the share above a limit, and the largest."""
        n_above = sum(size > limit for size, _ in self.found[kind])
        return f"{_percent(n_above, len(self.found[kind]), digits=1)} ({self.max_of(kind)})"


class Reader:
    """Read one module into a shape."""

    def __init__(self, path: Path, *, shape: Shape, root: Path) -> None:
        self._text = path.read_text(encoding="utf-8")
        self._tree, self._shape, self._name = ast.parse(self._text), shape, path.relative_to(root).as_posix()
        lines = {i: line.strip() for i, line in enumerate(self._text.splitlines(), 1)}
        self._n_lines, self._code = len(lines), {i for i, x in lines.items() if x and not x.startswith("#")}

    def read(self) -> None:
        """Add everything that this module has."""
        shape, nodes = self._shape, list(ast.walk(self._tree))
        for node in nodes:
            if isinstance(node, ast.Module | ast.ClassDef | Function) and (text := ast.get_docstring(node)) is not None:
                shape.first_lines += text.strip().splitlines()[:1]
                self._code -= set(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))
            elif isinstance(node, ast.ExceptHandler) and is_broad(node):
                self._add("broad excepts", 1, node)
        if not self._name.endswith("__init__.py") or self._n_lines > SHORT_INIT:
            shape.found["modules"].append((self._n_lines, self._name))
        shape.code_lines += len(self._code)
        shape.comments += read_comments(self._text)
        n_any = sum(isinstance(node, ast.Name) and node.id == "Any" for node in nodes)
        if n_any and not ANY_ALLOWED.search(self._name):
            shape.found["uses of Any"].append((n_any, self._name))
        self._visit(self._tree, owner="", is_public=True)

    def _add(self, kind: str, size: int, node: ast.ClassDef | Function | ast.ExceptHandler, owner: str = "") -> None:
        self._shape.found[kind].append((size, f"{self._name}:{node.lineno} {owner}{node.name or ''}"))

    def _visit(self, node: ast.AST, *, owner: str, is_public: bool) -> None:
        for child in ast.iter_child_nodes(node):
            if not isinstance(child, ast.ClassDef | Function):
                self._visit(child, owner=owner, is_public=is_public)
                continue
            is_shown = is_public and not child.name.startswith("_")
            if isinstance(child, ast.ClassDef):
                self._add("attributes", len(find_attributes(child)), child, owner)
                reaches_inside = is_shown and "Protocol" not in names_of(child.bases)
            else:
                self._measure_function(child, owner=owner)
                is_shown = is_shown and not {"overload", "override"} & names_of(child.decorator_list)
                reaches_inside = False
            self._shape.n_public += is_shown
            if is_shown and not ast.get_docstring(child):
                self._add("without docstring", 1, child, owner)
            self._visit(child, owner=f"{owner}{child.name}.", is_public=reaches_inside)

    def _measure_function(self, node: Function, *, owner: str) -> None:
        n_lines = sum(line in self._code for line in range(node.lineno, (node.end_lineno or 0) + 1))
        taken = [x.arg for x in node.args.args]
        n_taken = (
            len(taken) + len(node.args.posonlyargs) + len(node.args.kwonlyargs) - (taken[:1] in (["self"], ["cls"]))
        )
        self._add("functions", n_lines, node, owner)
        self._add("parameters", n_taken, node, owner)
        self._add("nesting", measure_depth(node), node, owner)
        self._add("paths", count_paths(node), node, owner)


def read_comments(text: str) -> list[str]:
    """List the comments; what stands on lines that follow each other is one."""
    comments, last = list[str](), -1
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        said = token.string.lstrip("#: ").strip()
        if token.type != tokenize.COMMENT or NOT_PROSE.match(said):
            continue
        line, is_alone = token.start[0], token.line.lstrip().startswith("#")
        if is_alone and last == line - 1:
            comments[-1] += f" {said}"
        else:
            comments.append(said)
        last = line if is_alone else -1
    return [comment for comment in comments if comment]


def names_of(nodes: Sequence[ast.expr]) -> set[str]:
    """Give the last word of each plain or dotted name."""
    return {getattr(node, "id", getattr(node, "attr", "")) for node in nodes}


def is_broad(handler: ast.ExceptHandler) -> bool:
    """Tell whether a handler catches every exception."""
    caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type] if handler.type else []
    return not caught or bool({"Exception", "BaseException"} & names_of(caught))


def find_attributes(node: ast.ClassDef) -> set[str]:
    """Name what is annotated in the class or stored to `self`."""
    stored = [x for x in ast.walk(node) if isinstance(x, ast.Attribute) and isinstance(x.ctx, ast.Store)]
    fields = [x for x in node.body if isinstance(x, ast.AnnAssign) and "ClassVar" not in ast.dump(x.annotation)]
    return {x.attr for x in stored if names_of([x.value]) == {"self"}} | names_of([x.target for x in fields])


def measure_depth(node: ast.AST, depth: int = 0) -> int:
    """Count the blocks around the innermost statement; an `elif` is not a block."""
    deepest = depth
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.Lambda | ast.ClassDef | Function):
            is_elif = isinstance(node, ast.If) and isinstance(child, ast.If) and node.orelse == [child]
            deepest = max(deepest, measure_depth(child, depth + (isinstance(child, BLOCKS) and not is_elif)))
    return deepest


def count_paths(node: ast.AST) -> int:
    """Compute the cyclomatic complexity."""
    n_joined = sum(len(x.values) - 1 for x in ast.walk(node) if isinstance(x, ast.BoolOp))
    return 1 + n_joined + sum(isinstance(x, BRANCHES) for x in ast.walk(node))


def measure(paths: Sequence[Path], *, root: Path) -> Shape:
    """Read files below `root` into one shape."""
    shape = Shape()
    for path in paths:
        Reader(path, shape=shape, root=root).read()
    folders = Counter(str(PurePath(where).parent) for _, where in shape.found["modules"])
    shape.found["folders"] = [(n, folder) for folder, n in folders.items()]
    return shape


def measure_package() -> Iterator[tuple[str, Shape]]:
    """Measure the package and its parts."""
    parts = {path: path.relative_to(ROOT).parts[0] for path in sorted(ROOT.rglob("*.py"))}
    for name in ("maker", *APART, "all"):
        own = [path for path, part in parts.items() if name in ("all", part if part in APART else "maker")]
        yield name, measure(own, root=ROOT.parent)


def make_figures(shape: Shape) -> dict[str, str]:
    """Write the figures of one tree, each with its title."""
    found = shape.found
    lines, modules = sorted(n for n, _ in found["functions"]) or [0], [n for n, _ in found["modules"]] or [0]
    words = [line.split()[0].strip(",.:").lower() for line in shape.first_lines]
    n_capital = sum(text[0].isupper() or not text[0].isalpha() for text in shape.comments)
    n_wide, n_long = sum(n > MANY_ATTRIBUTES for n, _ in found["attributes"]), sum(n > LONG_FUNCTION for n in lines)
    return {
        "files": str(len(found["modules"])),
        "code lines": str(shape.code_lines),
        "module median/max": f"{int(median(modules))}/{max(modules)}",
        "modules in a folder, max": str(shape.max_of("folders")),
        "function median/p90/max": f"{median(lines):g}/{lines[int(0.9 * len(lines))]}/{lines[-1]}",
        f"> {LONG_FUNCTION} lines (%)": f"{n_long} ({_percent(n_long, len(lines), digits=1)})",
        f"nesting >= {DEEP} % (max)": shape.share_above("nesting", DEEP - 1),
        f"cyclomatic > {MANY_BRANCHES} % (max)": shape.share_above("paths", MANY_BRANCHES),
        "parameters max": str(shape.max_of("parameters")),
        f"classes > {MANY_ATTRIBUTES} attributes": f"{n_wide}/{len(found['attributes'])}",
        "public without docstring %": _percent(len(found["without docstring"]), shape.n_public),
        "comments per 100 lines": _percent(len(shape.comments), shape.code_lines, digits=1),
        "comments with a capital %": _percent(n_capital, len(shape.comments)),
        "docstrings who/what/... %": _percent(sum(word in ASKING for word in words), len(words)),
        "docstrings a/the/all/... %": _percent(sum(word in NAMING for word in words), len(words)),
        "words of a first line": f"{median([len(line.split()) for line in shape.first_lines] or [0]):g}",
        "broad excepts": str(len(found["broad excepts"])),
        "uses of Any, max": str(shape.max_of("uses of Any")),
    }


def list_worst(shape: Shape) -> Iterator[str]:
    """Name the largest of each kind."""
    for kind, found in shape.found.items():
        yield f"  {kind}:"
        yield from (f"  {size:6} {where}" for size, where in sorted(found, key=lambda x: -x[0])[:N_WORST])


def main() -> None:
    """Print one column for each tree, and with `-v` its worst places."""
    parser = argparse.ArgumentParser(description="Measure the shape of Python trees.")
    parser.add_argument("trees", nargs="*", metavar="NAME=FOLDER", help="(default: the package and its parts)")
    parser.add_argument("-v", action="store_true", dest="is_verbose", help="list the worst places of each tree")
    options = parser.parse_args()
    given = [(name, Path(folder)) for name, _, folder in (text.partition("=") for text in options.trees)]
    shapes = {name: measure(sorted(folder.rglob("*.py")), root=folder.parent) for name, folder in given}
    shapes = shapes or dict(measure_package())
    figures = [make_figures(shape) for shape in shapes.values()]
    rows = [["", *shapes], *([title, *(of_tree[title] for of_tree in figures)] for title in figures[0])]
    lines = [f"{row[0]:28}" + "".join(f"{cell:>13}" for cell in row[1:]) for row in rows]
    for name, shape in shapes.items() if options.is_verbose else ():
        lines += ["", name, *list_worst(shape)]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()

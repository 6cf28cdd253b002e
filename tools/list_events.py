"""List the events of the log, as the code names them, in the table of docs/logs.md.

`python tools/list_events.py` writes the table anew; with `--check` it only says whether it is the one of the code.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from mm_trio.logs.log_lines import read_format  # noqa: E402 - of this checkout

PAGE = ROOT / "docs" / "logs.md"
BEGIN, END = "<!-- events: written by tools/list_events.py -->\n", "<!-- end of events -->\n"
LEVELS = ("debug", "info", "warning", "error")


@dataclass(frozen=True, slots=True)
class LogCall:
    """One call of a logger: where it is, its levels, and the format of its line."""

    place: str
    levels: tuple[str, ...]
    format: str

    @property
    def event(self) -> str:
        """The event of its line."""
        return read_format(self.format)[0]

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of its line, in their order."""
        return tuple(key for key in read_format(self.format)[1] if key is not None)


def find_calls(root: Path = ROOT) -> Iterator[LogCall]:
    """Find every call of a module's `_log` in the package. Errors: ValueError for a line whose format is no literal."""
    for path in sorted((root / "mm_trio").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and _is_log(node.func.value):
                place = f"{path.relative_to(root).as_posix()}:{node.lineno}"
                yield from _read_call(node, node.func.attr, place)


def _is_log(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "_log"


def _read_call(node: ast.Call, method: str, place: str) -> Iterator[LogCall]:
    words = list(node.args)
    levels: tuple[str, ...] = (method,)
    if method == "log":
        levels = tuple(each.attr.lower() for each in ast.walk(words.pop(0)) if isinstance(each, ast.Attribute))
    if not set(levels) <= set(LEVELS) or not words:
        raise ValueError(f"{place}: not a call of {', '.join(LEVELS)} with a format")
    choices = [words[0].body, words[0].orelse] if isinstance(words[0], ast.IfExp) else [words[0]]
    for each in choices:
        if not (isinstance(each, ast.Constant) and isinstance(each.value, str)):
            raise ValueError(f"{place}: the format of the line is not a literal text")
        yield LogCall(place, levels, each.value)


def write_table(calls: list[LogCall]) -> str:
    """Write a row for each event: its levels, its keys, and the folders that log it."""
    rows = ["| event | level | keys | logged in |", "| --- | --- | --- | --- |"]
    for event in sorted({call.event for call in calls}, key=str.casefold):
        same = [call for call in calls if call.event == event]
        levels = [level for level in LEVELS if any(level in call.levels for call in same)]
        keys = dict.fromkeys(key for call in same for key in call.keys)
        folders = sorted({call.place.rpartition("/")[0].removeprefix("mm_trio/") for call in same})
        cells = (event, ", ".join(levels), ", ".join(f"`{key}`" for key in keys), ", ".join(f"`{f}`" for f in folders))
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


def main(words: list[str]) -> int:
    """Write the table, or check it."""
    page = PAGE.read_text()
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    wanted = f"{before}{BEGIN}\n{write_table(list(find_calls()))}\n{END}{after}"
    if "--check" in words:
        return int(page != wanted)
    PAGE.write_text(wanted)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

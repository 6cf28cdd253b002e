"""Reading of known sections from a TOML document and the environment.

A value comes from the file or from `MM_TRIO__SECTION__KEY`, which wins. Every problem is reported, one line each, and
no line repeats a value that may be a secret. Which sections there are is the caller's to say.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from mm_trio.config.keys import ALERT_VARIABLES, SECRET_VARIABLES
from mm_trio.config.redaction import SECRET_ADVICE, SHOWN_CHARS, hide_secrets, is_secret, names_secret, show, show_name
from mm_trio.config.settings import ACCOUNT_VARIABLE
from mm_trio.config.values import Kind

__all__ = ["MAX_FILE_BYTES", "Found", "Given", "Schema", "Section", "lists_markets", "read_toml", "summarise_problems"]

OVERRIDE_PREFIX = "MM_TRIO__"
# Every variable that begins so is meant for this program.
OUR_PREFIX = "MM_TRIO_"
# Ours is 1 KiB. For names nested 10^5 deep tomllib takes minutes, and all memory.
MAX_FILE_BYTES = 16 * 1024
# In place of a value that was a secret and is already reported.
_REFUSED = object()


class Given(NamedTuple):
    """Value and its source, in the operator's words."""

    raw: object
    label: str


# By section and name.
Found: TypeAlias = dict[tuple[str, str], Given]


@dataclass(frozen=True, slots=True)
class Section:
    """Section that may be given.

    `label` is how it is written, such as [strategy]. `kind` is a dataclass whose fields hold a `Kind` each, and `names`
    are those of them that may be set here.
    """

    label: str
    kind: type[Any]
    names: tuple[str, ...]

    @classmethod
    def of(cls, label: str, kind: type[Any], *, without: Iterable[str] = ()) -> Section:
        """Make a section of all fields of a dataclass, except those named."""
        left_out = set(without)
        return cls(label, kind, tuple(item.name for item in fields(kind) if item.name not in left_out))

    def is_hidden(self, name: str) -> bool:
        """Check whether a value of that name may hold a token or a password."""
        return name in self.names and next(
            bool(item.metadata["kind"].is_hidden) for item in fields(self.kind) if item.name == name
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """Sections of one kind of document.

    `elsewhere` are sections of another part of it, in which a name that is unknown here may be at home.
    `test_variables` may stand in the environment and mean nothing here.
    """

    sections: Mapping[str, Section]
    elsewhere: tuple[Section, ...] = ()
    test_variables: frozenset[str] = field(default=frozenset())

    def collect_file(self, document: Mapping[str, object], problems: list[str]) -> Found:
        """Collect the known values of a document.

        An unknown name, or a secret, becomes a problem.
        """
        found: Found = {}
        for name, table in document.items():
            section = self.sections.get(name)
            if section is not None and isinstance(table, Mapping):
                found.update(self.collect_section(name, table, problems))
                continue
            label = f"[{show_name(name)}]" if section is None else section.label
            is_secret = find_secrets(label, name, table, problems)
            if section is not None and not is_secret:
                problems.append(f"{label} = {show(table)}: must be a section, with its values below it")
            elif section is None and not names_secret(name):
                problems.append(f"unknown section {label}; {self._suggest_section(name)}")
        return found

    def collect_section(self, name: str, table: Mapping[str, object], problems: list[str]) -> Found:
        """Collect the known values of one section."""
        section, found = self.sections[name], Found()
        for key, raw in table.items():
            label = f"{section.label} {show_name(key)}"
            # A token of an address may look like a key, and is never shown.
            is_secret = not section.is_hidden(key) and find_secrets(label, key, raw, problems)
            if key in section.names:
                found[name, key] = Given(_REFUSED if is_secret else raw, label)
            elif not is_secret:
                problems.append(f"unknown setting {label}; {self.suggest(key, section.names)}")
        return found

    def suggest(self, name: str, known: Iterable[str]) -> str:
        """Suggest a setting of that name elsewhere, else the nearest known name.

        Where none is near, all known names.
        """
        sections = (*self.sections.values(), *self.elsewhere)
        homes = [f"{section.label} {name}" for section in sections if name in section.names]
        near = homes or get_close_matches(name[:SHOWN_CHARS].lower(), known, n=1) or self._find_near_sections(name)
        return f"did you mean {near[0]}?" if near else f"expected one of: {', '.join(known)}"

    def _find_near_sections(self, name: str) -> list[str]:
        """Find the section of about that name, where a document has two parts to put it in."""
        if not self.elsewhere:
            return []
        # Another part's come last, and win where both have one of that name: here it would have been known.
        labels = {_shorten(section.label): section.label for section in (*self.sections.values(), *self.elsewhere)}
        return [labels[near] for near in get_close_matches(name[:SHOWN_CHARS].lower(), labels, n=1)]

    def _suggest_section(self, name: str) -> str:
        """Suggest a section for an unknown name, also one of another part."""
        labels = {_shorten(section.label): section.label for section in self.elsewhere}
        return f"did you mean {labels[name]}?" if name in labels else self.suggest(name, self.sections)

    def collect_overrides(self, environ: Mapping[str, str], problems: list[str]) -> Found:
        """Collect every `MM_TRIO__SECTION__KEY` of the environment."""
        known = {
            f"{OVERRIDE_PREFIX}{name}__{key}".upper(): (name, key)
            for name, section in self.sections.items()
            for key in section.names
        }
        found: Found = {}
        for variable in sorted(environ):
            name, text = variable.upper(), environ[variable]
            if not name.startswith(OVERRIDE_PREFIX):
                self._check_meaning(variable, text, problems)
                continue
            label = show_name(variable)
            setting = known.get(name)
            is_secret = find_secrets(label, name.removeprefix(OVERRIDE_PREFIX), text, problems)
            if setting is None and not is_secret:
                near = get_close_matches(name[:SHOWN_CHARS], known, n=1)
                hint = f"did you mean {near[0]}?" if near else f"expected {OVERRIDE_PREFIX}SECTION__KEY, as in the file"
                problems.append(f"unknown setting {label}; {hint}")
            elif setting in found:
                problems.append(f"{label} is given twice, also as {found[setting].label}; remove one of them")
            elif setting is not None:
                found[setting] = Given(_REFUSED if is_secret else text, label)
        return found

    def _check_meaning(self, variable: str, text: str, problems: list[str]) -> None:
        """Report a variable that is meant for this program and means nothing to it."""
        name, known = variable.upper(), (ACCOUNT_VARIABLE, *SECRET_VARIABLES, *ALERT_VARIABLES)
        if not name.startswith(OUR_PREFIX) or variable in (*known, *self.test_variables):
            return
        # Without what all of them begin with, which would make any two alike.
        ours = {full.removeprefix(OUR_PREFIX): full for full in known if full.startswith(OUR_PREFIX)}
        near = get_close_matches(name.removeprefix(OUR_PREFIX)[:SHOWN_CHARS], ours, n=1)
        label = show_name(variable)
        hint = f"did you mean {ours[near[0]]}?" if near else f"a setting is {OVERRIDE_PREFIX}SECTION__KEY; remove it"
        problems.append(f"unknown variable {label}; {hint}")
        if is_secret(text):
            problems.append(f"{label}: {SECRET_ADVICE}")

    def read_section(self, name: str, given: Found, problems: list[str]) -> dict[str, object]:
        """Read the values of a section, with its defaults.

        Each has the type of its field, as the field's kind reads it. A missing or wrong value is left out and reported.
        """
        section, values = self.sections[name], dict[str, object]()
        for item in fields(section.kind):
            if item.name not in section.names:
                continue
            kind: Kind = item.metadata["kind"]
            found = given.get((name, item.name))
            if found is None and item.default is MISSING:
                label = f"{section.label} {item.name}"
                problems.append(f"{label} is missing: must be {kind.allowed}; set it, such as {kind.such_as}")
            elif found is None:
                values[item.name] = item.default
            elif (value := kind.read(found.raw)) is not None:
                values[item.name] = value
            elif found.raw is not _REFUSED:
                label = f"{found.label} = {'<hidden>' if kind.is_hidden else show(found.raw)}"
                problems.append(f"{label}: must be {kind.allowed}; change it, such as to {kind.such_as}")
        return values


def _shorten(label: str) -> str:
    """Return the last name of a section: strategy of [market.strategy]."""
    return label.strip("[]").rpartition(".")[2]


def lists_markets(document: Mapping[str, object]) -> bool:
    """Check if a document lists several markets, in [[market]] tables."""
    tables = document.get("market")
    return isinstance(tables, list) and tables != [] and all(isinstance(table, Mapping) for table in tables)


def summarise_problems(source: str, problems: list[str]) -> str:
    """Return all problems of a source, a line each, below their number."""
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    return "\n".join((f"{source}: {count}", *(f"  {problem}" for problem in problems)))


def read_toml(
    path: Path, *, most_bytes: int = MAX_FILE_BYTES, most_line_bytes: int = MAX_FILE_BYTES
) -> dict[str, object] | str:
    """Read a TOML document, or return why it cannot be read.

    Not an exception, which would carry the text of the file along. Names nest within one line, so a file that may be
    larger has to have shorter lines.
    """
    try:
        with path.open("rb") as file:
            data = file.read(most_bytes + 1)
    except (OSError, ValueError) as error:
        return f"cannot be read: {getattr(error, 'strerror', None) or 'not a valid path'}"
    if len(data) > most_bytes:
        return f"is larger than {most_bytes // 1024} KiB, too large for a configuration file"
    lines = data.splitlines()
    if (longest := max(lines, key=len, default=b"")) and len(longest) > most_line_bytes:
        return (
            f"has {len(longest)} bytes in line {lines.index(longest) + 1}, too long for a configuration file; break it "
            f"into lines of at most {most_line_bytes} bytes"
        )
    try:
        return tomllib.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        return f"is not UTF-8 text: byte {error.start + 1} cannot be read"
    except RecursionError:
        return "cannot be parsed: tables or lists are nested too deeply"
    except ValueError as error:
        # A TOMLDecodeError, or the error of int() for a number that is too long.
        return f"is not valid TOML: {hide_secrets(' '.join(str(error).split()))}"


def find_secrets(label: str, name: str, value: object, problems: list[str]) -> bool:
    """Report a key or passphrase in a setting, and return whether there was one.

    Its name, its value and everything inside the value are checked. One problem is added at most.
    """
    pending: list[tuple[str, str, object]] = [(label, name, value)]
    # A loop and not a recursion, because a file may nest deeper than Python calls.
    while pending:
        label, name, value = pending.pop()
        if names_secret(name) or is_secret(value):
            problems.append(f"{label}: {SECRET_ADVICE}")
            return True
        if isinstance(value, Mapping):
            for key, item in value.items():
                within = f"{label} {show_name(key)}" if len(label) < 2 * SHOWN_CHARS else label
                pending.append((within, key, item))
        elif isinstance(value, list):
            pending.extend((label, "", item) for item in value)
    return False

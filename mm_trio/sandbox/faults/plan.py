"""Parsers for fault plans: `kind:rate` words, TOML and JSON files."""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from mm_trio.sandbox.faults.dice import FINAL_KINDS, MACHINE_KINDS, FaultPlan, FaultRule
from mm_trio.sandbox.faults.kinds import FaultKind

__all__ = ["ALL", "parse_kind", "parse_rules", "parse_words", "read_plan"]

# Stands for every kind that passes, in place of a kind's name.
ALL = "all"

_KINDS = [kind for kind in FaultKind if kind not in MACHINE_KINDS]
_NAMES = [kind.value for kind in _KINDS]
_OF_ALL = [kind for kind in _KINDS if kind not in FINAL_KINDS]


def parse_kind(text: object) -> FaultKind:
    """Parse the name of a kind.

    Errors: ValueError with the nearest name.
    """
    if isinstance(text, str):
        if text in {kind.value for kind in MACHINE_KINDS}:
            struck = "one coin of several" if text == FaultKind.COIN_GARBLED.value else "the client's own machine"
            raise ValueError(f"fault {text!r} strikes {struck}; only `mm-trio sim` has it")
        try:
            return FaultKind(text)
        except ValueError:
            pass
    raise ValueError(f"unknown fault {text!r}{_suggest(str(text), _NAMES)}")


def parse_words(words: Iterable[str]) -> FaultPlan:
    """Parse `kind:rate` words into a plan.

    A later word overrides an earlier one; `all:rate` means every kind that passes.
    Errors: ValueError that names every wrong word.
    """
    rules: list[FaultRule] = []
    wrong: list[str] = []
    for word in words:
        name, colon, rate = word.partition(":")
        try:
            if not colon:
                raise ValueError(f"{word!r} is not kind:rate, as in answer_lost:0.05")
            rules += parse_rules([{"kind": name.strip(), "rate": rate.strip()}]).rules
        except ValueError as error:
            wrong.append(str(error))
    if wrong:
        raise ValueError("; ".join(wrong))
    return FaultPlan(tuple(rules))


def read_plan(path: Path) -> FaultPlan:
    """Read a plan file.

    The format is TOML (`[[fault]]` tables), or JSON if the name ends in `.json` (a list, or `{"fault": [...]}`).
    Errors: ValueError that names the file and every problem in it, with the rule's number from 1 on.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not text in UTF-8: {error.reason}") from error
    is_json = path.suffix.lower() == ".json"
    try:
        document: object = json.loads(text) if is_json else tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: not {'JSON' if is_json else 'TOML'}: {error}") from error
    try:
        return parse_rules(document)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def parse_rules(document: object) -> FaultPlan:
    """Parse a plan of plain values.

    Errors: ValueError with every problem.
    """
    rows = document
    if isinstance(document, dict):
        if unknown := sorted(set(document) - {"fault"}):
            raise ValueError(f"unknown key {unknown[0]!r}: the only key is 'fault', a list of rules")
        rows = document.get("fault", [])
    if not isinstance(rows, list):
        raise ValueError(f"must be a list of rules, got {type(rows).__name__}")
    rules: list[FaultRule] = []
    wrong: list[str] = []
    for number, row in enumerate(rows, start=1):
        try:
            rules += _parse_row(row)
        except ValueError as error:
            wrong.append(str(error) if len(rows) == 1 else f"rule {number}: {error}")
    if wrong:
        raise ValueError("; ".join(wrong))
    return FaultPlan(tuple(rules))


def _parse_row(row: object) -> list[FaultRule]:
    """Parse one row into a rule, or one per kind."""
    if not isinstance(row, dict):
        raise ValueError(f"must be an object with kind and rate, nth or at_s, got {type(row).__name__}")
    if unknown := sorted(set(row) - {"kind", *_READERS}):
        raise ValueError(f"unknown key {unknown[0]!r}{_suggest(str(unknown[0]), ['kind', *_READERS])}")
    if "kind" not in row:
        raise ValueError("the key 'kind' is missing")
    values: dict[str, Any] = {}
    for name, read in _READERS.items():
        if name in row:
            try:
                values[name] = read(row[name])
            except (TypeError, ValueError, InvalidOperation) as error:
                raise ValueError(f"{row['kind']}: {name} must be a number, got {row[name]!r}") from error
    kinds = _OF_ALL if row["kind"] == ALL else [parse_kind(row["kind"])]
    return [FaultRule(kind=kind, **values) for kind in kinds]


def _read_float(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise TypeError
    return float(value)


def _read_int(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError
    return value


def _read_decimal(value: object) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise TypeError
    return Decimal(str(value))


_READERS: Mapping[str, Callable[[object], object]] = {
    "rate": _read_float,
    "nth": _read_int,
    "at_s": _read_float,
    "count": _read_int,
    "delay_s": _read_float,
    "for_s": _read_float,
    "amount": _read_decimal,
}


def _suggest(word: str, known: Sequence[str]) -> str:
    """Suggest the known names nearest to `word`, or all."""
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.7)
    near = near or [name for name in known if word and word in name] or difflib.get_close_matches(word, known, n=1)
    if not near:
        return f": expected one of {', '.join(known)}"
    return f": did you mean {' or '.join(repr(name) for name in near)}?"

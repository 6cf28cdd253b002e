"""Terms of an agreement on liquidity: clauses, and the bounds of the figures.

They are read from plain values, as a TOML file or a certificate holds them, and written back in one form.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal, TypeAlias, cast

from mm_trio.liquidity.units import format_units, parse_units

__all__ = ["CAUSES", "PERCENT_DIGITS", "Cause", "Clause", "Terms", "TermsError", "read_terms"]

# Percent, basis points, shares and prices of clauses are counted in 10^-8 of their unit.
PERCENT_DIGITS = 8
MOST_CLAUSES = 32
_SHOWN = 60

Cause: TypeAlias = Literal["ours", "venue", "network", "halt", "unknown"]
CAUSES: tuple[Cause, ...] = ("ours", "venue", "network", "halt", "unknown")
# A hole in the samples, and what the maker did by itself, are downtime whatever was agreed on.
_EXCLUDABLE = ("venue", "network", "halt")
_MEASURES = ("share", "depth_while_up")
_SIDES = ("bid", "ask", "both", "mean")
_OVER = ("period", "day")

# Name, least, most, and unit. The bounds are inclusive.
_NUMBERS: dict[str, tuple[str, str, str]] = {
    "at_least": ("0", "1000000000000", "a share from 0 to 1, or an amount of quote for depth_while_up"),
    "within_pct": ("0.0001", "100", "percent of the mid"),
    "price_low": ("0.00000001", "1000000000", "quote per base"),
    "price_high": ("0.00000001", "1000000000", "quote per base"),
    "spread_bps": ("0.0001", "10000", "basis points"),
    "min_depth": ("0.01", "1000000000000", "quote a side"),
    "target_bps": ("0.0001", "10000", "basis points"),
}
_REQUIRED = ("name", "side", "at_least")
_CLAUSE_KEYS = (
    *("name", "measure", "side", "at_least", "within_pct", "price_low", "price_high", "spread_bps", "min_depth"),
    *("over", "exclude"),
)
_TERMS_KEYS = ("within_pct", "target_bps", "clause")


class TermsError(ValueError):
    """Terms that are not allowed, with every problem found."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(problems))


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    """One promise.

    "share": part of the samples at which each named side has orders of at least `min_depth` (any, where it is None)
    within `within_pct` of the mid, or from `price_low` to `price_high`, and our spread is at most `spread_bps`.
    "depth_while_up": mean depth of a side over the samples at which both sides are up. Numbers are in units of 10^-8.
    `over`: the whole period, or every UTC day. `exclude`: causes whose samples do not count.
    """

    name: str
    side: str
    at_least: int
    measure: str = "share"
    within_pct: int | None = None
    price_low: int | None = None
    price_high: int | None = None
    spread_bps: int | None = None
    min_depth: int | None = None
    over: str = "period"
    exclude: tuple[str, ...] = ()

    def to_json(self) -> dict[str, object]:
        """Return plain values; numbers are texts, and what is not given is left out."""
        values: dict[str, object] = {"exclude": list(self.exclude)} if self.exclude else {}
        for key in _CLAUSE_KEYS:
            value = getattr(self, key)
            if key in _NUMBERS and value is not None:
                values[key] = format_units(value)
            elif key in ("name", "side", "measure", "over"):
                values[key] = value
        return values


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Bounds of the figures, and clauses.

    `within_pct`: how far from the mid an order counts as being there. `target_bps`: the spread aimed at.
    """

    within_pct: int
    target_bps: int
    clauses: tuple[Clause, ...]

    def to_json(self) -> dict[str, object]:
        """Return plain values, as `read_terms` takes them."""
        return {
            "within_pct": format_units(self.within_pct),
            "target_bps": format_units(self.target_bps),
            "clause": [clause.to_json() for clause in self.clauses],
        }


def read_terms(document: Mapping[str, object]) -> Terms:
    """Read terms from plain values. Errors: TermsError with every problem."""
    problems: list[str] = []
    _check_keys("", document, _TERMS_KEYS, problems)
    bounds: dict[str, int] = {}
    for key in ("within_pct", "target_bps"):
        if key in document:
            bounds[key] = _read_number("", key, document[key], problems)
        else:
            problems.append(f"{key} is missing: must be {_describe_number(key)}")
    tables = document.get("clause", [])
    if not isinstance(tables, list) or not 0 < len(tables) <= MOST_CLAUSES:
        problems.append(f"clause: must be 1 to {MOST_CLAUSES} tables [[clause]]")
        tables = []
    clauses = [_read_clause(f"clause {n}: ", table, problems) for n, table in enumerate(tables, start=1)]
    names = [clause.name for clause in clauses if clause is not None]
    if len(set(names)) < len(names):
        problems.append("two clauses have the same name; give each a name of its own")
    if problems:
        raise TermsError(problems)
    return Terms(
        within_pct=bounds["within_pct"],
        target_bps=bounds["target_bps"],
        clauses=tuple(clause for clause in clauses if clause is not None),
    )


def _read_clause(label: str, table: object, problems: list[str]) -> Clause | None:
    before = len(problems)
    if not isinstance(table, Mapping):
        problems.append(f"{label}must be a table [[clause]]")
        return None
    _check_keys(label, table, _CLAUSE_KEYS, problems)
    problems += [f"{label}{key} is missing; give it" for key in _REQUIRED if key not in table]
    values: dict[str, object] = {}
    for key, raw in table.items():
        if key in _NUMBERS and key in _CLAUSE_KEYS:
            values[key] = _read_number(label, key, raw, problems)
        elif key == "name":
            values[key] = _read_name(label, raw, problems)
        elif key == "exclude":
            values[key] = _read_causes(label, raw, problems)
        elif key in ("measure", "side", "over"):
            allowed = {"measure": _MEASURES, "side": _SIDES, "over": _OVER}[key]
            values[key] = _read_word(label, key, raw, allowed=allowed, problems=problems)
    if len(problems) > before:
        return None
    # Each value was read by its key, so it has the field's type; mypy cannot see that.
    clause = Clause(**values)  # type: ignore[arg-type]
    problems += [f"{label}{fault}" for fault in _find_faults(clause)]
    return clause


def _find_faults(clause: Clause) -> list[str]:
    """Find what does not fit together in a clause."""
    faults: list[str] = []
    if clause.measure == "share" and clause.at_least > 10**PERCENT_DIGITS:
        faults.append(f"at_least = {format_units(clause.at_least)}: must be a share from 0 to 1")
    if (clause.price_low is None) != (clause.price_high is None):
        faults.append("price_low and price_high belong together; give both, or neither")
    if clause.price_low is not None and clause.price_high is not None and clause.price_low > clause.price_high:
        faults.append("price_low is above price_high; swap them")
    if clause.within_pct is not None and clause.price_low is not None:
        faults.append("within_pct and a range of prices exclude each other; keep one")
    if clause.measure == "depth_while_up":
        if clause.within_pct is None:
            faults.append("depth_while_up needs within_pct; give it")
        if clause.side == "mean" or clause.spread_bps is not None or clause.min_depth is not None:
            faults.append("depth_while_up takes side bid, ask or both, and neither spread_bps nor min_depth")
    return faults


def _check_keys(label: str, table: Mapping[str, object], known: tuple[str, ...], problems: list[str]) -> None:
    for key in table:
        if key not in known:
            shown = str(key)[:_SHOWN]
            near = get_close_matches(shown, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"expected one of: {', '.join(known)}"
            problems.append(f"{label}unknown key {shown!r}; {hint}")


def _describe_number(key: str) -> str:
    low, high, unit = _NUMBERS[key]
    return f"a number from {low} to {high} ({unit}), with at most {PERCENT_DIGITS} decimals"


def _read_number(label: str, key: str, raw: object, problems: list[str]) -> int:
    low, high, _ = _NUMBERS[key]
    # A float is read by its shortest text.
    text = str(raw) if isinstance(raw, int) and not isinstance(raw, bool) and abs(raw) < 10**18 else raw
    text = repr(raw).removesuffix(".0") if isinstance(raw, float) else text
    try:
        units = parse_units(text) if isinstance(text, str) and len(text) <= _SHOWN else -1
    except ValueError:
        units = -1
    if not parse_units(low) <= units <= parse_units(high):
        problems.append(f"{label}{key} = {_show(raw)}: must be {_describe_number(key)}")
        return 0
    return units


def _read_name(label: str, raw: object, problems: list[str]) -> str:
    if isinstance(raw, str) and 0 < len(raw) <= _SHOWN and raw.isprintable():
        return raw
    problems.append(f"{label}name = {_show(raw)}: must be 1 to {_SHOWN} printable characters")
    return ""


def _read_word(label: str, key: str, raw: object, *, allowed: tuple[str, ...], problems: list[str]) -> str:
    if isinstance(raw, str) and raw in allowed:
        return raw
    problems.append(f"{label}{key} = {_show(raw)}: must be one of {', '.join(allowed)}")
    return ""


def _read_causes(label: str, raw: object, problems: list[str]) -> tuple[str, ...]:
    if isinstance(raw, list) and all(isinstance(cause, str) and cause in _EXCLUDABLE for cause in raw):
        return tuple(sorted(set(cast("list[str]", raw))))
    allowed = ", ".join(_EXCLUDABLE)
    problems.append(f"{label}exclude = {_show(raw)}: must be a list of {allowed}; holes in the samples always count")
    return ()


def _show(raw: object) -> str:
    return f"{raw!r:.{_SHOWN}}" if isinstance(raw, str | int | float | bool) else f"a {type(raw).__name__}"

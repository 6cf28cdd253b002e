"""Paths of a price that a configuration is rehearsed on."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from math import log
from typing import TypeAlias

from mm_trio.model.errors import ConfigError

__all__ = ["PATHS", "Points", "find_highest", "find_points", "parse_paths"]

# (Share of the run, natural logarithm of the ratio to the price at its start.)
Points: TypeAlias = tuple[tuple[float, float], ...]

# The price waits until the ladder stands, and gets there before the end, so that what follows is seen too.
_LEAVES, _THERE = 0.05, 0.8
# Above the highest level of the ladder, and no farther: what is lost beyond it has no end, and is not the ladder's.
_BEYOND_TOP = 0.003


def _stay(to_top: float) -> Points:
    return ((0.0, 0.0),)


def _fall_and_turn(to_top: float) -> Points:
    """Fall by a tenth, and make good half of it."""
    return ((_LEAVES, 0.0), (0.6, log(0.9)), (1.0, log(0.95)))


def _run_through_the_top(to_top: float) -> Points:
    return ((_LEAVES, 0.0), (_THERE, max(0.0, to_top) + _BEYOND_TOP))


def _halve(to_top: float) -> Points:
    return ((_LEAVES, 0.0), (_THERE, log(0.5)))


PATHS: dict[str, Callable[[float], Points]] = {
    "calm": _stay,
    "fall": _fall_and_turn,
    "rise": _run_through_the_top,
    "halve": _halve,
}


def find_points(path: str, *, start_px: Decimal, top_px: Decimal) -> Points:
    """Find the points of a path for a ladder that ends at `top_px`."""
    return PATHS[path](log(float(top_px) / float(start_px)))


def find_highest(path: str, *, start_px: Decimal, top_px: Decimal) -> Decimal | None:
    """Find the price that a path never passes; None without one."""
    return max(start_px, top_px) * (1 + Decimal(repr(_BEYOND_TOP))) if path == "rise" else None


def parse_paths(text: str) -> tuple[str, ...]:
    """Parse `all`, or names separated by commas. Errors: ConfigError."""
    if text == "all":
        return tuple(PATHS)
    names = [name.strip() for name in text.split(",")]
    wrong = [name for name in names if name not in PATHS]
    if wrong:
        raise ConfigError(
            f"--price-path {text!r} is not valid: unknown: {', '.join(map(repr, wrong))}; it must be all, or some of "
            f"{', '.join(PATHS)}, separated by commas"
        )
    return tuple(dict.fromkeys(names))

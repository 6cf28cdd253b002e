"""Limits that a maker of real money has to have. Pure."""

from __future__ import annotations

from dataclasses import fields

from mm_trio.limits.terms import RiskLimits

__all__ = ["find_missing"]


def find_missing(limits: RiskLimits) -> tuple[str, ...]:
    """Name the limits that are not set, in the order of `[limits]`."""
    return tuple(item.name for item in fields(limits) if getattr(limits, item.name) is None)

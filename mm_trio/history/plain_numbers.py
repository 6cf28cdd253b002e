"""Numbers as a person writes them. Pure."""

from __future__ import annotations

from decimal import Decimal

__all__ = ["plain"]


def plain(value: Decimal) -> str:
    """Write a number in plain digits without idle zeros."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text

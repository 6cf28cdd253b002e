"""Settings of an account as the text of a configuration file.

What is read from it is equal to what was written. It holds no key, because the settings hold none. Addresses of alert
channels may hold tokens, and are left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields
from decimal import Decimal
from typing import Any

from mm_trio.account_config.settings import GRID_TUNING, AccountSettings
from mm_trio.config.settings import Settings

__all__ = ["write_toml"]

_ACCOUNT_NAMES = ("network", "api_url", "account", "vault")


def write_toml(settings: AccountSettings) -> str:
    """Write the settings as TOML, in the form of the file that they came from."""
    blocks = _list_joint_blocks(settings) if settings.lists_markets else _list_single_blocks(settings.grids[0])
    return "\n".join("\n".join((header, *lines, "")) for header, lines in blocks)


def _list_single_blocks(grid: Settings) -> Iterator[tuple[str, list[str]]]:
    """List the sections of a file with one [market] table."""
    for name in ("market", "strategy", "allocation", "tuning", "limits", "guard", "record", "page", "alerts"):
        if (section := getattr(grid, name)) is not None:
            yield f"[{name}]", _write_values(section)


def _list_joint_blocks(settings: AccountSettings) -> Iterator[tuple[str, list[str]]]:
    """List the tables of a file with [[market]] tables, those of the account first."""
    for name in ("account", "limits", "tuning", "guard", "record", "page", "alerts"):
        if (section := getattr(settings, name)) is not None:
            yield f"[{name}]", _write_values(section)
    for grid in settings.grids:
        yield "[[market]]", _write_values(grid.market, without=_ACCOUNT_NAMES)
        yield "[market.strategy]", _write_values(grid.strategy)
        if grid.allocation is not None:
            yield "[market.allocation]", _write_values(grid.allocation)
        if grid.limits is not None:
            # The budget is the account's.
            yield "[market.limits]", _write_values(grid.limits, without=("budget_floor",))
        own = {name for name in GRID_TUNING if getattr(grid.tuning, name) != getattr(settings.tuning, name)}
        if own:
            yield (
                "[market.tuning]",
                _write_values(
                    grid.tuning, without=tuple(item.name for item in fields(grid.tuning) if item.name not in own)
                ),
            )


def _write_values(section: Any, *, without: tuple[str, ...] = ()) -> list[str]:
    """Write the values of a section, a line each; None is left out, as in a file."""
    shown = [item.name for item in fields(section) if not item.metadata["kind"].is_hidden and item.name not in without]
    values = {name: getattr(section, name) for name in shown}
    return [f"{name} = {_write(value)}" for name, value in values.items() if value is not None]


def _write(value: object) -> str:
    if isinstance(value, Decimal):
        return f'"{value:f}"'
    if isinstance(value, bool):
        return str(value).lower()
    # A string of JSON is one of TOML too, as long as nothing in it is beyond the first plane of Unicode.
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)

"""Removal of the oldest observations, in small steps.

What is left stays readable: the prices and the book that hold at the new beginning stay, and coverage begins there.
"""

from __future__ import annotations

import sqlite3

__all__ = ["measure", "prune"]

# Of each table, in one step: a few milliseconds.
STEP_ROWS, FEW_ROWS = 2_000, 100
# A step gives at most 4 MB back to the disk.
STEP_PAGES = 1_000
_TABLES = ("best_prices", "trades", "own_books")


def measure(connection: sqlite3.Connection) -> int:
    """Return the bytes of the file, without its free pages."""
    used, free, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    return (used - free) * size  # type: ignore[no-any-return]


def prune(connection: sqlite3.Connection, *, before_ms: int | None) -> bool:
    """Remove a step of the oldest observations, those before `before_ms`.

    None: the oldest of all. Return whether there may be more to remove. To be called in a transaction.
    """
    ends = _find_ends(connection, STEP_ROWS) + ([] if before_ms is None else [before_ms])
    # A few large books can be too much as well.
    if not (ends := ends or _find_ends(connection, FEW_ROWS)):
        return False
    begin_ms = min(ends)
    is_more = before_ms is None or begin_ms < before_ms
    run = connection.execute
    held = "(SELECT max(time_ms) FROM {0} WHERE time_ms <= :begin {1})"
    values = {"begin": begin_ms}
    run(f"DELETE FROM best_prices WHERE time_ms < {held.format('best_prices', '')}", values)
    run(f"DELETE FROM own_books WHERE time_ms < {held.format('own_books', 'AND is_whole')}", values)
    run("DELETE FROM trades WHERE time_ms < :begin", values)
    run("DELETE FROM marks WHERE fill_ms < :begin", values)
    run("DELETE FROM marked_fills WHERE fill_ms < :begin", values)
    run("DELETE FROM coverage WHERE until_ms < :begin", values)
    run("UPDATE coverage SET from_ms = :begin WHERE from_ms < :begin", values)
    # It moves a page with each row that is fetched.
    run(f"PRAGMA incremental_vacuum({STEP_PAGES})").fetchall()
    return is_more


def _find_ends(connection: sqlite3.Connection, n_rows: int) -> list[int]:
    """Return where so many of the oldest rows of each table end, for tables that have more."""
    rows = (
        connection.execute(f"SELECT time_ms FROM {table} ORDER BY time_ms LIMIT 1 OFFSET {n_rows}").fetchone()
        for table in _TABLES
    )
    return [row[0] for row in rows if row]

"""Tables of the record."""

from __future__ import annotations

__all__ = ["MIGRATIONS"]

# Script n turns version n of the file into n + 1; an empty file is version 0.
MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE best_prices (
        time_ms INTEGER PRIMARY KEY, bid TEXT, bid_size TEXT, ask TEXT, ask_size TEXT
    ) STRICT;
    CREATE TABLE trades (
        time_ms INTEGER NOT NULL, tid INTEGER NOT NULL, price TEXT NOT NULL, size TEXT NOT NULL, side TEXT NOT NULL,
        buyer TEXT, seller TEXT, PRIMARY KEY (time_ms, tid)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE own_books (
        time_ms INTEGER PRIMARY KEY, is_whole INTEGER NOT NULL, orders TEXT NOT NULL, state TEXT NOT NULL, reason TEXT
    ) STRICT;
    CREATE TABLE marks (fill_ms INTEGER PRIMARY KEY, marks TEXT NOT NULL) STRICT;
    CREATE TABLE marked_fills (fill_ms INTEGER PRIMARY KEY) STRICT;
    CREATE TABLE coverage (
        watched TEXT NOT NULL, from_ms INTEGER NOT NULL, until_ms INTEGER NOT NULL, PRIMARY KEY (watched, from_ms)
    ) STRICT, WITHOUT ROWID;
    """,
)

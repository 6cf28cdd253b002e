"""Rows of the venue, saved to files, with which fills are compared.

They are rows of the public `trades` (with both users) or of `userFills`: a JSON list, or one row or list on each line.
They are kept in a file of their own while they are compared, so that memory does not grow with them.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Never

from mm_trio.cli.earnings_programs.past_words import say_time
from mm_trio.liquidity.certificate import Header
from mm_trio.liquidity.samples import Fill
from mm_trio.liquidity.units import format_units, to_units
from mm_trio.messages.fields import get_field, read_decimal, read_integer, read_side, read_text, read_time_ms
from mm_trio.model.errors import ConfigError, ProtocolError

__all__ = ["VenueFills"]

# A list on many lines is read as a whole.
MOST_WHOLE_BYTES = 16 * 1024 * 1024
MOST_LINE_BYTES = MOST_WHOLE_BYTES


class VenueFills:
    """Rows of the venue, found by trade id."""

    def __init__(self, paths: Sequence[Path]) -> None:
        # A file without a name, which SQLite removes by itself.
        self._rows = sqlite3.connect("")
        try:
            self._reach = self._fill(paths)
        except BaseException:
            self.close()
            raise

    def _fill(self, paths: Sequence[Path]) -> tuple[int | None, int | None]:
        """Take the rows of the files; return their first and last time."""
        self._rows.execute("CREATE TABLE rows (tid INTEGER, coin TEXT, time INTEGER, px TEXT, sz TEXT, who TEXT)")
        for path in paths:
            rows = (row for raw in _read_rows(path) for row in _parse(raw, path))
            self._rows.executemany("INSERT INTO rows VALUES (?, ?, ?, ?, ?, ?)", rows)
        self._rows.execute("CREATE INDEX tids ON rows (tid)")
        first_ms, last_ms = self._rows.execute("SELECT min(time), max(time) FROM rows").fetchone()
        return first_ms, last_ms

    def close(self) -> None:
        """Remove the rows."""
        self._rows.close()

    def check(self, header: Header, fill: Fill) -> str | None:
        """Return what does not fit a fill of a certificate; None where a row of the venue is the same."""
        wanted = {"time": fill.time_ms, "px": fill.price, "sz": fill.size, "side": f"{fill.side} {header.account}"}
        nearest: str | None = None
        for coin, time_ms, price, size, who in self._rows.execute(
            "SELECT coin, time, px, sz, who FROM rows WHERE tid = ?", (fill.tid,)
        ):
            if coin not in (None, header.coin):
                continue
            found = {"time": time_ms, "px": int(price), "sz": int(size), "side": who.replace("*", header.account)}
            wrong = [key for key in wanted if wanted[key] not in _alternatives(found[key])]
            if not wrong:
                return None
            nearest = "; ".join(
                f"{key} is {_show(key, wanted[key])}, at the venue {_show(key, found[key])}" for key in wrong
            )
        return nearest or f"the venue's rows have no such trade{self._describe_reach(fill.time_ms)}"

    def _describe_reach(self, time_ms: int) -> str:
        """Say that the rows do not reach so far: the venue gives 2,000 at once, and that is no proof of anything."""
        first_ms, last_ms = self._reach
        if first_ms is None or last_ms is None:
            return "; there are no rows at all"
        if time_ms < first_ms:
            return f"; they begin later, at {say_time(first_ms)} UTC: name a file with earlier ones too"
        return (
            f"; they end earlier, at {say_time(last_ms)} UTC: name a file with later ones too"
            if time_ms > last_ms
            else ""
        )


def _alternatives(value: object) -> tuple[object, ...]:
    return tuple(value.split("|")) if isinstance(value, str) else (value,)


def _show(key: str, value: object) -> str:
    return format_units(value) if key in ("px", "sz") and isinstance(value, int) else str(value)


def _read_rows(path: Path) -> Iterator[Any]:
    try:
        with path.open("rb") as file:
            first = file.readline(MOST_LINE_BYTES + 1)
            whole = _try_to_parse(first)
            if whole is None:
                rest = file.read(MOST_WHOLE_BYTES + 1 - min(len(first), MOST_WHOLE_BYTES))
                whole = _try_to_parse(first + rest) if len(first) + len(rest) <= MOST_WHOLE_BYTES else None
                if whole is None:
                    _refuse(path, "it is not valid JSON, or a list of many lines that is larger than 16 MiB")
            yield from whole if isinstance(whole, list) else [whole]
            number = 1
            while line := file.readline(MOST_LINE_BYTES + 1):
                number += 1
                if line.isspace():
                    continue
                rows = _try_to_parse(line)
                if rows is None:
                    _refuse(path, f"line {number} is not valid JSON")
                yield from rows if isinstance(rows, list) else [rows]
    except OSError as error:
        raise ConfigError(f"--fills {path} cannot be read: {error.strerror or error}; name a file of rows") from error


def _try_to_parse(text: bytes) -> Any:
    try:
        return json.loads(text, parse_constant=_reject)
    except (ValueError, RecursionError):
        return None


def _reject(word: str) -> Never:
    raise ValueError(word)


def _parse(raw: Any, path: Path) -> Iterator[tuple[int, str | None, int, str, str, str]]:
    """Yield a row; a size that no certificate could hold is left out."""
    try:
        tid, time_ms = read_integer(get_field(raw, "tid", "row"), "row.tid"), read_time_ms(raw.get("time"), "row.time")
        price, size = (read_decimal(get_field(raw, key, "row"), f"row.{key}") for key in ("px", "sz"))
        coin = read_text(raw["coin"], "row.coin") if "coin" in raw else None
        who = _read_party(raw)
    except ProtocolError as error:
        _refuse(path, f"a row does not have the form of `trades` or `userFills`: {error}")
    try:
        yield tid, coin, time_ms, str(to_units(price)), str(to_units(size)), who
    except ValueError:
        _refuse(path, f"the row of trade {tid} has a price or size that cannot be")


def _read_party(raw: Any) -> str:
    """Return each side with who took part on it: an address, or * for the account that was asked about."""
    users = raw.get("users")
    if users is None:
        return f"{read_side(get_field(raw, 'side', 'row'), 'row.side')} *"
    if not isinstance(users, list) or len(users) != 2:
        raise ProtocolError("row.users", users)
    buyer, seller = (read_text(user, "row.users").lower() for user in users)
    return f"buy {buyer}|sell {seller}"


def _refuse(path: Path, why: str) -> Never:
    raise ConfigError(f"--fills {path}: {why}; save the venue's rows as a JSON list, or one row on each line")

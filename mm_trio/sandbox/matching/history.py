"""History of an exchange: its recorder, reader and replay.

A history is a file of JSON lines. The first line holds the settings of the exchange, each further one a command and
its time, and the last, if the run ended cleanly, a digest of the final state. Numbers are exact. Replaying needs no
clock.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from mm_trio.sandbox.matching.exchange import Exchange
from mm_trio.sandbox.matching.history_values import Undecodable, decode, encode
from mm_trio.sandbox.model.commands import Command
from mm_trio.sandbox.model.settings import Settings

__all__ = ["FORMAT", "VERSION", "Entry", "History", "HistoryError", "Recorder", "read_history", "replay"]

FORMAT = "mm_trio sandbox history"
VERSION = 1


class HistoryError(Exception):
    """Unreadable line, or state that differs from the recorded one.

    Lines are counted from 1.
    """

    def __init__(self, line: int, what: str) -> None:
        super().__init__(f"line {line}: {what}")
        self.line = line


@dataclass(frozen=True, slots=True)
class Entry:
    """Command with its time and line number."""

    line: int
    now_ms: int
    command: Command


@dataclass(frozen=True, slots=True)
class History:
    """Content of one history file.

    `digest` comes from the last line; it is None where the run was cut off.
    """

    settings: Settings
    entries: tuple[Entry, ...]
    digest: str | None


class Recorder:
    """Recorder of all commands of one exchange.

    `write` is called with each line, without its line end. The exchange must be new, because earlier commands are
    not known here. Errors: ValueError if it is not.
    """

    def __init__(self, exchange: Exchange, write: Callable[[str], object]) -> None:
        if exchange.n_commands:
            raise ValueError(
                f"cannot record a history: the exchange has carried out {exchange.n_commands} commands; use a new one"
            )
        self._exchange = exchange
        self._write = write
        self._write_line({"format": FORMAT, "version": VERSION, "settings": encode(exchange.settings)})
        exchange.observer = self._on_command

    def close(self) -> None:
        """Write the final state's digest and stop recording.

        A second call changes nothing.
        """
        if self._exchange.observer == self._on_command:
            self._exchange.observer = None
            self._write_line({"digest": self._exchange.digest()})

    def _on_command(self, now_ms: int, command: Command) -> None:
        self._write_line({"ms": now_ms, "do": encode(command)})

    def _write_line(self, row: dict[str, object]) -> None:
        self._write(json.dumps(row, separators=(",", ":")))


def read_history(lines: Iterable[str]) -> History:
    """Read a history from its lines.

    A last line that was cut off is not an error, and is left out. Errors: HistoryError with the number of the line.
    """
    rows = _rows(lines)
    number, head = next(rows, (1, None))
    if head is None:
        raise HistoryError(1, "the history is empty")
    if head.get("format") != FORMAT:
        raise HistoryError(number, f"not a sandbox history: the first line must hold the format {FORMAT!r}")
    if head.get("version") != VERSION:
        raise HistoryError(number, f"unsupported version {head.get('version')!r}: only {VERSION} can be read")
    settings = _decode(number, Settings, head.get("settings"))
    entries: list[Entry] = []
    digest = None
    for number, row in rows:
        if digest is not None:
            raise HistoryError(number, "unexpected line after the digest, which must be the last line")
        if isinstance(row.get("digest"), str):
            digest = str(row["digest"])
        else:
            entries.append(_read_entry(number, row))
    return History(settings, tuple(entries), digest)


def replay(history: History) -> Exchange:
    """Build an exchange by replaying a history.

    Errors: HistoryError if its digest differs from the recorded digest.
    """
    settings = history.settings
    exchange = Exchange(
        settings.markets,
        maker_fee=str(settings.maker_fee),
        taker_fee=str(settings.taker_fee),
        fee_tiers=settings.fee_tiers,
        dust_conversion=settings.dust_conversion,
        min_notional=str(settings.min_notional),
        first_oid=settings.first_oid,
        limits=settings.limits,
    )
    for entry in history.entries:
        exchange.apply(entry.now_ms, entry.command)
    if history.digest not in (None, exchange.digest()):
        last = history.entries[-1].line + 1 if history.entries else 2
        raise HistoryError(last, "the replayed state differs from the recorded one")
    return exchange


def _rows(lines: Iterable[str]) -> Iterator[tuple[int, dict[str, object]]]:
    """Yield numbered JSON objects.

    A last line that is cut off ends them.
    """
    numbered = enumerate(lines, start=1)
    for number, line in numbered:
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            is_cut_off = number > 1 and not line.rstrip().endswith("}") and next(numbered, None) is None
            if is_cut_off:
                return
            raise HistoryError(number, f"not valid JSON: {line[:60]!r}") from error
        if not isinstance(row, dict):
            raise HistoryError(number, f"not a JSON object: {line[:60]!r}")
        yield number, row


def _read_entry(number: int, row: dict[str, object]) -> Entry:
    now_ms = row.get("ms")
    if not isinstance(now_ms, int) or isinstance(now_ms, bool):
        raise HistoryError(number, "'ms' must be a whole number of milliseconds")
    command: Command = _decode(number, Command, row.get("do"))
    return Entry(number, now_ms, command)


def _decode(number: int, wanted: object, value: object) -> Any:
    try:
        return decode(wanted, value)
    except Undecodable as error:
        raise HistoryError(number, str(error)) from error

"""History of a sandbox in a file: recording and replay."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mm_trio.cli.programs.sandbox_report import ReplaySummary
from mm_trio.model.errors import ConfigError
from mm_trio.sandbox import Exchange, HistoryError, Recorder, read_history, replay

__all__ = ["record_history", "replay_history"]


@contextmanager
def record_history(exchange: Exchange, path: Path | None) -> Iterator[Callable[[], str] | None]:
    """Record every command of the exchange to a new file.

    Gives a function that flushes the file to disk and returns its path, or None where `path` is None. Errors:
    ConfigError where the file exists, OSError where it cannot be created.
    """
    if path is None:
        yield None
        return
    try:
        file = path.open("x", encoding="utf-8")
    except FileExistsError as error:
        raise ConfigError(f"{path} exists already; name a new file for the history") from error
    with file:
        recorder = Recorder(exchange, lambda line: file.write(line + "\n"))

        def save() -> str:
            file.flush()
            os.fsync(file.fileno())
            return str(path.resolve())

        try:
            yield save
        finally:
            recorder.close()


def replay_history(path: Path) -> ReplaySummary:
    """Replay a history and summarize its final state.

    Errors: ConfigError for a file that cannot be read, or that leads to another state than it says.
    """
    try:
        with path.open(encoding="utf-8") as lines:
            history = read_history(lines)
        exchange = replay(history)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except (HistoryError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error
    return ReplaySummary(
        commands=len(history.entries),
        digest=exchange.digest(),
        is_whole=history.digest is not None,
        fills={address: len(exchange.fills(address)) for address in exchange.addresses()},
        orders_resting={address: len(exchange.open_orders(address)) for address in exchange.addresses()},
    )

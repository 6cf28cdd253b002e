"""History of a sandbox in a file: recording and replay."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from mm_trio.cli.programs.sandbox_report import ReplaySummary
from mm_trio.model.errors import ConfigError, LocalError
from mm_trio.model.local_failures import describe_local_failure
from mm_trio.sandbox import Exchange, HistoryError, Recorder, read_history, replay

__all__ = ["record_history", "replay_history"]


@contextmanager
def record_history(exchange: Exchange, path: Path | None) -> Iterator[Callable[[], str] | None]:
    """Record every command of the exchange to a new file.

    Gives a function that flushes the file to disk and returns its path, or None where `path` is None. Errors:
    ConfigError where the file exists, LocalError where it cannot be written, at any time.
    """
    if path is None:
        yield None
        return
    try:
        file = path.open("x", encoding="utf-8")
    except FileExistsError as error:
        raise ConfigError(f"{path} exists already; name a new file for the history") from error
    except OSError as error:
        raise _make_error(path, error) from error

    def write(line: str) -> None:
        try:
            file.write(line + "\n")
        except OSError as error:
            raise _make_error(path, error) from error

    with _closing(file, path):
        recorder = Recorder(exchange, write)

        def save() -> str:
            file.flush()
            os.fsync(file.fileno())
            return str(path.resolve())

        try:
            yield save
        finally:
            recorder.close()


@contextmanager
def _closing(file: TextIO, path: Path) -> Iterator[None]:
    """Close the file, and say so where its last lines did not fit.

    An error that ended the work already is not hidden by one of the file.
    """
    try:
        yield
    except BaseException:
        with suppress(OSError):
            file.close()
        raise
    try:
        file.close()
    except OSError as error:
        raise _make_error(path, error) from error


def _make_error(path: Path, error: OSError) -> LocalError:
    words = describe_local_failure(OSError(error.errno or 0, error.strerror or str(error)))
    return LocalError(f"{path}: the history cannot be written: {words}")


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

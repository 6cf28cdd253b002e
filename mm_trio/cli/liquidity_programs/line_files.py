"""Files of lines, written in one step and read one line at a time."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from mm_trio.cli.earnings_programs.progress import show_progress
from mm_trio.liquidity.lines import MOST_LINE_BYTES
from mm_trio.model.errors import ConfigError

__all__ = ["count_lines", "read_lines", "write_lines"]

# The count is shown so often to a person who waits.
TOLD_EVERY = 1_000


def count_lines(lines: Iterator[bytes], what: str) -> Iterator[bytes]:
    """Yield the lines; their number is shown to a person who has to wait."""
    with show_progress(what) as tell:
        for n, line in enumerate(lines, start=1):
            if n % TOLD_EVERY == 0:
                tell(n)
            yield line


def write_lines(lines: Iterator[bytes], path: Path) -> int:
    """Write a new file in one step, and return its size. Errors: ConfigError, also where a file is there."""
    beside, n_bytes = path.with_name(f"{path.name}.new"), 0
    if path.exists():
        raise ConfigError(f"--out {path} is there already; choose another name, or remove it")
    try:
        with beside.open("wb") as file:
            for line in lines:
                n_bytes += file.write(line)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        raise ConfigError(f"--out {path} cannot be written: {error.strerror or error}; choose another file") from error
    finally:
        with contextlib.suppress(OSError):
            beside.unlink()
    return n_bytes


def read_lines(path: Path) -> Iterator[bytes]:
    """Yield the lines of a file with their ends; a longer one than any certificate has comes in pieces.

    Errors: ConfigError.
    """
    try:
        with path.open("rb") as file:
            while line := file.readline(MOST_LINE_BYTES):
                yield line
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}; name a certificate") from error

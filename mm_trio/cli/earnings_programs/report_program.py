"""Making of a report: reads ledger and record, writes a page and tables."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from mm_trio.earnings.period import Period
from mm_trio.history.earnings_reader import Asked
from mm_trio.model.errors import ConfigError
from mm_trio.pages.drawing import check_library
from mm_trio.reports.collect import read_facts
from mm_trio.reports.observe import Sampler
from mm_trio.reports.report import Report, make_report

__all__ = ["Output", "Written", "make_progress", "write_report"]

MINUS_SIGN = "\N{MINUS SIGN}"

BAR_CELLS = 30
CLEAR_LINE = "\r\x1b[K"
# What takes less needs no bar.
SHOWN_AFTER_S, SHOWN_EVERY_S = 1.0, 0.1
PAGE_BEGIN = b"<!DOCTYPE html>"


@dataclass(frozen=True, slots=True)
class Output:
    """Where a report goes: a page, and a folder of CSV files; None: not there."""

    html: Path | None = None
    csv: Path | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """Report with the files that it was written to."""

    report: Report
    files: tuple[Path, ...]

    def to_json(self) -> dict[str, object]:
        """Return plain JSON values."""
        return {**self.report.to_json(), "files": [str(path) for path in self.files]}

    def to_text(self) -> str:
        """Return the summary in words, and what was written."""
        written = [f"written: {path}" for path in self.files]
        # A stream that does not know the sign would leave a loss without one.
        words = [sentence.replace(MINUS_SIGN, "-") for sentence in self.report.words]
        return "\n".join([*words, *(written or ["--html FILE writes the page, --csv DIR the tables"])])


def write_report(
    folder: Path, period: Period, output: Output, *, sampler: Sampler, on_progress: Callable[[float, str], None]
) -> Written:
    """Make a report and write it.

    Errors: ConfigError where a file cannot be written or the library for pictures is missing; JournalError, and
    RecordError.
    """
    # What is in the way is told before the work, not after it.
    _check_output(output)
    asked = Asked(period=period, now_ms=time.time_ns() // 1_000_000, by_day=True)
    report = make_report(read_facts(folder, asked, sampler, on_progress))
    files: list[Path] = []
    if output.html is not None:
        on_progress(0.92, "page")
        files.append(_write(output.html, report.to_html()))
    if output.csv is not None:
        files += [_write(output.csv / f"{name}.csv", text) for name, text in report.to_csv().items()]
    on_progress(1.0, "")
    return Written(report, tuple(files))


def _check_output(output: Output) -> None:
    if output.html is not None:
        check_library()
        _check_page(output.html)
    if output.csv is not None:
        try:
            output.csv.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"--csv {output.csv} cannot be a folder for the tables: {error.strerror or error}; name a folder that "
                "you may write to"
            ) from error


def _check_page(path: Path) -> None:
    """Refuse to overwrite what is not a page: a mistyped name must not cost a configuration or a ledger."""
    try:
        with path.open("rb") as file:
            is_page = file.read(len(PAGE_BEGIN)) == PAGE_BEGIN
    except FileNotFoundError:
        is_page = path.parent.is_dir()
        if not is_page:
            raise ConfigError(
                f"--html {path} cannot be written: there is no folder {path.parent}; make it first"
            ) from None
    except OSError as error:
        raise ConfigError(
            f"--html {path} cannot be written: {error.strerror or error}; name a file in a folder that you may write to"
        ) from error
    if not is_page:
        raise ConfigError(f"--html {path} is there and is not a page of a report; name another file")


def _write(path: Path, text: str) -> Path:
    """Write a file whole or not at all."""
    beside = path.with_name(f".{path.name}.new")
    try:
        beside.write_text(text, encoding="utf-8", newline="\n")
        beside.replace(path)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror or error}; name another file") from error
    finally:
        with contextlib.suppress(OSError):
            beside.unlink()
    return path


def make_progress(stream: TextIO) -> Callable[[float, str], None]:
    """Return what draws a bar on a terminal once the work takes longer than a second; nothing elsewhere."""
    is_terminal = stream.isatty()
    began_s = time.monotonic()
    next_s = began_s + SHOWN_AFTER_S
    has_shown = False

    def show(part: float, what: str) -> None:
        nonlocal next_s, has_shown
        now_s = time.monotonic()
        is_end = part >= 1.0
        if not is_terminal or (now_s < next_s and not (is_end and has_shown)):
            return
        next_s, has_shown = now_s + SHOWN_EVERY_S, True
        full = int(BAR_CELLS * part)
        bar = "#" * full + "." * (BAR_CELLS - full)
        # Progress that nobody can see must not end the report.
        with contextlib.suppress(OSError, ValueError):
            end = "\n" if is_end else ""
            print(f"{CLEAR_LINE}[{bar}] {100 * part:.0f} % {what}", end=end, file=stream, flush=True)

    return show

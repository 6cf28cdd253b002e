"""Check that the files of an open ledger are still in their place.

A file that is deleted or replaced while it is open takes every commit, and nobody can find it afterwards.
"""

from __future__ import annotations

from pathlib import Path

from mm_trio.model.errors import JournalGone

__all__ = ["FilesInPlace"]


class FilesInPlace:
    """Identity of files at the time they were opened."""

    def __init__(self) -> None:
        self._expected: dict[Path, tuple[int, int] | None] = {}

    def watch(self, path: Path) -> None:
        """Expect this file from now on; one that is not there yet, from when it is first seen."""
        self._expected[path] = _identify(path)

    def check(self) -> None:
        """Compare each path with the file that was opened.

        One `stat` for each. Errors: JournalGone for a file that was deleted or replaced.
        """
        for path, expected in self._expected.items():
            found = _identify(path)
            if expected is None:
                self._expected[path] = found
            elif found != expected:
                happened = "deleted" if found is None else "replaced"
                raise JournalGone(
                    f"{path} was {happened} while the ledger was in use; nothing more is written to it, so "
                    "nothing more is placed. Stop whatever changes files in the state folder, put the folder's newest "
                    "copy back if there is one, and run `mm-trio ledger rebuild` to add what the venue knows"
                )


def _identify(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_dev, found.st_ino

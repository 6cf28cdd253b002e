"""Take the end of the journal away before a start.

Either its last entries are cut off, as by a disk that lost them, or the whole state folder is replaced by a copy of an
earlier start, as by a backup. What is left is a valid journal.
"""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

__all__ = ["JournalLoss", "LossyFolder"]

JOURNAL_NAME = "journal.sqlite3"
# Time in which a machine that lost power comes back, or a person puts a copy in place. Orders that the dead maker sent
# may arrive for 10 s; a start before that could not see what its journal does not know either.
RETURN_S = 15.0
COPY, WHOLE = "copy", "whole"


@dataclass(frozen=True, slots=True)
class JournalLoss:
    """Loss before the start of process `before`.

    `n_entries` are cut off; None: the folder as it was before the start of the process before that one.
    """

    before: int
    n_entries: int | None


class LossyFolder:
    """State folder that loses the end of its journal once.

    Copies of it are kept in `aside`.
    """

    def __init__(self, folder: Path, *, aside: Path, loss: JournalLoss | None) -> None:
        self._folder = folder
        self._aside = aside
        self._loss = loss
        # Whether the journal in the folder lacks its end now.
        self.is_lossy = False

    def find_pause(self, n: int) -> float:
        """Return how long process `n` takes longer to come back, in seconds."""
        return RETURN_S if self._loss is not None and n == self._loss.before else 0.0

    def on_start(self, n: int) -> None:
        """Lose the end, if it is the turn of process `n`; nobody has the folder open."""
        loss = self._loss
        if loss is None or not self._folder.is_dir():
            return
        if n == loss.before:
            self._copy(WHOLE)
            if loss.n_entries is not None:
                self.is_lossy = _cut(self._folder / JOURNAL_NAME, loss.n_entries)
            elif (self._aside / COPY).is_dir():
                self._put_back(COPY)
                self.is_lossy = True
        elif n == loss.before - 1:
            self._copy(COPY)

    def mend(self) -> None:
        """Put the whole journal back, as the operator does after a refusal."""
        self._put_back(WHOLE)
        self.is_lossy, self._loss = False, None

    def _copy(self, name: str) -> None:
        shutil.copytree(self._folder, self._aside / name, dirs_exist_ok=True)

    def _put_back(self, name: str) -> None:
        shutil.rmtree(self._folder)
        shutil.copytree(self._aside / name, self._folder)


def _cut(path: Path, n_entries: int) -> bool:
    """Remove the last entries of a journal; return whether some stay and some went.

    The journal forbids that to itself, so its rules are set aside meanwhile.
    """
    with closing(sqlite3.connect(path)) as journal:
        rules = journal.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").fetchall()
        (n_before,) = journal.execute("SELECT count(*) FROM entries").fetchone()
        if n_before <= n_entries:
            return False
        for name, _ in rules:
            journal.execute(f"DROP TRIGGER {name}")
        journal.execute("DELETE FROM entries WHERE seq > (SELECT max(seq) FROM entries) - ?", (n_entries,))
        for _, sql in rules:
            journal.execute(sql)
        journal.commit()
    return True

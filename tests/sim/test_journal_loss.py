"""A journal that lost its end is a valid journal, and the operator can put the whole one back."""

from __future__ import annotations

from pathlib import Path

import pytest

from mm_trio.journal.sqlite_journal import Journal
from mm_trio.model.journal_entries import Quoted
from mm_trio.sim.base.journal_loss import JournalLoss, LossyFolder


def append(folder: Path, *levels: int) -> None:
    journal = Journal.open(folder)
    for level in levels:
        journal.append([Quoted(level)], at_ms=level)
    journal.close()


def read(folder: Path) -> list[int]:
    journal = Journal.open_to_read(folder)
    try:
        return [row.entry.boundary_level for row in journal.read() if isinstance(row.entry, Quoted)]
    finally:
        journal.close()


@pytest.mark.parametrize("n_entries, left", [(1, [1, 2, 3]), (3, [1]), (None, [1, 2])])
def test_the_end_is_lost_before_one_start(tmp_path: Path, n_entries: int | None, left: list[int]) -> None:
    folder = tmp_path / "state"
    lossy = LossyFolder(folder, aside=tmp_path / "aside", loss=JournalLoss(3, n_entries))
    append(folder, 1, 2)
    lossy.on_start(2)
    append(folder, 3, 4)
    was_lossy = lossy.is_lossy

    lossy.on_start(3)

    assert (was_lossy, lossy.is_lossy) == (False, True)
    assert read(folder) == left


def test_what_is_left_can_be_written_on(tmp_path: Path) -> None:
    append(tmp_path / "state", 1, 2, 3)
    LossyFolder(tmp_path / "state", aside=tmp_path / "aside", loss=JournalLoss(2, 1)).on_start(2)

    append(tmp_path / "state", 9)

    assert read(tmp_path / "state") == [1, 2, 9]


def test_a_journal_is_not_lost_whole(tmp_path: Path) -> None:
    append(tmp_path / "state", 1, 2)
    lossy = LossyFolder(tmp_path / "state", aside=tmp_path / "aside", loss=JournalLoss(2, 2))

    lossy.on_start(2)

    assert not lossy.is_lossy
    assert read(tmp_path / "state") == [1, 2]


def test_the_operator_puts_the_whole_journal_back(tmp_path: Path) -> None:
    append(tmp_path / "state", 1, 2, 3)
    lossy = LossyFolder(tmp_path / "state", aside=tmp_path / "aside", loss=JournalLoss(2, 2))
    lossy.on_start(2)
    append(tmp_path / "state", 9)

    lossy.mend()

    assert read(tmp_path / "state") == [1, 2, 3]

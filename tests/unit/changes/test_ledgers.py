"""Ledgers are read beside the maker that keeps them."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from mm_trio.changes.ledgers import read_ledgers
from mm_trio.journal.sqlite_journal import Journal
from mm_trio.model.errors import JournalError
from mm_trio.model.journal_entries import Adjusted, Allocated, Began, Checkpoint, Entry, Of

TOKEN, USDC = Decimal(3), Decimal(50)


def write(folder: Path, *entries: Entry) -> None:
    journal = Journal.open(folder)
    journal.append(entries, at_ms=1)
    journal.close()


def test_each_grid_of_a_journal_has_its_ledger(tmp_path: Path) -> None:
    write(
        tmp_path,
        Of("@107", Began(1, {})),
        Of("@107", Allocated(TOKEN, USDC)),
        Of("@142", Began(2, {})),
        Of("@142", Allocated(TOKEN, USDC)),
        Of("@142", Adjusted(TOKEN, Decimal(7), "balance")),
    )

    found = read_ledgers(tmp_path, coin="@107")

    assert found.keys() == {"@107", "@142"}
    assert found["@107"].allocation == (TOKEN, USDC)
    assert found["@142"].effective_usdc == 7


def test_a_journal_of_several_may_begin_with_a_checkpoint(tmp_path: Path) -> None:
    write(tmp_path, Checkpoint((Of("@107", Began(1, {})), Of("@107", Allocated(TOKEN, USDC)))))

    assert read_ledgers(tmp_path, coin="@1")["@107"].allocation == (TOKEN, USDC)


def test_a_journal_of_one_market_is_of_its_coin(tmp_path: Path) -> None:
    write(tmp_path, Began(1, {}), Allocated(TOKEN, USDC))

    assert read_ledgers(tmp_path, coin="@107")["@107"].allocation == (TOKEN, USDC)


def test_a_folder_without_a_journal_has_no_ledger(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="there is no ledger"):
        read_ledgers(tmp_path, coin="@107")

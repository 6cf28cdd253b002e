"""Sums of a ledger of several coins are those of each coin alone."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from copy_kit import booked
from core_kit import dec

from mm_trio.journal.ledger_sums import LedgerSums, read_ledger, read_ledgers
from mm_trio.journal.sqlite_journal import ACCOUNT_NAME, Journal
from mm_trio.model.journal_entries import (
    Adjusted,
    Allocated,
    Began,
    Checkpoint,
    Entry,
    LookedUp,
    Numbered,
    Of,
    Remembered,
    Requested,
    Summed,
)

FIRST, SECOND = "@107", "@142"


def begin(coin: str, epoch: int) -> list[Entry]:
    entries = (Allocated(dec(5), dec(90)), Began(epoch, {}), Adjusted(dec(5), dec(100), "balance"))
    return [Of(coin, entry) for entry in entries]


def sum_up(coin: str, epoch: int, token: int) -> list[Of]:
    sums = Summed(dec(token), dec(90), dec(token), dec(100))
    parts = (Began(epoch, {}), Numbered(epoch, 9), sums, Remembered(1000, ()), LookedUp(1000 + token))
    return [Of(coin, part) for part in parts]


ENTRIES: list[Entry] = [
    *begin(FIRST, 7),
    Of(FIRST, booked(1)),
    Requested(5, "noop", 0, "", 0),
    *begin(SECOND, 8),
    Of(SECOND, booked(2)),
    Checkpoint((*sum_up(FIRST, 7, 3), *sum_up(SECOND, 8, 4))),
    Of(SECOND, booked(3)),
    Of(FIRST, booked(4)),
]


def describe(known: LedgerSums) -> tuple[object, ...]:
    ledger = known.ledger
    amounts = (ledger.virtual_token, ledger.virtual_usdc, ledger.account_token, ledger.account_usdc)
    sums = {what: total.line(what) for what, total in known.sums.items()}
    return amounts, sums, known.n_fills, known.epochs, set(known.fills), known.oids, known.looked_up_ms


@pytest.mark.parametrize("begins_at", [0, 9], ids=["whole", "from a checkpoint on"])
def test_each_coin_is_summed_up_as_a_reader_of_it_does(tmp_path: Path, begins_at: int) -> None:
    with closing(Journal.open(tmp_path / ACCOUNT_NAME)) as journal:
        for n, entry in enumerate(ENTRIES[begins_at:]):
            journal.append([entry], at_ms=1_000 + n)
        rows = list(journal.read(since_checkpoint=False))

    found = read_ledgers([(row.at_ms, row.entry) for row in rows])

    assert set(found) == {FIRST, SECOND}
    for coin, known in found.items():
        with closing(Journal.open_to_read(tmp_path / coin)) as reader:
            alone = read_ledger((row.at_ms, row.entry) for row in reader.read(since_checkpoint=False))
        assert describe(known) == describe(alone)
        assert known.n_entries == alone.n_entries


def test_a_coin_that_no_entry_names_is_left_out() -> None:
    assert read_ledgers([(1, Requested(5, "noop", 0, "", 0))]) == {}

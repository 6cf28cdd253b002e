"""Journals of earlier releases are read, replayed and written back to the same bytes.

`tests/fixtures/journal_e586760.sqlite3` holds two sessions of a maker: places, modifies, fills of both sides in
part and in whole, cancels, an adopted order, two transfers, a refused order and a checkpoint. It ends with an
order in flight and with one that left the book before its fill was reported. `journal_4fe636a.sqlite3` holds three
sessions: its last release wrote every transfer and what others hold as a difference without a cause, and it has a best
gain. The `.json` files are the states that the releases made of them.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from mm_trio.journal.audit import compute_audit
from mm_trio.journal.ledger_sums import read_ledger
from mm_trio.journal.replay import Recovered, replay
from mm_trio.journal.sqlite_journal import JOURNAL_NAME, Journal, JournalRow
from mm_trio.model.entry_codec import encode_entry
from mm_trio.model.journal_entries import Booked, Checkpoint
from mm_trio.model.market import Balances
from mm_trio.model.orders import Intent, Phase, TrackedOrder

FIXTURES = Path(__file__).parents[2] / "fixtures"
# The release had its own words, and none for an order that is gone: that kept its last one, which is left out here.
WORDS_OF_THE_RELEASE = {Phase.IN_DOUBT: "in_doubt", Phase.FILLS_DUE: "untold", Phase.GONE: None}
RELEASES = ("e586760", "4fe636a")
Told = dict[str, Any]


@pytest.fixture(params=RELEASES)
def release(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def told(release: str) -> Told:
    """What the release made of its ledger."""
    read: Told = json.loads((FIXTURES / f"journal_{release}.json").read_text())
    return read


@pytest.fixture
def folder(tmp_path: Path, release: str) -> Path:
    """A folder with a copy of the ledger: opening one may change its file."""
    shutil.copy(FIXTURES / f"journal_{release}.sqlite3", tmp_path / JOURNAL_NAME)
    return tmp_path


@pytest.fixture
def journal(folder: Path) -> Iterator[Journal]:
    opened = Journal.open_to_read(folder)
    yield opened
    opened.close()


def test_replay_from_the_checkpoint_gives_the_state_of_the_release(journal: Journal, told: Told) -> None:
    found = _replay(journal.read(), told)

    assert describe(found, told) == told["from_checkpoint"]


def test_replay_from_the_beginning_gives_the_state_of_the_release(journal: Journal, told: Told) -> None:
    rows = journal.read(since_checkpoint=False)
    found = _replay((row for row in rows if not isinstance(row.entry, Checkpoint)), told)

    assert describe(found, told) == told["from_beginning"]


def test_every_entry_is_written_back_to_the_same_bytes(
    journal: Journal, folder: Path, tmp_path: Path, told: Told
) -> None:
    copy = Journal.open(tmp_path / "copy")
    for row in journal.read(since_checkpoint=False):
        copy.append([row.entry], at_ms=row.at_ms)
    copy.close()

    written = _read_rows(tmp_path / "copy")
    assert written == _read_rows(folder)
    assert len(written) == told["n_rows"]
    assert written[-1][-1].hex() == told["last_chain"]


def test_the_audit_accepts_it(journal: Journal, told: Told) -> None:
    rows = list(journal.read(since_checkpoint=False))
    fills = [row.entry.to_fill() for row in rows if isinstance(row.entry, Booked)]
    account = Balances(*map(Decimal, told["from_beginning"]["account"]))

    audit = compute_audit(read_ledger((row.at_ms, row.entry) for row in rows), fills, account)

    assert audit.is_ok
    assert audit.n_fills == len(fills)
    assert [str(amount) for amount in audit.ledger] == told["from_beginning"]["virtual"]


def _replay(rows: Iterable[JournalRow], told: Told) -> Recovered:
    entries = (row.entry for row in rows)
    return replay(entries, order_size=5, now_s=told["now_s"], wall_ms=told["wall_ms"])


def _read_rows(folder: Path) -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(folder / JOURNAL_NAME)
    try:
        return connection.execute("SELECT seq, at_ms, kind, body, fill, chain FROM entries ORDER BY seq").fetchall()
    finally:
        connection.close()


def describe(found: Recovered, told: Told) -> dict[str, Any]:
    """Write down a replayed state as JSON has it: `left` are the orders that left, by ascending oid."""
    orders, ledger = found.order_state, found.inventory
    left = [order for oid in told["oids"] if (order := orders.find_left(oid)) is not None]
    described: dict[str, Any] = _plain(
        {
            "open": [_describe_order(order) for order in orders.get_current_orders()],
            "intents": [_describe_intent(intent) for intent in orders.get_intents()],
            "untold": [_describe_order(order) for order in orders.get_fills_due()],
            "unsettled": [_describe_order(order) for order in orders.get_unsettled()],
            "left": [_describe_order(order) for order in left],
            "fills": orders.get_fill_keys(-1),
            "summary": [encode_entry(entry) for entry in orders.summarise(remember_after_ms=-1)],
            "boundary_of_asks": orders.boundary_level(40),
            "virtual": (ledger.virtual_token, ledger.virtual_usdc),
            "account": (ledger.account_token, ledger.account_usdc),
            "allocation": ledger.allocation,
            "epochs": sorted(found.epochs),
            "parameters": found.parameters,
            "looked_up_ms": found.looked_up_ms,
            "newest_fill_ms": found.newest_fill_ms,
            "last_nonce": found.last_nonce,
            "boundary_level": found.boundary_level,
            "n_entries": found.n_entries,
            "n_since_checkpoint": found.n_since_checkpoint,
        }
    )
    # The first release knew of no best gain.
    return described | ({"peak": str(found.peak)} if "peak" in told["from_beginning"] else {})


def _describe_order(order: TrackedOrder) -> list[Any]:
    where = [order.oid, order.side, order.level_index, order.price, order.size]
    return [*where, WORDS_OF_THE_RELEASE[order.status], order.cloid, order.touched_s, order.filled]


def _describe_intent(intent: Intent) -> list[Any]:
    quote = intent.quote
    where = [intent.cloid, quote.side, quote.level_index, quote.price, quote.size, intent.replaces]
    return [*where, intent.sent_s, intent.expires_s, intent.expires_ms, intent.nonce]


def _plain(value: Any) -> Any:
    """Turn exact numbers into their texts and tuples into lists."""
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value

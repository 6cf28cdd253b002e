"""Digest of an exchange's whole state."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from mm_trio.sandbox.matching.accounts import Account
from mm_trio.sandbox.matching.state import State

__all__ = ["digest_state"]


def digest_state(state: State) -> str:
    """Compute the hex SHA-256 of an exchange's state.

    It covers everything that decides the exchange's further behaviour, and every row it keeps.
    """
    digest = hashlib.sha256()
    for line in _lines(state):
        digest.update(line.encode())
        digest.update(b"\n")
    return digest.hexdigest()


def _lines(state: State) -> Iterator[str]:
    yield repr((state.counters, state.switches, state.scheduled_cancels, state.last_prices))
    yield repr((state.fees_collected, state.dust))
    for asset, book in state.books.items():
        yield repr((asset, book.view(), state.trades[asset]))
    for account in state.accounts.values():
        yield from _account_lines(account)


def _account_lines(account: Account) -> Iterator[str]:
    view = account.view()
    yield repr((view, account.n_sent, account.n_reserved, account.n_triggers, account.rates, account.days))
    yield repr((account.last_accepted_ms, account.sent_today))
    for order in account.live.values():
        yield repr((order.record, order.remaining))
    for rows in (account.records(), account.fills, account.ledger):
        yield from (repr(row) for row in rows)

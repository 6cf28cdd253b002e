"""Owners of orders and fills.

This ledger, another ledger of this program, or somebody else.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import TypeVar

from mm_trio.model.cloid import CloidParts, decode_cloid
from mm_trio.model.orders import Intent, Quote
from mm_trio.model.replies import Fill, OpenOrder

__all__ = ["Owner", "Ownership", "find_epochs", "read_quote"]

_Row = TypeVar("_Row", OpenOrder, Fill)


class Owner(Enum):
    """Owners that an open order may have.

    OURS: to be adopted, or cancelled as an orphan. RIVAL: of another instance of this program. FOREIGN: to be left
    alone.
    """

    OURS = "ours"
    RIVAL = "rival"
    FOREIGN = "foreign"


class Ownership:
    """Rules that tell whose an order is.

    `epochs` are the sessions of this ledger. With `knows_all_sessions` (beside a durable ledger) an order of this
    program from any other session is a rival's. With `keep_foreign` an order without this program's tag is left
    alone; else every order of our coin is ours.
    """

    def __init__(
        self, coin: str, *, keep_foreign: bool, epochs: Iterable[int] = (), knows_all_sessions: bool = False
    ) -> None:
        self.coin = coin
        self.keep_foreign = keep_foreign
        self.epochs = set(epochs)
        self.knows_all_sessions = knows_all_sessions

    def change(self, *, keep_foreign: bool) -> None:
        """Leave orders without this program's tag alone from here on, or no longer."""
        self.keep_foreign = keep_foreign

    def is_foreign(self, row: OpenOrder) -> bool:
        """Check if an order is of another program, and left alone."""
        return self.classify(row) is Owner.FOREIGN

    def classify(self, row: OpenOrder | Fill) -> Owner:
        """Return the owner of an open order or a fill.

        One of another coin is foreign.
        """
        if row.coin != self.coin:
            return Owner.FOREIGN
        parts = decode_cloid(row.cloid)
        if parts is None:
            return Owner.FOREIGN if self.keep_foreign else Owner.OURS
        return Owner.RIVAL if self.knows_all_sessions and parts.epoch not in self.epochs else Owner.OURS

    def find_rivals(self, rows: Iterable[_Row]) -> list[_Row]:
        """Return the open orders, or fills, of another instance of this program."""
        return [row for row in rows if self.classify(row) is Owner.RIVAL]

    def read_own_cloid(self, cloid: str | None) -> CloidParts | None:
        """Decode a cloid of a session of this ledger.

        Return None for every other.
        """
        parts = decode_cloid(cloid)
        return parts if parts is not None and parts.epoch in self.epochs else None

    def match_intent(self, intents: Iterable[Intent], row: OpenOrder) -> Intent | None:
        """Return the order in flight that this row shows.

        By cloid, or where the row has none by side, price and size; but with `keep_foreign` a row without a cloid is
        foreign, however alike.
        """
        if row.cloid is not None:
            return next((intent for intent in intents if intent.cloid == row.cloid.lower()), None)
        if self.keep_foreign:
            return None
        shown = (row.side, row.price, row.size if row.original_size is None else row.original_size)
        alike = [i for i in intents if (i.quote.side, i.quote.price, i.quote.size) == shown]
        return alike[0] if len(alike) == 1 else None


def read_quote(row: OpenOrder) -> Quote | None:
    """Return the place that an order's cloid names.

    The size is its first one. None for an order that this program did not place.
    """
    parts = decode_cloid(row.cloid)
    if parts is None:
        return None
    return Quote(parts.side, parts.level_index, row.price, row.size if row.original_size is None else row.original_size)


def find_epochs(cloids: Iterable[str | None]) -> set[int]:
    """Return the sessions of this program that these cloids name."""
    return {parts.epoch for cloid in cloids if (parts := decode_cloid(cloid)) is not None}

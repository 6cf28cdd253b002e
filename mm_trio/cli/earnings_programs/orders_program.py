"""Orders that may rest by the ledger alone, and what is withheld."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from mm_trio.cli.earnings_programs.past_words import lay_out, say_age, say_number, say_time
from mm_trio.halts.maker_lock import is_held
from mm_trio.halts.standing import Standing, StandingUnread
from mm_trio.halts.standing_file import read_standing
from mm_trio.history.past_state import MayRest, PastState, read_past_state
from mm_trio.history.withheld import Offer, Withheld, find_withheld
from mm_trio.journal.sqlite_journal import Journal

__all__ = ["OrderList", "list_orders"]

HEAD = ("side", "level", "price", "size", "phase", "age", "oid")


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderList:
    """Orders that may rest now, and what the maker is allowed to do.

    `is_running` is None where that cannot be told, `standing` where its file cannot be read (`unread` says why).
    """

    folder: Path
    now_ms: int
    state: PastState
    orders: tuple[MayRest, ...]
    offer: Offer
    withheld: Withheld
    is_running: bool | None
    standing: Standing | None
    unread: str | None

    def to_json(self) -> dict[str, object]:
        """Return plain JSON values."""
        return {
            "folder": str(self.folder),
            "coin": self.state.terms.coin,
            "now_ms": self.now_ms,
            "last_entry_ms": self.state.last_ms,
            "running": self.is_running,
            "standing": None if self.standing is None else self.standing.to_json(),
            "standing_unread_because": self.unread,
            "boundary": self.state.boundary_level,
            "offered": {"token": f"{self.offer.token:f}", "quote": f"{self.offer.quote:f}"},
            "orders": [order.to_json(now_ms=self.now_ms) for order in self.orders],
            "withheld": self.withheld.to_json(),
        }

    def to_text(self) -> str:
        """Return the text for a person."""
        state = self.state
        lines = [
            f"{state.terms.coin}: {self._describe_maker()}; last entry {say_time(state.last_ms)} UTC "
            f"({say_age((self.now_ms - state.last_ms) / 1000)} ago)",
            self._describe_boundary(),
        ]
        if self.orders:
            lines += ["", *lay_out(HEAD, [self._describe(order) for order in self.orders]), ""]
        else:
            lines.append("no order of ours rests, by the ledger")
        return "\n".join([*lines, *self._describe_withheld()])

    def _describe_maker(self) -> str:
        running = {True: "a maker runs", False: "no maker runs", None: "whether a maker runs cannot be told"}
        standing = self.unread if self.standing is None else self.standing.describe()
        return f"{running[self.is_running]}, {standing}"

    def _describe_boundary(self) -> str:
        boundary, levels = self.state.boundary_level, self.state.terms.grid.levels
        if boundary is None:
            return "nothing was quoted yet"
        if boundary >= len(levels):
            return f"boundary: level {boundary}, above the ladder: there is nothing to sell"
        return f"boundary: level {boundary} ({say_number(levels[boundary])}): asks from there up, bids below"

    def _describe(self, order: MayRest) -> tuple[str, ...]:
        quote = order.quote
        age_s = None if order.since_ms is None else (self.now_ms - order.since_ms) / 1000
        return (
            quote.side,
            str(quote.level_index),
            say_number(quote.price),
            say_number(quote.size),
            order.phase,
            say_age(age_s),
            "-" if order.oid is None else str(order.oid),
        )

    def _describe_withheld(self) -> list[str]:
        offer, held = self.offer, self.withheld
        if not self.orders:
            return [f"offered by the ledger: {say_number(offer.token)} base and {say_number(offer.quote)} quote"]
        return [
            f"base: {say_number(offer.token)} offered, {say_number(held.token)} of it withheld"
            + (f": {'; '.join(held.token_because)}" if held.token_because else ""),
            f"quote: {say_number(offer.quote)} offered, {say_number(held.quote)} of it withheld"
            + (f": {'; '.join(held.quote_because)}" if held.quote_because else ""),
        ]


def list_orders(folder: Path) -> OrderList:
    """List what may rest. Errors: JournalError."""
    journal = Journal.open_to_read(folder)
    try:
        state = read_past_state(journal)
    finally:
        journal.close()
    now_ms = time.time_ns() // 1_000_000
    orders = state.list_orders(now_ms=now_ms)
    grid, settings = state.terms.grid, state.terms.settings
    offer = Offer.of(grid, settings, token=state.token, quote=state.quote)
    standing, unread = _look_at_standing(folder)
    return OrderList(
        folder=folder,
        now_ms=now_ms,
        state=state,
        orders=orders,
        offer=offer,
        withheld=find_withheld(grid, settings, offer, [order.quote for order in orders]),
        is_running=is_held(folder),
        standing=standing,
        unread=unread,
    )


def _look_at_standing(folder: Path) -> tuple[Standing | None, str | None]:
    try:
        return read_standing(folder), None
    except StandingUnread as error:
        return None, str(error)

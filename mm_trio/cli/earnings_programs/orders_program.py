"""Orders that may rest, by the ledger or by the maker that runs, and what is withheld."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Literal, TypeAlias

from mm_trio.cli.earnings_programs.past_words import lay_out, say_age, say_number, say_time
from mm_trio.cli.earnings_programs.running_maker import RunningOrders
from mm_trio.halts.maker_lock import is_held
from mm_trio.halts.standing import Standing, StandingUnread
from mm_trio.halts.standing_file import read_standing
from mm_trio.history.past_state import MayRest, PastState, read_past_state
from mm_trio.history.withheld import Offer, Withheld, find_withheld
from mm_trio.journal.sqlite_journal import Journal

__all__ = ["OrderList", "Source", "list_orders", "list_running", "look_at_standing"]

Source: TypeAlias = Literal["maker", "ledger"]
HEAD = ("side", "level", "price", "size", "phase", "age", "oid")


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderList:
    """Orders that may rest now, and what the maker is allowed to do.

    `source` is what told of them: the maker that runs, or its ledger. `last_ms` None: the ledger was not read.
    `boundary_price` None: it is above the ladder. `is_running` is None where that cannot be told, `standing` where its
    file cannot be read (`unread` says why).
    """

    folder: Path
    source: Source
    now_ms: int
    coin: str
    last_ms: int | None
    boundary_level: int | None
    boundary_price: Decimal | None
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
            "source": self.source,
            "coin": self.coin,
            "now_ms": self.now_ms,
            "last_entry_ms": self.last_ms,
            "running": self.is_running,
            "standing": None if self.standing is None else self.standing.to_json(),
            "standing_unread_because": self.unread,
            "boundary": self.boundary_level,
            "offered": {"token": f"{self.offer.token:f}", "quote": f"{self.offer.quote:f}"},
            "orders": [order.to_json(now_ms=self.now_ms) for order in self.orders],
            "withheld": self.withheld.to_json(),
        }

    def to_text(self) -> str:
        """Return the text for a person."""
        lines = [f"{self.coin}: {self._describe_maker()}{self._describe_source()}", self._describe_boundary()]
        if self.orders:
            lines += ["", *lay_out(HEAD, [self._describe(order) for order in self.orders]), ""]
        else:
            lines.append(f"no order of ours rests, by the {self.source}")
        return "\n".join([*lines, *self._describe_withheld()])

    def _describe_maker(self) -> str:
        running = {True: "a maker runs", False: "no maker runs", None: "whether a maker runs cannot be told"}
        standing = self.unread if self.standing is None else self.standing.describe()
        return f"{running[self.is_running]}, {standing}"

    def _describe_source(self) -> str:
        if self.source == "maker":
            return "; as it says itself"
        if self.last_ms is None:
            return ""
        age = say_age((self.now_ms - self.last_ms) / 1000)
        return f"; last entry {say_time(self.last_ms)} UTC ({age} ago)"

    def _describe_boundary(self) -> str:
        boundary, price = self.boundary_level, self.boundary_price
        if boundary is None:
            return "nothing was quoted yet"
        if price is None:
            return f"boundary: level {boundary}, above the ladder: there is nothing to sell"
        return f"boundary: level {boundary} ({say_number(price)}): asks from there up, bids below"

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
            return [f"offered by the {self.source}: {say_number(offer.token)} base and {say_number(offer.quote)} quote"]
        return [
            f"base: {say_number(offer.token)} offered, {say_number(held.token)} of it withheld"
            + (f": {'; '.join(held.token_because)}" if held.token_because else ""),
            f"quote: {say_number(offer.quote)} offered, {say_number(held.quote)} of it withheld"
            + (f": {'; '.join(held.quote_because)}" if held.quote_because else ""),
        ]


def list_orders(folder: Path, running: RunningOrders | None = None) -> OrderList:
    """List what may rest, by the ledger, or by the maker that runs where it answered.

    The ledger knows since when an order rests. Errors: JournalError, ConfigError.
    """
    journal = Journal.open_to_read(folder)
    try:
        state = read_past_state(journal)
    finally:
        journal.close()
    if running is not None:
        return list_running(folder, running, state)
    now_ms = time.time_ns() // 1_000_000
    orders = state.list_orders(now_ms=now_ms)
    grid, settings, boundary = state.terms.grid, state.terms.settings, state.boundary_level
    offer = Offer.of(grid, settings, token=state.token, quote=state.quote)
    standing, unread = look_at_standing(folder)
    return OrderList(
        folder=folder,
        source="ledger",
        now_ms=now_ms,
        coin=state.terms.coin,
        last_ms=state.last_ms,
        boundary_level=boundary,
        boundary_price=None if boundary is None or boundary >= grid.n_orders else grid.levels[boundary],
        orders=orders,
        offer=offer,
        withheld=find_withheld(grid, settings, offer, [order.quote for order in orders]),
        is_running=is_held(folder),
        standing=standing,
        unread=unread,
    )


def list_running(folder: Path, running: RunningOrders, state: PastState | None = None) -> OrderList:
    """List what may rest as the maker says; `state` None: its ledger is not one of this market alone."""
    grid, since_ms = running.grid, {} if state is None else state.since_ms
    orders = tuple(
        order if order.oid is None or order.since_ms is not None else replace(order, since_ms=since_ms.get(order.oid))
        for order in grid.orders
    )
    return OrderList(
        folder=folder,
        source="maker",
        now_ms=running.now_ms,
        coin=grid.coin,
        last_ms=None if state is None else state.last_ms,
        boundary_level=grid.boundary_level,
        boundary_price=grid.boundary_price,
        orders=orders,
        offer=grid.offer,
        withheld=grid.withheld,
        is_running=True,
        standing=running.standing,
        unread=None,
    )


def look_at_standing(folder: Path) -> tuple[Standing | None, str | None]:
    """Read what holds; None and the reason where it cannot be read."""
    try:
        return read_standing(folder), None
    except StandingUnread as error:
        return None, str(error)

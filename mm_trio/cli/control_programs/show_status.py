"""Status of a maker: as it says itself, or as its ledger and its standing tell where none runs."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import trio

from mm_trio.account_config.settings import AccountSettings
from mm_trio.cli.control_programs.maker_folder import find_grid_folder, find_maker_folder
from mm_trio.cli.control_programs.status_text import write_status
from mm_trio.cli.earnings_programs.orders_program import list_orders, look_at_standing
from mm_trio.cli.earnings_programs.past_words import say_age, say_number, say_time
from mm_trio.cli.halt_programs.maker_place import ANSWERED_WITHIN_S, is_running, touch_disk
from mm_trio.control.client import MakerSilent, NoSocket, ask_maker
from mm_trio.halts.standing import Standing
from mm_trio.history.past_grids import PastGrid, read_past_grids
from mm_trio.history.past_state import MayRest
from mm_trio.journal.sqlite_journal import JOURNAL_NAME
from mm_trio.model.errors import ConfigError, Interrupted
from mm_trio.views.account_status import AccountStatus
from mm_trio.views.json_values import from_json, to_json

__all__ = ["LedgerStatus", "StatusReport", "show_status"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerStatus:
    """What is on disk of one market.

    `last_entry_ms` None: no session has begun there. `standing` None: it cannot be read (`unread` says why). Orders are
    those that may rest by the ledger; `in_doubt` of them may not. Amounts are those offered.
    """

    name: str
    folder: Path
    standing: Standing | None
    unread: str | None
    last_entry_ms: int | None = None
    boundary_level: int | None = None
    boundary_price: Decimal | None = None
    asks: int = 0
    bids: int = 0
    in_doubt: int = 0
    token: Decimal | None = None
    quote: Decimal | None = None

    def to_json(self) -> dict[str, object]:
        """Return plain JSON values."""
        return {
            "name": self.name,
            "folder": str(self.folder),
            "standing": to_json(self.standing),
            "standing_unread_because": self.unread,
            "last_entry_ms": self.last_entry_ms,
            "boundary_level": self.boundary_level,
            "boundary_price": to_json(self.boundary_price),
            "asks": self.asks,
            "bids": self.bids,
            "in_doubt": self.in_doubt,
            "offered_token": to_json(self.token),
            "offered_quote": to_json(self.quote),
        }

    def write(self, now_ms: int) -> list[str]:
        """Write it as a few lines."""
        standing = self.unread if self.standing is None else self.standing.describe()
        if self.last_entry_ms is None:
            return [f"{self.name}: {standing}", "  no maker has run with it yet"]
        age = say_age((now_ms - self.last_entry_ms) / 1000)
        price = "above the ladder" if self.boundary_price is None else f"at {say_number(self.boundary_price)}"
        boundary = (
            "nothing was quoted yet" if self.boundary_level is None else f"boundary {self.boundary_level} {price}"
        )
        doubt = f", {self.in_doubt} of them in doubt" if self.in_doubt else ""
        return [
            f"{self.name}: {standing}",
            f"  last entry {say_time(self.last_entry_ms)} UTC ({age} ago); {boundary}",
            f"  by the ledger {self.asks} asks and {self.bids} bids may rest{doubt}; offered are "
            f"{say_number(self.token)} base and {say_number(self.quote)} quote",
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusReport:
    """Status of a maker.

    `is_running` None: that cannot be told. `status` None: none runs, or it did not answer (`unanswered` says why), and
    `ledger` has what is on disk. `standing` is that of the whole account of several markets.
    """

    folder: Path
    now_ms: int
    is_running: bool | None
    status: AccountStatus | None = None
    unanswered: str | None = None
    standing: Standing | None = None
    ledger: tuple[LedgerStatus, ...] = ()

    @property
    def is_ok(self) -> bool:
        """Check that a maker answered, or that none runs."""
        return self.status is not None or self.is_running is False

    def to_json(self) -> dict[str, object]:
        """Return plain JSON values."""
        return {
            "running": self.is_running,
            "folder": str(self.folder),
            "now_ms": self.now_ms,
            "status": to_json(self.status),
            "unanswered_because": self.unanswered,
            "account_standing": to_json(self.standing),
            "ledger": [each.to_json() for each in self.ledger],
        }

    def to_text(self) -> str:
        """Return the text for a person."""
        if self.status is not None:
            return f"a maker runs: {write_status(self.status)}"
        if self.is_running is False:
            head = f"no maker runs; its folder is {self.folder}"
        else:
            runs = "a maker runs" if self.is_running else "whether a maker runs cannot be told"
            head = f"{runs}, and it does not answer: {self.unanswered}; this is what is on disk in {self.folder}"
        lines = [head]
        if self.standing is not None and not self.standing.state.may_place:
            lines.append(f"the account: {self.standing.describe()}")
        for each in self.ledger:
            lines += each.write(self.now_ms)
        return "\n".join(lines)


async def show_status(
    account: AccountSettings, coin: str | None, *, environ: Mapping[str, str], stop_scope: trio.CancelScope
) -> StatusReport:
    """Ask the maker of a configuration for its status, or read what is on disk.

    `coin` chooses one of its markets. Errors: ConfigError, VenueError, LedgerError, LocalError; Interrupted once
    `stop_scope` is cancelled.
    """
    with stop_scope:
        folder = await find_maker_folder(account, environ=environ)
        runs = await is_running(folder)
        now_ms = time.time_ns() // 1_000_000
        unanswered = None
        if runs is not False:
            query = {} if coin is None else {"coin": coin}
            try:
                reply = await ask_maker(folder, "GET", "/v1/status", query=query, within_s=ANSWERED_WITHIN_S)
                if reply.is_good:
                    status = from_json(AccountStatus, reply.values)
                    return StatusReport(folder=folder, now_ms=now_ms, is_running=True, status=status)
                unanswered = reply.error
            except (NoSocket, MakerSilent) as error:
                unanswered = str(error)
        grids = account.grids if coin is None else tuple(g for g in account.grids if g.market.coin == coin)
        folders = {grid.market.coin: await find_grid_folder(grid, environ=environ) for grid in grids}
        read = _read_several if account.lists_markets else _read_one
        standing, ledger = await touch_disk(folder, lambda: read(folder, folders, now_ms))
        return StatusReport(
            folder=folder, now_ms=now_ms, is_running=runs, unanswered=unanswered, standing=standing, ledger=ledger
        )
    raise Interrupted


def _read_one(
    folder: Path, folders: Mapping[str, Path], now_ms: int
) -> tuple[Standing | None, tuple[LedgerStatus, ...]]:
    """Read what is on disk of one market. Errors: JournalError."""
    (name,) = folders
    standing, unread = look_at_standing(folder)
    blank = LedgerStatus(name=name, folder=folder, standing=standing, unread=unread)
    if not (folder / JOURNAL_NAME).is_file():
        return None, (blank,)
    try:
        found = list_orders(folder)
    except ConfigError:
        # The ledger is there, and no session has begun.
        return None, (blank,)
    return None, (
        LedgerStatus(
            name=name,
            folder=folder,
            standing=standing,
            unread=unread,
            last_entry_ms=found.last_ms,
            boundary_level=found.boundary_level,
            boundary_price=found.boundary_price,
            token=found.offer.token,
            quote=found.offer.quote,
            **_count(found.orders),
        ),
    )


def _read_several(
    folder: Path, folders: Mapping[str, Path], now_ms: int
) -> tuple[Standing | None, tuple[LedgerStatus, ...]]:
    """Read what is on disk of an account. Errors: JournalError."""
    past = read_past_grids(folder, now_ms=now_ms) if (folder / JOURNAL_NAME).is_file() else {}
    # A folder has the venue's own name of its coin.
    by_folder = {coin.replace("/", "-"): grid for coin, grid in past.items()}
    found = tuple(_make(name, place, by_folder.get(place.name)) for name, place in folders.items())
    return look_at_standing(folder)[0], found


def _make(name: str, folder: Path, past: PastGrid | None) -> LedgerStatus:
    standing, unread = look_at_standing(folder)
    if past is None:
        return LedgerStatus(name=name, folder=folder, standing=standing, unread=unread)
    boundary, terms, inventory = past.recovered.boundary_level, past.terms, past.recovered.inventory
    is_priced = terms is not None and boundary is not None and boundary < terms.grid.n_orders
    return LedgerStatus(
        name=name,
        folder=folder,
        standing=standing,
        unread=unread,
        last_entry_ms=past.last_ms,
        boundary_level=boundary,
        boundary_price=terms.grid.levels[boundary] if is_priced else None,  # type: ignore[union-attr,index]
        token=inventory.effective_token,
        quote=inventory.effective_usdc,
        **_count(past.orders),
    )


def _count(orders: tuple[MayRest, ...]) -> dict[str, int]:
    return {
        "asks": sum(order.quote.side == "sell" for order in orders),
        "bids": sum(order.quote.side == "buy" for order in orders),
        "in_doubt": sum(order.phase != "resting" for order in orders),
    }

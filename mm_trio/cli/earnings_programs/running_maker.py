"""What a maker that runs says of its orders and fills, which its ledger may lack for a moment."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mm_trio.cli.shell.stop_signal import StopSignal
from mm_trio.halts.standing import Standing
from mm_trio.model.errors import Interrupted
from mm_trio.model.journal_entries import Booked
from mm_trio.model.orders import Quote
from mm_trio.views.account_orders import BookedFill, GridFills, GridOrders
from mm_trio.views.json_values import from_json

if TYPE_CHECKING:
    import trio

__all__ = ["RunningFills", "RunningOrders", "ask_fills", "ask_orders"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningOrders:
    """Orders of one market as its maker knows them, and what that may do. `now_ms` is the machine's time of it."""

    now_ms: int
    grid: GridOrders
    standing: Standing


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningFills:
    """Last fills of one market as its maker knows them, oldest first; `is_whole`: all of its session."""

    fills: tuple[Booked, ...]
    is_whole: bool


def ask_orders(folder: Path, coin: str, stop: StopSignal) -> RunningOrders | None:
    """Ask the maker of a market for its orders; None where none answers. Errors: LocalError, Interrupted."""
    orders, status = _ask(folder, coin, stop, "/v1/orders", "/v1/status")
    if orders is None or status is None:
        return None
    (grid,), (shown,) = orders["grids"], status["grids"]
    return RunningOrders(
        now_ms=orders["at_ms"], grid=from_json(GridOrders, grid), standing=from_json(Standing, shown["standing"])
    )


def ask_fills(folder: Path, coin: str, stop: StopSignal) -> RunningFills | None:
    """Ask the maker of a market for its last fills; None where none answers. Errors: LocalError, Interrupted."""
    (answer,) = _ask(folder, coin, stop, "/v1/fills")
    if answer is None:
        return None
    (raw,) = answer["grids"]
    grid = from_json(GridFills, raw)
    return RunningFills(fills=tuple(_book(fill, grid.coin) for fill in grid.fills), is_whole=grid.is_whole)


def _ask(folder: Path, coin: str, stop: StopSignal, *paths: str) -> list[Any]:
    return stop.run(partial(_ask_all, folder, coin, paths), is_last=False)


async def _ask_all(folder: Path, coin: str, paths: tuple[str, ...], *, stop_scope: trio.CancelScope) -> list[Any]:
    from mm_trio.cli.halt_programs.by_socket import ask_by_socket

    with stop_scope:
        replies = [await ask_by_socket(folder, "GET", path, query={"coin": coin}) for path in paths]
        return [None if reply is None else reply.values for reply in replies]
    raise Interrupted


def _book(fill: BookedFill, coin: str) -> Booked:
    """Return a fill as the ledger has it."""
    quote = Quote(fill.side, fill.level_index, fill.price, fill.size)
    return Booked(fill.oid, fill.tid, fill.time_ms, coin, quote, fill.fee, fill.fee_token)

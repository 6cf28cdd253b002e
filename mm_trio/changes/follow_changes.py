"""Changes of the configuration that a running maker is asked for."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Never, TypeAlias

import trio

from mm_trio.account_config.changes import AccountChange, GridChange, compare_accounts
from mm_trio.account_config.settings import AccountSettings
from mm_trio.concurrency.blocking_calls import RunSync
from mm_trio.config.settings import Settings
from mm_trio.engine.account_maker import AccountMaker, GridTerms
from mm_trio.halts.applied_file import WANTED_NAME, note_applied
from mm_trio.halts.change_request import give_answer, read_wanted
from mm_trio.limits.terms import NO_LIMITS
from mm_trio.model.errors import ConfigError, LedgerError, VenueError

__all__ = ["MakesTerms", "follow_changes", "refuse_earlier"]

_log = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0
# A change is answered once its ladders have moved, or after so long.
MOVED_WITHIN_S = 60.0
# Makes what one grid is started or goes on with. Errors: ConfigError, VenueError.
MakesTerms: TypeAlias = Callable[[Settings], Awaitable[GridTerms]]


async def follow_changes(
    maker: AccountMaker,
    running: AccountSettings,
    *,
    folder: Path,
    make_terms: MakesTerms,
    run_sync: RunSync = trio.to_thread.run_sync,
) -> Never:
    """Look for requests and follow them, one after another.

    `running` is the configuration that the maker began with, `folder` where its journal is. `run_sync` makes the calls
    that block.
    """
    while True:
        await trio.sleep(LOOK_EVERY_S)
        if not maker.has_started:
            # What is asked for meanwhile waits.
            continue
        try:
            wanted = await run_sync(read_wanted, folder)
        except (ConfigError, OSError) as error:
            _log.warning("change not read: file=%s error=%s", folder / WANTED_NAME, error)
            await _answer(folder, None, done={}, error=str(error), run_sync=run_sync)
            continue
        if wanted is None:
            continue
        running, done, fault = await _follow(maker, running, wanted, make_terms=make_terms)
        # What holds is noted before the request is answered: who asked reads it then.
        while True:
            is_noted = await note_applied(folder, running, run_sync=run_sync)
            if is_noted and await _answer(folder, wanted, done=done, error=fault, run_sync=run_sync):
                break
            await trio.sleep(LOOK_EVERY_S)


async def refuse_earlier(
    folder: Path, running: AccountSettings, *, run_sync: RunSync = trio.to_thread.run_sync
) -> None:
    """Answer a request to an earlier maker: this one was started with what its operator wants now.

    `running` is what this one is started with. What was asked for and is that is done, anything else is refused.
    """
    try:
        wanted = await run_sync(read_wanted, folder)
    except (ConfigError, OSError):
        # The first look answers it.
        return
    if wanted is not None and compare_accounts(running, wanted) == compare_accounts(running, running):
        _log.info("configuration followed by a start: file=%s", folder / WANTED_NAME)
        await _answer(folder, wanted, done={}, error=None, run_sync=run_sync)
    elif wanted is not None:
        why = "the maker was started before it could follow this; plan the change again"
        _log.warning("configuration not changed: file=%s reason=%s", folder / WANTED_NAME, why)
        await _answer(folder, wanted, done={}, error=why, run_sync=run_sync)


async def _follow(
    maker: AccountMaker, running: AccountSettings, wanted: AccountSettings, *, make_terms: MakesTerms
) -> tuple[AccountSettings, dict[str, str], str | None]:
    """Make the changes in an order in which money is free before it is spent.

    Return what runs then, what happened to each coin, and why not all was done.
    """
    change = compare_accounts(running, wanted)
    done: dict[str, str] = {}
    if change.refusals:
        return running, done, "; ".join(change.refusals)
    limits = NO_LIMITS if wanted.limits is None else wanted.limits.to_risk_limits()
    if change.limits_changed:
        before = NO_LIMITS if running.limits is None else running.limits.to_risk_limits()
        maker.change_limits(limits.while_moving_from(before))
        running = replace(running, limits=wanted.limits)
    faults: list[str] = []
    try:
        for grid in _sort(change):
            if (fault := await _make(maker, grid, make_terms)) is not None:
                faults.append(f"{grid.coin}: {fault}")
            done[grid.coin] = grid.kind
            running = _note(running, grid)
            _log.warning("configuration changed: coin=%s %s %s", grid.coin, grid.kind, grid.describe())
    except (ConfigError, VenueError, LedgerError) as error:
        _log.error("configuration not changed: coin=%s reason=%s", grid.coin, error)
        faults.append(f"{grid.coin}: {error}")
    with trio.move_on_after(MOVED_WITHIN_S):
        while maker.moving:  # noqa: ASYNC110 - several ladders move, each by its own ticks
            await trio.sleep(LOOK_EVERY_S)
    if change.limits_changed:
        maker.change_limits(limits)
    return running, done, "; ".join(faults) or None


def _sort(change: AccountChange) -> list[GridChange]:
    return [grid for kind in ("removed", "changed", "added") for grid in change.list_kind(kind)]


async def _make(maker: AccountMaker, grid: GridChange, make_terms: MakesTerms) -> str | None:
    """Make one change; return what is not as it should be all the same.

    Errors: ConfigError, VenueError, LedgerError; then this grid is as it was.
    """
    if grid.new is None:
        left = await maker.remove(grid.coin)
        names = ", ".join(each.describe() for each in left)
        return f"it was removed, and orders may still rest, which are cancelled again: {names}" if left else None
    terms = await make_terms(grid.new)
    if grid.old is None:
        await maker.add(terms)
    else:
        await maker.change(grid.coin, terms.settings, terms.limits)
    return None


def _note(running: AccountSettings, grid: GridChange) -> AccountSettings:
    kept = [each if each.market.coin != grid.coin else grid.new for each in running.grids]
    if grid.old is None:
        kept.append(grid.new)
    return replace(running, grids=tuple(each for each in kept if each is not None))


async def _answer(
    folder: Path, wanted: AccountSettings | None, *, done: dict[str, str], error: str | None, run_sync: RunSync
) -> bool:
    """Answer a request; return whether that could be written."""
    try:
        await run_sync(give_answer, folder, wanted, done, error)
    except OSError as fault:
        _log.warning("change not answered: folder=%s error=%s; trying again", folder, fault.strerror or fault)
        return False
    return True

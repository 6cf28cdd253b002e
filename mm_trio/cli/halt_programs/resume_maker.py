"""Resumption of a maker that a limit or its operator stopped."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import trio

from mm_trio.cli.halt_programs.by_socket import ask_by_socket
from mm_trio.cli.halt_programs.maker_place import (
    ANSWERED_WITHIN_S,
    LOOK_EVERY_S,
    MakerPlace,
    find_place,
    is_running,
    look_at_standing,
    touch_disk,
    wait_for_standing,
)
from mm_trio.config.settings import Settings
from mm_trio.halts.requests import Request, read_requests, remove_request, write_request
from mm_trio.halts.standing import ACTIVE, Standing, StandingUnread, State
from mm_trio.halts.standing_file import read_standing, replace_standing
from mm_trio.journal.data_dir import ACCOUNT_NAME, hold_state_folder
from mm_trio.model.errors import ConfigError, Interrupted
from mm_trio.terminal_ui.streams import tell

__all__ = ["Resumption", "resume_maker"]

# Named in place of a coin.
ALL_MARKETS = "all markets of the account"
_WILL_NOT = "change [limits] or the ledger, send or cancel an order itself"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumption:
    """What stopped a maker, and whether it may place again.

    `pending` are the requests that wait to be followed; they are removed by a resumption.
    """

    coin: str
    folder: Path
    is_running: bool
    before: Standing | None
    unread: str | None
    pending: tuple[Request, ...] = ()
    only_show: bool = False
    is_resumed: bool = False

    @property
    def is_active(self) -> bool:
        """Check if there is nothing to resume."""
        return self.before == ACTIVE and not self.pending

    @property
    def obstacle(self) -> str | None:
        """Return why a maker that runs cannot be resumed; None where it can."""
        if self.is_running and (self.before is None or self.before.state is State.HALTED):
            return "a maker runs there and is ending; run this again once it has ended"
        return None

    @property
    def is_ok(self) -> bool:
        """Check if what was asked for was done."""
        return self.only_show or self.is_active or self.is_resumed

    def to_json(self) -> dict[str, object]:
        """Return plain JSON values."""
        return {
            "coin": self.coin,
            "folder": str(self.folder),
            "running": self.is_running,
            "before": None if self.before is None else self.before.to_json(),
            "unread": self.unread,
            "pending": list(self.pending),
            "resumed": self.is_resumed,
        }

    def describe_plan(self) -> str:
        """Say what a resumption does, and what it does not."""
        removed = f"removes the waiting request {', '.join(self.pending)}, and " if self.pending else ""
        when = "at once" if self.is_running else "at its next `mm-trio run`"
        return f"{self._describe_found()}\nresume {removed}lets it place orders {when}. It will not {_WILL_NOT}"

    def to_text(self) -> str:
        """Return the text for a person."""
        if self.is_active:
            return f"{self.coin} is active: nothing to resume"
        if self.only_show:
            return f"{self.describe_plan()}\nnothing was changed (--show)"
        if not self.is_resumed:
            why = self.obstacle or f"the maker did not follow within {ANSWERED_WITHIN_S:g} s; the request was withdrawn"
            return f"NOT resumed: {why}"
        when = "the maker places" if self.is_running else "the next `mm-trio run` with this configuration places"
        return (
            f"resumed: {when} orders again. Neither [limits] nor the ledger was changed: what broke a limit then "
            "breaks it again, unless you change one of them"
        )

    def _describe_found(self) -> str:
        found = self.unread if self.before is None else f"{self.coin} is {self.before.describe()}"
        return str(found)


async def resume_maker(
    settings: Settings,
    *,
    environ: Mapping[str, str],
    only_show: bool,
    stop_scope: trio.CancelScope,
    of_account: bool = False,
) -> Resumption:
    """Make a stopped maker active again, or only show why it stopped.

    One that runs is asked to, and is waited for. `of_account`: what stopped all markets of the account, in place of
    what stopped this one. Errors: ConfigError where nothing can be written, LocalError where the
    disk hangs, VenueError, LedgerError; Interrupted once `stop_scope` is cancelled.
    """
    with stop_scope:
        place = await find_place(settings, environ=environ)
        if of_account:
            place = replace(place, coin=ALL_MARKETS, folder=place.folder.parent / ACCOUNT_NAME)
        if await is_running(place.folder):
            return await _resume_running(place, only_show=only_show)
        # Locks are taken without a deadline, so a disk that hangs is found before.
        await touch_disk(place.folder, place.folder.exists)
        folder_name = ACCOUNT_NAME if of_account else place.coin
        with hold_state_folder(
            environ, network=place.network, account=settings.market.account, coin=folder_name, signer=None
        ):
            return await touch_disk(place.folder, lambda: _resume(place, only_show=only_show))
    raise Interrupted(note="the resumption was cut short; `mm-trio resume --show` tells what holds")


async def _resume_running(place: MakerPlace, *, only_show: bool) -> Resumption:
    found = await touch_disk(place.folder, lambda: _look(place, runs=True, only_show=only_show))
    if only_show or found.is_active or found.obstacle:
        return found
    tell(found.describe_plan())
    await touch_disk(place.folder, lambda: _remove_pending(found))
    if await _ask_running(place):
        return replace(found, is_resumed=await look_at_standing(place.folder) == ACTIVE)
    await touch_disk(place.folder, lambda: _write(place.folder, lambda: write_request(place.folder, Request.RESUME)))
    try:
        is_followed = await _wait_until_followed(place.folder)
    finally:
        # Nobody may be surprised by it hours later. The maker may have followed it at the last moment.
        with trio.CancelScope(shield=True):
            await touch_disk(place.folder, lambda: _withdraw(place.folder))
    return replace(found, is_resumed=is_followed and await look_at_standing(place.folder) == ACTIVE)


async def _wait_until_followed(folder: Path) -> bool:
    """Wait until the maker has taken the request and is active; return whether it did in time."""
    with trio.move_on_after(ANSWERED_WITHIN_S):
        while True:
            waiting = await touch_disk(folder, lambda: read_requests(folder))
            if all(asked.request is not Request.RESUME for asked in waiting):
                return await wait_for_standing(folder, lambda standing: standing == ACTIVE) is not None
            await trio.sleep(LOOK_EVERY_S)
    return False


async def _ask_running(place: MakerPlace) -> bool:
    """Ask a maker by its socket; return whether it is active now."""
    # What holds for the account is asked for without a market.
    query = None if place.coin == ALL_MARKETS else {"coin": place.coin}
    reply = await ask_by_socket(place.folder, "POST", "/v1/resume", query=query, body={"confirm": True})
    return reply is not None and reply.values["resumed"] is True


def _remove_pending(found: Resumption) -> None:
    def remove() -> None:
        for request in found.pending:
            remove_request(found.folder, request)

    _write(found.folder, remove)


def _withdraw(folder: Path) -> None:
    _write(folder, lambda: remove_request(folder, Request.RESUME))


def _resume(place: MakerPlace, *, only_show: bool) -> Resumption:
    found = _look(place, runs=False, only_show=only_show)
    if only_show or found.is_active:
        return found
    tell(found.describe_plan())

    def write() -> None:
        # First, because one that stays would stop the next start again.
        for request in found.pending:
            remove_request(place.folder, request)
        replace_standing(place.folder, ACTIVE)

    _write(place.folder, write)
    return replace(found, is_resumed=True)


def _look(place: MakerPlace, *, runs: bool, only_show: bool) -> Resumption:
    before: Standing | None = None
    unread: str | None = None
    try:
        before = read_standing(place.folder)
    except StandingUnread as error:
        unread = str(error)
    try:
        pending = tuple(asked.request for asked in read_requests(place.folder))
    except OSError as error:
        raise ConfigError(f"{place.folder} cannot be read: {error.strerror or error}; nothing was changed") from error
    return Resumption(
        coin=place.coin,
        folder=place.folder,
        is_running=runs,
        before=before,
        unread=unread,
        pending=pending,
        only_show=only_show,
    )


def _write(folder: Path, write: Callable[[], None]) -> None:
    try:
        write()
    except OSError as error:
        raise ConfigError(f"{folder} cannot be written: {error.strerror or error}; look at `resume --show`") from error

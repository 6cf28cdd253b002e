"""Pause of a maker, whether it runs or not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import trio

from mm_trio.cli.halt_programs.by_socket import ask_by_socket
from mm_trio.cli.halt_programs.maker_place import (
    ANSWERED_WITHIN_S,
    MakerPlace,
    find_place,
    is_running,
    look_at_standing,
    touch_disk,
    wait_for_standing,
)
from mm_trio.config.settings import Settings
from mm_trio.halts.requests import MOST_CHARS, Request, write_request
from mm_trio.halts.standing import Standing, State
from mm_trio.model.errors import ConfigError, Interrupted
from mm_trio.views.json_values import from_json

__all__ = ["Pausing", "pause_maker"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pausing:
    """What came of a request to pause. `standing` None: it cannot be read."""

    coin: str
    folder: Path
    is_running: bool | None
    standing: Standing | None

    @property
    def holds(self) -> bool:
        """Check if the standing says that nothing is placed."""
        return self.standing is not None and not self.standing.state.may_place

    @property
    def is_ok(self) -> bool:
        """Check if nothing is placed from now on, by a maker that runs or by the next one."""
        return self.holds or self.is_running is False

    def to_json(self) -> dict[str, object]:
        """Return plain JSON values."""
        return {
            "coin": self.coin,
            "folder": str(self.folder),
            "running": self.is_running,
            "paused": self.holds,
            "standing": None if self.standing is None else self.standing.to_json(),
        }

    def to_text(self) -> str:
        """Return the text for a person."""
        runs = {True: "a maker runs", False: "no maker runs", None: "whether a maker runs could not be told"}
        head = f"{self.coin}: {runs[self.is_running]}"
        if self.holds and self.standing is not None:
            stays = "; what rests stays" if self.standing.state is State.PAUSED else ""
            return f"{head}; nothing new is placed{stays}: {self.standing.describe()}"
        if self.is_running is False:
            return f"{head}; the next start reads the request {self.folder / Request.PAUSE} first, and places nothing"
        return (
            f"{head}, and did not follow within {ANSWERED_WITHIN_S:g} s; the request stays at "
            f"{self.folder / Request.PAUSE}. A maker that hangs is stopped by `mm-trio cancel-all`, and by ending its "
            "process"
        )


async def pause_maker(
    settings: Settings, *, environ: Mapping[str, str], reason: str, stop_scope: trio.CancelScope
) -> Pausing:
    """Ask a maker to place nothing, and wait until it has written that down.

    Errors: ConfigError where the request cannot be written, LocalError where the disk hangs, VenueError; Interrupted
    once `stop_scope` is cancelled.
    """
    with stop_scope:
        place = await find_place(settings, environ=environ)
        runs, standing = await is_running(place.folder), await look_at_standing(place.folder)
        if standing is None or standing.state.may_place:
            if runs is not False and (followed := await _ask_running(place, reason)) is not None:
                return Pausing(coin=place.coin, folder=place.folder, is_running=True, standing=followed)
            await _ask(place.folder, reason)
            if runs is not False:
                shown = await wait_for_standing(place.folder, lambda found: not found.state.may_place)
                standing = shown or standing
        return Pausing(coin=place.coin, folder=place.folder, is_running=runs, standing=standing)
    raise Interrupted(note="a request that was written stays, and the maker follows it")


async def _ask_running(place: MakerPlace, reason: str) -> Standing | None:
    """Ask a maker by its socket; return what it has written down, None where it did not answer."""
    reply = await ask_by_socket(
        place.folder, "POST", "/v1/pause", query={"coin": place.coin}, body={"reason": reason[:MOST_CHARS]}
    )
    return None if reply is None else from_json(Standing, reply.values["standing"])


async def _ask(folder: Path, reason: str) -> None:
    try:
        await touch_disk(folder, lambda: write_request(folder, Request.PAUSE, reason))
    except OSError as error:
        raise ConfigError(
            f"{folder / Request.PAUSE} cannot be written: {error.strerror or error}; nothing was asked for. Send the "
            "maker SIGUSR1 instead, or use `mm-trio cancel-all`"
        ) from error

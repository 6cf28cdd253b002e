"""Place of a maker: its state folder, and whether a maker runs there."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import trio

from mm_trio.cli.programs.start_checks import ask_for_pairs, find_network, find_pair
from mm_trio.config.settings import Settings
from mm_trio.halts.maker_lock import is_held
from mm_trio.halts.standing import Standing, StandingUnread
from mm_trio.halts.standing_file import read_standing
from mm_trio.journal.data_dir import find_network_folder, find_state_folder
from mm_trio.model.errors import LocalError, Unreachable, VenueError
from mm_trio.model.market import SpotMeta

__all__ = [
    "ANSWERED_WITHIN_S",
    "DISK_WITHIN_S",
    "LOOK_EVERY_S",
    "MakerPlace",
    "find_place",
    "is_running",
    "look_at_standing",
    "touch_disk",
    "wait_for_standing",
]

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

# A maker that runs answers a request within a second; the rest is for a busy machine.
ANSWERED_WITHIN_S = 3.0
LOOK_EVERY_S = 0.1
# The venue tells the name of the pair. A maker that runs is found without it, if it does not do so at once.
AT_ONCE_S, VENUE_WITHIN_S = 1.0, 4.0
DISK_WITHIN_S = 2.0
# For what the command cannot do without: a disk that is only busy is waited for.
TOUCHED_WITHIN_S = 5.0


@dataclass(frozen=True, slots=True)
class MakerPlace:
    """Coin, network and state folder of a maker, by the names that the folder has.

    `pairs` are the venue's, None where it was not asked, or did not tell them.
    """

    coin: str
    network: str
    folder: Path
    pairs: SpotMeta | None = None


async def find_place(settings: Settings, *, environ: Mapping[str, str]) -> MakerPlace:
    """Find the state folder of a maker, also where the venue does not answer.

    Without the venue it is the folder that has the configured name. Errors: ConfigError; VenueError where none has.
    """
    configured = settings.market
    if configured.network != "sandbox":
        folder = find_state_folder(
            environ, network=configured.network, account=configured.account, coin=configured.coin
        )
        # No folder has a name that is not the venue's own. A disk that hangs does not tell, and the venue does.
        if await _ask_disk(folder, folder.is_dir):
            return MakerPlace(configured.coin, configured.network, folder)
    try:
        return await _ask_for_place(settings, environ, within_s=AT_ONCE_S)
    except VenueError:
        base = find_network_folder(environ, configured.network)
        found = await _ask_disk(base, partial(_guess, settings, environ))
        if found is not None and await is_running(found.folder):
            return found
    try:
        return await _ask_for_place(settings, environ, within_s=VENUE_WITHIN_S)
    except VenueError as failure:
        if found is None:
            raise
        _log.warning("pair not named by the venue: error=%s folder=%s; taken for its folder", failure, found.folder)
        return found


async def _ask_for_place(settings: Settings, environ: Mapping[str, str], *, within_s: float) -> MakerPlace:
    configured = settings.market
    try:
        with trio.fail_after(within_s):
            pairs = await ask_for_pairs(configured.base_url)
            coin = find_pair(pairs, configured).coin
            network = await find_network(configured)
    except trio.TooSlowError:
        raise Unreachable(f"{configured.base_url}: no answer in {within_s:g} s") from None
    folder = find_state_folder(environ, network=network, account=configured.account, coin=coin)
    return MakerPlace(coin, network, folder, pairs)


def _guess(settings: Settings, environ: Mapping[str, str]) -> MakerPlace | None:
    """Find the folder on the one sandbox that fits; a maker that runs decides between several.

    The pair has to be named as its folder is: another pair's maker must not be stopped, nor resumed.
    """
    configured = settings.market
    if configured.network != "sandbox":
        return None
    base = find_network_folder(environ, configured.network)
    folders = [
        folder for folder in base.glob(f"*/{configured.account}/{configured.coin.replace('/', '-')}") if folder.is_dir()
    ]
    fitting = [folder for folder in folders if is_held(folder)] or folders
    if len(fitting) != 1:
        return None
    (folder,) = fitting
    return MakerPlace(configured.coin, str(folder.parents[1].relative_to(base.parent)), folder)


async def _ask_disk(place: Path, look: Callable[[], _T]) -> _T | None:
    """Look at files; None where the disk does not answer in time."""
    with trio.move_on_after(DISK_WITHIN_S):
        return await trio.to_thread.run_sync(look, abandon_on_cancel=True)
    _log.warning("disk does not answer: within_s=%g place=%s; going on without", DISK_WITHIN_S, place)
    return None


async def touch_disk(folder: Path, work: Callable[[], _T]) -> _T:
    """Read or write files of a maker, while signals are heard.

    Errors: those of `work`; LocalError where the disk does not answer in time.
    """
    with trio.move_on_after(TOUCHED_WITHIN_S):
        return await trio.to_thread.run_sync(work, abandon_on_cancel=True)
    raise LocalError(
        f"{folder}: no answer of the disk in {TOUCHED_WITHIN_S:g} s; what was to be written may still be. "
        "`mm-trio cancel-all` needs no disk that works; `mm-trio resume --show` tells what holds once it answers"
    )


async def is_running(folder: Path) -> bool | None:
    """Check if a maker runs, hung ones included; None where that cannot be told in time."""
    with trio.move_on_after(DISK_WITHIN_S):
        return await trio.to_thread.run_sync(is_held, folder, abandon_on_cancel=True)
    return None


async def look_at_standing(folder: Path) -> Standing | None:
    """Read what holds; None where that cannot be read in time."""
    with trio.move_on_after(DISK_WITHIN_S):
        try:
            return await trio.to_thread.run_sync(read_standing, folder, abandon_on_cancel=True)
        except StandingUnread as error:
            _log.warning("standing not read: error=%s", error)
    return None


async def wait_for_standing(folder: Path, is_wanted: Callable[[Standing], bool]) -> Standing | None:
    """Wait until a maker has written down what was asked for; None where it does not in time."""
    with trio.move_on_after(ANSWERED_WITHIN_S):
        while True:
            found = await look_at_standing(folder)
            if found is not None and is_wanted(found):
                return found
            await trio.sleep(LOOK_EVERY_S)
    return None

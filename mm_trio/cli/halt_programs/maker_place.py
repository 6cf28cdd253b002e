"""Place of a maker: its state folder, and whether a maker runs there."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import trio

from mm_trio.cli.programs.start_checks import ask_for_pairs, find_network, find_pair
from mm_trio.config.settings import Settings
from mm_trio.halts.maker_lock import is_held
from mm_trio.halts.standing import Standing, StandingUnread
from mm_trio.halts.standing_file import read_standing
from mm_trio.journal.data_dir import find_network_folder, find_state_folder
from mm_trio.model.errors import Unreachable, VenueError

__all__ = ["ANSWERED_WITHIN_S", "MakerPlace", "find_place", "is_running", "look_at_standing", "wait_for_standing"]

_log = logging.getLogger(__name__)

# A maker that runs answers a request within a second; the rest is for a busy machine.
ANSWERED_WITHIN_S = 3.0
LOOK_EVERY_S = 0.1
# The venue tells the name of the pair. A request must not wait for it.
VENUE_WITHIN_S = 5.0
DISK_WITHIN_S = 2.0


@dataclass(frozen=True, slots=True)
class MakerPlace:
    """Coin, network and state folder of a maker, by the names that the folder has."""

    coin: str
    network: str
    folder: Path


async def find_place(settings: Settings, *, environ: Mapping[str, str]) -> MakerPlace:
    """Find the state folder of a maker, also where the venue does not answer.

    Without the venue it is the one folder that fits. Errors: ConfigError; VenueError where none or several fit.
    """
    configured = settings.market
    try:
        with trio.fail_after(VENUE_WITHIN_S):
            coin = find_pair(await ask_for_pairs(configured.base_url), configured).coin
            network = await find_network(configured)
    except (VenueError, trio.TooSlowError) as error:
        failure = error if isinstance(error, VenueError) else Unreachable(f"no answer in {VENUE_WITHIN_S:g} s")
        found = await trio.to_thread.run_sync(_guess, settings, environ, abandon_on_cancel=True)
        if found is None:
            raise failure from error
        _log.warning("the venue does not name the pair (%s); taken for it: %s", failure, found.folder)
        return found
    folder = find_state_folder(environ, network=network, account=configured.account, coin=coin)
    return MakerPlace(coin, network, folder)


def _guess(settings: Settings, environ: Mapping[str, str]) -> MakerPlace | None:
    """Find the one folder of the account that fits: by the configured name, else any; a maker that runs decides."""
    configured = settings.market
    base = find_network_folder(environ, configured.network)
    accounts = base.glob(f"*/{configured.account}") if configured.network == "sandbox" else [base / configured.account]
    folders = [folder for account in accounts for folder in account.glob("*") if folder.is_dir()]
    named = [folder for folder in folders if folder.name == configured.coin.replace("/", "-")] or folders
    running = [folder for folder in named if is_held(folder)] or named
    if len(running) != 1:
        return None
    (folder,) = running
    return MakerPlace(folder.name, str(folder.parents[1].relative_to(base.parent)), folder)


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
            _log.warning("%s", error)
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

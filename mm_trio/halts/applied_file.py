"""Configuration that a maker has taken over, and one that it is asked to take over, as files in its folder.

Each is the whole configuration, overrides of the environment included, so that a later file is compared with what
really holds. Both are replaced in one step, and readable by their owner alone.
"""

from __future__ import annotations

import logging
import tomllib
from collections.abc import Mapping
from pathlib import Path

import trio

from mm_trio.account_config.loading import MOST_FILE_BYTES, parse_account_settings
from mm_trio.account_config.settings import AccountSettings
from mm_trio.account_config.toml_text import write_toml
from mm_trio.concurrency.blocking_calls import RunSync
from mm_trio.config.private_paths import make_private_folders
from mm_trio.journal.data_dir import find_account_folder, find_state_folder
from mm_trio.journal.end_mark import replace_file
from mm_trio.model.errors import ConfigError

__all__ = ["APPLIED_NAME", "WANTED_NAME", "find_applied_folder", "note_applied", "note_settings", "read_settings"]

_log = logging.getLogger(__name__)

APPLIED_NAME = "applied.toml"
WANTED_NAME = "wanted.toml"


def find_applied_folder(
    environ: Mapping[str, str], settings: AccountSettings, *, network: str, coin: str | None = None
) -> Path:
    """Return the folder of both files: where the journal is.

    `network` as the state folder has it, `coin` as the venue names the one market of an old file.
    """
    account = settings.account.account
    if settings.lists_markets:
        return find_account_folder(environ, network=network, account=account)
    return find_state_folder(environ, network=network, account=account, coin=coin or settings.coins[0])


def note_settings(folder: Path, settings: AccountSettings, *, name: str = APPLIED_NAME) -> None:
    """Write the settings down, durably and in one step. Blocks. Errors: OSError."""
    make_private_folders(folder)
    replace_file(folder / name, write_toml(settings).encode(), beside=folder / f"{name}.new")


async def note_applied(folder: Path, settings: AccountSettings, *, run_sync: RunSync = trio.to_thread.run_sync) -> bool:
    """Write down what a maker has taken over; return whether that succeeded.

    A file that cannot be written keeps no maker from its work.
    """
    try:
        await run_sync(note_settings, folder, settings)
    except OSError as error:
        _log.warning(
            "configuration not noted: file=%s error=%s; `mm-trio apply` will not know what runs",
            folder / APPLIED_NAME,
            error.strerror or error,
        )
        return False
    return True


def read_settings(folder: Path, *, name: str = APPLIED_NAME) -> AccountSettings | None:
    """Read the settings that were written down; None where there are none. Blocks.

    Errors: ConfigError for a file that is not one of these; OSError.
    """
    path = folder / name
    try:
        with path.open("rb") as file:
            data = file.read(MOST_FILE_BYTES + 1)
    except FileNotFoundError:
        return None
    try:
        if len(data) > MOST_FILE_BYTES:
            raise ConfigError(f"it has more than {MOST_FILE_BYTES} bytes")
        # Without the environment, which is that of another command.
        return parse_account_settings(tomllib.loads(data.decode()), environ={}, source=str(path))
    except (ValueError, RecursionError) as error:
        raise ConfigError(
            f"{path} cannot be read, so nobody knows which configuration runs ({error}); end the maker and start it "
            "again, which writes the file anew"
        ) from error

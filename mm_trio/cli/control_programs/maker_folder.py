"""Folder of a maker of one market or of several: where its ledger, its lock and its socket are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mm_trio.account_config.settings import AccountSettings
from mm_trio.cli.halt_programs.maker_place import find_place
from mm_trio.config.settings import Settings
from mm_trio.journal.data_dir import ACCOUNT_NAME

__all__ = ["find_grid_folder", "find_maker_folder"]


async def find_maker_folder(account: AccountSettings, *, environ: Mapping[str, str]) -> Path:
    """Find the folder of the maker of a configuration, also where the venue does not answer.

    Errors: ConfigError; VenueError where no folder can be told without the venue.
    """
    folder = await find_grid_folder(account.grids[0], environ=environ)
    return folder.parent / ACCOUNT_NAME if account.lists_markets else folder


async def find_grid_folder(settings: Settings, *, environ: Mapping[str, str]) -> Path:
    """Find the folder of one market, as `find_maker_folder` does that of all."""
    return (await find_place(settings, environ=environ)).folder

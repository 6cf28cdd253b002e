"""Command `page-link`: the link that opens a running maker's page."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from mm_trio.cli.shell.exit_codes import ExitCode
from mm_trio.cli.shell.grids import load_account
from mm_trio.cli.shell.output import print_result, set_up_logging
from mm_trio.cli.shell.parser import Command, add_json_option
from mm_trio.cli.shell.stop_signal import StopSignal
from mm_trio.cli.shell.verdict import gives_verdict

if TYPE_CHECKING:
    import trio

    from mm_trio.account_config.settings import AccountSettings

__all__ = ["COMMAND", "PageLink", "add_arguments", "run"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PageLink:
    """Link that works now; None where there is none. `is_running` None: that could not be told."""

    folder: Path
    is_running: bool | None
    link: str | None

    def to_json(self) -> dict[str, object]:
        """Return plain JSON values."""
        return {"folder": str(self.folder), "running": self.is_running, "link": self.link}

    def to_text(self) -> str:
        """Return the text for a person."""
        if self.link is not None:
            return self.link
        if self.is_running is False:
            return f"no maker runs in {self.folder}; start it with `mm-trio run --page`"
        return (
            f"the maker in {self.folder} has no page; start it with `mm-trio run --page`, or with a port in [page] of "
            "its configuration"
        )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `page-link`."""
    parser.add_argument(
        "--config", type=Path, required=True, metavar="FILE", help="configuration file (TOML) of the maker"
    )
    add_json_option(parser)


@gives_verdict
def run(arguments: argparse.Namespace, stop: StopSignal) -> int:
    """Print the link and return the exit code."""
    set_up_logging(sys.stderr)
    account = load_account(arguments)
    found = stop.run(partial(find_link, account, environ=arguments.environment.plain))
    print_result(found, as_json=arguments.json)
    return ExitCode.CLEAN if found.link is not None else ExitCode.CHECK_FAILED


async def find_link(account: AccountSettings, *, environ: Mapping[str, str], stop_scope: trio.CancelScope) -> PageLink:
    """Find the link of a maker that runs.

    Errors: ConfigError where the file cannot be read, LocalError where the disk hangs; VenueError where only the venue
    could tell the folder; Interrupted once `stop_scope` is cancelled.
    """
    from mm_trio.cli.halt_programs.maker_place import find_place, is_running, touch_disk
    from mm_trio.guard.private_file import FileUnread
    from mm_trio.journal.data_dir import ACCOUNT_NAME
    from mm_trio.model.errors import ConfigError, Interrupted
    from mm_trio.web.link_file import LINK_NAME, read_link

    with stop_scope:
        folder = (await find_place(account.grids[0], environ=environ)).folder
        if account.lists_markets:
            folder = folder.parent / ACCOUNT_NAME
        runs = await is_running(folder)
        try:
            # A maker that was killed leaves its link behind.
            link = None if runs is False else await touch_disk(folder, partial(read_link, folder))
        except (OSError, FileUnread) as error:
            raise ConfigError(f"{folder / LINK_NAME} cannot be read: {error}; start the maker anew") from error
        return PageLink(folder=folder, is_running=runs, link=link)
    raise Interrupted


COMMAND = Command(
    name="page-link",
    help="print the link that opens a running maker's page once",
    description="Prints the link that opens the page of a maker that runs with --page, or with a port in [page]. Each "
    "link works once; the next one is there as soon as it was used. It is read from the file page-link, of mode 0600, "
    "in the maker's state folder. Exit code 1: there is no page to be opened.",
    add_arguments=add_arguments,
    run=run,
)

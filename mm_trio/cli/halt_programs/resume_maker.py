"""Resumption of a maker that a limit or its operator stopped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import trio

from mm_trio.cli.programs.start_checks import ask_for_pairs, find_network, find_pair
from mm_trio.config.settings import Settings
from mm_trio.halts.standing import ACTIVE, Standing, StandingUnread
from mm_trio.halts.standing_file import read_standing, replace_standing
from mm_trio.journal.data_dir import hold_state_folder
from mm_trio.model.errors import ConfigError, Interrupted

__all__ = ["Resumption", "resume_maker"]


@dataclass(frozen=True, slots=True)
class Resumption:
    """What stopped a maker, and whether it may place again."""

    coin: str
    folder: Path
    before: Standing | None
    unread: str | None
    is_resumed: bool

    def to_json(self) -> dict[str, object]:
        """Return plain JSON values."""
        return {
            "coin": self.coin,
            "folder": str(self.folder),
            "before": None if self.before is None else self.before.to_json(),
            "unread": self.unread,
            "resumed": self.is_resumed,
        }

    def to_text(self) -> str:
        """Return the text for a person."""
        found = self.unread if self.before is None else f"{self.coin} was {self.before.describe()}"
        if self.before == ACTIVE:
            return f"{self.coin} is active: nothing to resume"
        if not self.is_resumed:
            return f"{found}\nnothing was changed (--show)"
        return (
            f"{found}\nresumed: the next `mm-trio run` with this configuration places orders again. Neither [limits] "
            "nor the ledger was changed: what broke a limit then breaks it again, unless you change one of them"
        )


async def resume_maker(
    settings: Settings, *, environ: Mapping[str, str], only_show: bool, stop_scope: trio.CancelScope
) -> Resumption:
    """Make a stopped maker active again, or only show why it stopped.

    Errors: ConfigError while the maker runs, VenueError, LedgerError; Interrupted once `stop_scope` is cancelled.
    """
    with stop_scope:
        market = find_pair(await ask_for_pairs(settings.market.base_url), settings.market)
        network = await find_network(settings.market)
        with hold_state_folder(
            environ, network=network, account=settings.market.account, coin=market.coin, signer=None
        ) as folder:
            return await trio.to_thread.run_sync(lambda: _resume(market.coin, folder, only_show=only_show))
    raise Interrupted(note="the resumption was cut short; nothing was changed")


def _resume(coin: str, folder: Path, *, only_show: bool) -> Resumption:
    before: Standing | None = None
    unread: str | None = None
    try:
        before = read_standing(folder)
    except StandingUnread as error:
        unread = str(error)
    is_resumed = not only_show and before != ACTIVE
    if is_resumed:
        try:
            replace_standing(folder, ACTIVE)
        except OSError as error:
            raise ConfigError(f"{folder} cannot be written: {error.strerror or error}; nothing was changed") from error
    return Resumption(coin, folder, before, unread, is_resumed)

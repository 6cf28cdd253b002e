"""The operator's word that the first live run was looked at: from then on the whole plan is quoted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import trio

from mm_trio.cli.programs.start_checks import ask_for_pairs, find_network, find_pair
from mm_trio.config.settings import Settings
from mm_trio.grids.schedule import read_machine_clock
from mm_trio.halts.live_marks import note_first_run
from mm_trio.halts.standing import ACTIVE
from mm_trio.halts.standing_file import read_standing
from mm_trio.journal.data_dir import hold_state_folder, is_blank
from mm_trio.model.errors import ConfigError, Interrupted

__all__ = ["Confirmation", "confirm_first_run"]


@dataclass(frozen=True, slots=True)
class Confirmation:
    """Cap of a first run that was lifted."""

    coin: str
    folder: Path

    def to_json(self) -> dict[str, object]:
        """Return plain JSON values."""
        return {"coin": self.coin, "folder": str(self.folder), "first_run_seen": True}

    def to_text(self) -> str:
        """Return the text for a person."""
        return (
            f"{self.coin}: the first live run was looked at; the next `mm-trio run --live` quotes the whole plan. "
            "Nothing was sent"
        )


async def confirm_first_run(
    settings: Settings, *, environ: Mapping[str, str], stop_scope: trio.CancelScope
) -> Confirmation:
    """Let the next live run quote the whole plan.

    Errors: ConfigError where there was no live run, where it was halted, or while the maker runs; VenueError,
    LedgerError; Interrupted once `stop_scope` is cancelled.
    """
    if settings.market.network != "mainnet":
        raise ConfigError(
            f'--first-run-seen is for network = "mainnet" alone, and [market] network is "{settings.market.network}", '
            "where no first run is capped; leave it out"
        )
    with stop_scope:
        market = find_pair(await ask_for_pairs(settings.market.base_url), settings.market)
        network = await find_network(settings.market)
        with hold_state_folder(
            environ, network=network, account=settings.market.account, coin=market.coin, signer=None
        ) as folder:
            await trio.to_thread.run_sync(partial(_confirm, folder))
            return Confirmation(market.coin, folder)
    raise Interrupted(note="the confirmation was cut short; the next live run may still be capped")


def _confirm(folder: Path) -> None:
    if is_blank(folder):
        raise ConfigError(
            f"there was no live run yet (no ledger in {folder}); start one with `mm-trio run --live`, look at its "
            "fills, and then say so"
        )
    if (standing := read_standing(folder)) != ACTIVE:
        raise ConfigError(
            f"the first live run is {standing.describe()}; find out why, and resume it with `mm-trio resume` before "
            "the whole plan is allowed"
        )
    try:
        note_first_run(folder, at_ms=read_machine_clock())
    except OSError as error:
        raise ConfigError(f"{folder} cannot be written: {error.strerror or error}; nothing was changed") from error

"""What a maker of several markets refuses, beside what a maker of one does."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from mm_trio.account_config.settings import AccountSettings
from mm_trio.config.settings import Settings
from mm_trio.journal.data_dir import describe_lost, is_blank
from mm_trio.model.errors import ConfigError
from mm_trio.model.market import Market

__all__ = ["refuse_not_done", "refuse_own_ledgers", "refuse_repeated", "refuse_unordered_ledgers"]


def refuse_not_done(account: AccountSettings, *, is_live: bool, is_accepted: bool) -> None:
    """Refuse what is done for one market alone, rather than do half of it. Errors: ConfigError."""
    n_markets = len(account.grids)
    if is_live:
        raise ConfigError(
            f"--live is for a file with one [market], and this one lists {n_markets}: what is checked before real "
            "money is traded is checked for one market. Give each market a file and an account of its own, or leave "
            "--live out to see the plans"
        )
    if is_accepted:
        raise ConfigError(
            f"--accept-price names the price of one ladder, and this file lists {n_markets} markets; set [market."
            "tuning] max_open_distance_pct of the market whose price is far from the others', or open it from a file "
            "of its own"
        )
    refuse_unordered_ledgers(account.grids)


def refuse_unordered_ledgers(grids: Iterable[Settings]) -> None:
    """Refuse orders that leave before their entry is on the disk; several grids have one ledger.

    Errors: ConfigError.
    """
    if any(grid.tuning.ledger != "ahead" for grid in grids):
        raise ConfigError(
            '[tuning] ledger "beside" is for a file with one [market]; several markets have one ledger, and it has to '
            'be "ahead"'
        )


def refuse_repeated(configured: Sequence[str], pairs: Sequence[Market]) -> None:
    """Refuse two names of one pair. Errors: ConfigError."""
    seen: dict[str, str] = {}
    for name, pair in zip(configured, pairs, strict=True):
        first = seen.setdefault(pair.coin, name)
        if first != name:
            raise ConfigError(
                f"[[market]] coin {first} and {name} are the same pair, {pair.coin}; a coin has one grid, so remove "
                "one of them"
            )


def refuse_own_ledgers(folders: Iterable[Path]) -> None:
    """Refuse coins whose ledger is in a file of its own, from a maker of that market alone.

    In the ledger of the account they would begin anew. Blocks. Errors: ConfigError.
    """
    for folder in folders:
        if is_blank(folder) and describe_lost(folder) is None:
            continue
        raise ConfigError(
            f"{folder.name} has a ledger of its own, in {folder}, from a file with one [market]. A file that lists "
            "markets has one ledger for all, in which this one would begin anew, and its history would be lost. Keep "
            "the market in a file of its own; or, with no order of it resting, move that folder away and start with "
            "--take-over"
        )

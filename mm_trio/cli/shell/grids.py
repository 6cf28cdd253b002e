"""Which grids of a configuration a command means, and what comes of doing the same for each.

A file may list several markets. `--coin` chooses one; without it a command does its work for all, or refuses and lists
them.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from mm_trio.cli.shell.error_words import PRECEDENCE, find_words
from mm_trio.cli.shell.exit_codes import ExitCode
from mm_trio.model.errors import ConfigError, Interrupted, find_leaves
from mm_trio.terminal_ui.streams import print_out

if TYPE_CHECKING:
    from mm_trio.account_config.settings import AccountSettings
    from mm_trio.cli.shell.output import Result
    from mm_trio.cli.shell.stop_signal import StopSignal
    from mm_trio.config.settings import Settings

__all__ = [
    "Outcome",
    "add_coin_option",
    "add_config_options",
    "choose_grid",
    "choose_grids",
    "do_each",
    "load_account",
    "load_grid",
    "load_grids",
]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a command for one grid."""

    values: dict[str, object]
    text: str
    code: ExitCode

    @classmethod
    def of(cls, result: Result, code: ExitCode) -> Outcome:
        """Make the outcome of a result."""
        return cls(result.to_json(), result.to_text(), code)


def add_config_options(parser: argparse.ArgumentParser, *, without_coin: str) -> None:
    """Add `--config` and `--coin`; `without_coin` says what is done with a file of several markets."""
    parser.add_argument(
        "--config", type=Path, required=True, metavar="FILE", help="configuration file (TOML) of the maker"
    )
    add_coin_option(parser, without_coin=without_coin)


def add_coin_option(parser: argparse.ArgumentParser, *, without_coin: str) -> None:
    """Add `--coin`."""
    parser.add_argument(
        "--coin", metavar="C", help=f"one market of a file that lists several, as it is named there ({without_coin})"
    )


def load_account(arguments: argparse.Namespace) -> AccountSettings:
    """Load the configuration that `--config` names. Errors: ConfigError."""
    # Imported late, because `--help` need not pay for it.
    from mm_trio.account_config.loading import load_account_settings

    return load_account_settings(arguments.config, environ=arguments.environment.plain)


def load_grids(arguments: argparse.Namespace) -> tuple[Settings, ...]:
    """Load the grid that `--coin` names, without it all of them. Errors: ConfigError."""
    return choose_grids(load_account(arguments), arguments.coin, source=str(arguments.config))


def load_grid(arguments: argparse.Namespace) -> Settings:
    """Load the one grid that is meant. Errors: ConfigError, also where several could be."""
    return choose_grid(load_account(arguments), arguments.coin, source=str(arguments.config))


def choose_grids(account: AccountSettings, coin: str | None, *, source: str) -> tuple[Settings, ...]:
    """Return the grid of a coin, or all of them for None. Errors: ConfigError for an unknown coin."""
    if coin is None:
        return account.grids
    if (found := account.find_grid(coin)) is not None:
        return (found,)
    from mm_trio.config.redaction import show

    near = get_close_matches(coin[:60], account.coins, n=1)
    hint = f"did you mean {near[0]}?" if near else f"expected one of: {', '.join(account.coins)}"
    raise ConfigError(f"--coin {show(coin)} is not a market of {source}; {hint}")


def choose_grid(account: AccountSettings, coin: str | None, *, source: str) -> Settings:
    """Return the one grid that is meant. Errors: ConfigError, also where several could be."""
    chosen = choose_grids(account, coin, source=source)
    if len(chosen) > 1:
        raise ConfigError(
            f"{source} lists {len(chosen)} markets, and this command works on one; choose it with --coin, one of: "
            f"{', '.join(account.coins)}"
        )
    return chosen[0]


def do_each(
    grids: Sequence[Settings],
    do: Callable[[Settings, bool], Outcome],
    *,
    stop: StopSignal,
    as_json: bool,
    for_all: Callable[[], Outcome] | None = None,
) -> ExitCode:
    """Do the work for each grid, print what came of it, and return the worst exit code.

    `do` gets a grid, and whether it is the last one. `for_all` is done before, for what the grids share. What fails for
    one grid is told and does not keep the others from their turn. One grid alone, with nothing to be done for all, is
    as if there were no others: its errors are raised. Errors: Interrupted, which names the coins that were done.
    """
    shared = None if for_all is None else _catch(for_all)
    if len(grids) == 1 and shared is None:
        outcome = do(grids[0], True)
        print_out(json.dumps(outcome.values) if as_json else outcome.text)
        return outcome.code
    coins = [grid.market.coin for grid in grids]
    outcomes: list[Outcome] = []
    for number, grid in enumerate(grids, 1):
        try:
            outcomes.append(_try(do, grid, is_last=number == len(grids)))
            is_cut_short = stop.is_cut_short
            note = ""
        except (Interrupted, BaseExceptionGroup) as error:
            found = [leaf for leaf in find_leaves(error) if isinstance(leaf, Interrupted)]
            if not found:
                raise
            is_cut_short, note = True, "; ".join(leaf.note for leaf in found if leaf.note)
        if is_cut_short:
            n_done = number - 1
            raise Interrupted(checked=coins[:n_done], not_checked=coins[n_done:], note=note)
    everything = outcomes if shared is None else [shared, *outcomes]
    code = min((outcome.code for outcome in everything), key=PRECEDENCE.index)
    _print_all(dict(zip(coins, outcomes, strict=True)), code, as_json=as_json, shared=shared)
    return code


def _try(do: Callable[[Settings, bool], Outcome], grid: Settings, *, is_last: bool) -> Outcome:
    """Do the work for one grid; an error that is not a bug of ours becomes its outcome."""
    return _catch(lambda: do(grid, is_last))


def _catch(do: Callable[[], Outcome]) -> Outcome:
    try:
        return do()
    except Exception as error:
        leaves = find_leaves(error)
        found = [find_words(leaf) for leaf in leaves]
        if any(words is None for words, _ in found) or any(isinstance(leaf, Interrupted) for leaf in leaves):
            raise
        text = "; ".join(words for words, _ in found if words)
        code = min((code for _, code in found), key=PRECEDENCE.index)
        return Outcome({"error": text, "exit_code": int(code)}, f"not done: {text}", code)


def _print_all(outcomes: dict[str, Outcome], code: ExitCode, *, as_json: bool, shared: Outcome | None = None) -> None:
    if not as_json:
        texts = [] if shared is None else [shared.text]
        print_out("\n\n".join([*texts, *(f"{coin}\n{outcome.text}" for coin, outcome in outcomes.items())]))
        return
    values: dict[str, object] = {
        "ok": code == ExitCode.CLEAN,
        "markets": {coin: outcome.values for coin, outcome in outcomes.items()},
    }
    if shared is not None:
        values["account"] = shared.values
    failed = ["the account"] if shared is not None and shared.code != ExitCode.CLEAN else []
    failed += [coin for coin, outcome in outcomes.items() if outcome.code != ExitCode.CLEAN]
    if failed:
        values |= {"error": f"not well for {', '.join(failed)}", "exit_code": int(code)}
    print_out(json.dumps(values))

"""Copies of the one ledger of several markets: which of them were stopped, and that they stay so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from copy_kit import copy, write

from mm_trio.cli.copy_programs import restore_ledger as module
from mm_trio.cli.copy_programs.ledger_copies import Label, LedgerCopy, read_copy
from mm_trio.config.private_paths import make_private_folders
from mm_trio.halts.standing import ACTIVE, Standing, State
from mm_trio.halts.standing_file import STANDING_NAME, read_standing, replace_standing
from mm_trio.journal.data_dir import ACCOUNT_NAME
from mm_trio.model.errors import ConfigError

LABEL = Label(network="sandbox/here", account="0xAB", coin=ACCOUNT_NAME)
HALTED = Standing(state=State.HALTED, since_ms=5, why="max_net_spend")
PAUSED = Standing(state=State.PAUSED, since_ms=6, why="by hand")


@pytest.fixture
def account(tmp_path: Path) -> Path:
    """The folder of an account with a ledger and three markets, two of which are stopped."""
    account = tmp_path / "state" / "0xab"
    write(account / ACCOUNT_NAME)
    for coin, standing in (("@107", ACTIVE), ("@142", HALTED), ("PURR-USDC", PAUSED), ("@151", None)):
        make_private_folders(account / coin)
        if standing is not None:
            replace_standing(account / coin, standing)
    return account


@pytest.fixture
def made(account: Path, tmp_path: Path) -> LedgerCopy:
    return copy(account / ACCOUNT_NAME, tmp_path / "copies" / LABEL.path, LABEL)


def test_the_markets_that_were_stopped_are_noted(made: LedgerCopy) -> None:
    assert {name: each["state"] for name, each in made.standings.items()} == {"@142": "halted", "PURR-USDC": "paused"}
    assert read_copy(made.folder) == made


def test_a_copy_of_one_market_has_none(tmp_path: Path) -> None:
    write(tmp_path / "0xab" / "@107")
    make_private_folders(tmp_path / "0xab" / "@142")
    replace_standing(tmp_path / "0xab" / "@142", HALTED)

    made = copy(tmp_path / "0xab" / "@107", tmp_path / "copies")

    assert "standings" not in json.loads((made.folder / "copy.json").read_text())


def test_what_was_stopped_is_stopped_again_where_nothing_is_left(made: LedgerCopy, tmp_path: Path) -> None:
    new = tmp_path / "new"

    module._stop_markets(new, made)

    assert read_standing(new / "@142") == HALTED
    assert read_standing(new / "PURR-USDC") == PAUSED
    assert not (new / "@107").exists()


def test_what_was_resumed_since_stays_so(account: Path, made: LedgerCopy) -> None:
    replace_standing(account / "@142", ACTIVE)

    module._stop_markets(account, made)

    assert read_standing(account / "@142") == ACTIVE


def test_a_standing_that_could_not_be_copied_halts(account: Path, tmp_path: Path) -> None:
    (account / "@142" / STANDING_NAME).write_text("{")
    made = copy(account / ACCOUNT_NAME, tmp_path / "copies", LABEL)

    module._stop_markets(tmp_path / "new", made)

    found = read_standing(tmp_path / "new" / "@142")
    assert (found.state, "could not be read when the ledger was copied" in found.why) == (State.HALTED, True)


@pytest.mark.parametrize("standings", [{"../@107": {}}, {"..": {}}, {"a/b": {}}, ["@107"], {"@107": 7}])
def test_a_description_that_names_another_folder_is_refused(made: LedgerCopy, standings: object) -> None:
    path = made.folder / "copy.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"standings": standings}))

    with pytest.raises(ConfigError, match="is not a valid description"):
        read_copy(made.folder)

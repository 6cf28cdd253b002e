"""The page on several markets shows a file that is read, names the settings as they are, and commands that exist."""

from __future__ import annotations

import re
import shlex
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest

from mm_trio.account_config.loading import parse_account_settings
from mm_trio.account_config.settings import ACCOUNT_LIMITS, GRID_TUNING, MOST_GRIDS, AccountTerms
from mm_trio.cli import main as entry
from mm_trio.cli.shell.parser import make_parser
from mm_trio.config.settings import Limits

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "several-markets.md").read_text()
COMMANDS = re.findall(r"^mm-trio (.+)$", PAGE, re.MULTILINE)


def read_cells(section: str) -> tuple[set[str], set[str]]:
    """Read what the table says of a section: of the account, of a grid."""
    (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| `{section}`")]
    _, _, account, grid, _ = row.split("|")
    return set(re.findall(r"`(\w+)`", account)), set(re.findall(r"`(\w+)`", grid))


def test_the_example_is_read() -> None:
    (text,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)

    settings = parse_account_settings(tomllib.loads(text), environ={}, source="the page")

    assert settings.coins == ("HYPE/USDC", "@1")


def test_the_limits_of_account_and_grid_are_those_of_the_code() -> None:
    of_grid = {item.name for item in fields(Limits)} - {"budget_floor"}

    assert read_cells("[limits]") == (set(ACCOUNT_LIMITS), of_grid)


def test_the_tuning_of_a_grid_is_that_of_the_code() -> None:
    assert read_cells("[tuning]") == (set(), set(GRID_TUNING))


def test_the_terms_of_the_account_are_those_of_the_code() -> None:
    assert read_cells("[account]") == ({item.name for item in fields(AccountTerms)}, set())


def test_the_most_grids_are_those_of_the_code() -> None:
    assert f"at most {MOST_GRIDS} grids" in PAGE


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_the_page_is_one(command: str) -> None:
    arguments = make_parser(entry._COMMANDS).parse_args(shlex.split(command))

    assert arguments.command.split()[1] in command

"""What the tests of `deploy/` share: its folders, and the commands in its files."""

from __future__ import annotations

from pathlib import Path

import pytest

from mm_trio.cli.main import _COMMANDS
from mm_trio.cli.shell.parser import make_parser
from mm_trio.engine.session import GRACE_S, LAST_WRITE_S

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
SHUTDOWN_S = GRACE_S + LAST_WRITE_S
KEY_VARIABLES = {"MM_TRIO_PRIVATE_KEY", "MM_TRIO_KEYSTORE", "MM_TRIO_KEY_FILE", "MM_TRIO_KEY_FD"}


def parse_command(words: list[str]) -> None:
    """Parse a command line as the program does; a wrong one ends the test with what the parser says."""
    if words[0] not in {command.name for command in _COMMANDS}:
        pytest.skip(f"this program has no command {words[0]!r}")
    make_parser(_COMMANDS).parse_args(words)

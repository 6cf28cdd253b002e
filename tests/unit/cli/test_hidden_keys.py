"""A private key among the words of a command: what is wrong is told, and the key is not repeated."""

from __future__ import annotations

import pytest
from secret_kit import find_secrets

from mm_trio.cli import main as entry
from mm_trio.cli.shell.exit_codes import ExitCode
from mm_trio.config.redaction import hide_keys
from mm_trio.model.errors import JournalError

# A command leaves its signals ignored.

KEY = "0x" + "c0ffee" * 10 + "beef"


@pytest.mark.parametrize(
    "words",
    [
        (KEY,),
        (KEY[2:],),
        ("ledger", KEY.upper()),
        ("run", "--config", "x.toml", KEY),
        ("demo", "--duration", KEY),
        ("sandbox", "--port", KEY),
        ("sim", f"--{KEY}"),
    ],
)
def test_r13_the_parser_does_not_repeat_a_key(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.main(words) == ExitCode.CONFIG

    told = capsys.readouterr().err
    assert "error: " in told
    assert find_secrets(told, KEY) == set()


@pytest.mark.parametrize(
    "words",
    [
        ("sandbox", "--limits", KEY),
        ("sandbox", "--fault", KEY),
        ("sandbox", "--fault-plan", KEY),
        ("sandbox", "--replay", KEY),
        ("sim", "--faults", KEY),
        ("sim", "--seed", KEY),
    ],
)
def test_r13_a_command_does_not_repeat_a_key(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.main(words) == ExitCode.CONFIG

    told = capsys.readouterr().err
    assert told.startswith("mm-trio: ")
    assert find_secrets(told, KEY) == set()


@pytest.mark.parametrize("error", [RuntimeError(f"bad {KEY}"), JournalError(f"bad {KEY}")])
def test_r13_no_error_is_printed_with_a_key(error: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    entry._report_error(error)

    told = capsys.readouterr().err
    assert "bad 0x<hidden>" in told
    assert find_secrets(told, KEY) == set()


def test_lists_of_order_ids_and_addresses_stay_readable() -> None:
    told = f"orders may rest: 1764460800000, 1764460800001, 1764460800002, 1764460800003; account 0x{'a1' * 20}"

    assert hide_keys(told) == told

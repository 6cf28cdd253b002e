"""Subject of a certificate, as the words of the command mean it."""

from __future__ import annotations

import argparse
import re
import time

from mm_trio.cli.earnings_programs.history_place import find_history, read_period
from mm_trio.cli.liquidity_programs.make_certificate import RECORDED_WITHIN_MS, Subject
from mm_trio.cli.shell.stop_signal import StopSignal
from mm_trio.model.errors import ConfigError

__all__ = ["find_subject"]

_ADDRESS = re.compile("0x[0-9a-f]{40}")


def find_subject(arguments: argparse.Namespace, stop: StopSignal) -> Subject:
    """Return maker and period. Errors: ConfigError."""
    now_ms = time.time_ns() // 1_000_000
    period = read_period(arguments, now_ms=now_ms)
    if period.from_ms is None:
        raise ConfigError("a certificate needs its period; give --from and --to, or --last")
    # A record is written a moment behind, and what is not there yet would count as a hole.
    until_ms = now_ms - RECORDED_WITHIN_MS if period.until_ms is None else period.until_ms
    folder = find_history(arguments, stop).resolve()
    # The folder of a maker is NETWORK/ACCOUNT/COIN, and of a sandbox sandbox/NAME/ACCOUNT/COIN.
    account, network = folder.parent.name, folder.parent.parent.name
    if folder.parent.parent.parent.name == "sandbox":
        network = "sandbox"
    if not _ADDRESS.fullmatch(account):
        raise ConfigError(
            f"--folder {folder} does not tell the account: its last parts must be NETWORK/ACCOUNT/COIN, as those of "
            "the state folder of a maker; copy it with these"
        )
    # A name of the venue is @N, or BASE/QUOTE, for which a folder has BASE-QUOTE.
    coin = folder.name if folder.name.startswith("@") else folder.name.replace("-", "/", 1)
    return Subject(
        folder=folder, network=network, account=account, coin=coin, from_ms=period.from_ms, until_ms=until_ms
    )

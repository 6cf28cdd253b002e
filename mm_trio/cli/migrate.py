"""Command `migrate`: a configuration of pyperliquidity becomes ours."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from mm_trio.cli.shell.exit_codes import ExitCode
from mm_trio.cli.shell.output import print_result
from mm_trio.cli.shell.parser import Command, add_json_option

__all__ = ["COMMAND", "add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `migrate`."""
    parser.add_argument("file", type=Path, metavar="FILE", help="configuration file (TOML) of pyperliquidity")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the new file there (default: to stdout)")
    add_json_option(parser)


def run(arguments: argparse.Namespace) -> int:
    """Migrate a configuration and return the exit code."""
    from mm_trio.cli.programs.migrate_config import migrate_config

    # Where pyperliquidity's operators keep the address. It is not a secret.
    account = os.environ.get("PYPERLIQUIDITY_WALLET", "").strip() or None
    migration = migrate_config(arguments.file, account=account, out=arguments.out)
    print_result(migration, as_json=arguments.json)
    return ExitCode.CLEAN


COMMAND = Command(
    name="migrate",
    help="turn a configuration of pyperliquidity into one of ours",
    description="Reads a configuration file of pyperliquidity and writes one that `run` accepts, with what changed in "
    "words. What it does not know is named, and keys are never read, written or shown. The address is taken from "
    "PYPERLIQUIDITY_WALLET where that is set. Sends nothing, and replaces no file.",
    add_arguments=add_arguments,
    run=run,
)

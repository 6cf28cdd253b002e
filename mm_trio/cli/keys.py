"""Command `keys`: make, show or replace the key of an agent."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from mm_trio.cli.shell.exit_codes import ExitCode
from mm_trio.cli.shell.grids import load_account
from mm_trio.cli.shell.output import print_result, set_up_logging
from mm_trio.cli.shell.parser import Command, add_json_option, parse_seconds, whole_number
from mm_trio.cli.shell.stop_signal import StopSignal
from mm_trio.cli.shell.verdict import gives_verdict
from mm_trio.model.errors import ConfigError
from mm_trio.terminal_ui.streams import print_out, tell

if TYPE_CHECKING:
    from mm_trio.cli.key_programs.make_key import KeyOptions
    from mm_trio.config.keys import Secret
    from mm_trio.config.settings import MarketSettings

__all__ = ["COMMAND", "add_arguments", "add_making_arguments", "add_new_arguments", "new", "rotate", "show"]

WAIT_S, MOST_DAYS = 600.0, 180
# Agents belong to an account, whatever it trades.
_ANY_COIN, _ANY_LADDER = "@0", {"start_px": "1", "n_orders": 1, "order_sz": "1"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of all verbs."""
    add_json_option(parser)
    parser.add_argument("--config", type=Path, metavar="FILE", help="configuration file (TOML) of the maker")
    parser.add_argument(
        "--account", metavar="A", help="address of the account, where there is no FILE yet (or MM_TRIO_ACCOUNT_ADDRESS)"
    )
    parser.add_argument("--network", metavar="N", help="its network, where there is no FILE yet (default: sandbox)")


def add_making_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verbs that make a key."""
    add_arguments(parser)
    named = parser.add_mutually_exclusive_group()
    named.add_argument("--name", metavar="N", help="name of the agent, 1 to 16 characters")
    named.add_argument("--unnamed", action="store_true", help="the account's one agent without a name")
    parser.add_argument(
        "--days",
        type=whole_number(1, MOST_DAYS),
        default=MOST_DAYS,
        metavar="D",
        help=f"days until a named agent ends (default: {MOST_DAYS}, the venue's most)",
    )
    parser.add_argument(
        "--wait",
        type=parse_seconds,
        default=WAIT_S,
        metavar="S",
        help=f"wait S seconds in all for the approval (default: {WAIT_S:g})",
    )
    parser.add_argument(
        "--passphrase-fd", metavar="N", help="read the keystore's passphrase from this open file descriptor"
    )


def add_new_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `new`."""
    add_making_arguments(parser)
    parser.add_argument("--keystore", action="store_true", help="encrypt the key with a passphrase (keystore, v3 JSON)")


@gives_verdict
def new(arguments: argparse.Namespace, stop: StopSignal) -> int:
    """Make a key, wait until the venue lists it, and return the exit code."""
    from mm_trio.cli.key_programs.make_key import make_new_key

    market = _begin(arguments)
    if arguments.passphrase_fd is not None and not arguments.keystore:
        raise ConfigError("--passphrase-fd is of use with --keystore alone; give both, or neither")
    phrase = _find_new_phrase(arguments) if arguments.keystore else None
    work = partial(
        make_new_key,
        market,
        _read_options(arguments, phrase),
        environ=arguments.environment.plain,
        tell=_find_teller(arguments),
    )
    report = stop.run(work)
    print_result(report, as_json=arguments.json)
    return report.exit_code


@gives_verdict
def show(arguments: argparse.Namespace, stop: StopSignal) -> int:
    """List the agents of an account and return the exit code."""
    from mm_trio.cli.key_programs.show_keys import show_keys
    from mm_trio.config.keys import PASSPHRASE_FILE_VARIABLE, load_key

    market = _begin(arguments)
    secrets = arguments.environment.secrets
    # A passphrase alone is not a key.
    has_key = any(_is_given(secret) for name, secret in secrets.items() if name != PASSPHRASE_FILE_VARIABLE)
    key = load_key(secrets, passphrase=_find_asker()) if has_key else None
    report = stop.run(partial(show_keys, market, key))
    print_result(report, as_json=arguments.json)
    return ExitCode.CLEAN


@gives_verdict
def rotate(arguments: argparse.Namespace, stop: StopSignal) -> int:
    """Replace the maker's key and return the exit code."""
    from mm_trio.cli.key_programs.make_key import find_source, rotate_key
    from mm_trio.config.keys import KEYSTORE_VARIABLE

    market = _begin(arguments)
    secrets = arguments.environment.secrets
    is_keystore = KEYSTORE_VARIABLE in secrets and _is_given(secrets[KEYSTORE_VARIABLE])
    # The same passphrase as before, because the maker is given that one.
    phrase = _find_phrase(arguments, ask=_find_asker()) if is_keystore else None
    source = find_source(secrets, passphrase=None if phrase is None else phrase.reveal)
    work = partial(rotate_key, market, _read_options(arguments, phrase), source, tell=_find_teller(arguments))
    report = stop.run(work)
    print_result(report, as_json=arguments.json)
    return report.exit_code


def _begin(arguments: argparse.Namespace) -> MarketSettings:
    """Read whose agents the command is about. Errors: ConfigError."""
    from mm_trio.config.dump_protection import forbid_dumps
    from mm_trio.config.loading import parse_settings

    forbid_dumps()
    set_up_logging(sys.stderr)
    environ = arguments.environment.plain
    words = {name: value for name in ("account", "network") if (value := getattr(arguments, name)) is not None}
    if arguments.config is None:
        # A key may be made before the rest of a configuration is known.
        document = {"market": {"coin": _ANY_COIN, **words}, "strategy": _ANY_LADDER}
        return parse_settings(document, environ=environ, source="without --config").market
    if words:
        raise ConfigError(
            f"--{' and --'.join(words)}: --config names the account and its network; give one or the other"
        )
    # The account is the same for each of them.
    return load_account(arguments).grids[0].market


def _read_options(arguments: argparse.Namespace, phrase: Secret | None) -> KeyOptions:
    from mm_trio.cli.key_programs.make_key import KeyOptions

    return KeyOptions(
        name=arguments.name,
        is_unnamed=arguments.unnamed,
        days=arguments.days,
        wait_s=arguments.wait,
        phrase=phrase,
    )


def _find_teller(arguments: argparse.Namespace) -> Callable[[str], None]:
    """Find where a person reads what to approve; stdout has the result alone with `--json`."""
    return (lambda text: tell(*text.splitlines())) if arguments.json else print_out


def _is_given(secret: Secret) -> bool:
    return bool(secret.reveal())


# --- Passphrases ------------------------------------------------------------------------------


def _find_new_phrase(arguments: argparse.Namespace) -> Secret:
    return _find_phrase(arguments, ask=_ask_twice if sys.stdin.isatty() else None)


def _find_phrase(arguments: argparse.Namespace, *, ask: Callable[[], str] | None) -> Secret:
    """Find a passphrase: of the descriptor, of the file that the environment names, or of the person.

    Errors: ConfigError where there is none, or two.
    """
    from mm_trio.config.key_descriptor import read_descriptor
    from mm_trio.config.keys import PASSPHRASE_FILE_VARIABLE, Secret, find_passphrase

    given = arguments.environment.secrets.get(PASSPHRASE_FILE_VARIABLE)
    path = given.reveal() if given is not None and _is_given(given) else None
    if arguments.passphrase_fd is None:
        phrase = Secret(find_passphrase(path, ask).decode("utf-8", "surrogateescape"))
    elif path is not None:
        raise ConfigError(f"--passphrase-fd and {PASSPHRASE_FILE_VARIABLE} both give a passphrase; keep one of them")
    else:
        content = read_descriptor(arguments.passphrase_fd)
        if isinstance(content, str):
            raise ConfigError(f"--passphrase-fd {content}")
        phrase = Secret(content.removesuffix(b"\n").removesuffix(b"\r").decode("utf-8", "surrogateescape"))
    if not _is_given(phrase):
        raise ConfigError(
            f"the keystore needs a passphrase that is not empty: give it by --passphrase-fd, or by a file that "
            f"{PASSPHRASE_FILE_VARIABLE} names, or run on a terminal to be asked for it"
        )
    return phrase


def _find_asker() -> Callable[[], str] | None:
    return _ask if sys.stdin.isatty() else None


def _ask(prompt: str = "passphrase of the keystore: ") -> str:
    from getpass import getpass

    return getpass(prompt)


def _ask_twice() -> str:
    """Ask for a new passphrase. Errors: ConfigError where the two differ."""
    phrase = _ask("passphrase of the new keystore: ")
    if _ask("the same once more: ") != phrase:
        raise ConfigError("the two passphrases differ; nothing was made, run the command again")
    return phrase


COMMAND = Command(
    name="keys",
    help="make, show or replace the key of an agent (API wallet)",
    description="The maker signs with the key of an agent, which the account's owner approves on the venue's page. The "
    "account's own key is never asked for. No agent lives longer than 180 days.",
    verbs=(
        Command(
            name="new",
            help="make a key and wait until the venue lists it",
            description="Makes the key of an agent on this machine, in a file of mode 0600 below the state folder; a "
            "file that is there is never overwritten. Prints what the owner has to approve, and waits until the venue "
            "lists it. Exit code 3: it was not listed in time, or the venue cannot be reached.",
            add_arguments=add_new_arguments,
            run=new,
        ),
        Command(
            name="show",
            help="list the agents of the account and their ends",
            description="Lists the named agents of the account with the day on which each ends, and says which of them "
            "the maker's key is. Sends nothing.",
            add_arguments=add_arguments,
            run=show,
        ),
        Command(
            name="rotate",
            help="replace the maker's key by a new one",
            description="Makes a new key beside the file that MM_TRIO_KEY_FILE or MM_TRIO_KEYSTORE names, waits until "
            "the venue lists it, and then puts it in that file's place in one step. The old key is kept beside. "
            "Restart the maker afterwards. Exit code 3: it was not listed in time, and nothing was switched; the next "
            "rotation goes on with the same key.",
            add_arguments=add_making_arguments,
            run=rotate,
        ),
    ),
)

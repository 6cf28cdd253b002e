"""Making of an agent's key, and replacing one by another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import trio

from mm_trio.cli.key_programs.approval import (
    DEFAULT_NAME,
    Approval,
    Owner,
    check_name,
    fetch_owner,
    make_approval,
    wait_for_approval,
)
from mm_trio.cli.key_programs.key_files import find_beside, find_key_file, make_key, switch_key_file, write_key_file
from mm_trio.cli.key_programs.key_report import KeyReport, Replaced
from mm_trio.config.keys import KEY_FILE_VARIABLE, KEYSTORE_VARIABLE, Secret, is_master_key, load_key
from mm_trio.config.settings import MarketSettings
from mm_trio.model.errors import ConfigError, Interrupted
from mm_trio.model.replies import ListedAgent
from mm_trio.venue.rest_client import VenueClient
from mm_trio.venue.sdk import make_plain_info, make_wallet

__all__ = ["KeyOptions", "KeySource", "find_source", "make_new_key", "rotate_key"]

# Of an account that has traded little.
MOST_NAMED = 3
# Names of one maker's agents take turns.
_SUFFIXES, _MOST_NAME_CHARS = ("-2", "-3"), 16


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyOptions:
    """Options of a key that is made.

    `name` None: the usual one. `is_unnamed`: the account's one agent without a name. `phrase` makes a keystore.
    """

    name: str | None = None
    is_unnamed: bool = False
    days: int = 180
    wait_s: float = 600.0
    phrase: Secret | None = None

    def find_name(self, default: str) -> str | None:
        """Find the name to approve. Errors: ConfigError."""
        if self.is_unnamed:
            return None
        name = default if self.name is None else self.name
        check_name(name)
        return name


@dataclass(frozen=True, slots=True)
class KeySource:
    """File that the maker reads its key from, and that key."""

    path: Path
    is_keystore: bool
    key: Secret


async def make_new_key(
    market: MarketSettings,
    options: KeyOptions,
    *,
    environ: Mapping[str, str],
    tell: Callable[[str], None],
    stop_scope: trio.CancelScope,
) -> KeyReport:
    """Make a key, tell what to approve, and wait until the venue lists it.

    Nothing is made where the venue does not answer, or does not know the account. Errors: ConfigError, VenueError;
    Interrupted once `stop_scope` is cancelled.
    """
    name = options.find_name(DEFAULT_NAME)
    path = find_key_file(environ, market, name, is_keystore=options.phrase is not None)
    client = _make_client(market)
    with _stopping(stop_scope, path):
        owner = await fetch_owner(client, market)
        agents = await _fetch_agents(client, owner)
        key = make_key()
        await trio.to_thread.run_sync(lambda: write_key_file(path, key, phrase=options.phrase))
        approval = _make_approval(market, owner, key, name=name, days=options.days)
        tell(f"A new key is in {path}; no other file has it.\n{approval.to_text()}{_warn(name, agents)}")
        listed = await _wait(client, approval, options, tell)
        return KeyReport(
            approval=approval,
            path=path,
            is_keystore=options.phrase is not None,
            listed=listed,
            within_s=options.wait_s,
        )
    raise AssertionError("a stopped command ends by an error")


def find_source(secrets: Mapping[str, Secret], *, passphrase: Callable[[], str] | None) -> KeySource:
    """Find the file that the maker's key is read from, as `run` finds it.

    Errors: ConfigError, also for a key from elsewhere, which cannot be switched.
    """
    key = load_key(secrets, passphrase=passphrase)
    for variable in (KEY_FILE_VARIABLE, KEYSTORE_VARIABLE):
        if variable in secrets and (text := secrets[variable].reveal()):
            # It was read from there, so it is a path and not a key given by mistake.
            return KeySource(Path(text).expanduser(), variable == KEYSTORE_VARIABLE, key)
    raise ConfigError(
        f"the key is not read from a file, so it cannot be replaced there: set {KEY_FILE_VARIABLE} or "
        f"{KEYSTORE_VARIABLE}, or make a key with `mm-trio keys new` and give that one to the maker"
    )


async def rotate_key(
    market: MarketSettings,
    options: KeyOptions,
    source: KeySource,
    *,
    tell: Callable[[str], None],
    stop_scope: trio.CancelScope,
) -> KeyReport:
    """Make another key, and put it in the place of the present one once the venue lists it.

    A key that an earlier rotation left unapproved is waited for again, because it never signed anything. The present
    key is kept beside: it may be the only copy, and a maker can go back to it. Errors: ConfigError, VenueError;
    Interrupted once `stop_scope` is cancelled.
    """
    client, beside = _make_client(market), find_beside(source.path)
    with _stopping(stop_scope, beside):
        owner = await fetch_owner(client, market)
        address = source.key.lend(make_wallet).address.lower()
        await _check_replaceable(client, owner, address)
        agents = await _fetch_agents(client, owner)
        old_name = next((agent.name for agent in agents if agent.address == address), None)
        name = options.find_name(_find_next_name(old_name, agents))
        key = await trio.to_thread.run_sync(lambda: _find_next_key(beside, source, options))
        approval = _make_approval(market, owner, key, name=name, days=options.days)
        tell(f"The next key is in {beside}; no other file has it.\n{approval.to_text()}{_warn(name, agents, old_name)}")
        listed = await _wait(client, approval, options, tell)
        replaced = None
        if listed is not None:
            kept = switch_key_file(source.path, address=address)
            replaced = Replaced(address, old_name, kept)
        return KeyReport(
            approval=approval,
            path=beside if replaced is None else source.path,
            is_keystore=source.is_keystore,
            listed=listed,
            within_s=options.wait_s,
            is_rotation=True,
            replaced=replaced,
        )
    raise AssertionError("a stopped command ends by an error")


async def _fetch_agents(client: VenueClient, owner: Owner) -> tuple[ListedAgent, ...]:
    return () if owner.address is None else await client.fetch_agents(owner.address)


async def _check_replaceable(client: VenueClient, owner: Owner, address: str) -> None:
    """Refuse to replace the key of an account. Errors: ConfigError, VenueError."""
    is_master = is_master_key(address, owner.account) or address == owner.address
    role = "user" if is_master else (await client.fetch_role(address))[0]
    if role not in ("agent", "missing"):
        raise ConfigError(
            f"the key is not an agent's: its address {address} is an account of its own, and such a key is not "
            "replaced; make one of an agent with `mm-trio keys new`"
        )


def _find_next_name(old_name: str | None, agents: Sequence[ListedAgent]) -> str:
    """Find the usual name of the next agent."""
    return DEFAULT_NAME if old_name is None else _find_other_name(old_name, [agent.name for agent in agents])


def _find_other_name(name: str, taken: Sequence[str]) -> str:
    """Find another name than the present agent's, which then goes on until its maker knows the new key.

    One that no agent has is preferred: another maker of the account may use that agent.
    """
    stem = name[:-2] if name.endswith(_SUFFIXES) and len(name) > 2 else name
    others = [each for each in (stem, *(stem[: _MOST_NAME_CHARS - 2] + end for end in _SUFFIXES)) if each != name]
    return next((each for each in others if each not in taken), others[0])


def _warn(name: str | None, agents: Sequence[ListedAgent], old_name: str | None = None) -> str:
    """Warn the owner of what this approval would end, or why the venue may refuse it."""
    if name is None:
        return ""
    if name == old_name:
        return "\nIt has the name of the present agent, whose key ends with this approval: stop the maker before."
    addresses = {agent.name: agent.address for agent in agents}
    if name in addresses:
        return (
            f"\nThe account has an agent {name} already ({addresses[name]}), which ends with this approval: where a "
            "maker signs with its key, end this command and take another --name."
        )
    if len(addresses) < MOST_NAMED:
        return ""
    return (
        f"\nThe account has {len(addresses)} agents with a name already ({', '.join(addresses)}), and the venue allows "
        f"{MOST_NAMED}: remove one first, or end this command and take its name by --name."
    )


def _find_next_key(beside: Path, source: KeySource, options: KeyOptions) -> Secret:
    """Find the key that an earlier rotation left, or make one. Errors: ConfigError."""
    if beside.exists():
        variable = KEYSTORE_VARIABLE if source.is_keystore else KEY_FILE_VARIABLE
        phrase = options.phrase
        try:
            return load_key({variable: Secret(str(beside))}, passphrase=None if phrase is None else phrase.reveal)
        except ConfigError as error:
            # A machine that lost power may have left a part of it.
            raise ConfigError(
                f"the next key in {beside} cannot be used: {error}; delete it and run this again"
            ) from None
    key = make_key()
    write_key_file(beside, key, phrase=options.phrase if source.is_keystore else None)
    return key


def _make_client(market: MarketSettings) -> VenueClient:
    info = make_plain_info(market.base_url)
    return VenueClient(info, address=market.account, run_sync=trio.to_thread.run_sync)


def _make_approval(market: MarketSettings, owner: Owner, key: Secret, *, name: str | None, days: int) -> Approval:
    return make_approval(market, owner, key.lend(make_wallet).address, name=name, days=days)


async def _wait(
    client: VenueClient, approval: Approval, options: KeyOptions, tell: Callable[[str], None]
) -> ListedAgent | None:
    tell(f"Waiting up to {options.wait_s:g} s until the venue lists it; Ctrl-C ends that, and the key stays.")
    return await wait_for_approval(client, approval, within_s=options.wait_s)


@contextmanager
def _stopping(stop_scope: trio.CancelScope, path: Path) -> Iterator[None]:
    """Let a signal end what is within, and tell where the key is.

    Errors: Interrupted.
    """
    with stop_scope:
        yield
        return
    is_made = path.exists()
    raise Interrupted(
        checked=("key made",) if is_made else (),
        not_checked=("approval",),
        summary={"listed": False, "file": str(path) if is_made else None},
        note=f"the key stays in {path}" if is_made else "",
    )

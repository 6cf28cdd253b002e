"""Approval of an agent by the owner of an account.

The owner signs it with the account's own key, on the venue's page or with the SDK. This program never reads that key:
it says what to approve, and asks the venue whether that was done.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from datetime import UTC, datetime

import trio

from mm_trio.cli.programs.start_checks import ROLE_PAUSE_S, ROLE_TRIES
from mm_trio.config.settings import MarketSettings
from mm_trio.grids.schedule import read_machine_clock
from mm_trio.model.errors import ConfigError, VenueError
from mm_trio.model.replies import ListedAgent
from mm_trio.venue.rest_client import VenueClient
from mm_trio.witness.account_role import AccountRole, find_role_fault

__all__ = [
    "DAY_MS",
    "DEFAULT_NAME",
    "MOST_DAYS",
    "Approval",
    "Owner",
    "check_name",
    "fetch_owner",
    "make_approval",
    "show_date",
    "wait_for_approval",
]

_log = logging.getLogger(__name__)

DEFAULT_NAME = "mm_trio"
# The venue allows any text of 16 characters. These may be part of a file's name, too.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,15}")
DAY_MS = 86_400_000
# The venue's most. A little less is asked for, because this machine's clock may be ahead of the venue's.
MOST_DAYS, CLOCK_SLACK_MS = 180, 3_600_000
_PAGES = {
    "mainnet": "on https://app.hyperliquid.xyz/API",
    "testnet": "on https://app.hyperliquid-testnet.xyz/API",
    "sandbox": "with `approveAgent` of the SDK (a sandbox has no page)",
}
# A look costs 20 of the 1,200 of request weight that this IP address has in a minute, and a third one 60 more. At the
# longest pause that is a fifth of it, and a maker that runs here needs the rest.
FIRST_PAUSE_S, MOST_PAUSE_S, PAUSE_GROWTH = 1.0, 10.0, 1.5
ROLE_EVERY = 3
TELL_EVERY_S = 30.0


def check_name(name: str) -> None:
    """Refuse a name that the venue or a file cannot have. Errors: ConfigError."""
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"--name: must be 1 to 16 letters, digits, dots, _ or -, the first one a letter or digit, got {name!r:.60}"
        )


def show_date(ms: int) -> str:
    """Show a time of the venue as a date, in UTC."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Who approves agents for the configured account, and whose they are listed as.

    `address` None: the leader of a vault, whom the venue does not name.
    """

    account: str
    address: str | None

    def describe(self) -> str:
        """Describe the owner for whoever has to sign."""
        if self.address is None:
            return f"the leader of the vault {self.account}"
        return self.address if self.address == self.account else f"{self.address}, the master of {self.account}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """What the owner of an account has to approve.

    `name` None: the account's one agent without a name.
    """

    network: str
    owner: Owner
    address: str
    name: str | None
    valid_until_ms: int

    @property
    def signed_name(self) -> str:
        """Return the name as it is signed, with the end of its life."""
        return "" if self.name is None else f"{self.name} valid_until {self.valid_until_ms}"

    def to_text(self) -> str:
        """Tell the owner what to approve, and where."""
        days = round((self.valid_until_ms - read_machine_clock()) / DAY_MS)
        lines = [
            f"Approve this agent (API wallet) {_PAGES[self.network]}. It is signed with the account's own key, which "
            "this program never reads.",
            f"  account  {self.owner.describe()}",
            f"  address  {self.address}",
        ]
        if self.name is None:
            lines.append("  name     none: it replaces the account's agent without a name, which ends at once")
        else:
            lines.append(f"  name     {self.signed_name}")
            lines.append(f"           (ends {show_date(self.valid_until_ms)}; a page that asks for days: {days})")
            lines.append("           An agent that has this name already is replaced, and ends at once.")
        return "\n".join(lines)

    def to_json(self) -> dict[str, object]:
        """Return plain JSON values."""
        return {
            "address": self.address,
            "account": self.owner.account,
            "owner": self.owner.address,
            "name": self.name,
            "signed_name": self.signed_name,
            "valid_until": None if self.name is None else self.valid_until_ms,
        }


def make_approval(market: MarketSettings, owner: Owner, address: str, *, name: str | None, days: int) -> Approval:
    """Make the approval of an agent that ends after so many days."""
    valid_until_ms = read_machine_clock() + days * DAY_MS - CLOCK_SLACK_MS
    return Approval(
        network=market.network, owner=owner, address=address.lower(), name=name, valid_until_ms=valid_until_ms
    )


async def fetch_owner(client: VenueClient, market: MarketSettings) -> Owner:
    """Ask who approves agents for an account.

    Errors: ConfigError for an address that is not an account; VenueError, after a few tries.
    """
    for n in range(1, ROLE_TRIES + 1):
        try:
            role, owner = await client.fetch_role(market.account)
            break
        except VenueError:
            if n == ROLE_TRIES:
                raise
        await trio.sleep(ROLE_PAUSE_S)
    is_delegate = role in ("subAccount", "vault")
    known = AccountRole(account=market.account, role=role, owner=owner)
    if (fault := find_role_fault(known, network=market.network, is_vault=is_delegate)) is not None:
        raise ConfigError(fault)
    return Owner(account=market.account, address=owner if is_delegate else market.account)


async def wait_for_approval(client: VenueClient, approval: Approval, *, within_s: float) -> ListedAgent | None:
    """Ask the venue until it lists the agent; return None where the time is up.

    An agent without a name is not listed. It is known by its role, and no end of it is told. Errors: ConfigError where
    another account approved it.
    """
    until_s, tell_at_s = trio.current_time() + within_s, trio.current_time() + TELL_EVERY_S
    # Who is not listed is asked for by its role, which costs three times as much.
    is_listed = approval.name is not None and approval.owner.address is not None
    pause_s, n_looks, told = FIRST_PAUSE_S, 0, ""
    with trio.move_on_after(within_s):
        while True:
            n_looks += 1
            try:
                found = await _look(client, approval, asks_role=not is_listed or n_looks % ROLE_EVERY == 0)
            except VenueError as error:
                found = None
                if str(error) != told:
                    _log.warning("approval not looked up: error=%s; trying again", error)
                told = str(error)
            if found is not None:
                return found
            if (now_s := trio.current_time()) >= tell_at_s:
                tell_at_s = now_s + TELL_EVERY_S
                left_s = until_s - now_s
                _log.info(
                    "waiting for the approval: address=%s looks=%d left_s=%.0f", approval.address, n_looks, left_s
                )
            await trio.sleep(pause_s if is_listed else pause_s * ROLE_EVERY)
            pause_s = min(pause_s * PAUSE_GROWTH, MOST_PAUSE_S)
    return None


async def _look(client: VenueClient, approval: Approval, *, asks_role: bool) -> ListedAgent | None:
    owner = approval.owner.address
    if owner is not None and approval.name is not None:
        for agent in await client.fetch_agents(owner):
            if agent.address == approval.address:
                return agent
    if not asks_role:
        return None
    role, master = await client.fetch_role(approval.address)
    if role != "agent" or master is None:
        return None
    if owner is not None and master != owner:
        raise ConfigError(
            f"{master} approved the agent {approval.address}, and the agents of {approval.owner.account} are approved "
            f'by {owner}; approve it from there, or put account = "{master}"'
        )
    return ListedAgent("", approval.address, None)

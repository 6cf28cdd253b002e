"""Agents of an account, and which of them the maker's key is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import trio

from mm_trio.cli.key_programs.approval import DAY_MS, Owner, fetch_owner, show_date
from mm_trio.config.keys import Secret
from mm_trio.config.settings import MarketSettings
from mm_trio.grids.schedule import read_machine_clock
from mm_trio.model.errors import Interrupted
from mm_trio.model.replies import ListedAgent
from mm_trio.venue.rest_client import START_PATIENCE_S, VenueClient
from mm_trio.venue.sdk import make_plain_info, make_wallet

__all__ = ["KeysReport", "show_keys"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeysReport:
    """Named agents of an account at a moment.

    `this_key` is the address of the maker's key, None without one. `role` is what the venue says of a key that is not
    listed, in our words.
    """

    owner: Owner
    agents: tuple[ListedAgent, ...]
    now_ms: int
    this_key: str | None
    role: str = ""

    def to_json(self) -> dict[str, object]:
        """Return plain JSON values; times are in ms."""
        rows = [
            {
                "name": agent.name,
                "address": agent.address,
                "valid_until": agent.valid_until_ms,
                "days_left": self._compute_days(agent),
                "this_key": agent.address == self.this_key,
            }
            for agent in self.agents
        ]
        return {
            "account": self.owner.account,
            "owner": self.owner.address,
            "agents": rows,
            "this_key": self.this_key,
            "this_key_is": self.role or None,
        }

    def to_text(self) -> str:
        """Return a line for each agent."""
        head = f"agents of {self.owner.describe()}: {len(self.agents) or 'none with a name'}"
        lines = [self._show(agent) for agent in self.agents]
        if self.this_key is None:
            lines.append("no key is given to this command, so none of them is marked as the maker's")
        elif self.role:
            lines.append(f"this key, {self.this_key}, is {self.role}")
        return "\n".join([head, *lines])

    def _show(self, agent: ListedAgent) -> str:
        days, ends = self._compute_days(agent), "no end is told"
        if agent.valid_until_ms is not None:
            ends = f"until {show_date(agent.valid_until_ms)}, {days} days left"
        mark = "  <- this key" if agent.address == self.this_key else ""
        return f"  {agent.address}  {agent.name:16}  {ends}{mark}"

    def _compute_days(self, agent: ListedAgent) -> float | None:
        if agent.valid_until_ms is None:
            return None
        return round((agent.valid_until_ms - self.now_ms) / DAY_MS, 1)


async def show_keys(market: MarketSettings, key: Secret | None, *, stop_scope: trio.CancelScope) -> KeysReport:
    """List the agents of an account.

    Errors: ConfigError, VenueError; Interrupted once `stop_scope` is cancelled.
    """
    info = make_plain_info(market.base_url)
    client = VenueClient(info, address=market.account, run_sync=trio.to_thread.run_sync, patience_s=START_PATIENCE_S)
    with stop_scope:
        owner = await fetch_owner(client, market)
        agents = () if owner.address is None else await client.fetch_agents(owner.address)
        this_key = None if key is None else key.lend(make_wallet).address.lower()
        now_ms = read_machine_clock()
        role = "" if this_key is None else await _describe_unlisted(client, owner, agents, this_key)
        return KeysReport(owner=owner, agents=agents, now_ms=now_ms, this_key=this_key, role=role)
    raise Interrupted(not_checked=("agents of the account",))


async def _describe_unlisted(client: VenueClient, owner: Owner, agents: Sequence[ListedAgent], address: str) -> str:
    """Describe a key that is not among the named agents; empty for one that is."""
    if any(agent.address == address for agent in agents):
        return ""
    if address in (owner.address, owner.account):
        return "the account's own key; give the maker the key of an agent"
    role, master = await client.fetch_role(address)
    if role == "agent":
        whose = "the account's agent without a name, of which the venue tells no end" if master == owner.address else ""
        return whose or f"an agent of {master}"
    if role == "missing":
        return "not an agent: it was never approved here, was replaced or removed, or has expired"
    return f"not an agent: the venue knows its address as {role!r}"

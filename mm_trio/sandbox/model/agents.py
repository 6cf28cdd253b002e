"""Approvals of API wallets (agents) and of builders.

An approval says which address may sign for which master, under which name and until when. This module knows the
venue's limits and texts for approvals. It reads no clock and recovers no signature; the caller says whether an
address has an account.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from mm_trio.sandbox.model.sub_accounts import SubAccounts

__all__ = ["MAX_NAMED_AGENTS", "Agent", "Agents"]

# One more agent without a name is allowed. Source: docs *Nonces and API wallets*.
MAX_NAMED_AGENTS = 3
_DAY_MS = 86_400_000
DEFAULT_VALIDITY_MS = 90 * _DAY_MS
MAX_VALIDITY_MS = 180 * _DAY_MS
ZERO_ADDRESS = "0x" + "0" * 40

_NAME = re.compile(r"(?P<name>.{1,16}?)(?: valid_until (?P<until>[0-9]{1,16}))?", re.DOTALL)

ALREADY_USED = "Extra agent already used."
TOO_MANY = f"Too many extra agents for cumulative volume traded. Current limit is {MAX_NAMED_AGENTS}"
# The venue's words for these two were never captured.
BAD_NAME = "Invalid agent name."
BAD_EXPIRY = "Agent valid_until must be within 180 days."


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """Approval of one agent by its master.

    `valid_until_ms` None means that it never expires, as for the key that a sandbox starts with.
    """

    address: str
    master: str
    name: str | None = None
    valid_until_ms: int | None = None

    def is_valid(self, now_ms: int) -> bool:
        """Check that the approval has not expired."""
        return self.valid_until_ms is None or now_ms <= self.valid_until_ms


class Agents:
    """Approvals of agents and builders, for all masters.

    `on_removed` is called with the address of each agent that its master has ended or replaced. `sub_accounts` are
    what masters and their agents may act for besides.
    """

    def __init__(self, *, on_removed: Callable[[str], None] = lambda address: None) -> None:
        self._agents: dict[str, Agent] = {}
        self._builder_rates: dict[tuple[str, str], int] = {}
        self._on_removed = on_removed
        self.sub_accounts = SubAccounts()

    def register(self, agent: Agent) -> None:
        """Store an approval unchecked.

        An agent has one master, so a later approval of the same address replaces the earlier one.
        """
        self._agents[agent.address] = agent

    def forget(self, address: str) -> bool:
        """Remove an agent's approval without calling `on_removed`.

        Return False if there was no approval.
        """
        return self._agents.pop(address, None) is not None

    def find(self, address: str, *, now_ms: int) -> Agent | None:
        """Return an address's approval while it is valid."""
        agent = self._agents.get(address)
        return agent if agent is not None and agent.is_valid(now_ms) else None

    def named(self, master: str, *, now_ms: int) -> tuple[Agent, ...]:
        """Return a master's valid named agents, in order of approval."""
        return tuple(agent for agent in self._of(master) if agent.name is not None and agent.is_valid(now_ms))

    def approve(
        self, master: str, agent: str, name_and_expiry: str, *, now_ms: int, is_account: Callable[[str], bool]
    ) -> str:
        """Carry out an approval as its master signed it.

        `name_and_expiry` is the agent's name, followed by an expiry if the master chose one. Return the venue's
        refusal, or an empty string if it is accepted. A nameless approval replaces the nameless agent, a named one
        the agent of the same name; the zero address only ends it. An agent that is ended, replaced or expired frees
        its slot.
        Source: docs *Nonces and API wallets* (numbers, default and longest validity), the official SDK (an empty
        name means nameless), observed answers (the texts). Decided here: an address that already signs for a
        master, or has an account, counts as "used".
        """
        parsed = _parse_name(name_and_expiry)
        if parsed is None:
            return BAD_NAME
        name, until_ms = parsed
        if until_ms is None:
            until_ms = now_ms + DEFAULT_VALIDITY_MS
        elif not now_ms < until_ms <= now_ms + MAX_VALIDITY_MS:
            return BAD_EXPIRY
        held = [each for each in self._of(master) if each.name == name or not each.is_valid(now_ms)]
        if agent != ZERO_ADDRESS:
            if is_account(agent) or (self.find(agent, now_ms=now_ms) and agent not in [each.address for each in held]):
                return ALREADY_USED
            others = [each for each in self.named(master, now_ms=now_ms) if each.name != name]
            if name is not None and len(others) >= MAX_NAMED_AGENTS:
                return TOO_MANY
        for each in held:
            if each.address != agent:
                self.forget(each.address)
                self._on_removed(each.address)
        if agent != ZERO_ADDRESS:
            self.register(Agent(address=agent, master=master, name=name, valid_until_ms=until_ms))
        return ""

    def approve_builder(self, user: str, builder: str, rate: int) -> None:
        """Set the fee rate that a builder may take.

        Unit of `rate`: tenths of a basis point. A rate of 0 ends the approval.
        """
        self._builder_rates.pop((user, builder), None)
        if rate:
            self._builder_rates[user, builder] = rate

    def builder_rate(self, user: str, builder: str) -> int:
        """Return the fee rate that a builder may take.

        Unit: tenths of a basis point.
        """
        return self._builder_rates.get((user, builder), 0)

    def builders(self, user: str) -> list[str]:
        """Return the builders that the user has approved."""
        return [builder for approved_by, builder in self._builder_rates if approved_by == user]

    def _of(self, master: str) -> list[Agent]:
        return [agent for agent in self._agents.values() if agent.master == master]


def _parse_name(name_and_expiry: str) -> tuple[str | None, int | None] | None:
    """Split into name and expiry; None if too long."""
    if not name_and_expiry:
        return None, None
    match = _NAME.fullmatch(name_and_expiry)
    if match is None:
        return None
    until = match["until"]
    return match["name"], None if until is None else int(until)

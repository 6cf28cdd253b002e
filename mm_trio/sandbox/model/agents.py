"""Approvals: API wallets (agents), who may sign for whom, under which name, until when; and builders.

Knows the venue's limits and texts for approvals. Reads no clock and recovers no signature; whether an address has an
account is told by whoever asks.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["MAX_NAMED_AGENTS", "Agent", "Agents"]

MAX_NAMED_AGENTS = 3  # and one without a name; docs *Nonces and API wallets*
_DAY_MS = 86_400_000
DEFAULT_LIFE_MS = 90 * _DAY_MS
LONGEST_LIFE_MS = 180 * _DAY_MS
NOBODY = "0x" + "0" * 40

_NAME = re.compile(r"(?P<name>.{1,16}?)(?: valid_until (?P<until>[0-9]{1,16}))?", re.DOTALL)

ALREADY_USED = "Extra agent already used."
TOO_MANY = f"Too many extra agents for cumulative volume traded. Current limit is {MAX_NAMED_AGENTS}"
# The venue's words for these two were never captured.
BAD_NAME = "Invalid agent name."
BAD_LIFE = "Agent valid_until must be within 180 days."


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """One approval. `valid_until_ms` None: for ever, as for the key that a sandbox starts with."""

    address: str
    master: str
    name: str | None = None
    valid_until_ms: int | None = None

    def is_valid(self, now_ms: int) -> bool:
        return self.valid_until_ms is None or now_ms <= self.valid_until_ms


class Agents:
    """All approvals. `on_removed` hears of each agent whose master has ended it, or put another in its place."""

    def __init__(self, *, on_removed: Callable[[str], None] = lambda address: None) -> None:
        self._agents: dict[str, Agent] = {}
        self._builder_rates: dict[tuple[str, str], int] = {}
        self._on_removed = on_removed

    def register(self, agent: Agent) -> None:
        """Write an approval down as it is. One agent has one master; the last word holds."""
        self._agents[agent.address] = agent

    def forget(self, address: str) -> bool:
        """Let an agent sign no more; False if it did not anyway. Nobody is told."""
        return self._agents.pop(address, None) is not None

    def find(self, address: str, *, now_ms: int) -> Agent | None:
        """The approval of that address, as long as it is valid."""
        agent = self._agents.get(address)
        return agent if agent is not None and agent.is_valid(now_ms) else None

    def named(self, master: str, *, now_ms: int) -> tuple[Agent, ...]:
        """The agents of a master that have a name and are valid, in order of approval."""
        return tuple(agent for agent in self._of(master) if agent.name is not None and agent.is_valid(now_ms))

    def approve(self, master: str, agent: str, words: str, *, now_ms: int, is_account: Callable[[str], bool]) -> str:
        """Carry out an approval as its master signed it. `words` is the name, with an end if one is wished for.

        Gives: the venue's refusal, empty if there is none. An approval without a name replaces the one without a
        name, one of a name the one of that name; the zero address only ends it. An agent that is ended, replaced or
        past its end frees its place.
        Source: docs *Nonces and API wallets* (numbers, default and longest life), the official SDK (an empty name is
        none); what was observed of the texts. Decided here: who already signs, or has an account, is "used".
        """
        parsed = _parse_words(words)
        if parsed is None:
            return BAD_NAME
        name, until_ms = parsed
        if until_ms is None:
            until_ms = now_ms + DEFAULT_LIFE_MS
        elif not now_ms < until_ms <= now_ms + LONGEST_LIFE_MS:
            return BAD_LIFE
        held = [each for each in self._of(master) if each.name == name or not each.is_valid(now_ms)]
        if agent != NOBODY:
            if is_account(agent) or (self.find(agent, now_ms=now_ms) and agent not in [each.address for each in held]):
                return ALREADY_USED
            others = [each for each in self.named(master, now_ms=now_ms) if each.name != name]
            if name is not None and len(others) >= MAX_NAMED_AGENTS:
                return TOO_MANY
        for each in held:
            if each.address != agent:
                self.forget(each.address)
                self._on_removed(each.address)
        if agent != NOBODY:
            self.register(Agent(address=agent, master=master, name=name, valid_until_ms=until_ms))
        return ""

    def approve_builder(self, user: str, builder: str, rate: int) -> None:
        """Let a builder take so much of the user's orders, in tenths of a basis point; 0 ends it."""
        self._builder_rates.pop((user, builder), None)
        if rate:
            self._builder_rates[user, builder] = rate

    def builder_rate(self, user: str, builder: str) -> int:
        """What the user lets that builder take, in tenths of a basis point."""
        return self._builder_rates.get((user, builder), 0)

    def builders(self, user: str) -> list[str]:
        return [builder for approved_by, builder in self._builder_rates if approved_by == user]

    def _of(self, master: str) -> list[Agent]:
        return [agent for agent in self._agents.values() if agent.master == master]


def _parse_words(words: str) -> tuple[str | None, int | None] | None:
    """Name and end; None if it is too long."""
    if not words:
        return None, None
    match = _NAME.fullmatch(words)
    if match is None:
        return None
    until = match["until"]
    return match["name"], None if until is None else int(until)

"""Waiting for an approval: what is asked, how often, and what comes of each answer."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import requests
import trio
from builders import run_inline
from trio.testing import MockClock

from mm_trio.cli.key_programs.approval import Approval, Owner, check_name, fetch_owner, wait_for_approval
from mm_trio.cli.key_programs.make_key import _find_other_name, _warn
from mm_trio.config.settings import MarketSettings
from mm_trio.model.errors import ConfigError, Unreachable
from mm_trio.model.replies import ListedAgent
from mm_trio.venue.ip_weight import WEIGHT_PER_MINUTE, find_weight
from mm_trio.venue.rest_client import VenueClient

ACCOUNT, MASTER, AGENT, OTHER = ("0x" + 20 * pair for pair in ("ab", "cd", "ef", "12"))
UNTIL_MS = 1_811_000_000_000
ROW = {"name": "bot", "address": AGENT, "validUntil": UNTIL_MS}
MISSING = {"role": "missing"}
FAILED = requests.exceptions.ConnectionError("refused")


class Venue:
    """A client whose venue lists the agent, or tells its role, from so many questions on."""

    def __init__(self, *, rows: list[Any] | None = None, role: object = MISSING, from_look: int = 1) -> None:
        self._rows, self._role, self._from_look = rows or [], role, from_look
        self.asked: list[tuple[float, str]] = []

    def _count(self, name: str) -> bool:
        self.asked.append((trio.current_time(), name))
        return len(self.asked) >= self._from_look

    def extra_agents(self, user: str) -> Any:
        return self._rows if self._count("extra_agents") else []

    def user_role(self, user: str) -> Any:
        is_there = self._count("user_role")
        if isinstance(self._role, Exception):
            raise self._role
        return self._role if is_there else MISSING


def make_client(venue: Venue) -> VenueClient:
    return VenueClient(venue, address=ACCOUNT, run_sync=run_inline)


def make_approval(*, name: str | None = "bot", owner: str | None = ACCOUNT) -> Approval:
    whose = Owner(account=ACCOUNT, address=owner)
    return Approval(network="testnet", owner=whose, address=AGENT, name=name, valid_until_ms=UNTIL_MS)


async def wait(venue: Venue, approval: Approval | None = None, *, within_s: float = 600.0) -> ListedAgent | None:
    return await wait_for_approval(make_client(venue), approval or make_approval(), within_s=within_s)


async def test_an_agent_is_found_as_soon_as_it_is_listed(autojump_clock: MockClock) -> None:
    assert await wait(Venue(rows=[ROW], from_look=5)) == ListedAgent("bot", AGENT, UNTIL_MS)


async def test_the_wait_ends_at_its_deadline(autojump_clock: MockClock) -> None:
    began_s = trio.current_time()

    assert await wait(Venue(), within_s=90.0) is None
    assert trio.current_time() == began_s + 90


@pytest.mark.parametrize("name", ["bot", None])
async def test_the_wait_leaves_the_request_weight_to_the_maker(autojump_clock: MockClock, name: str | None) -> None:
    """All programs of this machine share 1,200 a minute, and a maker counts its own alone."""
    venue = Venue()

    await wait(venue, make_approval(name=name))

    ends = [ended_s for ended_s, _ in venue.asked]
    used = [sum(find_weight(kind) for s, kind in venue.asked if end_s - 60 < s <= end_s) for end_s in ends]
    assert len(venue.asked) > 15
    assert max(used) <= WEIGHT_PER_MINUTE / 3
    assert used[-1] <= WEIGHT_PER_MINUTE / 4


async def test_a_failed_look_is_told_once_and_tried_again(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    await wait(Venue(role=FAILED), make_approval(name=None), within_s=100.0)

    assert [line for line in caplog.messages if "not looked up" in line] == [
        "approval not looked up: error=user_role: ConnectionError: refused; trying again"
    ]


async def test_progress_is_told_twice_a_minute(autojump_clock: MockClock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="mm_trio")

    await wait(Venue(), within_s=125.0)

    told = [line for line in caplog.messages if line.startswith("waiting for the approval")]
    assert len(told) in (3, 4)
    assert told[0].startswith(f"waiting for the approval: address={AGENT} looks=8 left_s=9")


async def test_the_agent_of_another_account_ends_the_wait(autojump_clock: MockClock) -> None:
    role = {"role": "agent", "data": {"user": OTHER}}

    with pytest.raises(ConfigError, match=f'{OTHER} approved the agent {AGENT}.*put account = "{OTHER}"'):
        await wait(Venue(role=role))


async def test_an_agent_of_the_leader_of_a_vault_is_known_by_its_role(autojump_clock: MockClock) -> None:
    """The venue does not name the leader, so there is no list to look at."""
    venue = Venue(role={"role": "agent", "data": {"user": OTHER}}, from_look=3)

    assert await wait(venue, make_approval(owner=None)) == ListedAgent("", AGENT, None)
    assert {kind for _, kind in venue.asked} == {"user_role"}


# --- the owner ------------------------------------------------------------------------------------


async def find_owner(role: object) -> Owner:
    return await fetch_owner(
        make_client(Venue(role=role)), MarketSettings(coin="@107", network="testnet", account=ACCOUNT)
    )


@pytest.mark.parametrize(
    ("role", "owner"),
    [
        ({"role": "user"}, ACCOUNT),
        ({"role": "subAccount", "data": {"master": MASTER}}, MASTER),
        ({"role": "vault"}, None),
    ],
)
async def test_agents_are_approved_by_who_owns_the_account(
    autojump_clock: MockClock, role: object, owner: str | None
) -> None:
    assert await find_owner(role) == Owner(account=ACCOUNT, address=owner)


@pytest.mark.parametrize("role", [MISSING, {"role": "agent", "data": {"user": MASTER}}])
async def test_an_address_that_is_not_an_account_gets_no_agent(autojump_clock: MockClock, role: object) -> None:
    with pytest.raises(ConfigError, match=f"account {ACCOUNT} is "):
        await find_owner(role)


async def test_an_owner_is_asked_for_a_few_times(autojump_clock: MockClock) -> None:
    with pytest.raises(Unreachable):
        await find_owner(FAILED)


# --- names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["b", "mm_trio", "bot-7.a", "x" * 16])
def test_a_name_of_the_venue_that_a_file_may_have_is_taken(name: str) -> None:
    check_name(name)


@pytest.mark.parametrize("name", ["", "x" * 17, "../key", "two words", "bot valid_until 1", ".hidden", "_unnamed", "ü"])
def test_any_other_name_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="--name: must be 1 to 16 letters"):
        check_name(name)


def test_the_end_is_a_part_of_the_name_that_is_signed() -> None:
    assert make_approval().signed_name == f"bot valid_until {UNTIL_MS}"


@pytest.mark.parametrize(
    ("name", "taken", "other"),
    [
        ("bot", ["bot"], "bot-2"),
        ("bot-2", ["bot-2"], "bot"),
        ("bot", ["bot", "bot-2"], "bot-3"),
        ("bot-2", ["bot", "bot-2"], "bot-3"),
        ("bot-3", ["bot", "bot-2", "bot-3"], "bot"),
        ("x" * 16, ["x" * 16], "x" * 14 + "-2"),
        ("-2", ["-2"], "-2-2"),
    ],
)
def test_the_next_agent_has_another_name_that_is_free(name: str, taken: list[str], other: str) -> None:
    assert _find_other_name(name, taken) == other


def list_agents(*names: str) -> list[ListedAgent]:
    return [ListedAgent(name, AGENT, UNTIL_MS) for name in names]


@pytest.mark.parametrize(
    ("name", "listed", "old_name", "told"),
    [
        ("bot", ["bot", "a", "b"], None, f"The account has an agent bot already ({AGENT}), which ends with this"),
        ("bot", ["a", "b"], None, ""),
        (None, ["a", "b", "c"], None, ""),
        (
            "bot",
            ["a", "b", "c"],
            None,
            "The account has 3 agents with a name already (a, b, c), and the venue allows 3",
        ),
        ("bot", ["bot", "a", "b"], "bot", "It has the name of the present agent, whose key ends with this approval"),
    ],
)
def test_the_owner_is_warned_of_what_an_approval_ends_or_lacks(
    name: str | None, listed: list[str], old_name: str | None, told: str
) -> None:
    warning = _warn(name, list_agents(*listed), old_name).strip()

    assert warning.startswith(told)
    assert bool(warning) is bool(told)

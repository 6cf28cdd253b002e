"""What `run` asks at once before it checks anything, and in which order it says what is wrong."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
import requests
import trio
from trio.testing import MockClock

from mm_trio.cli.programs import start_checks
from mm_trio.cli.programs.start_checks import (
    FirstAnswers,
    ask_first,
    check_account,
    check_signer,
    look_at_key,
    refuse_skew,
)
from mm_trio.config.settings import MarketSettings
from mm_trio.model.errors import ConfigError, Unreachable, VenueError
from mm_trio.model.market import SpotMeta
from mm_trio.sandbox.model.markets import DEFAULT_MARKETS
from mm_trio.venue import wire

ACCOUNT, SIGNER = ("0x" + 20 * pair for pair in ("ab", "ef"))
DOWN = requests.exceptions.ConnectionError("down")
ROUND_S = 1.0


class Venue:
    """A client whose answers take a second; an exception among them is raised."""

    def __init__(self, **answers: Any) -> None:
        self.asked: list[tuple[float, str, str]] = []  # (moment of the answer, method, its word)
        self._answers = {
            "user_role": {ACCOUNT: {"role": "user"}, SIGNER: {"role": "agent", "data": {"user": ACCOUNT}}},
            "extra_agents": [],
            "user_fees": {"userSpotAddRate": "0.0001", "userSpotCrossRate": "0.0002"},
            "l2_snapshot": lambda: {"coin": "@107", "time": time.time_ns() // 10**6, "levels": [[], []]},
            "spot_meta": wire.parse_spot_meta(DEFAULT_MARKETS.spot_meta()),
            **answers,
        }

    def answer(self, method: str, word: str) -> Any:
        self.asked.append((trio.current_time(), method, word))
        found = self._answers[method]
        if isinstance(found, dict) and word in found:
            found = found[word]
        if callable(found):
            found = found()
        if isinstance(found, Exception):
            raise found
        return found

    def user_role(self, user: str) -> Any:
        return self.answer("user_role", user)

    def extra_agents(self, user: str) -> Any:
        return self.answer("extra_agents", user)

    def user_fees(self, address: str) -> Any:
        return self.answer("user_fees", address)

    def l2_snapshot(self, name: str) -> Any:
        return self.answer("l2_snapshot", name)

    def fetch_spot_meta(self, base_url: str) -> SpotMeta:
        answer: SpotMeta = self.answer("spot_meta", base_url)
        return answer

    async def run_sync(self, fn: Callable[..., Any], *args: Any, **options: Any) -> Any:
        if getattr(fn, "__self__", None) is self:
            await trio.sleep(ROUND_S)
        return fn(*args)

    def methods(self) -> list[str]:
        return sorted(method for _, method, _ in self.asked)


def listen(patch: pytest.MonkeyPatch, venue: Venue) -> Venue:
    patch.setattr(trio.to_thread, "run_sync", venue.run_sync)
    patch.setattr(start_checks, "fetch_spot_meta", venue.fetch_spot_meta)
    return venue


def make_market(**changed: Any) -> MarketSettings:
    return MarketSettings(**{"coin": "@107", "network": "testnet", "account": ACCOUNT, "api_url": None} | changed)


async def ask(venue: Venue, *, signer: str = SIGNER, **changed: Any) -> FirstAnswers:
    return await ask_first(venue, make_market(**changed), signer=signer)


async def check(venue: Venue, **changed: Any) -> None:
    """The checks of a start, in their order."""
    market = make_market(**changed)
    first = await ask_first(venue, market, signer=SIGNER)
    role = await check_account(first.ahead, market, signer=SIGNER)
    await check_signer(first.ahead, SIGNER, role.approver, network=market.network)
    clock, _ = first.give_clock()
    refuse_skew(clock)
    await look_at_key(first.ahead, SIGNER, owner=ACCOUNT)


async def test_all_checks_of_a_pair_named_as_at_the_venue_take_one_round(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    venue = listen(monkeypatch, Venue())

    await ask(venue)

    assert trio.current_time() == pytest.approx(ROUND_S)


async def test_what_was_asked_ahead_is_not_asked_again(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    venue = listen(monkeypatch, Venue())
    await ask(venue)
    n_asked = len(venue.asked)

    await check(listen(monkeypatch, venue := Venue()))

    asked = [(method, word) for _, method, word in venue.asked if method in ("user_role", "extra_agents")]
    assert n_asked == 6
    assert sorted(asked) == [("extra_agents", ACCOUNT), ("user_role", ACCOUNT), ("user_role", SIGNER)]


async def test_the_clock_of_a_pair_with_another_name_waits_for_the_pairs(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    venue = listen(monkeypatch, Venue())

    await ask(venue, coin="HYPE/USDC")

    ((answered_s, word),) = ((at_s, word) for at_s, method, word in venue.asked if method == "l2_snapshot")
    assert word == "@107"
    assert answered_s == pytest.approx(2 * ROUND_S)


async def test_an_accounts_own_key_is_not_asked_for(autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> None:
    venue = listen(monkeypatch, Venue())

    await ask(venue, signer=ACCOUNT)

    assert venue.methods() == ["l2_snapshot", "spot_meta", "user_fees", "user_role"]


async def test_the_key_of_a_vault_is_asked_for_once_its_master_is_known(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    venue = listen(monkeypatch, Venue())

    await ask(venue, vault=True)

    assert [word for _, method, word in venue.asked if method == "user_role"] == [ACCOUNT]


@pytest.mark.parametrize(
    "failing, error, told",
    [
        (("spot_meta", "user_role", "l2_snapshot"), Unreachable, "down"),
        (("user_role", "l2_snapshot"), Unreachable, "the role of the account could not be checked"),
        (("l2_snapshot",), Unreachable, "the clock could not be compared"),
    ],
)
async def test_of_several_failures_the_first_check_is_told(
    autojump_clock: MockClock,
    monkeypatch: pytest.MonkeyPatch,
    failing: tuple[str, ...],
    error: type[Exception],
    told: str,
) -> None:
    venue = listen(monkeypatch, Venue(**dict.fromkeys(failing, DOWN)))

    with pytest.raises(error, match=told):
        await check(venue, network="mainnet")


async def test_an_unknown_pair_is_told_before_all_else_fails(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And without waiting for what is asked in vain: the clock is asked for five times."""
    venue = listen(monkeypatch, Venue(l2_snapshot=DOWN, user_role=DOWN))

    with pytest.raises(ConfigError, match="unknown coin '@9999'"):
        await check(venue, coin="@9999")

    assert trio.current_time() == pytest.approx(ROUND_S)


async def test_a_role_that_was_not_told_ahead_is_asked_for_again(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([DOWN, {"role": "user"}])
    roles = {ACCOUNT: lambda: next(answers), SIGNER: {"role": "agent", "data": {"user": ACCOUNT}}}
    venue = listen(monkeypatch, Venue(user_role=roles))

    await check(venue)

    assert [word for _, method, word in venue.asked if method == "user_role"].count(ACCOUNT) == 2


async def test_fee_rates_that_are_not_told_stop_nobody(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await ask(listen(monkeypatch, Venue(user_fees=DOWN)))

    assert first.to_asked_before().rates is None


async def test_a_clock_that_was_not_compared_is_an_error_of_the_venue(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await ask(listen(monkeypatch, Venue(l2_snapshot=DOWN)))

    with pytest.raises(VenueError, match="the clock could not be compared"):
        first.give_clock()

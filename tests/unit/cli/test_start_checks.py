"""The exchange behind an address: its own name, or the address where it has none."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
import requests
import trio
from builders import run_inline
from trio.testing import MockClock

from mm_trio.cli.programs.start_checks import (
    check_account,
    check_signer,
    find_network,
    find_pair,
    tell_account_mode,
    warn_of_account,
)
from mm_trio.config.settings import MarketSettings, Network
from mm_trio.model.errors import ConfigError, Unreachable
from mm_trio.sandbox.model.markets import DEFAULT_MARKETS
from mm_trio.venue import wire
from mm_trio.witness.account_role import AccountRole

ACCOUNT = "0x" + "ab" * 20
OK = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b"


def make_market(port: int, network: Network = "sandbox") -> MarketSettings:
    return MarketSettings(coin="@107", network=network, account=ACCOUNT, api_url=f"http://127.0.0.1:{port}")


@contextmanager
def answering(*answers: bytes) -> Iterator[int]:
    """A port that answers one request after the other with these bytes, and then hangs up."""

    def serve() -> None:
        for answer in answers:
            with server.accept()[0] as asked:
                asked.recv(4096)
                asked.sendall(answer)

    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        server.settimeout(30)
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        thread.join(30)


def encode(body: bytes) -> bytes:
    return OK % (len(body), body)


@pytest.mark.parametrize("body", [b'{"instance":"0123456789abcdef"}', b'{"instance": "0123456789abcdef"}'])
def test_a_sandbox_is_known_by_the_name_of_this_start(body: bytes) -> None:
    with answering(encode(body)) as port:
        assert trio.run(find_network, make_market(port)) == "sandbox/0123456789abcdef"


@pytest.mark.parametrize(
    "answer",
    [
        encode(b'{"instance":"../../testnet"}'),
        encode(b'{"instance":"0123456789ABCDEF"}'),
        encode(b'{"instance":null}'),
        encode(b"x" * 100_000),
        encode(b""),
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 31\r\n\r\n" + b'{"instance":"0123456789abcdef"}',
        b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n",
        b"220 mail.example\r\n",
    ],
)
def test_an_exchange_without_a_name_is_known_by_its_address(answer: bytes) -> None:
    """And nothing that it says becomes a part of a path."""
    with answering(answer) as port:
        assert trio.run(find_network, make_market(port)) == f"sandbox/127.0.0.1-{port}"


def test_an_exchange_that_cannot_be_asked_is_not_guessed() -> None:
    """Its ledger would be looked for in another folder than before."""
    with closing(socket.socket()) as bound:
        bound.bind(("127.0.0.1", 0))
        with pytest.raises(Unreachable, match="Connection refused"):
            trio.run(find_network, make_market(bound.getsockname()[1]))


@pytest.mark.parametrize("network", ["testnet", "mainnet"])
def test_a_real_network_is_its_name_and_nobody_is_asked(network: Network) -> None:
    assert trio.run(find_network, make_market(1, network)) == network


class TellingModes:
    """A client whose venue tells this mode, or fails."""

    def __init__(self, answer: object) -> None:
        self._answer = answer

    def query_user_abstraction_state(self, user: str) -> object:
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


@pytest.mark.parametrize(
    "answer, told",
    [
        ("disabled", "account mode: standard; all that no spot order holds is free"),
        ("unifiedAccount", "account mode: unified; margin of perps is held"),
        ("portfolioMargin", "account mode: portfolio margin; margin is held"),
        ("default", "account mode: default; not known here"),
        ({"mode": 1}, "account mode not known"),
    ],
)
def test_the_mode_of_the_account_is_told_in_one_line(
    caplog: pytest.LogCaptureFixture, answer: object, told: str
) -> None:
    caplog.set_level(logging.INFO, logger="mm_trio")

    trio.run(tell_account_mode, TellingModes(answer), ACCOUNT)

    (line,) = caplog.messages
    assert line.startswith(told)


@pytest.mark.parametrize("base", [None, "HYPE"])
def test_the_configured_base_is_the_token_of_the_pair(base: str | None) -> None:
    meta = wire.parse_spot_meta(DEFAULT_MARKETS.spot_meta())

    assert find_pair(meta, MarketSettings(coin="@107", account=ACCOUNT, base=base)).base.index == 150


def test_another_base_than_the_configured_one_is_refused_with_both_names() -> None:
    meta = wire.parse_spot_meta(DEFAULT_MARKETS.spot_meta())

    with pytest.raises(ConfigError, match=r"base is 'PURR', and the base token of '@107' is 'HYPE'.*token 150"):
        find_pair(meta, MarketSettings(coin="@107", account=ACCOUNT, base="PURR"))


class TellingRoles:
    """A client whose venue tells these roles, by address and in order; the last one stays."""

    def __init__(self, **roles: object) -> None:
        self._roles = {
            "0x" + 20 * pair: list(told) if isinstance(told, list) else [told] for pair, told in roles.items()
        }
        self.asked: list[str] = []

    def user_role(self, user: str) -> object:
        self.asked.append(user)
        told = self._roles[user]
        answer = told.pop(0) if len(told) > 1 else told[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


MASTER, SIGNER = ("0x" + 20 * pair for pair in ("cd", "ef"))
AGENT = {"role": "agent", "data": {"user": MASTER}}


async def check(info: TellingRoles, network: Network = "testnet") -> None:
    await check_account(info, make_market(1, network), signer=SIGNER)


@pytest.fixture
def inline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trio.to_thread, "run_sync", run_inline)


@pytest.mark.usefixtures("inline")
async def test_the_address_of_an_agent_is_refused_as_an_account(autojump_clock: MockClock) -> None:
    with pytest.raises(ConfigError, match=f'an agent of {MASTER}; put account = "{MASTER}"'):
        await check(TellingRoles(ab=AGENT, ef={"role": "missing"}))


@pytest.mark.usefixtures("inline")
async def test_an_account_that_is_missing_names_the_master_of_the_key(autojump_clock: MockClock) -> None:
    with pytest.raises(ConfigError, match=f'not known on testnet.*put account = "{MASTER}"'):
        await check(TellingRoles(ab={"role": "missing"}, ef=AGENT))


@pytest.mark.usefixtures("inline")
async def test_an_account_that_one_replica_does_not_know_is_asked_for_again(autojump_clock: MockClock) -> None:
    info = TellingRoles(ab=[{"role": "missing"}, {"role": "user"}])

    await check(info)

    assert info.asked == [ACCOUNT, ACCOUNT]


@pytest.mark.usefixtures("inline")
async def test_an_account_that_is_known_costs_one_question(autojump_clock: MockClock) -> None:
    info = TellingRoles(ab={"role": "user"})

    await check(info)

    assert info.asked == [ACCOUNT]


@pytest.mark.usefixtures("inline")
async def test_a_role_of_the_account_that_is_not_told_refuses_on_mainnet_alone(autojump_clock: MockClock) -> None:
    info = TellingRoles(ab=requests.exceptions.ConnectionError("refused"))
    await check(info)

    with pytest.raises(Unreachable, match="the role of the account could not be checked"):
        await check(info, "mainnet")


@pytest.mark.usefixtures("inline")
async def test_a_key_of_a_sub_account_of_ours_is_not_an_agent(autojump_clock: MockClock) -> None:
    """Both answers name a master; only one of them may sign."""
    sub_account = {"role": "subAccount", "data": {"master": ACCOUNT}}

    with pytest.raises(Unreachable, match="known as 'subAccount'"):
        await check_signer(TellingRoles(ef=sub_account), SIGNER, ACCOUNT, network="testnet")


@pytest.mark.usefixtures("inline")
async def test_a_plan_warns_of_an_account_that_a_maker_would_refuse(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    await warn_of_account(TellingRoles(ab=AGENT), make_market(1))

    assert caplog.messages == [
        f"a maker would not start: reason=account {ACCOUNT} is the address of an agent of {MASTER}; put account = "
        f'"{MASTER}"'
    ]


# --- sub-accounts and vaults ----------------------------------------------------------------------

SUB_ACCOUNT = {"role": "subAccount", "data": {"master": MASTER}}


async def check_vault(info: TellingRoles, *, vault: bool = True) -> AccountRole:
    market = MarketSettings(coin="@107", network="mainnet", account=ACCOUNT, vault=vault)
    return await check_account(info, market, signer=SIGNER)


@pytest.mark.usefixtures("inline")
@pytest.mark.parametrize(
    "role, vault, master",
    [(SUB_ACCOUNT, True, MASTER), ({"role": "user"}, False, ACCOUNT), ({"role": "vault"}, True, None)],
)
async def test_the_master_is_who_may_approve_a_key(
    autojump_clock: MockClock, role: object, vault: bool, master: str | None
) -> None:
    assert (await check_vault(TellingRoles(ab=role), vault=vault)).approver == master


@pytest.mark.usefixtures("inline")
@pytest.mark.parametrize("role", [{"role": "user"}, {"role": "missing"}, AGENT])
async def test_an_account_that_is_neither_sub_account_nor_vault_is_refused(
    autojump_clock: MockClock, role: object
) -> None:
    with pytest.raises(ConfigError):
        await check_vault(TellingRoles(ab=role, ef=AGENT))


@pytest.mark.usefixtures("inline")
async def test_the_agent_of_a_master_signs_for_its_sub_account() -> None:
    await check_signer(TellingRoles(ef=AGENT), SIGNER, MASTER, network="mainnet")


@pytest.mark.usefixtures("inline")
async def test_the_key_of_a_master_is_refused_on_mainnet_for_its_sub_account_too() -> None:
    with pytest.raises(ConfigError, match="could withdraw"):
        await check_signer(TellingRoles(), MASTER, MASTER, network="mainnet")


@pytest.mark.usefixtures("inline")
async def test_an_agent_of_somebody_else_is_told_of_the_setting() -> None:
    with pytest.raises(Unreachable, match=r"an account that is a sub-account or vault needs \[market\] vault = true"):
        await check_signer(TellingRoles(ef=AGENT), SIGNER, ACCOUNT, network="mainnet")


@pytest.mark.usefixtures("inline")
async def test_for_a_vault_on_mainnet_the_key_has_to_be_an_agents() -> None:
    await check_signer(TellingRoles(ef=AGENT), SIGNER, None, network="mainnet")
    with pytest.raises(ConfigError, match="for a vault on mainnet use an agent's key"):
        await check_signer(TellingRoles(ef={"role": "user"}), SIGNER, None, network="mainnet")

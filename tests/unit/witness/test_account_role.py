"""What the venue says of the configured account, and what the maker makes of it."""

from __future__ import annotations

import pytest

from mm_trio.witness.account_role import AccountRole, describe_role, find_role_fault

ACCOUNT, MASTER, OTHER = ("0x" + 20 * pair for pair in ("ab", "cd", "ef"))


def find_fault(role: str, *, owner: str | None = None, signers: str | None = None, is_vault: bool = False) -> str:
    known = AccountRole(account=ACCOUNT, role=role, owner=owner, signers_master=signers)
    return find_role_fault(known, network="testnet", is_vault=is_vault) or ""


@pytest.mark.parametrize(
    "role, owner, is_vault", [("user", None, False), ("subAccount", MASTER, True), ("vault", None, True)]
)
def test_what_the_configuration_says_is_no_fault(role: str, owner: str | None, is_vault: bool) -> None:
    assert find_fault(role, owner=owner, is_vault=is_vault) == ""


@pytest.mark.parametrize("is_vault", [False, True])
def test_the_address_of_an_agent_names_its_master(is_vault: bool) -> None:
    assert find_fault("agent", owner=MASTER, is_vault=is_vault) == (
        f'account {ACCOUNT} is the address of an agent of {MASTER}; put account = "{MASTER}"'
    )


@pytest.mark.parametrize("is_vault", [False, True])
def test_an_address_that_is_missing_names_the_network(is_vault: bool) -> None:
    assert find_fault("missing", is_vault=is_vault) == (
        f"account {ACCOUNT} is not known on testnet: nothing was ever paid in to it there; "
        "check the address and [market] network"
    )


def test_an_address_that_is_missing_names_the_master_of_the_key() -> None:
    assert f'the key is an agent of {OTHER}; put account = "{OTHER}"' in find_fault("missing", signers=OTHER)


def test_a_sub_account_needs_the_word_vault() -> None:
    assert find_fault("subAccount", owner=MASTER) == (
        f"account {ACCOUNT} is a sub-account of {MASTER}: put vault = true into [market] to trade for it; or account = "
        f'"{MASTER}"'
    )


def test_a_vault_needs_the_word_vault() -> None:
    assert find_fault("vault") == f"account {ACCOUNT} is a vault: put vault = true into [market] to trade for it"


def test_a_vault_names_the_master_of_the_key_too() -> None:
    assert find_fault("vault", signers=MASTER).endswith(f'the key is an agent of {MASTER}; put account = "{MASTER}"')


def test_an_ordinary_account_is_not_a_vault() -> None:
    assert find_fault("user", is_vault=True) == (
        f"account {ACCOUNT} is an ordinary account, not a sub-account or a vault: remove vault = true"
    )


def test_the_master_in_place_of_his_sub_account_is_told() -> None:
    assert find_fault("user", is_vault=True, signers=OTHER).endswith(f'or put account = "{OTHER}"')


def test_a_role_that_is_new_stops_nobody() -> None:
    assert find_fault("multiSig") == ""
    assert describe_role(AccountRole(account=ACCOUNT, role="multiSig")) == "known as 'multiSig'"


@pytest.mark.parametrize(
    "role, owner, line",
    [
        ("user", None, "an ordinary account"),
        ("subAccount", MASTER, f"a sub-account of {MASTER}"),
        ("vault", None, "a vault"),
    ],
)
def test_an_account_is_described_in_one_line(role: str, owner: str | None, line: str) -> None:
    assert describe_role(AccountRole(account=ACCOUNT, role=role, owner=owner)) == line


@pytest.mark.parametrize(
    "role, owner, approver", [("user", None, ACCOUNT), ("subAccount", MASTER, MASTER), ("vault", None, None)]
)
def test_agents_are_approved_by_the_owner(role: str, owner: str | None, approver: str | None) -> None:
    assert AccountRole(account=ACCOUNT, role=role, owner=owner).approver == approver

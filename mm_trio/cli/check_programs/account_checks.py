"""Checks of key and account."""

from __future__ import annotations

from mm_trio.cli.check_programs.facts import Facts
from mm_trio.cli.check_programs.findings import Check, Outcome, Unknown, Verdict, expect, need
from mm_trio.cli.check_programs.ladder_facts import find_free
from mm_trio.cli.programs.start_checks import MODES
from mm_trio.config.keys import is_master_key
from mm_trio.witness.account_role import describe_role, find_role_fault
from mm_trio.witness.key_life import KeyLife
from mm_trio.witness.key_role import find_key_fault, find_own_key_fault

__all__ = ["ACCOUNT_CHECKS"]

FAIL_DAYS, WARN_DAYS = 7, 14
_NEW_AGENT = "approve an agent for this maker and use its key: `mm-trio keys new`"


def check_key(facts: Facts) -> Outcome:
    """Check that a key can be read, from private places."""
    address, sources = expect(facts.key.address), facts.key.sources
    text = f"the key of {address}, from {' and '.join(sources)}"
    if len(sources) > 1:
        return Outcome(Verdict.WARN, f"{text}: the first that counts was taken", "keep one of these variables")
    if sources == ("MM_TRIO_PRIVATE_KEY",) and facts.settings.market.network == "mainnet":
        return Outcome(
            Verdict.WARN,
            f"{text}: the system keeps what a process was started with",
            "use a key file of mode 0600 (MM_TRIO_KEY_FILE) or a keystore (MM_TRIO_KEYSTORE)",
        )
    return Outcome(Verdict.PASS, text)


def check_own_key(facts: Facts) -> Outcome:
    """Check that the key cannot withdraw."""
    signer, market = need(facts.key.address), facts.settings.market
    role = facts.account.role
    owners = {market.account, None if isinstance(role, Unknown) else role.approver} - {None}
    if not any(owner is not None and is_master_key(signer, owner) for owner in owners):
        return Outcome(Verdict.PASS, "the key is not the account's own, so it cannot withdraw")
    verdict = Verdict.FAIL if market.network == "mainnet" else Verdict.WARN
    return Outcome(verdict, find_own_key_fault(signer), _NEW_AGENT)


def check_key_role(facts: Facts) -> Outcome:
    """Check that the key may trade for the account."""
    signer, role = need(facts.key.address), need(facts.account.role)
    told, master = expect(facts.account.key_role)
    if role.approver is not None and is_master_key(signer, role.approver):
        return Outcome(Verdict.PASS, "the account's own key may trade for it")
    network = facts.settings.market.network
    fault = find_key_fault(signer, told, master, account=role.approver, network=network)
    if fault is not None:
        return Outcome(Verdict.FAIL, fault, _NEW_AGENT)
    return Outcome(Verdict.PASS, f"{signer} is an agent of {master}" if master else f"{signer} is known as {told!r}")


def check_key_days(facts: Facts) -> Outcome:
    """Check how many days the key has left."""
    signer, agents = need(facts.key.address), expect(facts.account.agents)
    life = KeyLife(signer, owner="")
    life.on_listed(agents, now_ms=facts.now_ms)
    days = life.compute_days_left(facts.now_ms)
    if life.agent is None:
        return Outcome(Verdict.SKIP, "the venue lists agents with a name alone, so it tells no end of this key")
    if days is None:
        return Outcome(Verdict.PASS, f"agent {life.agent.name!r} has no end")
    text = f"agent {life.agent.name!r} ends in {days:.1f} days"
    if days <= 0 or (days < FAIL_DAYS and facts.settings.market.network == "mainnet"):
        return Outcome(Verdict.FAIL, f"{text}; at least {FAIL_DAYS} are needed on mainnet", _NEW_AGENT)
    if days < WARN_DAYS:
        return Outcome(Verdict.WARN, f"{text}, fewer than {WARN_DAYS}", f"before then {_NEW_AGENT}")
    return Outcome(Verdict.PASS, text)


def check_account(facts: Facts) -> Outcome:
    """Check that the address is an account to trade for."""
    role, market = expect(facts.account.role), facts.settings.market
    fault = find_role_fault(role, network=market.network, is_vault=market.vault)
    if fault is not None:
        return Outcome(Verdict.FAIL, fault, "change [market] account, network or vault; or pay in first")
    return Outcome(Verdict.PASS, f"{role.account} is {describe_role(role)}")


def check_mode(facts: Facts) -> Outcome:
    """Show the account's mode, and warn of an unknown one."""
    mode = expect(facts.account.mode)
    if mode in MODES:
        return Outcome(Verdict.PASS, f"{mode}: {MODES[mode]}")
    return Outcome(
        Verdict.WARN,
        f"{mode!r} is not a mode known here; only the balances say what is free",
        "compare with the venue's web page; the venue advises the standard mode for makers",
    )


def check_balances(facts: Facts) -> Outcome:
    """Check that the account has what is to be offered."""
    balances, pair = expect(facts.account.balances), need(facts.market.market)
    free = find_free(
        balances,
        need(facts.account.orders),
        pair,
        keep_foreign=facts.settings.tuning.foreign_orders == "keep",
    )
    text = (
        f"{free.token:f} {pair.base.name} of {balances.token:f} and {free.usdc:f} {pair.quote.name} of "
        f"{balances.usdc:f} may be offered"
    )
    if free.token <= 0 and free.usdc <= 0:
        return Outcome(Verdict.FAIL, f"the account is not funded: {text}", "pay in, or free what others hold of it")
    opening = facts.ladder.opening
    if isinstance(opening, Unknown):
        return Outcome(Verdict.PASS, text)
    wanted_token, wanted_usdc = opening.wanted
    short = [
        f"{wanted:f} {name}"
        for wanted, held, name in (
            (wanted_token, free.token, pair.base.name),
            (wanted_usdc, free.usdc, pair.quote.name),
        )
        if wanted is not None and held < wanted
    ]
    # Fills move the amounts of a ledger, so they may well lie below what once was allocated.
    if short and opening.earlier is None:
        return Outcome(
            Verdict.WARN, f"{text}; {' and '.join(short)} are allocated", "pay in what is missing, or allocate less"
        )
    return Outcome(Verdict.PASS, text)


ACCOUNT_CHECKS = (
    Check("key", "one key, from one source that is private", check_key),
    Check("own_key", "the key is not the account's own", check_own_key),
    Check("key_role", "the key may trade for the account", check_key_role),
    Check("key_days", "the agent has days left", check_key_days),
    Check("account", "the address is an account to trade for", check_account),
    Check("account_mode", "the account's mode is known", check_mode),
    Check("balances", "the account has what the ladder is to offer", check_balances),
)

"""Checks of this machine: configuration, programs, disk, ledger, locks, guard."""

from __future__ import annotations

import re
from typing import Any

from mm_trio.cli.check_programs.facts import Facts
from mm_trio.cli.check_programs.findings import Check, Outcome, Verdict, expect
from mm_trio.cli.check_programs.local_facts import NOT_INSTALLED
from mm_trio.halts.standing import State
from mm_trio.model.errors import ConfigError
from mm_trio.model.settings import MakerSettings

__all__ = ["GUARD_FRESH_S", "LEAST_FREE_BYTES", "MACHINE_CHECKS", "START_CHECKS_OF_MACHINE"]

LEAST_FREE_BYTES = 100 * 10**6
GUARD_FRESH_S = 10.0
_OLDEST_PYTHON, _FIRST_TOO_NEW = (3, 11), (3, 14)


def check_config(facts: Facts) -> Outcome:
    """Check that the maker takes these values together.

    A file that cannot be read never gets here.
    """
    market, strategy = facts.settings.market, facts.settings.strategy
    given: dict[str, Any] = {"allocated_token": None, "allocated_usdc": None, "take_over": False}
    given.update(facts.settings.maker_parameters())
    try:
        MakerSettings(**given)
    except ConfigError as error:
        return Outcome(Verdict.FAIL, str(error), "change the configuration")
    return Outcome(
        Verdict.PASS,
        f"{market.network}, {market.coin}, account {market.account}: {strategy.n_orders} levels from "
        f"{strategy.start_px:f} up, orders of {strategy.order_sz:f}",
    )


def check_versions(facts: Facts) -> Outcome:
    """Show versions, and warn of an untested Python."""
    versions = facts.machine.versions
    shown = ", ".join(f"{name} {version}" for name, version in versions.items())
    python = tuple(int(part) for part in re.findall(r"\d+", versions["Python"])[:2])
    if not _OLDEST_PYTHON <= python < _FIRST_TOO_NEW:
        return Outcome(Verdict.WARN, f"{shown}: this Python was not tested", "use Python 3.11 to 3.13")
    if missing := [name for name, version in versions.items() if version == NOT_INSTALLED]:
        return Outcome(Verdict.WARN, f"{shown}", f"install {', '.join(missing)}: pip install mm-trio")
    return Outcome(Verdict.PASS, shown)


def check_signing(facts: Facts) -> Outcome:
    """Check that the fast library signs."""
    return Outcome(Verdict.PASS, expect(facts.machine.signing))


def check_proxies(facts: Facts) -> Outcome:
    """Check which proxies apply to the venue's address."""
    proxies, url = facts.machine.proxies, facts.settings.market.base_url
    if not proxies:
        return Outcome(Verdict.PASS, f"no proxy variable applies to {url}")
    shown = ", ".join(sorted(set(proxies.values())))
    if facts.settings.market.network == "sandbox":
        return Outcome(
            Verdict.WARN,
            f"proxy variables apply to {url} too ({shown}): this program goes past them, other clients of the sandbox "
            "do not",
            "set NO_PROXY=127.0.0.1,localhost",
        )
    return Outcome(
        Verdict.WARN,
        f"everything for {url} goes through a proxy of the environment: {shown}",
        "nothing, if that is meant; else unset HTTPS_PROXY, or set NO_PROXY to the venue's host",
    )


def check_folder(facts: Facts) -> Outcome:
    """Check that the state folder is private and writable."""
    folder, fault = facts.machine.folder, expect(facts.machine.folder_fault)
    if fault is not None:
        return Outcome(Verdict.FAIL, f"the state folder {folder} is not safe from other users", fault)
    if not expect(facts.machine.is_writable):
        remedy = "set XDG_STATE_HOME to a folder of this user, on a disk that can be written to"
        return Outcome(Verdict.FAIL, f"the state folder {folder} cannot be written to", remedy)
    return Outcome(Verdict.PASS, f"{folder} is private and can be written to")


def check_disk(facts: Facts) -> Outcome:
    """Check the space that is left for the ledger."""
    free = expect(facts.machine.free_bytes)
    text = f"{free / 1e6:,.0f} MB are free for the ledger"
    if free < LEAST_FREE_BYTES:
        return Outcome(Verdict.WARN, f"{text}, less than {LEAST_FREE_BYTES / 1e6:,.0f} MB", "free some space")
    return Outcome(Verdict.PASS, text)


def check_ledger(facts: Facts) -> Outcome:
    """Check that the ledger opens, is whole and replays."""
    ledger = expect(facts.ledger.ledger)
    if ledger is None or ledger.is_new:
        return Outcome(Verdict.PASS, f"there is no ledger yet: the next start begins one in {facts.machine.folder}")
    return Outcome(
        Verdict.PASS,
        f"whole up to its end mark: {len(ledger.epochs)} sessions, the last checkpoint and {ledger.n_since_checkpoint} "
        "entries since were replayed",
    )


def check_standing(facts: Facts) -> Outcome:
    """Check that nothing keeps the maker from placing."""
    standing = expect(facts.ledger.standing)
    if standing.state is State.ACTIVE:
        return Outcome(Verdict.PASS, "active: nothing halted or paused this maker")
    return Outcome(
        Verdict.FAIL, standing.describe(), "find out why, then let it go on with `mm-trio resume --config FILE`"
    )


def check_maker_lock(facts: Facts) -> Outcome:
    """Check whether a maker runs on this account and coin."""
    if not expect(facts.ledger.is_locked):
        return Outcome(Verdict.PASS, "free: no other process works on this ledger")
    return Outcome(
        Verdict.WARN,
        "a maker runs on this account and coin, or a command works on its ledger; it was not disturbed",
        "nothing, if that is meant; a second one is refused while it runs",
    )


def check_key_lock(facts: Facts) -> Outcome:
    """Check whether another maker signs with this key."""
    if not expect(facts.ledger.is_key_locked):
        return Outcome(Verdict.PASS, "free: no other process here signs with this key")
    if facts.ledger.is_locked is True:
        return Outcome(Verdict.PASS, "the maker that runs here signs with this key")
    return Outcome(
        Verdict.FAIL,
        "another maker on this machine signs with this key; the venue counts nonces for each signer",
        "give each maker an agent (API wallet) of its own: `mm-trio keys new`",
    )


def check_guard(facts: Facts) -> Outcome:
    """Check for the sign of life of a guard process."""
    beat, network = expect(facts.ledger.guard), facts.settings.market.network
    remedy = "start the guard: it cancels everything when the maker dies"
    if beat is None:
        if network != "mainnet":
            return Outcome(Verdict.SKIP, f"no guard was ever there; on {network} none is needed")
        return Outcome(Verdict.WARN, "no guard watches over this maker", remedy)
    age_s = (facts.now_ms - beat.at_ms) / 1000
    if not -GUARD_FRESH_S <= age_s <= GUARD_FRESH_S:
        verdict = Verdict.WARN if network == "mainnet" else Verdict.SKIP
        return Outcome(verdict, f"the guard (process {beat.pid}) gave its last sign of life {age_s:,.0f} s ago", remedy)
    armed = "armed" if beat.armed else "not armed: it waits for the maker"
    return Outcome(Verdict.PASS, f"the guard (process {beat.pid}) is alive, {armed}")


def check_alerts(facts: Facts) -> Outcome:
    """Check that somebody hears of an alarm."""
    found, network = facts.alerts, facts.settings.market.network
    trial = "run `mm-trio alerts test`, which sends a message"
    if found.fault is not None:
        return Outcome(Verdict.FAIL, found.fault, "change [alerts], or the variable that gives the addresses")
    if not found.names:
        verdict = Verdict.WARN if network == "mainnet" else Verdict.SKIP
        return Outcome(verdict, "nobody is told when something is wrong", "set [alerts] urls or MM_TRIO_ALERT_URLS")
    if found.silent:
        return Outcome(Verdict.WARN, f"no connection to {', '.join(found.silent)}", f"check the address; {trial}")
    if found.is_exposed:
        remedy = "set it with chmod 600, or give the addresses by MM_TRIO_ALERT_URLS_FILE"
        return Outcome(Verdict.WARN, "others may read the addresses of [alerts] in the configuration", remedy)
    return Outcome(Verdict.PASS, f"{', '.join(found.names)}; nothing was sent", trial)


_CONFIG = Check("config", "the configuration can be read, and its values go together", check_config)
_VERSIONS = Check("versions", "versions of Python, this program and the SDK", check_versions)
_SIGNING = Check("signing", "the fast library signs", check_signing)
_PROXIES = Check("proxies", "proxy variables that apply to the venue or to loopback", check_proxies)
_FOLDER = Check("state_folder", "the state folder is private and can be written to", check_folder)
_DISK = Check("disk", "100 MB are free for the ledger", check_disk)
_GUARD = Check("guard", "a guard gave a sign of life within 10 s", check_guard)
MACHINE_CHECKS = (
    _CONFIG,
    _VERSIONS,
    _SIGNING,
    _PROXIES,
    _FOLDER,
    _DISK,
    Check("ledger", "the ledger opens and fits its end mark", check_ledger),
    Check("standing", "the maker is neither halted nor paused", check_standing),
    Check("maker_lock", "whether a maker runs here already", check_maker_lock),
    Check("key_lock", "no other maker here signs with the key", check_key_lock),
    _GUARD,
    Check("alerts", "an alert channel is configured, and answers", check_alerts),
)
# What a start of a maker looks at; the others it finds by itself, with errors of their own.
START_CHECKS_OF_MACHINE = (_SIGNING, _PROXIES, _FOLDER, _DISK)

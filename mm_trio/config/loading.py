"""Reading of settings from a TOML file and the environment.

A value comes from the file or from `MM_TRIO__SECTION__KEY`, which wins. Every problem is reported at once, one line
each, and no line repeats a value that may be a secret.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

from mm_trio.config.redaction import hide_secrets
from mm_trio.config.settings import (
    ACCOUNT_VARIABLE,
    VENUE_URLS,
    Alerts,
    Allocation,
    Guard,
    Limits,
    MarketSettings,
    Page,
    Record,
    Settings,
    Strategy,
    Tuning,
)
from mm_trio.config.tables import Found, Given, Schema, Section, lists_markets, read_toml, summarise_problems
from mm_trio.model.errors import ConfigError
from mm_trio.model.pricing_grid import TOP_PRICE_DIGITS, ends_too_high

__all__ = [
    "TEST_VARIABLES",
    "find_address_fault",
    "find_grid_faults",
    "find_page_faults",
    "load_settings",
    "parse_settings",
    "read_toml",
]

# Read by the tests and benchmarks alone, so they may stand in the environment of a command that these start.
TEST_VARIABLES = frozenset(
    f"MM_TRIO_{name}"
    for name in (
        *("CCXT_PYTHON", "CUTS", "CUT_SEED", "DRIP_S", "EXAMPLES", "GARBAGE", "GUARD_ROUNDS", "KILLS", "KILL_SEED"),
        *("MUTANTS", "MUTANT_SEEDS", "NAUTILUS_PYTHON", "NODE_MODULES", "PEER_PYTHON", "PEER_SECONDS", "PLANTED"),
        *("SCHEDULE", "SCREENSHOTS", "SOAK_S", "SWEEP", "TRANSPORT"),
    )
)

_KINDS: dict[str, type[Any]] = {
    "market": MarketSettings,
    "strategy": Strategy,
    "allocation": Allocation,
    "tuning": Tuning,
    "limits": Limits,
    "guard": Guard,
    "record": Record,
    "alerts": Alerts,
    "page": Page,
}
_SCHEMA = Schema(
    sections={name: Section.of(f"[{name}]", kind) for name, kind in _KINDS.items()}, test_variables=TEST_VARIABLES
)
# Instead of one table, a file may list several.
_SEVERAL = (
    "the file lists its markets ([[market]]), and this command works on a file of one ([market]); name such a file, or "
    "use a command that takes --coin"
)


def load_settings(path: Path, *, environ: Mapping[str, str]) -> Settings:
    """Load the settings from a TOML file and the environment.

    Errors: one ConfigError with every problem, or with the one reason why the file cannot be read.
    """
    # The error begins here, so that its traceback has no frame with the document, which may hold a key by mistake.
    found = _load(path, environ)
    if isinstance(found, str):
        raise ConfigError(found)
    return found


def parse_settings(document: Mapping[str, object], *, environ: Mapping[str, str], source: str) -> Settings:
    """Parse the settings of a document; `source` names it in messages.

    Errors: one ConfigError with every problem, a line each.
    """
    found = _parse(document, environ, source)
    if isinstance(found, str):
        raise ConfigError(found)
    return found


def _load(path: Path, environ: Mapping[str, str]) -> Settings | str:
    with suppress(RuntimeError):
        path = path.expanduser()
    document, source = read_toml(path), hide_secrets(str(path))
    return f"{source}: {document}" if isinstance(document, str) else _parse(document, environ, source)


def _parse(document: Mapping[str, object], environ: Mapping[str, str], source: str) -> Settings | str:
    """Return the settings, or every problem."""
    problems: list[str] = []
    if lists_markets(document):
        return summarise_problems(source, [_SEVERAL])
    given = _SCHEMA.collect_file(document, problems) | _SCHEMA.collect_overrides(environ, problems)
    # The account has a variable of its own too, which wins.
    if account := environ.get(ACCOUNT_VARIABLE):
        given["market", "account"] = Given(account, ACCOUNT_VARIABLE)
    asked = {section for section, _ in given} | _KINDS.keys() & document.keys() | {"market", "strategy"}
    values = {name: _SCHEMA.read_section(name, given, problems) for name in _KINDS if name in asked}
    problems += _find_faults(values, given)
    if problems:
        return summarise_problems(source, problems)
    # Each value was read by the kind of its field, so it has the field's type; mypy cannot see that.
    make_settings: Callable[..., Settings] = Settings
    return make_settings(**{name: _KINDS[name](**section) for name, section in values.items()})


def _find_faults(values: Mapping[str, Mapping[str, object]], given: Found) -> list[str]:
    """Find problems between values that are each right."""
    faults = find_grid_faults(values, given, schema=_SCHEMA)
    limits = values.get("limits", {})
    if "allocation" not in values and ("strategy", "target_px") not in given:
        # What fills moved is the ledger's amounts less the allocation.
        faults += [
            f"[limits] {name} needs [allocation], or target_px from which it follows; give one, or remove the limit"
            for name in ("max_net_spend", "max_loss_vs_hold", "max_drawdown_vs_hold")
            if limits.get(name) is not None
        ]
    faults += find_address_fault(values["market"].get("network"), given.get(("market", "api_url")))
    faults += find_page_faults(values.get("page", {}))
    if ("strategy", "target_px") in given and "allocation" in values:
        label = given["strategy", "target_px"].label
        faults.append(f"{label} and [allocation] exclude each other: the target decides the allocation; keep one")
    return faults


def find_address_fault(network: object, api_url: Given | None) -> list[str]:
    """Find an address for a network that has one address."""
    url = VENUE_URLS.get(str(network))
    if api_url is None or url is None:
        return []
    return [f'{api_url.label}: {network} has one address, {url}; remove it, or use network = "sandbox"']


def find_page_faults(page: Mapping[str, object]) -> list[str]:
    """Find why other machines could see a page that nobody meant for them, or could not ask for it."""
    host = page.get("host")
    if not isinstance(host, str) or (address := ipaddress.ip_address(host)).is_loopback:
        return []
    if page.get("allow_remote") is not True:
        return [
            f"[page] host {host}: other machines would reach the page, which shows orders, fills and funds; use "
            "127.0.0.1 and a tunnel (ssh -L), or set allow_remote = true as well"
        ]
    if address.is_unspecified and page.get("name") is None:
        return [
            f"[page] host {host} is every address of this machine, and the page answers only by names that it knows; "
            'set name to the one that browsers use, such as name = "maker.lan"'
        ]
    return []


def find_grid_faults(values: Mapping[str, Mapping[str, object]], given: Found, *, schema: Schema) -> list[str]:
    """Find problems between the values of one grid that are each right."""
    faults: list[str] = []
    limits, allocation = values.get("limits", {}), values.get("allocation", {})
    low, high = limits.get("price_low"), limits.get("price_high")
    if isinstance(low, Decimal) and isinstance(high, Decimal) and low > high:
        label = schema.sections["limits"].label
        faults.append(f"{label} price_low {low:f} is above price_high {high:f}; swap them")
    if allocation.keys() == {"token", "usdc"} and not any(allocation.values()):
        label = schema.sections["allocation"].label
        faults.append(f"{label} token and usdc are both 0, so the maker could not quote; set at least one above 0")
    find_fault: Callable[..., list[str]] = _find_ladder_fault
    return faults + find_fault(schema.sections["strategy"].label, **values["strategy"])


def _find_ladder_fault(
    label: str,
    *,
    start_px: Decimal | None = None,
    n_orders: int = 1,
    tick_size: Decimal = Decimal(0),
    **_others: object,
) -> list[str]:
    """Find why a ladder is impossible, before the venue's decimals are known."""
    if start_px is None or not ends_too_high(start_px, n_orders, tick_size=tick_size):
        return []
    return [
        f"{label} {n_orders} levels of {tick_size} from {start_px} end above 10^{TOP_PRICE_DIGITS}; "
        "use fewer levels or a smaller tick_size"
    ]

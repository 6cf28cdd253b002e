"""Reading of settings from a TOML file and the environment.

A value comes from the file or from `MM_TRIO__SECTION__KEY`, which wins. Every problem is reported at once, one line
each, and no line repeats a value that may be a secret.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import MISSING, fields
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple, TypeAlias

from mm_trio.config.keys import SECRET_VARIABLES
from mm_trio.config.redaction import SECRET_ADVICE, SHOWN_CHARS, hide_secrets, is_secret, names_secret, show, show_name
from mm_trio.config.settings import (
    ACCOUNT_VARIABLE,
    VENUE_URLS,
    Allocation,
    Guard,
    Limits,
    MarketSettings,
    Record,
    Settings,
    Strategy,
    Tuning,
)
from mm_trio.config.values import Kind
from mm_trio.model.errors import ConfigError
from mm_trio.model.pricing_grid import TOP_PRICE_DIGITS, ends_too_high

__all__ = ["load_settings", "parse_settings", "read_toml"]

OVERRIDE_PREFIX = "MM_TRIO__"
# Every variable that begins so is meant for this program.
OUR_PREFIX = "MM_TRIO_"
# Read by the tests and benchmarks alone, so they may stand in the environment of a command that these start.
TEST_VARIABLES = frozenset(
    f"MM_TRIO_{name}"
    for name in (
        *("CCXT_PYTHON", "CUTS", "CUT_SEED", "DRIP_S", "EXAMPLES", "GARBAGE", "GUARD_ROUNDS", "KILLS", "KILL_SEED"),
        *("MUTANTS", "MUTANT_SEEDS", "NAUTILUS_PYTHON", "NODE_MODULES", "PEER_PYTHON", "PEER_SECONDS", "PLANTED"),
        *("SCHEDULE", "SCREENSHOTS", "SOAK_S", "SWEEP"),
    )
)
# Ours is 1 KiB. For names nested 10^5 deep tomllib takes minutes, and all memory.
MAX_FILE_BYTES = 16 * 1024

_SECTIONS: dict[str, type[MarketSettings | Strategy | Allocation | Tuning | Limits | Guard | Record]] = {
    "market": MarketSettings,
    "strategy": Strategy,
    "allocation": Allocation,
    "tuning": Tuning,
    "limits": Limits,
    "guard": Guard,
    "record": Record,
}
_NAMES = {section: [item.name for item in fields(kind)] for section, kind in _SECTIONS.items()}
# In place of a value that was a secret and is already reported.
_REFUSED = object()


class _Given(NamedTuple):
    """Value and its source, in the operator's words."""

    raw: object
    label: str


# By section and name.
_Found: TypeAlias = dict[tuple[str, str], _Given]


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
    given = _collect_file(document, problems) | _collect_overrides(environ, problems)
    asked = {section for section, _ in given} | _SECTIONS.keys() & document.keys() | {"market", "strategy"}
    values = {name: _read_section(name, given, problems) for name in _SECTIONS if name in asked}
    problems += _check_together(values, given)
    if problems:
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        return "\n".join((f"{source}: {count}", *(f"  {problem}" for problem in problems)))
    # Each value was read by the kind of its field, so it has the field's type; mypy cannot see that.
    make_settings: Callable[..., Settings] = Settings
    makers: dict[str, Callable[..., object]] = {**_SECTIONS}
    return make_settings(**{name: makers[name](**section) for name, section in values.items()})


def read_toml(path: Path) -> dict[str, object] | str:
    """Read a TOML document, or return why it cannot be read.

    Not an exception, which would carry the text of the file along.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        return f"cannot be read: {getattr(error, 'strerror', None) or 'not a valid path'}"
    if len(data) > MAX_FILE_BYTES:
        return f"is larger than {MAX_FILE_BYTES // 1024} KiB, too large for a configuration file"
    try:
        return tomllib.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        return f"is not UTF-8 text: byte {error.start + 1} cannot be read"
    except RecursionError:
        return "cannot be parsed: tables or lists are nested too deeply"
    except ValueError as error:
        # A TOMLDecodeError, or the error of int() for a number that is too long.
        return f"is not valid TOML: {hide_secrets(' '.join(str(error).split()))}"


def _collect_file(document: Mapping[str, object], problems: list[str]) -> _Found:
    """Collect the known values of the file.

    An unknown name, or a secret, becomes a problem.
    """
    found: _Found = {}
    for section, table in document.items():
        label = f"[{show_name(section)}]"
        if section in _SECTIONS and isinstance(table, Mapping):
            found.update(_collect_section(section, table, problems))
            continue
        is_secret = _find_secrets(label, section, table, problems)
        if section in _SECTIONS and not is_secret:
            problems.append(f"{label} = {show(table)}: must be a section, with its values below it")
        elif section not in _SECTIONS and not names_secret(section):
            problems.append(f"unknown section {label}; {_suggest(section, _SECTIONS)}")
    return found


def _collect_section(section: str, table: Mapping[str, object], problems: list[str]) -> _Found:
    found: _Found = {}
    for key, raw in table.items():
        label = f"[{section}] {show_name(key)}"
        is_secret = _find_secrets(label, key, raw, problems)
        if key in _NAMES[section]:
            found[section, key] = _Given(_REFUSED if is_secret else raw, label)
        elif not is_secret:
            problems.append(f"unknown setting {label}; {_suggest(key, _NAMES[section])}")
    return found


def _find_secrets(label: str, name: str, value: object, problems: list[str]) -> bool:
    """Report a key or passphrase in a setting, and return whether there was one.

    Its name, its value and everything inside the value are checked. One problem is added at most.
    """
    pending: list[tuple[str, str, object]] = [(label, name, value)]
    # A loop and not a recursion, because a file may nest deeper than Python calls.
    while pending:
        label, name, value = pending.pop()
        if names_secret(name) or is_secret(value):
            problems.append(f"{label}: {SECRET_ADVICE}")
            return True
        if isinstance(value, Mapping):
            for key, item in value.items():
                within = f"{label} {show_name(key)}" if len(label) < 2 * SHOWN_CHARS else label
                pending.append((within, key, item))
        elif isinstance(value, list):
            pending.extend((label, "", item) for item in value)
    return False


def _suggest(name: str, known: Iterable[str]) -> str:
    """Suggest a setting of that name elsewhere, else the nearest known name.

    Where none is near, all known names.
    """
    homes = [f"[{section}] {name}" for section, names in _NAMES.items() if name in names]
    near = homes or get_close_matches(name[:SHOWN_CHARS].lower(), known, n=1)
    return f"did you mean {near[0]}?" if near else f"expected one of: {', '.join(known)}"


def _collect_overrides(environ: Mapping[str, str], problems: list[str]) -> _Found:
    """Collect every `MM_TRIO__SECTION__KEY` of the environment.

    The account has a variable of its own too, which wins.
    """
    known = {f"{OVERRIDE_PREFIX}{s}__{key}".upper(): (s, key) for s, names in _NAMES.items() for key in names}
    found: _Found = {}
    for variable in sorted(environ):
        name, text = variable.upper(), environ[variable]
        if not name.startswith(OVERRIDE_PREFIX):
            _check_meaning(variable, text, problems)
            continue
        label = show_name(variable)
        setting = known.get(name)
        is_secret = _find_secrets(label, name.removeprefix(OVERRIDE_PREFIX), text, problems)
        if setting is None and not is_secret:
            near = get_close_matches(name[:SHOWN_CHARS], known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"expected {OVERRIDE_PREFIX}SECTION__KEY, as in the file"
            problems.append(f"unknown setting {label}; {hint}")
        elif setting in found:
            problems.append(f"{label} is given twice, also as {found[setting].label}; remove one of them")
        elif setting is not None:
            found[setting] = _Given(_REFUSED if is_secret else text, label)
    if account := environ.get(ACCOUNT_VARIABLE):
        found["market", "account"] = _Given(account, ACCOUNT_VARIABLE)
    return found


def _check_meaning(variable: str, text: str, problems: list[str]) -> None:
    """Report a variable that is meant for this program and means nothing to it."""
    name, known = variable.upper(), (ACCOUNT_VARIABLE, *SECRET_VARIABLES)
    if not name.startswith(OUR_PREFIX) or variable in (*known, *TEST_VARIABLES):
        return
    # Without what all of them begin with, which would make any two alike.
    ours = {full.removeprefix(OUR_PREFIX): full for full in known if full.startswith(OUR_PREFIX)}
    near = get_close_matches(name.removeprefix(OUR_PREFIX)[:SHOWN_CHARS], ours, n=1)
    label = show_name(variable)
    hint = f"did you mean {ours[near[0]]}?" if near else f"a setting is {OVERRIDE_PREFIX}SECTION__KEY; remove it"
    problems.append(f"unknown variable {label}; {hint}")
    if is_secret(text):
        problems.append(f"{label}: {SECRET_ADVICE}")


def _read_section(section: str, given: _Found, problems: list[str]) -> dict[str, object]:
    """Read the values of a section, with its defaults.

    Each has the type of its field, as the field's kind reads it. A missing or wrong value is left out and reported.
    """
    values: dict[str, object] = {}
    for item in fields(_SECTIONS[section]):
        kind: Kind = item.metadata["kind"]
        found = given.get((section, item.name))
        if found is None and item.default is MISSING:
            label = f"[{section}] {item.name}"
            problems.append(f"{label} is missing: must be {kind.allowed}; set it, such as {kind.such_as}")
        elif found is None:
            values[item.name] = item.default
        elif (value := kind.read(found.raw)) is not None:
            values[item.name] = value
        elif found.raw is not _REFUSED:
            label = f"{found.label} = {show(found.raw)}"
            problems.append(f"{label}: must be {kind.allowed}; change it, such as to {kind.such_as}")
    return values


def _check_together(values: Mapping[str, Mapping[str, object]], given: _Found) -> list[str]:
    """Find problems between values that are each right."""
    problems: list[str] = []
    limits = values.get("limits", {})
    low, high = limits.get("price_low"), limits.get("price_high")
    if isinstance(low, Decimal) and isinstance(high, Decimal) and low > high:
        problems.append(f"[limits] price_low {low:f} is above price_high {high:f}; swap them")
    if "allocation" not in values and ("strategy", "target_px") not in given:
        # What fills moved is the ledger's amounts less the allocation.
        problems += [
            f"[limits] {name} needs [allocation], or target_px from which it follows; give one, or remove the limit"
            for name in ("max_net_spend", "max_loss_vs_hold", "max_drawdown_vs_hold")
            if limits.get(name) is not None
        ]
    network = values["market"].get("network", "")
    if ("market", "api_url") in given and network in VENUE_URLS:
        label = given["market", "api_url"].label
        problems.append(
            f'{label}: {network} has one address, {VENUE_URLS[network]}; remove it, or use network = "sandbox"'
        )
    if ("strategy", "target_px") in given and "allocation" in values:
        label = given["strategy", "target_px"].label
        problems.append(f"{label} and [allocation] exclude each other: the target decides the allocation; keep one")
    allocation = values.get("allocation", {})
    if allocation.keys() == {"token", "usdc"} and not any(allocation.values()):
        problems.append(
            "[allocation] token and usdc are both 0, so the maker could not quote; set at least one above 0"
        )
    find_fault: Callable[..., list[str]] = _find_ladder_fault
    return problems + find_fault(**values["strategy"])


def _find_ladder_fault(
    *, start_px: Decimal | None = None, n_orders: int = 1, tick_size: Decimal = Decimal(0), **_others: object
) -> list[str]:
    """Find why a ladder is impossible, before the venue's decimals are known."""
    if start_px is None or not ends_too_high(start_px, n_orders, tick_size=tick_size):
        return []
    return [
        f"[strategy] {n_orders} levels of {tick_size} from {start_px} end above 10^{TOP_PRICE_DIGITS}; "
        "use fewer levels or a smaller tick_size"
    ]

"""Reading of the settings of an account: a file with [[market]] tables, or with one [market] table.

Values of the account may come from `MM_TRIO__SECTION__KEY`, which wins over the file. A grid's own values come from its
table alone, because no variable could say which grid it means.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from mm_trio.account_config.settings import (
    GRID_TUNING,
    MOST_GRIDS,
    AccountLimits,
    AccountSettings,
    AccountTerms,
)
from mm_trio.config.loading import (
    TEST_VARIABLES,
    find_address_fault,
    find_grid_faults,
    find_page_faults,
    parse_settings,
)
from mm_trio.config.redaction import hide_secrets, is_secret, show
from mm_trio.config.settings import (
    ACCOUNT_VARIABLE,
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
from mm_trio.config.values import Kind
from mm_trio.model.errors import ConfigError

__all__ = ["load_account_settings", "parse_account_settings"]

# Two grids of 300 bytes fit a KiB, comments included, and MOST_GRIDS of them have to fit.
MOST_FILE_BYTES = 256 * 1024
# Names nest within a line, and what tomllib needs grows with the square of their depth.
MOST_LINE_BYTES = 1024

_ACCOUNT_KINDS: dict[str, type[Any]] = {
    "account": AccountTerms,
    "limits": AccountLimits,
    "tuning": Tuning,
    "guard": Guard,
    "record": Record,
    "alerts": Alerts,
    "page": Page,
}
_ACCOUNT_SECTIONS = {name: Section.of(f"[{name}]", kind) for name, kind in _ACCOUNT_KINDS.items()}
# A grid's limits are all but the one of the budget, which the account has once.
_GRID_SECTIONS = {
    "market": Section("[[market]]", MarketSettings, ("coin", "base")),
    "strategy": Section.of("[market.strategy]", Strategy),
    "allocation": Section.of("[market.allocation]", Allocation),
    "limits": Section.of("[market.limits]", Limits, without=("budget_floor",)),
    "tuning": Section("[market.tuning]", Tuning, GRID_TUNING),
}
_ACCOUNT_SCHEMA = Schema(
    sections=_ACCOUNT_SECTIONS, elsewhere=tuple(_GRID_SECTIONS.values()), test_variables=TEST_VARIABLES
)
_GRID_SCHEMA = Schema(sections=_GRID_SECTIONS, elsewhere=tuple(_ACCOUNT_SECTIONS.values()))
_COIN: Kind = MarketSettings.__dataclass_fields__["coin"].metadata["kind"]
_GRID_TABLES = tuple(name for name in _GRID_SECTIONS if name != "market")


def load_account_settings(path: Path, *, environ: Mapping[str, str]) -> AccountSettings:
    """Load the settings of an account from a TOML file and the environment.

    A file with one [market] table gives an account with one grid. Errors: one ConfigError with every problem, or with
    the one reason why the file cannot be read.
    """
    with suppress(RuntimeError):
        path = path.expanduser()
    source = hide_secrets(str(path))
    document = read_toml(path, most_bytes=MOST_FILE_BYTES, most_line_bytes=MOST_LINE_BYTES)
    found = f"{source}: {document}" if isinstance(document, str) else _parse(document, environ, source)
    del document
    if isinstance(found, str):
        raise ConfigError(found)
    return found


def parse_account_settings(
    document: Mapping[str, object], *, environ: Mapping[str, str], source: str
) -> AccountSettings:
    """Parse the settings of an account; `source` names the document in messages.

    Errors: one ConfigError with every problem, a line each.
    """
    found = _parse(document, environ, source)
    if isinstance(found, str):
        raise ConfigError(found)
    return found


def _parse(document: Mapping[str, object], environ: Mapping[str, str], source: str) -> AccountSettings | str:
    """Return the settings, or every problem."""
    if not lists_markets(document):
        try:
            return AccountSettings.of_one_market(parse_settings(document, environ=environ, source=source))
        except ConfigError as error:
            # Without its frames, in which the document is.
            return str(error)
    problems: list[str] = []
    shared = _read_account(document, environ, problems)
    tables = _list_tables(document)
    if len(tables) > MOST_GRIDS:
        problems.append(
            f"{len(tables)} [[market]] tables: one account has at most {MOST_GRIDS}; put the others into a file of "
            "another account"
        )
    grids = [_read_grid(number, table, problems) for number, table in enumerate(tables[:MOST_GRIDS], 1)]
    problems += _find_repeated(tables)
    if problems:
        return summarise_problems(source, problems)
    return _join(shared, grids)


def _list_tables(document: Mapping[str, object]) -> list[Mapping[str, object]]:
    tables = document["market"]
    assert isinstance(tables, list)
    return tables


def _read_account(document: Mapping[str, object], environ: Mapping[str, str], problems: list[str]) -> dict[str, Any]:
    """Read what the grids share: a value for each section that was given, and for those with defaults."""
    own = {name: table for name, table in document.items() if name != "market"}
    given = _ACCOUNT_SCHEMA.collect_file(own, problems) | _ACCOUNT_SCHEMA.collect_overrides(environ, problems)
    if account := environ.get(ACCOUNT_VARIABLE):
        given["account", "account"] = Given(account, ACCOUNT_VARIABLE)
    asked = {section for section, _ in given} | _ACCOUNT_SECTIONS.keys() & own.keys() | {"account", "tuning"}
    values = {name: _ACCOUNT_SCHEMA.read_section(name, given, problems) for name in _ACCOUNT_SECTIONS if name in asked}
    problems += find_address_fault(values["account"].get("network"), given.get(("account", "api_url")))
    problems += find_page_faults(values.get("page", {}))
    return values


def _read_grid(number: int, table: Mapping[str, object], problems: list[str]) -> dict[str, dict[str, object]]:
    """Read one [[market]] table: the values that it gives, by section.

    Every problem begins with the coin, or with the number of the table where no coin can be told.
    """
    faults: list[str] = []
    own = {name: value for name, value in table.items() if name not in _GRID_TABLES}
    document = {"market": own} | {name: table[name] for name in _GRID_TABLES if name in table}
    given = _GRID_SCHEMA.collect_file(document, faults)
    asked = {section for section, _ in given} | _GRID_SECTIONS.keys() & document.keys() | {"market", "strategy"}
    values = {name: _GRID_SCHEMA.read_section(name, given, faults) for name in _GRID_SECTIONS if name in asked}
    if "tuning" in values:
        # What is not given is the account's.
        values["tuning"] = {name: value for name, value in values["tuning"].items() if ("tuning", name) in given}
    faults += _find_share_faults(values, given)
    faults += find_grid_faults(values, given, schema=_GRID_SCHEMA)
    label = _name_table(number, table)
    problems += [f"market {label}: {fault}" for fault in faults]
    return values


def _name_table(number: int, table: Mapping[str, object]) -> str:
    """Return the coin of a table, or its number where the coin is missing or may not be shown."""
    coin = table.get("coin")
    may_be_shown = isinstance(coin, str) and coin.isprintable() and not is_secret(coin)
    return str(coin) if may_be_shown and _COIN.read(coin) is not None else f"{number}"


def _find_share_faults(values: Mapping[str, Mapping[str, object]], given: Found) -> Iterator[str]:
    """Find a grid that does not say what of the account's tokens is its own."""
    if target := given.get(("strategy", "target_px")):
        yield (
            f"{target.label}: markets of one account share its tokens, so the target cannot decide the allocation; "
            "remove it, and set [market.allocation] token and usdc, which `mm-trio grid` prints for that price"
        )
    elif "allocation" not in values:
        yield (
            "[market.allocation] is missing: markets of one account share its tokens, so each has to say what it may "
            "offer; set token (0 or more, base) and usdc (0 or more, quote)"
        )


def _find_repeated(tables: list[Mapping[str, object]]) -> Iterator[str]:
    """Find coins that were given before. Their state would lie in one folder."""
    seen: dict[str, int] = {}
    for number, table in enumerate(tables, 1):
        coin = table.get("coin")
        if not isinstance(coin, str):
            continue
        first = seen.setdefault(coin.replace("/", "-").casefold(), number)
        if first != number:
            yield (
                f"market {_name_table(number, table)}: [[market]] coin {show(coin)} is in table {first} and in table "
                f"{number}; a coin has one grid, so remove one of them, or change its coin"
            )


def _join(shared: dict[str, dict[str, Any]], grids: list[dict[str, dict[str, Any]]]) -> AccountSettings:
    """Make the settings of values that are all right."""
    # Each value was read by the kind of its field, so it has the field's type; mypy cannot see that.
    make: Callable[..., AccountSettings] = AccountSettings
    parts: dict[str, Any] = {name: _ACCOUNT_KINDS[name](**values) for name, values in shared.items()}
    return make(**parts, grids=tuple(_join_grid(values, parts) for values in grids))


def _join_grid(values: dict[str, dict[str, Any]], parts: Mapping[str, Any]) -> Settings:
    """Make the settings of one grid, complete. `parts` are what all grids share."""
    account: AccountTerms = parts["account"]
    shared: AccountLimits | None = parts.get("limits")
    limits = Limits(**values["limits"]) if "limits" in values else None
    if limits is not None and shared is not None:
        limits = replace(limits, budget_floor=shared.budget_floor)
    place = {item.name: getattr(account, item.name) for item in fields(account)}
    common = {name: parts[name] for name in ("guard", "record", "page", "alerts") if name in parts}
    return Settings(
        market=MarketSettings(**place, **values["market"]),
        strategy=Strategy(**values["strategy"]),
        allocation=Allocation(**values["allocation"]),
        tuning=replace(parts["tuning"], **values.get("tuning", {})),
        limits=limits,
        **common,
    )

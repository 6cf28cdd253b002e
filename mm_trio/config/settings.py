"""TOML and environment -> frozen `Settings`. Knows every name, bound and default; refuses to know a key.

A value comes from the file or from `MM_TRIO__SECTION__KEY`, which wins. Whatever is wrong is told at once, one
line a problem, and no line repeats what may be a secret. Nothing here asks the venue.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from decimal import Decimal, localcontext
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

from mm_trio.config.redaction import ELSEWHERE, SHOWN_CHARS, hide_secrets, is_secret, names_secret, show, show_name
from mm_trio.config.values import (
    AMOUNT,
    MAX_DIGITS,
    NAME,
    PRICE,
    Kind,
    boolean_value,
    choice_value,
    decimal_value,
    loopback_url,
    seconds_value,
    text_value,
    whole_value,
)
from mm_trio.model.errors import ConfigError
from mm_trio.model.pricing_grid import PricingGrid

__all__ = [
    "ACCOUNT_VARIABLE",
    "Allocation",
    "Market",
    "Network",
    "Settings",
    "Strategy",
    "Tuning",
    "compute_target_allocation",
    "hide_secrets",
    "load_settings",
    "parse_settings",
]

Network: TypeAlias = Literal["sandbox", "testnet", "mainnet"]

ACCOUNT_VARIABLE = "MM_TRIO_ACCOUNT_ADDRESS"
OVERRIDE_PREFIX = "MM_TRIO__"
SANDBOX_URL = "http://127.0.0.1:3001"
# the only hosts that see what a key for real money signed: in code, so that no file can name another
VENUE_URLS = {"testnet": "https://api.hyperliquid-testnet.xyz", "mainnet": "https://api.hyperliquid.xyz"}

MAX_FILE_BYTES = 16 * 1024  # ours is 1 KiB; of names nested 10^5 deep tomllib takes minutes, and all memory
MAX_LEVELS = 20_000  # a cloid has 15 bits for the level
TOP_PRICE_DIGITS = 15  # a ladder that ends above 10^15 is a slip of the keyboard


# --- the settings -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """What is traded, where, and for whom. `account` is the address that trades, not the signer's."""

    coin: str = field(
        metadata=text_value(rf"@[0-9]{{1,6}}|{NAME}/{NAME}", "a spot pair, @N or BASE/QUOTE", such_as='"HYPE/USDC"')
    )
    network: Network = field(default="sandbox", metadata=choice_value("sandbox", "testnet", "mainnet"))
    api_url: str | None = field(
        default=None,
        metadata=text_value(
            ".*",
            "http:// on 127.0.0.1, localhost or [::1], with or without a port and nothing after it",
            such_as=f'"{SANDBOX_URL}"',
            then=loopback_url,
        ),
    )
    account: str = field(
        metadata=text_value(
            "0[xX][0-9a-fA-F]{40}",
            f"an address in quotes, 0x and 40 hex digits; it may also come from {ACCOUNT_VARIABLE}",
            such_as='"0x0123456789abcdef0123456789abcdef01234567"',
            then=str.lower,
        )
    )

    @property
    def base_url(self) -> str:
        """The address of the venue: of testnet and mainnet the one in code, whatever `api_url` holds."""
        return VENUE_URLS.get(self.network) or self.api_url or SANDBOX_URL


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """The ladder. Prices in quote per base, `order_sz` in base, `tick_size` a ratio, windows in levels a side."""

    start_px: Decimal = field(metadata=decimal_value(*PRICE, such_as='"20.0"'))
    n_orders: int = field(metadata=whole_value(1, MAX_LEVELS, "levels of the ladder", such_as="100"))
    order_sz: Decimal = field(metadata=decimal_value("0.00000001", AMOUNT[1], "base a level", such_as='"5"'))
    tick_size: Decimal = field(
        default=Decimal("0.003"),
        metadata=decimal_value("0.0001", "1", "ratio between neighbours, 0.003 is 0.3 %", such_as='"0.003"'),
    )
    active_levels: int | None = field(
        default=None, metadata=whole_value(1, MAX_LEVELS, "orders a side; without it all", such_as="20")
    )
    window_slack: int = field(default=0, metadata=whole_value(0, MAX_LEVELS, "levels", such_as="5"))
    target_px: Decimal | None = field(default=None, metadata=decimal_value(*PRICE, such_as='"23.5"'))


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocation:
    """What the maker may offer at most, of what the account holds: base and quote."""

    token: Decimal = field(metadata=decimal_value(*AMOUNT, "base", such_as='"250"'))
    usdc: Decimal = field(metadata=decimal_value(*AMOUNT, "quote", such_as='"5000"'))


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """How it is kept: seconds, basis points, percent, ticks, quote units."""

    interval_s: float = field(default=3.0, metadata=seconds_value("0.1", "3600", such_as="3.0"))
    dead_zone_bps: Decimal = field(
        default=Decimal(5), metadata=decimal_value("0", "1000", "basis points, 0 is off", such_as="5.0")
    )
    price_tolerance_bps: Decimal = field(
        default=Decimal(1), metadata=decimal_value("0", "1000", "basis points", such_as="1.0")
    )
    size_tolerance_pct: Decimal = field(
        default=Decimal(1), metadata=decimal_value("0", "100", "percent of the desired size", such_as="1.0")
    )
    reconcile_every: int = field(default=20, metadata=whole_value(1, 10_000, "ticks", such_as="20"))
    min_notional: Decimal = field(default=Decimal(10), metadata=decimal_value("0", "1000000", "quote", such_as='"10"'))
    requote_on_fill: bool = field(default=True, metadata=boolean_value(such_as="true"))
    feed_stale_after_s: float = field(default=30.0, metadata=seconds_value("1", "3600", such_as="30.0"))
    foreign_orders: Literal["cancel", "keep"] = field(default="keep", metadata=choice_value("keep", "cancel"))
    cancel_on_shutdown: bool = field(default=True, metadata=boolean_value(such_as="true"))
    feed_lag_limit_s: float | None = field(default=10.0, metadata=seconds_value("1", "3600", such_as="10.0"))
    hand_cancel_pause_s: float = field(default=10.0, metadata=seconds_value("0", "3600", such_as="10.0"))
    hand_cancels_to_stop: int | None = field(default=None, metadata=whole_value(1, 1000, "cancels", such_as="3"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything the operator decided, checked. `allocation` is None where a target or the whole account is meant."""

    market: Market
    strategy: Strategy
    allocation: Allocation | None = None
    tuning: Tuning = Tuning()

    def maker_parameters(self, grid: PricingGrid | None = None) -> dict[str, Any]:
        """What to call `WsState` with, beside `info`, `exchange` and `address`.

        With the market's own `grid` a `target_px` becomes the allocation it asks for; without one it is left
        out, and a maker made of that offers the whole account.
        Errors: ConfigError for a target outside the grid.
        """
        parts = (self.strategy, self.tuning)  # their names are the maker's
        parameters = {item.name: getattr(part, item.name) for part in parts for item in fields(part)}
        target_px = parameters.pop("target_px")
        if self.allocation is not None:
            amounts = {"allocated_token": self.allocation.token, "allocated_usdc": self.allocation.usdc}
        elif grid is not None and target_px is not None:
            token, usdc = compute_target_allocation(grid, target_px, self.strategy.order_sz)
            amounts = {"allocated_token": token, "allocated_usdc": usdc}
        else:
            amounts = {}
        return {"coin": self.market.coin, **parameters, **amounts}

    def describe(self) -> str:
        """One line of `key=value` for a log; it holds no secret, for the settings hold none."""
        market = self.market
        words: dict[str, object] = {"network": market.network, "api_url": market.base_url, "account": market.account}
        words |= {**self.maker_parameters(), "target_px": self.strategy.target_px}
        return " ".join(f"{name}={_plain(value)}" for name, value in words.items() if value is not None)


def _plain(value: object) -> str:
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def compute_target_allocation(grid: PricingGrid, target_px: Decimal, order_sz: Decimal) -> tuple[Decimal, Decimal]:
    """Compute the (token, usdc) that open the ladder at `target_px`.

    Units: quote per base, base; gives base and quote, exact. Whole tranches for every level from the one nearest
    to the target up, and the cost of a whole bid at every level below. A window of `active_levels` changes
    neither: it hides the far levels, and the boundary follows from the tokens of all of them.
    Errors: ConfigError for a target more than half a step outside the ladder.
    """
    level = grid.level_for_price(target_px)
    if level is None:
        raise ConfigError(
            f"target_px {target_px} lies outside the ladder of {grid.n_orders} levels from {grid.levels[0]} to "
            f"{grid.levels[-1]}; take a price inside, or another start_px, n_orders or tick_size"
        )
    with localcontext(prec=3 * MAX_DIGITS):  # prices and sizes of any digits, summed exactly
        return order_sz * (grid.n_orders - level), order_sz * sum(grid.levels[:level], Decimal(0))


# --- what was given ---------------------------------------------------------------------------


class _Given(NamedTuple):
    """A value and where it came from, in the operator's words."""

    raw: object
    label: str


_REFUSED = object()  # in place of a value that was a secret: told already

_SECTIONS: dict[str, type[Market | Strategy | Allocation | Tuning]] = {
    "market": Market,
    "strategy": Strategy,
    "allocation": Allocation,
    "tuning": Tuning,
}
_NAMES = {section: [item.name for item in fields(kind)] for section, kind in _SECTIONS.items()}
_Found: TypeAlias = dict[tuple[str, str], _Given]


def _collect_file(document: Mapping[str, object], problems: list[str]) -> _Found:
    """Every known value of the file; what is unknown, or a secret, becomes a problem."""
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
            problems.append(f"{label} is no section; {_suggest(section, _SECTIONS)}")
    return found


def _collect_section(section: str, table: Mapping[str, object], problems: list[str]) -> _Found:
    found: _Found = {}
    for key, raw in table.items():
        label = f"[{section}] {show_name(key)}"
        is_secret = _find_secrets(label, key, raw, problems)
        if key in _NAMES[section]:
            found[section, key] = _Given(_REFUSED if is_secret else raw, label)
        elif not is_secret:
            problems.append(f"{label} is no setting; {_suggest(key, _NAMES[section])}")
    return found


def _find_secrets(label: str, name: str, value: object, problems: list[str]) -> bool:
    """Add one problem if the name, the value, or anything inside it is a key or passphrase; whether it was."""
    pending: list[tuple[str, str, object]] = [(label, name, value)]
    while pending:  # no recursion: a file may nest deeper than Python calls
        label, name, value = pending.pop()
        if names_secret(name) or is_secret(value):
            problems.append(f"{label}: {ELSEWHERE}")
            return True
        if isinstance(value, Mapping):
            for key, item in value.items():
                within = f"{label} {show_name(key)}" if len(label) < 2 * SHOWN_CHARS else label
                pending.append((within, key, item))
        elif isinstance(value, list):
            pending.extend((label, "", item) for item in value)
    return False


def _suggest(name: str, known: Iterable[str]) -> str:
    """A setting of that name elsewhere, else the nearest of the known names, else all of them."""
    homes = [f"[{section}] {name}" for section, names in _NAMES.items() if name in names]
    near = homes or get_close_matches(name[:SHOWN_CHARS].lower(), known, n=1)
    return f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"


def _collect_overrides(environ: Mapping[str, str], problems: list[str]) -> _Found:
    """Every `MM_TRIO__SECTION__KEY` of the environment, and the account's own variable, which wins."""
    known = {f"{OVERRIDE_PREFIX}{s}__{key}".upper(): (s, key) for s, names in _NAMES.items() for key in names}
    found: _Found = {}
    for variable in sorted(environ):
        name, text = variable.upper(), environ[variable]
        if not name.startswith(OVERRIDE_PREFIX):
            continue
        label = show_name(variable)
        place = known.get(name)
        is_secret = _find_secrets(label, name.removeprefix(OVERRIDE_PREFIX), text, problems)
        if place is None and not is_secret:
            near = get_close_matches(name[:SHOWN_CHARS], known, n=1)
            hint = (
                f"did you mean {near[0]}?" if near else f"the names are {OVERRIDE_PREFIX}SECTION__KEY, as in the file"
            )
            problems.append(f"{label} is no setting; {hint}")
        elif place in found:
            problems.append(f"{label} is given twice, as {found[place].label} too; take one of them out")
        elif place is not None:
            found[place] = _Given(_REFUSED if is_secret else text, label)
    if account := environ.get(ACCOUNT_VARIABLE):
        found["market", "account"] = _Given(account, ACCOUNT_VARIABLE)
    return found


# --- from given to settings -------------------------------------------------------------------


def load_settings(path: Path, *, environ: Mapping[str, str]) -> Settings:
    """The settings of a TOML file and the environment.

    Errors: one ConfigError with every problem, or with the one reason why the file cannot be read.
    """
    document = _read_toml(path)
    if isinstance(document, str):
        raise ConfigError(f"{hide_secrets(str(path))}: {document}")
    return parse_settings(document, environ=environ, source=hide_secrets(str(path)))


def _read_toml(path: Path) -> dict[str, Any] | str:
    """The document, or why there is none: an exception would carry the text of the file along."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        return f"cannot be read: {getattr(error, 'strerror', None) or 'this is no path'}"
    if len(data) > MAX_FILE_BYTES:
        return f"is larger than {MAX_FILE_BYTES // 1024} KiB: this is no configuration"
    try:
        return tomllib.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        return f"is not UTF-8 text: byte {error.start + 1} cannot be read"
    except RecursionError:
        return "is no TOML of ours: its lists or tables lie too deep in each other"
    except ValueError as error:  # TOMLDecodeError, and what int() says of a number without an end
        return f"is no valid TOML: {hide_secrets(' '.join(str(error).split()))}"


def parse_settings(document: Mapping[str, object], *, environ: Mapping[str, str], source: str) -> Settings:
    """The settings of a parsed document; `source` is its name in messages.

    Errors: one ConfigError with every problem, a line each.
    """
    problems: list[str] = []
    given = _collect_file(document, problems) | _collect_overrides(environ, problems)
    asked = {section for section, _ in given} | _SECTIONS.keys() & document.keys() | {"market", "strategy"}
    values = {name: _read_section(name, given, problems) for name in _SECTIONS if name in asked}
    problems += _check_together(values, given)
    if problems:
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise ConfigError("\n".join((f"{source}: {count}", *(f"  {problem}" for problem in problems))))
    return Settings(
        market=Market(**values["market"]),
        strategy=Strategy(**values["strategy"]),
        allocation=Allocation(**values["allocation"]) if "allocation" in values else None,
        tuning=Tuning(**values.get("tuning", {})),
    )


def _read_section(section: str, given: _Found, problems: list[str]) -> dict[str, Any]:
    """The values of a section, defaults too; what is missing or wrong is left out and told."""
    values: dict[str, Any] = {}
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


def _check_together(values: Mapping[str, dict[str, Any]], given: _Found) -> list[str]:
    """What is wrong between values that are each right."""
    problems: list[str] = []
    network = values["market"].get("network", "")
    if ("market", "api_url") in given and network in VENUE_URLS:
        label = given["market", "api_url"].label
        problems.append(
            f'{label}: {network} has one address, {VENUE_URLS[network]}; take it out, or use network = "sandbox"'
        )
    if ("strategy", "target_px") in given and "allocation" in values:
        label = given["strategy", "target_px"].label
        problems.append(f"{label} and [allocation] exclude each other: the target decides what is allocated; keep one")
    allocation = values.get("allocation", {})
    if allocation.keys() == {"token", "usdc"} and not any(allocation.values()):
        problems.append("[allocation] token and usdc are both 0: nothing could be offered; raise one of them")
    return problems + _find_ladder_fault(**values["strategy"])


def _find_ladder_fault(
    *, start_px: Decimal | None = None, n_orders: int = 1, tick_size: Decimal = Decimal(0), **_others: object
) -> list[str]:
    """Why there is no such ladder, as far as can be told before the venue's decimals are known."""
    if start_px is None or math.log10(start_px) + (n_orders - 1) * math.log10(1 + tick_size) <= TOP_PRICE_DIGITS:
        return []
    return [
        f"[strategy] {n_orders} levels of {tick_size} from {start_px} end above 10^{TOP_PRICE_DIGITS}; "
        "take fewer levels or a smaller tick_size"
    ]

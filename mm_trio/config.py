"""TOML and environment -> frozen `Settings`. Knows every name, bound and default; refuses to know a key.

A value comes from the file or from `MM_TRIO__SECTION__KEY`, which wins. Whatever is wrong is told at once, one
line a problem, and no line repeats what may be a secret. Nothing here asks the venue.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from decimal import Context, Decimal, localcontext
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

from mm_trio.errors import ConfigError
from mm_trio.pricing_grid import PricingGrid

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
_MAX_DIGITS = 28  # what a Decimal keeps through arithmetic in its default context
_SHOWN_CHARS = 60
_KEY_HEX, _HIDDEN_HEX = 64, 48  # digits of a key; from how many on digits are not shown (an address has 40)


# --- how one value is read --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Kind:
    """`read` gives the value, or None for what `allowed` does not describe."""

    allowed: str
    such_as: str
    read: Callable[[object], object | None]


_Metadata: TypeAlias = dict[str, _Kind]
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
_WHOLE = re.compile(r"[+-]?[0-9]+")
_WORDS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
_EXACT = Context(prec=2 * _MAX_DIGITS)


def _to_number(raw: object) -> Decimal | None:
    if isinstance(raw, float):
        raw = repr(raw)  # the shortest: 0.1 is one tenth; nan and inf do not match below
    if isinstance(raw, str):
        return Decimal(raw) if len(raw) <= _MAX_DIGITS and _NUMBER.fullmatch(raw) else None
    if isinstance(raw, int) and not isinstance(raw, bool) and abs(raw) < 10**_MAX_DIGITS:
        return Decimal(raw)
    return None


def _decimal(least: str, most: str, unit: str, *, such_as: str) -> _Metadata:
    low, high = Decimal(least), Decimal(most)

    def read(raw: object) -> Decimal | None:
        number = _to_number(raw)
        # adding nothing writes 1E+3 as 1000 and -0 as 0
        return _EXACT.add(number, Decimal(0)) if number is not None and low <= number <= high else None

    return {"kind": _Kind(f"a number from {least} to {most} ({unit})", such_as, read)}


def _seconds(least: str, most: str, *, such_as: str) -> _Metadata:
    exact = _decimal(least, most, "seconds", such_as=such_as)["kind"]

    def read(raw: object) -> float | None:
        number = exact.read(raw)
        return float(number) if isinstance(number, Decimal) else None

    return {"kind": _Kind(exact.allowed, such_as, read)}


def _whole(least: int, most: int, unit: str, *, such_as: str) -> _Metadata:
    def read(raw: object) -> int | None:
        if isinstance(raw, float) or (isinstance(raw, str) and not _WHOLE.fullmatch(raw)):
            return None
        number = _to_number(raw)
        return int(number) if number is not None and least <= number <= most else None

    return {"kind": _Kind(f"a whole number from {least} to {most} ({unit})", such_as, read)}


def _boolean(*, such_as: str) -> _Metadata:
    def read(raw: object) -> bool | None:
        return raw if isinstance(raw, bool) else _WORDS.get(raw.lower()) if isinstance(raw, str) else None

    return {"kind": _Kind("true or false", such_as, read)}


def _text(pattern: str, allowed: str, *, such_as: str, then: Callable[[str], str | None] = str) -> _Metadata:
    def read(raw: object) -> str | None:
        return then(raw) if isinstance(raw, str) and re.fullmatch(pattern, raw) else None

    return {"kind": _Kind(allowed, such_as, read)}


def _choice(*names: str) -> _Metadata:
    return _text("|".join(names), f"one of {', '.join(names)}", such_as=names[0])


_PRICE = ("0.00000001", "1000000000", "quote per base")
_AMOUNT = ("0", "1000000000000000")  # some tokens count in millions of millions
_NAME = r"(?!\.)[^\s/@\\\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,32}"  # no path in it: state lives in a folder of this name
_LOOPBACK = re.compile(r"http://(?:127\.0\.0\.1|localhost|\[::1\])(?::([0-9]{1,5}))?/?")


def _loopback_url(url: str) -> str | None:
    """The address as the SDK wants it. A pattern, since two parsers can see two hosts in one odd text."""
    match = _LOOPBACK.fullmatch(url)
    return url.rstrip("/") if match and 1 <= int(match[1] or 80) <= 65535 else None


# --- the settings -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """What is traded, where, and for whom. `account` is the address that trades, not the signer's."""

    coin: str = field(
        metadata=_text(rf"@[0-9]{{1,6}}|{_NAME}/{_NAME}", "a spot pair, @N or BASE/QUOTE", such_as='"HYPE/USDC"')
    )
    network: Network = field(default="sandbox", metadata=_choice("sandbox", "testnet", "mainnet"))
    api_url: str | None = field(
        default=None,
        metadata=_text(
            ".*",
            "http:// on 127.0.0.1, localhost or [::1], with or without a port and nothing after it",
            such_as=f'"{SANDBOX_URL}"',
            then=_loopback_url,
        ),
    )
    account: str = field(
        metadata=_text(
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

    start_px: Decimal = field(metadata=_decimal(*_PRICE, such_as='"20.0"'))
    n_orders: int = field(metadata=_whole(1, MAX_LEVELS, "levels of the ladder", such_as="100"))
    order_sz: Decimal = field(metadata=_decimal("0.00000001", _AMOUNT[1], "base a level", such_as='"5"'))
    tick_size: Decimal = field(
        default=Decimal("0.003"),
        metadata=_decimal("0.0001", "1", "ratio between neighbours, 0.003 is 0.3 %", such_as='"0.003"'),
    )
    active_levels: int | None = field(
        default=None, metadata=_whole(1, MAX_LEVELS, "orders a side; without it all", such_as="20")
    )
    window_slack: int = field(default=0, metadata=_whole(0, MAX_LEVELS, "levels", such_as="5"))
    target_px: Decimal | None = field(default=None, metadata=_decimal(*_PRICE, such_as='"23.5"'))


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocation:
    """What the maker may offer at most, of what the account holds: base and quote."""

    token: Decimal = field(metadata=_decimal(*_AMOUNT, "base", such_as='"250"'))
    usdc: Decimal = field(metadata=_decimal(*_AMOUNT, "quote", such_as='"5000"'))


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """How it is kept: seconds, basis points, percent, ticks, quote units."""

    interval_s: float = field(default=3.0, metadata=_seconds("0.1", "3600", such_as="3.0"))
    dead_zone_bps: Decimal = field(
        default=Decimal(5), metadata=_decimal("0", "1000", "basis points, 0 is off", such_as="5.0")
    )
    price_tolerance_bps: Decimal = field(
        default=Decimal(1), metadata=_decimal("0", "1000", "basis points", such_as="1.0")
    )
    size_tolerance_pct: Decimal = field(
        default=Decimal(1), metadata=_decimal("0", "100", "percent of the desired size", such_as="1.0")
    )
    reconcile_every: int = field(default=20, metadata=_whole(1, 10_000, "ticks", such_as="20"))
    min_notional: Decimal = field(default=Decimal(10), metadata=_decimal("0", "1000000", "quote", such_as='"10"'))
    requote_on_fill: bool = field(default=True, metadata=_boolean(such_as="true"))
    feed_stale_after_s: float = field(default=30.0, metadata=_seconds("1", "3600", such_as="30.0"))
    foreign_orders: Literal["cancel", "keep"] = field(default="keep", metadata=_choice("keep", "cancel"))
    cancel_on_shutdown: bool = field(default=True, metadata=_boolean(such_as="true"))


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
            token, usdc = compute_target_allocation(
                grid, target_px, self.strategy.order_sz, active_levels=self.strategy.active_levels
            )
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


def compute_target_allocation(
    grid: PricingGrid, target_px: Decimal, order_sz: Decimal, *, active_levels: int | None
) -> tuple[Decimal, Decimal]:
    """What to allocate (token, usdc) so that the ladder opens at `target_px`.

    Units: quote per base, base; gives base and quote, exact. Whole tranches for every level from the one nearest
    to the target up, and the cost of a whole bid at every level below. `active_levels` changes neither: a window
    hides the far levels, and the boundary follows from the tokens of all of them.
    Errors: ConfigError for a target more than half a step outside the ladder.
    """
    assert active_levels is None or active_levels >= 1, active_levels
    level = grid.level_for_price(target_px)
    if level is None:
        raise ConfigError(
            f"target_px {target_px} lies outside the ladder of {grid.n_orders} levels from {grid.levels[0]} to "
            f"{grid.levels[-1]}; take a price inside, or another start_px, n_orders or tick_size"
        )
    with localcontext(prec=3 * _MAX_DIGITS):  # prices and sizes of any digits, summed exactly
        return order_sz * (grid.n_orders - level), order_sz * sum(grid.levels[:level], Decimal(0))


# --- what must not be shown -------------------------------------------------------------------

_NEXT_DIGIT = r"(?:[\s_:,.-]{0,2}[0-9a-fA-F])"  # after what people put between digits
_HIDDEN = re.compile(f"[0-9a-fA-F]{_NEXT_DIGIT}{{{_HIDDEN_HEX - 1},}}")
_KEY = re.compile(f"[0-9a-fA-F]{_NEXT_DIGIT}{{{_KEY_HEX - 1},}}")
_SECRET_NAMES = ("key", "secret", "mnemonic", "passphrase", "password", "seedphrase")
_PHRASE_WORDS = (12, 15, 18, 21, 24)  # of a mnemonic, BIP 39
_ELSEWHERE = (
    "a key or passphrase does not belong here; take it out, replace it if others could read it, and give the key by "
    "MM_TRIO_PRIVATE_KEY, MM_TRIO_KEY_FILE or MM_TRIO_KEYSTORE"
)


def hide_secrets(text: str) -> str:
    """The text without runs of hex digits that are, or nearly are, a private key; an address stays."""
    return _HIDDEN.sub("<hidden>", text)


def _names_secret(name: str) -> bool:
    squeezed = re.sub(r"[^a-z0-9]", "", name.lower())
    is_named = squeezed in ("pk", "seed") or any(word in squeezed for word in _SECRET_NAMES)
    return is_named or _is_secret(name)


def _is_secret(value: object) -> bool:
    if isinstance(value, int):
        return 4 * _HIDDEN_HEX < value.bit_length() <= 4 * _KEY_HEX  # a key without its quotes
    if not isinstance(value, str):
        return False
    words = value.split()
    is_phrase = len(words) in _PHRASE_WORDS and all(word.isalpha() for word in words)
    return is_phrase or _KEY.search(value) is not None


def _show(value: object) -> str:
    """A value on one line, short, as the operator wrote it or nearly."""
    if _is_secret(value) or (isinstance(value, str) and re.search("//.*@", value)):  # //user:password@host
        return "<hidden>"
    if isinstance(value, Mapping | list):
        return "a table" if isinstance(value, Mapping) else "a list"
    if isinstance(value, int) and value.bit_length() > 4 * _KEY_HEX:
        return f"a number of {value.bit_length()} bits"  # Python refuses to write the longest
    text = hide_secrets(str(value).lower() if isinstance(value, bool) else repr(value))
    return text if len(text) <= _SHOWN_CHARS else f"{text[: _SHOWN_CHARS - 3]}..."


def _show_name(name: str) -> str:
    return name if re.fullmatch("[A-Za-z0-9_-]{1,40}", name) else _show(name)


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
        label = f"[{_show_name(section)}]"
        if section in _SECTIONS and isinstance(table, Mapping):
            found.update(_collect_section(section, table, problems))
            continue
        is_secret = _find_secrets(label, section, table, problems)
        if section in _SECTIONS and not is_secret:
            problems.append(f"{label} = {_show(table)}: must be a section, with its values below it")
        elif section not in _SECTIONS and not _names_secret(section):
            problems.append(f"{label} is no section; {_suggest(section, _SECTIONS)}")
    return found


def _collect_section(section: str, table: Mapping[str, object], problems: list[str]) -> _Found:
    found: _Found = {}
    for key, raw in table.items():
        label = f"[{section}] {_show_name(key)}"
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
        if _names_secret(name) or _is_secret(value):
            problems.append(f"{label}: {_ELSEWHERE}")
            return True
        if isinstance(value, Mapping):
            for key, item in value.items():
                within = f"{label} {_show_name(key)}" if len(label) < 2 * _SHOWN_CHARS else label
                pending.append((within, key, item))
        elif isinstance(value, list):
            pending.extend((label, "", item) for item in value)
    return False


def _suggest(name: str, known: Iterable[str]) -> str:
    """A setting of that name elsewhere, else the nearest of the known names, else all of them."""
    homes = [f"[{section}] {name}" for section, names in _NAMES.items() if name in names]
    near = homes or get_close_matches(name[:_SHOWN_CHARS].lower(), known, n=1)
    return f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"


def _collect_overrides(environ: Mapping[str, str], problems: list[str]) -> _Found:
    """Every `MM_TRIO__SECTION__KEY` of the environment, and the account's own variable, which wins."""
    known = {f"{OVERRIDE_PREFIX}{s}__{key}".upper(): (s, key) for s, names in _NAMES.items() for key in names}
    found: _Found = {}
    for variable in sorted(environ):
        name, text = variable.upper(), environ[variable]
        if not name.startswith(OVERRIDE_PREFIX):
            continue
        label = _show_name(variable)
        place = known.get(name)
        is_secret = _find_secrets(label, name.removeprefix(OVERRIDE_PREFIX), text, problems)
        if place is None and not is_secret:
            near = get_close_matches(name[:_SHOWN_CHARS], known, n=1)
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
        kind: _Kind = item.metadata["kind"]
        found = given.get((section, item.name))
        if found is None and item.default is MISSING:
            label = f"[{section}] {item.name}"
            problems.append(f"{label} is missing: must be {kind.allowed}; set it, such as {kind.such_as}")
        elif found is None:
            values[item.name] = item.default
        elif (value := kind.read(found.raw)) is not None:
            values[item.name] = value
        elif found.raw is not _REFUSED:
            label = f"{found.label} = {_show(found.raw)}"
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

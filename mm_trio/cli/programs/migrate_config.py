"""Configuration of pyperliquidity, turned into one of ours.

Every name of the old file is either carried over or named among what was left out, and every difference in behaviour
that the operator would notice is said in words. No value of a key or passphrase is kept, written or shown.
Source: pyperliquidity 0.3.2, its README and the reader of its configuration.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from difflib import get_close_matches
from math import ceil
from pathlib import Path

from mm_trio.config.loading import parse_settings, read_toml
from mm_trio.config.redaction import SECRET_ADVICE, hide_secrets, is_secret, names_secret, show_name
from mm_trio.config.settings import ACCOUNT_VARIABLE, Settings, compute_target_allocation
from mm_trio.model.errors import ConfigError
from mm_trio.model.pricing_grid import PricingGrid
from mm_trio.model.settings import LEAST_IN_MINIMA

__all__ = ["Migration", "migrate_config"]

# Old names by section, with the new ones.
_NAMES = {
    "market": {"coin": "coin", "testnet": "network"},
    "strategy": {name: name for name in ("n_orders", "order_sz", "start_px", "active_levels", "target_px")},
    "allocation": {"allocated_token": "token", "allocated_usdc": "usdc"},
    "tuning": {
        name: name
        for name in (
            "interval_s",
            "dead_zone_bps",
            "price_tolerance_bps",
            "size_tolerance_pct",
            "reconcile_every",
            "min_notional",
        )
    },
}
_VENUE_MIN_NOTIONAL = 10
_SHORTEST_INTERVAL_S = 0.1
# Stands for the account while the rest is checked; it is never written.
_NO_ACCOUNT = "0x" + "0" * 40
_KEY_GOES = (
    "the key of PYPERLIQUIDITY_PRIVATE_KEY goes to MM_TRIO_PRIVATE_KEY, MM_TRIO_KEY_FILE or MM_TRIO_KEYSTORE (it is "
    f"not read here), the address of PYPERLIQUIDITY_WALLET to [market] account or {ACCOUNT_VARIABLE}"
)


@dataclass(frozen=True, slots=True)
class Migration:
    """New configuration, with every difference in words."""

    source: str
    settings: Settings
    has_account: bool
    changes: tuple[str, ...]
    left_out: tuple[str, ...]
    out: str | None = field(default=None)

    def to_toml(self) -> str:
        """Return the new file, with the changes as comments."""
        lines = [f"# Made by mm-trio migrate from a configuration of pyperliquidity, {self.source}."]
        lines += [f"# Changed: {change}." for change in self.changes]
        lines += [f"# Left out: {name}." for name in self.left_out]
        for section, values in self._sections().items():
            lines += ["", f"[{section}]", *(f"{name} = {_encode(value)}" for name, value in values.items())]
            if section == "market" and not self.has_account:
                lines.append(f'# account = "0x..."  # the address that trades; or set {ACCOUNT_VARIABLE}')
        return "\n".join(lines) + "\n"

    def _sections(self) -> dict[str, dict[str, object]]:
        market, strategy, tuning = self.settings.market, self.settings.strategy, self.settings.tuning
        account = {"account": market.account} if self.has_account else {}
        names = ("start_px", "n_orders", "order_sz", "active_levels", "target_px")
        values = {name: getattr(strategy, name) for name in names}
        sections: dict[str, dict[str, object]] = {
            "market": {"coin": market.coin, "network": market.network, **account},
            "strategy": {name: value for name, value in values.items() if value is not None},
        }
        if self.settings.allocation is not None:
            sections["allocation"] = {
                "token": self.settings.allocation.token,
                "usdc": self.settings.allocation.usdc,
            }
        sections["tuning"] = {name: getattr(tuning, name) for name in _NAMES["tuning"]}
        return sections

    def to_json(self) -> dict[str, object]:
        """Return plain JSON values."""
        return {
            "config": self.to_toml(),
            "out": self.out,
            "changes": list(self.changes),
            "left_out": list(self.left_out),
            "account_missing": not self.has_account,
        }

    def to_text(self) -> str:
        """Return the new file, or what was written where."""
        if self.out is None:
            return self.to_toml().removesuffix("\n")
        lines = [f"written to {self.out}", *(f"changed: {change}" for change in self.changes)]
        return "\n".join([*lines, *(f"left out: {name}" for name in self.left_out)])


def _encode(value: object) -> str:
    """Encode a value for TOML; exact numbers are quoted."""
    if isinstance(value, Decimal):
        return f'"{value:f}"'
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else str(value)


def migrate_config(path: Path, *, account: str | None, out: Path | None) -> Migration:
    """Turn pyperliquidity's file into ours, and write it to `out`.

    `account` is the address that trades, None where it is not known.
    Errors: ConfigError for a file that pyperliquidity would refuse too, or that ours cannot express; OSError.
    """
    source = hide_secrets(str(path))
    old = read_toml(path)
    if isinstance(old, str):
        raise ConfigError(f"{source}: {old}")
    document, left_out = _carry_over(old)
    changes = _adapt(document)
    settings = parse_settings(document, environ={ACCOUNT_VARIABLE: account or _NO_ACCOUNT}, source=source)
    changes += [*_compare_ladders(settings), *_describe_behaviour(settings), _KEY_GOES]
    if account is None:
        changes.append(f"the account is not in the old file: set {ACCOUNT_VARIABLE} or [market] account before a run")
    shown = None if out is None else hide_secrets(str(out))
    migration = Migration(source, settings, account is not None, tuple(changes), tuple(left_out), shown)
    if out is not None:
        _write(out, migration.to_toml())
    return migration


def _write(out: Path, text: str) -> None:
    """Write a new file; none is ever replaced."""
    try:
        with out.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise ConfigError(f"{hide_secrets(str(out))} exists already: name another file with --out") from error
    except OSError as error:
        raise ConfigError(f"{hide_secrets(str(out))} cannot be written: {error.strerror}") from error


def _carry_over(old: Mapping[str, object]) -> tuple[dict[str, dict[str, object]], list[str]]:
    """Rename the known values, and name all others."""
    document: dict[str, dict[str, object]] = {"market": {}, "strategy": {}}
    left_out: list[str] = []
    for section, table in old.items():
        label = f"[{show_name(section)}]"
        if section not in _NAMES or not isinstance(table, Mapping):
            left_out.append(_name_unknown(label, section, table, _NAMES))
            continue
        document.setdefault(section, {})
        for name, value in table.items():
            if name in _NAMES[section]:
                document[section][_NAMES[section][name]] = value
            else:
                left_out.append(_name_unknown(f"{label} {show_name(name)}", name, value, _NAMES[section]))
    return document, left_out


def _name_unknown(label: str, name: str, value: object, known: Iterable[str]) -> str:
    """Say why a value that is not known is left out."""
    if _holds_secret(name, value):
        return f"{label}: {SECRET_ADVICE}"
    near = get_close_matches(name[:40].lower(), known, n=1)
    hint = f"; if {near[0]} was meant, it never took effect" if near else ""
    return f"{label}, which pyperliquidity does not read either{hint}"


def _holds_secret(name: str, value: object) -> bool:
    """Check a value, its name and everything inside it."""
    pending: list[tuple[str, object]] = [(name, value)]
    # A loop and not a recursion, because a file may nest deeper than Python calls.
    while pending:
        name, value = pending.pop()
        if names_secret(name) or is_secret(value):
            return True
        if isinstance(value, Mapping):
            pending.extend(value.items())
        elif isinstance(value, list):
            pending.extend(("", item) for item in value)
    return False


def _adapt(document: dict[str, dict[str, object]]) -> list[str]:
    """Translate what has another form here, and return the changes.

    Errors: ConfigError for a file without an opening, which pyperliquidity refuses.
    """
    market, strategy, tuning = document["market"], document["strategy"], document.setdefault("tuning", {})
    testnet = market.get("network", False)
    if not isinstance(testnet, bool):
        raise ConfigError("[market] testnet must be true or false; change it, such as to true")
    market["network"] = "testnet" if testnet else "mainnet"
    changes = [f'[market] testnet = {str(testnet).lower()} is network = "{market["network"]}"']
    if "target_px" in strategy and document.pop("allocation", None) is not None:
        changes.append("[allocation] is gone: target_px decides it, in pyperliquidity as well")
    elif "target_px" not in strategy:
        missing = [old for old, new in _NAMES["allocation"].items() if new not in document.get("allocation", {})]
        if missing:
            raise ConfigError(
                f"[allocation] {' and '.join(missing)} missing: pyperliquidity needs both, or [strategy] target_px; "
                "add what is missing, because without it the whole account would be offered"
            )
        changes.append("[allocation] allocated_token and allocated_usdc are token and usdc")
    if _is_below(tuning.get("min_notional", 0), _VENUE_MIN_NOTIONAL):
        was = tuning.get("min_notional", "0 by default")
        tuning["min_notional"] = _VENUE_MIN_NOTIONAL
        changes.append(f"min_notional was {was} and is {_VENUE_MIN_NOTIONAL}: the venue refuses smaller orders")
    if _is_below(tuning.get("interval_s", 3.0), _SHORTEST_INTERVAL_S):
        changes.append(f"interval_s was {tuning['interval_s']} and is {_SHORTEST_INTERVAL_S}, the shortest allowed")
        tuning["interval_s"] = _SHORTEST_INTERVAL_S
    return changes


def _is_below(value: object, least: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < least


def _compare_ladders(settings: Settings) -> list[str]:
    """Say where both ladders end and open.

    Without the size decimals of the pair, which only the venue has, the last figure of a price may differ.
    """
    strategy = settings.strategy
    try:
        ours = PricingGrid(strategy.start_px, strategy.n_orders)
        theirs = PricingGrid(strategy.start_px, strategy.n_orders, ladder="half-even")
    except ValueError as error:
        raise ConfigError(f"[strategy] is not a valid ladder: {error}") from error
    changes = [
        f"the ladder rounds as HIP-2 does, down to five figures: its top level is {ours.levels[-1]}, "
        f"it was {theirs.levels[-1]}"
    ]
    if strategy.target_px is not None:
        token, usdc = compute_target_allocation(ours, strategy.target_px, strategy.order_sz)
        return [*changes, f"target_px {strategy.target_px} allocates {token:f} tokens and {usdc:f} quote"]
    assert settings.allocation is not None
    asks = ceil(settings.allocation.token / strategy.order_sz)
    level = max(0, strategy.n_orders - asks)
    if level < strategy.n_orders:
        opening = f"the tokens open the ladder at {ours.levels[level]}, they opened it at {theirs.levels[level]}"
        return [*changes, opening]
    return changes


def _describe_behaviour(settings: Settings) -> list[str]:
    """Name the differences in behaviour that no value shows."""
    tuning, strategy = settings.tuning, settings.strategy
    changes: list[str] = []
    least = LEAST_IN_MINIMA * tuning.min_notional
    if (worth := strategy.order_sz * strategy.start_px) < least:
        changes.append(
            f"an order_sz of {strategy.order_sz:f} is worth {worth:f} at start_px, and a run needs {least:f} or more: "
            "raise order_sz or start_px before it"
        )
    changes += [
        f"dead_zone_bps is {tuning.dead_zone_bps:f} and holds back prices alone, never sizes; pyperliquidity's default "
        "was 5 and held back both",
        "a bid that was filled in part is left as it is until it is filled whole, as HIP-2 does",
        "the allocation lives in a ledger and survives a restart; it does not begin anew",
        "orders of this coin that this program did not place are left alone; set foreign_orders to cancel for the "
        "old behaviour",
        "orders are cancelled at the end, and that is verified; in place of --keep-orders set cancel_on_shutdown = "
        "false",
    ]
    if settings.market.network == "mainnet":
        changes.append("on mainnet nothing is sent without run --live")
    return changes

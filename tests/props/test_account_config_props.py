"""Properties of the settings of an account: only ConfigError, every problem named, no key shown, text reads back."""

from __future__ import annotations

import tomllib
from typing import Any

from account_config_kit import ACCOUNT, make_document, make_market
from hypothesis import assume, given
from hypothesis import strategies as st

from mm_trio.account_config.loading import parse_account_settings
from mm_trio.account_config.settings import GRID_TUNING, AccountSettings
from mm_trio.account_config.toml_text import write_toml
from mm_trio.model.errors import ConfigError

CANARY = "5ca1ab1edeadbeefcafe0123456789abfeedface00c0ffee5ca1ab1edeadbeef"
SCALARS = st.one_of(
    st.sampled_from(["@107", "HYPE/USDC", ACCOUNT, "keep", "1e28", "-0", 0, 1, 100]),
    st.text(max_size=12),
    st.integers(),
    st.floats(),
    st.booleans(),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
TABLE_NAMES = st.sampled_from(["coin", "base", "strategy", "allocation", "limits", "tuning", "network"])
SETTING_NAMES = st.sampled_from(["start_px", "n_orders", "token", "usdc", "price_low", "dead_zone_bps", "interval_s"])
TABLES = st.dictionaries(
    TABLE_NAMES | st.text(max_size=8),
    VALUES | st.dictionaries(SETTING_NAMES | st.text(max_size=8), SCALARS, max_size=4),
    max_size=6,
)
DOCUMENTS = st.builds(
    lambda tables, others: {**others, "market": tables},
    st.lists(TABLES, min_size=1, max_size=4),
    st.dictionaries(st.sampled_from(["account", "limits", "tuning", "x"]), VALUES, max_size=3),
)
AMOUNTS = st.decimals("0.01", 10**9, places=2).map(str)
PRICES = st.decimals("0.001", 1000, places=3).map(str)
MARKETS = st.builds(
    lambda number, px, n, token, tuning, limits: make_market(
        f"@{number}",
        strategy={"start_px": px, "n_orders": n, "order_sz": "5"},
        allocation={"token": token, "usdc": "1"},
        tuning=tuning,
        limits=limits,
    ),
    st.integers(0, 999_999),
    PRICES,
    st.integers(1, 100),
    AMOUNTS,
    st.dictionaries(st.sampled_from([name for name in GRID_TUNING if name != "foreign_orders"]), st.integers(1, 50)),
    st.none() | st.fixed_dictionaries({}, optional={"max_net_spend": AMOUNTS, "price_low": PRICES}),
)
ACCOUNTS = st.builds(
    lambda markets, sections: make_document(*markets, **sections),
    st.lists(MARKETS, min_size=1, max_size=5, unique_by=lambda market: market["coin"]),
    st.fixed_dictionaries(
        {},
        optional={
            "tuning": st.fixed_dictionaries({}, optional={"interval_s": st.integers(1, 60), "min_notional": AMOUNTS}),
            "limits": st.fixed_dictionaries({}, optional={"max_net_spend": AMOUNTS, "budget_floor": st.integers(0, 9)}),
            "guard": st.fixed_dictionaries({}, optional={"dead_man": st.sampled_from(["off", "venue"])}),
        },
    ),
)


def parse(document: dict[str, Any]) -> AccountSettings:
    return parse_account_settings(document, environ={}, source="mm.toml")


@given(DOCUMENTS)
def test_a_list_of_markets_gives_an_account_or_a_config_error(document: dict[str, Any]) -> None:
    try:
        settings = parse(document)
    except ConfigError as error:
        first, *problems = str(error).split("\n")
        assert first.split()[1] == str(len(problems))
        assert all(problem.startswith("  ") and problem.isprintable() for problem in problems)
    else:
        assert len(settings.grids) == len(document["market"])


def as_settings(document: dict[str, Any]) -> AccountSettings:
    try:
        return parse(document)
    except ConfigError:
        # A value that one section bounds more tightly than another.
        assume(False)
        raise


@given(ACCOUNTS)
def test_the_text_of_settings_reads_as_the_same_settings(document: dict[str, Any]) -> None:
    settings = as_settings(document)

    assert parse(tomllib.loads(write_toml(settings))) == settings


@given(ACCOUNTS)
def test_a_grid_among_others_is_the_grid_alone(document: dict[str, Any]) -> None:
    settings = as_settings(document)

    for market, grid in zip(document["market"], settings.grids, strict=True):
        assert as_settings(document | {"market": [market]}).grids == (grid,)


@given(
    st.sampled_from(["coin", "base", "strategy", "note", CANARY]),
    st.sampled_from([CANARY, f"0x{CANARY}", [CANARY], {"a": {CANARY: 1}}, int(CANARY, 16)]),
)
def test_a_key_in_a_market_shows_in_no_complaint(name: str, value: object) -> None:
    try:
        parse(make_document(make_market("@1"), make_market("@2") | {name: value}))
    except ConfigError as error:
        squeezed = str(error).lower()
        assert CANARY[:24] not in squeezed
        assert str(int(CANARY, 16))[:24] not in squeezed
    else:
        raise AssertionError("a key was accepted")

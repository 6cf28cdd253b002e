"""Properties of settings and keys: only ConfigError, every problem named, no key shown."""

from __future__ import annotations

import copy
import pickle
import tempfile
import traceback
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mm_trio.config.keys import Secret, load_key
from mm_trio.config.loading import load_settings, parse_settings
from mm_trio.config.settings import Settings, compute_target_allocation
from mm_trio.model.errors import ConfigError
from mm_trio.model.pricing_grid import PricingGrid
from mm_trio.quoting.quoting_engine import compute_boundary

CANARY = "5ca1ab1edeadbeefcafe0123456789abfeedface00c0ffee5ca1ab1edeadbeef"
ACCOUNT = "0x" + "ab" * 20
KNOWN = {
    "market": ["coin", "network", "api_url", "account"],
    "strategy": ["start_px", "n_orders", "order_sz", "tick_size", "active_levels", "window_slack", "target_px"],
    "allocation": ["token", "usdc"],
    "tuning": [
        *(
            "interval_s",
            "dead_zone_bps",
            "price_tolerance_bps",
            "size_tolerance_pct",
            "reconcile_every",
            "min_notional",
        ),
        *("requote_on_fill", "feed_stale_after_s", "foreign_orders", "cancel_on_shutdown", "max_open_distance_pct"),
        "transport",
    ],
}
RIGHT: dict[str, dict[str, object]] = {
    "market": {"coin": "@107", "account": ACCOUNT},
    "strategy": {"start_px": "20", "n_orders": 100, "order_sz": "5"},
}

LIKELY = st.sampled_from(
    ["sandbox", "mainnet", "@107", "HYPE/USDC", "http://127.0.0.1:1", ACCOUNT, "keep", "true", "1e28", "-0", 0, 1, 100]
)
SCALARS = st.one_of(
    LIKELY,
    st.text(max_size=30),
    st.integers(),
    st.floats(),
    st.booleans(),
    st.dates(date(1900, 1, 1)),
    st.integers(0, 2**3000),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def tables(names: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    """A section with some of its keys, and some that are none."""
    return st.dictionaries(st.sampled_from(names) | st.text(max_size=12), SCALARS | VALUES, max_size=8)


DOCUMENTS = st.one_of(
    st.fixed_dictionaries({}, optional={name: tables(names) | VALUES for name, names in KNOWN.items()}),
    st.dictionaries(st.text(max_size=12), VALUES, max_size=4),
    st.dictionaries(st.sampled_from(KNOWN["tuning"]), LIKELY, max_size=3).map(
        lambda tuning: RIGHT | {"tuning": tuning}
    ),
)
VARIABLES = st.dictionaries(
    st.sampled_from([f"MM_TRIO__{name}__{key}".upper() for name, keys in KNOWN.items() for key in keys])
    | st.text(max_size=12).map(lambda text: f"mm_trio__{text}")
    | st.just("MM_TRIO_ACCOUNT_ADDRESS"),
    st.text(max_size=20) | LIKELY.map(str),
    max_size=4,
)


def assert_hides(error: BaseException) -> None:
    """Neither its words nor its traceback show the canary, or half of it, in hex or as a number."""
    shown = [
        str(error),
        repr(error),
        *traceback.TracebackException.from_exception(error, capture_locals=False).format(),
    ]
    for text in shown:
        squeezed = text.lower().replace(" ", "").replace("_", "").replace("-", "")
        assert CANARY[:24] not in squeezed
        assert CANARY[-24:] not in squeezed
        assert str(int(CANARY, 16))[:24] not in squeezed


@given(DOCUMENTS, VARIABLES)
def test_a_document_gives_settings_or_a_config_error(document: dict[str, object], environ: dict[str, str]) -> None:
    try:
        settings = parse_settings(document, environ=environ, source="mm.toml")
    except ConfigError as error:
        first, *problems = str(error).split("\n")
        assert first.split()[1] == str(len(problems))
        assert all(problem.startswith("  ") and problem.isprintable() for problem in problems)
    else:
        assert isinstance(settings, Settings)
        assert settings.describe().isprintable()


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "start_px": st.decimals("0.0001", 1000, places=4) | st.floats(0.001, 1e6) | st.integers(1, 10**9),
            "n_orders": st.integers(1, 400),
            "tick_size": st.floats(0.0001, 0.03),
            "active_levels": st.integers(1, 20000),
        },
    )
)
def test_a_ladder_that_is_accepted_can_be_built(values: dict[str, object]) -> None:
    written = {key: str(value) if isinstance(value, Decimal) else value for key, value in values.items()}
    settings = parse_settings(RIGHT | {"strategy": RIGHT["strategy"] | written}, environ={}, source="mm.toml").strategy

    grid = PricingGrid(settings.start_px, settings.n_orders, tick_size=settings.tick_size)

    assert len(grid.levels) == settings.n_orders


@given(st.binary(max_size=200) | st.text(alphabet="[]{}=\".,#\n\\'ab1_-", max_size=80).map(str.encode))
def test_a_file_of_any_bytes_gives_nothing_but_a_config_error(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mm.toml"
        path.write_bytes(content)

        with pytest.raises(ConfigError) as caught:
            load_settings(path, environ={})

    assert caught.value.__context__ is None


@given(st.integers(1, 300), st.integers(1, 10**6), st.data())
def test_a_target_on_a_level_opens_the_ladder_there(n_orders: int, lots: int, data: st.DataObject) -> None:
    grid = PricingGrid("1.5", n_orders, sz_decimals=2)
    level = data.draw(st.integers(0, n_orders - 1))
    order_sz = lots * grid.lot

    token, usdc = compute_target_allocation(grid, grid.levels[level], order_sz)

    assert compute_boundary(grid, token, order_sz, bid_levels=()) == level
    assert usdc == sum((order_sz * price for price in grid.levels[:level]), Decimal(0))


# --- a key shows nowhere ----------------------------------------------------------------------

DISGUISES: st.SearchStrategy[object] = st.sampled_from(
    [
        CANARY,
        f"0x{CANARY}",
        f"0X{CANARY.upper()}",
        f"{CANARY}\n",
        CANARY[:-1],
        f"use {CANARY}, please",
        " ".join(CANARY[i : i + 4] for i in range(0, 64, 4)),
        int(CANARY, 16),
        [CANARY],
        {"a": {"b": [f"0x{CANARY}"]}},
    ]
)
NAMES = st.sampled_from(
    [CANARY, f"0x{CANARY}", "private_key", "note", *KNOWN["market"], *KNOWN["strategy"], *KNOWN["tuning"]]
)


@given(st.sampled_from([*KNOWN, "wallet", CANARY]), NAMES, DISGUISES, st.booleans())
def test_a_key_in_the_document_shows_in_no_complaint(section: str, name: str, value: object, bare: bool) -> None:
    document: dict[str, object] = {**RIGHT, section: value if bare else {**RIGHT.get(section, {}), name: value}}

    with pytest.raises(ConfigError) as caught:
        parse_settings(document, environ={}, source="mm.toml")

    assert_hides(caught.value)


@given(NAMES, DISGUISES.filter(lambda value: isinstance(value, str)), st.sampled_from([*KNOWN, CANARY]))
def test_a_key_in_an_override_shows_in_no_complaint(name: str, value: str, section: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_settings(RIGHT, environ={f"MM_TRIO__{section}__{name}": value}, source="mm.toml")

    assert_hides(caught.value)


@given(
    st.sampled_from([f"{CANARY} = 1\n{CANARY} = 2", f"a = '{CANARY}", f"[{CANARY}]\n[{CANARY}]", f"a = 0x{CANARY}z"]),
    st.sampled_from(["", "\xff", f"\n{CANARY}"]),
)
def test_a_key_in_a_file_that_does_not_parse_shows_in_no_complaint(content: str, rest: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mm.toml"
        path.write_bytes((content + rest).encode("latin-1"))

        with pytest.raises(ConfigError) as caught:
            load_settings(path, environ={})

    assert_hides(caught.value)


@given(
    st.sampled_from(["MM_TRIO_PRIVATE_KEY", "HYPERLIQUID_PK", "MM_TRIO_KEY_FILE", "MM_TRIO_KEYSTORE"]),
    st.sampled_from(["", "x", "\n\n", "\0", "/"]),
    st.sampled_from(["", "0x", "x", " ", "./"]),
)
def test_a_key_in_the_wrong_place_or_shape_shows_in_no_complaint(name: str, after: str, before: str) -> None:
    try:
        load_key({name: Secret(f"{before}{CANARY}{after}")})
    except ConfigError as error:
        assert_hides(error)


@given(st.sampled_from([repr, str, format, copy.copy, copy.deepcopy, pickle.dumps, hash, dir, vars]))
def test_a_key_shows_in_nothing_that_is_done_to_its_wrapper(do: Callable[[object], object]) -> None:
    secret = Secret(f"0x{CANARY}")
    try:
        shown = repr(do(secret))
    except TypeError as error:
        assert_hides(error)
    else:
        assert CANARY not in shown

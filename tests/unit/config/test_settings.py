"""Settings: allowed values of file and environment, and the messages for others."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from dataclasses import FrozenInstanceError
from decimal import Decimal
from pathlib import Path

import pytest
from core_kit import dec

from mm_trio.config.loading import TEST_VARIABLES, load_settings, parse_settings
from mm_trio.config.redaction import hide_secrets
from mm_trio.config.settings import Limits, Settings, compute_target_allocation
from mm_trio.engine.ws_state import WsState
from mm_trio.model.errors import ConfigError
from mm_trio.model.pricing_grid import PricingGrid
from mm_trio.quoting.quoting_engine import compute_boundary, compute_desired_orders
from mm_trio.state.inventory import Inventory

ACCOUNT = "0x" + "Ab" * 20
CANARY = "c0ffee" * 10 + "beef"

# contract, section 4, word for word
CONTRACT = """
[market]
coin = "@107"            # or "HYPE/USDC"
network = "sandbox"      # sandbox | testnet | mainnet
# api_url = "http://127.0.0.1:3001"   # sandbox only, loopback only; testnet and mainnet have one address each, in code

[strategy]
start_px = "20.0"
n_orders = 100
order_sz = "5"
tick_size = "0.003"
active_levels = 20
window_slack = 5         # 0: exactly active_levels a side; the far ends may lag by so many, the inside never
gap_levels = 0

[tuning]                 # shown: the defaults of `run`
interval_s = 3.0
dead_zone_bps = 0.0
price_tolerance_bps = 1.0
size_tolerance_pct = 1.0
reconcile_every = 20
min_notional = "10"
requote_on_fill = true
feed_stale_after_s = 30.0
foreign_orders = "keep"     # or "cancel", the library's default and the specification's rule
cancel_on_shutdown = true
"""


def parse(environ: Mapping[str, str] | None = None, /, **sections: Mapping[str, object]) -> Settings:
    """The least that is complete, with these values put over it."""
    document: dict[str, dict[str, object]] = {
        "market": {"coin": "@107", "account": ACCOUNT},
        "strategy": {"start_px": "20", "n_orders": 100, "order_sz": "5"},
    }
    for name, values in sections.items():
        document[name] = {**document.get(name, {}), **values}
    return parse_settings(document, environ=environ or {}, source="mm.toml")


def complain(environ: Mapping[str, str] | None = None, /, **sections: Mapping[str, object]) -> list[str]:
    """The lines of the ConfigError that this causes, without the first."""
    with pytest.raises(ConfigError) as caught:
        parse(environ, **sections)
    first, *problems = str(caught.value).split("\n")
    assert first == f"mm.toml: {len(problems)} problem{'s' * (len(problems) > 1)}"
    return problems


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "mm.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


# --- what is right ----------------------------------------------------------------------------


def test_the_example_of_the_contract_is_read_whole(tmp_path: Path) -> None:
    settings = load_settings(write(tmp_path, CONTRACT), environ={"MM_TRIO_ACCOUNT_ADDRESS": ACCOUNT})

    assert settings.market.base_url == "http://127.0.0.1:3001"
    assert settings.maker_parameters() == {
        "coin": "@107",
        "start_px": dec("20.0"),
        "n_orders": 100,
        "order_sz": dec("5"),
        "tick_size": dec("0.003"),
        "active_levels": 20,
        "window_slack": 5,
        "gap_levels": 0,
        "ladder": None,
        "interval_s": 3.0,
        "dead_zone_bps": dec("0"),
        "price_tolerance_bps": dec("1"),
        "size_tolerance_pct": dec("1"),
        "reconcile_every": 20,
        "min_notional": dec("10"),
        "requote_on_fill": True,
        "feed_stale_after_s": 30.0,
        "foreign_orders": "keep",
        "cancel_on_shutdown": True,
        "feed_lag_limit_s": 10.0,
        "hand_cancel_pause_s": 10.0,
        "hand_cancels_to_stop": None,
        "ledger": "ahead",
    }


def test_the_defaults_are_those_that_the_contract_shows(tmp_path: Path) -> None:
    shown = load_settings(write(tmp_path, CONTRACT), environ={"MM_TRIO_ACCOUNT_ADDRESS": ACCOUNT})
    bare = parse(strategy={"active_levels": 20, "window_slack": 5})

    assert bare == shown


def test_the_sockets_are_the_sdks_unless_the_loops_own_are_wanted() -> None:
    assert parse().tuning.transport == "sdk"
    assert parse(tuning={"transport": "trio"}).tuning.transport == "trio"


def test_every_parameter_has_the_name_that_the_maker_knows() -> None:
    parameters = parse(allocation={"token": 1, "usdc": 1}).maker_parameters()

    assert parameters.keys() <= inspect.signature(WsState).parameters.keys()


def test_the_maker_takes_the_parameters() -> None:
    parameters = parse(allocation={"token": "1.5", "usdc": 0}).maker_parameters()

    maker = WsState(**parameters, info=None, exchange=None, address=ACCOUNT)

    assert maker.inventory.virtual_token == dec("1.5")


def test_the_ladder_may_open_one_percent_from_the_market_by_default() -> None:
    assert parse().tuning.max_open_distance_pct == 1


@pytest.mark.parametrize("raw", ["0.01", "100"])
def test_the_limit_of_the_opening_may_be_each_of_its_bounds(raw: str) -> None:
    assert parse(tuning={"max_open_distance_pct": raw}).tuning.max_open_distance_pct == dec(raw)


def test_settings_are_frozen() -> None:
    settings = parse()

    with pytest.raises(FrozenInstanceError):
        settings.market.network = "mainnet"  # type: ignore[misc]


@pytest.mark.parametrize("raw", ["0.1", 0.1, "1e-1", ".1"])
def test_money_is_exact_however_it_is_written(raw: object) -> None:
    assert parse(strategy={"order_sz": raw}).strategy.order_sz == dec("0.1")


def test_a_number_reads_in_plain_digits() -> None:
    assert str(parse(strategy={"order_sz": "1e3"}).strategy.order_sz) == "1000"


def test_an_account_is_lower_cased() -> None:
    assert parse().market.account == ACCOUNT.lower()


def test_the_account_of_the_environment_wins() -> None:
    other = "0x" + "1" * 40

    assert parse({"MM_TRIO_ACCOUNT_ADDRESS": other}).market.account == other


@pytest.mark.parametrize(
    "network, url",
    [("testnet", "https://api.hyperliquid-testnet.xyz"), ("mainnet", "https://api.hyperliquid.xyz")],
)
def test_a_real_network_has_the_one_address_in_code(network: str, url: str) -> None:
    assert parse(market={"network": network}).market.base_url == url


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:3001", "http://localhost:80", "http://[::1]:65535", "http://127.0.0.1:3001/"]
)
def test_the_sandbox_may_be_anywhere_on_loopback(url: str) -> None:
    assert parse(market={"api_url": url}).market.base_url == url.rstrip("/")


def test_the_description_tells_what_matters_on_one_line() -> None:
    text = parse(market={"network": "testnet"}, strategy={"target_px": "23.50"}).describe()

    assert "\n" not in text
    for part in ("network=testnet", "account=0xabab", "coin=@107", "target_px=23.50", "interval_s=3.0", "n_orders=100"):
        assert part in text


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(tmp_path: Path) -> None:
    path = write(tmp_path, "\ufeff" + CONTRACT.replace("\n", "\r\n"))

    assert load_settings(path, environ={"MM_TRIO_ACCOUNT_ADDRESS": ACCOUNT}).strategy.n_orders == 100


# --- overrides --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "variable, text, section, key, value",
    [
        ("MM_TRIO__STRATEGY__N_ORDERS", "50", "strategy", "n_orders", 50),
        ("mm_trio__strategy__start_px", "7.5", "strategy", "start_px", dec("7.5")),
        ("MM_TRIO__TUNING__INTERVAL_S", "0.5", "tuning", "interval_s", 0.5),
        ("MM_TRIO__Tuning__Requote_On_Fill", "False", "tuning", "requote_on_fill", False),
        ("MM_TRIO__TUNING__FOREIGN_ORDERS", "cancel", "tuning", "foreign_orders", "cancel"),
        ("MM_TRIO__MARKET__COIN", "PURR/USDC", "market", "coin", "PURR/USDC"),
    ],
)
def test_the_environment_overrides_a_value(variable: str, text: str, section: str, key: str, value: object) -> None:
    assert getattr(getattr(parse({variable: text}), section), key) == value


def test_an_override_takes_the_place_of_a_wrong_value() -> None:
    settings = parse({"MM_TRIO__STRATEGY__N_ORDERS": "50"}, strategy={"n_orders": 0})

    assert settings.strategy.n_orders == 50


def test_an_allocation_may_come_from_the_environment_alone() -> None:
    settings = parse({"MM_TRIO__ALLOCATION__TOKEN": "3", "MM_TRIO__ALLOCATION__USDC": "4"})

    parameters = settings.maker_parameters()

    assert (parameters["allocated_token"], parameters["allocated_usdc"]) == (Decimal(3), Decimal(4))


def test_an_unknown_override_is_told_with_its_neighbour() -> None:
    (problem,) = complain({"MM_TRIO__STRATEGY__N_ORDER": "5"})

    assert "unknown setting MM_TRIO__STRATEGY__N_ORDER; did you mean MM_TRIO__STRATEGY__N_ORDERS?" in problem


def test_an_override_that_resembles_nothing_is_told_how_they_are_named() -> None:
    (problem,) = complain({"MM_TRIO__QQQQQQQQQQQQQQQQQQQQQQQQQQQQ": "5"})

    assert "MM_TRIO__SECTION__KEY" in problem


def test_an_override_given_in_two_spellings_is_refused() -> None:
    (problem,) = complain({"MM_TRIO__STRATEGY__N_ORDERS": "5", "mm_trio__strategy__n_orders": "6"})

    assert "given twice" in problem


def test_a_wrong_override_is_called_by_its_own_name() -> None:
    (problem,) = complain({"MM_TRIO__TUNING__INTERVAL_S": "fast"})

    assert problem.startswith("  MM_TRIO__TUNING__INTERVAL_S = 'fast': must be a number from 0.1 to 3600 (seconds)")


def test_variables_of_other_names_are_nobodys_business() -> None:
    assert parse({"MM_TRIO_KEY_FILE": "x", "PATH": "/bin", "MM_TRIOX__A": "1"}) == parse()


# --- what is wrong ----------------------------------------------------------------------------


def test_every_problem_is_told_at_once_a_line_each() -> None:
    problems = complain(
        market={"coin": "HYPE", "network": "mainet"},
        strategy={"n_orders": 0, "start_px": "cheap", "n_order": 1},
        tuning={"interval_s": 0},
    )

    assert [re.split(":|;| is | = ", problem)[0].strip() for problem in problems] == [
        "unknown setting [strategy] n_order",
        "[market] coin",
        "[market] network",
        "[strategy] start_px",
        "[strategy] n_orders",
        "[tuning] interval_s",
    ]


def test_a_problem_says_name_value_what_is_allowed_and_what_to_do() -> None:
    (problem,) = complain(strategy={"n_orders": 20001})

    assert problem == (
        "  [strategy] n_orders = 20001: must be a whole number from 1 to 20000 (levels of the ladder); "
        "change it, such as to 100"
    )


def test_what_is_missing_is_told_with_an_example() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_settings({}, environ={}, source="mm.toml")

    for name in (
        "[market] coin",
        "[market] account",
        "[strategy] start_px",
        "[strategy] n_orders",
        "[strategy] order_sz",
    ):
        assert f"{name} is missing" in str(caught.value)
    assert "MM_TRIO_ACCOUNT_ADDRESS" in str(caught.value)


@pytest.mark.parametrize(
    "section, key, hint",
    [
        ("strategy", "n_order", "did you mean n_orders?"),
        ("strategy", "interval_s", "did you mean [tuning] interval_s?"),
        ("market", "zzz", "expected one of: coin, network, api_url, account, base"),
        ("tunning", "interval_s", "did you mean tuning?"),
        ("differ", "x", "expected one of: market, strategy, allocation, tuning"),
    ],
)
def test_an_unknown_name_is_an_error_with_its_neighbour(section: str, key: str, hint: str) -> None:
    (problem,) = complain(**{section: {key: 1}})

    assert hint in problem


@pytest.mark.parametrize(
    "section, key, raw",
    [
        ("strategy", "start_px", True),
        ("strategy", "n_orders", False),
        ("strategy", "n_orders", 10.0),
        ("strategy", "n_orders", "1e2"),
        ("strategy", "order_sz", 0),
        ("strategy", "order_sz", "-1"),
        ("strategy", "order_sz", "1_000"),
        ("strategy", "order_sz", " 1"),
        ("strategy", "order_sz", "\u0661"),
        ("strategy", "order_sz", float("nan")),
        ("strategy", "order_sz", float("inf")),
        ("strategy", "order_sz", "NaN"),
        ("strategy", "order_sz", "1e999"),
        ("strategy", "order_sz", "0." + "1" * 40),
        pytest.param("strategy", "order_sz", 10**5000, id="huge"),
        ("strategy", "order_sz", [1]),
        ("strategy", "tick_size", 0),
        ("strategy", "tick_size", "1.01"),
        ("strategy", "active_levels", 0),
        ("strategy", "window_slack", -1),
        ("strategy", "target_px", "0"),
        ("tuning", "interval_s", 0.09),
        ("tuning", "interval_s", 3601),
        ("tuning", "interval_s", True),
        ("tuning", "dead_zone_bps", 1001),
        ("tuning", "price_tolerance_bps", -1),
        ("tuning", "size_tolerance_pct", 101),
        ("tuning", "reconcile_every", 0),
        ("tuning", "min_notional", "-1"),
        ("tuning", "requote_on_fill", 1),
        ("tuning", "requote_on_fill", "maybe"),
        ("tuning", "feed_stale_after_s", 0),
        ("tuning", "foreign_orders", "sell"),
        ("tuning", "transport", "asyncio"),
        ("tuning", "max_open_distance_pct", "0.009"),
        ("tuning", "max_open_distance_pct", 100.1),
        ("tuning", "max_open_distance_pct", True),
        ("market", "network", "Mainnet"),
        ("market", "coin", "HYPE"),
        ("market", "coin", "../x/USDC"),
        ("market", "coin", "..\x00/USDC"),
        ("market", "coin", "../USDC"),
        ("market", "coin", "A/B/C"),
        ("market", "coin", ""),
        ("market", "coin", 107),
        ("market", "account", "0x" + "1" * 39),
        ("market", "account", "1" * 40),
        ("market", "account", "0x" + "g" * 40),
        ("market", "account", ACCOUNT + "\n"),
    ],
)
def test_a_value_out_of_bounds_is_refused_by_name(section: str, key: str, raw: object) -> None:
    (problem,) = complain(**{section: {key: raw}})

    assert problem.startswith(f"  [{section}] {key} = ")
    assert "must be" in problem


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1:3001",
        "http://api.hyperliquid.xyz",
        "http://127.0.0.1.evil.example",
        "http://127.0.0.1@evil.example",
        "http://evil.example#127.0.0.1",
        "http://127.0.0.1\\@evil.example",
        "http://127.0.0.1:3001/info",
        "http://127.0.0.1:0",
        "http://127.0.0.1:65536",
        "http://0.0.0.0:3001",
        "http://127.0.0.2:3001",
        "http://127.0.0.1:3001\n",
        "http://127.0.0.1:\u0661",
        "http://[::1",
        "file:///etc/passwd",
        "",
    ],
)
def test_an_address_elsewhere_is_refused(url: str) -> None:
    (problem,) = complain(market={"api_url": url})

    assert problem.startswith("  [market] api_url = ")


@pytest.mark.parametrize("network", ["testnet", "mainnet"])
def test_no_file_can_send_a_real_key_elsewhere(network: str) -> None:
    (problem,) = complain(market={"network": network, "api_url": "http://127.0.0.1:3001"})

    assert f"{network} has one address" in problem


def test_a_password_in_an_address_is_not_repeated() -> None:
    (problem,) = complain(market={"api_url": "http://me:hunter2@127.0.0.1"})

    assert "hunter2" not in problem


def test_a_section_must_be_a_table() -> None:
    with pytest.raises(ConfigError, match=r"\[tuning\] = 3: must be a section"):
        parse_settings({"tuning": 3}, environ={}, source="mm.toml")


def test_a_target_and_an_allocation_exclude_each_other() -> None:
    (problem,) = complain(strategy={"target_px": "23.5"}, allocation={"token": 1, "usdc": 1})

    assert "exclude each other" in problem


def test_half_an_allocation_is_refused() -> None:
    (problem,) = complain(allocation={"token": "250"})

    assert problem.startswith("  [allocation] usdc is missing")


def test_an_empty_allocation_is_not_the_whole_account() -> None:
    assert len(complain(allocation={})) == 2


def test_an_allocation_of_nothing_is_refused() -> None:
    (problem,) = complain(allocation={"token": 0, "usdc": "0.0"})

    assert "are both 0, so the maker could not quote; set at least one above 0" in problem


def test_a_ladder_without_an_end_is_refused() -> None:
    (problem,) = complain(strategy={"n_orders": 20000, "tick_size": 1})

    assert "end above 10^15" in problem


def test_a_value_above_all_sections_is_told_where_it_belongs() -> None:
    with pytest.raises(ConfigError, match=r"unknown section \[coin\]; did you mean \[market\] coin\?"):
        parse_settings({"coin": "@107"}, environ={}, source="mm.toml")


# --- secrets ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["private_key", "privateKey", "secret", "SECRET_KEY", "key", "mnemonic", "passphrase", "api-key", "pk", "seed"],
)
def test_a_key_in_the_file_is_refused_whatever_it_is_called(name: str) -> None:
    (problem,) = complain(market={name: "swordfish"})

    assert "does not belong here" in problem
    assert "MM_TRIO_PRIVATE_KEY" in problem
    assert "swordfish" not in problem


@pytest.mark.parametrize(
    "raw",
    [
        CANARY,
        "0x" + CANARY.upper(),
        f"my key is {CANARY}!",
        "-".join(CANARY[i : i + 8] for i in range(0, 64, 8)),
        [{"deep": [CANARY]}],
        pytest.param(int(CANARY, 16), id="number"),
    ],
)
@pytest.mark.parametrize(
    "section, key", [("market", "account"), ("market", "coin"), ("market", "note"), ("wallet", "x")]
)
def test_a_value_that_looks_like_a_key_is_refused_and_not_repeated(section: str, key: str, raw: object) -> None:
    text = "\n".join(complain(**{section: {key: raw}}))

    assert "does not belong here" in text
    assert CANARY[:16] not in text.lower()
    assert str(int(CANARY, 16))[:16] not in text


def test_a_phrase_of_twelve_words_is_refused_and_not_repeated() -> None:
    (problem,) = complain(
        market={"note": "legal winner thank year wave sausage worth useful legal winner thank yellow"}
    )

    assert "does not belong here" in problem
    assert "sausage" not in problem


def test_a_key_with_a_digit_missing_is_not_repeated_either() -> None:
    (problem,) = complain(market={"account": f"0x{CANARY[:-1]}"})

    assert problem.startswith("  [market] account = '0x<hidden>'")


def test_a_key_as_the_name_of_a_value_is_not_repeated() -> None:
    (problem,) = complain(market={CANARY: 1})

    assert CANARY not in problem


def test_a_key_in_an_override_is_refused_and_not_repeated() -> None:
    (problem,) = complain({"MM_TRIO__MARKET__PRIVATE_KEY": CANARY})

    assert "does not belong here" in problem
    assert CANARY not in problem


def test_a_key_in_place_of_the_account_is_not_repeated() -> None:
    (problem,) = complain({"MM_TRIO_ACCOUNT_ADDRESS": f"0x{CANARY}"})

    assert problem.startswith("  MM_TRIO_ACCOUNT_ADDRESS = <hidden>")


def test_hiding_leaves_an_address_and_prose_alone() -> None:
    assert hide_secrets(f"account {ACCOUNT} at 20.003") == f"account {ACCOUNT} at 20.003"
    assert hide_secrets(f"signed by 0x{CANARY}, so") == "signed by 0x<hidden>, so"


# --- the file ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content, reason",
    [
        (b"[market\n", r"is not valid TOML: .*line 1, column 8"),
        (b"a = 1\na = 2\n", r"is not valid TOML: .*line 2, column 6"),
        (b"a = '\xff'", "is not UTF-8 text: byte 6"),
        (b"a = " + b"[" * 9000, "too deep"),
        (b"a = " + b"9" * 5000, "is not valid TOML"),
        (b"#" * 20_000, "larger than 16 KiB"),
    ],
)
def test_a_file_that_cannot_be_parsed_is_one_line_with_the_place(tmp_path: Path, content: bytes, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason) as caught:
        load_settings(write(tmp_path, content), environ={})

    assert "\n" not in str(caught.value)
    assert caught.value.__context__ is None


def test_names_nested_without_end_are_refused_in_no_time(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="unknown section"):
        load_settings(write(tmp_path, "[" + "a." * 3000 + "a]\nb = 1"), environ={})


@pytest.mark.parametrize(
    "name, reason", [("none.toml", "No such file"), ("", "Is a directory"), ("a\0b", "not a valid path")]
)
def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path, name: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=f"cannot be read: .*{reason}"):
        load_settings(tmp_path / name, environ={})


# --- the target -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "target, level", [("20", 0), ("20.06", 1), ("20.08", 1), ("20.11", 2), ("23.5", 54), ("26.8", 98)]
)
def test_a_target_opens_the_ladder_at_the_nearest_level(target: str, level: int) -> None:
    grid = PricingGrid(20, 100, sz_decimals=2)

    token, usdc = compute_target_allocation(grid, dec(target), dec("5"))

    assert token == 5 * (100 - level)
    assert usdc == 5 * sum(grid.levels[:level], Decimal(0))
    assert compute_boundary(grid, token, dec("5"), bid_levels=()) == level


def test_a_target_pays_for_every_level_to_the_last_digit() -> None:
    grid = PricingGrid("20.777", 100, sz_decimals=2)
    token, usdc = compute_target_allocation(grid, dec("23.5"), dec("3.33"))

    boundary = compute_boundary(grid, token, dec("3.33"), bid_levels=())
    orders = compute_desired_orders(grid, boundary, token, usdc, "3.33")

    assert [order.level_index for order in sorted(orders, key=lambda order: order.price)] == list(range(100))
    assert {order.size for order in orders} == {dec("3.33")}
    assert sum(order.size * order.price for order in orders if order.side == "buy") == usdc


@pytest.mark.parametrize("target", ["19.9", "26.99", "1", "1000"])
def test_a_target_outside_the_ladder_is_refused_with_its_range(target: str) -> None:
    grid = PricingGrid(20, 100)

    with pytest.raises(ConfigError, match=rf"target_px {target} is outside .* from 20 to {grid.levels[-1]}"):
        compute_target_allocation(grid, dec(target), dec("5"))


def test_a_target_becomes_an_allocation_once_the_grid_is_known() -> None:
    settings, grid = parse(strategy={"target_px": "23.5"}), PricingGrid(20, 100)

    parameters = settings.maker_parameters(grid)

    amounts = (parameters["allocated_token"], parameters["allocated_usdc"])
    assert amounts == compute_target_allocation(grid, dec("23.5"), dec("5"))
    assert "allocated_token" not in settings.maker_parameters()
    assert Inventory("5", *amounts).virtual_token == 230


# --- limits -----------------------------------------------------------------------------------


def test_limits_are_off_unless_they_are_given() -> None:
    assert parse().limits is None


def test_each_limit_may_be_left_out() -> None:
    limits = parse(limits={"max_net_spend": "6433.70", "budget_floor": 0}, allocation={"token": 5, "usdc": 5}).limits

    assert limits == Limits(max_net_spend=dec("6433.70"), budget_floor=0)


@pytest.mark.parametrize("name", ["max_net_spend", "max_loss_vs_hold", "max_drawdown_vs_hold"])
def test_limits_of_money_need_an_allocation(name: str) -> None:
    (problem,) = complain(limits={name: 100})

    assert problem == (
        f"  [limits] {name} needs [allocation], or target_px from which it follows; give one, or remove the limit"
    )
    assert parse(limits={name: 100}, allocation={"token": 5, "usdc": 5}).limits is not None
    assert parse(limits={name: 100}, strategy={"target_px": "21"}).limits is not None


def test_a_misspelt_limit_is_told_with_its_neighbour() -> None:
    (problem,) = complain(limits={"max_net_spent": 1})

    assert problem == "  unknown setting [limits] max_net_spent; did you mean max_net_spend?"


@pytest.mark.parametrize(
    "key, raw",
    [
        ("max_order_notional", 0),
        ("max_side_notional", "-1"),
        ("price_low", 0),
        ("max_loss_vs_hold", "much"),
        ("max_actions_per_hour", 0),
        ("max_fills_per_minute", 1.5),
        ("max_unknown_outcomes", True),
        ("budget_floor", -1),
    ],
)
def test_a_limit_outside_its_bounds_is_refused(key: str, raw: object) -> None:
    (problem,) = complain(limits={key: raw})

    assert f"[limits] {key} = " in problem


def test_a_lowest_price_above_the_highest_is_refused() -> None:
    (problem,) = complain(limits={"price_low": 20, "price_high": "19.9"})

    assert problem == "  [limits] price_low 20 is above price_high 19.9; swap them"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("MM_TRIO_ACCOUNT", "did you mean MM_TRIO_ACCOUNT_ADDRESS?"),
        ("MM_TRIO_ACCOUNT_ADRESS", "did you mean MM_TRIO_ACCOUNT_ADDRESS?"),
        ("MM_TRIO_KEYFILE", "did you mean MM_TRIO_KEY_FILE?"),
        ("MM_TRIO_XYZZY", "a setting is MM_TRIO__SECTION__KEY; remove it"),
        ("mm_trio_account_address", "did you mean MM_TRIO_ACCOUNT_ADDRESS?"),
    ],
)
def test_a_variable_of_ours_that_means_nothing_is_refused(tmp_path: Path, name: str, hint: str) -> None:
    (tmp_path / "c.toml").write_text("")

    with pytest.raises(ConfigError) as caught:
        load_settings(tmp_path / "c.toml", environ={name: "1"})

    assert f"unknown variable {name}; {hint}" in str(caught.value)


def test_variables_of_the_tests_are_left_to_them(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("")

    with pytest.raises(ConfigError) as caught:
        load_settings(tmp_path / "c.toml", environ=dict.fromkeys(TEST_VARIABLES, "1"))

    assert "unknown variable" not in str(caught.value)


def test_every_variable_that_the_tests_read_is_listed() -> None:
    root = Path(__file__).parents[3]
    texts = [path.read_text() for name in ("tests", "benchmarks") for path in (root / name).rglob("*.py")]
    read = set(re.findall(r'environ(?:\.get\(|\[)"(MM_TRIO_[A-Z_]+)"', " ".join(texts)))

    assert read <= TEST_VARIABLES | {"MM_TRIO_PRIVATE_KEY"}

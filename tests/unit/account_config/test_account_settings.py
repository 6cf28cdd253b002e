"""A file of several markets gives an account with one complete grid each, or says what is wrong with which of them."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from account_config_kit import (
    ACCOUNT,
    TWO_MARKETS,
    make_document,
    make_market,
    one_market,
    parse_account,
    two_markets,
)

from mm_trio.account_config.loading import MOST_FILE_BYTES, load_account_settings
from mm_trio.account_config.settings import (
    ACCOUNT_LIMITS,
    GRID_TUNING,
    MOST_GRIDS,
    AccountSettings,
    find_missing_limits,
)
from mm_trio.account_config.toml_text import write_toml
from mm_trio.config.loading import load_settings, parse_settings
from mm_trio.config.settings import Limits
from mm_trio.model.errors import ConfigError


def complain(document: dict[str, Any], environ: dict[str, str] | None = None) -> list[str]:
    """Return the problems of a document, without the line that counts them."""
    with pytest.raises(ConfigError) as caught:
        parse_account(document, environ)
    first, *problems = str(caught.value).split("\n")
    assert first == f"mm.toml: {len(problems)} problem{'s' if len(problems) > 1 else ''}"
    return [problem.strip() for problem in problems]


def test_each_market_is_a_grid_in_the_order_of_the_file() -> None:
    assert parse_account(two_markets()).coins == ("HYPE/USDC", "@1")


def test_a_grid_has_the_network_and_account_of_all() -> None:
    grids = parse_account(two_markets()).grids

    assert {(grid.market.network, grid.market.account) for grid in grids} == {("testnet", ACCOUNT)}


def test_a_grid_is_what_a_file_of_its_own_would_say() -> None:
    alone = parse_settings(
        {
            "market": {"coin": "HYPE/USDC", "base": "HYPE", "network": "testnet", "account": ACCOUNT},
            "strategy": {"start_px": "20", "n_orders": 100, "order_sz": "5"},
            "allocation": {"token": "250", "usdc": "5000"},
            "limits": {"max_order_notional": "150", "budget_floor": 500},
            "tuning": {"interval_s": 2.0, "dead_zone_bps": 4.0},
        },
        environ={},
        source="alone",
    )

    assert parse_account(two_markets()).grids[0] == alone


def test_tuning_of_the_account_is_the_default_of_its_grids() -> None:
    grids = parse_account(two_markets()).grids

    assert [grid.tuning.dead_zone_bps for grid in grids] == [4, 1]


def test_limits_of_the_account_are_its_own() -> None:
    settings = parse_account(two_markets())

    assert settings.limits is not None
    assert settings.limits.max_side_notional == 9000
    assert settings.grids[1].limits is None


def test_limits_of_the_account_leave_those_of_a_grid_off() -> None:
    settings = parse_account(two_markets())

    assert settings.limits is not None
    assert settings.limits.to_risk_limits().max_order_notional is None
    assert settings.limits.to_risk_limits().budget_floor == 500


def test_a_grid_is_found_by_its_coin() -> None:
    settings = parse_account(two_markets())

    assert settings.find_grid("@1") is settings.grids[1]
    assert settings.find_grid("@2") is None


def test_a_file_of_one_market_means_the_same_as_before() -> None:
    settings = parse_account(one_market())

    assert settings.grids == (parse_settings(one_market(), environ={}, source="mm.toml"),)
    assert not settings.lists_markets


def test_a_file_of_one_market_may_offer_the_whole_account() -> None:
    document = one_market()
    del document["allocation"]

    assert parse_account(document).grids[0].allocation is None


def test_a_problem_of_one_market_reads_as_before() -> None:
    document = one_market()
    document["strategy"]["n_order"] = 1

    assert complain(document) == ["unknown setting [strategy] n_order; did you mean n_orders?"]


def test_a_list_of_one_market_keeps_the_form_of_several() -> None:
    assert parse_account(make_document(make_market("@1"))).lists_markets


def test_a_command_for_one_market_refuses_a_list() -> None:
    with pytest.raises(ConfigError, match=r"lists its markets \(\[\[market\]\]\)"):
        parse_settings(two_markets(), environ={}, source="mm.toml")


@pytest.mark.parametrize(
    "problem, document",
    [
        (
            "market @1: [[market]] coin '@1' is in table 1 and in table 2; a coin has one grid, so remove one of them, "
            "or change its coin",
            make_document(make_market("@1"), make_market("@1")),
        ),
        (
            "market hype/usdc: [[market]] coin 'hype/usdc' is in table 1 and in table 2; a coin has one grid, so "
            "remove one of them, or change its coin",
            make_document(make_market("HYPE/USDC"), make_market("hype/usdc")),
        ),
        (
            "market @2: [market.allocation] is missing: markets of one account share its tokens, so each has to say "
            "what it may offer; set token (0 or more, base) and usdc (0 or more, quote)",
            make_document(make_market("@1"), make_market("@2", allocation=None)),
        ),
        (
            "market @1: [market.allocation] usdc is missing: must be a number from 0 to 1000000000000000 (quote); set "
            'it, such as "5000"',
            make_document(make_market("@1", allocation={"token": "1"})),
        ),
        (
            "market @1: [market.allocation] token and usdc are both 0, so the maker could not quote; set at least one "
            "above 0",
            make_document(make_market("@1", allocation={"token": 0, "usdc": 0})),
        ),
        (
            "market @1: [market.limits] price_low 2 is above price_high 1; swap them",
            make_document(make_market("@1", limits={"price_low": 2, "price_high": 1})),
        ),
        (
            'market 1: [[market]] coin is missing: must be a spot pair, @N or BASE/QUOTE; set it, such as "HYPE/USDC"',
            make_document({name: value for name, value in make_market("").items() if name != "coin"}),
        ),
        (
            "market @1: [market.strategy] = 3: must be a section, with its values below it",
            make_document(make_market("@1"), make_market("@2")) | {"market": [make_market("@1", strategy=3)]},
        ),
    ],
)
def test_a_refusal_names_the_market_the_value_and_the_remedy(problem: str, document: dict[str, Any]) -> None:
    assert problem in complain(document)


def test_a_target_cannot_decide_the_allocation_of_one_of_several() -> None:
    strategy = make_market("@1")["strategy"] | {"target_px": "23"}

    (problem,) = complain(make_document(make_market("@1", strategy=strategy, allocation=None)))

    assert problem.startswith("market @1: [market.strategy] target_px: markets of one account share its tokens")
    assert "set [market.allocation] token and usdc" in problem


@pytest.mark.parametrize(
    "change, problem",
    [
        (
            {"strategy": {"start_px": "20", "n_orders": 9, "order_sz": "5", "n_order": 1}},
            "market @1: unknown setting [market.strategy] n_order; did you mean n_orders?",
        ),
        ({"network": "testnet"}, "market @1: unknown setting [[market]] network; did you mean [account] network?"),
        ({"account": ACCOUNT}, "market @1: unknown setting [[market]] account; did you mean [account] account?"),
        (
            {"tuning": {"interval_s": 1}},
            "market @1: unknown setting [market.tuning] interval_s; did you mean [tuning] interval_s?",
        ),
        (
            {"limits": {"budget_floor": 1}},
            "market @1: unknown setting [market.limits] budget_floor; did you mean [limits] budget_floor?",
        ),
        ({"stratgy": {}}, "market @1: unknown setting [[market]] stratgy; did you mean [market.strategy]?"),
        ({"guard": {}}, "market @1: unknown setting [[market]] guard; did you mean [guard]?"),
    ],
)
def test_an_unknown_name_in_a_market_is_answered_with_its_home(change: dict[str, Any], problem: str) -> None:
    assert problem in complain(make_document(make_market("@1", **change)))


@pytest.mark.parametrize(
    "sections, problem",
    [
        ({"strategy": {}}, "unknown section [strategy]; did you mean [market.strategy]?"),
        ({"allocation": {}}, "unknown section [allocation]; did you mean [market.allocation]?"),
        ({"limit": {}}, "unknown section [limit]; did you mean limits?"),
        (
            {"limits": {"price_low": 1}},
            "unknown setting [limits] price_low; did you mean [market.limits] price_low?",
        ),
        (
            {"limits": {"max_order_notional": 1}},
            "unknown setting [limits] max_order_notional; did you mean [market.limits] max_order_notional?",
        ),
        (
            {"account": {"account": ACCOUNT, "coin": "@1"}},
            "unknown setting [account] coin; did you mean [[market]] coin?",
        ),
        (
            {"account": {"account": ACCOUNT, "network": "mainnet", "api_url": "http://127.0.0.1:1"}},
            "[account] api_url: mainnet has one address, https://api.hyperliquid.xyz; remove it, or use network = "
            '"sandbox"',
        ),
    ],
)
def test_an_unknown_name_of_the_account_is_answered_with_its_home(sections: dict[str, Any], problem: str) -> None:
    assert complain(make_document(make_market("@1"), **sections)) == [problem]


def test_as_many_markets_as_allowed_are_taken() -> None:
    document = make_document(*(make_market(f"@{number}") for number in range(MOST_GRIDS)))

    assert len(parse_account(document).grids) == MOST_GRIDS


def test_one_market_more_is_refused() -> None:
    (problem,) = complain(make_document(*(make_market(f"@{number}") for number in range(MOST_GRIDS + 1))))

    assert problem == (
        "251 [[market]] tables: one account has at most 250; put the others into a file of another account"
    )


def test_as_many_markets_as_allowed_fit_into_a_file(tmp_path: Path) -> None:
    """With all that can be said of each."""
    limits = {name: "1000000.00000001" for name in Limits.__dataclass_fields__ if name.startswith(("max_", "price"))}
    whole = {"max_actions_per_hour": 10_000, "max_fills_per_minute": 1_000, "max_unknown_outcomes": 10}
    markets = (make_market(f"@{number}", limits=limits | whole) for number in range(MOST_GRIDS))
    path = tmp_path / "mm.toml"
    path.write_text(write_toml(parse_account(make_document(*markets))))

    assert path.stat().st_size < MOST_FILE_BYTES
    assert len(load_account_settings(path, environ={}).grids) == MOST_GRIDS


def test_a_file_that_is_too_large_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mm.toml"
    path.write_text("# nothing\n" * 30_000)

    with pytest.raises(ConfigError, match="is larger than 256 KiB, too large for a configuration file"):
        load_account_settings(path, environ={})


def test_a_line_that_is_too_long_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mm.toml"
    path.write_text(f"{TWO_MARKETS}\n{'a.' * 2000}b = 1\n")

    with pytest.raises(ConfigError, match=r"has 4005 bytes in line \d+, too long"):
        load_account_settings(path, environ={})


@pytest.mark.parametrize(
    "variable, text, section, name, value",
    [
        ("MM_TRIO__ACCOUNT__NETWORK", "mainnet", "account", "network", "mainnet"),
        ("MM_TRIO__LIMITS__MAX_NET_SPEND", "7.5", "limits", "max_net_spend", Decimal("7.5")),
        ("MM_TRIO__TUNING__INTERVAL_S", "9", "tuning", "interval_s", 9.0),
        ("MM_TRIO__GUARD__GUARD_AFTER_S", "20", "guard", "guard_after_s", 20.0),
        ("MM_TRIO__RECORD__KEEP_DAYS", "5", "record", "keep_days", 5),
        ("MM_TRIO_ACCOUNT_ADDRESS", "0x" + "1" * 40, "account", "account", "0x" + "1" * 40),
    ],
)
def test_a_variable_wins_over_the_file(variable: str, text: str, section: str, name: str, value: object) -> None:
    settings = parse_account(two_markets(), {variable: text})

    assert getattr(getattr(settings, section), name) == value


def test_a_variable_of_the_account_reaches_every_grid() -> None:
    settings = parse_account(two_markets(), {"MM_TRIO__TUNING__INTERVAL_S": "9", "MM_TRIO__GUARD__DEAD_MAN": "venue"})

    assert {(grid.tuning.interval_s, grid.guard.dead_man) for grid in settings.grids} == {(9.0, "venue")}


@pytest.mark.parametrize(
    "variable", ["MM_TRIO__MARKET__COIN", "MM_TRIO__STRATEGY__N_ORDERS", "MM_TRIO__LIMITS__PRICE_LOW"]
)
def test_a_variable_cannot_say_which_of_several_markets_it_means(variable: str) -> None:
    (problem,) = complain(two_markets(), {variable: "1"})

    assert problem.startswith(f"unknown setting {variable};")


@pytest.mark.parametrize("coin", ["5ca1ab1e" * 8, "0x" + "5ca1ab1e" * 8])
def test_a_key_in_place_of_a_coin_is_not_shown(coin: str) -> None:
    problems = complain(make_document(make_market("@1"), make_market(coin)))

    assert all("5ca1ab1e" not in problem for problem in problems)
    assert any(problem.startswith("market 2: [[market]] coin: a key or passphrase") for problem in problems)


def test_the_limits_that_real_money_lacks_are_named() -> None:
    missing = find_missing_limits(parse_account(two_markets()))

    assert missing[:2] == ("[limits] max_net_spend", "[limits] max_loss_vs_hold")
    assert "market HYPE/USDC: [market.limits] price_low" in missing
    assert "market HYPE/USDC: [market.limits] max_order_notional" not in missing
    assert not any("[market.limits] budget_floor" in name for name in missing)


def test_the_limits_of_one_market_are_named_as_before() -> None:
    missing = find_missing_limits(parse_account(one_market()))

    assert missing == tuple(f"[limits] {name}" for name in Limits.__dataclass_fields__)


def test_nothing_is_missing_where_account_and_grids_have_all_limits() -> None:
    whole = ("max_actions_per_hour", "max_fills_per_minute", "max_unknown_outcomes", "budget_floor")
    all_limits = {name: 5 if name in whole else "5" for name in Limits.__dataclass_fields__}
    ours = {name: all_limits[name] for name in ACCOUNT_LIMITS}
    of_grid = {name: value for name, value in all_limits.items() if name != "budget_floor"}

    assert find_missing_limits(parse_account(make_document(make_market("@1", limits=of_grid), limits=ours))) == ()


def test_the_text_of_settings_reads_as_the_same_settings(tmp_path: Path) -> None:
    path = tmp_path / "mm.toml"
    for document in (two_markets(), one_market()):
        settings = parse_account(document)
        path.write_text(write_toml(settings))

        assert load_account_settings(path, environ={}) == settings


def test_one_market_as_text_is_read_by_every_older_command(tmp_path: Path) -> None:
    path = tmp_path / "mm.toml"
    path.write_text(write_toml(parse_account(one_market())))

    assert AccountSettings.of_one_market(load_settings(path, environ={})) == parse_account(one_market())


def test_every_tuning_of_a_grid_may_stand_in_its_table() -> None:
    texts = {"foreign_orders": "cancel"}
    tuning = {name: texts.get(name, 7) for name in GRID_TUNING}

    (grid,) = parse_account(make_document(make_market("@1", tuning=tuning))).grids

    assert {name: getattr(grid.tuning, name) for name in GRID_TUNING} == tuning

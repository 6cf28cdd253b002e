"""`--coin` chooses a market of a file that lists several; without it all have their turn, or the coins are listed."""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path

import pytest
from account_config_kit import TWO_MARKETS, make_document, make_market, one_market, parse_account

from mm_trio.account_config.settings import AccountSettings
from mm_trio.account_config.toml_text import write_toml
from mm_trio.cli.main import main
from mm_trio.cli.shell.exit_codes import ExitCode
from mm_trio.cli.shell.grids import Outcome, choose_grid, choose_grids, do_each, load_grid, load_grids
from mm_trio.cli.shell.stop_signal import StopSignal
from mm_trio.config.environment import Environment
from mm_trio.config.settings import Settings
from mm_trio.journal.data_dir import find_account_folder, find_state_folder
from mm_trio.model.errors import ConfigError, Interrupted, LedgerError, Unreachable

ONE_VERBS = (
    ("ledger", "audit"),
    ("pnl",),
    ("fills",),
    ("orders",),
    ("report",),
    ("explain", "3"),
    ("certificate", "--last", "1h"),
    ("rehearse",),
)
ALL_VERBS = (("pause",), ("resume",), ("cancel-all",), ("doctor",))
# They do all markets of a file at once, which have one maker and one ledger, and never one of them.
WHOLE_VERBS = (
    ("guard",),
    ("guard", "--once"),
    ("ledger", "rebuild"),
    ("ledger", "restore", "--from", "copies"),
)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "mm.toml"
    path.write_text(TWO_MARKETS)
    return path


def words(config: Path, coin: str | None = None) -> argparse.Namespace:
    return argparse.Namespace(config=config, coin=coin, environment=Environment())


def each(config: Path, *outcomes: Outcome | Exception, as_json: bool = True) -> int:
    """Do something with these outcomes for the two markets of a file."""
    given = iter(outcomes)

    def do(settings: Settings, is_last: bool) -> Outcome:
        outcome = next(given)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return do_each(load_grids(words(config)), do, stop=StopSignal(), as_json=as_json)


def make_outcome(code: ExitCode = ExitCode.CLEAN) -> Outcome:
    return Outcome({"n": 1}, "a text", code)


def test_without_a_coin_all_grids_are_meant(config: Path) -> None:
    assert [grid.market.coin for grid in load_grids(words(config))] == ["HYPE/USDC", "@1"]


def test_a_coin_chooses_its_grid(config: Path) -> None:
    assert load_grid(words(config, "@1")).market.coin == "@1"


def test_the_only_grid_needs_no_coin() -> None:
    account = parse_account(one_market())

    assert choose_grid(account, None, source="mm.toml") is account.grids[0]


def test_several_grids_are_listed_where_one_is_needed(config: Path) -> None:
    with pytest.raises(ConfigError, match=r"lists 2 markets, and .* choose it with --coin, one of: HYPE/USDC, @1"):
        load_grid(words(config))


@pytest.mark.parametrize(
    "coin, hint", [("HYPE/USD", r"did you mean HYPE/USDC\?"), ("PURR", "expected one of: HYPE/USDC, @1")]
)
def test_an_unknown_coin_is_answered_with_the_known_ones(config: Path, coin: str, hint: str) -> None:
    with pytest.raises(ConfigError, match=rf"--coin '{coin}' is not a market of .*mm.toml; {hint}"):
        load_grids(words(config, coin))


def test_a_coin_of_a_file_of_one_market_has_to_be_its_coin() -> None:
    with pytest.raises(ConfigError, match=r"--coin .@1. is not a market of mm\.toml; did you mean @107"):
        choose_grids(parse_account(one_market()), "@1", source="mm.toml")


def test_results_of_several_grids_are_one_object(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert each(config, make_outcome(), make_outcome()) == ExitCode.CLEAN

    assert json.loads(capsys.readouterr().out) == {"ok": True, "markets": {"HYPE/USDC": {"n": 1}, "@1": {"n": 1}}}


def test_texts_of_several_grids_have_their_coin_above_them(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    each(config, make_outcome(), make_outcome(), as_json=False)

    assert capsys.readouterr().out == "HYPE/USDC\na text\n\n@1\na text\n"


def test_a_grid_that_fails_keeps_no_other_from_its_turn(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert each(config, Unreachable("no answer"), make_outcome()) == ExitCode.VENUE

    values = json.loads(capsys.readouterr().out)
    assert values["markets"] == {"HYPE/USDC": {"error": "no answer", "exit_code": 3}, "@1": {"n": 1}}
    assert values["error"] == "not well for HYPE/USDC"


@pytest.mark.parametrize(
    "first, second, code",
    [
        (make_outcome(ExitCode.CHECK_FAILED), Unreachable("x"), ExitCode.VENUE),
        (make_outcome(ExitCode.ORDERS_MAY_BE_OPEN), LedgerError("x"), ExitCode.ORDERS_MAY_BE_OPEN),
        (Unreachable("x"), ConfigError("x"), ExitCode.CONFIG),
        (make_outcome(), make_outcome(ExitCode.CHECK_FAILED), ExitCode.CHECK_FAILED),
    ],
)
def test_the_worst_exit_code_counts(
    config: Path, first: Outcome | Exception, second: Outcome | Exception, code: ExitCode
) -> None:
    assert each(config, first, second) == code


def test_a_bug_of_ours_is_raised(config: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        each(config, ZeroDivisionError(), make_outcome())


def test_an_interruption_names_the_grids_that_were_done(config: Path) -> None:
    def do(settings: Settings, is_last: bool) -> Outcome:
        if is_last:
            raise Interrupted(note="orders may still rest")
        return make_outcome()

    with pytest.raises(Interrupted) as caught:
        do_each(load_grids(words(config)), do, stop=StopSignal(), as_json=True)

    assert (caught.value.checked, caught.value.not_checked) == (("HYPE/USDC",), ("@1",))
    assert caught.value.note == "orders may still rest"


def test_an_error_of_a_grid_alone_is_raised_as_ever(config: Path) -> None:
    def fail(settings: Settings, is_last: bool) -> Outcome:
        raise Unreachable("no answer")

    with pytest.raises(Unreachable):
        do_each(load_grids(words(config, "@1")), fail, stop=StopSignal(), as_json=True)


@pytest.mark.parametrize("verb", ONE_VERBS, ids=" ".join)
def test_a_command_for_one_market_lists_the_coins(
    verb: tuple[str, ...], config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main([*verb, "--config", str(config)])

    assert code == ExitCode.CONFIG
    assert "choose it with --coin, one of: HYPE/USDC, @1" in capsys.readouterr().err


@pytest.mark.parametrize("verb", [*ONE_VERBS, *ALL_VERBS], ids=" ".join)
def test_a_command_refuses_an_unknown_coin(
    verb: tuple[str, ...], config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main([*verb, "--config", str(config), "--coin", "@2"])

    shown = capsys.readouterr()
    assert code == ExitCode.CONFIG
    assert "is not a market of" in shown.err + shown.out


@pytest.mark.parametrize("verb", WHOLE_VERBS, ids=" ".join)
@pytest.mark.parametrize("coin", ["@1", "@2"])
def test_a_command_for_the_whole_file_refuses_any_coin(
    verb: tuple[str, ...], coin: str, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main([*verb, "--config", str(config), "--coin", coin])

    assert code == ExitCode.CONFIG
    assert re.search(r"mm\.toml lists markets, which .*[;.] [Ll]eave --coin out", capsys.readouterr().err)


@pytest.mark.parametrize("verb", WHOLE_VERBS, ids=" ".join)
def test_a_command_for_the_whole_file_refuses_the_coin_of_another(
    verb: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "one.toml"
    config.write_text(write_toml(parse_account(one_market())))

    code = main([*verb, "--config", str(config), "--coin", "@2"])

    assert code == ExitCode.CONFIG
    assert "is not a market of" in capsys.readouterr().err


@pytest.mark.parametrize("verb", [*ONE_VERBS, *ALL_VERBS, *WHOLE_VERBS], ids=" ".join)
def test_a_command_explains_its_coin(verb: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*[word for word in verb if not word.startswith("-")][:2], "--help"]) == ExitCode.CLEAN

    assert "--coin C" in capsys.readouterr().out


def test_a_folder_takes_no_coin(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["orders", "--folder", str(tmp_path), "--coin", "@1"]) == ExitCode.CONFIG

    assert "--folder is of one coin; leave --coin out" in capsys.readouterr().err


def test_pause_asks_every_grid_of_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Their folders are there, so no venue is asked for the names of the pairs."""
    config, account = tmp_path / "mm.toml", parse_account_of_numbers()
    config.write_text(write_toml(account))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    folders = []
    for grid in account.grids:
        market = grid.market
        folders.append(
            find_state_folder(
                {"XDG_STATE_HOME": str(tmp_path)}, network="testnet", account=market.account, coin=market.coin
            )
        )
        folders[-1].mkdir(parents=True, mode=0o700)

    code = main(["pause", "--config", str(config), "--json"])

    assert code == ExitCode.CLEAN
    assert [(folder / "PAUSE").exists() for folder in folders] == [True, True]
    assert list(json.loads(capsys.readouterr().out)["markets"]) == ["@1", "@2"]


def parse_account_of_numbers() -> AccountSettings:
    """Return settings of two markets that are named as the venue names them."""
    document = make_document(make_market("@1"), make_market("@2"))
    document["account"]["network"] = "testnet"
    return parse_account(document)


def test_what_the_grids_share_is_beside_their_folders() -> None:
    environ = {"XDG_STATE_HOME": "/x"}
    one = find_state_folder(environ, network="mainnet", account="0xAB", coin="@1")

    assert find_account_folder(environ, network="mainnet", account="0xAB") == one.parent / "account"

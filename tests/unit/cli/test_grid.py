"""The command `grid` on facts from a file: figures, configuration, and every error with what to do."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from captures_kit import CAPTURED, MADE_UP, Messages
from plan_kit import make_facts

from mm_trio.cli.main import main
from mm_trio.cli.programs.plan_grid import parse_fees
from mm_trio.cli.shell.exit_codes import ExitCode
from mm_trio.config.loading import load_settings
from mm_trio.model.errors import ConfigError
from mm_trio.planning.income import BASE_TIER, TIERS, Fees

ACCOUNT = "0x" + "Ab" * 20
LADDER = ("--coin", "HYPE/USDC", "--range", "20", "20.43", "--tokens", "20")
HIP2 = "0x" + "f" * 40


@pytest.fixture
def facts(tmp_path: Path) -> Path:
    return save(tmp_path, make_facts())


def save(folder: Path, content: object, name: str = "facts.json") -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def plan(capsys: pytest.CaptureFixture[str], facts: Path, *words: str) -> dict[str, Any]:
    """The last line of a run with `--json` that ended well."""
    assert main(["grid", *LADDER, "--offline", str(facts), "--json", *words]) == ExitCode.CLEAN
    found: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return found


def complain(capsys: pytest.CaptureFixture[str], facts: Path, *words: str) -> str:
    """What a run with wrong words says; it prints no result and no traceback."""
    assert main(["grid", *LADDER, "--offline", str(facts), *words]) == ExitCode.CONFIG
    told = capsys.readouterr()
    assert told.out == ""
    assert "Traceback" not in told.err
    return told.err


def test_a_plan_of_a_file_is_printed_as_one_object(capsys: pytest.CaptureFixture[str], facts: Path) -> None:
    found = plan(capsys, facts, "--target-px", "20.24")

    assert (found["coin"], found["n_orders"], found["order_sz"], found["best_ask"]) == ("@107", 8, "5", "20.24")
    assert found["fees"] == {"maker_bps": "4", "taker_bps": "7", "source": "base tier"}


def test_a_plan_in_words_ends_with_its_configuration(capsys: pytest.CaptureFixture[str], facts: Path) -> None:
    assert main(["grid", *LADDER, "--offline", str(facts), "--target-px", "20.24"]) == ExitCode.CLEAN

    told = capsys.readouterr().out
    assert "opens at 20.21 USDC" in told
    assert told.index("informed traders") < told.index("[strategy]")
    assert "\x1b" not in told


@pytest.mark.parametrize("gap", ["0", "1"])
def test_the_written_configuration_is_the_plan(
    capsys: pytest.CaptureFixture[str], facts: Path, tmp_path: Path, gap: str
) -> None:
    out = tmp_path / "hype.toml"

    found = plan(capsys, facts, "--target-px", "20.24", "--gap-levels", gap, "--out", str(out))

    settings = load_settings(out, environ={"MM_TRIO_ACCOUNT_ADDRESS": ACCOUNT})
    assert out.read_text() == found["config"]
    assert settings.strategy.gap_levels == int(gap)
    assert settings.allocation is not None
    assert (settings.allocation.token, settings.allocation.usdc) == (Decimal(20), Decimal(found["usdc"]))
    assert settings.limits is not None


def test_a_plan_is_written_over_an_earlier_one(capsys: pytest.CaptureFixture[str], facts: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "hype.toml")
    plan(capsys, facts, "--out", out)

    found = plan(capsys, facts, "--gap-levels", "1", "--out", out)

    assert Path(out).read_text() == found["config"]


def test_a_file_that_grid_did_not_write_is_left_alone(
    capsys: pytest.CaptureFixture[str], facts: Path, tmp_path: Path
) -> None:
    out = save(tmp_path, "# mine\n", "hype.toml")

    told = complain(capsys, facts, "--out", str(out))

    assert "exists and was not written by `grid`; choose another name" in told
    assert out.read_text() == "# mine\n"


def test_the_account_is_written_and_its_fees_are_used(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = save(tmp_path, make_facts(userFees={"userSpotAddRate": "0.0003", "userSpotCrossRate": "0.0006"}))

    found = plan(capsys, path, "--account", ACCOUNT)

    assert f'account = "{ACCOUNT.lower()}"' in found["config"]
    assert found["fees"] == {"maker_bps": "3", "taker_bps": "6", "source": "of the account"}


def test_given_fees_win(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = save(tmp_path, make_facts(userFees={"userSpotAddRate": "0.0003", "userSpotCrossRate": "0.0006"}))

    assert plan(capsys, path, "--fees", "1/4")["fees"] == {"maker_bps": "1", "taker_bps": "4", "source": "given"}


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"hip2Orders": [{"coin": "@107", "side": "A", "limitPx": "20.3", "sz": "5", "oid": 1}]}, "1 open orders"),
        ({"hip2Orders": [{"coin": "@1", "side": "A", "limitPx": "20.3", "sz": "5", "oid": 1}]}, None),
        ({"tokenDetails": {"seededUsdc": "9.0", "genesis": None}}, "bids of 9.0 USDC"),
        ({"tokenDetails": {"seededUsdc": "0.0", "genesis": {"userBalances": [[HIP2, "7.0"]]}}}, "given 7.0 HYPE"),
        ({"tokenDetails": {"seededUsdc": "0.0", "genesis": {"userBalances": [["0x1", "7.0"]]}}}, None),
    ],
)
def test_signs_of_hip2_are_told(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, more: Mapping[str, Any], told: str | None
) -> None:
    found = plan(capsys, save(tmp_path, make_facts(**more)))

    whats = [warning["what"] for warning in found["warnings"] if warning["name"] == "hip2_here"]
    assert (len(whats), told is None or told in whats[0]) == (int(told is not None), True)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--tokens", "0.07"), "take orders of at least 0.51"),
        (("--tokens", "many"), "must be a number from 0 to 1000000000000000 (base or quote), got many"),
        (("--tokens", "nan"), "got nan"),
        (("--range", "0", "20"), "must be a number from 0.00000001"),
        (("--range", "21", "20"), "HIGH must be above LOW"),
        (("--start-px", "20"), "not allowed with argument --range"),
        (("--n-orders", "8", "--order-sz", "5"), "not allowed with argument"),
        (("--gap-levels", "-1"), "must be a whole number from 0 to 20000"),
        (("--gap-levels", "8"), "take a smaller gap or more levels"),
        (("--step", "2"), "must be a number from 0.0001 to 1"),
        (("--order-sz", "0.2"), "take orders of at least"),
        (("--target-px", "30"), "outside the ladder of 8 levels from 20 to 20.421"),
        (("--fees", "cheap"), "must be a tier (base, 5M"),
        (("--fees", "4", "--account", ACCOUNT), "not allowed with argument"),
        (("--account", "0xabc"), "must be 0x and 40 hex digits"),
        (("--sigma", "wild"), "must be a number from 0 to 1000 (percent a day), got wild"),
        (("--deployer-share", "2"), "must be a number from 0 to 1"),
        (("--network", "moon"), "invalid choice"),
        (("--api-url", "http://example.com"), "must be http:// on 127.0.0.1"),
        (("--api-url", "http://127.0.0.1:1", "--network", "mainnet"), "leave one of them out"),
        (("--coin", "@9"), "unknown coin '@9'"),
        (("--out", "/nonexistent/x.toml"), "choose another file"),
        (("--save", "/nonexistent/x.json"), "choose another file"),
    ],
)
def test_wrong_words_are_told_with_what_to_do(
    capsys: pytest.CaptureFixture[str], facts: Path, words: tuple[str, ...], told: str
) -> None:
    assert told in complain(capsys, facts, *words)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "is not valid JSON"),
        ("[" * 100_000, "is not valid JSON"),
        ([], "lacks l2Book and spotMeta"),
        ({"spotMeta": {}}, "lacks l2Book"),
        ({"spotMeta": {}, "l2Book": {}}, "--save"),
        (make_facts() | {"l2Book": None}, "l2Book"),
        (make_facts() | {"l2Book": {"coin": "@5", "levels": [[], []]}}, "the l2Book is of '@5' and not of '@107'"),
        (make_facts() | {"l2Book": {"levels": [[{"px": "x", "sz": "1"}], []]}}, "l2Book.levels[0].px"),
        (make_facts() | {"l2Book": {"levels": [[]]}}, "l2Book.levels"),
        (make_facts(userFees={"userSpotAddRate": "7", "userSpotCrossRate": "0"}), "rate of the maker"),
        (make_facts(userFees={}), "userSpotAddRate"),
        (make_facts(tokenDetails=3), "tokenDetails"),
        (make_facts(tokenDetails={"seededUsdc": "0", "genesis": 5}), "genesis"),
        (make_facts(hip2Orders=3), "openOrders"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_file_that_is_not_what_it_should_be_is_told(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, content: object, told: str
) -> None:
    assert told in complain(capsys, save(tmp_path, content))


def test_a_tokens_name_changes_neither_terminal_nor_configuration(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    facts = make_facts()
    facts["spotMeta"]["tokens"][1]["name"] = 'X"\n[tuning]\ninterval_s = 9\n#\x1b[2J'
    words = ("--coin", "@107", "--target-px", "20.24")

    found = plan(capsys, save(tmp_path, facts), *words)

    assert found["pair"] == "X[tuning]interval_s = 9#[2J/USDC"
    assert "\ninterval_s = 9" not in found["config"]


def test_a_pairs_name_that_no_configuration_can_hold_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    facts = make_facts()
    facts["spotMeta"]["universe"][0]["name"] = '@107"\nx = "'

    assert "spotMeta.universe.name" in complain(capsys, save(tmp_path, facts))


def test_a_file_that_is_missing_is_told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert "cannot be read: No such file" in complain(capsys, tmp_path / "none.json")


def test_an_empty_book_needs_a_target(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = save(tmp_path, make_facts(None, None))

    assert "give --target-px" in complain(capsys, path)
    assert plan(capsys, path, "--target-px", "20.24")["market_mid"] is None


def test_what_was_read_can_be_saved_and_read_again(
    capsys: pytest.CaptureFixture[str], facts: Path, tmp_path: Path
) -> None:
    again = tmp_path / "again.json"

    first = plan(capsys, facts, "--save", str(again))

    assert plan(capsys, again) == first


@pytest.mark.parametrize(
    ("text", "fees"),
    [
        ("base", BASE_TIER),
        ("25M", TIERS["25M"]),
        ("3", Fees(Decimal("0.0003"), BASE_TIER.taker)),
        ("-0.3/2.5", Fees(Decimal("-0.00003"), Decimal("0.00025"))),
    ],
)
def test_fees_are_a_tier_or_bps(text: str, fees: Fees) -> None:
    assert parse_fees(text) == fees


@pytest.mark.parametrize("text", ["", "x", "4/x", "4/-1", "101", "nan", "4/7/8", "inf"])
def test_other_fees_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="is not a valid fee"):
        parse_fees(text)


def test_a_terminal_without_colours_gets_none(
    capsys: pytest.CaptureFixture[str], facts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)

    assert main(["grid", *LADDER, "--offline", str(facts)]) == ExitCode.CLEAN
    assert "\x1b" not in capsys.readouterr().out


def test_a_terminal_gets_the_colours_of_the_live_view(
    capsys: pytest.CaptureFixture[str], facts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)

    assert main(["grid", *LADDER, "--offline", str(facts)]) == ExitCode.CLEAN
    assert "\x1b[38;2;217;140;134m  ask\x1b[0m" in capsys.readouterr().out


def test_a_terminal_with_eight_colours_gets_these(
    capsys: pytest.CaptureFixture[str], facts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NO_COLOR", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "linux")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)

    assert main(["grid", *LADDER, "--offline", str(facts)]) == ExitCode.CLEAN
    out = capsys.readouterr().out
    assert "\x1b[31m  ask\x1b[0m" in out
    assert "\x1b[38;" not in out


# Around the book of HYPE.
RANGES = {MADE_UP: ("48", "63"), CAPTURED: ("19", "25")}


@pytest.mark.parametrize(
    ("coin", "book", "words"),
    [
        ("HYPE/USDC", None, ("--tokens", "400")),
        ("PUMP/USDC", ("0.020777", "0.020839"), ("--range", "0.018", "0.025", "--tokens", "100000")),
        ("KOBE/USDC", ("0.00001", "0.00001003"), ("--start-px", "0.000008", "--n-orders", "150", "--tokens", "2e8")),
    ],
)
@pytest.mark.parametrize("gap", ["0", "1"])
def test_real_pairs_give_configurations_that_load(
    capsys: pytest.CaptureFixture[str],
    messages: Messages,
    tmp_path: Path,
    coin: str,
    book: tuple[str, str] | None,
    words: tuple[str, ...],
    gap: str,
) -> None:
    """HYPE with its book in the messages; two more listed pairs at 2 cents and at a thousandth of a cent."""
    facts = make_facts(*(book or (None, None)))
    facts["spotMeta"] = messages.load("rest/hypercore_spotMeta_mainnet_trimmed.json")
    if book is None:
        facts["l2Book"] = messages.load("rest/jkorf_l2Book_spot_107_20_levels.json")
        words = ("--range", *RANGES[messages], *words)
    else:
        del facts["l2Book"]["coin"]
    facts["userFees"] = messages.load("rest/hypercore_userFees_testnet.json")
    source, out = save(tmp_path, facts), tmp_path / "pair.toml"
    arguments = ["grid", "--coin", coin, *words, "--gap-levels", gap, "--offline", str(source), "--out", str(out)]

    assert main([*arguments, "--account", ACCOUNT, "--json"]) == ExitCode.CLEAN

    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    settings = load_settings(out, environ={})
    assert settings.strategy.n_orders == found["n_orders"]
    assert Decimal(found["best_bid"]) < Decimal(found["market_mid"]) * Decimal("1.003")
    assert Decimal(found["best_ask"]) > Decimal(found["market_mid"]) * Decimal("0.997")

"""Configurations of pyperliquidity, turned into ours."""

from __future__ import annotations

import json
import tomllib
from decimal import Decimal
from pathlib import Path

import pytest

from mm_trio.cli.main import main
from mm_trio.config.loading import load_settings
from mm_trio.config.settings import Settings

ACCOUNT = "0x" + "ab" * 20
KEY = "0x" + "c1" * 32

# As its README shows it, but for a larger order.
WITH_TARGET = """
[market]
coin = "@1434"            # Spot pair
testnet = true

[strategy]
n_orders = 1656
order_sz = 0.0386
start_px = 350.0
active_levels = 20
target_px = 557.0

[tuning]
interval_s = 0.5
"""
WITH_ALLOCATION = """
[market]
coin = "@107"

[strategy]
n_orders = 100
order_sz = 1000.0
start_px = 0.02

[allocation]
allocated_token = 1500.0
allocated_usdc = 500.0
"""


@pytest.fixture(autouse=True)
def no_wallet(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PYPERLIQUIDITY_WALLET", "MM_TRIO_ACCOUNT_ADDRESS"):
        monkeypatch.delenv(name, raising=False)


def migrate(folder: Path, old: str) -> tuple[Settings, str]:
    """Migrate a file; the settings as `run` would read them, and the text of the new file."""
    (folder / "old.toml").write_text(old)
    new = folder / "new.toml"
    assert main(["migrate", str(folder / "old.toml"), "--out", str(new)]) == 0
    return load_settings(new, environ={"MM_TRIO_ACCOUNT_ADDRESS": ACCOUNT}), new.read_text()


def refuse(folder: Path, old: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What is said of a file that cannot be migrated."""
    (folder / "old.toml").write_text(old)
    assert main(["migrate", str(folder / "old.toml"), "--out", str(folder / "new.toml")]) == 2
    assert not (folder / "new.toml").exists()
    return capsys.readouterr().err


def test_a_configuration_with_a_target_is_carried_over(tmp_path: Path) -> None:
    settings, _ = migrate(tmp_path, WITH_TARGET)

    assert (settings.market.coin, settings.market.network) == ("@1434", "testnet")
    assert (settings.strategy.n_orders, settings.strategy.active_levels) == (1656, 20)
    assert settings.strategy.order_sz == Decimal("0.0386")
    assert settings.strategy.start_px == 350
    assert settings.strategy.target_px == 557
    assert (settings.allocation, settings.tuning.interval_s) == (None, 0.5)


def test_a_configuration_with_an_allocation_is_carried_over(tmp_path: Path) -> None:
    settings, text = migrate(tmp_path, WITH_ALLOCATION)

    assert settings.market.network == "mainnet"
    assert settings.allocation is not None
    assert (settings.allocation.token, settings.allocation.usdc) == (Decimal(1500), Decimal(500))
    assert settings.strategy.target_px is None
    assert "nothing is sent without run --live" in text


def test_a_target_outweighs_the_allocation_as_it_did(tmp_path: Path) -> None:
    """The old generator of configurations writes both, and the old maker heeds the target."""
    settings, text = migrate(tmp_path, WITH_TARGET + "[allocation]\nallocated_token = 1\nallocated_usdc = 2\n")

    assert settings.allocation is None
    assert "[allocation] is gone: target_px decides it" in text


@pytest.mark.parametrize(
    "line, name, value",
    [
        ("dead_zone_bps = 7.5", "dead_zone_bps", Decimal("7.5")),
        ("price_tolerance_bps = 2", "price_tolerance_bps", Decimal(2)),
        ("size_tolerance_pct = 0.5", "size_tolerance_pct", Decimal("0.5")),
        ("reconcile_every = 7", "reconcile_every", 7),
        ("min_notional = 12.5", "min_notional", Decimal("12.5")),
        ("min_notional = 0.0", "min_notional", Decimal(10)),
        ("min_notional = 20.0\ninterval_s = 0.01", "interval_s", 0.1),
    ],
)
def test_each_tuning_is_carried_over_or_said_to_change(tmp_path: Path, line: str, name: str, value: object) -> None:
    settings, _ = migrate(tmp_path, WITH_ALLOCATION + f"[tuning]\n{line}\n")

    assert getattr(settings.tuning, name) == value


def test_the_new_ladder_is_compared_with_the_old_one(tmp_path: Path) -> None:
    """Rounding down, 1,655 steps end more than three per cent lower."""
    _, text = migrate(tmp_path, WITH_TARGET)

    assert "its top level is 48229, it was 49795" in text


def test_the_opening_price_is_compared_where_tokens_decide_it(tmp_path: Path) -> None:
    _, text = migrate(tmp_path, WITH_ALLOCATION)

    assert "the tokens open the ladder at 0.026769, they opened it at 0.026823" in text


def test_unknown_names_are_named_and_left_out(tmp_path: Path) -> None:
    old = WITH_ALLOCATION.replace("[strategy]", "[strategy]\nactve_levels = 5\ntick_size = 0.01")

    settings, text = migrate(tmp_path, old + "[extra]\na = 1\n")

    assert settings.strategy.active_levels is None
    assert "# Left out: [strategy] actve_levels, which pyperliquidity does not read either; if active_levels" in text
    assert "# Left out: [strategy] tick_size, which pyperliquidity does not read either" in text
    assert "# Left out: [extra], which pyperliquidity does not read either" in text


@pytest.mark.parametrize("where", ["[market]\nprivate_key", "[wallet]\nprivate_key", "[market]\nnote"])
def test_a_key_is_never_written_or_shown(tmp_path: Path, where: str, capsys: pytest.CaptureFixture[str]) -> None:
    section, name = where.split()
    line = f'{section}\n{name} = "{KEY}"'
    old = WITH_ALLOCATION.replace(section, line) if section in WITH_ALLOCATION else WITH_ALLOCATION + line

    _, text = migrate(tmp_path, old)

    told = capsys.readouterr()
    assert KEY[2:] not in text + told.out + told.err
    assert f"{section} {name}: a key or passphrase does not belong here" in text or f"{section}: a key" in text
    assert "MM_TRIO_PRIVATE_KEY" in text


def test_a_key_in_place_of_a_known_value_is_refused_unshown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = refuse(tmp_path, WITH_ALLOCATION.replace('"@107"', f'"{KEY}"'), capsys)

    assert "[market] coin: a key or passphrase does not belong here" in told
    assert KEY[2:] not in told


def test_the_wallet_of_the_environment_becomes_the_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYPERLIQUIDITY_WALLET", ACCOUNT)

    _, text = migrate(tmp_path, WITH_ALLOCATION)

    assert tomllib.loads(text)["market"]["account"] == ACCOUNT


def test_without_a_wallet_the_account_is_asked_for(tmp_path: Path) -> None:
    _, text = migrate(tmp_path, WITH_ALLOCATION)

    assert "account" not in tomllib.loads(text)["market"]
    assert "# Changed: the account is not in the old file: set MM_TRIO_ACCOUNT_ADDRESS or [market] account" in text


def test_an_order_too_small_for_a_run_is_said(tmp_path: Path) -> None:
    """As in the old README: 10.01 at the lowest level."""
    _, text = migrate(tmp_path, WITH_TARGET.replace("0.0386", "0.0286"))

    assert "an order_sz of 0.0286 is worth 10.01000 at start_px, and a run needs 10.10 or more" in text


@pytest.mark.parametrize(
    "old, told",
    [
        ("[market]\ncoin = ", "is not valid TOML"),
        (WITH_ALLOCATION.replace("allocated_usdc = 500.0", ""), "[allocation] allocated_usdc missing"),
        (WITH_ALLOCATION.split("[allocation]")[0], "[allocation] allocated_token and allocated_usdc missing"),
        (WITH_ALLOCATION.replace("n_orders = 100", ""), "[strategy] n_orders is missing"),
        (WITH_ALLOCATION.replace("1000.0\nstart", "-1\nstart"), "[strategy] order_sz = -1: must be a number from"),
        (WITH_TARGET.replace("testnet = true", "testnet = 1"), "[market] testnet must be true or false"),
        (WITH_TARGET.replace("557.0", "99.0"), "target_px 99.0 is outside the ladder"),
        (WITH_ALLOCATION.replace("0.02\n", "0.000001\n"), "[strategy] is not a valid ladder"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(
    tmp_path: Path, old: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert told in refuse(tmp_path, old, capsys)


def test_a_file_is_never_replaced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "old.toml").write_text(WITH_ALLOCATION)
    (tmp_path / "new.toml").write_text("mine")

    assert main(["migrate", str(tmp_path / "old.toml"), "--out", str(tmp_path / "new.toml")]) == 2
    assert (tmp_path / "new.toml").read_text() == "mine"
    assert "exists already: name another file with --out" in capsys.readouterr().err


def test_without_a_file_the_configuration_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "old.toml").write_text(WITH_ALLOCATION)
    assert main(["migrate", str(tmp_path / "old.toml")]) == 0

    assert tomllib.loads(capsys.readouterr().out)["strategy"]["n_orders"] == 100


def test_json_has_the_configuration_and_what_changed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "old.toml").write_text(WITH_ALLOCATION + "[extra]\n")
    assert main(["migrate", str(tmp_path / "old.toml"), "--json"]) == 0

    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert tomllib.loads(told["config"])["allocation"] == {"token": "1500.0", "usdc": "500.0"}
    assert told["left_out"] == ["[extra], which pyperliquidity does not read either"]
    assert told["changes"][0] == '[market] testnet = false is network = "mainnet"'
    assert (told["out"], told["account_missing"]) == (None, True)

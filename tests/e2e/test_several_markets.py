"""`run` with several markets in one file, as a process of its own."""

from __future__ import annotations

import json
import signal
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest
from process_kit import Sandbox, run, running, wait_until
from several_kit import ACCOUNT, COINS, MARKET, USDC, find_folder, open_orders, open_several, save_several, total


def has_more_fills(sandbox: Sandbox, n_fills: int) -> bool:
    return len(sandbox.ask("userFills")) > n_fills


def check_ledgers(folder: Path, config: Path) -> None:
    """The venue confirms the ledger of each coin."""
    for coin in COINS:
        code, out, err = run(folder, "ledger", "audit", "--config", str(config), "--coin", coin, "--json")
        assert code == 0, out + err


def test_all_markets_are_quoted_by_one_process_and_left_clean(tmp_path: Path) -> None:
    with open_several(tmp_path) as sandbox:
        config = save_several(sandbox, tmp_path)
        with running(tmp_path, "run", "--config", str(config), "--json", environ=sandbox.key) as maker:
            wait_until(lambda: set(open_orders(sandbox)) == set(COINS))
            wait_until(lambda: len({row["coin"] for row in sandbox.ask("userFills")}) == len(COINS))
            code = maker.end(signal.SIGTERM)

        summary = maker.last_object()
        assert code == 0, maker.err
        assert open_orders(sandbox) == {}
        assert set(summary["grids"]) == set(COINS)
        assert all(each["fills"] > 0 for each in summary["grids"].values())
        assert all(f" {coin}: tick=" in maker.err and f" {coin}: fill side=" in maker.err for coin in COINS)
        for name in ("ticks", "fills", "fill_volume", "requests", "items", "errors"):
            assert total(summary["grids"], name) == Decimal(str(summary[name]))
        assert find_folder(tmp_path, sandbox, "account").joinpath("journal.sqlite3").exists()
        check_ledgers(tmp_path, config)
        code, out, err = run(tmp_path, "ledger", "backup", "--config", str(config), "--to", str(tmp_path / "copies"))
        assert code == 0, out + err


def test_a_restart_after_a_kill_goes_on_exactly(tmp_path: Path) -> None:
    with open_several(tmp_path) as sandbox:
        config = save_several(sandbox, tmp_path)
        for _ in range(2):
            with running(tmp_path, "run", "--config", str(config), environ=sandbox.key) as maker:
                wait_until(lambda: set(open_orders(sandbox)) == set(COINS))
                n_fills = len(sandbox.ask("userFills"))
                wait_until(partial(has_more_fills, sandbox, n_fills + 3))
                maker.end(signal.SIGKILL)
        code, out, err = run(tmp_path, "run", "--config", str(config), "--duration", "4", "--json", environ=sandbox.key)
        assert code == 0, out + err
        assert open_orders(sandbox) == {}
        check_ledgers(tmp_path, config)


def test_a_coin_with_a_ledger_of_its_own_is_refused(tmp_path: Path) -> None:
    with open_several(tmp_path, "--no-takers") as sandbox:
        alone = sandbox.save_config(tmp_path)
        assert run(tmp_path, "run", "--config", str(alone), "--duration", "2", environ=sandbox.key)[0] == 0
        config = save_several(sandbox, tmp_path)
        code, _, err = run(tmp_path, "run", "--config", str(config), environ=sandbox.key)

    assert code == 2
    assert "@107 has a ledger of its own" in err
    assert "--take-over" in err


def test_a_second_process_of_the_account_is_refused(tmp_path: Path) -> None:
    with open_several(tmp_path, "--no-takers") as sandbox:
        config = save_several(sandbox, tmp_path)
        with running(tmp_path, "run", "--config", str(config), environ=sandbox.key) as maker:
            maker.wait_for("tick=1")
            code, _, err = run(tmp_path, "run", "--config", str(config), environ=sandbox.key)
            maker.end(signal.SIGTERM)

    assert code == 2
    assert "another mm_trio is already making several markets" in err


@pytest.mark.parametrize(
    ("more", "arguments", "told"),
    [
        ("", ["--live"], "--live is for a file with one"),
        ("", ["--accept-price", "20"], "--accept-price names the price of one ladder"),
    ],
)
def test_what_is_done_for_one_market_alone_is_refused(
    tmp_path: Path, more: str, arguments: list[str], told: str
) -> None:
    config = tmp_path / "several.toml"
    account = ACCOUNT.format(url="http://127.0.0.1:9", account="0x" + "ab" * 20)
    config.write_text(account + more + "".join(MARKET.format(coin=coin, usdc=USDC) for coin in COINS))

    code, _, err = run(tmp_path, "run", "--config", str(config), *arguments)

    assert code == 2
    assert told in err


def test_a_change_is_taken_over_while_the_maker_runs(tmp_path: Path) -> None:
    with open_several(tmp_path, "--no-takers") as sandbox:
        config = save_several(sandbox, tmp_path, coins=COINS[:2])
        with running(tmp_path, "run", "--config", str(config), "--json", environ=sandbox.key) as maker:
            wait_until(lambda: set(open_orders(sandbox)) == set(COINS[:2]))
            rested = {row["oid"] for row in sandbox.ask("openOrders") if row["coin"] == COINS[1]}
            save_several(sandbox, tmp_path, coins=COINS[1:])
            code, out, err = run(tmp_path, "apply", "--config", str(config), "--yes", "--json", environ=sandbox.key)
            changed = open_orders(sandbox)
            rest = {row["oid"] for row in sandbox.ask("openOrders") if row["coin"] == COINS[1]}
            ended = maker.end(signal.SIGTERM)

        assert code == 0, out + err
        assert set(changed) == set(COINS[1:])
        assert rest == rested
        assert ended == 0, maker.err
        assert open_orders(sandbox) == {}
        code, out, err = run(tmp_path, "run", "--config", str(config), "--duration", "4", "--json", environ=sandbox.key)
        assert code == 0, out + err


def test_one_market_that_was_listed_is_refused_by_a_file_of_its_own(tmp_path: Path) -> None:
    with open_several(tmp_path, "--no-takers") as sandbox:
        config = save_several(sandbox, tmp_path)
        assert run(tmp_path, "run", "--config", str(config), "--duration", "2", environ=sandbox.key)[0] == 0
        alone = sandbox.save_config(tmp_path)
        code, _, err = run(tmp_path, "run", "--config", str(alone), environ=sandbox.key)

    assert code == 2
    assert "together with those of other markets of the account" in err


def test_a_pause_of_one_coin_leaves_the_others_quoting(tmp_path: Path) -> None:
    with open_several(tmp_path) as sandbox:
        config = str(save_several(sandbox, tmp_path))
        with running(tmp_path, "run", "--config", config, "--json", environ=sandbox.key) as maker:
            wait_until(lambda: set(open_orders(sandbox)) == set(COINS))
            assert run(tmp_path, "pause", "--config", config, "--coin", COINS[0])[0] == 0
            n_fills = len(sandbox.ask("userFills"))
            wait_until(partial(has_more_fills, sandbox, n_fills + 6))
            assert set(open_orders(sandbox)) >= set(COINS[1:])
            code, out, _ = run(tmp_path, "resume", "--config", config, "--show", "--json")
            shown = json.loads(out)
            assert code == 0
            assert [each["before"]["state"] for each in shown["markets"].values()] == ["paused", "active", "active"]
            assert shown["account"]["before"]["state"] == "active"
            assert run(tmp_path, "resume", "--config", config, "--coin", COINS[0])[0] == 0
            assert maker.end(signal.SIGTERM) == 0


def test_a_halt_of_one_coin_is_named_and_the_others_go_on(tmp_path: Path) -> None:
    with open_several(tmp_path) as sandbox:
        own = {COINS[0]: "[market.limits]\nmax_fills_per_minute = 1\n"}
        config = str(save_several(sandbox, tmp_path, own=own))
        with running(tmp_path, "run", "--config", config, "--json", environ=sandbox.key) as maker:
            maker.wait_for("grid ended: coin=@107")
            n_fills = len(sandbox.ask("userFills"))
            wait_until(partial(has_more_fills, sandbox, n_fills + 3))
            assert set(open_orders(sandbox)) == set(COINS[1:])
            code = maker.end(signal.SIGTERM)

        summary = maker.last_object()
        assert code == 5
        assert len(summary["halted_because"]) == 1
        assert summary["halted_because"][0].startswith("@107: halted since")
        assert "mm-trio: halted: @107" in maker.err
        # The next start leaves it out, and quotes the others.
        code, out, err = run(tmp_path, "run", "--config", config, "--duration", "3", "--json", environ=sandbox.key)
        again = json.loads(out.splitlines()[-1])
        assert code == 5, out + err
        assert [each["ticks"] > 0 for each in again["grids"].values()] == [False, True, True]
        # Resumed, it goes on with its ledger.
        save_several(sandbox, tmp_path)
        assert run(tmp_path, "resume", "--config", config)[0] == 0
        code, out, err = run(tmp_path, "run", "--config", config, "--duration", "3", "--json", environ=sandbox.key)
        again = json.loads(out.splitlines()[-1])
        assert code == 0, out + err
        assert all(each["ticks"] > 0 for each in again["grids"].values())
        check_ledgers(tmp_path, Path(config))


def test_a_halt_of_the_account_stops_all_until_it_is_resumed(tmp_path: Path) -> None:
    with open_several(tmp_path) as sandbox:
        config = str(save_several(sandbox, tmp_path))
        with running(tmp_path, "run", "--config", config, "--json", environ=sandbox.key) as maker:
            wait_until(lambda: set(open_orders(sandbox)) == set(COINS))
            maker.wait_for("tick=2")
            assert maker.end(signal.SIGUSR2) == 5
        assert "SIGUSR2" in maker.last_object()["halted_because"][0]
        assert open_orders(sandbox) == {}
        code, _, err = run(tmp_path, "run", "--config", config, environ=sandbox.key)
        assert code == 5
        assert "mm-trio resume" in err
        assert run(tmp_path, "resume", "--config", config)[0] == 0
        assert run(tmp_path, "run", "--config", config, "--duration", "2", environ=sandbox.key)[0] == 0


def test_a_lone_listed_market_heeds_what_is_asked_of_its_coin(tmp_path: Path) -> None:
    with open_several(tmp_path) as sandbox:
        config = str(save_several(sandbox, tmp_path, coins=COINS[:1]))
        with running(tmp_path, "run", "--config", config, "--json", environ=sandbox.key) as maker:
            wait_until(lambda: set(open_orders(sandbox)) == set(COINS[:1]))
            assert run(tmp_path, "pause", "--config", config, "--coin", COINS[0])[0] == 0
            assert maker.end(signal.SIGTERM) == 0
        code, out, err = run(tmp_path, "ledger", "audit", "--config", config)
        assert code == 0, out + err

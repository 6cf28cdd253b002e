"""`cancel-all`: nothing of ours rests, whatever became of the maker, and what others placed stays."""

from __future__ import annotations

import json
import re
import signal
import threading
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import trio
from account_config_kit import make_document, make_market, parse_account
from eth_account import Account
from hyperliquid.exchange import Exchange
from process_kit import DEADLINE_S, Program, Sandbox, open_sandbox, run, running
from spoiling_proxy import drip, open_proxy

from mm_trio.account_config.toml_text import write_toml
from mm_trio.cli.halt_programs.cancel_all import WITHIN_S, cancel_all
from mm_trio.config.keys import Secret
from mm_trio.config.loading import parse_settings
from mm_trio.journal.data_dir import find_state_folder
from mm_trio.limits.hosts import VENUE_URLS
from mm_trio.model.cloid import CloidParts, decode_cloid, encode_cloid
from mm_trio.venue.sdk import make_cloid

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(4 * DEADLINE_S)]

N_OURS, N_FOREIGN = 40, 3
# What it promises, with the start and the end of the process; machines of tests are busy.
ENDS_WITHIN_S = 35.0
LADDER = {"MM_TRIO__STRATEGY__ACTIVE_LEVELS": "20"}
ALO = {"limit": {"tif": "Alo"}}


class Scene:
    """A sandbox, a maker with forty orders on it, and orders that somebody placed by hand."""

    def __init__(self, folder: Path, sandbox: Sandbox, maker: Program, config: Path) -> None:
        self.folder, self.sandbox, self.maker = folder, sandbox, maker
        self.config = ("--config", str(config))
        self.environ = sandbox.key | LADDER

    @property
    def state_folder(self) -> Path:
        (lock,) = (self.folder / "state").rglob("@107/lock")
        return lock.parent

    def count(self) -> tuple[int, int]:
        """Count what rests of ours, and of others."""
        rows = self.sandbox.ask("openOrders")
        n_ours = sum(decode_cloid(row.get("cloid")) is not None for row in rows)
        return n_ours, len(rows) - n_ours

    def place_by_hand(self, coin: str, *prices: float) -> None:
        place_by_hand(self.sandbox, coin, *prices)

    def cancel_all(self, *words: str) -> tuple[int, dict[str, Any], float]:
        """Run the command; return its exit code, its result, and the seconds that it took."""
        began_s = time.monotonic()
        code, out, err = run(self.folder, "cancel-all", *self.config, "--json", *words, environ=self.environ)
        assert "Traceback" not in err, err
        return code, json.loads(out.splitlines()[-1]), time.monotonic() - began_s


def place_by_hand(sandbox: Sandbox, coin: str, *prices: float, cloid: str | None = None) -> None:
    """Place bids of 1 as an owner does on the web page: without this program's mark, unless a cloid has it."""
    wallet = Account.from_key(sandbox.private_key)
    exchange = Exchange(wallet, sandbox.url, account_address=sandbox.account, timeout=10)
    for price in prices:
        size = float(round(Decimal(60) / Decimal(str(price)), 1))
        answer = exchange.order(coin, True, size, price, ALO, cloid=None if cloid is None else make_cloid(cloid))
        assert "resting" in answer["response"]["data"]["statuses"][0], answer


@contextmanager
def playing(folder: Path) -> Iterator[Scene]:
    with open_sandbox(folder, "--no-takers") as sandbox:
        config = sandbox.save_config(folder)
        sandbox.control("fund", {"account": sandbox.account, "token": "USDC", "amount": "10000"})
        with running(folder, "run", "--config", str(config), "--json", environ=sandbox.key | LADDER) as maker:
            maker.wait_for(f"tick=1 .* placed={N_OURS} ")
            scene = Scene(folder, sandbox, maker, config)
            scene.place_by_hand("@107", 12.0, 12.1, 12.2)
            assert scene.count() == (N_OURS, N_FOREIGN)
            yield scene


def leave(_scene: Scene) -> None:
    pass


def hang(scene: Scene) -> None:
    scene.maker.process.send_signal(signal.SIGSTOP)


def kill(scene: Scene) -> None:
    scene.maker.process.kill()
    scene.maker.process.wait()


def kill_and_delete(scene: Scene) -> None:
    kill(scene)
    for path in scene.state_folder.glob("journal*"):
        path.unlink()


def kill_and_destroy(scene: Scene) -> None:
    kill(scene)
    for path in scene.state_folder.glob("journal*"):
        path.write_bytes(b"garbage" * 1000)


def delete_all(scene: Scene) -> None:
    """The state folder cannot even be made: a file is in its way."""
    kill(scene)
    state = scene.folder / "state"
    state.rename(scene.folder / "elsewhere")
    state.write_text("")


@pytest.mark.sweep
@pytest.mark.parametrize("act", [leave, hang, kill, kill_and_delete, kill_and_destroy, delete_all])
def test_nothing_of_ours_rests_whatever_became_of_the_maker(tmp_path: Path, act: Callable[[Scene], None]) -> None:
    with playing(tmp_path) as scene:
        act(scene)
        code, told, took_s = scene.cancel_all()
        left = scene.count()

    print(f"{act.__name__}: {took_s:.1f} s, {told}")
    assert (code, told["ok"], told["may_rest"]) == (0, True, [])
    assert told["cancelled"] + told["ended_otherwise"] <= N_OURS
    assert left == (0, N_FOREIGN)
    assert len(told["left_alone"]) == N_FOREIGN
    assert took_s < ENDS_WITHIN_S


def test_a_maker_that_runs_stays_empty_and_a_restarted_one_does_not_begin_again(tmp_path: Path) -> None:
    with playing(tmp_path) as scene:
        code, _, took_s = scene.cancel_all()
        standing = json.loads((scene.state_folder / "standing.json").read_text())
        ended = scene.maker.end(signal.SIGTERM)
        ran, out, _ = run(tmp_path, "run", *scene.config, "--json", "--duration", "3", environ=scene.environ)
        left = scene.count()

    assert (code, ended, ran) == (0, 0, 0)
    assert took_s < ENDS_WITHIN_S / 2
    assert standing["state"] == "cancel_only"
    assert "mm-trio cancel-all" in standing["why"]
    assert json.loads(out.splitlines()[-1])["requests"] == 0
    assert left == (0, N_FOREIGN)


def test_a_hung_maker_that_wakes_places_nothing_that_stays(tmp_path: Path) -> None:
    with playing(tmp_path) as scene:
        hang(scene)
        code, _, _ = scene.cancel_all()
        scene.maker.process.send_signal(signal.SIGCONT)
        scene.maker.wait_for("cancel_only since ")
        ended = scene.maker.end(signal.SIGTERM)
        left = scene.count()

    assert (code, ended) == (0, 0)
    assert left == (0, N_FOREIGN)


def test_the_grids_of_one_file_are_swept_together(tmp_path: Path) -> None:
    """No maker runs. What somebody placed by hand stays, and both grids are told to place nothing."""
    with open_sandbox(tmp_path, "--no-takers") as sandbox:
        for level, (coin, price) in enumerate((("@107", 12.0), ("PURR/USDC", 0.1))):
            place_by_hand(sandbox, coin, price, cloid=encode_cloid(CloidParts(7, "buy", level, 1)))
            place_by_hand(sandbox, coin, price / 2)
        document = make_document(make_market("@107"), make_market("PURR/USDC"))
        document["account"] = {"account": sandbox.account, "api_url": sandbox.url}
        config = tmp_path / "several.toml"
        config.write_text(write_toml(parse_account(document)))
        code, out, err = run(tmp_path, "cancel-all", "--config", str(config), "--json", environ=sandbox.key)
        left = [row.get("cloid") for row in sandbox.ask("openOrders")]

    told = json.loads(out.splitlines()[-1])
    assert code == 0, err
    assert (told["what"], told["cancelled"]) == ("orders of mm_trio in @107, PURR/USDC", 2)
    assert left == [None, None]
    asked = {path.parent.name for path in (tmp_path / "state").rglob("CANCEL_ONLY")}
    assert asked == {"@107", "PURR-USDC"}


def test_foreign_orders_and_those_of_other_coins_go_only_where_that_is_asked_for(tmp_path: Path) -> None:
    with playing(tmp_path) as scene:
        scene.place_by_hand("PURR/USDC", 0.1)
        kill(scene)
        of_coin, _, _ = scene.cancel_all("--foreign")
        after_coin = [row["coin"] for row in scene.sandbox.ask("openOrders")]
        ours, told, _ = scene.cancel_all("--all-coins")
        after_ours = [row["coin"] for row in scene.sandbox.ask("openOrders")]
        of_all, _, _ = scene.cancel_all("--all-coins", "--foreign")
        after_all = scene.sandbox.ask("openOrders")

    assert (of_coin, ours, of_all) == (0, 0, 0)
    assert after_coin == after_ours == ["PURR/USDC"]
    assert [row["coin"] for row in told["left_alone"]] == ["PURR/USDC"]
    assert after_all == []


def test_cancels_go_also_where_the_request_budget_is_used_up(tmp_path: Path) -> None:
    with playing(tmp_path) as scene:
        kill(scene)
        scene.sandbox.control("faults", {"strike": "budget_exhausted"})
        code, told, _ = scene.cancel_all()
        left = scene.count()

    assert (code, told["may_rest"]) == (0, [])
    assert left == (0, N_FOREIGN)


def test_answers_that_drip_are_3_in_time_and_nothing_rests_all_the_same(tmp_path: Path) -> None:
    """The cancels arrive, of what the journal names, and nothing proves it."""
    with playing(tmp_path) as scene, open_proxy(scene.sandbox.url) as proxy:
        kill(scene)
        config = scene.sandbox.save_config(tmp_path, api_url=json.dumps(proxy.url))
        scene.config = ("--config", str(config))
        proxy.spoil = drip
        code, told, took_s = scene.cancel_all()
        left = scene.count()

    print(f"{took_s:.1f} s, {told}")
    assert (code, told["exit_code"]) == (3, 3)
    assert left == (0, N_FOREIGN)
    assert took_s < ENDS_WITHIN_S


def test_a_venue_that_is_away_is_3_and_the_request_is_left(tmp_path: Path) -> None:
    with playing(tmp_path) as scene:
        oids = {row["oid"] for row in scene.sandbox.ask("openOrders") if row.get("cloid")}
        scene.sandbox.program.process.kill()
        code, told, took_s = scene.cancel_all()
        standing = json.loads((scene.state_folder / "standing.json").read_text())

    assert (code, told["exit_code"]) == (3, 3)
    assert standing["state"] == "cancel_only"
    assert oids
    assert oids == set(map(int, re.findall(r"\d+", told["error"].partition("names oid ")[2].partition(";")[0])))
    assert took_s < ENDS_WITHIN_S


def test_a_key_that_may_not_trade_is_4_with_every_order(tmp_path: Path) -> None:
    with playing(tmp_path) as scene:
        kill(scene)
        scene.environ = scene.environ | {"MM_TRIO_PRIVATE_KEY": "0x" + "5e" * 32}
        code, told, took_s = scene.cancel_all()
        resting = {row["oid"] for row in scene.sandbox.ask("openOrders") if row.get("cloid")}

    assert (code, told["exit_code"], told["cancelled"]) == (4, 4, 0)
    assert {row["oid"] for row in told["may_rest"]} == resting
    assert len(resting) == N_OURS
    assert set(told["may_rest"][0]) == {"coin", "side", "px", "sz", "oid", "cloid"}
    assert took_s < ENDS_WITHIN_S


def test_the_orders_of_a_sub_account_are_cancelled_by_its_masters_agent(tmp_path: Path) -> None:
    with open_sandbox(tmp_path, "--sub-accounts", "--no-takers") as sandbox:
        config = ("--config", str(sandbox.save_config(tmp_path)))
        with running(tmp_path, "run", *config, environ=sandbox.key) as maker:
            maker.wait_for("tick=1 ")
            maker.process.kill()
            maker.process.wait()
            n_resting = len(sandbox.ask("openOrders"))
            code, out, _ = run(tmp_path, "cancel-all", *config, "--json", environ=sandbox.key)
        left = sandbox.ask("openOrders")

    assert n_resting > 0
    assert (code, left) == (0, [])
    assert json.loads(out.splitlines()[-1])["cancelled"] == n_resting


def test_without_a_key_it_is_2(tmp_path: Path) -> None:
    with open_sandbox(tmp_path, "--no-takers") as sandbox:
        config = ("--config", str(sandbox.save_config(tmp_path)))
        code, out, _ = run(tmp_path, "cancel-all", *config, "--json")

    assert code == 2
    assert json.loads(out.splitlines()[-1])["exit_code"] == 2


# --- A disk that hangs ----------------------------------------------------------------------------------


@contextmanager
def hanging_disk(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Iterator[None]:
    """Let every look at a folder hang until the test is over, as a network file system does whose server is gone."""
    is_over = threading.Event()

    def hang(real: Callable[..., object]) -> Callable[..., object]:
        def touch(path: Path, *args: object, **more: object) -> object:
            if path == folder or folder in path.parents:
                is_over.wait()
            return real(path, *args, **more)

        return touch

    with monkeypatch.context() as patch:
        for name in ("is_dir", "exists", "open", "stat"):
            patch.setattr(Path, name, hang(getattr(Path, name)))
        try:
            yield
        finally:
            is_over.set()


async def test_a_disk_that_hangs_keeps_no_order_from_being_cancelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_sandbox(tmp_path, "--no-takers") as sandbox:
        monkeypatch.setitem(VENUE_URLS, "testnet", sandbox.url)
        document = tomllib.loads(sandbox.config)
        document["market"] |= {"network": "testnet"}
        del document["market"]["api_url"]
        settings = parse_settings(document, environ={}, source="a test")
        environ = {"XDG_STATE_HOME": str(tmp_path)}
        folder = find_state_folder(environ, network="testnet", account=sandbox.account, coin=sandbox.coin)
        folder.mkdir(parents=True)
        place_by_hand(sandbox, sandbox.coin, 12.0, cloid=encode_cloid(CloidParts(7, "buy", 1, 1)))
        n_before = len(sandbox.ask("openOrders"))
        with hanging_disk(monkeypatch, folder):
            report = await cancel_all(
                [settings],
                key=Secret(sandbox.private_key),
                environ=environ,
                foreign=False,
                all_coins=False,
                stop_scope=trio.CancelScope(),
            )
        left = sandbox.ask("openOrders")

    assert (n_before, report.n_cancelled, report.is_ok, left) == (1, 1, True, [])
    assert report.took_s <= WITHIN_S

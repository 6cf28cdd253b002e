"""One guard beside a maker of several markets that dies: all orders of all coins are cancelled, and no others."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from hyperliquid.exchange import Exchange
from process_kit import Program, Sandbox, run, running, wait_until
from several_kit import COINS, find_folder, open_orders, open_several, save_several

from mm_trio.model.cloid import decode_cloid
from mm_trio.venue.sdk import make_cloid

GUARD = "[guard]\nguard_after_s = 2.0\n"
N_ORDERS = 10

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]


class Scene:
    """A sandbox with several pairs and a foreign order on each, a guard, and makers one after another."""

    def __init__(self, folder: Path, sandbox: Sandbox) -> None:
        self.folder, self.sandbox = folder, sandbox
        self.config = self.save(COINS[:2])

    def save(self, coins: tuple[str, ...]) -> str:
        return str(save_several(self.sandbox, self.folder, coins=coins, more=GUARD))

    def make_other(self) -> Any:
        """Another agent of the account, with its own nonces."""
        key = self.sandbox.access["agent_keys"][0][1]
        return Exchange(Account.from_key(key), self.sandbox.url, account_address=self.sandbox.account, timeout=10)

    def place_foreign(self) -> None:
        """Orders of the account that this program did not place."""
        order: dict[str, Any] = {"is_buy": True, "limit_px": 10.0, "sz": 1.0, "reduce_only": False}
        order |= {"order_type": {"limit": {"tif": "Gtc"}}}
        orders = [order | {"coin": coin} for coin in COINS]
        orders[1]["cloid"] = make_cloid(f"0x{7:032x}")
        self.make_other().bulk_orders(orders)

    def count_ours(self) -> dict[str, int]:
        """How many orders of the maker rest, by coin."""
        counts: dict[str, int] = {}
        for row in self.sandbox.ask("openOrders"):
            if decode_cloid(row.get("cloid")) is not None:
                counts[row["coin"]] = counts.get(row["coin"], 0) + 1
        return counts

    @contextmanager
    def guard(self) -> Iterator[Program]:
        with running(self.folder, "guard", "--config", self.config, "--json") as guard:
            yield guard

    @contextmanager
    def maker(self, coins: tuple[str, ...]) -> Iterator[Program]:
        """A maker whose orders rest on each of these coins."""
        config = self.save(coins)
        with running(self.folder, "run", "--config", config, "--json", environ=self.sandbox.key) as maker:
            self.wait_for_orders(coins)
            yield maker

    def wait_for_orders(self, coins: tuple[str, ...]) -> None:
        wait_until(lambda: self.count_ours() == dict.fromkeys(coins, N_ORDERS))

    def read_files(self) -> dict[str, bytes]:
        folder = find_folder(self.folder, self.sandbox, "account")
        return {path.name: path.read_bytes() for path in folder.glob("*.json")}


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with open_several(tmp_path, "--no-takers", "--agents", "2") as sandbox:
        found = Scene(tmp_path, sandbox)
        found.place_foreign()
        yield found


def test_a_maker_that_is_killed_has_nothing_resting_on_any_coin(scene: Scene) -> None:
    coins = COINS
    scene.config = scene.save(coins)
    with scene.guard() as guard:
        for n in range(1, 3):
            with scene.maker(coins) as maker:
                wait_until(lambda n=n: guard.err.count("guard armed") >= n)  # type: ignore[misc]
                # The file's last refresh may be a second old, and the guard's copy of it a quarter of one.
                time.sleep(1.5)
                alive = run(scene.folder, "guard", "--config", scene.config, "--once", "--json")
                maker.process.kill()
            took_s = wait_until(lambda: not scene.count_ours())
            wait_until(lambda n=n: guard.err.count("verified: two polls") >= n)  # type: ignore[misc]
        dead = run(scene.folder, "guard", "--config", scene.config, "--once", "--json")
        foreign = open_orders(scene.sandbox)
        code = guard.end(signal.SIGINT)

    print(f"took_s={took_s:.1f}")
    summary = guard.last_object()
    assert code == 0
    assert foreign == dict.fromkeys(COINS, 1)
    assert (summary["coin"], summary["coins"]) == ("account", list(coins))
    assert (summary["fired"], summary["verified"], summary["orders_may_rest"]) == (2, 2, [])
    assert summary["cancelled"] == 2 * len(coins) * N_ORDERS
    assert (alive[0], dead[0]) == (0, 1)
    assert json.loads(alive[1])["orders"] == len(coins) * N_ORDERS
    digits = scene.sandbox.private_key.removeprefix("0x").lower().encode()
    files = scene.read_files()
    assert {"guard-cancels.json", "heartbeat.json", "guard-fired.json", "guard-alive.json"} <= files.keys()
    assert not any(digits in data.lower() for data in files.values())


def test_a_coin_that_was_added_while_the_maker_ran_is_guarded_too(scene: Scene) -> None:
    """The guard was started before, with a file that does not list it."""
    with scene.guard() as guard:
        with scene.maker(COINS[:2]) as maker:
            guard.wait_for("guard armed")
            new = scene.save(COINS[1:])
            code, out, err = run(scene.folder, "apply", "--config", new, "--yes", environ=scene.sandbox.key)
            assert code == 0, out + err
            scene.wait_for_orders(COINS[1:])
            time.sleep(1.5)
            maker.process.kill()
        guard.wait_for("verified: two polls")
        ours, foreign = scene.count_ours(), open_orders(scene.sandbox)
        code = guard.end(signal.SIGTERM)

    assert (code, ours) == (0, {})
    assert foreign == dict.fromkeys(COINS, 1)
    assert guard.last_object()["cancelled"] == 2 * N_ORDERS


def test_a_maker_that_ended_well_and_one_that_goes_on_after_a_silence(scene: Scene) -> None:
    """The latter learns that its cancels were posted, signs others, and places all its orders again."""
    with scene.guard() as guard:
        with scene.maker(COINS[:2]) as maker:
            guard.wait_for("guard armed")
            time.sleep(1.5)
            maker.process.send_signal(signal.SIGSTOP)
            guard.wait_for("verified: two polls")
            assert scene.count_ours() == {}
            maker.process.send_signal(signal.SIGCONT)
            guard.wait_for("maker heard of again")
            scene.wait_for_orders(COINS[:2])
            time.sleep(1.5)
            maker.process.send_signal(signal.SIGSTOP)
            wait_until(lambda: guard.err.count("verified: two polls") == 2)
            assert scene.count_ours() == {}
            maker.process.send_signal(signal.SIGCONT)
            scene.wait_for_orders(COINS[:2])
            assert maker.end(signal.SIGTERM) == 0
        guard.wait_for("guard disarmed: the maker ended: .* state=stopped")
        code = guard.end(signal.SIGTERM)

    assert code == 0
    assert guard.last_object()["fired"] == 2


def test_one_coin_is_not_guarded_alone(scene: Scene) -> None:
    code, _, err = run(scene.folder, "guard", "--config", scene.config, "--coin", COINS[0], "--once")

    assert code == 2
    assert "one guard watches over; leave --coin out" in err

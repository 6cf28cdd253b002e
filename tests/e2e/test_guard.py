"""The guard as a process beside a maker that dies: by signals, without its folder, without its network.

`MM_TRIO_GUARD_ROUNDS` says how often each of them dies; the guard is the same one all the while. More than one round
has a sandbox of its own: there are only so many nonces to be spent in a day.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cut_proxy import CutProxy, open_cut_proxy
from eth_account import Account
from hyperliquid.exchange import Exchange
from process_kit import Program, Sandbox, open_sandbox, run, running

from mm_trio.model.cloid import decode_cloid
from mm_trio.venue.sdk import make_cloid

ROUNDS = int(os.environ.get("MM_TRIO_GUARD_ROUNDS", "1"))
N_ORDERS = 40
WITHIN_S = 30.0
AFTER = {"MM_TRIO__GUARD__GUARD_AFTER_S": "2", "MM_TRIO__TUNING__INTERVAL_S": "0.5"}

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120 + 40 * ROUNDS)]


class Scene:
    """A sandbox with foreign orders in its book, a guard, and makers one after another."""

    def __init__(self, folder: Path, sandbox: Sandbox, proxy: CutProxy) -> None:
        self.folder = folder
        self.sandbox = sandbox
        self.proxy = proxy
        self.config = str(sandbox.save_config(folder, active_levels=str(N_ORDERS // 2)))
        self.way_round = str(folder / "through-the-proxy.toml")
        text = Path(self.config).read_text().replace(sandbox.url, proxy.url)
        Path(self.way_round).write_text(text)

    def guard(self, *words: str) -> Any:
        return running(self.folder, "guard", "--config", self.config, "--json", *words, environ=AFTER)

    @contextmanager
    def maker(self, **environ: str) -> Iterator[Program]:
        """A maker whose orders rest."""
        values = self.sandbox.key | AFTER | environ
        with running(self.folder, "run", "--config", self.way_round, environ=values) as maker:
            maker.wait_for("tick=2 ")
            yield maker

    def list_ours(self) -> list[dict[str, Any]]:
        rows = self.sandbox.ask("openOrders")
        return [row for row in rows if decode_cloid(row.get("cloid")) is not None]

    def n_foreign(self) -> int:
        return len(self.sandbox.ask("openOrders")) - len(self.list_ours())

    def place_foreign(self) -> None:
        """Two orders of the account that this program did not place, by another agent."""
        order = {"coin": self.sandbox.coin, "is_buy": True, "limit_px": 10.0, "sz": 1.0, "reduce_only": False}
        order |= {"order_type": {"limit": {"tif": "Gtc"}}}
        self.make_other().bulk_orders([order, order | {"cloid": make_cloid(f"0x{7:032x}")}])

    def cancel_ours(self) -> None:
        """Leave the next test a book without ours."""
        rows = self.list_ours()
        self.make_other().bulk_cancel([{"coin": self.sandbox.coin, "oid": row["oid"]} for row in rows])

    def make_other(self) -> Any:
        """Another agent of the account, with its own nonces."""
        key = self.sandbox.access["agent_keys"][0][1]
        return Exchange(Account.from_key(key), self.sandbox.url, account_address=self.sandbox.account, timeout=10)

    def wait_until(self, condition: Callable[[], object], *, within_s: float = WITHIN_S) -> None:
        end_s = time.monotonic() + within_s
        while not condition():
            assert time.monotonic() < end_s, self.list_ours()
            time.sleep(0.05)

    def find_state(self) -> Path:
        """The maker's state folder."""
        (found,) = (self.folder / "state").rglob("heartbeat.json")
        return found.parent


@contextmanager
def open_scene(folder: Path) -> Iterator[Scene]:
    with open_sandbox(folder, "--no-takers", "--agents", "2") as sandbox, open_cut_proxy(sandbox.url) as proxy:
        scene = Scene(folder, sandbox, proxy)
        scene.place_foreign()
        yield scene


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with open_scene(tmp_path_factory.mktemp("guard")) as scene:
        yield scene


@pytest.fixture
def scene(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Scene]:
    """The scene of all tests, without what an earlier maker left in its folder."""
    if ROUNDS > 1:
        with open_scene(tmp_path) as own:
            yield own
        return
    found: Scene = request.getfixturevalue("shared")
    shutil.rmtree(found.folder / "state", ignore_errors=True)
    yield found


def kill(_scene: Scene, maker: Program) -> None:
    maker.process.kill()


def stop(_scene: Scene, maker: Program) -> None:
    maker.process.send_signal(signal.SIGSTOP)


def delete_folder(scene: Scene, maker: Program) -> None:
    shutil.rmtree(scene.find_state())
    maker.process.kill()


def cut_network(scene: Scene, _maker: Program) -> None:
    scene.proxy.is_cut = True


def has_logged(program: Program, text: str, n: int) -> bool:
    return program.err.count(text) >= n


@pytest.mark.parametrize("die", [kill, stop, delete_folder, cut_network], ids=lambda die: die.__name__)
def test_a_dead_maker_has_nothing_resting(die: Callable[[Scene, Program], None], scene: Scene) -> None:
    n_rested, took_s = [], []
    with scene.guard() as guard:
        for n in range(1, ROUNDS + 1):
            with scene.maker() as maker:
                scene.wait_until(partial(has_logged, guard, "guard armed", n))
                scene.wait_until(lambda: len(scene.list_ours()) >= N_ORDERS)
                # The file's last refresh may be a second old, and the guard's copy of it a quarter of one.
                time.sleep(0.5)
                n_rested.append(len(scene.list_ours()))
                began_s = time.monotonic()
                die(scene, maker)
                scene.wait_until(lambda: not scene.list_ours())
                took_s.append(time.monotonic() - began_s)
                scene.wait_until(partial(has_logged, guard, "verified: two polls", n))
                assert scene.list_ours() == []
            scene.proxy.is_cut = False
        n_foreign = scene.n_foreign()
        code = guard.end(signal.SIGINT)
        summary = guard.last_object()

    print(f"{die.__name__}: rounds={ROUNDS} resting={n_rested} took_s={[round(s, 1) for s in took_s]}")
    assert code == 0
    assert n_foreign == 2
    assert (summary["fired"], summary["verified"], summary["orders_may_rest"]) == (ROUNDS, ROUNDS, [])
    assert summary["cancelled"] == sum(n_rested)


def test_a_guard_whose_disk_hangs_acts_and_can_be_ended(scene: Scene) -> None:
    with scene.guard() as guard:
        with scene.maker() as maker:
            guard.wait_for("guard armed")
            time.sleep(0.5)
            maker.process.kill()
        # Whoever opens a pipe that nobody writes to waits.
        pipe = scene.find_state() / "pipe"
        os.mkfifo(pipe, 0o600)
        pipe.replace(pipe.with_name("heartbeat.json"))
        guard.wait_for("disk hangs: folder=.*; nothing was read in 1 s")
        guard.wait_for("verified: two polls")
        n_ours = len(scene.list_ours())
        code = guard.end(signal.SIGTERM)

    assert (n_ours, code) == (0, 0)


def test_an_end_that_was_verified_disarms_it(scene: Scene) -> None:
    with scene.guard() as guard:
        with scene.maker() as maker:
            guard.wait_for("guard armed")
            assert maker.end(signal.SIGINT) == 0
        guard.wait_for("guard disarmed: the maker ended: .* state=stopped")
        time.sleep(3)
        assert guard.end(signal.SIGTERM) == 0

    assert guard.last_object()["fired"] == 0


def test_a_later_maker_whose_heartbeat_cannot_be_written_has_nothing_resting(scene: Scene) -> None:
    words = ("guard", "--config", scene.config, "--once", "--json")
    with scene.guard() as guard:
        with scene.maker() as maker:
            guard.wait_for("guard armed")
            maker.end(signal.SIGINT)
        guard.wait_for("guard disarmed: the maker ended: .* state=stopped")
        (scene.find_state() / "heartbeat.json.new").mkdir()
        with scene.maker() as maker:
            guard.wait_for("another maker runs whose heartbeat is not written")
            maker.process.kill()
        scene.wait_until(lambda: not scene.list_ours())
        code, out, _ = run(scene.folder, *words, environ=AFTER)
        guard.end(signal.SIGINT)

    assert code == 1
    assert json.loads(out)["state"] == "running without a heartbeat"


def test_orders_that_are_meant_to_rest_are_left(scene: Scene) -> None:
    with scene.guard() as guard:
        with scene.maker(MM_TRIO__TUNING__CANCEL_ON_SHUTDOWN="false") as maker:
            guard.wait_for("guard armed")
            maker.end(signal.SIGINT)
        guard.wait_for("guard disarmed: the maker ended: .* state=left")
        time.sleep(3)
        n_ours = len(scene.list_ours())
        guard.end(signal.SIGINT)
        scene.cancel_ours()

    assert guard.last_object()["fired"] == 0
    assert n_ours == N_ORDERS


def test_one_look_says_whether_it_would_act(scene: Scene) -> None:
    words = ("guard", "--config", scene.config, "--once", "--json")
    with scene.guard() as guard:
        with scene.maker() as maker:
            alive = run(scene.folder, *words, environ=AFTER)
            maker.process.kill()
        guard.wait_for("verified: two polls")
        dead = run(scene.folder, *words, environ=AFTER)

    assert (alive[0], dead[0]) == (0, 1)
    assert json.loads(alive[1])["orders"] == N_ORDERS
    assert json.loads(dead[1])["would_fire"] is True


@pytest.mark.parametrize("variable", ["MM_TRIO_PRIVATE_KEY", "MM_TRIO_KEY_FILE", "MM_TRIO_KEYSTORE", "HYPERLIQUID_PK"])
def test_an_environment_with_a_key_is_refused(variable: str, tmp_path: Path) -> None:
    config = tmp_path / "maker.toml"
    config.write_text("")

    code, _, err = run(tmp_path, "guard", "--config", str(config), environ={variable: "0x" + "11" * 32})

    assert code == 2
    assert f"the guard must not have a key, and its environment has {variable}; unset that" in err
    assert "11" * 32 not in err


@pytest.mark.skipif(sys.platform != "linux", reason="reads another process by /proc")
def test_no_key_is_in_what_the_guard_has_and_reads(scene: Scene) -> None:
    with scene.guard() as guard:
        with scene.maker() as maker:
            guard.wait_for("guard armed")
            maker.process.kill()
        guard.wait_for("verified: two polls")
        state = scene.find_state()
        texts = {path.name: path.read_bytes() for path in state.iterdir() if path.is_file()}
        texts |= {path.name: path.read_bytes() for path in scene.folder.glob("*.toml")}
        proc = Path(f"/proc/{guard.process.pid}")
        texts |= {name: (proc / name).read_bytes() for name in ("environ", "cmdline")}
        memory = read_memory(proc)
        account, key = scene.sandbox.account, scene.sandbox.private_key
        guard.end(signal.SIGINT)

    digits = key.removeprefix("0x")
    forms = [digits.lower().encode(), digits.upper().encode(), bytes.fromhex(digits), bytes.fromhex(digits)[::-1]]
    assert {"guard-cancels.json", "heartbeat.json", "guard-fired.json", "guard-alive.json"} <= texts.keys()
    assert [name for name, text in texts.items() if any(form in text for form in forms)] == []
    # What is there is found, where the memory may be read.
    assert not memory or account.encode() in memory
    assert not any(form in memory for form in forms)


def read_memory(proc: Path) -> bytes:
    """All memory of a process that can be read; nothing where that is not permitted."""
    found = []
    with suppress(PermissionError), (proc / "mem").open("rb", buffering=0) as memory:
        for line in (proc / "maps").read_text().splitlines():
            match = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw", line)
            if match is None:
                continue
            begin, end = (int(each, 16) for each in match.groups())
            with suppress(OSError, ValueError, OverflowError):
                memory.seek(begin)
                found.append(memory.read(end - begin))
    return b"".join(found)

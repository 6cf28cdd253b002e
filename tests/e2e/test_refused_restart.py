"""A killed maker whose restart is refused: what it left is told, and a script learns that orders may rest."""

from __future__ import annotations

import json
import re
import shlex
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from process_kit import DEADLINE_S, Program, Sandbox, open_sandbox, run, running, wait_until

from mm_trio.halts.standing import Standing, State
from mm_trio.halts.standing_file import replace_standing

pytestmark = pytest.mark.e2e

HALTED = Standing(state=State.HALTED, since_ms=1, why="max_loss_vs_hold: 101 USDC, and 100 are allowed")
N_ORDERS = 6
LADDER = {"MM_TRIO__STRATEGY__ACTIVE_LEVELS": "3"}
# An order size that was not shown, no key, another token, and a key that was revoked.
REFUSALS = [
    ({"MM_TRIO__STRATEGY__ORDER_SZ": "4"}, 2, "look at the plan first"),
    ({"MM_TRIO_PRIVATE_KEY": ""}, 2, "MM_TRIO_PRIVATE_KEY"),
    ({"MM_TRIO__MARKET__BASE": "HYPO"}, 2, "the base token of '@107' is 'HYPE'"),
    ({"MM_TRIO_PRIVATE_KEY": "0x" + "5e" * 32}, 3, "the venue refuses this key"),
]


@dataclass(frozen=True)
class Remains:
    """An exchange with orders of a maker that was killed."""

    folder: Path
    sandbox: Sandbox
    mainnet: str | None

    @property
    def config(self) -> tuple[str, str]:
        return "--config", str(self.folder / "maker.toml")

    @property
    def state_folder(self) -> Path:
        (lock,) = (self.folder / "state").rglob("@107/lock")
        return lock.parent

    def run(self, verb: str, *words: str, environ: dict[str, str] | None = None) -> tuple[int, str, str]:
        more = self.sandbox.key | LADDER | (environ or {})
        return run(self.folder, verb, *self.config, *words, environ=more, mainnet=self.mainnet)

    def find_oids(self) -> set[int]:
        return {row["oid"] for row in self.sandbox.ask("openOrders")}

    def count_requests(self) -> int:
        n: int = self.sandbox.control("state")["accounts"][self.sandbox.account]["n_requests"]
        return n


@contextmanager
def killed(folder: Path, *, live: bool = False) -> Iterator[Remains]:
    with open_sandbox(folder, "--no-takers", *(["--as", "mainnet", "--maker"] if live else [])) as sandbox:
        (folder / "maker.toml").write_text(sandbox.config)
        remains = Remains(folder, sandbox, sandbox.url if live else None)
        words = ["--live"] if live else []
        if live:
            code, _, err = remains.run("run", "--duration", "1", "--json")
            assert code == 0, err
        with running(
            folder, "run", *remains.config, *words, environ=sandbox.key | LADDER, mainnet=remains.mainnet
        ) as maker:
            maker.wait_for("tick=1 ")
            maker.process.send_signal(signal.SIGKILL)
            maker.process.wait(DEADLINE_S)
        assert remains.find_oids()
        yield remains


def find_told(err: str) -> set[int]:
    """Each order that was told, by its side, size, price and oid."""
    told = re.findall(
        r"^mm-trio: order may still be open: oid (\d+): (?:buy|sell) [\d.]+ at [\d.]+$", err, re.MULTILINE
    )
    return {int(oid) for oid in told}


def test_a_halted_maker_that_was_killed_ends_with_4_until_nothing_rests(tmp_path: Path) -> None:
    with killed(tmp_path) as remains:
        replace_standing(remains.state_folder, HALTED)
        oids, n_requests = remains.find_oids(), remains.count_requests()
        code, out, err = remains.run("run", "--json")
        after = remains.find_oids(), remains.count_requests()
        (remedy,) = re.findall(r"`mm-trio (cancel-all [^`]*)`", err)
        cancelled, _, _ = run(tmp_path, *shlex.split(remedy), environ=remains.sandbox.key)
        left = remains.find_oids()
        again, _, told_again = remains.run("run", "--json")

    assert (code, len(oids)) == (4, N_ORDERS)
    assert find_told(err) == oids
    assert HALTED.why in err.splitlines()[-1]
    error = json.loads(out.splitlines()[-1])["error"]
    assert all(f"oid {oid}: " in error for oid in oids)
    assert HALTED.why in error
    assert after == (oids, n_requests)
    assert (cancelled, left) == (0, set())
    assert (again, find_told(told_again)) == (5, set())


def test_a_live_maker_that_was_killed_and_is_refused_ends_with_4_whatever_refuses_it(tmp_path: Path) -> None:
    with killed(tmp_path, live=True) as remains:
        oids, n_requests = remains.find_oids(), remains.count_requests()
        refused = [remains.run("run", "--live", environ=environ) for environ, _, _ in REFUSALS]
        after = remains.find_oids(), remains.count_requests()
        cancelled, _, _ = remains.run("cancel-all")
        own = [remains.run("run", "--live", environ=environ)[0] for environ, _, _ in REFUSALS]

    for (code, _, err), (_, _, reason) in zip(refused, REFUSALS, strict=True):
        assert (code, find_told(err)) == (4, oids), err
        assert reason in err
    assert after == (oids, n_requests)
    assert (cancelled, own) == (0, [code for _, code, _ in REFUSALS])


def test_where_the_venue_does_not_answer_it_is_told_that_orders_may_rest(tmp_path: Path) -> None:
    with killed(tmp_path) as remains:
        pass
    code, _, err = remains.run("run")

    assert code == 3
    assert "whether orders of an earlier run still rest in @107 could not be verified" in err
    assert "`mm-trio cancel-all --config " in err
    assert find_told(err) == set()


def test_a_folder_in_which_a_plan_was_shown_and_no_maker_ran_is_not_looked_after(tmp_path: Path) -> None:
    with open_sandbox(tmp_path, "--no-takers", "--as", "mainnet", "--maker") as sandbox:
        (tmp_path / "maker.toml").write_text(sandbox.config)
        remains = Remains(tmp_path, sandbox, sandbox.url)
        planned, _, _ = remains.run("run", "--duration", "1", "--json")
        code, _, err = remains.run("run", "--live", environ=dict(REFUSALS[0][0]))

    assert (planned, code) == (0, 2)
    assert "earlier run" not in err


def test_a_start_that_is_stopped_before_it_knows_of_any_order_is_4(tmp_path: Path) -> None:
    """The venue does not answer, so that nothing is verified either."""
    with killed(tmp_path) as remains:
        remains.sandbox.program.process.send_signal(signal.SIGSTOP)
        with running(tmp_path, "run", *remains.config, "--json", environ=remains.sandbox.key | LADDER) as start:
            wait_until(lambda: hears(start, signal.SIGTERM))
            code = start.end(signal.SIGTERM)
        remains.sandbox.program.process.send_signal(signal.SIGCONT)

    assert code == 4, start.err
    assert "could not be verified" in start.err
    assert "mm-trio cancel-all" in start.err
    assert start.last_object()["exit_code"] == 4


def hears(program: Program, number: signal.Signals) -> bool:
    """Check if a process has a handler for a signal, by the system's record of it."""
    found = re.search(r"^SigCgt:\s*([0-9a-f]+)$", Path(f"/proc/{program.process.pid}/status").read_text(), re.MULTILINE)
    return found is not None and bool(int(found[1], 16) >> (number - 1) & 1)

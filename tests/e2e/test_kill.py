"""SIGKILL at random moments of a real maker while takers trade, again and again; in the end one clean leave.

What must hold all the while: no two of its orders on one place, bids below asks. In the end: nothing of it
rests, and the ledger it kept on disk is the exchange's own, fill by fill, to the last digit.
`MM_TRIO_KILLS` says how often, `MM_TRIO_KILL_SEED` repeats the moments of a run (the race itself it cannot).
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import signal
import struct
import sys
import time
from collections import Counter
from contextlib import AbstractContextManager
from decimal import Decimal
from pathlib import Path
from random import Random, SystemRandom
from typing import Any, NamedTuple

import pytest
from kill_kit import REQUEST_KINDS, KillExchange, Kind, Ledger, kill_alive, open_exchange
from process_kit import Program, run, running

from mm_trio.recorder.record_file import RecordFile

KILLS = int(os.environ.get("MM_TRIO_KILLS", "20"))
SEED = int(os.environ.get("MM_TRIO_KILL_SEED", "-1"))

pytestmark = [
    pytest.mark.slow,
    pytest.mark.e2e,
    pytest.mark.timeout(180 + 8 * KILLS),
    pytest.mark.skipif(sys.platform != "linux", reason="asks Linux whether a commit is under way"),
]

# Any beginning of it has one in three in the middle of a request, whatever the journal does
PATTERN: tuple[Kind, ...] = (
    "before", "wall", "executed", "commit", "answered", "wall", "before", "wall", "executed", "commit",
)  # fmt: skip
KINDS_BESIDE: tuple[Kind, ...] = ("executed", "before", "answered", "executed")
LONGEST_LIFE_S = 2.0  # where the clock decides: from before its first import to well into its quoting
LATEST_REQUEST = 5
LATEST_COMMIT = 8
DEADLINE_S = 60.0
LOOK_EVERY_S = 0.0002  # at the journal: most commits take longer, for their fsync
WAL_WRITE_LOCK = 120  # SQLite's byte of the `-shm` file, "WAL-mode file format" 2.2
FLOCK = "hhqqi4x"  # struct flock of 64-bit Linux
TOLD_EVERY = 20
TAIL_LINES = 25
LAST_SECOND_MS = 1_000  # of a maker's life, which the record may lack
MIDST, NO_JOURNAL = "in midst", "no journal"  # of the tally, beside the kinds


class Plan(NamedTuple):
    """When a life ends: at a time after its start, or at its `nth` request or commit."""

    kind: Kind
    nth: int
    after_s: float


class Strike(NamedTuple):
    """What came of a plan. `in_midst`: a request or a commit was certainly under way."""

    kind: str
    in_midst: bool = False
    problem: str = ""


def draw_plans(rng: Random, n: int) -> list[Plan]:
    kinds = [PATTERN[i % len(PATTERN)] for i in range(n)]
    rng.shuffle(kinds)
    return [
        Plan(
            kind, rng.randint(1, LATEST_COMMIT if kind == "commit" else LATEST_REQUEST), rng.uniform(0, LONGEST_LIFE_S)
        )
        for kind in kinds
    ]


# --- one kill ---------------------------------------------------------------------------------


def strike(plan: Plan, maker: Program, exchange: KillExchange, journal: Path) -> Strike:
    """Wait for the moment and kill. Never raises: whoever calls knows the round, and tells it."""
    if plan.kind in REQUEST_KINDS:
        return strike_request(plan, maker, exchange)
    if plan.kind == "commit":
        return strike_commit(plan, maker, journal)
    time.sleep(plan.after_s)
    kill_alive(maker)
    return Strike("wall")


def strike_request(plan: Plan, maker: Program, exchange: KillExchange) -> Strike:
    """The exchange kills it while it has the request. An answer on its way may have been read: no proof."""
    sprung = exchange.trap.sprung
    exchange.arm(maker, plan.kind, plan.nth)
    end_s = time.monotonic() + DEADLINE_S
    while not sprung.wait(0.02):
        if maker.process.poll() is not None and not sprung.wait(DEADLINE_S):  # who kills it tells it next
            return Strike(plan.kind)
        if time.monotonic() > end_s:
            exchange.disarm()
            kill_alive(maker)
            return Strike(plan.kind, problem=f"sent no {plan.nth} requests in {DEADLINE_S:g} s")
    return Strike(plan.kind, in_midst=plan.kind != "answered")


def strike_commit(plan: Plan, maker: Program, journal: Path) -> Strike:
    """Look at the journal until a transaction is open or has just been written, and kill there."""
    began_s = time.monotonic()
    seen, n_left = look_at(journal), plan.nth
    while maker.process.poll() is None:
        now_seen = look_at(journal)
        n_left -= now_seen != seen and now_seen is not None and now_seen[0] > 0
        if n_left <= 0 or (n_left == 1 and is_locked(journal)):
            return Strike("commit", in_midst=stop_and_kill(maker, journal))
        if time.monotonic() - began_s > DEADLINE_S:
            kill_alive(maker)
            return Strike(NO_JOURNAL) if now_seen is None else Strike("commit", problem="nothing more was committed")
        seen = now_seen
        time.sleep(LOOK_EVERY_S)
    return Strike("commit")


def look_at(journal: Path) -> tuple[int, int] | None:
    """What changes with every commit: size and time of the write-ahead log."""
    try:
        found = journal.with_name(journal.name + "-wal").stat()
    except FileNotFoundError:
        return None
    return found.st_size, found.st_mtime_ns


def is_locked(journal: Path) -> bool:
    """Whether somebody is between the BEGIN IMMEDIATE and the end of the COMMIT: SQLite's own lock says so."""
    try:
        with journal.with_name(journal.name + "-shm").open("rb") as shared:
            asked = struct.pack(FLOCK, fcntl.F_WRLCK, os.SEEK_SET, WAL_WRITE_LOCK, 1, 0)
            found: tuple[int, ...] = struct.unpack(FLOCK, fcntl.fcntl(shared, fcntl.F_GETLK, asked))
    except FileNotFoundError:
        return False
    return found[0] != fcntl.F_UNLCK


def stop_and_kill(maker: Program, journal: Path) -> bool:
    """Kill; whether a commit was under way. Halted first, so that nothing moves between the look and the kill."""
    maker.process.send_signal(signal.SIGSTOP)
    end_s = time.monotonic() + DEADLINE_S
    while not is_halted(maker.process.pid) and time.monotonic() < end_s:
        time.sleep(LOOK_EVERY_S)
    is_committing = is_locked(journal)
    return kill_alive(maker) and is_committing


def is_halted(pid: int) -> bool:
    """Every thread stopped, or gone."""
    states = []
    for path in Path(f"/proc/{pid}/task").glob("*/stat"):
        with contextlib.suppress(OSError):
            states.append(path.read_text().rpartition(")")[2].split()[0])
    return all(state in "TZX" for state in states)


# --- the whole --------------------------------------------------------------------------------


class Game:
    """One exchange, one folder of state, and a maker that comes back again and again."""

    def __init__(self, folder: Path, exchange: KillExchange, *, ledger: str = "ahead") -> None:
        self.exchange = exchange
        self.folder = folder
        self.state_home = folder / "state"
        self.journal = exchange.find_journal(self.state_home)
        self.config = str(folder / "kill.toml")
        self.environ = {"MM_TRIO_PRIVATE_KEY": exchange.private_key, "XDG_STATE_HOME": str(self.state_home)}
        exchange.write_config(Path(self.config))
        with Path(self.config).open("a") as config:
            # The last table is [tuning].
            config.write(f'ledger = "{ledger}"\n')

    def start_maker(self) -> AbstractContextManager[Program]:
        return running(self.folder, "run", "--config", self.config, "--plain", "--json", environ=self.environ)

    def audit(self) -> tuple[int, str, str]:
        return run(self.folder, "ledger", "audit", "--config", self.config, "--json", environ=self.environ)


def test_a_maker_that_is_killed_at_any_moment_loses_no_fill_and_doubles_no_order(tmp_path: Path) -> None:
    seed = SEED if SEED >= 0 else SystemRandom().randrange(2**32)
    print(f"seed {seed}", flush=True)
    tally, began_s = Counter[str](), time.monotonic()
    with open_exchange(seed) as exchange:
        game = Game(tmp_path, exchange)
        for number, plan in enumerate(draw_plans(Random(seed), KILLS), 1):
            with game.start_maker() as maker:
                struck = strike(plan, maker, exchange, game.journal)
                code = maker.end()
            problems = find_problems(struck, code, maker, exchange)
            assert not problems, tell_failure(f"seed {seed}, kill {number}/{KILLS}, {plan}", problems, maker)
            tally.update({struck.kind: 1, MIDST: struck.in_midst})
            if number % TOLD_EVERY == 0 or number == KILLS:
                print(tell_progress(number, tally, exchange, time.monotonic() - began_s), flush=True)
        check_the_end(game, f"seed {seed}, after {KILLS} kills")
    assert 3 * tally[MIDST] >= KILLS, f"seed {seed}: too few in the middle of something: {dict(tally)}"
    assert not tally[NO_JOURNAL], f"seed {seed}: no journal was there to kill at: {dict(tally)}"


def test_a_maker_whose_orders_leave_beside_their_entries_loses_no_fill_either(tmp_path: Path) -> None:
    """Each life begins with a wait of 14 s, so there are few."""
    seed = SEED if SEED >= 0 else SystemRandom().randrange(2**32)
    print(f"seed {seed}", flush=True)
    told = 0
    with open_exchange(seed) as exchange:
        game = Game(tmp_path, exchange, ledger="beside")
        for number, kind in enumerate(KINDS_BESIDE, 1):
            plan = Plan(kind, Random(seed + number).randint(2, LATEST_REQUEST), 0.0)
            with game.start_maker() as maker:
                struck = strike(plan, maker, exchange, game.journal)
                code = maker.end()
            problems = find_problems(struck, code, maker, exchange)
            assert not problems, tell_failure(f"seed {seed}, kill {number}, {plan}", problems, maker)
            told += "unclean end" in maker.err
        check_the_end(game, f"seed {seed}")
    assert told >= 1, "no start told of the unclean end before it"


def find_problems(struck: Strike, code: int, maker: Program, exchange: KillExchange) -> list[str]:
    """What one life did wrong, at the exchange and by itself."""
    problems = [struck.problem] if struck.problem else []
    if code != -signal.SIGKILL:
        problems.append(f"it ended by itself with {code}: {maker.out}")
    if "Traceback" in maker.err:
        problems.append("a traceback in its log")
    return problems + exchange.gateway.faults


def check_the_end(game: Game, label: str) -> None:
    """One more life without takers, a clean leave, and the books: what is wrong is told at once."""
    exchange = game.exchange
    exchange.takers.are_welcome = False
    with game.start_maker() as maker:
        maker.wait_for("tick=3 ")
        code = maker.end(signal.SIGTERM)
    problems = [] if code == 0 else [f"SIGTERM: exit code {code}: {maker.out}"]
    problems += exchange.gateway.faults
    problems += [f"still rests: {order}" for order in exchange.ask_resting()]
    token, usdc, n_fills = ledger = exchange.ask_ledger()
    # paid in was twice the allocation: fills and fees must tell the balances, or the witness itself is wrong
    held = (exchange.market.tokens + token, exchange.market.quote + usdc)
    assert exchange.ask_balances() == held, (exchange.ask_balances(), held)
    if n_fills == 0:
        problems.append("nobody traded")
    told = [
        (Decimal(base), Decimal(quote)) for base, quote in re.findall(r" token=([0-9.]+) quote=([0-9.]+)", maker.err)
    ]
    if told[-1:] != [(token, usdc)]:
        problems.append(f"it quoted from the ledger {told[-1:]}, at the exchange it is {ledger}")
    code, out, err = game.audit()
    problems += [] if code == 0 else [f"the audit ended with {code}: {out}{err}"]
    problems += [] if code else compare_audit(json.loads(out.splitlines()[-1]), ledger)
    problems += find_lost_observations(game)
    assert not problems, tell_failure(label, problems, maker)


def find_lost_observations(game: Game) -> list[str]:
    """Fills that the record lacks although it says that somebody watched: a kill costs its last second alone."""
    record = RecordFile.open_to_read(game.journal.parent)
    fills = game.exchange.ask_fills()
    until_ms = max(time_ms for time_ms, _ in fills)
    seen = {trade.tid for trade in record.read_trades(0, until_ms)}
    spans = list(record.read_coverage("market", 0, until_ms))
    watched = [
        (time_ms, tid)
        for time_ms, tid in fills
        if any(span.from_ms <= time_ms <= span.until_ms - LAST_SECOND_MS for span in spans)
    ]
    lost = [fill for fill in watched if fill[1] not in seen]
    return [f"the record lacks fills of times that it says it watched: {lost[:3]}"] if lost else []


def compare_audit(found: dict[str, Any], ledger: Ledger) -> list[str]:
    """Where the maker's own account of itself is not the exchange's."""
    booked = Ledger(Decimal(found["ledger"]["token"]), Decimal(found["ledger"]["usdc"]), found["fills"])
    if found["ok"] is True and booked == ledger:
        return []
    return [f"booked {booked}, at the exchange {ledger}: {found}"]


def tell_progress(number: int, tally: Counter[str], exchange: KillExchange, took_s: float) -> str:
    kinds = " ".join(f"{kind}={n}" for kind, n in sorted(tally.items()) if kind != MIDST)
    return (
        f"kills {number}/{KILLS} {kinds} in_midst={tally[MIDST]} ({tally[MIDST] / number:.0%}) "
        f"fills={exchange.ask_ledger().n_fills} {took_s / number:.2f} s per kill"
    )


def tell_failure(label: str, problems: list[str], maker: Program) -> str:
    tail = "\n".join(maker.err.splitlines()[-TAIL_LINES:])
    return "\n".join((f"{label}:", *(f"- {problem}" for problem in problems), "the end of its log:", tail))

"""The one ledger of several markets as an operator meets it: damaged, lost, cut short, made anew, put back."""

from __future__ import annotations

import json
import shlex
import shutil
import signal
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from process_kit import Sandbox, read_commands, run, running, wait_until
from several_kit import COINS, open_orders, open_several, save_several

from mm_trio.journal.data_dir import ACCOUNT_NAME
from mm_trio.journal.sqlite_journal import JOURNAL_NAME

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

FIRST, SECOND = COINS[:2]
PAIR = COINS[:2]


class Host:
    """A sandbox with two pairs, and a machine with its state and its copies."""

    def __init__(self, folder: Path, sandbox: Sandbox) -> None:
        self.folder, self.sandbox = folder, sandbox
        self.state, self.into = folder / "state", folder / "copies"
        self.list_coins(PAIR)

    def list_coins(self, coins: tuple[str, ...]) -> None:
        self.coins = coins
        self.config = str(save_several(self.sandbox, self.folder, coins=coins))

    @property
    def place(self) -> Path:
        """The folder of the account's ledger."""
        (found,) = self.state.glob(f"mm_trio/sandbox/*/{self.sandbox.account.lower()}/{ACCOUNT_NAME}")
        return found

    @property
    def journal(self) -> Path:
        return self.place / JOURNAL_NAME

    def command(self, *words: str) -> tuple[int, dict[str, Any], str]:
        code, out, err = run(self.folder, *words, "--config", self.config, "--json", environ=self.sandbox.key)
        assert "Traceback" not in err, err
        return code, json.loads(out.splitlines()[-1]) if out else {}, err

    def trade(self) -> None:
        """Let a maker quote, a taker buy and sell each coin, and stop the maker."""
        with running(self.folder, "run", "--config", self.config, "--json", environ=self.sandbox.key) as maker:
            wait_until(lambda: set(open_orders(self.sandbox)) == set(self.coins))
            for coin in self.coins:
                for side, size in (("buy", "7"), ("sell", "3")):
                    fills = self.sandbox.control("take", {"coin": coin, "side": side, "sz": size})
                    assert fills, coin
            assert maker.end(signal.SIGTERM) == 0, maker.err

    def start_refused(self) -> tuple[int, str]:
        code, _, err = self.command("run")
        return code, err.splitlines()[-1]

    def audit(self, coin: str) -> tuple[int, dict[str, Any]]:
        code, found, err = self.command("ledger", "audit", "--coin", coin)
        assert found, err
        return code, found

    def check_exact(self, at_least: dict[str, int] | None = None) -> dict[str, dict[str, Any]]:
        """The venue confirms the ledger of each coin."""
        found = {}
        for coin in self.coins:
            code, audit = self.audit(coin)
            assert (code, audit["ok"]) == (0, True), audit
            assert audit["fills"] >= (at_least or {}).get(coin, 1)
            found[coin] = audit
        return found

    def quote(self) -> str:
        """Let a maker start, quote every coin and end; its log."""
        with running(self.folder, "run", "--config", self.config, "--json", environ=self.sandbox.key) as maker:
            for coin in self.coins:
                maker.wait_for(f" {coin}: tick=1")
            assert maker.end(signal.SIGTERM) == 0, maker.err
        return maker.err


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    with open_several(tmp_path, "--no-takers", coins=PAIR) as sandbox:
        yield Host(tmp_path, sandbox)


def read_allocations(journal: Path) -> dict[str, tuple[str, str]]:
    """The last allocation of each coin."""
    with sqlite3.connect(journal) as file:
        rows = file.execute("SELECT kind, body FROM entries WHERE kind LIKE 'allocated:%' ORDER BY seq").fetchall()
    file.close()
    return {kind.partition(":")[2]: tuple(json.loads(body)) for kind, body in rows}


def pick(audits: dict[str, dict[str, Any]]) -> dict[str, tuple[object, object]]:
    """How many fills each ledger has, and what it may call its own."""
    return {coin: (audit["fills"], audit["ledger"]) for coin, audit in audits.items()}


def damage(journal: Path) -> int:
    """Change an entry in the middle; its number."""
    with sqlite3.connect(journal) as file:
        file.execute("DROP TRIGGER entries_stay")
        middle: int = file.execute("SELECT max(seq) FROM entries").fetchone()[0] // 2
        file.execute("UPDATE entries SET body = replace(body, '1', '2') WHERE seq = ?", (middle,))
    file.close()
    return middle


def test_a_damaged_ledger_is_rebuilt_for_every_coin(host: Host) -> None:
    host.trade()
    before, allocations = host.check_exact(), read_allocations(host.journal)
    code, told, err = host.command("ledger", "rebuild")
    assert (code, "is sound" in told["error"]) == (2, True), err
    middle = damage(host.journal)
    code, last = host.start_refused()
    assert (code, "ledger rebuild" in last) == (5, True), last

    code, rebuilt, err = host.command("ledger", "rebuild")

    assert (code, rebuilt["entries_saved"], rebuilt["coins"]) == (0, middle - 1, list(PAIR)), err
    assert rebuilt["lives_found"] == 0
    assert (host.place / "set-aside-1" / JOURNAL_NAME).is_file()
    host.quote()
    assert pick(host.check_exact()) == pick(before)
    assert read_allocations(host.journal) == allocations


def test_a_ledger_that_cannot_be_read_is_rebuilt_from_the_venue_s_fills(host: Host) -> None:
    host.trade()
    before = host.check_exact()
    for path in host.place.glob(f"{JOURNAL_NAME}-*"):
        path.unlink()
    host.journal.write_bytes(b"not a ledger at all" * 1000)
    assert host.start_refused()[0] == 5

    code, rebuilt, err = host.command("ledger", "rebuild")

    assert (code, rebuilt["entries_saved"], rebuilt["lives_found"]) == (0, 0, 2), err
    # The next start books the fills; until then the ledger differs from the venue.
    for coin in PAIR:
        code, between = host.audit(coin)
        assert (code, len(between["unbooked_fills"]) >= before[coin]["fills"]) == (1, True)
        assert between["lost_entries"] is None
    host.quote()
    after = host.check_exact()
    assert read_allocations(host.journal) == dict.fromkeys(PAIR, ("100", "1000"))
    # What a market may call its own is what it was allotted, with its fills, as before.
    assert pick(after) == pick(before)


def test_a_state_folder_that_is_gone_is_no_first_start_and_is_rebuilt(host: Host) -> None:
    host.trade()
    before = host.check_exact()
    shutil.rmtree(host.state)
    code, last = host.start_refused()
    assert (code, "this is not a first start" in last) == (2, True), last
    shutil.rmtree(host.state)

    assert host.command("ledger", "rebuild")[0] == 0
    host.trade()

    host.check_exact({coin: audit["fills"] for coin, audit in before.items()})


def go_back(host: Host) -> dict[str, int]:
    """Bring back an older copy of the ledger's folder; the fills that the newer one had."""
    host.trade()
    shutil.copytree(host.place, host.folder / "older")
    host.trade()
    before = host.check_exact()
    place = host.place
    shutil.rmtree(place)
    shutil.copytree(host.folder / "older", place)
    return {coin: audit["fills"] for coin, audit in before.items()}


def test_an_older_copy_of_the_folder_is_refused_and_completed(host: Host) -> None:
    """By the commands of the page. Each market ended alone, by what its start found, and needs to be resumed."""
    before = go_back(host)
    code, _, err = host.command("run")
    assert (code, "the ledger lacks entries" in err) == (5, True), err
    done = []

    for command in read_commands("ledger.md", "Rebuild"):
        words = shlex.split(command.replace(" --config mm.toml", "").replace("HYPE/USDC", FIRST))[1:]
        if words == ["run"]:
            host.quote()
            continue
        code, told, err = host.command(*words)
        assert code == 0, f"{command}: {told} {err}"
        done.append(told)

    rebuilt, _, audit = done
    assert (rebuilt["lives_found"], rebuilt["halted_names"], audit["ok"]) == (2, list(PAIR), True)
    host.check_exact(before)


def test_a_coin_that_is_not_listed_any_more_is_rebuilt_too(host: Host) -> None:
    before = go_back(host)
    host.list_coins((SECOND,))

    assert host.command("ledger", "rebuild")[0] == 0
    host.quote()
    host.list_coins(PAIR)
    host.quote()

    host.check_exact(before)


def test_one_coin_is_not_rebuilt_or_restored_alone(host: Host) -> None:
    for words in (("rebuild",), ("restore", "--from", "copies")):
        code, told, _ = host.command("ledger", *words, "--coin", FIRST)
        assert (code, "Leave --coin out" in told["error"]) == (2, True)


def test_no_ledger_is_rebuilt_while_its_maker_runs(host: Host) -> None:
    with running(host.folder, "run", "--config", host.config, environ=host.sandbox.key) as maker:
        maker.wait_for("tick=1")
        code, told, _ = host.command("ledger", "rebuild")
        assert maker.end(signal.SIGTERM) == 0

    assert (code, "another mm_trio is already making several markets" in told["error"]) == (2, True)


# --- Copies -----------------------------------------------------------------------------------------


def test_a_lost_machine_is_restored_from_a_copy(host: Host) -> None:
    """Made beside a maker that runs, while one of its markets was paused."""
    host.trade()
    with running(host.folder, "run", "--config", host.config, environ=host.sandbox.key) as maker:
        maker.wait_for(f" {SECOND}: tick=1")
        assert host.command("pause", "--coin", SECOND)[0] == 0
        code, made, err = host.command("ledger", "backup", "--to", str(host.into))
        assert code == 0, err
        assert host.command("resume", "--coin", SECOND)[0] == 0
        assert maker.end(signal.SIGTERM) == 0
    host.trade()
    before = host.check_exact()
    shutil.rmtree(host.state)

    code, restored, err = host.command("ledger", "restore", "--from", str(host.into))

    assert (code, restored["copy"], restored["lives_found"]) == (0, made["copy"], 2), err
    assert (restored["halted"], restored["halted_names"]) == (True, [ACCOUNT_NAME])
    code, last = host.start_refused()
    assert (code, "restored from a copy of" in last) == (5, True), last
    code, shown, _ = host.command("resume", "--show")
    assert [each["before"]["state"] for each in shown["markets"].values()] == ["active", "paused"]
    assert host.command("resume")[0] == 0
    host.trade()
    host.check_exact({coin: audit["fills"] for coin, audit in before.items()})


def test_a_damaged_ledger_is_replaced_by_a_copy_and_a_sound_one_is_not(host: Host) -> None:
    host.trade()
    assert host.command("ledger", "backup", "--to", str(host.into))[0] == 0
    host.trade()
    before = host.check_exact()
    code, told, err = host.command("ledger", "restore", "--from", str(host.into))
    assert (code, "--even-if-older" in told["error"]) == (2, True), err
    damaged = b"not a ledger at all" * 1000
    host.journal.write_bytes(damaged)

    code, restored, err = host.command("ledger", "restore", "--from", str(host.into))

    assert (code, restored["halted"]) == (0, False), err
    assert (Path(restored["set_aside"]) / JOURNAL_NAME).read_bytes() == damaged
    host.quote()
    host.check_exact({coin: audit["fills"] for coin, audit in before.items()})


def test_a_coin_that_came_after_the_copy_begins_as_it_is_configured(host: Host) -> None:
    host.list_coins((FIRST,))
    host.trade()
    assert host.command("ledger", "backup", "--to", str(host.into))[0] == 0
    host.list_coins(PAIR)
    host.trade()
    before = host.check_exact()
    host.journal.write_bytes(b"not a ledger at all" * 1000)

    code, restored, err = host.command("ledger", "restore", "--from", str(host.into))

    assert (code, restored["lives_found"]) == (0, 2), err
    assert read_allocations(host.journal) == dict.fromkeys(PAIR, ("100", "1000"))
    host.quote()
    host.check_exact({coin: audit["fills"] for coin, audit in before.items()})


def test_a_copy_of_one_market_is_not_put_in_the_place_of_several(host: Host) -> None:
    alone = host.sandbox.save_config(host.folder)
    words = ("--config", str(alone), "--json")
    assert run(host.folder, "run", *words, "--duration", "3", environ=host.sandbox.key)[0] == 0
    code, out, err = run(host.folder, "ledger", "backup", *words, "--to", str(host.into))
    assert code == 0, err
    made = json.loads(out.splitlines()[-1])["copy"]

    code, told, _ = host.command("ledger", "restore", "--from", made)

    assert (code, "is a copy of another ledger" in told["error"]) == (2, True)

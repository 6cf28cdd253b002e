"""One session on a sandbox in which every command prints its result as JSON: what it prints is kept, by command."""

from __future__ import annotations

import json
import re
import signal
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from alert_kit import serving_alerts
from eth_account import Account
from hyperliquid.exchange import Exchange
from hyperliquid.utils.signing import sign_agent
from process_kit import Program, Sandbox, running
from several_kit import open_several, save_several

SETTINGS_OF_ANOTHER_PROGRAM = """
[market]
coin = "@107"
testnet = true

[strategy]
n_orders = 100
order_sz = 5
start_px = 20.0
active_levels = 10

[allocation]
allocated_token = 100
allocated_usdc = 2000
"""
TWO_FILLS = r"fill side=(?s:.*)fill side="


def approve(sandbox: Sandbox, address: str, name: str) -> None:
    """Approve an agent as the account's owner does."""
    master = Account.from_key(sandbox.access["master_keys"][0])
    exchange = Exchange(master, sandbox.url, meta={"universe": []}, spot_meta={"universe": [], "tokens": []})
    now_ms = time.time_ns() // 1_000_000
    action = {"type": "approveAgent", "agentAddress": address, "agentName": name, "nonce": now_ms}
    answer = exchange._post_action(action, sign_agent(master, action, is_mainnet=False), now_ms)
    assert answer["status"] == "ok", answer


class JsonSession:
    """What each command printed, in the order of the calls; `folder` has all files of the session."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.printed: dict[str, list[dict[str, Any]]] = defaultdict(list)

    def call(self, command: str, *words: object, code: int = 0, environ: dict[str, str] | None = None) -> Any:
        """Run a command to its end and keep what it printed."""
        with self.running(command, *words, environ=environ) as program:
            return self.end(command, program, code=code)

    def running(self, command: str, *words: object, environ: dict[str, str] | None = None) -> Any:
        return running(self.folder, *command.split(), *map(str, words), "--json", environ=environ)

    def end(
        self, command: str, program: Program, number: signal.Signals | None = None, *, code: int = 0
    ) -> dict[str, Any]:
        """Wait for a program's end and keep what it printed."""
        ended = program.end(number)
        assert ended == code, (command, ended, program.err[-2000:])
        values = program.last_object()
        self.printed[command].append(values)
        return values

    def play(self) -> None:
        """Run every command once or more; three sessions of a maker, and two of their sandboxes, serve them all."""
        self._play_offline()
        words = ("--seed", "181", "--accounts", "2", "--save-history", str(self.folder / "history"))
        with open_several(self.folder, *words) as sandbox:
            self.printed["sandbox"].append(sandbox.access)
            self._play_one_market(sandbox, sandbox.save_config(self.folder))
            self._play_keys(sandbox)
            other = sandbox.access["accounts"][1]
            self._play_several(replace(sandbox, account=other["account"], private_key=other["private_key"]))
            self.end("sandbox", sandbox.program, signal.SIGINT)
        self.call("sandbox", "--replay", self.folder / "history")

    def _play_offline(self) -> None:
        self.call("demo", "--duration", "3", "--seed", "2")
        self.call("sim", "--seed", "1", "--hours", "0.02")
        (self.folder / "other.toml").write_text(SETTINGS_OF_ANOTHER_PROGRAM)
        self.call("migrate", self.folder / "other.toml")
        self.call("migrate", self.folder / "none.toml", code=2)
        self._play_alerts()

    def _play_alerts(self) -> None:
        with serving_alerts() as well, serving_alerts(status=403) as other:
            config, told = self.folder / "alerts.toml", {"MM_TRIO_ALERT_URLS": f"{well.url} {other.url}"}
            config.write_text("[alerts]\n")
            self.call("alerts list", "--config", config, environ=told)
            self.call("alerts test", "--config", config, code=2)
            self.call("alerts test", "--config", config, environ=told, code=1)
            self.call("alerts send", "--config", config, "--event", "failed", environ={"MM_TRIO_ALERT_URLS": well.url})

    def _play_one_market(self, sandbox: Sandbox, config: Path) -> None:
        place = ("--config", config)
        self.call("run", *place, "--plan", "--duration", "2")
        self.call("ledger audit", *place, code=5)
        self.call("status", *place)
        self.call("page-link", *place, code=1)
        with ExitStack() as opened:
            maker = opened.enter_context(self.running("run", *place, "--page", environ=sandbox.key))
            guard = opened.enter_context(self.running("guard", *place))
            words = ("--coin", sandbox.coin, "--api-url", sandbox.url, "--folder", self.folder / "recorded")
            recording = opened.enter_context(self.running("record", *words))
            maker.wait_for(TWO_FILLS)
            self._look_at_a_running_maker(sandbox, place)
            assert self.end("guard", guard, signal.SIGINT)["fired"] == 0
            self.end("record", recording, signal.SIGINT)
            self.call("pause", *place)
            self.call("status", *place)
            self.call("resume", *place, "--show")
            self.call("resume", *place)
            self.end("run", maker, signal.SIGINT)
        self._look_back(sandbox, place)
        self.call("cancel-all", *place, environ=sandbox.key)
        self.call("resume", *place)

    def _look_at_a_running_maker(self, sandbox: Sandbox, place: Sequence[object]) -> None:
        self.call("doctor", *place, environ=sandbox.key)
        self.call("guard", *place, "--once")
        self.call("page-link", *place)
        self._ask_a_running_maker(place)
        self.call("apply", *place)
        self.call("ledger backup", *place, "--to", self.folder / "copies")
        self.call("grid", "--coin", sandbox.coin, "--range", "20", "24", "--tokens", "100", "--api-url", sandbox.url)
        self.call("rehearse", *place, "--hours", "0.02", "--save", self.folder / "facts")

    def _ask_a_running_maker(self, place: Sequence[object], *words: object) -> None:
        """The commands that a maker answers itself; `words` choose one of its markets."""
        self.call("status", *place)
        self.call("orders", *place, *words)
        self.call("fills", *place, *words)
        self._watch(place)

    def _watch(self, place: Sequence[object]) -> None:
        """Keep every line of `watch`: each is an object."""
        with self.running("watch", *place, "--duration", "3") as program:
            self.end("watch", program)
        self.printed["watch"] += [json.loads(line) for line in program.out.splitlines()[:-1]]

    def _look_back(self, sandbox: Sandbox, place: Sequence[object]) -> None:
        """The commands that read ledger and record."""
        self.call("ledger audit", *place)
        self.call("status", *place)
        self._watch(place)
        self.call("orders", *place)
        self.call("fills", *place, "--csv", self.folder / "fills.csv")
        self.call("pnl", *place, "--by", "day")
        self.call("explain", "30", *place)
        self.call("report", *place, "--html", self.folder / "report.html")
        made = self.folder / "proof"
        self.call("certificate", *place, "--last", "1m", "--partial", "--out", made, environ=sandbox.key)
        self.call("verify", made)
        text = made.read_bytes()
        (self.folder / "spoilt").write_bytes(text[: len(text) // 2])
        self.call("verify", self.folder / "spoilt", code=1)
        self.call("ledger rebuild", *place, code=2)
        self.call("ledger rebuild", *place, "--even-if-sound")
        self.call("ledger restore", *place, "--from", self.folder / "copies", "--even-if-older")
        self.call("resume", *place)

    def _play_keys(self, sandbox: Sandbox) -> None:
        place = ("--config", self.folder / "sandbox.toml")
        self.call("keys show", *place, environ=sandbox.key)
        self.call("keys new", *place, "--wait", "1", "--name", "late", code=3)
        with self.running("keys new", *place, "--wait", "60") as program:
            self._approve(sandbox, program)
            made = self.end("keys new", program)
        with self.running("keys rotate", *place, environ={"MM_TRIO_KEY_FILE": str(made["file"])}) as program:
            self._approve(sandbox, program)
            self.end("keys rotate", program)

    def _approve(self, sandbox: Sandbox, program: Program) -> None:
        program.wait_for("Waiting up to")
        text = program.out + program.err
        (address,) = re.findall(r"address  (0x[0-9a-f]{40})$", text, re.MULTILINE)
        (name,) = re.findall(r"name     (.+)$", text, re.MULTILINE)
        approve(sandbox, address, name)

    def _play_several(self, sandbox: Sandbox) -> None:
        """The commands of an account with several markets, whose results name each of them."""
        config = save_several(sandbox, self.folder)
        place = ("--config", config)
        with self.running("run", *place, environ=sandbox.key) as maker:
            maker.wait_for(TWO_FILLS)
            self.call("apply", *place)
            self._ask_a_running_maker(place, "--coin", "@107")
            self.call("guard", *place, "--once")
            self.call("guard", *place, "--duration", "2")
            self.call("ledger backup", *place, "--to", self.folder / "copies")
            self.call("pause", *place)
            self.call("resume", *place)
            self.end("run", maker, signal.SIGINT)
        self.call("status", *place)
        self.call("doctor", *place, environ=sandbox.key)
        self.call("ledger audit", *place, code=2)
        self.call("ledger audit", *place, "--coin", "@107")
        self.call("cancel-all", *place, environ=sandbox.key)
        self.call("resume", *place, "--show")
        self.call("ledger rebuild", *place, "--coin", "@107", code=2)
        self.call("ledger rebuild", *place, "--even-if-sound")
        self.call("ledger restore", *place, "--from", self.folder / "copies", "--even-if-older")

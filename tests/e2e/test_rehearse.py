"""The command `rehearse` against an exchange on loopback: it reads little, needs no key, and sends nothing."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
from process_kit import open_sandbox, run, running
from rehearse_kit import make_settings

from mm_trio.cli.rehearse_programs.venue_facts import MOST_WEIGHT, parse_venue_facts, read_venue_facts
from mm_trio.config.settings import MarketSettings
from mm_trio.sandbox.api.auth import Auth
from mm_trio.sandbox.api.gateway import Gateway
from mm_trio.sandbox.api.ip_weights import weigh_question
from mm_trio.sandbox.matching.exchange import Exchange
from mm_trio.sandbox.model.commands import Deposit
from mm_trio.sandbox.server.server import serve

pytestmark = pytest.mark.e2e

DEADLINE_S = 30.0
QUOTE_TOKEN = 0
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Listening(Gateway):
    """An exchange that notes what it is asked."""

    def __init__(self) -> None:
        super().__init__(Exchange(), now_ms=lambda: time.time_ns() // 1_000_000)
        self.asked: list[Mapping[str, Any]] = []

    def info(self, request: Any) -> Any:
        self.asked.append(request)
        return super().info(request)


async def read(gateway: Gateway, settings: MarketSettings) -> dict[str, Any]:
    async with trio.open_nursery() as nursery:
        server = await nursery.start(partial(serve, gateway, Auth(lambda address: False)))
        at_sandbox = MarketSettings(coin=settings.coin, account=settings.account, api_url=server.url)
        with trio.fail_after(DEADLINE_S):
            facts = await read_venue_facts(at_sandbox, stop_scope=trio.CancelScope())
        nursery.cancel_scope.cancel()
    assert facts is not None
    return facts


async def test_all_reads_together_weigh_little_and_tell_all_facts() -> None:
    gateway, settings = Listening(), make_settings().market
    gateway.apply(Deposit(settings.account, QUOTE_TOKEN, Decimal(500)))

    facts = parse_venue_facts(await read(gateway, settings), settings)

    assert sum(weigh_question(question) for question in gateway.asked) <= MOST_WEIGHT
    assert facts.balances is not None
    assert (facts.balances.usdc, facts.requests_left, facts.are_fees_read) == (*(Decimal(500), 10_000, True),)


def test_a_sandbox_is_rehearsed_and_left_as_it_was(tmp_path: Path) -> None:
    kinds = ("userRateLimit", "spotClearinghouseState", "openOrders", "userFills")
    with open_sandbox(tmp_path, "--no-takers") as sandbox:
        config, saved = str(sandbox.save_config(tmp_path)), str(tmp_path / "facts.json")
        before = [sandbox.ask(kind) for kind in kinds]
        code, told, err = run(tmp_path, "rehearse", "--config", config, "--hours", "0.1", "--save", saved, "--json")

        assert (code, err) == (0, "")
        assert [sandbox.ask(kind) for kind in kinds] == before
    values = json.loads(told.splitlines()[-1])
    print(f"wall_s={values['wall_s']}")
    assert {"paths", "suggested_limits", "suggested_toml", "violations", "limits_tripped", "nearest"} <= values.keys()
    assert [path["path"] for path in values["paths"]] == ["calm", "fall", "rise", "halve"]
    assert not (tmp_path / "state").exists()
    offline = run(tmp_path, "rehearse", "--config", config, "--hours", "0.1", "--offline", saved, "--json")
    again = json.loads(offline[1].splitlines()[-1])
    assert {name for name in values if values[name] != again[name]} <= {"wall_s"}


def test_a_venue_that_is_away_has_its_own_exit_code(tmp_path: Path) -> None:
    config = tmp_path / "maker.toml"
    config.write_text(
        f'[market]\ncoin = "@107"\naccount = "0x{"11" * 20}"\napi_url = "http://127.0.0.1:9"\n'
        '[strategy]\nstart_px = "20"\nn_orders = 20\norder_sz = "2"\n'
    )

    code, out, err = run(tmp_path, "rehearse", "--config", str(config))

    assert (code, out) == (3, "")
    assert "http://127.0.0.1:9" in err
    assert "--offline FILE" in err
    assert "Traceback" not in err


def is_in_a_path(pid: int) -> bool:
    """Whether a process has files of a simulated maker open."""
    for entry in Path(f"/proc/{pid}/fd").glob("*"):
        with suppress(OSError):
            if "/mm-trio-sim-" in os.readlink(entry):
                return True
    return False


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="looks into /proc for the files of a process")
@pytest.mark.parametrize("number", SIGNALS)
def test_a_rehearsal_that_is_cut_short_gives_no_verdict(number: signal.Signals, tmp_path: Path) -> None:
    with open_sandbox(tmp_path, "--no-takers") as sandbox:
        words = ("--config", str(sandbox.save_config(tmp_path)), "--hours", "24", "--json")
        with running(tmp_path, "rehearse", *words) as program:
            while not is_in_a_path(program.process.pid):
                assert program.process.poll() is None, program.err
                time.sleep(0.02)
            code = program.end(number)

            told = program.last_object()
    assert code == 1, program.err
    assert (told["interrupted"], told["signal"], told["checked"]) == (True, number.name, [])
    assert told["not_checked"] == ["path calm", "path fall", "path rise", "path halve"]
    assert "Traceback" not in program.err

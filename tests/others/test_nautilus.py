"""The socket of nautilus_trader listens to the sandbox while the official SDK trades.

It runs in an environment of its own, which `nox -s others` makes; MM_TRIO_NAUTILUS_PYTHON names its Python. Its HTTP
client has the venue's addresses alone, and no way to name another one.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from process_kit import DEADLINE_S, clean_environ, open_sandbox
from script_kit import ALO, open_script

NAUTILUS_PYTHON = os.environ.get("MM_TRIO_NAUTILUS_PYTHON", "")
SCRIPT = Path(__file__).parent / "scripts" / "run_nautilus.py"

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.skipif(not NAUTILUS_PYTHON, reason="MM_TRIO_NAUTILUS_PYTHON names no Python with nautilus_trader"),
]


def trade(access: dict[str, Any]) -> None:
    """An ask at 21, a bid at 19.5 that is modified to 19.6 and sold into, and the end of both."""
    maker, taker = open_script(access), open_script(access, number=1)
    maker.rest(21, 3, is_buy=False)
    oid = maker.rest(19.5, 1.5)
    maker.exchange.modify_order(oid, maker.coin, True, 2, 19.6, ALO)
    taker.take(19.6, 1, is_buy=False)
    maker.cancel_all()


@pytest.fixture(scope="module")
def heard(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    environ = clean_environ(NO_PROXY="127.0.0.1")
    del environ["PYTHONPATH"]  # What it imports is in its own environment.
    folder = tmp_path_factory.mktemp("nautilus")
    with (
        open_sandbox(folder, "--no-takers", "--accounts", "2", "--limits", "off") as sandbox,
        (folder / "nautilus.err").open("w+") as errors,
        subprocess.Popen(
            [NAUTILUS_PYTHON, str(SCRIPT), json.dumps(sandbox.access)],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=environ,
        ) as listener,
    ):
        assert listener.stdout is not None
        assert listener.stdout.readline() == "ready\n", (folder / "nautilus.err").read_text()
        trade(sandbox.access)
        out, _ = listener.communicate(timeout=DEADLINE_S)
        assert listener.returncode == 0, (folder / "nautilus.err").read_text()
        assert "Traceback" not in sandbox.program.err
    found: dict[str, Any] = json.loads(out.splitlines()[-1])
    return found


def test_nautilus_reports_each_order_and_its_end(heard: dict[str, Any]) -> None:
    accepted = [row[1:] for row in heard["orders"] if row[0] == "ACCEPTED"]

    assert accepted == [["21.0000", "3.00"], ["19.5000", "1.50"], ["19.6000", "2.00"]]
    assert [row[0] for row in heard["orders"]].count("CANCELED") == 3


def test_nautilus_reports_the_fill_with_its_fee_in_the_token_received(heard: dict[str, Any]) -> None:
    assert heard["fills"] == [["19.6000", "1.00", "0.00040000 HYPE"]]


def test_nautilus_hears_the_public_trade(heard: dict[str, Any]) -> None:
    assert heard["TradeTick"] == [["19.6000", "1.00"]]


def test_nautilus_quotes_both_sides_of_the_book(heard: dict[str, Any]) -> None:
    assert ["19.6000", "2.00", "21.0000", "3.00"] in heard["QuoteTick"]

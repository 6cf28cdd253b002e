"""Clients that nobody here wrote trade a day on the sandbox: ccxt, and the two SDKs for Node.

Each is a program of its own below `scripts`, in an environment of its own that `nox -s others` makes:
MM_TRIO_CCXT_PYTHON names a Python with ccxt, MM_TRIO_NODE_MODULES a folder of packages. All do the same: a post-only
bid of 1.5 HYPE at 19.5, which is modified to 2 at 19.6; another account sells 1 at once; the rest is cancelled, twice.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from process_kit import DEADLINE_S, clean_environ, open_sandbox

SCRIPTS = Path(__file__).with_name("scripts")
CCXT_PYTHON = os.environ.get("MM_TRIO_CCXT_PYTHON", "")
NODE_MODULES = os.environ.get("MM_TRIO_NODE_MODULES", "")
PROGRAMS = {
    "ccxt": [CCXT_PYTHON, "run_ccxt.py"],
    "nktkas": ["node", "nktkas.cjs"],
    "hyperliquid": ["node", "hyperliquid.cjs"],
}
NO_CCXT = pytest.mark.skipif(not CCXT_PYTHON, reason="MM_TRIO_CCXT_PYTHON names no Python with ccxt")
NO_NODE = pytest.mark.skipif(not NODE_MODULES, reason="MM_TRIO_NODE_MODULES names no folder of Node's packages")

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

Seen = dict[str, Any]
Days = Callable[[str], Seen]


def run_client(name: str, folder: Path) -> Seen:
    """Run a client on a sandbox of its own; give what it saw."""
    program, script = PROGRAMS[name]
    environ = clean_environ(NODE_PATH=NODE_MODULES, NO_PROXY="127.0.0.1")
    del environ["PYTHONPATH"]  # What a client imports is in its own environment.
    # An index is a position to ccxt.
    dense = ["--dense-meta"] if name == "ccxt" else []
    with open_sandbox(folder, "--no-takers", "--accounts", "2", "--limits", "off", *dense) as sandbox:
        done = subprocess.run(
            [program, str(SCRIPTS / script), json.dumps(sandbox.access)],
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            env=environ,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in sandbox.program.err
    seen: Seen = json.loads(done.stdout.splitlines()[-1])
    return seen


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory) -> Days:
    """What a client saw, by its name; each runs once."""
    return cache(lambda name: run_client(name, tmp_path_factory.mktemp(name)))


@pytest.fixture(
    scope="module",
    params=[
        pytest.param("ccxt", marks=NO_CCXT),
        pytest.param("nktkas", marks=NO_NODE),
        pytest.param("hyperliquid", marks=NO_NODE),
    ],
)
def seen(request: pytest.FixtureRequest, days: Days) -> Seen:
    return days(request.param)


def read_levels(rows: list[list[Any]]) -> list[tuple[str, Decimal, Decimal]]:
    """Side, price and size of each row, however the client writes them."""
    return [({"buy": "B"}.get(side, side), Decimal(str(price)), Decimal(str(size))) for side, price, size in rows]


BID = ("B", Decimal("19.5"), Decimal("1.5"))
FILL = ("B", Decimal("19.6"), Decimal(1))


def test_the_pair_has_its_asset_its_decimals_and_a_price_before_any_trade(seen: Seen) -> None:
    market = seen["market"]

    assert (market["asset"], market["decimals"], Decimal(market["price"])) == (10107, 2, Decimal(20))


def test_a_post_only_bid_is_listed_as_open(seen: Seen) -> None:
    assert read_levels(seen["rested"]) == [BID]


def test_a_modified_order_is_the_only_one_and_has_its_new_price_and_size(seen: Seen) -> None:
    assert read_levels(seen["modified"]) == [("B", Decimal("19.6"), Decimal(2))]


def test_an_order_that_takes_is_filled_at_the_price_of_the_book(seen: Seen) -> None:
    price, size = seen["taken"]

    assert (Decimal(price), Decimal(size)) == (Decimal("19.6"), Decimal(1))


def test_the_maker_finds_the_fill(seen: Seen) -> None:
    assert read_levels(seen["fills"]) == [FILL]


def test_the_balance_grew_by_the_fill_less_its_fee(seen: Seen) -> None:
    assert Decimal(seen["balance"]) == 300 + Decimal(1) - Decimal("0.0004")


def test_nothing_is_open_after_the_cancel(seen: Seen) -> None:
    assert seen["cancelled"] == []


def test_a_second_cancel_is_refused_in_the_words_of_the_venue(seen: Seen) -> None:
    assert "Order was never placed, already canceled, or filled. asset=10107" in seen["refused"]


def test_the_feed_of_fills_tells_the_fill(seen: Seen) -> None:
    assert read_levels(seen["feed"]) == [FILL]


@NO_CCXT
def test_ccxt_reads_the_precision_of_price_and_size(days: Days) -> None:
    assert days("ccxt")["precision"] == [0.01, 0.001]


@NO_CCXT
def test_ccxt_finds_what_rests_in_the_book_and_by_its_id(days: Days) -> None:
    assert (days("ccxt")["book"], days("ccxt")["status"]) == ([[19.6, 1.0]], "open")


@NO_NODE
def test_a_question_before_a_transfer_is_answered(days: Days) -> None:
    answer = {"fee": "0.0", "isSanctioned": False, "userExists": True, "userHasSentTx": True}

    assert days("nktkas")["preTransferCheck"] == answer


@NO_NODE
def test_a_token_has_the_id_that_it_has_on_mainnet(days: Days) -> None:
    assert days("nktkas")["tokenId"] == "0x0d01dc56dcaaca66ad901c959b4011ec"


@NO_NODE
def test_what_the_sandbox_does_not_carry_out_is_a_refusal_to_the_client(days: Days) -> None:
    assert days("nktkas")["unsupported"] == "The sandbox does not carry out setReferrer."


@NO_NODE
def test_the_contexts_of_all_pairs_reach_the_client(days: Days) -> None:
    assert days("nktkas")["contexts"] == 8


@NO_NODE
@pytest.mark.parametrize("client", ["nktkas", "hyperliquid"])
def test_each_change_of_an_order_is_told_once(days: Days, client: str) -> None:
    assert days(client)["statuses"] == ["open", "open", "canceled", "canceled"]

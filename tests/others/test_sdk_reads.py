"""What a stranger's script may ask of the market and of itself: every question of the SDK that a spot trader has."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from process_kit import Sandbox
from script_kit import Script, open_script

pytestmark = pytest.mark.e2e

FILL_KEYS = {"coin", "px", "sz", "side", "time", "startPosition", "dir", "closedPnl", "hash", "oid", "crossed", "fee"}
FILL_KEYS |= {"tid", "feeToken", "twapId"}


@pytest.fixture(scope="module")
def traded(sandbox: Sandbox) -> Iterator[Script]:
    """Who has one bid and one ask resting, and has sold once."""
    script, other = open_script(sandbox.access), open_script(sandbox.access, number=1)
    script.rest(20.1, 2, is_buy=False)
    other.take(20.1, 2, is_buy=True)
    script.rest(19.9, 1)
    script.rest(20.2, 3, is_buy=False)
    yield script
    script.cancel_all()


def test_the_metadata_names_every_pair_by_its_index(traded: Script) -> None:
    meta = traded.info.spot_meta()

    assert set(meta) == {"universe", "tokens"}
    names = {row["index"]: row["name"] for row in meta["universe"]}
    assert names[0] == "PURR/USDC"
    assert all(name == f"@{index}" for index, name in names.items() if index)
    tokens = {row["index"]: row for row in meta["tokens"]}
    assert all(index in tokens for row in meta["universe"] for index in row["tokens"])
    keys = {"name", "szDecimals", "weiDecimals", "index", "tokenId", "isCanonical"}
    keys |= {"evmContract", "fullName", "deployerTradingFeeShare"}
    assert all(set(row) == keys for row in meta["tokens"])
    assert all(set(row) == {"tokens", "name", "index", "isCanonical"} for row in meta["universe"])


def test_contexts_come_with_the_metadata(traded: Script) -> None:
    meta, contexts = traded.info.spot_meta_and_asset_ctxs()

    assert meta == traded.info.spot_meta()
    (context,) = [row for row in contexts if row["coin"] == "@107"]
    keys = {"prevDayPx", "dayNtlVlm", "markPx", "midPx", "circulatingSupply", "coin", "totalSupply", "dayBaseVlm"}
    assert set(context) == keys
    assert context["midPx"] == "20.05"


def test_the_book_lists_bids_and_asks(traded: Script) -> None:
    book = traded.info.l2_snapshot("HYPE/USDC")

    levels = [[{"px": "19.9", "sz": "1.0", "n": 1}], [{"px": "20.2", "sz": "3.0", "n": 1}]]
    assert book == {"coin": "@107", "time": book["time"], "levels": levels}


def test_candles_are_made_of_the_trades(traded: Script) -> None:
    now_ms = int(time.time() * 1000)
    candles = traded.info.candles_snapshot("@107", "1h", now_ms - 7_200_000, now_ms)

    (candle,) = [row for row in candles if row["n"]]
    begin_ms = now_ms // 3_600_000 * 3_600_000
    about = {"t": candle["t"], "T": candle["t"] + 3_599_999, "s": "@107", "i": "1h", "v": "2.0", "n": 1}
    assert candle == about | dict.fromkeys("ochl", "20.1")
    assert candle["t"] in (begin_ms, begin_ms - 3_600_000)  # an hour may have ended meanwhile


def test_the_history_shows_each_order_with_what_became_of_it(traded: Script) -> None:
    rows = traded.info.historical_orders(traded.account)

    found = {row["order"]["limitPx"]: row["status"] for row in rows}
    assert found == {"20.1": "filled", "19.9": "open", "20.2": "open"}
    assert all(set(row) == {"order", "status", "statusTimestamp"} for row in rows)


def test_fees_say_what_spot_trades_cost(traded: Script) -> None:
    fees = traded.info.user_fees(traded.account)

    assert (fees["userSpotCrossRate"], fees["userSpotAddRate"]) == ("0.0007", "0.0004")


@pytest.mark.parametrize(
    "method, more, answer",
    [
        ("extra_agents", (), list),
        ("query_sub_accounts", (), (list, type(None))),
        ("user_state", (), dict),
        ("user_funding_history", (0,), list),
        ("user_non_funding_ledger_updates", (0,), list),
        ("portfolio", (), list),
        ("query_referral_state", (), dict),
        ("user_twap_slice_fills", (), list),
        ("query_user_abstraction_state", (), str),
    ],
)
def test_other_questions_are_answered_in_their_kind(
    traded: Script, method: str, more: tuple[int, ...], answer: Any
) -> None:
    assert isinstance(getattr(traded.info, method)(traded.account, *more), answer)


def test_fills_have_the_keys_of_the_venue(traded: Script) -> None:
    assert [set(row) for row in traded.info.user_fills(traded.account)] == [FILL_KEYS]

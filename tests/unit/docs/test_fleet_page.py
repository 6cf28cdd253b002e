"""The page on fleets has the venue's limits as the sandbox keeps them."""

from __future__ import annotations

import re
from pathlib import Path

from mm_trio.journal.writer import CHECKPOINT_EVERY
from mm_trio.sandbox.model.limits import Limits
from mm_trio.venue.ip_weight import WEIGHT_PER_MINUTE

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "fleet.md").read_text()
ROWS = {what.strip(): limit for what, limit in re.findall(r"^\| [\w -]*\| ([\w ,]+) \| ([^|]+) \|", PAGE, re.MULTILINE)}


def read_numbers(what: str) -> list[int]:
    return [int(text.replace(",", "")) for text in re.findall(r"\d[\d,]*\d|\d", ROWS[what])]


def test_the_limits_of_an_address_are_those_of_the_sandbox() -> None:
    limits = Limits()

    found = {what: read_numbers(what) for what in list(ROWS)[1:7]}

    assert found == {
        "open sockets": [limits.ws_connections],
        "new sockets a minute": [limits.ws_new_per_minute],
        "accounts in subscriptions of users": [limits.ws_users],
        "subscriptions": [limits.ws_subscriptions],
        "messages sent a minute": [limits.ws_messages_per_minute],
        "weight of requests a minute": [limits.ip_weight_per_minute],
    }
    assert limits.ip_weight_per_minute == WEIGHT_PER_MINUTE


def test_the_limits_of_an_account_are_those_of_the_sandbox() -> None:
    limits = Limits()

    assert read_numbers("actions, ever")[0] == limits.base_requests
    assert read_numbers("actions a day, with unified or portfolio margin") == [limits.actions_per_day]
    assert read_numbers("open orders") == [limits.open_orders, limits.open_orders_step, limits.open_orders_most]
    assert read_numbers("orders and cancels in one action") == [limits.max_items]


def test_grids_of_an_account_follow_from_its_open_orders() -> None:
    most = Limits().open_orders or 0

    assert [most // (2 * levels) for levels in (10, 20, 40)] == [50, 25, 12]
    assert "`active_levels = 10` fifty grids fill the 1,000, with 20 it is twenty-five, with 40 it is\n  twelve" in PAGE


def test_starts_beside_seven_follow_from_the_weight() -> None:
    assert (WEIGHT_PER_MINUTE - 7 * 62) // 186 == 4
    assert re.search(r"four may start within a minute \(\(1,200 . 7 . 62\) / 186\)", PAGE)


def test_the_bounds_are_those_of_the_code() -> None:
    assert f"at most {CHECKPOINT_EVERY:,} entries" in PAGE

"""What the venue allows a stranger's script: items, volume, expiry, and the weight of its network address.

With the venue's own limits, so these tests share two clients and ask little; the last one spends what is left.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from decimal import Decimal

import pytest
from hyperliquid.utils.error import ClientError
from process_kit import open_sandbox
from script_kit import Script, open_script, refusal_of, statuses

pytestmark = pytest.mark.e2e

NOT_CANCELLED = "Order was never placed, already canceled, or filled. asset=10107"
WEIGHT_PER_MINUTE, WEIGHT_OF_ROLE = 1200, 60


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Script, Script]]:
    with open_sandbox(
        tmp_path_factory.mktemp("limited"), "--no-takers", "--accounts", "2", "--limits", "venue"
    ) as sandbox:
        yield open_script(sandbox.access), open_script(sandbox.access, number=1)
        assert "Traceback" not in sandbox.program.err


@pytest.fixture
def script(scripts: tuple[Script, Script]) -> Script:
    return scripts[0]


@pytest.fixture
def other(scripts: tuple[Script, Script]) -> Script:
    return scripts[1]


def test_two_hundred_cancels_pass_and_one_more_does_not(script: Script) -> None:
    before = script.used()
    cancels = [{"coin": script.coin, "oid": oid} for oid in range(1, 202)]
    refused = script.exchange.bulk_cancel(cancels)
    assert refusal_of(refused) == "Signed action over weight limit of 200."
    assert script.used() == before

    answer = script.exchange.bulk_cancel(cancels[:200])
    assert statuses(answer) == [{"error": NOT_CANCELLED}] * 200
    assert script.used() == before + 200


@pytest.mark.parametrize("ahead_s", [60, None], ids=["set", "unset"])
def test_a_scheduled_cancel_waits_behind_the_volume_gate(script: Script, ahead_s: int | None) -> None:
    time_ms = None if ahead_s is None else int(time.time() * 1000) + 1000 * ahead_s
    text = refusal_of(script.exchange.schedule_cancel(time_ms))

    gate = "Cannot set scheduled cancel time until enough volume traded. Required: $1000000. Traded: $"
    assert text.startswith(gate)
    assert re.fullmatch(r"[0-9]+(\.[0-9]+)?\.", text.removeprefix(gate)), text


def test_a_bulk_costs_the_address_as_many_requests_as_it_has_items(script: Script) -> None:
    before = script.info.user_rate_limit(script.account)
    script.exchange.bulk_orders([script.request(price) for price in (19.5, 19.4, 19.3)])
    after = script.info.user_rate_limit(script.account)

    assert set(before) == {"cumVlm", "nRequestsUsed", "nRequestsCap", "nRequestsSurplus"}
    assert after == before | {"nRequestsUsed": before["nRequestsUsed"] + 3}
    assert (after["nRequestsCap"], after["cumVlm"], after["nRequestsSurplus"]) == (10_000, "0.0", 0)
    script.cancel_all()


def test_an_action_that_has_expired_costs_five_requests(script: Script) -> None:
    before = script.used()
    script.exchange.set_expires_after(int(time.time() * 1000) - 60_000)
    refused = script.buy(19.5)
    script.exchange.set_expires_after(int(time.time() * 1000) + 60_000)
    accepted = script.buy(19.5)

    assert refused == {"status": "err", "response": "Action already expired"}
    assert set(statuses(accepted)[0]) == {"resting"}
    assert script.used() == before + 5 + 1


def test_the_budget_grows_with_the_volume(script: Script, other: Script) -> None:
    script.rest(20.1, 5, is_buy=False)
    other.take(20.1, 5, is_buy=True)
    limit = script.info.user_rate_limit(script.account)

    fills = script.info.user_fills(script.account)
    volume = sum(Decimal(row["px"]) * Decimal(row["sz"]) for row in fills)
    assert Decimal(limit["cumVlm"]) == volume
    assert limit["nRequestsCap"] == 10_000 + int(volume)


def test_an_address_that_asks_too_much_is_answered_429_until_a_minute_has_passed(script: Script) -> None:
    def ask_on() -> None:
        for _ in range(WEIGHT_PER_MINUTE // WEIGHT_OF_ROLE + 1):
            script.info.user_role(script.account)

    with pytest.raises(ClientError) as caught:
        ask_on()

    assert (caught.value.status_code, caught.value.error_message) == (429, "null")
    with pytest.raises(ClientError):
        script.info.user_role(script.account)

"""What somebody writes who has installed mm_trio and pytest, and nothing else."""

import pytest
from eth_account import Account
from hyperliquid.exchange import Exchange

from mm_trio.sandbox.testing import Sandbox


def test_a_bid_is_sold_into(hyperliquid_sandbox: Sandbox) -> None:
    key, url, account = hyperliquid_sandbox.private_key, hyperliquid_sandbox.url, hyperliquid_sandbox.account
    client = Exchange(Account.from_key(key), url, account_address=account, timeout=5)
    client.order("HYPE/USDC", True, 2.0, 19.5, {"limit": {"tif": "Alo"}})
    assert hyperliquid_sandbox.take("sell", "2")["filled"] == "2"
    assert client.info.user_fills(account)[0]["px"] == "19.5"


@pytest.mark.hyperliquid_sandbox(stepped=True)
def test_an_hour_passes_at_once(hyperliquid_sandbox: Sandbox) -> None:
    hyperliquid_sandbox.step(3600)

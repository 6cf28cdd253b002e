"""Addresses of the venue's networks, and which of them a key signs for. Pure.

They are in code, so that neither a file nor a variable of the environment can name another host for a key that moves
real money.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

__all__ = ["VENUE_URLS", "Network", "find_host_fault"]

Network: TypeAlias = Literal["sandbox", "testnet", "mainnet"]

# Only these hosts see what a key for real money signed.
VENUE_URLS = {"testnet": "https://api.hyperliquid-testnet.xyz", "mainnet": "https://api.hyperliquid.xyz"}


def find_host_fault(base_url: str, network: Network, *, is_loopback: bool) -> str | None:
    """Find why actions of a network must not be signed for an address; None where they may.

    Whoever has an action of mainnet can send it there, so none is made for another host. `is_loopback`: the address is
    on this machine.
    """
    url = VENUE_URLS.get(network)
    if url is not None:
        return None if base_url == url else f"a key for {network} signs for {url} alone, not for {base_url}"
    if is_loopback and base_url not in VENUE_URLS.values():
        return None
    return f"a key for {network} signs for an exchange on loopback alone, not for {base_url}"

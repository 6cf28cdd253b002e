"""Options that name a network, checked together."""

from __future__ import annotations

import argparse

__all__ = ["NETWORKS", "check_api_url"]

NETWORKS = ("sandbox", "testnet", "mainnet")


def check_api_url(arguments: argparse.Namespace) -> str | None:
    """Return the address of a sandbox that `--api-url` gives, None without one.

    Errors: ConfigError for another address than a loopback one, and beside another network.
    """
    from mm_trio.config.values import loopback_url
    from mm_trio.model.errors import ConfigError

    api_url: str | None = arguments.api_url
    if api_url is None:
        return None
    if arguments.network not in (None, "sandbox"):
        raise ConfigError(f"--api-url is for a sandbox, and --network is {arguments.network}; leave one of them out")
    if loopback_url(api_url) is None:
        raise ConfigError(
            f"--api-url {api_url!r} is not a valid address: it must be http:// on 127.0.0.1, localhost or [::1], with "
            "or without a port; change it, such as to http://127.0.0.1:3001"
        )
    return api_url

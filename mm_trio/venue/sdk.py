"""Construction of the official SDK's objects.

It protects from constructors that start a socket thread by accident, a metadata list with gaps, proxies in front
of loopback, reads without a deadline, and debug logging of signed payloads.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable
from typing import Any, Protocol

from hyperliquid.info import Info
from hyperliquid.utils.types import Cloid

from mm_trio.limits.hosts import Network
from mm_trio.model.market import SpotMeta
from mm_trio.venue import wire
from mm_trio.venue.http_session import ANSWER_WITHIN_S, JsonSession, is_loopback
from mm_trio.venue.signer import SigningExchange, Wallet

__all__ = [
    "Traded",
    "fetch_spot_meta",
    "make_cancelling_exchange",
    "make_cloid",
    "make_exchange",
    "make_info",
    "make_plain_info",
    "make_wallet",
    "quiet_sdk_logging",
]

_NO_TOKENS: Any = {"universe": [], "tokens": []}
_NO_PERPS: Any = {"universe": []}


class Traded(Protocol):
    """Pair, account and network that actions are signed for.

    The settings of the market are one. `vault`: the account is a sub-account or a vault.
    """

    @property
    def coin(self) -> str: ...
    @property
    def network(self) -> Network: ...
    @property
    def base_url(self) -> str: ...
    @property
    def account(self) -> str: ...
    @property
    def vault(self) -> bool: ...


def make_wallet(private_key: str) -> Wallet:
    """Make the signer of a private key in hex.

    It shows its address and never the key. Errors: ValueError for what is not a key.
    """
    return Wallet(private_key)


def make_cloid(cloid: str) -> Any:
    """Make the SDK's form of a client order id."""
    return Cloid.from_str(cloid)


class _NoSdkPayloads(logging.Filter):
    """Drops the SDK's own records on the root logger.

    They hold signed payloads, which any reader of the log could replay.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        return record.name != "root" or "/hyperliquid/" not in record.pathname.replace("\\", "/")


def quiet_sdk_logging() -> None:
    """Keep the SDK's records out of every log.

    The level does not matter, and a second call changes nothing.
    """
    root = logging.getLogger()
    if not any(isinstance(f, _NoSdkPayloads) for f in root.filters):
        root.addFilter(_NoSdkPayloads())
    # It shows headers that cannot be read, with a traceback. An answer that cannot be used is reported anyway.
    logging.getLogger("urllib3").setLevel(logging.CRITICAL)
    # The watchdog reports each lost socket more clearly than the library's two lines.
    logging.getLogger("websocket").setLevel(logging.CRITICAL)


def _make_session(client: Any, path: str) -> JsonSession:
    """Replace the session of an SDK object, which posts to `path` alone."""
    # A proxy of the environment cannot see our loopback.
    is_direct = is_loopback(client.base_url)
    return JsonSession(client.base_url + path, client.session.headers, direct=is_direct)


def _make_bare_info(base_url: str, spot_meta: Any) -> Info:
    info = Info(base_url, skip_ws=True, meta=_NO_PERPS, spot_meta=spot_meta, timeout=ANSWER_WITHIN_S)
    info.session = _make_session(info, "/info")
    return info


def fetch_spot_meta(base_url: str) -> SpotMeta:
    """Ask the venue for its spotMeta, without a socket.

    One blocking call. Errors: `VENUE_FAILURES`, ProtocolError.
    """
    return wire.parse_spot_meta(_make_bare_info(base_url, _NO_TOKENS).spot_meta())


def make_info(base_url: str, spot_meta: SpotMeta, *, like: Info | None = None) -> Info:
    """Make an `Info` without a call and without a socket.

    `replace_socket` gives it one. It goes on with the connections of `like`, which asked at the same address before.
    """
    quiet_sdk_logging()
    info = _make_bare_info(base_url, wire.encode_spot_meta(spot_meta))
    if like is not None:
        info.session = like.session
    return info


class _OwnNames(dict[str, str]):
    """Names of pairs, each of which the venue has itself."""

    def __missing__(self, name: str) -> str:
        return name


def make_plain_info(base_url: str) -> Info:
    """Make an `Info` without a call, for questions that name no pair, or one as the venue does."""
    quiet_sdk_logging()
    info = _make_bare_info(base_url, _NO_TOKENS)
    info.name_to_coin = _OwnNames()
    return info


def make_exchange(
    market: Traded, wallet: Any, spot_meta: SpotMeta, *, coins: Iterable[str] | None = None
) -> SigningExchange:
    """Make an `Exchange` that signs with `wallet` for the configured account, network and pair.

    `coins` are the pairs of an account with several grids. A sub-account or a vault is named in every action. No call
    is made. Errors: ConfigError for an unknown pair.
    """
    wanted = (market.coin,) if coins is None else coins
    assets = {wire.find_market(spot_meta, coin).asset_id for coin in wanted}
    return _make_exchange(market, wallet, spot_meta, assets=assets)


def make_cancelling_exchange(market: Traded, wallet: Any, spot_meta: SpotMeta) -> SigningExchange:
    """Make an `Exchange` that signs cancels alone, of every pair of the account. No call is made."""
    return _make_exchange(market, wallet, spot_meta, assets=None)


def _make_exchange(
    market: Traded, wallet: Any, spot_meta: SpotMeta, *, assets: Collection[int] | None
) -> SigningExchange:
    quiet_sdk_logging()
    exchange = SigningExchange(
        wallet,
        market.base_url,
        network=market.network,
        assets=assets,
        meta=_NO_PERPS,
        spot_meta=wire.encode_spot_meta(spot_meta),
        vault_address=market.account if market.vault else None,
        timeout=ANSWER_WITHIN_S,
    )
    exchange.session = _make_session(exchange, "/exchange")
    return exchange

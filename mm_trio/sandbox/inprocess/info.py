"""The exchange in the shape of the SDK's `Info` and `Exchange`: the stand-in of all tests.

No thread, no socket, no SDK. Everything happens inside the call that causes it: a callback runs within
the order that fills, on the caller's thread. A venue with a network's troubles overrides `call` and `deliver`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

from mm_trio.sandbox.api.gateway import Gateway
from mm_trio.sandbox.api.nonces import Nonces
from mm_trio.sandbox.inprocess.calls import Calls
from mm_trio.sandbox.inprocess.exchange import (
    CloidLike,
    InProcessExchange,
    InProcessSigningExchange,
    SignedInProcess,
    raw_cloid,
    read_names,
)
from mm_trio.sandbox.inprocess.socket import Feed

__all__ = ["InProcessExchange", "InProcessInfo", "InProcessSigningExchange", "InProcessVenue", "SignedInProcess"]

Json = dict[str, Any]


class InProcessVenue(Calls):
    """Make clients for one front, and stand between it and them."""

    def __init__(self, gateway: Gateway) -> None:
        super().__init__(gateway)
        self._nonces: defaultdict[str, Nonces] = defaultdict(Nonces)

    def info(self, address: str | None = None) -> InProcessInfo:
        """A new client with a connection of its own. `address` is for the reader: questions name theirs."""
        return InProcessInfo(self)

    def exchange(self, address: str) -> InProcessExchange:
        """A new client that signs and sends in one step."""
        return InProcessExchange(self, address)

    def signing_exchange(self, address: str) -> InProcessSigningExchange:
        """A new client that can sign and post apart. All clients of an address share its nonces."""
        return InProcessSigningExchange(self, address, nonces=lambda signer: self._nonces[signer.lower()])

    def deliver(self, feed: Feed, frame: Json) -> None:
        """Take a frame of the venue to the callbacks of its connection."""
        feed.dispatch(frame)


class InProcessInfo:
    """The reading half. Names and parameters are the SDK's."""

    def __init__(self, venue: InProcessVenue) -> None:
        self._venue = venue
        self.name_to_coin, self.coin_to_asset = read_names(venue.gateway)
        self.ws_manager = Feed(venue.gateway, venue.deliver)

    def name_to_asset(self, name: str) -> int:
        return self.coin_to_asset[self.name_to_coin[name]]

    def reopen_feed(self) -> None:
        """A fresh connection for this client alone."""
        self.ws_manager.stop()
        self.ws_manager = Feed(self._venue.gateway, self._venue.deliver)

    def disconnect_websocket(self) -> None:
        self.ws_manager.stop()

    def subscribe(self, subscription: Json, callback: Callable[[Any], None]) -> int:
        self._remap_coin(subscription)
        feed = self.ws_manager
        subscribed: int = self._venue.call("subscribe", 0, lambda: feed.subscribe(subscription, callback))
        return subscribed

    def unsubscribe(self, subscription: Json, subscription_id: int) -> bool:
        self._remap_coin(subscription)
        return self.ws_manager.unsubscribe(subscription, subscription_id)

    def _remap_coin(self, subscription: Json) -> None:
        if "coin" in subscription:  # in the caller's own dict, as the SDK does it
            subscription["coin"] = self.name_to_coin[subscription["coin"]]

    def _ask(self, method: str, **request: object) -> Any:
        return self._venue.ask(method, request)

    def spot_meta(self) -> Any:
        return self._ask("spot_meta", type="spotMeta")

    def spot_meta_and_asset_ctxs(self) -> Any:
        return self._ask("spot_meta_and_asset_ctxs", type="spotMetaAndAssetCtxs")

    def meta(self, dex: str = "") -> Any:
        return self._ask("meta", type="meta", dex=dex)

    def open_orders(self, address: str, dex: str = "") -> Any:
        return self._ask("open_orders", type="openOrders", user=address, dex=dex)

    def frontend_open_orders(self, address: str, dex: str = "") -> Any:
        return self._ask("frontend_open_orders", type="frontendOpenOrders", user=address, dex=dex)

    def spot_user_state(self, address: str) -> Any:
        return self._ask("spot_user_state", type="spotClearinghouseState", user=address)

    def user_rate_limit(self, user: str) -> Any:
        return self._ask("user_rate_limit", type="userRateLimit", user=user)

    def user_fills(self, address: str) -> Any:
        return self._ask("user_fills", type="userFills", user=address)

    def user_fills_by_time(
        self,
        address: str,
        start_time: int,
        end_time: int | None = None,
        aggregate_by_time: bool = False,
    ) -> Any:
        return self._ask(
            "user_fills_by_time",
            type="userFillsByTime",
            user=address,
            startTime=start_time,
            endTime=end_time,
            aggregateByTime=aggregate_by_time,
        )

    def query_order_by_oid(self, user: str, oid: int) -> Any:
        return self._ask("query_order_by_oid", type="orderStatus", user=user, oid=oid)

    def query_order_by_cloid(self, user: str, cloid: CloidLike) -> Any:
        return self._ask("query_order_by_cloid", type="orderStatus", user=user, oid=raw_cloid(cloid))

    def historical_orders(self, user: str) -> Any:
        return self._ask("historical_orders", type="historicalOrders", user=user)

    def all_mids(self, dex: str = "") -> Any:
        return self._ask("all_mids", type="allMids", dex=dex)

    def l2_snapshot(self, name: str) -> Any:
        return self._ask("l2_snapshot", type="l2Book", coin=self.name_to_coin[name])

    def user_fees(self, address: str) -> Any:
        return self._ask("user_fees", type="userFees", user=address)

    def user_role(self, user: str) -> Any:
        return self._ask("user_role", type="userRole", user=user)

    def extra_agents(self, user: str) -> Any:
        return self._ask("extra_agents", type="extraAgents", user=user)

    # What a spot maker hardly asks, so that whatever the SDK offers is there.

    def user_state(self, address: str, dex: str = "") -> Any:
        return self._ask("user_state", type="clearinghouseState", user=address, dex=dex)

    def meta_and_asset_ctxs(self) -> Any:
        return self._ask("meta_and_asset_ctxs", type="metaAndAssetCtxs")

    def perp_dexs(self) -> Any:
        return self._ask("perp_dexs", type="perpDexs")

    def candles_snapshot(self, name: str, interval: str, startTime: int, endTime: int) -> Any:
        req = {"coin": self.name_to_coin[name], "interval": interval, "startTime": startTime, "endTime": endTime}
        return self._ask("candles_snapshot", type="candleSnapshot", req=req)

    def funding_history(self, name: str, startTime: int, endTime: int | None = None) -> Any:
        span = _span(startTime, endTime)
        return self._ask("funding_history", type="fundingHistory", coin=self.name_to_coin[name], **span)

    def user_funding_history(self, user: str, startTime: int, endTime: int | None = None) -> Any:
        return self._ask("user_funding_history", type="userFunding", user=user, **_span(startTime, endTime))

    def user_non_funding_ledger_updates(self, user: str, startTime: int, endTime: int | None = None) -> Any:
        span = {"startTime": startTime, "endTime": endTime}
        return self._ask("user_non_funding_ledger_updates", type="userNonFundingLedgerUpdates", user=user, **span)

    def portfolio(self, user: str) -> Any:
        return self._ask("portfolio", type="portfolio", user=user)

    def user_twap_slice_fills(self, user: str) -> Any:
        return self._ask("user_twap_slice_fills", type="userTwapSliceFills", user=user)

    def user_vault_equities(self, user: str) -> Any:
        return self._ask("user_vault_equities", type="userVaultEquities", user=user)

    def user_staking_summary(self, address: str) -> Any:
        return self._ask("user_staking_summary", type="delegatorSummary", user=address)

    def user_staking_delegations(self, address: str) -> Any:
        return self._ask("user_staking_delegations", type="delegations", user=address)

    def user_staking_rewards(self, address: str) -> Any:
        return self._ask("user_staking_rewards", type="delegatorRewards", user=address)

    def delegator_history(self, user: str) -> Any:
        return self._ask("delegator_history", type="delegatorHistory", user=user)

    def query_referral_state(self, user: str) -> Any:
        return self._ask("query_referral_state", type="referral", user=user)

    def query_sub_accounts(self, user: str) -> Any:
        return self._ask("query_sub_accounts", type="subAccounts", user=user)

    def query_user_to_multi_sig_signers(self, multi_sig_user: str) -> Any:
        return self._ask("query_user_to_multi_sig_signers", type="userToMultiSigSigners", user=multi_sig_user)

    def query_user_abstraction_state(self, user: str) -> Any:
        return self._ask("query_user_abstraction_state", type="userAbstraction", user=user)

    def query_user_dex_abstraction_state(self, user: str) -> Any:
        return self._ask("query_user_dex_abstraction_state", type="userDexAbstraction", user=user)

    def query_perp_deploy_auction_status(self) -> Any:
        return self._ask("query_perp_deploy_auction_status", type="perpDeployAuctionStatus")

    def query_spot_deploy_auction_status(self, user: str) -> Any:
        return self._ask("query_spot_deploy_auction_status", type="spotDeployState", user=user)


def _span(start_ms: int, end_ms: int | None) -> Json:
    """The SDK leaves an end out that is not given."""
    return {"startTime": start_ms} | ({} if end_ms is None else {"endTime": end_ms})

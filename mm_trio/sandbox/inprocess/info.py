"""In-process stand-in for the SDK's `Info`.

Tests and the simulation use it. There is no thread, no socket and no SDK. Everything happens inside the call that
causes it: the callback for a fill runs within the call that places the order, on the caller's thread. A venue with
network faults overrides `call` and `deliver`.
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
    """Factory of clients for one gateway.

    All their calls and frames pass through it.
    """

    def __init__(self, gateway: Gateway) -> None:
        super().__init__(gateway)
        self._nonces: defaultdict[str, Nonces] = defaultdict(Nonces)

    def info(self, address: str | None = None) -> InProcessInfo:
        """Create a reading client with a connection of its own.

        `address` only documents the call: each request names its own address.
        """
        return InProcessInfo(self)

    def exchange(self, address: str) -> InProcessExchange:
        """Create a client that signs and sends in one step."""
        return InProcessExchange(self, address)

    def signing_exchange(self, address: str) -> InProcessSigningExchange:
        """Create a client that signs and posts separately.

        All clients of an address share its nonces.
        """
        return InProcessSigningExchange(self, address, nonces=lambda signer: self._nonces[signer.lower()])

    def deliver(self, feed: Feed, frame: Json) -> None:
        """Deliver a frame to the callbacks of its connection."""
        feed.dispatch(frame)


class InProcessInfo:
    """Stand-in for the SDK's `Info`, with its names and parameters."""

    def __init__(self, venue: InProcessVenue) -> None:
        self._venue = venue
        self.name_to_coin, self.coin_to_asset = read_names(venue.gateway)
        self.ws_manager = Feed(venue.gateway, venue.deliver)

    def name_to_asset(self, name: str) -> int:
        """Return the asset id of a name."""
        return self.coin_to_asset[self.name_to_coin[name]]

    def reopen_feed(self) -> None:
        """Open a fresh connection for this client alone."""
        self.ws_manager.stop()
        self.ws_manager = Feed(self._venue.gateway, self._venue.deliver)

    def disconnect_websocket(self) -> None:
        """Close the connection."""
        self.ws_manager.stop()

    def subscribe(self, subscription: Json, callback: Callable[[Any], None]) -> int:
        """Subscribe a callback and return its subscription id."""
        self._remap_coin(subscription)
        feed = self.ws_manager
        subscribed: int = self._venue.call("subscribe", 0, lambda: feed.subscribe(subscription, callback))
        return subscribed

    def unsubscribe(self, subscription: Json, subscription_id: int) -> bool:
        """Remove a callback; return whether it was subscribed."""
        self._remap_coin(subscription)
        return self.ws_manager.unsubscribe(subscription, subscription_id)

    def _remap_coin(self, subscription: Json) -> None:
        # The caller's own dict is changed, as the SDK does it.
        if "coin" in subscription:
            subscription["coin"] = self.name_to_coin[subscription["coin"]]

    def _ask(self, method: str, **request: object) -> Any:
        return self._venue.ask(method, request)

    def spot_meta(self) -> Any:
        """Return all pairs and tokens."""
        return self._ask("spot_meta", type="spotMeta")

    def spot_meta_and_asset_ctxs(self) -> Any:
        """Return all pairs and tokens, with each pair's context."""
        return self._ask("spot_meta_and_asset_ctxs", type="spotMetaAndAssetCtxs")

    def meta(self, dex: str = "") -> Any:
        """Return the perps, of which there are none."""
        return self._ask("meta", type="meta", dex=dex)

    def open_orders(self, address: str, dex: str = "") -> Any:
        """Return resting orders as short rows."""
        return self._ask("open_orders", type="openOrders", user=address, dex=dex)

    def frontend_open_orders(self, address: str, dex: str = "") -> Any:
        """Return resting orders as long rows."""
        return self._ask("frontend_open_orders", type="frontendOpenOrders", user=address, dex=dex)

    def spot_user_state(self, address: str) -> Any:
        """Return balances."""
        return self._ask("spot_user_state", type="spotClearinghouseState", user=address)

    def user_rate_limit(self, user: str) -> Any:
        """Return volume and request budget."""
        return self._ask("user_rate_limit", type="userRateLimit", user=user)

    def user_fills(self, address: str) -> Any:
        """Return the newest fills, newest first."""
        return self._ask("user_fills", type="userFills", user=address)

    def user_fills_by_time(
        self,
        address: str,
        start_time: int,
        end_time: int | None = None,
        aggregate_by_time: bool = False,
    ) -> Any:
        """Return a page of the fills in a span."""
        return self._ask(
            "user_fills_by_time",
            type="userFillsByTime",
            user=address,
            startTime=start_time,
            endTime=end_time,
            aggregateByTime=aggregate_by_time,
        )

    def query_order_by_oid(self, user: str, oid: int) -> Any:
        """Return an order's status, by oid."""
        return self._ask("query_order_by_oid", type="orderStatus", user=user, oid=oid)

    def query_order_by_cloid(self, user: str, cloid: CloidLike) -> Any:
        """Return an order's status, by cloid."""
        return self._ask("query_order_by_cloid", type="orderStatus", user=user, oid=raw_cloid(cloid))

    def historical_orders(self, user: str) -> Any:
        """Return orders, newest change of status first."""
        return self._ask("historical_orders", type="historicalOrders", user=user)

    def all_mids(self, dex: str = "") -> Any:
        """Return the mid of each pair."""
        return self._ask("all_mids", type="allMids", dex=dex)

    def l2_snapshot(self, name: str) -> Any:
        """Return the book of a pair."""
        return self._ask("l2_snapshot", type="l2Book", coin=self.name_to_coin[name])

    def user_fees(self, address: str) -> Any:
        """Return fee schedule, rates and daily volumes."""
        return self._ask("user_fees", type="userFees", user=address)

    def user_role(self, user: str) -> Any:
        """Return the role of an address."""
        return self._ask("user_role", type="userRole", user=user)

    def extra_agents(self, user: str) -> Any:
        """Return the named agents of an address."""
        return self._ask("extra_agents", type="extraAgents", user=user)

    # A spot maker hardly needs the methods below; they make the SDK's interface complete.

    def user_state(self, address: str, dex: str = "") -> Any:
        """Return the perp state, which is always empty."""
        return self._ask("user_state", type="clearinghouseState", user=address, dex=dex)

    def meta_and_asset_ctxs(self) -> Any:
        """Return perps and contexts, of which there are none."""
        return self._ask("meta_and_asset_ctxs", type="metaAndAssetCtxs")

    def perp_dexs(self) -> Any:
        """Return the perp dexs: only the main one."""
        return self._ask("perp_dexs", type="perpDexs")

    def candles_snapshot(self, name: str, interval: str, startTime: int, endTime: int) -> Any:
        """Return candles that overlap a span, in ms."""
        req = {"coin": self.name_to_coin[name], "interval": interval, "startTime": startTime, "endTime": endTime}
        return self._ask("candles_snapshot", type="candleSnapshot", req=req)

    def funding_history(self, name: str, startTime: int, endTime: int | None = None) -> Any:
        """Return a pair's funding, of which there is none."""
        span = _span(startTime, endTime)
        return self._ask("funding_history", type="fundingHistory", coin=self.name_to_coin[name], **span)

    def user_funding_history(self, user: str, startTime: int, endTime: int | None = None) -> Any:
        """Return an address's funding, of which there is none."""
        return self._ask("user_funding_history", type="userFunding", user=user, **_span(startTime, endTime))

    def user_non_funding_ledger_updates(self, user: str, startTime: int, endTime: int | None = None) -> Any:
        """Return movements of funds in a span, in ms."""
        span = {"startTime": startTime, "endTime": endTime}
        return self._ask("user_non_funding_ledger_updates", type="userNonFundingLedgerUpdates", user=user, **span)

    def portfolio(self, user: str) -> Any:
        """Return the traded volume of each period."""
        return self._ask("portfolio", type="portfolio", user=user)

    def user_twap_slice_fills(self, user: str) -> Any:
        """Return TWAP fills, of which there are none."""
        return self._ask("user_twap_slice_fills", type="userTwapSliceFills", user=user)

    def user_vault_equities(self, user: str) -> Any:
        """Return vault equities, of which there are none."""
        return self._ask("user_vault_equities", type="userVaultEquities", user=user)

    def user_staking_summary(self, address: str) -> Any:
        """Return the staking summary, which is always zero."""
        return self._ask("user_staking_summary", type="delegatorSummary", user=address)

    def user_staking_delegations(self, address: str) -> Any:
        """Return delegations, of which there are none."""
        return self._ask("user_staking_delegations", type="delegations", user=address)

    def user_staking_rewards(self, address: str) -> Any:
        """Return staking rewards, of which there are none."""
        return self._ask("user_staking_rewards", type="delegatorRewards", user=address)

    def delegator_history(self, user: str) -> Any:
        """Return staking events, of which there are none."""
        return self._ask("delegator_history", type="delegatorHistory", user=user)

    def query_referral_state(self, user: str) -> Any:
        """Return the referral state, without a referrer."""
        return self._ask("query_referral_state", type="referral", user=user)

    def query_sub_accounts(self, user: str) -> Any:
        """Return sub-accounts, of which there are none."""
        return self._ask("query_sub_accounts", type="subAccounts", user=user)

    def query_user_to_multi_sig_signers(self, multi_sig_user: str) -> Any:
        """Return multi-sig signers, of which there are none."""
        return self._ask("query_user_to_multi_sig_signers", type="userToMultiSigSigners", user=multi_sig_user)

    def query_user_abstraction_state(self, user: str) -> Any:
        """Return the mode of the account."""
        return self._ask("query_user_abstraction_state", type="userAbstraction", user=user)

    def query_user_dex_abstraction_state(self, user: str) -> Any:
        """Return the dex abstraction state, which is always off."""
        return self._ask("query_user_dex_abstraction_state", type="userDexAbstraction", user=user)

    def query_perp_deploy_auction_status(self) -> Any:
        """Return the perp auction, which never runs."""
        return self._ask("query_perp_deploy_auction_status", type="perpDeployAuctionStatus")

    def query_spot_deploy_auction_status(self, user: str) -> Any:
        """Return the spot auction, which never runs."""
        return self._ask("query_spot_deploy_auction_status", type="spotDeployState", user=user)


def _span(start_ms: int, end_ms: int | None) -> Json:
    """Encode a span, without a missing end."""
    return {"startTime": start_ms} | ({} if end_ms is None else {"endTime": end_ms})

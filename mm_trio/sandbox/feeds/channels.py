"""Frames of each subscription kind, by occasion.

A frame is sent after subscribing (snapshot), when the exchange changed (news), or as time passes (clock).
One table row describes one kind. What a connection was last sent is kept in its subscription; this module keeps no
state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from mm_trio.sandbox.feeds import market_channels as market
from mm_trio.sandbox.feeds import user_channels as user
from mm_trio.sandbox.feeds.channel_view import DOCUMENTED, Bodies, PushSchedule, View
from mm_trio.sandbox.feeds.news import News
from mm_trio.sandbox.feeds.subscriptions import Subscription, read_subscription
from mm_trio.sandbox.info.empty_answers import PERP_CONTEXT
from mm_trio.sandbox.info.rows import Json
from mm_trio.sandbox.matching.exchange import Exchange

__all__ = ["Channels"]


@dataclass(frozen=True, slots=True)
class _Channel:
    """Functions that serve one kind; without any, it stays silent."""

    snapshot: Callable[[View, Subscription], Bodies] | None = None
    on_news: Callable[[View, Subscription, News], Bodies] | None = None
    on_clock: Callable[[View, Subscription], Bodies] | None = None


class Channels:
    """Builds the frames of one exchange for all connections."""

    def __init__(
        self,
        exchange: Exchange,
        *,
        now_ms: Callable[[], int],
        web_data2: bool = False,
        cadence: PushSchedule = DOCUMENTED,
    ) -> None:
        self._view = View(exchange, now_ms, cadence)
        self._web_data2 = web_data2

    def read(self, request: object) -> Subscription:
        """Parse a client's subscription request.

        Errors: those of `read_subscription`.
        """
        return read_subscription(request, self._view.exchange.markets, web_data2=self._web_data2)

    def snapshot(self, subscription: Subscription) -> Iterable[Json]:
        """Return the frames that follow the acknowledgement at once."""
        snapshot = _CHANNELS[subscription.kind].snapshot
        return _frames(subscription, snapshot(self._view, subscription)) if snapshot else ()

    def on_news(self, subscription: Subscription, news: News) -> Iterable[Json]:
        """Return the frames that these news cause for the subscription."""
        on_news = _CHANNELS[subscription.kind].on_news
        return _frames(subscription, on_news(self._view, subscription, news)) if on_news else ()

    def on_clock(self, subscription: Subscription) -> Iterable[Json]:
        """Return the periodic frames that are due."""
        on_clock = _CHANNELS[subscription.kind].on_clock
        return _frames(subscription, on_clock(self._view, subscription)) if on_clock else ()


def _frames(subscription: Subscription, bodies: Bodies) -> Iterable[Json]:
    channel = _NAMES.get(subscription.kind, subscription.kind)
    return [{"channel": channel, "data": body} for body in bodies]


_NAMES = {"userEvents": "user", "activeAssetCtx": "activeSpotAssetCtx"}

_CHANNELS: dict[str, _Channel] = {
    "allMids": _Channel(market.snapshot_mids, on_clock=market.snapshot_mids),
    "l2Book": _Channel(market.snapshot_book, market.book_on_news, market.book_on_clock),
    "bbo": _Channel(market.snapshot_bbo, market.bbo_on_news),
    "trades": _Channel(market.snapshot_trades, market.trades_on_news),
    "candle": _Channel(market.snapshot_candle, market.candle_on_news, market.candle_on_clock),
    "activeAssetCtx": _Channel(market.snapshot_context, on_clock=market.snapshot_context),
    "spotAssetCtxs": _Channel(market.snapshot_contexts, on_clock=market.snapshot_contexts),
    # The sandbox has no perps.
    "assetCtxs": _Channel(user.snapshot_empty(dex="", ctxs=[PERP_CONTEXT])),
    "allDexsAssetCtxs": _Channel(user.snapshot_empty(ctxs=[["", [PERP_CONTEXT]]])),
    "allDexsClearinghouseState": _Channel(user.snapshot_all_perps),
    # Perps only: the sandbox has none, so this channel stays silent.
    "activeAssetData": _Channel(),
    "userFills": _Channel(user.snapshot_fills, user.fills_on_news),
    "userEvents": _Channel(on_news=user.events_on_news),
    "orderUpdates": _Channel(on_news=user.updates_on_news),
    "userHistoricalOrders": _Channel(user.snapshot_history, user.history_on_news),
    "userFundings": _Channel(user.snapshot_empty(isSnapshot=True, user=None, fundings=[])),
    "userNonFundingLedgerUpdates": _Channel(user.snapshot_ledger, user.ledger_on_news),
    "userTwapSliceFills": _Channel(user.snapshot_empty(isSnapshot=True, user=None, twapSliceFills=[])),
    "userTwapHistory": _Channel(user.snapshot_empty(isSnapshot=True, user=None, history=[])),
    "twapStates": _Channel(user.snapshot_empty(dex="", user=None, states=[])),
    "openOrders": _Channel(user.snapshot_orders, user.orders_on_news),
    "spotState": _Channel(user.snapshot_spot_state, user.spot_state_on_news),
    "clearinghouseState": _Channel(user.snapshot_perps, on_clock=user.snapshot_perps),
    # The sandbox has nothing to notify of.
    "notification": _Channel(),
    "webData2": _Channel(user.snapshot_web_data2, user.web_data2_on_news, user.web_data2_on_clock),
    "webData3": _Channel(user.snapshot_web_data3, on_clock=user.snapshot_web_data3),
}

"""The frames of each kind of subscription: what it shows at first, upon news, and by the clock.

One table row a kind. What a connection was told before is kept in its subscription; nothing is remembered here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from mm_trio.sandbox.feeds import market_channels as market
from mm_trio.sandbox.feeds import user_channels as user
from mm_trio.sandbox.feeds.channel_view import DOCUMENTED, Bodies, PushSchedule, View
from mm_trio.sandbox.feeds.news import News
from mm_trio.sandbox.feeds.subscriptions import Subscription, read_subscription
from mm_trio.sandbox.info.rows import Json
from mm_trio.sandbox.matching.exchange import Exchange

__all__ = ["Channels"]


@dataclass(frozen=True, slots=True)
class _Channel:
    """How one kind is served; nothing is ever said where all three are missing."""

    show: Callable[[View, Subscription], Bodies] | None = None
    tell: Callable[[View, Subscription, News], Bodies] | None = None
    beat: Callable[[View, Subscription], Bodies] | None = None


class Channels:
    """All frames of one exchange, for any number of connections."""

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

    def read(self, wish: object) -> Subscription:
        """A client's wish. Errors: those of `read_subscription`."""
        return read_subscription(wish, self._view.exchange.markets, web_data2=self._web_data2)

    def show(self, subscription: Subscription) -> Iterable[Json]:
        """What follows the acknowledgement at once, if anything does."""
        show = _CHANNELS[subscription.kind].show
        return _frames(subscription, show(self._view, subscription)) if show else ()

    def tell(self, subscription: Subscription, news: News) -> Iterable[Json]:
        """What news mean for it."""
        tell = _CHANNELS[subscription.kind].tell
        return _frames(subscription, tell(self._view, subscription, news)) if tell else ()

    def beat(self, subscription: Subscription) -> Iterable[Json]:
        """What comes by the clock, where it is time again."""
        beat = _CHANNELS[subscription.kind].beat
        return _frames(subscription, beat(self._view, subscription)) if beat else ()


def _frames(subscription: Subscription, bodies: Bodies) -> Iterable[Json]:
    channel = _NAMES.get(subscription.kind, subscription.kind)
    return [{"channel": channel, "data": body} for body in bodies]


_NAMES = {"userEvents": "user", "activeAssetCtx": "activeSpotAssetCtx"}

_CHANNELS: dict[str, _Channel] = {
    "allMids": _Channel(market.show_mids, beat=market.show_mids),
    "l2Book": _Channel(market.show_book, market.tell_book, market.beat_book),
    "bbo": _Channel(market.show_bbo, market.tell_bbo),
    "trades": _Channel(market.show_trades, market.tell_trades),
    "candle": _Channel(market.show_candle, market.tell_candle, market.beat_candle),
    "activeAssetCtx": _Channel(market.show_context, beat=market.show_context),
    "activeAssetData": _Channel(),  # perps only
    "userFills": _Channel(user.show_fills, user.tell_fills),
    "userEvents": _Channel(tell=user.tell_events),
    "orderUpdates": _Channel(tell=user.tell_updates),
    "userHistoricalOrders": _Channel(user.show_history, user.tell_history),
    "userFundings": _Channel(user.show_nothing(isSnapshot=True, user=None, fundings=[])),
    "userNonFundingLedgerUpdates": _Channel(user.show_ledger, user.tell_ledger),
    "userTwapSliceFills": _Channel(user.show_nothing(isSnapshot=True, user=None, twapSliceFills=[])),
    "userTwapHistory": _Channel(user.show_nothing(isSnapshot=True, user=None, history=[])),
    "twapStates": _Channel(user.show_nothing(dex="", user=None, states=[])),
    "openOrders": _Channel(user.show_orders, user.tell_orders),
    "spotState": _Channel(user.show_spot_state, user.tell_spot_state),
    "clearinghouseState": _Channel(user.show_perps, beat=user.show_perps),
    "notification": _Channel(),  # the sandbox has nothing to notify of
    "webData2": _Channel(user.show_web_data2, user.tell_web_data2, user.beat_web_data2),
    "webData3": _Channel(user.show_web_data3, beat=user.show_web_data3),
}

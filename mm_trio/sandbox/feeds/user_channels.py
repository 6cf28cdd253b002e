"""Channels about a user: orders, fills and funds.

`snapshot_…` functions run after subscribing, `…_on_news` when the exchange changed, `…_on_clock` as time passes.
Addresses are in lower case, as everywhere inside the sandbox.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mm_trio.sandbox.feeds.channel_view import Bodies, View
from mm_trio.sandbox.feeds.news import News
from mm_trio.sandbox.feeds.subscriptions import Subscription
from mm_trio.sandbox.info import account_answers as answers
from mm_trio.sandbox.info import rows
from mm_trio.sandbox.info.aggregation import aggregate_fills
from mm_trio.sandbox.info.ledger_rows import ledger_row
from mm_trio.sandbox.info.rows import Json
from mm_trio.sandbox.model.commands import Fill

__all__ = [
    "events_on_news",
    "fills_on_news",
    "history_on_news",
    "ledger_on_news",
    "orders_on_news",
    "snapshot_all_perps",
    "snapshot_empty",
    "snapshot_fills",
    "snapshot_history",
    "snapshot_ledger",
    "snapshot_orders",
    "snapshot_perps",
    "snapshot_spot_state",
    "snapshot_web_data2",
    "snapshot_web_data3",
    "spot_state_on_news",
    "updates_on_news",
    "web_data2_on_clock",
    "web_data2_on_news",
]

_NOT_BY_USER = ("selfTradeCanceled", "scheduledCancel", "delistedCanceled")


def _user(subscription: Subscription) -> str:
    assert subscription.user is not None
    return subscription.user


def snapshot_fills(view: View, subscription: Subscription) -> Bodies:
    """Return the user's fills, newest first."""
    user, aggregate = _user(subscription), bool(subscription.echo["aggregateByTime"])
    fills = answers.fills_newest_first(view.exchange, user, aggregate=aggregate)
    return [{"isSnapshot": True, "user": user, "fills": fills}]


def fills_on_news(view: View, subscription: Subscription, news: News) -> Bodies:
    """Return the user's new fills, aggregated if requested."""
    fills: Sequence[Fill] = news.fills.get(_user(subscription), ())
    if subscription.echo["aggregateByTime"]:
        fills = aggregate_fills(fills)
    return [{"user": subscription.user, "fills": [rows.fill_row(fill) for fill in fills]}] if fills else []


def events_on_news(view: View, subscription: Subscription, news: News) -> Bodies:
    """Return new fills and cancels by the venue.

    Each frame holds one kind of event and does not name the user.
    """
    user, bodies = _user(subscription), Bodies()
    if fills := news.fills.get(user):
        bodies.append({"fills": [rows.fill_row(fill) for fill in fills]})
    if lost := [record for record in news.records.get(user, ()) if record.status in _NOT_BY_USER]:
        bodies.append({"nonUserCancel": [{"coin": record.coin, "oid": record.oid} for record in lost]})
    return bodies


def updates_on_news(view: View, subscription: Subscription, news: News) -> Bodies:
    """Return the status changes of the user's orders."""
    records = news.records.get(_user(subscription))
    return [[rows.update_row(record) for record in records]] if records else []


def snapshot_history(view: View, subscription: Subscription) -> Bodies:
    """Return the user's recent order records."""
    user = _user(subscription)
    history = answers.historical_orders(view.exchange, user)
    return [{"isSnapshot": True, "user": user, "orderHistory": history}]


def history_on_news(view: View, subscription: Subscription, news: News) -> Bodies:
    """Return the order records that changed."""
    records = news.records.get(_user(subscription))
    return [{"user": subscription.user, "orderHistory": [rows.status_row(r) for r in records]}] if records else []


def snapshot_orders(view: View, subscription: Subscription) -> Bodies:
    """Return all open orders of the user."""
    user = _user(subscription)
    return [{"dex": "", "user": user, "orders": answers.frontend_open_orders(view.exchange, user)}]


def orders_on_news(view: View, subscription: Subscription, news: News) -> Bodies:
    """Return all open orders if one changed or was filled."""
    user = _user(subscription)
    return snapshot_orders(view, subscription) if user in news.records or user in news.fills else []


# --- Funds of a user ----------------------------------------------------------------------------


def snapshot_spot_state(view: View, subscription: Subscription) -> Bodies:
    """Return the user's spot balances."""
    user = _user(subscription)
    return [{"user": user, "spotState": answers.spot_state(view.exchange, user)}]


def spot_state_on_news(view: View, subscription: Subscription, news: News) -> Bodies:
    """Return the user's spot balances if they changed."""
    return snapshot_spot_state(view, subscription) if subscription.user in news.wallets else []


def snapshot_ledger(view: View, subscription: Subscription) -> Bodies:
    """Return the user's newest ledger rows, newest first."""
    user = _user(subscription)
    newest = view.exchange.ledger(user)[-answers.MAX_ROWS :]
    updates = [ledger_row(view.exchange, row) for row in reversed(newest)]
    return [{"isSnapshot": True, "user": user, "nonFundingLedgerUpdates": updates}]


def ledger_on_news(view: View, subscription: Subscription, news: News) -> Bodies:
    """Return the user's new ledger rows."""
    moved = news.ledger.get(_user(subscription))
    updates = [ledger_row(view.exchange, row) for row in moved or ()]
    return [{"user": subscription.user, "nonFundingLedgerUpdates": updates}] if moved else []


def snapshot_web_data2(view: View, subscription: Subscription) -> Bodies:
    """Return the user's `webData2` page, and remember the time."""
    subscription.last_sent_ms = view.now_ms()
    return [answers.web_data2(view.exchange, _user(subscription), now_ms=subscription.last_sent_ms)]


def web_data2_on_clock(view: View, subscription: Subscription) -> Bodies:
    """Return the `webData2` page if its next frame is due."""
    is_due = view.is_due(subscription, view.cadence.web_data2_ms)
    return snapshot_web_data2(view, subscription) if is_due else []


def web_data2_on_news(view: View, subscription: Subscription, news: News) -> Bodies:
    """Return the `webData2` page if balances changed.

    Its next frame must be due as well.
    """
    return web_data2_on_clock(view, subscription) if subscription.user in news.wallets else []


def snapshot_web_data3(view: View, subscription: Subscription) -> Bodies:
    """Return the `webData3` page, empty because it covers perps.

    Spot balances are not part of it.
    """
    state = {
        "agentAddress": None,
        "agentValidUntil": None,
        "serverTime": view.now_ms(),
        "cumLedger": "0.0",
        "isVault": False,
        "user": subscription.user,
    }
    return [{"userState": state, "perpDexStates": [{"totalVaultEquity": "0.0"}]}]


def snapshot_perps(view: View, subscription: Subscription) -> Bodies:
    """Return the user's perp account, which is always empty."""
    return [{"dex": "", "user": subscription.user, "clearinghouseState": answers.perp_state()}]


def snapshot_all_perps(view: View, subscription: Subscription) -> Bodies:
    """Return the user's perp accounts: that of the first dex, empty."""
    return [{"user": subscription.user, "clearinghouseStates": [["", answers.perp_state()]]}]


def snapshot_empty(**fields: object) -> Callable[[View, Subscription], Bodies]:
    """Build a snapshot function whose lists are always empty.

    For what the sandbox does not have: perps and TWAP orders.
    """

    def snapshot(view: View, subscription: Subscription) -> Bodies:
        body: Json = {name: subscription.user if name == "user" else value for name, value in fields.items()}
        return [body]

    return snapshot

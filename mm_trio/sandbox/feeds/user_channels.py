"""The channels about a user: orders, fills, funds. Bodies at first (`show`), upon news (`tell`), by the clock (`beat`).

Addresses are lower case here as everywhere inside.
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
    user, aggregate = _user(subscription), bool(subscription.echo["aggregateByTime"])
    fills = answers.fills_newest_first(view.exchange, user, aggregate=aggregate)
    return [{"isSnapshot": True, "user": user, "fills": fills}]


def fills_on_news(view: View, subscription: Subscription, news: News) -> Bodies:
    fills: Sequence[Fill] = news.fills.get(_user(subscription), ())
    if subscription.echo["aggregateByTime"]:
        fills = aggregate_fills(fills)
    return [{"user": subscription.user, "fills": [rows.fill_row(fill) for fill in fills]}] if fills else []


def events_on_news(view: View, subscription: Subscription, news: News) -> Bodies:
    """One kind of event a frame, and no user in it."""
    user, bodies = _user(subscription), Bodies()
    if fills := news.fills.get(user):
        bodies.append({"fills": [rows.fill_row(fill) for fill in fills]})
    if lost := [record for record in news.records.get(user, ()) if record.status in _NOT_BY_USER]:
        bodies.append({"nonUserCancel": [{"coin": record.coin, "oid": record.oid} for record in lost]})
    return bodies


def updates_on_news(view: View, subscription: Subscription, news: News) -> Bodies:
    records = news.records.get(_user(subscription))
    return [[rows.update_row(record) for record in records]] if records else []


def snapshot_history(view: View, subscription: Subscription) -> Bodies:
    user = _user(subscription)
    history = answers.historical_orders(view.exchange, user)
    return [{"isSnapshot": True, "user": user, "orderHistory": history}]


def history_on_news(view: View, subscription: Subscription, news: News) -> Bodies:
    records = news.records.get(_user(subscription))
    return [{"user": subscription.user, "orderHistory": [rows.status_row(r) for r in records]}] if records else []


def snapshot_orders(view: View, subscription: Subscription) -> Bodies:
    user = _user(subscription)
    return [{"dex": "", "user": user, "orders": answers.frontend_open_orders(view.exchange, user)}]


def orders_on_news(view: View, subscription: Subscription, news: News) -> Bodies:
    user = _user(subscription)
    return snapshot_orders(view, subscription) if user in news.records or user in news.fills else []


# --- funds of a user ----------------------------------------------------------------------------


def snapshot_spot_state(view: View, subscription: Subscription) -> Bodies:
    user = _user(subscription)
    return [{"user": user, "spotState": answers.spot_state(view.exchange, user)}]


def spot_state_on_news(view: View, subscription: Subscription, news: News) -> Bodies:
    return snapshot_spot_state(view, subscription) if subscription.user in news.wallets else []


def snapshot_ledger(view: View, subscription: Subscription) -> Bodies:
    user = _user(subscription)
    newest = view.exchange.ledger(user)[-answers.MAX_ROWS :]
    updates = [ledger_row(view.exchange, row) for row in reversed(newest)]
    return [{"isSnapshot": True, "user": user, "nonFundingLedgerUpdates": updates}]


def ledger_on_news(view: View, subscription: Subscription, news: News) -> Bodies:
    moved = news.ledger.get(_user(subscription))
    updates = [ledger_row(view.exchange, row) for row in moved or ()]
    return [{"user": subscription.user, "nonFundingLedgerUpdates": updates}] if moved else []


def snapshot_web_data2(view: View, subscription: Subscription) -> Bodies:
    subscription.last_sent_ms = view.now_ms()
    return [answers.web_data2(view.exchange, _user(subscription), now_ms=subscription.last_sent_ms)]


def web_data2_on_clock(view: View, subscription: Subscription) -> Bodies:
    is_due = view.is_due(subscription, view.cadence.web_data2_ms)
    return snapshot_web_data2(view, subscription) if is_due else []


def web_data2_on_news(view: View, subscription: Subscription, news: News) -> Bodies:
    return web_data2_on_clock(view, subscription) if subscription.user in news.wallets else []


def snapshot_web_data3(view: View, subscription: Subscription) -> Bodies:
    """A page about perps, of which there are none; spot balances are not on it."""
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
    return [{"dex": "", "user": subscription.user, "clearinghouseState": answers.perp_state()}]


def snapshot_empty(**rest: object) -> Callable[[View, Subscription], Bodies]:
    """A snapshot of nothing, which stays so: there are no perps and no orders that trade by the clock."""

    def snapshot(view: View, subscription: Subscription) -> Bodies:
        body: Json = {name: subscription.user if name == "user" else value for name, value in rest.items()}
        return [body]

    return snapshot

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
    "beat_web_data2",
    "show_fills",
    "show_history",
    "show_ledger",
    "show_nothing",
    "show_orders",
    "show_perps",
    "show_spot_state",
    "show_web_data2",
    "show_web_data3",
    "tell_events",
    "tell_fills",
    "tell_history",
    "tell_ledger",
    "tell_orders",
    "tell_spot_state",
    "tell_updates",
    "tell_web_data2",
]

_NOT_BY_USER = ("selfTradeCanceled", "scheduledCancel", "delistedCanceled")


def _user(subscription: Subscription) -> str:
    assert subscription.user is not None
    return subscription.user


def show_fills(view: View, subscription: Subscription) -> Bodies:
    user, aggregate = _user(subscription), bool(subscription.echo["aggregateByTime"])
    fills = answers.fills_newest_first(view.exchange, user, aggregate=aggregate)
    return [{"isSnapshot": True, "user": user, "fills": fills}]


def tell_fills(view: View, subscription: Subscription, news: News) -> Bodies:
    fills: Sequence[Fill] = news.fills.get(_user(subscription), ())
    if subscription.echo["aggregateByTime"]:
        fills = aggregate_fills(fills)
    return [{"user": subscription.user, "fills": [rows.fill_row(fill) for fill in fills]}] if fills else []


def tell_events(view: View, subscription: Subscription, news: News) -> Bodies:
    """One kind of event a frame, and no user in it."""
    user, bodies = _user(subscription), Bodies()
    if fills := news.fills.get(user):
        bodies.append({"fills": [rows.fill_row(fill) for fill in fills]})
    if lost := [record for record in news.records.get(user, ()) if record.status in _NOT_BY_USER]:
        bodies.append({"nonUserCancel": [{"coin": record.coin, "oid": record.oid} for record in lost]})
    return bodies


def tell_updates(view: View, subscription: Subscription, news: News) -> Bodies:
    records = news.records.get(_user(subscription))
    return [[rows.update_row(record) for record in records]] if records else []


def show_history(view: View, subscription: Subscription) -> Bodies:
    user = _user(subscription)
    history = answers.historical_orders(view.exchange, user)
    return [{"isSnapshot": True, "user": user, "orderHistory": history}]


def tell_history(view: View, subscription: Subscription, news: News) -> Bodies:
    records = news.records.get(_user(subscription))
    return [{"user": subscription.user, "orderHistory": [rows.status_row(r) for r in records]}] if records else []


def show_orders(view: View, subscription: Subscription) -> Bodies:
    user = _user(subscription)
    return [{"dex": "", "user": user, "orders": answers.frontend_open_orders(view.exchange, user)}]


def tell_orders(view: View, subscription: Subscription, news: News) -> Bodies:
    user = _user(subscription)
    return show_orders(view, subscription) if user in news.records or user in news.fills else []


# --- funds of a user ----------------------------------------------------------------------------


def show_spot_state(view: View, subscription: Subscription) -> Bodies:
    user = _user(subscription)
    return [{"user": user, "spotState": answers.spot_state(view.exchange, user)}]


def tell_spot_state(view: View, subscription: Subscription, news: News) -> Bodies:
    return show_spot_state(view, subscription) if subscription.user in news.wallets else []


def show_ledger(view: View, subscription: Subscription) -> Bodies:
    user = _user(subscription)
    newest = view.exchange.ledger(user)[-answers.MAX_ROWS :]
    updates = [ledger_row(view.exchange, row) for row in reversed(newest)]
    return [{"isSnapshot": True, "user": user, "nonFundingLedgerUpdates": updates}]


def tell_ledger(view: View, subscription: Subscription, news: News) -> Bodies:
    moved = news.ledger.get(_user(subscription))
    updates = [ledger_row(view.exchange, row) for row in moved or ()]
    return [{"user": subscription.user, "nonFundingLedgerUpdates": updates}] if moved else []


def show_web_data2(view: View, subscription: Subscription) -> Bodies:
    subscription.told_ms = view.now_ms()
    return [answers.web_data2(view.exchange, _user(subscription), now_ms=subscription.told_ms)]


def beat_web_data2(view: View, subscription: Subscription) -> Bodies:
    is_due = view.is_due(subscription, view.cadence.web_data2_ms)
    return show_web_data2(view, subscription) if is_due else []


def tell_web_data2(view: View, subscription: Subscription, news: News) -> Bodies:
    return beat_web_data2(view, subscription) if subscription.user in news.wallets else []


def show_web_data3(view: View, subscription: Subscription) -> Bodies:
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


def show_perps(view: View, subscription: Subscription) -> Bodies:
    return [{"dex": "", "user": subscription.user, "clearinghouseState": answers.perp_state()}]


def show_nothing(**rest: object) -> Callable[[View, Subscription], Bodies]:
    """A snapshot of nothing, which stays so: there are no perps and no orders that trade by the clock."""

    def show(view: View, subscription: Subscription) -> Bodies:
        body: Json = {name: subscription.user if name == "user" else value for name, value in rest.items()}
        return [body]

    return show

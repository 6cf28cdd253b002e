"""The exchange in the shape of the SDK's `Info` and `Exchange`: the stand-in of all tests.

No thread, no socket, no SDK. Everything happens inside the call that causes it: a callback runs within
the order that fills, on the caller's thread. The handles of `InProcessVenue` bring a network's troubles.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Protocol

from mm_trio.sandbox.feed import Feed
from mm_trio.sandbox.front import Front

__all__ = ["InProcessExchange", "InProcessInfo", "InProcessVenue"]

Json = dict[str, Any]
_Run = Callable[[], Any]


class HasRaw(Protocol):
    """The SDK's `Cloid`."""

    def to_raw(self) -> str: ...


CloidLike = HasRaw | str


class InProcessVenue:
    """One front, the clients made for it, and the switches that disturb them.

    `calls` has (method, items) of each call; reads count 0 items. Interferences are per method name, used
    up one per call, in the order they were asked for.
    """

    def __init__(self, front: Front) -> None:
        self.front = front
        self.calls: list[tuple[str, int]] = []
        self._infos: list[InProcessInfo] = []
        self._interferences: defaultdict[str, deque[Callable[[_Run], Any]]] = defaultdict(deque)
        self._held: deque[tuple[Feed, Json]] | None = None

    def info(self, address: str | None = None) -> InProcessInfo:
        """A new client with a connection of its own. `address` is for the reader: questions name theirs."""
        info = InProcessInfo(self)
        self._infos.append(info)
        return info

    def exchange(self, address: str) -> InProcessExchange:
        return InProcessExchange(self, address)

    def drop_feed(self) -> None:
        """Every connection dies, as the SDK shows it: no longer alive, no callback told."""
        for info in self._infos:
            info.ws_manager.stop()

    def silence(self) -> None:
        """Every connection is half open: alive, and nothing arrives any more."""
        for info in self._infos:
            info.ws_manager.silent = True

    def reopen_feed(self) -> None:
        """A fresh connection for every client; the callbacks of the old one are forgotten."""
        for info in self._infos:
            info.reopen_feed()

    def hold_frames(self) -> None:
        """From now on frames queue up."""
        if self._held is None:
            self._held = deque()

    def release_frames(self) -> None:
        """Deliver what queued up, in order; later frames come at once again."""
        held, self._held = self._held or deque(), None
        while held:
            feed, frame = held.popleft()
            feed.dispatch(frame)

    def deliver(self, feed: Feed, frame: Json) -> None:
        if self._held is None:
            feed.dispatch(frame)
        else:
            self._held.append((feed, frame))

    def fail_next(self, method: str, exception: BaseException, *, applied: bool) -> None:
        """The next call of that method raises; if `applied`, after it had its effect: the answer is lost."""

        def fail(run: _Run) -> Any:
            if applied:
                run()
            raise exception

        self._interferences[method].append(fail)

    def answer_next(self, method: str, raw: object) -> None:
        """The next call of that method does nothing and returns this."""
        self._interferences[method].append(lambda run: raw)

    def truncate_next(self, method: str, n: int) -> None:
        """The next call of that method has its effect, but only its first `n` statuses come back."""

        def truncate(run: _Run) -> Any:
            answer = run()
            data = answer["response"]["data"]
            data["statuses"] = data["statuses"][:n]
            return answer

        self._interferences[method].append(truncate)

    def call(self, method: str, n_items: int, run: _Run) -> Any:
        """Run a client's call, or what was asked for in its place."""
        self.calls.append((method, n_items))
        interferences = self._interferences[method]
        return interferences.popleft()(run) if interferences else run()


class InProcessInfo:
    """The reading half. Names and parameters are the SDK's."""

    def __init__(self, venue: InProcessVenue) -> None:
        self._venue = venue
        self.name_to_coin, self.coin_to_asset = _read_names(venue.front)
        self.ws_manager = Feed(venue.front, venue.deliver)

    def name_to_asset(self, name: str) -> int:
        return self.coin_to_asset[self.name_to_coin[name]]

    def reopen_feed(self) -> None:
        """A fresh connection for this client alone."""
        self.ws_manager.stop()
        self.ws_manager = Feed(self._venue.front, self._venue.deliver)

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
        return self._venue.call(method, 0, lambda: self._venue.front.info(request))

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


class InProcessExchange:
    """The acting half, for one address. Requests are the SDK's dicts, with sizes and prices as floats."""

    def __init__(self, venue: InProcessVenue, address: str) -> None:
        self._venue = venue
        self._address = address
        self._name_to_coin, self._coin_to_asset = _read_names(venue.front)
        self.expires_after: int | None = None

    def set_expires_after(self, expires_after: int | None) -> None:
        self.expires_after = expires_after

    def bulk_orders(
        self, order_requests: Sequence[Mapping[str, Any]], builder: object = None, grouping: str = "na"
    ) -> Any:
        orders = [self._order_wire(request) for request in order_requests]
        return self._act("bulk_orders", len(orders), {"type": "order", "orders": orders, "grouping": grouping})

    def bulk_modify_orders_new(self, modify_requests: Sequence[Mapping[str, Any]]) -> Any:
        modifies = [
            {
                "oid": modify["oid"] if isinstance(modify["oid"], int) else raw_cloid(modify["oid"]),
                "order": self._order_wire(modify["order"]),
            }
            for modify in modify_requests
        ]
        return self._act("bulk_modify_orders_new", len(modifies), {"type": "batchModify", "modifies": modifies})

    def bulk_cancel(self, cancel_requests: Sequence[Mapping[str, Any]]) -> Any:
        cancels = [{"a": self._asset(row["coin"]), "o": row["oid"]} for row in cancel_requests]
        return self._act("bulk_cancel", len(cancels), {"type": "cancel", "cancels": cancels})

    def bulk_cancel_by_cloid(self, cancel_requests: Sequence[Mapping[str, Any]]) -> Any:
        cancels = [{"asset": self._asset(row["coin"]), "cloid": raw_cloid(row["cloid"])} for row in cancel_requests]
        return self._act("bulk_cancel_by_cloid", len(cancels), {"type": "cancelByCloid", "cancels": cancels})

    def schedule_cancel(self, time: int | None) -> Any:
        return self._act("schedule_cancel", 1, {"type": "scheduleCancel"} | ({} if time is None else {"time": time}))

    def noop(self, nonce: int) -> Any:
        return self._act("noop", 1, {"type": "noop"})

    def _asset(self, name: str) -> int:
        return self._coin_to_asset[self._name_to_coin[name]]

    def _order_wire(self, request: Mapping[str, Any]) -> Json:
        cloid = request.get("cloid")
        wire = {
            "a": self._asset(request["coin"]),
            "b": request["is_buy"],
            "p": float_to_wire(request["limit_px"]),
            "s": float_to_wire(request["sz"]),
            "r": request["reduce_only"],
            "t": request["order_type"],
        }
        return wire if cloid is None else {**wire, "c": raw_cloid(cloid)}

    def _act(self, method: str, n_items: int, action: Json) -> Any:
        front, expires_after = self._venue.front, self.expires_after
        return self._venue.call(method, n_items, lambda: front.act(self._address, action, expires_after=expires_after))


def float_to_wire(value: float) -> str:
    """A float as the SDK writes it: no trailing zeros. Errors: ValueError beyond 8 decimals."""
    rounded = f"{value:.8f}"
    if abs(float(rounded) - value) >= 1e-12:
        raise ValueError("float_to_wire causes rounding", value)
    return f"{Decimal(rounded).normalize():f}"


def raw_cloid(cloid: CloidLike) -> str:
    return cloid if isinstance(cloid, str) else cloid.to_raw()


def _read_names(front: Front) -> tuple[dict[str, str], dict[str, int]]:
    """Name to coin, with `BASE/QUOTE` for the first pair of that name, and coin to asset id."""
    pairs = front.exchange.markets.pairs
    names = {pair.name: pair.name for pair in pairs}
    for pair in pairs:
        names.setdefault(f"{pair.base.name}/{pair.quote.name}", pair.name)
    return names, {pair.name: pair.asset for pair in pairs}

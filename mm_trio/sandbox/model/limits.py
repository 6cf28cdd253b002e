"""Numbers that bound what a client may do.

They stand in one place so that a run can scale them or switch them off. The core reads the limits on orders,
actions and records; the network handlers read the limits on client addresses. The numbers are the venue's.
None always means "no limit".
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from decimal import Decimal

__all__ = ["Limits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits of one exchange, in ms and quote units.

    Source: docs *Rate limits and user limits*, *Exchange endpoint*; the counts of kept rows were observed.
    """

    # An address may send this many actions, and one more for each quote unit traded.
    base_requests: int | None = 10_000
    # The cap on cancels is `min(cap + cancel_lane_extra, 2 * cap)`.
    cancel_lane_extra: int = 100_000
    # Once the budget is used up, one action passes per slot.
    slot_ms: int = 10_000
    # An action with a stale `expiresAfter` costs as much as this many items.
    stale_cost: int = 5
    max_items: int | None = 200  # In one action.
    # Of an account with unified margin, by UTC day; each item counts, and cancels pass all the same.
    actions_per_day: int | None = 50_000

    # An address may have this many open orders, and one more for each `open_orders_step` traded.
    open_orders: int | None = 1000
    open_orders_step: int = 5_000_000
    open_orders_most: int = 5000
    order_value: Decimal | None = Decimal(5_000_000)

    # An address must have traded this much before it may schedule a cancel.
    schedule_volume: Decimal | None = Decimal(1_000_000)
    schedule_lead_ms: int = 5_000
    schedules_per_day: int | None = 10  # Triggers, by UTC day.

    # This many rows are kept per address; older ones are not returned any more.
    order_records: int | None = 2000
    fills_kept: int | None = 10_000

    # These apply per client address on the network; the network handlers enforce them.
    ip_weight_per_minute: int | None = 1200
    ws_connections: int | None = 10
    ws_new_per_minute: int | None = 30
    ws_subscriptions: int | None = 1000
    ws_users: int | None = 10
    ws_messages_per_minute: int | None = 2000
    ws_posts_in_flight: int | None = 100

    @classmethod
    def of_accounts(cls) -> Limits:
        """Return the limits for clients on one machine.

        Limits per network address are off, because all clients on loopback share one address.
        """
        return cls(ip_weight_per_minute=None, ws_connections=None, ws_new_per_minute=None)

    @classmethod
    def off(cls) -> Limits:
        """Return no limits, except on rows kept, to bound memory."""
        return replace(cls(), **dict.fromkeys(_SWITCHABLE))  # type: ignore[arg-type]

    def scaled(self, factor: Decimal | float) -> Limits:
        """Return these limits multiplied by `factor`.

        Only counts that can be switched off change; they are rounded down and at least 1. The numbers of rows kept
        and the batch of 200 stay as they are.
        Errors: ValueError unless `factor` is above zero.
        """
        exact = Decimal(str(factor))
        if not exact.is_finite() or exact <= 0:
            raise ValueError(f"cannot scale limits by {factor}: the factor must be a number above zero")
        old = {name: getattr(self, name) for name in _SWITCHABLE if name != "max_items"}
        new = {name: type(value)(max(1, int(value * exact))) for name, value in old.items() if value is not None}
        return replace(self, **new)


_KEPT = ("order_records", "fills_kept")
_SWITCHABLE = tuple(each.name for each in fields(Limits) if "None" in str(each.type) and each.name not in _KEPT)

"""Every number that bounds what a client may do, in one place, so that a run can scale it or switch it off.

The core reads those of orders, actions and records; the doors read those of addresses on the network. The numbers
are the venue's; what stands for "no bound" is None everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from decimal import Decimal

__all__ = ["Limits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The bounds of one exchange. Times in ms, values in quote units.

    Source: docs *Rate limits and user limits*, *Exchange endpoint*; the counts of kept rows were observed.
    """

    # An address's budget of actions: this many, and one more for each quote unit traded.
    base_requests: int | None = 10_000
    cancel_lane_extra: int = 100_000  # cancels have `min(cap + this, 2 * cap)`
    slot_ms: int = 10_000  # with the budget gone, one action passes per slot
    stale_cost: int = 5  # items that an action with a stale `expiresAfter` costs
    max_items: int | None = 200  # in one action

    # Orders
    open_orders: int | None = 1000  # and one more for each `open_orders_step` traded
    open_orders_step: int = 5_000_000
    open_orders_most: int = 5000
    order_value: Decimal | None = Decimal(5_000_000)

    # The scheduled cancel
    schedule_volume: Decimal | None = Decimal(1_000_000)  # traded before it may be used
    schedule_lead_ms: int = 5_000
    schedules_per_day: int | None = 10  # triggers, by UTC day

    # Kept per address; what is older can be asked for no more.
    order_records: int | None = 2000
    fills_kept: int | None = 10_000

    # Per client address on the network; the doors' business.
    ip_weight_per_minute: int | None = 1200
    ws_connections: int | None = 10
    ws_new_per_minute: int | None = 30
    ws_subscriptions: int | None = 1000
    ws_users: int | None = 10
    ws_messages_per_minute: int | None = 2000
    ws_posts_in_flight: int | None = 100

    @classmethod
    def of_accounts(cls) -> Limits:
        """The venue's, without those that one machine's clients would share: on loopback all have one address."""
        return cls(ip_weight_per_minute=None, ws_connections=None, ws_new_per_minute=None)

    @classmethod
    def off(cls) -> Limits:
        """No bound at all, except the number of rows kept, which bounds memory."""
        return replace(cls(), **dict.fromkeys(_SWITCHABLE))  # type: ignore[arg-type]

    def scaled(self, factor: Decimal | float) -> Limits:
        """These limits with every count that can be switched off multiplied, rounded down, and at least 1.

        Rows kept stay as they are, and so does the batch of 200. Errors: ValueError unless `factor` is above zero.
        """
        exact = Decimal(str(factor))
        if not exact.is_finite() or exact <= 0:
            raise ValueError(f"limits can be scaled by a number above zero, not by {factor}")
        old = {name: getattr(self, name) for name in _SWITCHABLE if name != "max_items"}
        new = {name: type(value)(max(1, int(value * exact))) for name, value in old.items() if value is not None}
        return replace(self, **new)


_KEPT = ("order_records", "fills_kept")
_SWITCHABLE = tuple(each.name for each in fields(Limits) if "None" in str(each.type) and each.name not in _KEPT)

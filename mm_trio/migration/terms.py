"""What a change of a ladder has to keep to, and the values that describe it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Self

from mm_trio.model.errors import ConfigError
from mm_trio.model.orders import DesiredOrder, Quote, Side, TrackedOrder

__all__ = ["ITEMS_A_TICK", "Inside", "MigrationStep", "MigrationTerms", "find_inside"]

# As many as one action of the sender holds.
ITEMS_A_TICK = 100
_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Inside:
    """Best prices of our own orders; None on a side without orders."""

    bid: Decimal | None
    ask: Decimal | None

    @property
    def width(self) -> Decimal | None:
        """Return the distance between the sides, None where one is empty."""
        return None if self.bid is None or self.ask is None else self.ask - self.bid


def find_inside(orders: Iterable[Quote | TrackedOrder]) -> Inside:
    """Find the best price of each side."""
    bids, asks = list[Decimal](), list[Decimal]()
    for order in orders:
        (asks if order.side == "sell" else bids).append(order.price)
    return Inside(max(bids, default=None), min(asks, default=None))


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationStep:
    """What one tick sends: cancels first, then modifies, then places."""

    cancels: tuple[TrackedOrder, ...] = ()
    modifies: tuple[tuple[TrackedOrder, DesiredOrder], ...] = ()
    places: tuple[DesiredOrder, ...] = ()

    @property
    def n_items(self) -> int:
        """Count the requests that the venue counts: one for each order."""
        return len(self.cancels) + len(self.modifies) + len(self.places)


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationTerms:
    """Bounds of a change, the same from its first tick to its last.

    `tokens` and `quote` are what the new ladder may offer. `widest` is the wider one of the insides before and after,
    None where one of them lacks a side. `items` are the requests of one tick, `most_open` the orders that may rest.
    """

    target: tuple[DesiredOrder, ...]
    tokens: Decimal
    quote: Decimal
    widest: Decimal | None
    items: int = ITEMS_A_TICK
    most_open: int

    @classmethod
    def of(
        cls,
        resting: Sequence[TrackedOrder],
        target: Iterable[DesiredOrder],
        *,
        funds: tuple[Decimal, Decimal],
        items: int = ITEMS_A_TICK,
        most_open: int,
    ) -> Self:
        """Make the terms of a change from what rests to what should rest.

        `funds` are base and quote. Errors: ConfigError where the new orders do not fit into them, or are too many.
        """
        wanted = tuple(target)
        tokens, quote = funds
        for side, unit, have in (("sell", "base", tokens), ("buy", "quote", quote)):
            needs = sum((measure(order) for order in wanted if order.side == side), _ZERO)
            if needs > have:
                raise ConfigError(
                    f"the new ladder needs {needs:f} {unit}, and {have:f} are allocated; allocate more, or plan less"
                )
        if len(wanted) > most_open:
            raise ConfigError(
                f"the new ladder has {len(wanted)} orders, and {most_open} may rest; set a smaller active_levels"
            )
        if items < 1:
            raise ConfigError(f"items must be 1 or more a tick, got {items}")
        widths = [find_inside(orders).width for orders in (resting, wanted)]
        known = [width for width in widths if width is not None]
        widest = max(known) if len(known) == len(widths) else None
        return cls(target=wanted, tokens=tokens, quote=quote, widest=widest, items=items, most_open=most_open)

    def find_funds(self, side: Side) -> Decimal:
        """Return what one side may offer, in its own unit."""
        return self.tokens if side == "sell" else self.quote


def measure(order: Quote | TrackedOrder) -> Decimal:
    """Return what an order holds: base for an ask, quote for a bid."""
    return order.size if order.side == "sell" else order.size * order.price

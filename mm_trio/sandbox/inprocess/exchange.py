"""In-process stand-ins for the SDK's `Exchange`.

One acts in a single step, the other signs and posts separately. They turn the SDK's dicts into wire actions and hand
them to the gateway, which decides the result. There is no key: a signature stands for the address that it was made
for.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

from mm_trio.sandbox.api.gateway import Gateway
from mm_trio.sandbox.api.nonces import Nonces
from mm_trio.sandbox.inprocess.calls import Calls

__all__ = [
    "CloidLike",
    "InProcessExchange",
    "InProcessSigningExchange",
    "SignedInProcess",
    "float_to_wire",
    "raw_cloid",
    "read_names",
]

Json = dict[str, Any]
Items = Sequence[Mapping[str, Any]]


class HasRaw(Protocol):
    """Interface of the SDK's `Cloid`."""

    def to_raw(self) -> str:
        """Return the cloid as hex text."""
        ...


CloidLike = HasRaw | str


class InProcessExchange:
    """Stand-in for the SDK's `Exchange`, for one address.

    Requests are the SDK's dicts, with sizes and prices as floats.
    """

    def __init__(self, venue: Calls, address: str) -> None:
        self._venue = venue
        self._address = address
        self._name_to_coin, self._coin_to_asset = read_names(venue.gateway)
        self.expires_after: int | None = None

    def set_expires_after(self, expires_after: int | None) -> None:
        """Set the expiry of later actions, in ms."""
        self.expires_after = expires_after

    def bulk_orders(self, order_requests: Items, builder: object = None, grouping: str = "na") -> Any:
        """Place orders."""
        action = self._encode_orders(order_requests) | {"grouping": grouping}
        return self._act("bulk_orders", len(order_requests), action)

    def bulk_modify_orders_new(self, modify_requests: Items) -> Any:
        """Modify orders."""
        return self._act("bulk_modify_orders_new", len(modify_requests), self._encode_modifies(modify_requests))

    def bulk_cancel(self, cancel_requests: Items) -> Any:
        """Cancel orders by oid."""
        return self._act("bulk_cancel", len(cancel_requests), self._encode_cancels(cancel_requests))

    def bulk_cancel_by_cloid(self, cancel_requests: Items) -> Any:
        """Cancel orders by cloid."""
        return self._act("bulk_cancel_by_cloid", len(cancel_requests), self._encode_cancels_by_cloid(cancel_requests))

    def schedule_cancel(self, time: int | None) -> Any:
        """Schedule a cancel of all orders.

        `time` is in ms; None removes the schedule.
        """
        return self._act("schedule_cancel", 1, {"type": "scheduleCancel"} | ({} if time is None else {"time": time}))

    def noop(self, nonce: int) -> Any:
        """Send an action that does nothing."""
        return self._act("noop", 1, {"type": "noop"})

    def _encode_orders(self, requests: Items) -> Json:
        return {"type": "order", "orders": [self._order_wire(request) for request in requests], "grouping": "na"}

    def _encode_modifies(self, requests: Items) -> Json:
        modifies = [
            {
                "oid": modify["oid"] if isinstance(modify["oid"], int) else raw_cloid(modify["oid"]),
                "order": self._order_wire(modify["order"]),
            }
            for modify in requests
        ]
        return {"type": "batchModify", "modifies": modifies}

    def _encode_cancels(self, requests: Items) -> Json:
        return {"type": "cancel", "cancels": [{"a": self._asset(row["coin"]), "o": row["oid"]} for row in requests]}

    def _encode_cancels_by_cloid(self, requests: Items) -> Json:
        cancels = [{"asset": self._asset(row["coin"]), "cloid": raw_cloid(row["cloid"])} for row in requests]
        return {"type": "cancelByCloid", "cancels": cancels}

    def _asset(self, name: str) -> int:
        return self._coin_to_asset[self._name_to_coin[name]]

    def _order_wire(self, request: Mapping[str, Any]) -> Json:
        cloid = request.get("cloid")
        wire = {
            "a": self._asset(request["coin"]),
            "b": request["is_buy"],
            "p": _write_number(request["limit_px"]),
            "s": _write_number(request["sz"]),
            "r": request["reduce_only"],
            "t": request["order_type"],
        }
        return wire if cloid is None else {**wire, "c": raw_cloid(cloid)}

    def _act(self, method: str, n_items: int, action: Json) -> Any:
        gateway, expires_after = self._venue.gateway, self.expires_after
        return self._venue.call(
            method, n_items, lambda: gateway.act(self._address, action, expires_after=expires_after)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedInProcess:
    """Signed action, ready to be posted repeatedly.

    `action` is its canonical JSON, as it would go over the wire.
    """

    method: str
    n_items: int
    address: str
    action: str
    nonce: int
    expires_after: int

    @property
    def digest(self) -> str:
        """Identity of the signed action, 64 hex digits."""
        text = "\n".join((self.method, self.action, str(self.nonce), str(self.expires_after)))
        return hashlib.sha256(text.encode()).hexdigest()


class InProcessSigningExchange(InProcessExchange):
    """Stand-in that signs and posts in two steps.

    So the same bytes may be posted again. `nonces` returns the nonce set of an address. The inherited methods need
    no nonce and spend none.
    """

    def __init__(self, venue: Calls, address: str, *, nonces: Callable[[str], Nonces]) -> None:
        super().__init__(venue, address)
        self._nonces = nonces
        self._encoders: dict[str, Callable[[Items], Json]] = {
            "bulk_orders": self._encode_orders,
            "bulk_modify_orders_new": self._encode_modifies,
            "bulk_cancel": self._encode_cancels,
            "bulk_cancel_by_cloid": self._encode_cancels_by_cloid,
            "noop": self._encode_noop,
            "schedule_cancel": self._encode_schedule,
        }

    def make_action(self, method: str, items: Items, *, nonce: int, expires_after: int) -> SignedInProcess:
        """Build the action that an SDK method would send.

        Nothing is sent and no nonce is spent.
        Errors: KeyError for an unsupported method or an unlisted coin; ValueError beyond 8 decimals.
        """
        action = self._encoders[method](items)
        return SignedInProcess(
            method=method,
            n_items=1 if method == "noop" else len(items),  # `noop` counts itself as one item.
            address=self._address,
            action=json.dumps(action, sort_keys=True, separators=(",", ":")),
            nonce=nonce,
            expires_after=expires_after,
        )

    def sign_action(self, unsigned: SignedInProcess) -> SignedInProcess:
        """Return the action unchanged, as there is no key."""
        return unsigned

    def post_signed(self, signed: SignedInProcess) -> Any:
        """Send an action, for the first time or again.

        Errors: BadRequest for an action that the schema does not allow.
        """
        return self._venue.call(signed.method, signed.n_items, lambda: self._answer(signed))

    def _answer(self, signed: SignedInProcess) -> Json:
        """Read the action, check its nonce, then carry it out.

        This is the order of the server's HTTP handler, so a readable action spends its nonce whatever its result is.
        It is not known if an expired action spends its nonce on the venue; it does here.
        """
        gateway = self._venue.gateway
        command = gateway.read_action(signed.address, json.loads(signed.action), expires_after=signed.expires_after)
        refusal = self._nonces(signed.address).admit(signed.nonce, now_ms=gateway.now_ms())
        return gateway.carry_out(command) if refusal is None else {"status": "err", "response": refusal}

    def _encode_schedule(self, items: Items) -> Json:
        return {"type": "scheduleCancel", **items[0]}

    def _encode_noop(self, items: Items) -> Json:
        assert not items, "a noop has no items"
        return {"type": "noop"}


def float_to_wire(value: float) -> str:
    """Format a float as the SDK does, without trailing zeros.

    Errors: ValueError beyond 8 decimals.
    """
    rounded = f"{value:.8f}"
    if abs(float(rounded) - value) >= 1e-12:
        raise ValueError("float_to_wire causes rounding", value)
    return f"{Decimal(rounded).normalize():f}"


def raw_cloid(cloid: CloidLike) -> str:
    """Return a cloid as hex text."""
    return cloid if isinstance(cloid, str) else cloid.to_raw()


def read_names(gateway: Gateway) -> tuple[dict[str, str], dict[str, int]]:
    """Map names to coins, and coins to asset ids.

    A name is a coin, or `BASE/QUOTE` for the first pair of these tokens.
    """
    pairs = gateway.exchange.markets.pairs
    names = {pair.name: pair.name for pair in pairs}
    for pair in pairs:
        names.setdefault(f"{pair.base.name}/{pair.quote.name}", pair.name)
    return names, {pair.name: pair.asset for pair in pairs}


def _write_number(value: Decimal | float) -> str:
    """Write a number of a request: exact ones as they are, floats as the SDK does."""
    if not isinstance(value, Decimal):
        return float_to_wire(value)
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text

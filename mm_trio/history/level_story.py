"""What happened on one level: requests, answers and fills, as the ledger tells them."""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from decimal import Decimal

from mm_trio.journal.sqlite_journal import JournalRow
from mm_trio.model.journal_entries import (
    Adopted,
    Arrived,
    Began,
    Booked,
    Checkpoint,
    Ended,
    Entry,
    NeverPlaced,
    Requested,
    Sent,
)
from mm_trio.model.orders import Quote

__all__ = ["LevelEvent", "LevelStory"]

# What a person reads at once. The older ones are left out first.
EVENTS_KEPT = 60
# An order and the request that carries it are recorded together.
REQUESTS_KEPT = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelEvent:
    """Event of one level: `kind` is a stable word, `values` are those of the ledger's entry."""

    at_ms: int
    kind: str
    values: dict[str, object] = field(default_factory=dict)

    def to_json(self) -> dict[str, object]:
        """Return plain JSON values."""
        return {"at_ms": self.at_ms, "event": self.kind, **self.values}


class LevelStory:
    """Collector of the last events of the level with a price.

    The price is compared, because another ladder numbers its levels anew.
    """

    def __init__(self, price: Decimal) -> None:
        self._price = price
        self._events: deque[LevelEvent] = deque(maxlen=EVENTS_KEPT)
        self._requests: OrderedDict[int, Requested] = OrderedDict()
        self._of_level: dict[int | None, Requested | None] = {}
        self._cloids: set[str] = set()
        self._oids: set[int] = set()
        self.n_left_out = 0

    def on_row(self, row: JournalRow) -> None:
        """Take the next row of the ledger."""
        match row.entry:
            case Requested():
                self._on_request(row.entry)
            case Checkpoint():
                self._on_checkpoint(row.at_ms, row.entry)
            case Began() if row.entry.parameters:
                self._add(row.at_ms, "session began", epoch=f"{row.entry.epoch:08x}")
            case _:
                self._on_order(row.at_ms, row.entry)

    def list_events(self) -> tuple[LevelEvent, ...]:
        """List the events, oldest first, each order with the request that carried it."""
        return tuple(self._with_request(event) for event in self._events)

    def _on_request(self, entry: Requested) -> None:
        """Keep a request of this level, and the last ones: either may be recorded first, the order or its request."""
        if entry.nonce in self._of_level:
            self._of_level[entry.nonce] = entry
        self._requests[entry.nonce] = entry
        if len(self._requests) > REQUESTS_KEPT:
            self._requests.popitem(last=False)

    def _on_checkpoint(self, at_ms: int, checkpoint: Checkpoint) -> None:
        """Take the orders that may be open then; those that left are of no use here."""
        left = {entry.oid for entry in checkpoint.entries if isinstance(entry, Ended)}
        for entry in checkpoint.entries:
            if isinstance(entry, Adopted) and entry.quote.price == self._price:
                self._oids.add(entry.oid)
                if entry.oid not in left:
                    self._add(at_ms, "rested", oid=entry.oid, cloid=entry.cloid, **_describe(entry.quote))
            elif isinstance(entry, Sent):
                self._on_order(at_ms, entry)

    def _on_order(self, at_ms: int, entry: Entry) -> None:
        match entry:
            case Sent(cloid, quote) if quote.price == self._price:
                self._cloids.add(cloid)
                self._of_level[entry.nonce] = self._requests.get(entry.nonce or 0)
                sent = {"cloid": cloid, "replaces": entry.replaces, "nonce": entry.nonce}
                self._add(at_ms, "sent", **sent, expires_ms=entry.expires_ms, **_describe(quote))
            case Arrived(cloid, oid) if cloid in self._cloids:
                self._oids.add(oid)
                self._add(at_ms, "arrived", cloid=cloid, oid=oid)
            case NeverPlaced(cloid, why) if cloid in self._cloids:
                self._add(at_ms, "never placed", cloid=cloid, why=why)
            case Adopted(oid, quote) if quote.price == self._price:
                self._oids.add(oid)
                self._add(at_ms, "adopted", oid=oid, cloid=entry.cloid, **_describe(quote))
            case Ended(oid, status) if oid in self._oids:
                remaining = None if entry.remaining is None else f"{entry.remaining:f}"
                self._add(at_ms, "ended", oid=oid, status=str(status), remaining=remaining)
            case Booked(oid, tid) if oid in self._oids or entry.quote.price == self._price:
                fee = {"fee": f"{entry.fee:f}", "fee_token": entry.fee_token}
                self._add(at_ms, "filled", oid=oid, tid=tid, time_ms=entry.time_ms, **_describe(entry.quote), **fee)

    def _add(self, at_ms: int, kind: str, **values: object) -> None:
        self.n_left_out += len(self._events) == EVENTS_KEPT
        self._events.append(LevelEvent(at_ms=at_ms, kind=kind, values=values))

    def _with_request(self, event: LevelEvent) -> LevelEvent:
        if event.kind != "sent":
            return event
        nonce = event.values["nonce"]
        request = self._of_level.get(nonce) if isinstance(nonce, int) else None
        described = (
            None
            if request is None
            else {
                "method": request.method,
                "nonce": request.nonce,
                "n_items": request.n_items,
                "digest": request.digest,
                "expires_ms": request.expires_ms,
            }
        )
        return LevelEvent(at_ms=event.at_ms, kind=event.kind, values={**event.values, "request": described})


def _describe(quote: Quote) -> dict[str, object]:
    return {"side": quote.side, "price": f"{quote.price:f}", "size": f"{quote.size:f}"}

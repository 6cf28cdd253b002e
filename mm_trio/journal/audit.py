"""Comparison of a ledger with the venue's balances and fills.

Pure code. It sums up every entry that moved the ledger, and explains the difference to the venue where it can.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from mm_trio.model.journal_entries import REBUILT, Adjusted, Adopted, Allocated, Arrived, Began, Booked, Entry
from mm_trio.model.market import Balances
from mm_trio.model.replies import Fill, FillKey
from mm_trio.state.inventory import Inventory
from mm_trio.state.ownership import Ownership

__all__ = ["Audit", "AuditLine", "compute_audit", "compute_effect"]

NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class AuditLine:
    """Cause of movements or of a difference, summed up.

    `count` is the number of events; `token` and `usdc` are their sums in base and quote.
    """

    what: str
    count: int
    token: Decimal
    usdc: Decimal

    def to_json(self) -> dict[str, str | int]:
        """Return plain JSON values; amounts are decimal strings."""
        return {"what": self.what, "count": self.count, "token": f"{self.token:f}", "usdc": f"{self.usdc:f}"}


@dataclass(frozen=True, slots=True)
class Audit:
    """Result of an audit.

    `ledger` is the allocation with all fills (None: the whole account). `account` is what the account should hold
    according to the ledger, `venue` what it holds. `unlisted` are booked fills that the venue does not list.
    """

    n_entries: int
    n_fills: int
    ledger: tuple[Decimal | None, Decimal | None]
    account: Balances
    venue: Balances
    movements: tuple[AuditLine, ...]
    explained: tuple[AuditLine, ...]
    unlisted: tuple[Booked, ...]

    @property
    def gap(self) -> Balances:
        """Difference of the account's balances: venue less ledger."""
        return Balances(self.venue.token - self.account.token, self.venue.usdc - self.account.usdc)

    @property
    def unexplained(self) -> Balances:
        """Part of the gap that has no explanation."""
        token = self.gap.token - sum((line.token for line in self.explained), NOTHING)
        usdc = self.gap.usdc - sum((line.usdc for line in self.explained), NOTHING)
        return Balances(token, usdc)

    @property
    def is_ok(self) -> bool:
        """True if the gap is explained and every booked fill listed."""
        return self.unexplained == Balances(NOTHING, NOTHING) and not self.unlisted

    def to_json(self) -> dict[str, object]:
        """Return plain JSON values; amounts are decimal strings."""
        virtual = [None if amount is None else f"{amount:f}" for amount in self.ledger]
        return {
            "ok": self.is_ok,
            "entries": self.n_entries,
            "fills": self.n_fills,
            "ledger": {"token": virtual[0], "usdc": virtual[1]},
            "account": _balances_json(self.account),
            "venue": _balances_json(self.venue),
            "gap": _balances_json(self.gap),
            "movements": [line.to_json() for line in self.movements],
            "explained": [line.to_json() for line in self.explained],
            "unexplained": _balances_json(self.unexplained),
            "unlisted_fills": [{"time": fill.time_ms, "tid": fill.tid, "oid": fill.oid} for fill in self.unlisted],
        }


@dataclass(slots=True)
class _Sum:
    count: int = 0
    token: Decimal = NOTHING
    usdc: Decimal = NOTHING

    def add(self, token: Decimal, usdc: Decimal) -> None:
        self.count += 1
        self.token += token
        self.usdc += usdc

    def line(self, what: str) -> AuditLine:
        return AuditLine(what, self.count, self.token, self.usdc)


@dataclass(slots=True)
class _Known:
    """Sums of the entries, which are read once."""

    ledger: Inventory = field(default_factory=lambda: Inventory(1))
    ownership: Ownership = field(default_factory=lambda: Ownership("", keep_foreign=True))
    oids: set[int] = field(default_factory=set)
    fills: dict[FillKey, Booked] = field(default_factory=dict)
    sums: dict[str, _Sum] = field(default_factory=dict)
    n_entries: int = 0
    # Time of the last balance that was taken over, and of the last one that has the fills of ours before it too.
    adjusted_ms: int = 0
    settled_ms: int = 0

    def read(self, at_ms: int, entry: Entry) -> None:
        self.n_entries += 1
        match entry:
            case Began(epoch):
                self.ownership.epochs.add(epoch)
            case Adopted(oid) | Arrived(_, oid):
                self.oids.add(oid)
            case Allocated():
                self.ledger.on_allocated(entry)
            case Adjusted(token, usdc, why):
                self.ledger.on_adjusted(entry)
                what = "balance changes without a fill of ours" if self.adjusted_ms else "first balance"
                self._sum(what, token, usdc)
                self.adjusted_ms = at_ms
                # The first balance of a rebuilt ledger leaves out the fills that the next start books.
                self.settled_ms = self.settled_ms if why == REBUILT else at_ms
            case Booked():
                self._book(entry)
            case _:
                pass

    def _book(self, entry: Booked) -> None:
        before = Balances(self.ledger.account_token, self.ledger.account_usdc)
        self.ledger.book(entry.to_result(fully_filled=False))
        self.fills[entry.key] = entry
        self.oids.add(entry.oid)
        token, usdc = self.ledger.account_token - before.token, self.ledger.account_usdc - before.usdc
        self._sum("bids filled" if entry.quote.side == "buy" else "asks filled", token, usdc)

    def _sum(self, what: str, token: Decimal, usdc: Decimal) -> None:
        self.sums.setdefault(what, _Sum()).add(token, usdc)

    def is_ours(self, fill: Fill) -> bool:
        return fill.oid in self.oids or self.ownership.read_own_cloid(fill.cloid) is not None


def compute_audit(entries: Iterable[tuple[int, Entry]], fills: Sequence[Fill], venue: Balances) -> Audit:
    """Sum up all entries and compare them with the venue.

    Each entry comes with the time it was recorded at, in ms. `fills` is the venue's whole history of the coin, oldest
    first. `venue` is the account's total of both tokens at the venue, less what foreign orders hold.
    """
    known = _Known()
    for at_ms, entry in entries:
        known.read(at_ms, entry)
    unbooked, foreign = _Sum(), _Sum()
    listed = {fill.key for fill in fills}
    for fill in fills:
        is_ours = known.is_ours(fill)
        if fill.key in known.fills or (fill.time_ms or 0) <= (known.settled_ms if is_ours else known.adjusted_ms):
            continue
        (unbooked if is_ours else foreign).add(*compute_effect(fill))
    oldest_ms = min((fill.time_ms or 0 for fill in fills), default=None)
    unlisted = [
        fill
        for key, fill in known.fills.items()
        if key not in listed and (oldest_ms is None or (fill.time_ms or 0) >= oldest_ms)
    ]
    ledger = known.ledger
    candidates = (unbooked.line("fills of ours that the next start will book"), foreign.line("manual trades"))
    return Audit(
        n_entries=known.n_entries,
        n_fills=len(known.fills),
        ledger=(ledger.virtual_token, ledger.virtual_usdc),
        account=Balances(ledger.account_token, ledger.account_usdc),
        venue=venue,
        movements=tuple(total.line(what) for what, total in known.sums.items()),
        explained=tuple(line for line in candidates if line.count),
        unlisted=tuple(unlisted),
    )


def compute_effect(fill: Fill) -> tuple[Decimal, Decimal]:
    """Compute by how much a fill moved the account: (base, quote).

    The fee is included if it was charged in one of the two tokens.
    """
    sign = 1 if fill.side == "buy" else -1
    cost = fill.size * (fill.price or NOTHING)
    token = sign * fill.size - (fill.fee if fill.fee_token == "base" else NOTHING)
    usdc = -sign * cost - (fill.fee if fill.fee_token == "quote" else NOTHING)
    return token, usdc


def _balances_json(balances: Balances) -> dict[str, str]:
    return {"token": f"{balances.token:f}", "usdc": f"{balances.usdc:f}"}

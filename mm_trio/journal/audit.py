"""Comparison of a ledger with the venue's balances and fills.

Pure code. It sums up every entry that moved the ledger, and explains the difference to the venue where it can.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from mm_trio.funds.trade_effects import compute_effect
from mm_trio.journal.ledger_sums import AuditLine, LedgerSums, Sum
from mm_trio.model.journal_entries import Booked
from mm_trio.model.market import Balances
from mm_trio.model.numbers import EXACT
from mm_trio.model.replies import Fill, OpenOrder
from mm_trio.state.fill_history import FILLS_OVERLAP_MS
from mm_trio.witness.ledger_end import LostEntries

__all__ = ["Audit", "compute_audit", "compute_effect"]

NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class Audit:
    """Result of an audit.

    `ledger` is the allocation with all fills (None: the whole account). `account` is what the account should hold
    according to the ledger, `venue` what it holds. `unlisted` are booked fills that the venue does not list, and
    `differing` those that it lists with other amounts. `unbooked` are fills of ours that the ledger does not have yet,
    `unnamed` recent ones that may be ours. `n_contained` fills of ours are contained in the ledger's first balance.
    `lost` is evidence that entries at the ledger's end are missing.
    """

    n_entries: int
    n_fills: int
    ledger: tuple[Decimal | None, Decimal | None]
    account: Balances
    venue: Balances
    movements: tuple[AuditLine, ...]
    explained: tuple[AuditLine, ...]
    unlisted: tuple[Booked, ...]
    differing: tuple[Fill, ...] = ()
    unbooked: tuple[Fill, ...] = ()
    unnamed: tuple[Fill, ...] = ()
    n_contained: int = 0
    lost: LostEntries | None = None

    @property
    def gap(self) -> Balances:
        """Difference of the account's balances: venue less ledger."""
        return _subtract(self.venue, self.account)

    @property
    def unexplained(self) -> Balances:
        """Part of the gap that has no explanation."""
        gap = self.gap
        for line in self.explained:
            gap = Balances(EXACT.subtract(gap.token, line.token), EXACT.subtract(gap.usdc, line.usdc))
        return gap

    @property
    def is_ok(self) -> bool:
        """True if the gap is explained and our fills agree with the venue's."""
        differences = (*self.unlisted, *self.differing, *self.unbooked, *self.unnamed)
        return self.unexplained == Balances(NOTHING, NOTHING) and not differences and self.lost is None

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
            "unlisted_fills": _fills_json(self.unlisted),
            "differing_fills": _fills_json(self.differing),
            "unbooked_fills": _fills_json(self.unbooked),
            "unnamed_fills": _fills_json(self.unnamed),
            "contained_fills": self.n_contained,
            "lost_entries": None if self.lost is None else self.lost.to_json(),
        }


def compute_audit(
    known: LedgerSums,
    fills: Sequence[Fill],
    venue: Balances,
    *,
    orders: Iterable[OpenOrder] = (),
    unnamed: Iterable[Fill] = (),
) -> Audit:
    """Compare a ledger with the venue.

    `fills` is the venue's whole history of the coin, oldest first; `orders` are the open orders of the coin, `unnamed`
    the fills whose order the venue does not name. `venue` is the account's total of both tokens at the venue, less what
    foreign orders hold.
    """
    listed = {fill.key: fill for fill in fills}
    new = [fill for fill in fills if fill.key not in known.fills]
    ours = [fill for fill in new if known.is_ours(fill)]
    missing = [fill for fill in ours if not known.is_contained(fill)]
    lost = known.find_lost(missing, orders)
    unbooked = [fill for fill in missing if known.find_lost([fill], ()) is None]
    reach_ms = min((fill.time_ms or 0 for fill in fills), default=0)
    recent_ms = max(known.settled_ms, known.looked_up_ms - FILLS_OVERLAP_MS)
    ledger = known.ledger
    account = Balances(ledger.account_token, ledger.account_usdc)
    return Audit(
        n_entries=known.n_entries,
        n_fills=known.n_fills,
        ledger=(ledger.virtual_token, ledger.virtual_usdc),
        account=account,
        venue=venue,
        movements=tuple(total.line(what) for what, total in known.sums.items()),
        explained=_explain(
            known, new, missing, unbooked, gap=_subtract(venue, Balances(ledger.account_token, ledger.account_usdc))
        ),
        unlisted=tuple(
            fill for key, fill in known.fills.items() if key not in listed and (fill.time_ms or 0) >= reach_ms
        ),
        differing=tuple(
            listed[key] for key, fill in known.fills.items() if key in listed and _differ(fill, listed[key])
        ),
        unbooked=tuple(unbooked),
        unnamed=tuple(fill for fill in unnamed if (fill.time_ms or 0) > recent_ms),
        n_contained=len(ours) - len(missing),
        lost=lost,
    )


def _subtract(venue: Balances, account: Balances) -> Balances:
    return Balances(EXACT.subtract(venue.token, account.token), EXACT.subtract(venue.usdc, account.usdc))


def _explain(
    known: LedgerSums, new: Sequence[Fill], missing: Sequence[Fill], unbooked: Sequence[Fill], *, gap: Balances
) -> tuple[AuditLine, ...]:
    """Sum up fills that moved the account and not the ledger.

    A balance that was taken over later contains them already.
    """
    to_book = {fill.key for fill in unbooked}
    lines = {
        "fills of ours that the next start will book": [fill for fill in missing if fill.key in to_book],
        "fills of ours whose entries were lost": [fill for fill in missing if fill.key not in to_book],
    }
    since_ms = dict.fromkeys(lines, known.settled_ms) | {"manual trades": known.adjusted_ms}
    others = [fill for fill in new if not known.is_ours(fill)]
    lines["manual trades"] = [fill for fill in others if not fill.is_dust]
    totals = {
        what: _sum_effects(fill for fill in found if (fill.time_ms or 0) > since_ms[what])
        for what, found in lines.items()
    }
    found = [total.line(what) for what, total in totals.items() if total.count]
    dust = _sum_effects(fill for fill in others if fill.is_dust and (fill.time_ms or 0) > known.adjusted_ms)
    if dust.count:
        # The venue shares what a sale of everybody's dust fetched: the rows do not say how much, only how much at most.
        credited = gap.usdc
        for line in found:
            credited = EXACT.subtract(credited, line.usdc)
        usdc = min(max(credited, NOTHING), dust.usdc)
        found.append(AuditLine("dust conversions by the venue", dust.count, dust.token, usdc))
    return tuple(found)


def _sum_effects(fills: Iterable[Fill]) -> Sum:
    total = Sum()
    for fill in fills:
        total.add(*compute_effect(fill))
    return total


def _differ(booked: Booked, listed: Fill) -> bool:
    return compute_effect(booked.to_fill()) != compute_effect(listed)


def _balances_json(balances: Balances) -> dict[str, str]:
    return {"token": f"{balances.token:f}", "usdc": f"{balances.usdc:f}"}


def _fills_json(fills: Iterable[Booked | Fill]) -> list[dict[str, int | None]]:
    return [{"time": fill.time_ms, "tid": fill.tid, "oid": fill.oid} for fill in fills]

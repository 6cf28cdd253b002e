"""Audit of a ledger against the venue's balances."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import trio

from mm_trio.cli.ledger_programs.check_steps import CheckSteps
from mm_trio.cli.ledger_programs.shared_tokens import SharedPairs, leave_to_others, read_other_parts
from mm_trio.cli.programs.start_checks import PAIRS_WEIGHT, ask_for_pairs, find_network, find_pair
from mm_trio.config.settings import Settings
from mm_trio.funds.holds import find_usable
from mm_trio.journal.audit import Audit, compute_audit
from mm_trio.journal.data_dir import describe_lost, find_state_folder, is_blank, is_in_shared_ledger
from mm_trio.journal.ledger_sums import LedgerSums, read_ledger
from mm_trio.journal.sqlite_journal import Journal
from mm_trio.model.replies import Fill, OpenOrder
from mm_trio.state.ownership import Ownership
from mm_trio.state.snapshot_diff import describe_rival_fills, describe_rivals
from mm_trio.venue.rest_client import START_PATIENCE_S, VenueClient
from mm_trio.venue.sdk import make_info
from mm_trio.witness.ledger_end import describe_lost_entries, describe_unnamed

__all__ = ["AuditReport", "LostLedger", "audit_ledger"]

AUDIT_STEPS = ("pair at the venue", "fills at the venue", "balances at the venue", "every entry of the journal")
# A maker that trades books a fill within a moment, so most differences beside it are gone at the next look.
LOOKS, LOOK_AGAIN_S = 2, 2.0


@dataclass(frozen=True, slots=True)
class AuditReport:
    """Audit of one ledger."""

    audit: Audit
    cut: str | None
    folder: Path
    coin: str
    base: str
    quote: str

    @property
    def is_ok(self) -> bool:
        """Return whether the ledger is whole and every difference explained."""
        return self.audit.is_ok and self.cut is None

    def to_json(self) -> dict[str, object]:
        """Return plain JSON values; amounts are decimal strings."""
        values = {**self.audit.to_json(), "ok": self.is_ok, "coin": self.coin, "folder": str(self.folder)}
        return {**values, "lost_by_mark": self.cut}

    def to_text(self) -> str:
        """Return a table for the operator.

        It shows what moved the account, what it should be, what it is, and why they differ.
        """
        audit = self.audit
        rows: list[tuple[str, ...]] = [("", "count", self.base, self.quote)]
        rows += [(line.what, str(line.count), f"{line.token:+f}", f"{line.usdc:+f}") for line in audit.movements]
        rows.append(("the account by this ledger", "", f"{audit.account.token:f}", f"{audit.account.usdc:f}"))
        rows.append(("the account at the venue", "", f"{audit.venue.token:f}", f"{audit.venue.usdc:f}"))
        rows.append(("difference", "", f"{audit.gap.token:+f}", f"{audit.gap.usdc:+f}"))
        rows += [(f"  {x.what}", str(x.count), f"{x.token:+f}", f"{x.usdc:+f}") for x in audit.explained]
        left = audit.unexplained
        rows.append(("  unexplained: a transfer, or a loss", "", f"{left.token:+f}", f"{left.usdc:+f}"))
        allotted = ["the whole account" if amount is None else f"{amount:f}" for amount in audit.ledger]
        rows.append(("allocation with all fills", "", *allotted))
        widths = [max(len(row[i]) for row in rows) for i in range(4)]
        table = [
            "  ".join([row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))])
            for row in rows
        ]
        verdict = "every difference is explained" if self.is_ok else "NOT every difference is explained"
        if self.cut is not None or audit.lost is not None:
            verdict = "ENTRIES ARE MISSING at its end"
        head = f"{self.folder}: {audit.n_entries} entries, {audit.n_fills} fills, chain unbroken; {verdict}"
        return "\n".join([head, *table, *self._list_findings()])

    def _list_findings(self) -> list[str]:
        audit = self.audit
        found = [self.cut] if self.cut is not None else []
        found += [describe_lost_entries(audit.lost, self.coin)] if audit.lost is not None else []
        found += [describe_unnamed(audit.unnamed, self.coin)] if audit.unnamed else []
        if audit.unbooked:
            found.append(
                f"{len(audit.unbooked)} fills of ours are not booked yet; the next start of the maker books them (one "
                "that runs does so at its next reconciliation); run `mm-trio ledger audit` after it"
            )
        if audit.n_contained:
            found.append(
                f"{audit.n_contained} fills of ours are older than the ledger and contained in its first balance"
            )
        found += [f"booked, but not in the venue's history: time={f.time_ms} tid={f.tid}" for f in audit.unlisted]
        found += [f"booked with other amounts than the venue's: time={f.time_ms} tid={f.tid}" for f in audit.differing]
        return found


@dataclass(frozen=True, slots=True)
class LostLedger:
    """Missing ledger, which fails an audit.

    `evidence` says how we know that there was one.
    """

    folder: Path
    coin: str
    evidence: str
    is_ok: ClassVar[bool] = False

    def to_json(self) -> dict[str, object]:
        """Return plain JSON values."""
        return {"ok": self.is_ok, "coin": self.coin, "folder": str(self.folder), "lost": self.evidence}

    def to_text(self) -> str:
        """Return what is known of it, and what to do."""
        return f"{self.folder}: NO LEDGER; {self.evidence}"


async def audit_ledger(
    settings: Settings, *, environ: Mapping[str, str], stop_scope: trio.CancelScope
) -> AuditReport | LostLedger:
    """Compare the whole journal with what the venue knows.

    The chain of the journal is checked row by row; nothing is changed or sent. A difference is looked at again before
    it is reported, because a maker that runs books a fill some moments after it traded. Errors: ConfigError,
    VenueError; JournalError where there never was a ledger or it is damaged; Interrupted once `stop_scope` is
    cancelled.
    """
    configured = settings.market
    steps = CheckSteps(*AUDIT_STEPS)
    with stop_scope:
        spot_meta = await ask_for_pairs(configured.base_url)
        market = find_pair(spot_meta, configured)
        steps.finish("pair at the venue")
        network = await find_network(configured)
        folder = find_state_folder(environ, network=network, account=configured.account, coin=market.coin)
        info = make_info(configured.base_url, spot_meta)
        client = VenueClient(
            info, address=configured.account, run_sync=trio.to_thread.run_sync, patience_s=START_PATIENCE_S
        )
        client.weight.on_request(PAIRS_WEIGHT, now_s=trio.current_time())
        pairs = SharedPairs(spot_meta, market)
        report = await _look(client, pairs, folder, finish=steps.finish)
        for _ in range(LOOKS - 1):
            if report.is_ok or isinstance(report, LostLedger):
                break
            await trio.sleep(LOOK_AGAIN_S)
            report = await _look(client, pairs, folder)
        return report
    raise steps.make_interruption(summary={"ok": False, "coin": configured.coin})


def _ignore(step: str) -> None:
    pass


async def _look(
    client: VenueClient, pairs: SharedPairs, folder: Path, *, finish: Callable[[str], None] = _ignore
) -> AuditReport | LostLedger:
    market = pairs.market
    fills = await client.fetch_fills(market, since_ms=0)
    finish("fills at the venue")
    rows = await client.fetch_open_orders(market)
    is_shared = await trio.to_thread.run_sync(is_in_shared_ledger, folder)
    if not is_shared and await trio.to_thread.run_sync(is_blank, folder):
        fills, _ = await client.name_fills(fills, is_known=lambda fill: False)
        if (evidence := _find_evidence(folder, market.coin, fills, rows)) is not None:
            return LostLedger(folder, market.coin, evidence)
    total = await client.fetch_balances(market)
    finish("balances at the venue")
    # The thread may be abandoned by a signal, because it only reads.
    known, cut = await trio.to_thread.run_sync(_read, folder, fills, abandon_on_cancel=True)
    fills, unnamed = await client.name_fills(fills, is_known=lambda fill: fill.oid in known.oids)
    audit = compute_audit(
        known,
        fills,
        find_usable(total, rows, market, is_foreign=Ownership(market.coin, keep_foreign=True).is_foreign),
        orders=[row for row in rows if row.coin == market.coin],
        unnamed=unnamed,
    )
    if is_shared:
        parts = await trio.to_thread.run_sync(read_other_parts, folder, pairs, abandon_on_cancel=True)
        audit = leave_to_others(audit, parts)
    return AuditReport(audit, cut, folder, market.coin, market.base.name, market.quote.name)


def _find_evidence(folder: Path, coin: str, fills: Sequence[Fill], rows: Sequence[OpenOrder]) -> str | None:
    """Find evidence of a ledger that is missing; None if there never was one."""
    if (evidence := describe_lost(folder)) is not None:
        return evidence
    # No session is known here, so everything that carries this program's mark is of a lost one.
    ownership = Ownership(coin, keep_foreign=True, knows_all_sessions=True)
    if traded := ownership.find_rivals(fills):
        return describe_rival_fills(traded)
    resting = ownership.find_rivals(rows)
    return describe_rivals(resting) if resting else None


def _read(folder: Path, listed: Sequence[Fill]) -> tuple[LedgerSums, str | None]:
    """Read the whole journal, and what its end mark says.

    Of its fills those are kept that the venue may have among the ones it listed.
    """
    reach_ms = min((fill.time_ms or 0 for fill in listed), default=0)
    journal = Journal.open_to_read(folder, check_pages=True)
    try:
        rows = journal.read(since_checkpoint=False)
        known = read_ledger(((row.at_ms, row.entry) for row in rows), reach_ms=reach_ms)
        return known, journal.find_cut()
    finally:
        journal.close()

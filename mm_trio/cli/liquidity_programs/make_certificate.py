"""Making of a certificate from record and ledger of a maker, which may run meanwhile."""

from __future__ import annotations

import heapq
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from mm_trio.cli.earnings_programs.past_words import say_time
from mm_trio.cli.liquidity_programs.line_files import count_lines, write_lines
from mm_trio.cli.liquidity_programs.record_samples import read_changes, read_volumes
from mm_trio.cli.liquidity_programs.signing import find_address, sign
from mm_trio.cli.liquidity_programs.terms_files import ChosenTerms
from mm_trio.config.keys import Secret, is_master_key
from mm_trio.history.ledger_reader import LedgerReader
from mm_trio.journal.sqlite_journal import Journal
from mm_trio.liquidity.certificate import MOST_DAYS, Event, Header, Writing, get_key
from mm_trio.liquidity.figures import DAY_S, Figures
from mm_trio.liquidity.samples import Fill
from mm_trio.liquidity.units import to_units
from mm_trio.model.errors import ConfigError, LocalError
from mm_trio.model.journal_entries import Booked
from mm_trio.recorder.record_file import RecordFile

__all__ = ["RECORDED_WITHIN_MS", "Certificate", "Subject", "make_certificate"]

# A record is written each second. What is not there yet would count as a hole.
RECORDED_WITHIN_MS = 5_000

# Signer of figures that nobody signs.
NOBODY = f"0x{0:040x}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Maker and period that a certificate is about.

    Times are milliseconds of the venue's calendar; `network`, `account` and `coin` are those of the maker.
    """

    folder: Path
    network: str
    account: str
    coin: str
    from_ms: int
    until_ms: int


@dataclass(frozen=True, slots=True)
class Certificate:
    """Figures of a certificate, and the file that it was written to; None: nothing was written."""

    header: Header
    figures: Figures
    path: Path | None
    n_bytes: int

    def to_json(self) -> dict[str, object]:
        """Return plain JSON values."""
        header = dict(self.header.to_body())
        header.pop("kind")
        out = None if self.path is None else str(self.path)
        signer = None if self.path is None else self.header.agent
        return {**header, "agent": signer, "out": out, "bytes": self.n_bytes, **self.figures.to_json()}

    def to_text(self) -> str:
        """Return the figures for a person."""
        from mm_trio.cli.liquidity_programs.certificate_text import describe_certificate

        text = describe_certificate(self.header, self.figures)
        if self.path is None:
            return f"{text}\n\nNothing was written and nothing signed; --out FILE makes the certificate."
        return (
            f"{text}\n\nwritten: {self.path}, signed by {self.header.agent}; check it with `mm-trio verify {self.path}`"
        )


def make_certificate(
    subject: Subject, chosen: ChosenTerms, *, key: Secret | None, out: Path | None, is_partial: bool
) -> Certificate:
    """Compute the figures, and with `key` and `out` write the signed file.

    Errors: ConfigError for a period or a file that is not allowed; RecordError, JournalError.
    """
    with closing(Journal.open_to_read(subject.folder)) as journal, closing(_open_record(subject)) as record:
        ledger = LedgerReader(journal)
        header = _make_header(subject, chosen, journal, key=key, is_partial=is_partial)
        writing = Writing(header, None if key is None else lambda text: sign(key, text))
        changes: Iterator[Event] = read_changes(record, header.from_s, header.until_s)
        events = heapq.merge(changes, _read_fills(ledger, header), key=get_key)
        volumes = read_volumes(record, header.from_s, header.until_s, account=header.account)
        lines = count_lines(writing.lines(_in_order(events), volumes), "lines of the certificate")
        n_bytes = sum(map(len, lines)) if out is None else write_lines(lines, out)
    assert writing.figures is not None
    return Certificate(header, writing.figures, out, n_bytes)


def _open_record(subject: Subject) -> RecordFile:
    return RecordFile.open_to_read(subject.folder)


def _make_header(
    subject: Subject, chosen: ChosenTerms, journal: Journal, *, key: Secret | None, is_partial: bool
) -> Header:
    now_ms = time.time_ns() // 1_000_000
    from_s, until_s = -(-subject.from_ms // 1000), subject.until_ms // 1000
    is_cut = until_s * 1000 > now_ms
    if is_cut and not is_partial:
        raise ConfigError(
            f"the period ends at {say_time(subject.until_ms)} UTC, which is not over (now: {say_time(now_ms)}); "
            "give an earlier --to, or --partial for a certificate up to now that says so"
        )
    until_s = (now_ms - RECORDED_WITHIN_MS) // 1000 if is_cut else until_s
    if not from_s < until_s <= from_s + MOST_DAYS * DAY_S:
        raise ConfigError(
            f"the period from {say_time(subject.from_ms)} to {say_time(subject.until_ms)} UTC holds "
            f"{max(0, until_s - from_s)} whole seconds; give --from and --to from 1 s to {MOST_DAYS} days apart"
        )
    agent = NOBODY if key is None else find_address(key)
    if is_master_key(agent, subject.account):
        raise ConfigError("the key is the account's own (master) key; sign with the key of an agent (API wallet)")
    return Header(
        network=subject.network,
        account=subject.account.lower(),
        agent=agent,
        coin=subject.coin,
        from_s=from_s,
        until_s=until_s,
        made_ms=now_ms,
        is_partial=is_cut,
        preset=chosen.preset,
        ladder=_find_ladder(LedgerReader(journal), until_ms=until_s * 1000, from_ms=from_s * 1000),
        journal={"entries": journal.end.seq, "hash": journal.end.chain.hex()},
        terms=chosen.terms,
    )


def _find_ladder(ledger: LedgerReader, *, from_ms: int, until_ms: int) -> list[object]:
    """Return the parameters in force in the period, with the time of each. Equal ones are listed once."""
    rows: list[object] = []
    last: dict[str, str] | None = None
    for at_ms, began in ledger.read_terms():
        if at_ms >= until_ms or began.parameters == last:
            continue
        if at_ms <= from_ms:
            rows.clear()
        last = dict(began.parameters)
        rows.append({"at_ms": at_ms, "parameters": last})
    return rows


def _read_fills(ledger: LedgerReader, header: Header) -> Iterator[Fill]:
    fills = (_to_fill(booked) for booked in ledger.read_fills(header.from_s * 1000, header.until_s * 1000))
    # The ledger is ordered by time alone.
    for _, alike in groupby(fills, key=lambda fill: fill.time_ms):
        yield from sorted(alike, key=lambda fill: fill.key)


def _to_fill(booked: Booked) -> Fill:
    quote = booked.quote
    time_ms = booked.time_ms
    if time_ms is None:
        raise LocalError(
            f"fill {booked.tid} of an early ledger has no time of the venue, so it cannot be certified; begin the "
            "period behind it"
        )
    return Fill(time_ms, booked.tid, booked.oid, to_units(quote.price), to_units(quote.size), quote.side)


def _in_order(events: Iterator[Event]) -> Iterator[Event]:
    last: tuple[int, ...] = ()
    for event in events:
        if (key := get_key(event)) <= last:
            raise LocalError(
                f"an event at {key[0]} ms came after one at {last[0]} ms: a fill was booked too late to be put in "
                "order; begin the period behind it"
            )
        last = key
        yield event

"""Verification of a certificate from its own lines.

Form, chain, signature and signer are checked, every figure is computed again from the samples, and the clauses are
judged again. Memory does not grow with the file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import zip_longest

from mm_trio.liquidity.bodies import read_change, read_fill, read_volume
from mm_trio.liquidity.certificate import Header, describe_figures, get_key, list_days, read_header, write_signed_text
from mm_trio.liquidity.figures import Calculator, Figures
from mm_trio.liquidity.lines import Body, CertificateError, LineReader, encode
from mm_trio.liquidity.samples import Change, Fill, Volume

__all__ = ["CheckFill", "Recover", "Verification", "verify_lines"]

# Give the address that signed a text, or None where the signature is not valid.
Recover = Callable[[str, str], str | None]
# Give what does not fit a fill.
CheckFill = Callable[[Header, Fill], str | None]

_STAGES = {"change": 1, "fill": 1, "volume": 2, "day": 3, "period": 4, "clause": 5, "outages": 6, "signature": 7}
_SIGNATURE = re.compile("0x[0-9a-f]{130}")
_ADDRESS = re.compile("0x[0-9a-f]{40}")
# So many findings are named; more would say no more.
MOST_FINDINGS = 20


@dataclass(slots=True)
class Verification:
    """What was found. Without findings the certificate fits."""

    header: Header | None = None
    figures: Figures | None = None
    signer: str | None = None
    n_lines: int = 0
    n_fills: int = 0
    n_findings: int = 0
    findings: list[str] = field(default_factory=list)

    @property
    def is_ok(self) -> bool:
        """Return whether everything fits."""
        return self.n_findings == 0

    def note(self, finding: str) -> None:
        """Add what does not fit."""
        self.n_findings += 1
        if len(self.findings) < MOST_FINDINGS:
            # It may quote the file, whose characters could steer a terminal.
            self.findings.append("".join(char if char.isprintable() else ascii(char)[1:-1] for char in finding))


def verify_lines(lines: Iterable[bytes], *, recover: Recover, check_fill: CheckFill | None = None) -> Verification:
    """Verify a certificate, given its lines with their ends."""
    found = Verification()
    walk = _Walk(found, recover, check_fill)
    reader = LineReader()
    try:
        for line in lines:
            if walk.stage == _STAGES["signature"]:
                raise CertificateError(f"line {reader.n_lines + 1} follows the signature, which is the last line")
            body = reader.read(line)
            found.n_lines = reader.n_lines
            walk.take(body, reader.n_lines, reader.digest.hexdigest() if body.get("kind") == "signature" else "")
        walk.finish()
    except CertificateError as error:
        found.note(str(error))
    return found


class _Walk:
    """Walk over the lines, in the order that they must have."""

    def __init__(self, found: Verification, recover: Recover, check_fill: CheckFill | None) -> None:
        self.stage = 0
        self._found = found
        self._recover = recover
        self._check_fill = check_fill
        self._calculator: Calculator | None = None
        self._last_key: tuple[int, ...] = ()
        self._last_fill: Fill | None = None
        self._volumes: list[Volume] = []
        self._claimed: list[Body] = []

    def take(self, body: Body, number: int, digest: str) -> None:
        """Take the next line. Errors: CertificateError that names it."""
        if self._calculator is None:
            header = self._found.header = read_header(body)
            if not _ADDRESS.fullmatch(header.account) or not _ADDRESS.fullmatch(header.agent):
                raise CertificateError("line 1: account and agent must be addresses in small letters")
            self._calculator = Calculator(header.terms, from_s=header.from_s, until_s=header.until_s)
            return
        stage = _STAGES.get(str(body.get("kind")), 0)
        if stage < max(self.stage, 1):
            raise CertificateError(f"line {number} is of a kind that is unknown or out of order")
        self.stage = stage
        try:
            self._take_kind(body, self._calculator, digest)
        except ValueError as error:
            raise CertificateError(f"line {number}: {error}") from None

    def _take_kind(self, body: Body, calculator: Calculator, digest: str) -> None:
        match body["kind"]:
            case "change":
                change = read_change(body)
                self._follow(change)
                calculator.apply(change)
            case "fill":
                fill = read_fill(body)
                self._follow(fill)
                calculator.apply_fill(fill)
                self._look_up(fill)
            case "volume":
                self._take_volume(read_volume(body))
            case "signature":
                self._check_signature(body, digest)
            case _:
                self._take_figures(body)

    def finish(self) -> None:
        """Check that nothing is missing at the end."""
        if self._calculator is None:
            raise CertificateError("the file is empty; it is not a certificate")
        if self.stage < _STAGES["signature"]:
            raise CertificateError(f"the signature is missing: the file ends after line {self._found.n_lines}")

    def _follow(self, event: Change | Fill) -> None:
        key = get_key(event)
        if key <= self._last_key:
            raise CertificateError("it is not later than the line before; samples and fills are in order of time")
        self._last_key = key

    def _look_up(self, fill: Fill) -> None:
        header = self._header()
        if not header.from_s * 1000 <= fill.time_ms < header.until_s * 1000:
            raise CertificateError(f"fill {fill.tid} is outside of the period")
        # Fills of one trade follow each other. An account has one on each side of it at the most.
        last, self._last_fill = self._last_fill, fill
        if last is not None and (last.time_ms, last.tid, last.side) == (fill.time_ms, fill.tid, fill.side):
            raise CertificateError(f"trade {fill.tid} is counted twice")
        self._found.n_fills += 1
        if self._check_fill is not None and (fault := self._check_fill(header, fill)) is not None:
            self._found.note(f"fill tid={fill.tid} time={fill.time_ms}: {fault}")

    def _take_volume(self, volume: Volume) -> None:
        days = list_days(self._header())
        if len(self._volumes) >= len(days) or volume.day_s != days[len(self._volumes)]:
            raise CertificateError("volumes must be one for each UTC day of the period, in order")
        self._volumes.append(volume)

    def _take_figures(self, body: Body) -> None:
        # Fewer lines than these are figures of the longest period.
        if len(self._claimed) > len(list_days(self._header())) + len(self._header().terms.clauses) + 2:
            raise CertificateError("there are more figures than the period has")
        self._claimed.append(body)

    def _check_signature(self, body: Body, digest: str) -> None:
        if len(self._volumes) != len(list_days(self._header())):
            raise CertificateError("volumes of some days are missing before this line")
        self._compare_figures()
        if body.keys() != {"kind", "sha256", "signature", "signer"}:
            raise CertificateError("a signature has the keys kind, sha256, signature, signer")
        header, signature = self._header(), str(body["signature"])
        if body["sha256"] != digest:
            self._found.note("sha256 of the signature is not that of the lines before it")
        signer = self._recover(write_signed_text(digest), signature) if _SIGNATURE.fullmatch(signature) else None
        self._found.signer = signer
        if signer is None:
            self._found.note("the signature is not valid")
        elif signer != header.agent or signer != body["signer"]:
            self._found.note(
                f"the signature is by {signer}, but the certificate names agent {header.agent} and signer "
                f"{str(body['signer'])[:42]}"
            )

    def _compare_figures(self) -> None:
        assert self._calculator is not None
        figures = self._found.figures = self._calculator.finish(self._volumes)
        for claimed, computed in zip_longest(self._claimed, describe_figures(figures)):
            if claimed is None:
                self._found.note(f"{_name(computed)} is missing")
            elif computed is None:
                self._found.note(f"{_name(claimed)} is more than the period has")
            # The bytes, because true equals 1 in Python.
            elif encode(claimed) != encode(computed):
                for path, left, right in _find_differences(claimed, computed, _name(computed)):
                    self._found.note(f"{path} is {left!r:.60}, but the samples give {right!r:.60}")

    def _header(self) -> Header:
        assert self._found.header is not None
        return self._found.header


def _name(body: Body) -> str:
    rest = {"day": body.get("day_s"), "clause": body.get("clause")}.get(str(body.get("kind")))
    return f"{body.get('kind')}" if rest is None else f"{body.get('kind')} {rest!s:.60}"


def _find_differences(claimed: object, computed: object, path: str) -> Iterable[tuple[str, object, object]]:
    """Yield the paths of two plain values at which they differ, with both."""
    if isinstance(claimed, dict) and isinstance(computed, dict) and claimed.keys() == computed.keys():
        for key in computed:
            yield from _find_differences(claimed[key], computed[key], f"{path}.{key}")
    elif isinstance(claimed, list) and isinstance(computed, list) and len(claimed) == len(computed):
        for place, pair in enumerate(zip(claimed, computed, strict=True)):
            yield from _find_differences(*pair, f"{path}[{place}]")
    elif claimed != computed or type(claimed) is not type(computed):
        yield path, claimed, computed

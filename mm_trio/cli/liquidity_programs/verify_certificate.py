"""Verification of a certificate file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from mm_trio.cli.liquidity_programs.certificate_text import CONCLUSIONS, describe_certificate
from mm_trio.cli.liquidity_programs.line_files import count_lines, read_lines
from mm_trio.cli.liquidity_programs.signing import recover
from mm_trio.cli.liquidity_programs.venue_fills import VenueFills
from mm_trio.liquidity.verification import Verification, verify_lines
from mm_trio.model.errors import ConfigError

__all__ = ["Verdict", "verify_certificate"]

_ADDRESS = re.compile("0x[0-9a-fA-F]{40}")


@dataclass(frozen=True, slots=True)
class Verdict:
    """Verdict on a certificate. `has_venue_rows`: its fills were compared with the venue's rows."""

    path: Path
    found: Verification
    has_venue_rows: bool

    @property
    def is_ok(self) -> bool:
        """Return whether everything fits."""
        return self.found.is_ok

    def to_json(self) -> dict[str, object]:
        """Return plain JSON values."""
        found, header = self.found, self.found.header
        return {
            "ok": self.is_ok,
            "file": str(self.path),
            "findings": list(found.findings),
            "n_findings": found.n_findings,
            "signer": found.signer,
            "lines": found.n_lines,
            "fills": found.n_fills,
            "fills_compared": self.has_venue_rows,
            "header": None if header is None else dict(header.to_body()),
            "figures": None if found.figures is None else found.figures.to_json(),
            "conclusions": list(self._conclude()),
        }

    def to_text(self) -> str:
        """Return the verdict, the figures as they follow from the samples, and what that proves."""
        found = self.found
        if not self.is_ok:
            more = found.n_findings - len(found.findings)
            tail = [f"  … and {more} more"] if more else []
            return "\n".join([f"{self.path} does NOT fit:", *(f"  {finding}" for finding in found.findings), *tail])
        assert found.header is not None
        assert found.figures is not None
        fills = (
            f"{found.n_fills} fills, {'each as the venue has it' if self.has_venue_rows else 'not compared (--fills)'}"
        )
        head = f"{self.path} fits: {found.n_lines} lines, signed by {found.signer}; {fills}"
        return "\n".join([head, "", describe_certificate(found.header, found.figures), "", *self._conclude()])

    def _conclude(self) -> Iterator[str]:
        if self.is_ok:
            yield from CONCLUSIONS


def verify_certificate(
    path: Path, *, fills: Sequence[Path] = (), account: str | None = None, agent: str | None = None
) -> Verdict:
    """Verify a file. `account`, `agent`: addresses that it must name. Errors: ConfigError where it cannot be read."""
    for option, address in (("--account", account), ("--agent", agent)):
        if address is not None and not _ADDRESS.fullmatch(address):
            raise ConfigError(f"{option} {address[:60]} is not a valid address: it must be 0x and 40 hex digits")
    with closing(VenueFills(fills)) as rows:
        lines = count_lines(read_lines(path), "lines checked")
        found = verify_lines(lines, recover=recover, check_fill=rows.check if fills else None)
    header = found.header
    if header is not None and account is not None and header.account != account.lower():
        found.note(f"the certificate is about account {header.account}, not {account.lower()}")
    if agent is not None and found.signer is not None and found.signer != agent.lower():
        found.note(f"the signature is by {found.signer}, not by {agent.lower()}")
    return Verdict(path, found, bool(fills))

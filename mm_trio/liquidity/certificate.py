"""Certificate of liquidity: what it says of itself, its lines in their order, and the text that is signed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields
from typing import Final, TypeAlias

from mm_trio.liquidity.bodies import write_change, write_fill, write_volume
from mm_trio.liquidity.figures import DAY_S, Calculator, Figures
from mm_trio.liquidity.lines import Body, CertificateError, LineWriter
from mm_trio.liquidity.presets import PRESETS, read_preset
from mm_trio.liquidity.samples import Change, Fill, Volume
from mm_trio.liquidity.terms import Terms, TermsError, read_terms

__all__ = [
    "FORMAT",
    "MOST_DAYS",
    "VERSION",
    "Event",
    "Header",
    "Writing",
    "describe_figures",
    "get_key",
    "list_days",
    "read_header",
    "write_signed_text",
]

FORMAT: Final = "mm_trio liquidity certificate"
VERSION: Final = 1
MOST_DAYS: Final = 400
MOST_NAME: Final = 100

Event: TypeAlias = Change | Fill
_TYPES: dict[str, type | tuple[type, ...]] = {
    "network": str,
    "account": str,
    "agent": str,
    "coin": str,
    "from_s": int,
    "until_s": int,
    "made_ms": int,
    "is_partial": bool,
    "preset": (str, type(None)),
    "ladder": list,
    "journal": (dict, type(None)),
    "terms": dict,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What a certificate is about.

    `from_s` to `until_s`, the latter not included: seconds of the venue's calendar. `is_partial`: the period was not
    over. `ladder`: the parameters of each session with their time. `journal`: number and hash of the ledger's last
    entry. Addresses are in small letters.
    """

    network: str
    account: str
    agent: str
    coin: str
    from_s: int
    until_s: int
    made_ms: int
    is_partial: bool
    preset: str | None
    ladder: list[object]
    journal: dict[str, object] | None
    terms: Terms

    def to_body(self) -> Body:
        """Return plain values."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return {"kind": "header", "format": FORMAT, "version": VERSION, **values, "terms": self.terms.to_json()}


def read_header(body: Body) -> Header:
    """Read the first line. Errors: CertificateError."""
    if body.get("kind") != "header" or body.get("format") != FORMAT:
        raise CertificateError("line 1 is not the header of a liquidity certificate of mm_trio")
    if body.get("version") != VERSION or isinstance(body.get("version"), bool):
        raise CertificateError(f"line 1 has version {body.get('version')!r:.40}, but this program reads {VERSION}")
    values = {key: value for key, value in body.items() if key not in ("kind", "format", "version")}
    if values.keys() != _TYPES.keys():
        raise CertificateError(f"line 1 has other keys than a header: {sorted(values.keys() ^ _TYPES.keys())!r:.200}")
    for key, kind in _TYPES.items():
        if not isinstance(values[key], kind) or (kind is int and isinstance(values[key], bool)):
            raise CertificateError(f"line 1: {key} has a value of a wrong kind")
    terms_body = values["terms"]
    try:
        terms = read_terms(terms_body)  # type: ignore[arg-type] # a dict, by the table above
    except TermsError as error:
        raise CertificateError(f"line 1: the terms are not allowed: {error}") from None
    if terms.to_json() != terms_body:
        raise CertificateError("line 1: the terms are not in their one form")
    header = Header(**{**values, "terms": terms})  # type: ignore[arg-type] # by the table above
    _check_header(header)
    return header


def _check_header(header: Header) -> None:
    """Check what a header may say. Errors: CertificateError."""
    if not 0 <= header.from_s < header.until_s <= header.from_s + MOST_DAYS * DAY_S:
        raise CertificateError(f"line 1: the period must be 1 s to {MOST_DAYS} days long")
    # They are shown to a reader, and could steer his terminal.
    if not all(text.isprintable() and len(text) <= MOST_NAME for text in (header.network, header.coin)):
        raise CertificateError(f"line 1: network and coin must be at most {MOST_NAME} printable characters")
    if header.made_ms < header.until_s * 1000:
        raise CertificateError("line 1: it was made before its period was over")
    if header.preset is not None and header.preset not in PRESETS:
        raise CertificateError(f"line 1 names preset {header.preset!r:.40}, which this program does not know")
    # A reader takes the name for the terms.
    if header.preset is not None and header.terms != read_preset(header.preset):
        raise CertificateError(f"line 1: the terms are not those of preset {header.preset}")


def list_days(header: Header) -> range:
    """Return the first second of each UTC day of the period."""
    return range(header.from_s - header.from_s % DAY_S, header.until_s, DAY_S)


def get_key(event: Event) -> tuple[int, ...]:
    """Return the place of an event in a certificate: a fill goes before the sample of its time."""
    return (event.second * 1000, 1) if isinstance(event, Change) else (event.time_ms, 0, event.tid, event.oid)


def describe_figures(figures: Figures) -> Iterator[Body]:
    """Yield the bodies of the figures in their order."""
    for day in figures.days:
        yield {"kind": "day", **day}
    yield {"kind": "period", **figures.period}
    for clause in figures.clauses:
        yield {"kind": "clause", **clause}
    yield {"kind": "outages", **figures.outages}


def write_signed_text(digest: str) -> str:
    """Write the text that is signed, for the SHA-256 of all lines before the signature."""
    return f"{FORMAT} {VERSION}\nsha256: {digest}"


class Writing:
    """Certificate that is being written: `lines` once, to the end; then `figures` is there."""

    def __init__(self, header: Header, sign: Callable[[str], str] | None) -> None:
        self._header = header
        self._sign = sign
        self.figures: Figures | None = None

    def lines(self, events: Iterable[Event], volumes: Iterable[Volume]) -> Iterator[bytes]:
        """Yield the lines. Without `sign` the last one is missing."""
        header, writer = self._header, LineWriter()
        calculator = Calculator(header.terms, from_s=header.from_s, until_s=header.until_s)
        yield writer.write(header.to_body())
        for event in events:
            if isinstance(event, Change):
                calculator.apply(event)
                yield writer.write(write_change(event))
            else:
                calculator.apply_fill(event)
                yield writer.write(write_fill(event))
        found = tuple(volumes)
        for volume in found:
            yield writer.write(write_volume(volume))
        self.figures = calculator.finish(found)
        for body in describe_figures(self.figures):
            yield writer.write(body)
        if self._sign is not None:
            digest = writer.digest.hexdigest()
            signature = self._sign(write_signed_text(digest))
            signed = {"kind": "signature", "sha256": digest, "signature": signature, "signer": header.agent}
            yield writer.write(signed)

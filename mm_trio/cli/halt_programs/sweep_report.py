"""Report of a sweep: what was cancelled, what may rest, what was left alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from mm_trio.model.replies import OpenOrder

__all__ = ["SweepReport"]

# The others are counted.
MOST_SHOWN = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepReport:
    """What came of a sweep.

    `n_ended` orders were seen and are gone without our cancel. `unverified`: why it is not proven that nothing rests.
    `notes` tell what did not work on the way.
    """

    what: str
    account: str
    n_cancelled: int
    n_ended: int
    may_rest: tuple[OpenOrder, ...]
    left_alone: tuple[OpenOrder, ...]
    unverified: str | None
    notes: tuple[str, ...]
    took_s: float

    @property
    def is_ok(self) -> bool:
        """Check if it is proven that nothing of what was to go rests."""
        return not self.may_rest and self.unverified is None

    @property
    def fault(self) -> str:
        """Say in one line what may rest; empty where nothing does."""
        if self.is_ok:
            return ""
        unverified = f"; not verified: {self.unverified}" if self.unverified else ""
        return f"orders may still rest: {len(self.may_rest)} seen{unverified}"

    def to_json(self) -> dict[str, object]:
        """Return plain JSON values."""
        return {
            "ok": self.is_ok,
            "what": self.what,
            "account": self.account,
            "cancelled": self.n_cancelled,
            "ended_otherwise": self.n_ended,
            "may_rest": [_to_json(row) for row in self.may_rest],
            "left_alone": [_to_json(row) for row in self.left_alone],
            "unverified": self.unverified,
            "notes": list(self.notes),
            "took_s": round(self.took_s, 1),
        }

    def to_text(self) -> str:
        """Return the text for a person."""
        ended = f", {self.n_ended} had ended otherwise" if self.n_ended else ""
        lines = [f"{self.what} of {self.account}: {self.n_cancelled} cancelled{ended}, in {self.took_s:.1f} s"]
        lines += [f"note: {note}" for note in self.notes]
        if self.left_alone:
            lines += [f"left alone, {len(self.left_alone)} of others or not spot:", *_describe_all(self.left_alone)]
        if self.is_ok:
            return "\n".join([*lines, "two looks show that nothing of it rests"])
        lines += [self.fault.upper()[:1] + self.fault[1:], *_describe_all(self.may_rest)]
        return "\n".join([*lines, "run it again, or cancel on the venue's web page"])


def _describe_all(rows: Sequence[OpenOrder]) -> list[str]:
    shown = [
        f"  {row.coin} {row.side} {_plain(row.size)} at {_plain(row.price)}, oid {row.oid}, cloid {row.cloid or 'none'}"
        for row in rows[:MOST_SHOWN]
    ]
    return shown + ([f"  and {len(rows) - MOST_SHOWN} more"] if len(rows) > MOST_SHOWN else [])


def _to_json(row: OpenOrder) -> dict[str, object]:
    return {
        "coin": row.coin,
        "side": row.side,
        "px": _plain(row.price),
        "sz": _plain(row.size),
        "oid": row.oid,
        "cloid": row.cloid,
    }


def _plain(number: Decimal) -> str:
    return f"{number.normalize():f}"

"""What a maker is told about its guard."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["DEFAULT_AFTER_S", "GuardTerms"]

DEFAULT_AFTER_S = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardTerms:
    """Where a maker leaves its signs of life, and whose orders it signs cancels for.

    A guard acts after `after_s` of silence. `signer` is the address of the key, `vault`: each action names the account.
    """

    folder: Path
    network: str
    account: str
    coin: str
    signer: str
    vault: bool = False
    after_s: float = DEFAULT_AFTER_S

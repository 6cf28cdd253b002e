"""Terms of a certificate: a preset, or clauses in a TOML file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mm_trio.config.loading import read_toml
from mm_trio.config.redaction import hide_secrets
from mm_trio.liquidity.presets import read_preset
from mm_trio.liquidity.terms import Terms, TermsError, read_terms
from mm_trio.model.errors import ConfigError

__all__ = ["ChosenTerms", "choose_terms"]


@dataclass(frozen=True, slots=True)
class ChosenTerms:
    """Terms, and the preset that they are."""

    terms: Terms
    preset: str | None


def choose_terms(preset: str, path: Path | None) -> ChosenTerms:
    """Return the terms of a file, or of a preset where no file is given. Errors: ConfigError."""
    if path is None:
        return ChosenTerms(read_preset(preset), preset)
    source, document = hide_secrets(str(path)), read_toml(path)
    if isinstance(document, str):
        raise ConfigError(f"--clauses {source} {document}")
    try:
        return ChosenTerms(read_terms(document), None)
    except TermsError as error:
        problems = "".join(f"\n  {problem}" for problem in error.problems)
        raise ConfigError(f"--clauses {source}: {len(error.problems)} problems{problems}") from None

"""Signs and colours for terminals that have few of them."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["has_many_colours", "lacks_signs", "spell"]

# One of each sign that is drawn with, and an ASCII one of the same width.
_SIGNS = {"━": "=", "╸": "-", "╌": ".", "─": "-", "●": "*", "·": "|", "…": "~"}
_ASCII = str.maketrans(_SIGNS)
_ALL_SIGNS = "".join(_SIGNS)


def lacks_signs(encoding: str | None) -> bool:
    """Return whether an encoding lacks a sign that is drawn with."""
    try:
        _ALL_SIGNS.encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return True
    return False


def spell(text: str, encoding: str | None) -> str:
    """Replace signs that an encoding lacks by ASCII ones."""
    return text if text.isascii() or not lacks_signs(encoding) else text.translate(_ASCII)


def has_many_colours(environ: Mapping[str, str]) -> bool:
    """Return whether a terminal says that it has more than its eight or sixteen colours."""
    term = environ.get("TERM", "")
    return environ.get("COLORTERM") in ("truecolor", "24bit") or term.endswith(("-256color", "-direct", "kitty"))

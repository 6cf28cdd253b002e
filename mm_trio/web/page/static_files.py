"""Files of the page, read once: what is not among them cannot be asked for, whatever a path says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["StaticFile", "read_files"]

FOLDER = Path(__file__).resolve().parents[1] / "static"
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}


@dataclass(frozen=True, slots=True)
class StaticFile:
    """Content and its type."""

    content: bytes
    media_type: str


def read_files(folder: Path = FOLDER) -> Mapping[str, StaticFile]:
    """Read all files of the page, by their names. Blocks. Errors: OSError."""
    return {
        path.name: StaticFile(path.read_bytes(), _TYPES[path.suffix])
        for path in sorted(folder.iterdir())
        if path.suffix in _TYPES
    }

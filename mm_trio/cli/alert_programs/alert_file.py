"""The section [alerts] of a configuration alone.

Whoever tells that a maker failed must not need the rest of its file, which may be why it failed.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from mm_trio.account_config.loading import MOST_FILE_BYTES, MOST_LINE_BYTES
from mm_trio.config.redaction import hide_secrets
from mm_trio.config.settings import Alerts
from mm_trio.config.tables import Schema, Section, read_toml, summarise_problems
from mm_trio.model.errors import ConfigError

__all__ = ["load_alerts"]

_SCHEMA = Schema(sections={"alerts": Section.of("[alerts]", Alerts)})


def load_alerts(path: Path, *, environ: Mapping[str, str]) -> Alerts:
    """Load the section, and look at nothing else in the file. Errors: ConfigError with every problem."""
    with suppress(RuntimeError):
        path = path.expanduser()
    source = hide_secrets(str(path))
    found = _load(path, environ, source)
    if isinstance(found, str):
        raise ConfigError(found)
    return found


def _load(path: Path, environ: Mapping[str, str], source: str) -> Alerts | str:
    document = read_toml(path, most_bytes=MOST_FILE_BYTES, most_line_bytes=MOST_LINE_BYTES)
    if isinstance(document, str):
        return f"{source}: {document}"
    problems: list[str] = []
    ours = {name: table for name, table in document.items() if name == "alerts"}
    overrides = {name: text for name, text in environ.items() if name.upper().startswith("MM_TRIO__ALERTS__")}
    given = _SCHEMA.collect_file(ours, problems) | _SCHEMA.collect_overrides(overrides, problems)
    values = _SCHEMA.read_section("alerts", given, problems)
    if problems:
        return summarise_problems(source, problems)
    # Each value was read by the kind of its field, so it has the field's type.
    return Alerts(**values)  # type: ignore[arg-type]

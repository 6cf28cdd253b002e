"""Addresses of alert channels: from the configuration, the environment, a private file or a descriptor.

The environment wins over the file. No message here shows more of an address than its scheme and host.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from mm_trio.config.keys import Secret, read_secret_text
from mm_trio.config.redaction import HiddenUrl
from mm_trio.config.settings import Alerts
from mm_trio.config.values import Kind
from mm_trio.model.errors import ConfigError

__all__ = ["Addresses", "find_addresses"]

URLS_VARIABLE, HEARTBEAT_VARIABLE = "MM_TRIO_ALERT_URLS", "MM_TRIO_HEARTBEAT_URL"
# As every setting of the file may be given.
_OVERRIDES = {URLS_VARIABLE: "MM_TRIO__ALERTS__URLS", HEARTBEAT_VARIABLE: "MM_TRIO__ALERTS__HEARTBEAT_URL"}


@dataclass(frozen=True, slots=True)
class Addresses:
    """Channels that are told, and the address that is asked for while the maker ticks."""

    urls: tuple[HiddenUrl, ...] = ()
    heartbeat: HiddenUrl | None = None


def find_addresses(alerts: Alerts, secrets: Mapping[str, Secret]) -> Addresses:
    """Find the addresses to use. `secrets` are variables of the environment. Errors: ConfigError."""
    urls = _read(secrets, URLS_VARIABLE, "urls")
    heartbeat = _read(secrets, HEARTBEAT_VARIABLE, "heartbeat_url")
    return Addresses(
        urls if isinstance(urls, tuple) else alerts.urls,
        heartbeat if isinstance(heartbeat, HiddenUrl) else alerts.heartbeat_url,
    )


def _read(secrets: Mapping[str, Secret], variable: str, name: str) -> object | None:
    """Read what the environment gives for a setting; None where it gives nothing. Errors: ConfigError."""
    text, override = read_secret_text(secrets, variable), secrets.get(_OVERRIDES[variable])
    if override is not None and not override.reveal():
        override = None
    if text is not None and override is not None:
        raise ConfigError(f"{variable} and {_OVERRIDES[variable]} are set; keep one of them")
    source = text or override
    if source is None:
        return None
    kind: Kind = next(item.metadata["kind"] for item in fields(Alerts) if item.name == name)
    value = source.lend(lambda given: kind.read(_strip(given)))
    if value is None:
        raise ConfigError(
            f"{variable} (or its file, or descriptor) is not valid: it must be {kind.allowed}, as in [alerts] {name}; "
            "here without quotes, and blanks or line ends between several"
        )
    return value


def _strip(text: str) -> str:
    """Return the text without comments and blanks at its ends."""
    return "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#")).strip()

"""What can be seen of alert channels without sending anything."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from requests.utils import get_environ_proxies

from mm_trio.alerts.addresses import find_addresses
from mm_trio.alerts.apprise_channel import open_channels
from mm_trio.config.redaction import HiddenUrl
from mm_trio.model.errors import ConfigError

if TYPE_CHECKING:
    from mm_trio.config.keys import Secret
    from mm_trio.config.settings import Alerts

__all__ = ["NO_ALERTS", "AlertFacts", "look_at_alerts"]

CONNECT_WITHIN_S = 2.0
# Of schemes whose addresses name no port.
_PORTS = {"http": 80, "https": 443, "json": 80, "jsons": 443, "xml": 80, "xmls": 443, "form": 80, "forms": 443}


@dataclass(frozen=True, slots=True)
class AlertFacts:
    """Channels that are configured.

    `fault` says why a start would refuse them, None where it would not. `silent` are those whose host takes no
    connection, as far as the host is known. `is_exposed`: the addresses are in a file that others may read.
    """

    names: tuple[str, ...] = ()
    fault: str | None = None
    silent: tuple[str, ...] = ()
    is_exposed: bool = False


NO_ALERTS = AlertFacts()


def look_at_alerts(alerts: Alerts, secrets: Mapping[str, Secret], *, config: Path) -> AlertFacts:
    """Look whether the channels are known, and whether their hosts take a connection. Blocks; nothing is sent."""
    try:
        addresses = find_addresses(alerts, secrets)
        open_channels(addresses.urls)
    except ConfigError as error:
        return AlertFacts(fault=str(error))
    beat = () if addresses.heartbeat is None else (f"heartbeat:{addresses.heartbeat}",)
    names = (*(f"{number}:{url}" for number, url in enumerate(addresses.urls, 1)), *beat)
    # The names are all that is needed from here on: they have host and port where these are no secret.
    return AlertFacts(
        names=names,
        silent=tuple(name for name in names if _is_silent(name.partition(":")[2])),
        is_exposed=_is_exposed(alerts, config),
    )


def _is_silent(shown: str) -> bool:
    """Check whether a host takes no connection; one that is not known, or behind a proxy, is not asked."""
    scheme, _, place = shown.partition("://")
    host, _, port = place.rpartition(":") if place.rpartition(":")[2].isdigit() else (place, "", "")
    number = int(port) if port else _PORTS.get(scheme)
    if "<" in place or number is None or set(get_environ_proxies(f"https://{place}")) - {"no"}:
        return False
    try:
        with closing(socket.create_connection((host.strip("[]"), number), timeout=CONNECT_WITHIN_S)):
            return False
    except (OSError, ValueError, OverflowError):
        return True


def _is_exposed(alerts: Alerts, config: Path) -> bool:
    """Check whether the file has addresses, and others may read it."""
    in_file: tuple[HiddenUrl, ...] = (*alerts.urls, *(() if alerts.heartbeat_url is None else (alerts.heartbeat_url,)))
    try:
        return bool(in_file) and bool(config.stat().st_mode & 0o077)
    except OSError:
        return False

"""Refusal of what pages of other sites send through a browser.

That only this machine reaches a loopback port does not make its callers trustworthy: every page in a browser here may
send requests to it, and the keys of a sandbox are known. A browser names the page's site in `Origin`, and the address
that it believes to ask in `Host`, which a page can have resolved to loopback. Other clients send no `Origin`, or one of
loopback.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from urllib.parse import urlsplit

__all__ = ["find_foreign_site", "is_loopback"]


def find_foreign_site(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """Say why a request comes through a page of another site.

    None if it does not. Names of headers are in small letters.
    """
    for name, value in headers:
        text = value.decode("latin-1").strip()
        if name == b"host" and not _is_ours(f"//{text}"):
            return "the sandbox is asked by the name of loopback only (127.0.0.1, [::1], localhost): change the Host"
        if name == b"origin" and not (text.lower().startswith(("http://", "https://")) and _is_ours(text)):
            return "the sandbox answers no page of another site: leave the header Origin out"
    return None


def is_loopback(host: str) -> bool:
    """Check whether a host is an address of loopback, or its name."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_ours(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return is_loopback(parts.hostname or "") and parts.username is None and (parts.port is None or parts.port > 0)
    except ValueError:
        return False

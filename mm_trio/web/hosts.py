"""Names by which the page may be asked, and refusal of what pages of other sites send.

That only this machine reaches a loopback port does not make its callers trustworthy: every page in a browser here may
send requests to it. A browser names the address that it believes to ask in `Host`, which a page can have resolved to
loopback, and the site that asks in `Origin` and `Sec-Fetch-Site`. Scrapers and probes send neither of the last two.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["LOOPBACK_NAMES", "Hosts"]

LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")
HTTP_PORT = 80
# What a browser says of a request that no other site made: our own page, or the operator with the address bar.
_OWN_FETCHES = frozenset({"same-origin", "none"})


@dataclass(frozen=True, slots=True)
class Hosts:
    """Values of `Host` that are ours, in small letters, and the sites whose pages are ours."""

    hosts: frozenset[str]
    sites: frozenset[str]

    @classmethod
    def of(cls, *, port: int, names: Iterable[str] = ()) -> Hosts:
        """Make the names of a server on a port: those of loopback, and `names`.

        A name without a port means that of the server. A name of the operator may stand for a proxy with TLS, so its
        pages may come by https.
        """
        hosts, sites = set[str](), set[str]()
        for name in LOOPBACK_NAMES:
            for host in _list_forms(name, port):
                hosts.add(host)
                sites.add(f"http://{host}")
        for name in names:
            for host in (name.lower(),) if has_port(name) else _list_forms(name.lower(), port):
                hosts.add(host)
                sites |= {f"http://{host}", f"https://{host}"}
        return cls(frozenset(hosts), frozenset(sites))

    def find_fault(self, headers: Iterable[tuple[bytes, bytes]], *, path_is_entrance: bool = False) -> str | None:
        """Say why a request is not answered; None where it is.

        Names of headers are in small letters. A link to the entrance may be on a page of any site, because only a
        token opens it.
        """
        given = [(name, value.decode("latin-1").strip().lower()) for name, value in headers]
        hosts = [value for name, value in given if name == b"host"]
        if len(hosts) != 1 or hosts[0] not in self.hosts:
            return "this page is asked by its own address only: use the link that mm-trio printed"
        origins = [value for name, value in given if name == b"origin"]
        if any(origin not in self.sites for origin in origins):
            return "this page answers no page of another site"
        fetches = {value for name, value in given if name == b"sec-fetch-site"}
        if not path_is_entrance and not fetches <= _OWN_FETCHES:
            return "this page answers no page of another site: open it by its address"
        return None


def has_port(name: str) -> bool:
    """Check if a name ends with a port; the colons of `[::1]` are none."""
    return ":" in name.rpartition("]")[2]


def _list_forms(name: str, port: int) -> tuple[str, ...]:
    """List how a browser writes a name with a port: it leaves out the one of HTTP."""
    return (name, f"{name}:{port}") if port == HTTP_PORT else (f"{name}:{port}",)

"""Link that opens the page, in a file of mode 0600 in the state folder.

An operator who comes back the next day finds there the one that works now. The printed one is the first of them.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from pathlib import Path
from typing import Never

import trio

from mm_trio.guard.private_file import FileUnread, read_private, write_private
from mm_trio.web.access import ENTRANCE, Access

__all__ = ["LINK_NAME", "LinkKeeper", "make_link", "read_link"]

_log = logging.getLogger(__name__)

LINK_NAME = "page-link"
MOST_BYTES = 1024
# A disk that hangs costs the operator a new link, and nobody anything else.
WRITE_WITHIN_S = 5.0
REMOVE_WITHIN_S = 1.0


def make_link(url: str, token: str) -> str:
    """Return the link that a token makes of the page's address."""
    return f"{url}{ENTRANCE}?token={token}"


def read_link(folder: Path) -> str | None:
    """Read the link that works now; None where there is none. Blocks. Errors: OSError, FileUnread."""
    data = read_private(folder / LINK_NAME, most=MOST_BYTES)
    if data is None:
        return None
    link = data.decode("ascii", "replace").strip()
    if not (link.startswith("http") and ENTRANCE in link and link.isprintable()):
        raise FileUnread(f"{LINK_NAME} does not hold a link")
    return link


class LinkKeeper:
    """Keeps the file as the access changes. `url` is the page's address as browsers ask for it."""

    def __init__(self, access: Access, *, url: str) -> None:
        self._access = access
        self._url = url
        self._changed = trio.Event()
        # Of its own, so that a disk that hangs takes no thread from those that quote.
        self._limiter = trio.CapacityLimiter(1)

    def on_new_token(self, _token: str) -> None:
        """Have the file written anew, soon."""
        self._changed.set()

    async def keep_forever(self, folder: Path) -> Never:
        """Write the link, and again each time one was used up. At the end the file is removed."""
        path = folder / LINK_NAME
        try:
            while True:
                self._changed = trio.Event()
                await self._write(path)
                await self._changed.wait()
        finally:
            with trio.move_on_after(REMOVE_WITHIN_S, shield=True), suppress(OSError):
                await trio.to_thread.run_sync(path.unlink, abandon_on_cancel=True)

    async def _write(self, path: Path) -> None:
        data = f"{make_link(self._url, self._access.token)}\n".encode()
        try:
            with trio.fail_after(WRITE_WITHIN_S):
                await trio.to_thread.run_sync(write_private, path, data, abandon_on_cancel=True, limiter=self._limiter)
        except (OSError, trio.TooSlowError) as error:
            _log.warning(
                "page link not written: file=%s error=%s; the printed link works once, and there is none after it",
                path,
                str(error) or type(error).__name__,
            )

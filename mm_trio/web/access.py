"""Access to the page: a link that works once, and the cookie that it sets.

What is compared and kept are digests, so neither a link nor a cookie can be read from a running maker's memory by
accident. Nothing of it outlives the maker.
"""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Callable
from hashlib import sha256

__all__ = ["ENTRANCE", "Access"]

ENTRANCE = "/enter"
TOKEN_BYTES = 32
# A desk, a laptop and a phone, several times each. The oldest is shut out by one more.
MOST_COOKIES = 32


class Access:
    """Who may see the page.

    `token` is that of the one link that works now.
    """

    def __init__(self) -> None:
        self._token = secrets.token_urlsafe(TOKEN_BYTES)
        self._listeners: list[Callable[[str], None]] = []
        self._known: deque[bytes] = deque(maxlen=MOST_COOKIES)

    def __repr__(self) -> str:
        return f"<Access of {len(self._known)} cookies>"

    @property
    def token(self) -> str:
        """Token of the link that works now."""
        return self._token

    def on_new_token(self, listener: Callable[[str], None]) -> None:
        """Have a listener told of each token that follows: it has to be kept, or the page cannot be entered again."""
        self._listeners.append(listener)

    def enter(self, token: str) -> str | None:
        """Use a link up, and return the value of a cookie; None for any other token."""
        if not secrets.compare_digest(token.encode("utf-8", "replace"), self._token.encode()):
            return None
        self._token = secrets.token_urlsafe(TOKEN_BYTES)
        value = secrets.token_urlsafe(TOKEN_BYTES)
        self._known.append(_digest(value))
        for listener in self._listeners:
            listener(self._token)
        return value

    def knows(self, value: str) -> bool:
        """Check if a cookie was set by a link, and may still be used."""
        digest = _digest(value)
        return any(secrets.compare_digest(digest, known) for known in self._known)


def _digest(value: str) -> bytes:
    return sha256(value.encode("utf-8", "replace")).digest()

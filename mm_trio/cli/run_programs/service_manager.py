"""Words to the service manager that started this process, as sd_notify(3) has them.

They are hints: a socket that is missing, full or gone costs nothing and holds up nobody.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

__all__ = ["STARTING_WORDS", "ServiceManager"]

# How often it hears of a service without a watchdog.
SPEAK_EVERY_S = 10.0
# A start that goes on is not given up; one that does not say so any more for so long is.
STARTING_WORDS = ("EXTEND_TIMEOUT_USEC=60000000",)
# A status is a line; more is cut off, and a datagram of it always fits.
MOST_CHARS = 500


@dataclass(frozen=True, slots=True)
class ServiceManager:
    """Service manager of this process. `address` None: nobody listens. `watchdog_s` None: it keeps no watchdog."""

    address: str | None = None
    watchdog_s: float | None = None

    @classmethod
    def of_environ(cls, environ: Mapping[str, str]) -> Self:
        """Find who started this process, by variables of its environment; wrong ones count as none."""
        address = environ.get("NOTIFY_SOCKET", "")
        if not (address.startswith(("/", "@")) and len(address) > 1 and hasattr(socket, "AF_UNIX")):
            return cls()
        # `@` stands for the zero byte of an abstract socket.
        found = "\0" + address[1:] if address[0] == "@" else address
        usec = environ.get("WATCHDOG_USEC", "")
        is_ours = environ.get("WATCHDOG_PID") in (None, str(os.getpid()))
        return cls(found, int(usec) / 1e6 if is_ours and usec.isdecimal() and int(usec) > 0 else None)

    @property
    def speak_every_s(self) -> float:
        """Return the pause between two words: half of the watchdog's patience, or less."""
        return SPEAK_EVERY_S if self.watchdog_s is None else min(SPEAK_EVERY_S, self.watchdog_s / 2)

    def tell(self, *words: str) -> None:
        """Tell it something now, each word as NAME=VALUE; never wait."""
        if self.address is None:
            return
        lines = "\n".join(" ".join(word.split())[:MOST_CHARS] for word in words)
        # A path with a zero byte is a ValueError, a text that no encoding has a UnicodeError.
        with suppress(OSError, ValueError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as door:
            door.setblocking(False)
            door.sendto(lines.encode(), self.address)

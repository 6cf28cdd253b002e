"""Channel that Apprise sends by, on a thread of its own.

Of a failure only its kind is told, in our own words: what Apprise says of it may have a token in it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mm_trio.alerts.library_logs import keeping_library_logs
from mm_trio.alerts.message import Message, Severity
from mm_trio.concurrency.thread_pools import ThreadPool
from mm_trio.config.redaction import HiddenUrl
from mm_trio.model.errors import ConfigError

if TYPE_CHECKING:
    from apprise import NotifyBase

__all__ = ["EXTRA_MISSING", "AppriseChannel", "find_reason", "open_channels"]

EXTRA_MISSING = (
    "[alerts] urls need the extra `alerts`, which is not installed: pip install 'mm-trio[alerts]'; or remove the urls"
)
# Of one connection, and of one read of its answer. The sender bounds the whole of it.
SOCKET_WITHIN_S = 2.0
_KINDS = {
    Severity.CRITICAL: "failure",
    Severity.WARNING: "warning",
    Severity.INFO: "info",
    Severity.CLEARED: "success",
}
# What its log says of a failure, and what we say: words of ours alone, because the log may have a token anywhere.
_REASONS = (
    (r"error=(\d{3})\b", "the service answered HTTP {}"),
    (r"ConnectTimeout|connect timeout|timed out.*connect", "no connection within {} s".format(f"{SOCKET_WITHIN_S:g}")),
    (r"[Rr]ead timed out|ReadTimeout", "no answer within {} s".format(f"{SOCKET_WITHIN_S:g}")),
    (r"NameResolutionError|Name or service not known|name resolution", "the host's name is not known"),
    (r"Connection refused", "the connection was refused"),
    (r"CERTIFICATE_VERIFY_FAILED|SSLError", "the certificate or the encryption is not accepted"),
    (r"[Cc]onnection error|Socket Exception", "the connection failed"),
)


def find_reason(lines: Sequence[str]) -> str:
    """Say in words of ours why a message was not taken, by what Apprise logged."""
    text = "\n".join(lines)
    for pattern, words in _REASONS:
        if match := re.search(pattern, text):
            return words.format(*match.groups())
    return "the service did not take it"


class AppriseChannel:
    """Channel to one address.

    `name` may be shown. At most one thread works for it: one that hangs holds up this channel alone.
    """

    def __init__(self, name: str, service: NotifyBase) -> None:
        self.name = name
        self._service = service
        self._thread = ThreadPool(f"alerts by {name}", 1)

    def __repr__(self) -> str:
        return f"<AppriseChannel {self.name}>"

    async def deliver(self, message: Message) -> str | None:
        """Send a message, and return why it was not taken; None where it was.

        Bounded by whoever calls. Errors: NoFreeThread while an earlier message hangs.
        """
        fault: str | None = await self._thread(self._send, message, abandon_on_cancel=True)
        return fault

    def _send(self, message: Message) -> str | None:
        # It was imported when the channel was made.
        from apprise import NotifyFormat, NotifyType

        with keeping_library_logs() as lines:
            try:
                # The service itself, because Apprise would call it on threads that the end of a program waits for.
                is_taken = self._service.notify(
                    title=message.title,
                    body=message.text,
                    notify_type=NotifyType(_KINDS[message.severity]),
                    body_format=NotifyFormat.TEXT,
                )
            except Exception as error:  # noqa: BLE001 - of 190 services, and what they raise may hold a token
                return f"the service failed with {type(error).__name__}"
            return None if is_taken else find_reason(lines)


def open_channels(urls: Sequence[HiddenUrl]) -> tuple[AppriseChannel, ...]:
    """Make a channel of each address.

    Takes a second, for Apprise reads all its services: to be called before a maker ticks. Errors: ConfigError for an
    address that no service has, and where Apprise is not installed.
    """
    if not urls:
        return ()
    try:
        with keeping_library_logs():
            import apprise
    except ImportError:
        raise ConfigError(EXTRA_MISSING) from None
    channels = []
    for number, url in enumerate(urls, 1):
        # In a log, two channels of one service are told apart by their numbers.
        name = f"{number}:{url}"
        with keeping_library_logs():
            service = _make_service(apprise, url)
        if service is None:
            raise ConfigError(
                f"[alerts] urls, number {number} ({url}): not a valid address of a service that Apprise knows; see its "
                "list of services, and write it like json://HOST:PORT or mailto://USER:PASSWORD@HOST"
            )
        channels.append(AppriseChannel(name, service))
    return tuple(channels)


def _make_service(library: Any, url: HiddenUrl) -> NotifyBase | None:
    """Make the service of one address; None for an address that Apprise does not know."""
    asset = library.AppriseAsset(app_id="mm-trio", app_desc="mm-trio")
    service: NotifyBase | None = library.Apprise.instantiate(url.reveal(), asset=asset, suppress_exceptions=True)
    if service is not None:
        service.socket_connect_timeout = service.socket_read_timeout = SOCKET_WITHIN_S
    return service

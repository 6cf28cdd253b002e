"""HTTP session for one address of the venue, and what its failures mean."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Mapping
from json import JSONEncoder
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3
import websocket
from hyperliquid.utils.error import ClientError, ServerError
from hyperliquid.utils.error import Error as SdkError
from requests.adapters import HTTPAdapter

from mm_trio.model.errors import Busy, Unreachable
from mm_trio.venue.bounded_response import HttpAnswer, bound_connections, read_answer

__all__ = [
    "ANSWER_WITHIN_S",
    "IDLE_AT_MOST_S",
    "LOOPBACK_HOSTS",
    "VENUE_FAILURES",
    "JsonSession",
    "check_status",
    "describe_failure",
    "encode_json",
    "is_loopback",
    "make_read_error",
    "may_be_sent_again",
]

# A call of the SDK may raise these because of the network or the venue: the network's (errors of `requests` are
# OSErrors), the SDK's own two, and what it trips over when an HTTP 4xx carries JSON that it does not expect.
VENUE_FAILURES = (OSError, SdkError, KeyError, AttributeError, ValueError, websocket.WebSocketException)

LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "::1")
HTTP_TOO_MANY = 429
# Bounds a whole answer, from the connecting to its last byte, whose default is to wait for ever. After it the thread
# that asked ends by itself.
ANSWER_WITHIN_S = 5.0
# Enough to recognise a page, of an error that may have eight MiB.
_MOST_ERROR_CHARS = 500
# The venue, or a machine on the way, forgets a connection that was idle for minutes, and the next request breaks.
IDLE_AT_MOST_S = 60.0

# One encoder is made once: `json.dumps` makes one for each call.
encode_json = JSONEncoder(separators=(",", ":")).encode


def describe_failure(error: BaseException) -> str:
    """Describe one of `VENUE_FAILURES` in one short line.

    That is the HTTP status or the operating system's own words, where there are any.
    """
    status = getattr(error, "status_code", None)
    if isinstance(error, SdkError) and status is not None:
        return f"HTTP {status}"
    # The system's words stand deep inside the texts of the HTTP library's connection pools.
    reason = re.search(r"\[Errno -?\d+\] [^'\")\]]+", str(error))
    return f"{type(error).__name__}: {reason[0] if reason else str(error)[:200]}"


def make_read_error(what: object, error: BaseException) -> Unreachable:
    """Turn one of `VENUE_FAILURES` into the error of a question."""
    is_busy = getattr(error, "status_code", None) == HTTP_TOO_MANY
    return (Busy if is_busy else Unreachable)(f"{what}: {describe_failure(error)}")


def may_be_sent_again(error: BaseException) -> bool:
    """Check whether a failure leaves open that the request arrived.

    A broken connection and a 5xx do. A 4xx does not: the venue read the request and refused it, or we ask too often.
    """
    return isinstance(error, OSError | ServerError)


def is_loopback(base_url: str) -> bool:
    """Check whether an address is on this machine."""
    return urlsplit(base_url).hostname in LOOPBACK_HOSTS


class JsonSession(requests.Session):
    """Session that posts to `url` alone.

    The library works out the same request anew for each post; this session does so once. A connection that was
    idle for long is not used again. No redirection is followed: what is signed is signed for one address.
    `direct`: ignore the proxies of the environment.
    """

    def __init__(self, url: str, headers: Mapping[str, str], *, direct: bool) -> None:
        super().__init__()
        self.headers.update(headers)
        # A few bytes that are compressed can be gigabytes.
        self.headers["Accept-Encoding"] = "identity"
        self.trust_env = not direct
        self._adapter: Any = HTTPAdapter()
        self._request = self.prepare_request(requests.Request("POST", url))
        # These are the proxies and certificates of the environment.
        self._options: Any = self.merge_environment_settings(url, {}, None, None, None)
        self._target = self._adapter.request_url(self._request, self._options["proxies"])
        # Questions may be asked from several threads at once.
        self._lock = threading.Lock()
        self._used_s = time.monotonic()
        self._pool: Any = None

    def post(self, url: Any, data: Any = None, json: Any = None, *, timeout: Any = None, **_options: Any) -> Any:
        """Send `json`, or the bytes `data`, and return the whole answer.

        `timeout`: seconds for all of it. Errors: OSError where no whole answer came or it is refused as too long or
        compressed; the SDK's for a status of 400 or above; RuntimeError for another address.
        """
        # Not an assertion, because what is signed may not leave for elsewhere when Python runs without assertions.
        if url != self._request.url:
            raise RuntimeError(f"this session posts to {self._request.url} alone, not to {url}")
        body = data if json is None else encode_json(json).encode()
        within_s = float(timeout or ANSWER_WITHIN_S)
        try:
            answer = self._exchange(body, within_s)
        # The standard library trips over some lengths of chunks.
        except (urllib3.exceptions.HTTPError, ValueError) as error:
            if _is_late(error):
                raise requests.Timeout(f"no whole answer in {within_s:g} s") from error
            raise requests.ConnectionError(error) from error
        check_status(answer)
        return answer

    def _exchange(self, body: bytes, within_s: float) -> HttpAnswer:
        response = self._take_pool().urlopen(
            "POST",
            self._target,
            body=body,
            headers={**self._request.headers, "Content-Length": str(len(body))},
            timeout=urllib3.Timeout(total=within_s),
            retries=False,
            redirect=False,
            preload_content=False,
            decode_content=False,
        )
        return read_answer(response)

    def send(self, request: Any, **_options: Any) -> Any:
        """Refuse every other method, which the library would send anywhere."""
        raise RuntimeError(
            f"this session only posts to {self._request.url}, it sends no {request.method} {request.url}"
        )

    def _take_pool(self) -> Any:
        with self._lock:
            idle_s, self._used_s = time.monotonic() - self._used_s, time.monotonic()
            if self._pool is None or idle_s > IDLE_AT_MOST_S:
                self._adapter.poolmanager.clear()
                self._pool = self._find_pool()
            return self._pool

    def _find_pool(self) -> Any:
        verify, proxies, cert = (self._options[name] for name in ("verify", "proxies", "cert"))
        pool = self._adapter.get_connection_with_tls_context(self._request, verify, proxies=proxies, cert=cert)
        self._adapter.cert_verify(pool, self._request.url, verify, cert)
        bound_connections(pool)
        return pool


def _is_late(error: Exception) -> bool:
    # The library counts an address that refuses among those that do not answer in time.
    is_refused = isinstance(error, urllib3.exceptions.NewConnectionError)
    return isinstance(error, urllib3.exceptions.TimeoutError) and not is_refused


def check_status(answer: HttpAnswer) -> None:
    """Refuse an answer that is an error.

    The SDK would parse its body, which may be anything.
    """
    status = answer.status_code
    if status >= 500:
        raise ServerError(status, answer.text[:_MOST_ERROR_CHARS])
    if status >= 400:
        raise ClientError(status, None, answer.text[:_MOST_ERROR_CHARS], answer.headers)

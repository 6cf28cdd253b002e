"""An address of the venue that JSON is posted to, again and again, over kept connections."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from json import JSONEncoder
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter

__all__ = ["IDLE_AT_MOST_S", "JsonSession", "encode_json"]

# The venue, or somebody on the way, forgets a connection that was idle for minutes, and the next request breaks.
IDLE_AT_MOST_S = 60.0

encode_json = JSONEncoder(separators=(",", ":")).encode  # made once: `json.dumps` makes one each time


class JsonSession(requests.Session):
    """A session that posts to `url` alone: the library works out the same request anew for each post, this does once.

    A connection that was idle for long is not used again. It follows no redirection: what is signed is signed for
    one address. `direct`: no proxy of the environment.
    """

    def __init__(self, url: str, headers: Mapping[str, str], *, direct: bool) -> None:
        super().__init__()
        self.headers.update(headers)
        self.trust_env = not direct
        self._adapter: Any = HTTPAdapter()
        self._request = self.prepare_request(requests.Request("POST", url))
        self._options: Any = self.merge_environment_settings(url, {}, None, None, None)  # proxies, certificates
        self._target = self._adapter.request_url(self._request, self._options["proxies"])
        self._turn = threading.Lock()  # questions may be asked from several threads at once
        self._used_s = time.monotonic()
        self._pool: Any = None  # of connections

    def post(self, url: Any, data: Any = None, json: Any = None, *, timeout: Any = None, **_options: Any) -> Any:
        """Send `json`, or the bytes `data`; gives the response, its body unread. Errors: OSError, as any session."""
        assert url == self._request.url, url
        body = data if json is None else encode_json(json).encode()
        try:
            answer = self._take_pool().urlopen(
                "POST",
                self._target,
                body=body,
                headers={**self._request.headers, "Content-Length": str(len(body))},
                timeout=timeout,
                retries=False,
                redirect=False,
                preload_content=False,
                decode_content=False,
            )
        except urllib3.exceptions.HTTPError as error:
            raise requests.ConnectionError(error) from error
        return self._adapter.build_response(self._request, answer)

    def _take_pool(self) -> Any:
        with self._turn:
            idle_s, self._used_s = time.monotonic() - self._used_s, time.monotonic()
            if self._pool is None or idle_s > IDLE_AT_MOST_S:
                self._adapter.poolmanager.clear()
                self._pool = self._find_pool()
            return self._pool

    def _find_pool(self) -> Any:
        verify, proxies, cert = (self._options[name] for name in ("verify", "proxies", "cert"))
        pool = self._adapter.get_connection_with_tls_context(self._request, verify, proxies=proxies, cert=cert)
        self._adapter.cert_verify(pool, self._request.url, verify, cert)
        return pool

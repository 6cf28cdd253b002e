"""HTTP session: connections are reused while young enough, without proxies or redirects."""

from __future__ import annotations

import subprocess
import sys
from io import BytesIO
from typing import Any

import pytest
import urllib3

from mm_trio.venue.http_session import IDLE_AT_MOST_S, VENUE_FAILURES, JsonSession, may_be_sent_again

URL = "http://127.0.0.1:1/exchange"


class FakePool:
    """In place of urllib3's: notes the requests; each raises `trouble` while it is set."""

    def __init__(self, trouble: Exception | None = None) -> None:
        self.asked: list[dict[str, Any]] = []
        self._trouble = trouble

    def urlopen(self, method: str, target: str, **options: Any) -> Any:
        self.asked.append({"method": method, "target": target, **options})
        if self._trouble is not None:
            raise self._trouble
        return urllib3.HTTPResponse(BytesIO(b"{}"), status=200, preload_content=False)


@pytest.fixture
def pools(monkeypatch: pytest.MonkeyPatch) -> list[FakePool]:
    """Every pool of connections that a door asked the library for."""
    found: list[FakePool] = []

    def find_pool(*_args: Any, **_options: Any) -> FakePool:
        found.append(FakePool())
        return found[-1]

    monkeypatch.setattr("requests.adapters.HTTPAdapter.get_connection_with_tls_context", find_pool)
    monkeypatch.setattr("mm_trio.venue.http_session.bound_connections", lambda pool: None)
    return found


def open_door() -> JsonSession:
    return JsonSession(URL, {"Content-Type": "application/json"}, direct=True)


def test_a_connection_that_was_idle_for_long_is_not_used_again(
    monkeypatch: pytest.MonkeyPatch, pools: list[FakePool]
) -> None:
    """Somebody on the way may have forgotten it: the request would break, and nobody could say what came of it."""
    now_s, cleared = [1000.0], list[float]()
    monkeypatch.setattr("mm_trio.venue.http_session.time.monotonic", lambda: now_s[0])
    monkeypatch.setattr("urllib3.PoolManager.clear", lambda self: cleared.append(now_s[0]))
    door = open_door()

    for idle_s in (1.0, IDLE_AT_MOST_S, IDLE_AT_MOST_S + 1, 1.0):
        now_s[0] += idle_s
        door.post(URL, data=b"{}", timeout=5)

    assert [len(pool.asked) for pool in pools] == [2, 2]
    assert cleared[-1] == 1000 + 1 + IDLE_AT_MOST_S + IDLE_AT_MOST_S + 1  # the old ones are closed then


def test_a_post_follows_nobody_and_is_tried_once(pools: list[FakePool]) -> None:
    open_door().post(URL, data=b"{}", timeout=5)

    (asked,) = pools[0].asked
    assert (asked["method"], asked["target"], asked["body"]) == ("POST", "/exchange", b"{}")
    assert (asked["redirect"], asked["retries"], asked["timeout"].total) == (False, False, 5)
    assert asked["headers"]["Content-Length"] == "2"
    assert asked["headers"]["Content-Type"] == "application/json"


def test_what_the_sdk_gives_as_json_goes_out_as_json(pools: list[FakePool]) -> None:
    open_door().post(URL, json={"type": "spotMeta"}, timeout=None)

    assert pools[0].asked[0]["body"] == b'{"type":"spotMeta"}'
    assert pools[0].asked[0]["headers"]["Content-Length"] == "19"


@pytest.mark.parametrize(
    "trouble",
    [
        urllib3.exceptions.ProtocolError("Connection aborted.", ConnectionResetError(104, "Connection reset by peer")),
        urllib3.exceptions.ReadTimeoutError(None, "/exchange", "Read timed out."),  # type: ignore[arg-type]
        ConnectionResetError(104, "Connection reset by peer"),
    ],
    ids=lambda trouble: type(trouble).__name__,
)
def test_what_breaks_on_the_way_is_a_failure_of_the_venue_that_may_be_tried_again(
    monkeypatch: pytest.MonkeyPatch, trouble: Exception
) -> None:
    door = open_door()
    monkeypatch.setattr(door, "_find_pool", lambda: FakePool(trouble))

    with pytest.raises(VENUE_FAILURES) as caught:
        door.post(URL, data=b"{}")
    assert may_be_sent_again(caught.value)


@pytest.mark.parametrize("url", ["http://127.0.0.1:2/exchange", "https://evil.example/exchange", URL + "?x", ""])
def test_r13_nothing_is_posted_to_another_address(url: str, pools: list[FakePool]) -> None:
    with pytest.raises(RuntimeError, match=f"posts to {URL} alone"):
        open_door().post(url, data=b"{}", timeout=5)

    assert pools == []


@pytest.mark.parametrize("method", ["get", "put", "delete"])
def test_r13_no_other_method_leaves_the_session(method: str, pools: list[FakePool]) -> None:
    with pytest.raises(RuntimeError, match="only posts to"):
        getattr(open_door(), method)("https://evil.example/")

    assert pools == []


WITHOUT_ASSERTIONS = """
from mm_trio.venue.http_session import JsonSession
try:
    JsonSession("http://127.0.0.1:1/a", {}, direct=True).post("http://127.0.0.1:1/b", data=b"{}", timeout=5)
except RuntimeError:
    print("refused", __debug__)
"""


def test_r13_the_address_is_checked_without_assertions_too() -> None:
    ended = subprocess.run([sys.executable, "-O", "-c", WITHOUT_ASSERTIONS], capture_output=True, text=True, check=True)

    assert ended.stdout == "refused False\n"

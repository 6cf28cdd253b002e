"""Which requests come through a page of another site."""

from __future__ import annotations

import pytest

from mm_trio.sandbox.server.browser_guard import find_foreign_site

HOSTS = ("127.0.0.1:3001", "127.0.0.1", "localhost:3001", "LOCALHOST", "[::1]:3001", "[::1]", "127.9.9.9:1")
FOREIGN = (
    *("evil.example", "evil.example:3001", "127.0.0.1.evil.example", "10.0.0.1", "localhost.evil.example", ""),
    *("127.0.0.1@evil.example", "a@127.0.0.1", "[::1", "127.0.0.1:x", "0.0.0.0", "\xff", "127.0.0.1 evil"),
)


@pytest.mark.parametrize("host", HOSTS)
def test_a_client_without_an_origin_is_answered(host: str) -> None:
    assert find_foreign_site([(b"host", host.encode())]) is None


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_page_of_loopback_is_answered(host: str, scheme: str) -> None:
    assert find_foreign_site([(b"host", b"127.0.0.1:3001"), (b"origin", f"{scheme}://{host}".encode())]) is None


@pytest.mark.parametrize(
    "origin",
    ["null", "file://", "chrome-extension://abc", "ws://127.0.0.1", "", *(f"http://{host}" for host in FOREIGN)],
)
def test_r11_a_page_of_another_site_is_found(origin: str) -> None:
    found = find_foreign_site([(b"host", b"127.0.0.1:3001"), (b"origin", origin.encode("latin-1"))])

    assert "no page of another site" in str(found)


def test_r11_one_foreign_origin_of_two_is_enough() -> None:
    assert find_foreign_site([(b"origin", b"http://localhost"), (b"origin", b"http://evil.example")]) is not None


@pytest.mark.parametrize("host", FOREIGN)
def test_r11_a_name_that_was_made_to_mean_loopback_is_found(host: str) -> None:
    assert "change the Host" in str(find_foreign_site([(b"host", host.encode("latin-1"))]))

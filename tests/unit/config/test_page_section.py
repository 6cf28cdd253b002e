"""Section [page] of the configuration."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from mm_trio.account_config.loading import parse_account_settings
from mm_trio.account_config.toml_text import write_toml
from mm_trio.cli.run_programs.serve_page import find_page
from mm_trio.config.loading import parse_settings
from mm_trio.config.settings import Page, Settings
from mm_trio.model.errors import ConfigError

ACCOUNT = "0x0123456789abcdef0123456789abcdef01234567"
STRATEGY = {"start_px": "20", "n_orders": 40, "order_sz": "5"}
DOCUMENT: dict[str, Any] = {"market": {"coin": "@107", "account": ACCOUNT}, "strategy": STRATEGY}
SEVERAL: dict[str, Any] = {
    "account": {"account": ACCOUNT},
    "market": [{"coin": "@107", "strategy": STRATEGY, "allocation": {"token": "5", "usdc": "100"}}],
}


def parse(page: dict[str, object], environ: dict[str, str] | None = None) -> Settings:
    return parse_settings({**DOCUMENT, "page": page}, environ=environ or {}, source="maker.toml")


def test_there_is_no_page_unless_it_is_asked_for() -> None:
    settings = parse_settings(DOCUMENT, environ={}, source="maker.toml")

    assert settings.page == Page(port=0, host="127.0.0.1", allow_remote=False, name=None)
    assert find_page(settings.page, None) is None


@pytest.mark.parametrize(
    "given, page",
    [
        ({"port": 8090}, Page(port=8090)),
        ({"port": 8090, "host": "::1"}, Page(port=8090, host="::1")),
        ({"port": 8090, "host": "[::1]"}, Page(port=8090, host="::1")),
        ({"port": 8090, "host": "localhost"}, Page(port=8090)),
        ({"port": 8090, "name": "Proxy.example:443"}, Page(port=8090, name="proxy.example:443")),
        (
            {"port": 8090, "host": "192.168.1.5", "allow_remote": True},
            Page(port=8090, host="192.168.1.5", allow_remote=True),
        ),
        (
            {"port": 8090, "host": "0.0.0.0", "allow_remote": True, "name": "maker"},
            Page(port=8090, host="0.0.0.0", allow_remote=True, name="maker"),
        ),
    ],
)
def test_the_section_is_read(given: dict[str, object], page: Page) -> None:
    several = parse_account_settings({**SEVERAL, "page": given}, environ={}, source="maker.toml")

    assert parse(given).page == page
    assert several.page == page
    assert {grid.page for grid in several.grids} == {page}


def test_a_variable_wins() -> None:
    assert parse({"port": 8090}, {"MM_TRIO__PAGE__PORT": "9000"}).page.port == 9000


@pytest.mark.parametrize(
    "wrong",
    [
        *({"port": port} for port in (-1, 65536, 1.5, "http")),
        *({"host": host} for host in ("maker.lan", "", "127.0.0.1:80", "http://127.0.0.1")),
        *({"name": name} for name in ("", "http://maker", "maker.lan:", "maker:99999999", "a b", "-x")),
        {"allow_remote": "maybe"},
    ],
)
def test_a_wrong_value_is_named_with_its_remedy(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=rf"\[page\] {next(iter(wrong))}.*must be"):
        parse(wrong)


@pytest.mark.parametrize("document", [DOCUMENT, SEVERAL])
@pytest.mark.parametrize(
    "page, told",
    [
        ({"host": "0.0.0.0"}, "allow_remote = true"),
        ({"host": "192.168.1.5", "name": "maker"}, "other machines would reach the page"),
        ({"host": "::", "allow_remote": True}, "set name"),
    ],
)
def test_other_machines_are_let_in_only_by_name(document: dict[str, Any], page: dict[str, object], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        parse_account_settings({**document, "page": page}, environ={}, source="maker.toml")


@pytest.mark.parametrize("document", [DOCUMENT, SEVERAL])
def test_it_is_written_as_it_was_read(document: dict[str, Any]) -> None:
    page = {"port": 8090, "name": "maker"}
    settings = parse_account_settings({**document, "page": page}, environ={}, source="maker.toml")

    assert parse_account_settings(tomllib.loads(write_toml(settings)), environ={}, source="again") == settings


def test_a_port_that_is_asked_for_wins_and_0_is_a_free_one() -> None:
    page = Page(port=8090, host="::1", name="maker")

    assert find_page(page, None) == page
    assert find_page(page, 0) == Page(port=0, host="::1", name="maker")
    assert find_page(Page(), 9000) == Page(port=9000)

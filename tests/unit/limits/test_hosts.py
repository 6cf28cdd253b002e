"""The hosts of real money: in code alone, and never taken from a file or the environment."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from mm_trio.config.settings import MarketSettings
from mm_trio.limits.hosts import VENUE_URLS

PACKAGE = Path(__file__).resolve().parents[3] / "mm_trio"
HOME = PACKAGE / "limits" / "hosts.py"
MAINNET = "api.hyperliquid.xyz"


def walk() -> Iterator[tuple[Path, ast.AST]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_bytes(), str(path))):
            yield path, node


def test_they_are_the_venues_own() -> None:
    assert {"testnet": "https://api.hyperliquid-testnet.xyz", "mainnet": f"https://{MAINNET}"} == VENUE_URLS


def test_the_host_of_mainnet_stands_in_one_module() -> None:
    places = {
        path
        for path, node in walk()
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and MAINNET in node.value
    }

    assert places == {HOME}


def test_no_module_takes_the_host_from_the_sdk() -> None:
    names = [node.name for _, node in walk() if isinstance(node, ast.alias)]

    assert "MAINNET_API_URL" not in names


def test_no_module_changes_the_hosts_and_they_are_written_out() -> None:
    """Whatever is done to the table is done by name: it is only ever read, by `[…]`, `.get`, `.values` or `in`."""
    made: list[ast.AST] = []
    changed: list[str] = []
    for path, node in walk():
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "VENUE_URLS":
            assert path == HOME
            made.append(node.value)
        targets: list[ast.expr] = node.targets if isinstance(node, ast.Assign | ast.Delete) else []
        if isinstance(node, ast.AugAssign | ast.AnnAssign):
            targets = [node.target]
        changed += [f"{path}: {ast.unparse(node)}" for each in targets if "VENUE_URLS[" in ast.unparse(each)]
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "VENUE_URLS":
            assert node.attr in ("get", "values"), path

    (table,) = made
    assert isinstance(table, ast.Dict)
    assert ast.literal_eval(table) == VENUE_URLS
    assert changed == []


@pytest.mark.parametrize("api_url", [None, "http://127.0.0.1:3001", "https://example.invalid"])
def test_an_address_of_the_configuration_does_not_reach_mainnet(api_url: str | None) -> None:
    market = MarketSettings(coin="@107", network="mainnet", account="0x" + "a1" * 20, api_url=api_url)

    assert market.base_url == VENUE_URLS["mainnet"]

"""The state folder of a maker is found without the venue, and never another pair's."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Never

import pytest

from mm_trio.cli.halt_programs import maker_place
from mm_trio.cli.halt_programs.maker_place import find_place
from mm_trio.config.loading import parse_settings
from mm_trio.config.settings import Settings
from mm_trio.model.errors import Unreachable

ACCOUNT = "0x" + "a1" * 20


@pytest.fixture(autouse=True)
def _no_venue(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(_base_url: str) -> Never:
        raise Unreachable("no route")

    monkeypatch.setattr(maker_place, "ask_for_pairs", fail)


def make_settings(coin: str, network: str) -> Settings:
    document: dict[str, Any] = {
        "market": {"coin": coin, "network": network, "account": ACCOUNT},
        "strategy": {"start_px": "20", "n_orders": 40, "order_sz": "5"},
    }
    return parse_settings(document, environ={}, source="a test")


def make_folder(tmp_path: Path, network: str, name: str) -> Path:
    folder = tmp_path / "mm_trio" / network / ACCOUNT / name
    folder.mkdir(parents=True)
    return folder


@pytest.mark.parametrize(("coin", "name"), [("@107", "@107"), ("PURR/USDC", "PURR-USDC")])
@pytest.mark.parametrize(
    ("network", "place"), [("testnet", "testnet"), ("mainnet", "mainnet"), ("sandbox", "sandbox/0123456789abcdef")]
)
async def test_the_folder_of_that_name_is_taken(tmp_path: Path, coin: str, name: str, network: str, place: str) -> None:
    folder = make_folder(tmp_path, place, name)
    make_folder(tmp_path, place, "@142")

    found = await find_place(make_settings(coin, network), environ={"XDG_STATE_HOME": str(tmp_path)})

    assert (found.coin, found.network, found.folder) == (coin, place, folder)


@pytest.mark.parametrize("network", ["testnet", "mainnet", "sandbox/0123456789abcdef"])
async def test_the_folder_of_another_pair_is_never_taken(tmp_path: Path, network: str) -> None:
    """It is the only one, and HYPE/USDC may be any number."""
    make_folder(tmp_path, network, "@142")

    with pytest.raises(Unreachable):
        await find_place(make_settings("HYPE/USDC", network.split("/")[0]), environ={"XDG_STATE_HOME": str(tmp_path)})


async def test_of_two_sandboxes_none_is_chosen_where_no_maker_runs(tmp_path: Path) -> None:
    for n in range(2):
        make_folder(tmp_path, f"sandbox/{n}" + "0" * 15, "@107")

    with pytest.raises(Unreachable):
        await find_place(make_settings("@107", "sandbox"), environ={"XDG_STATE_HOME": str(tmp_path)})

"""The state folder of a maker is found without the venue, and never another pair's."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Never

import pytest
import trio

from mm_trio.cli.halt_programs import maker_place
from mm_trio.cli.halt_programs.maker_place import find_place
from mm_trio.cli.halt_programs.pause_maker import pause_maker
from mm_trio.cli.halt_programs.resume_maker import resume_maker
from mm_trio.config.loading import parse_settings
from mm_trio.config.settings import Settings
from mm_trio.model.errors import LocalError, Unreachable
from mm_trio.model.market import Pair, SpotMeta, Token

ACCOUNT = "0x" + "a1" * 20
PAIRS = SpotMeta((Token(0, "USDC", 8), Token(150, "HYPE", 2)), (Pair("@107", 107, 150, 0),))


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


# --- A disk that hangs ----------------------------------------------------------------------------------


@contextmanager
def hanging(monkeypatch: pytest.MonkeyPatch, owner: object, name: str) -> Iterator[None]:
    """Let one function of the disk hang until the test is over."""
    is_over = threading.Event()
    real: Callable[..., object] = getattr(owner, name)

    def hang(*args: object, **more: object) -> object:
        is_over.wait()
        return real(*args, **more)

    for timeout in ("DISK_WITHIN_S", "TOUCHED_WITHIN_S", "ANSWERED_WITHIN_S"):
        monkeypatch.setattr(maker_place, timeout, 0.2)
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, hang)
        try:
            yield
        finally:
            is_over.set()


async def test_where_the_disk_hangs_the_venue_names_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def tell(_base_url: str) -> SpotMeta:
        return PAIRS

    monkeypatch.setattr(maker_place, "ask_for_pairs", tell)
    folder = make_folder(tmp_path, "testnet", "@107")
    with trio.fail_after(5), hanging(monkeypatch, Path, "is_dir"):
        found = await find_place(make_settings("@107", "testnet"), environ={"XDG_STATE_HOME": str(tmp_path)})

    assert (found.coin, found.folder, found.pairs) == ("@107", folder, PAIRS)


async def test_a_sandbox_on_a_disk_that_hangs_is_not_guessed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_folder(tmp_path, "sandbox/0123456789abcdef", "@107")
    with trio.fail_after(5), hanging(monkeypatch, Path, "glob"), pytest.raises(Unreachable):
        await find_place(make_settings("@107", "sandbox"), environ={"XDG_STATE_HOME": str(tmp_path)})


async def test_a_pause_that_cannot_be_written_ends_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_folder(tmp_path, "testnet", "@107")
    settings = make_settings("@107", "testnet")
    with (
        trio.fail_after(5),
        hanging(monkeypatch, Path, "replace"),
        pytest.raises(LocalError, match="no answer of the disk"),
    ):
        await pause_maker(
            settings, environ={"XDG_STATE_HOME": str(tmp_path)}, reason="a test", stop_scope=trio.CancelScope()
        )


@pytest.mark.parametrize("name", ["open", "exists"])
async def test_a_resumption_on_a_disk_that_hangs_ends_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    make_folder(tmp_path, "testnet", "@107")
    settings = make_settings("@107", "testnet")
    with trio.fail_after(5), hanging(monkeypatch, Path, name), pytest.raises(LocalError, match="no answer of the disk"):
        await resume_maker(
            settings, environ={"XDG_STATE_HOME": str(tmp_path)}, only_show=False, stop_scope=trio.CancelScope()
        )

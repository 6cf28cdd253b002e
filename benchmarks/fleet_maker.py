"""Several grids of one account in one process, as a program; `fleet.py` measures it.

Each line on stdin is answered by one line on stdout: what every grid's ledger has, and what it waits for.
"""

from __future__ import annotations

import importlib
import inspect
import json
import logging
import os
import sys
from functools import partial
from pathlib import Path
from typing import Any

import trio

from mm_trio.config.settings import MarketSettings
from mm_trio.engine.ws_state import WsState
from mm_trio.halts.standing_file import StandingFile
from mm_trio.journal.sqlite_journal import Journal
from mm_trio.model.settings import MakerSettings
from mm_trio.recorder.recorder import Recorder
from mm_trio.venue.sdk import fetch_spot_meta, make_exchange, make_info, make_wallet

__all__: list[str] = []


def make_settings(**given: Any) -> MakerSettings:
    """Settings of one grid; what is not given is as in `WsState`."""
    parameters = inspect.signature(WsState.__init__).parameters
    return MakerSettings(**{name: given.get(name, parameters[name].default) for name in MakerSettings.names()})


def make_folder(parent: Path, name: str) -> Path:
    """A state folder below another one, private as the maker wants it."""
    folder = parent / name
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


async def run_fleet(asked: dict[str, Any]) -> None:
    """Quote every coin until the process is told to stop."""
    # Looked up late and by name: a version without it has no fleet to measure.
    account_maker: Any = importlib.import_module("mm_trio.engine.account_maker")
    url, account, grid, coins = asked["url"], asked["account"], asked["grid"], asked["coins"]
    state = make_folder(Path(asked["folder"]), "state")
    meta = fetch_spot_meta(url)
    settings = MarketSettings(coin=coins[0], api_url=url, account=account)

    def make_terms(coin: str) -> Any:
        folder = make_folder(state, coin)
        return account_maker.GridTerms(
            settings=make_settings(coin=coin, **grid),
            standing=StandingFile(folder),
            recorder=Recorder(folder, coin=coin) if asked["record"] else None,
        )

    maker = account_maker.AccountMaker(
        [make_terms(coin) for coin in coins],
        info=make_info(url, meta),
        exchange=make_exchange(settings, make_wallet(os.environ["MM_TRIO_PRIVATE_KEY"]), meta, coins=coins),
        address=account,
        journal=Journal.open(make_folder(state, "account")),
        standing=StandingFile(make_folder(state, "account")),
        network="sandbox",
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(answer_forever, maker)
        await maker.run()


async def answer_forever(maker: Any) -> None:
    """Tell of all grids whenever a line comes in."""
    while await trio.to_thread.run_sync(partial(os.read, 0, 100), abandon_on_cancel=True):
        print(json.dumps({coin: describe(face) for coin, face in maker.faces.items()}), flush=True)
    # Whoever asked is gone.
    await trio.sleep_forever()


def describe(face: Any) -> dict[str, Any]:
    """What a grid's ledger has, and how it is."""
    return {
        "token": str(face.inventory.account_token),
        "usdc": str(face.inventory.account_usdc),
        "fills": face.stats.fills,
        "errors": face.stats.errors,
        "failure": None if face.failure is None else str(face.failure),
    }


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    trio.run(run_fleet, json.loads(sys.argv[1]))

"""Several grids of one account in one process, as a program; `fleet.py` measures it."""

from __future__ import annotations

import importlib
import inspect
import json
import os
import sys
from pathlib import Path
from typing import Any

import trio

from mm_trio.config.settings import MarketSettings
from mm_trio.engine.ws_state import WsState
from mm_trio.journal.sqlite_journal import Journal
from mm_trio.model.settings import MakerSettings
from mm_trio.venue.sdk import fetch_spot_meta, make_exchange, make_info, make_wallet

__all__: list[str] = []


def make_settings(**given: Any) -> MakerSettings:
    """Settings of one grid; what is not given is as in `WsState`."""
    parameters = inspect.signature(WsState.__init__).parameters
    return MakerSettings(**{name: given.get(name, parameters[name].default) for name in MakerSettings.names()})


async def run_fleet(asked: dict[str, Any]) -> None:
    """Quote every coin until the process is told to stop."""
    # Looked up late and by name: a version without it has no fleet to measure.
    account_maker: Any = importlib.import_module("mm_trio.engine.account_maker")
    url, account, grid = asked["url"], asked["account"], asked["grid"]
    meta = fetch_spot_meta(url)
    settings = MarketSettings(coin=asked["coins"][0], api_url=url, account=account)
    maker = account_maker.AccountMaker(
        [account_maker.GridTerms(settings=make_settings(coin=coin, **grid)) for coin in asked["coins"]],
        info=make_info(url, meta),
        exchange=make_exchange(settings, make_wallet(os.environ["MM_TRIO_PRIVATE_KEY"]), meta, coins=asked["coins"]),
        address=account,
        journal=Journal.open(Path(asked["folder"])),
        network="sandbox",
    )
    await maker.run()


if __name__ == "__main__":
    trio.run(run_fleet, json.loads(sys.argv[1]))

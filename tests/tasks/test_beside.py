"""What runs beside a maker fails alone."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, cast

import pytest
import trio
from account_config_kit import ACCOUNT, one_market, parse_account, two_markets
from builders import World

from mm_trio import __version__
from mm_trio.cli.run_programs.beside import keep_beside, make_status_source
from mm_trio.cli.run_programs.maker_run import OpenMaker

OPENED = OpenMaker(maker=cast("Any", None), folder=Path("state"))


async def test_a_service_that_fails_is_told_and_costs_nothing(
    autojump_clock: trio.abc.Clock, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(_opened: OpenMaker, _stop_scope: trio.CancelScope) -> None:
        await trio.sleep(1)
        raise RuntimeError("broken")

    with caplog.at_level(logging.ERROR), trio.CancelScope() as stop_scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(keep_beside("page", fail), OPENED, stop_scope)
            await trio.sleep(2)

    assert not stop_scope.cancelled_caught
    assert caplog.messages == ["service ended: name=page error=RuntimeError('broken'); the maker goes on without it"]


async def test_a_service_ends_with_its_maker(autojump_clock: trio.abc.Clock) -> None:
    ended: list[str] = []

    async def serve(_opened: OpenMaker, _stop_scope: trio.CancelScope) -> None:
        try:
            await trio.sleep_forever()
        finally:
            ended.append("page")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(keep_beside("page", serve), OPENED, trio.CancelScope())
        await trio.sleep(1)
        nursery.cancel_scope.cancel()

    assert ended == ["page"]


async def test_a_status_source_knows_whose_maker_it_is(autojump_clock: trio.abc.Clock) -> None:
    opened = OpenMaker(maker=World().maker(), folder=Path("state"))
    account = parse_account(one_market())

    source = make_status_source(opened, account)
    await trio.sleep(7)

    identity = source.take().identity
    assert (identity.mode, identity.network, identity.version) == ("one", "sandbox", __version__)
    assert identity.account == ACCOUNT
    assert make_status_source(opened, parse_account(two_markets())).identity.mode == "several"
    assert source.take().uptime_s == 7.0

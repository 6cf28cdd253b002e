"""Requests of the in-process client, compared with the official SDK's.

They are equal to the letter for each method.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest
from hyperliquid.info import Info
from hyperliquid.utils.types import Cloid
from sdk_client_kit import OTHER, WALLET, World, order, place

from mm_trio.sandbox.inprocess.info import InProcessInfo, InProcessVenue

ARGUMENTS: dict[str, Any] = {
    "address": WALLET.address,
    "user": WALLET.address,
    "multi_sig_user": WALLET.address,
    "name": "HYPE/USDC",
    "interval": "1m",
    "startTime": 1,
    "start_time": 1,
    "oid": 5,
    "cloid": Cloid.from_int(5),
}
NO_QUESTIONS = {"disconnect_websocket", "set_perp_meta", "subscribe", "unsubscribe", "name_to_asset", "post"}
QUESTIONS = sorted(name for name in vars(Info) if not name.startswith("_") and name not in NO_QUESTIONS)


def arguments_of(method: str, *, all_of_them: bool) -> dict[str, Any]:
    """Return a method's required arguments, or all of them.

    Optional arguments get values of their own.
    """
    given: dict[str, Any] = {}
    for parameter in list(inspect.signature(getattr(Info, method)).parameters.values())[1:]:
        if parameter.default is inspect.Parameter.empty or parameter.name == "endTime":
            given[parameter.name] = ARGUMENTS.get(parameter.name, 2)
        elif all_of_them:
            given[parameter.name] = {"dex": "", "end_time": 2, "aggregate_by_time": True}[parameter.name]
    if not all_of_them and method != "candles_snapshot":
        given.pop("endTime", None)
    return given


def listen(
    monkeypatch: pytest.MonkeyPatch, owner: object, name: str, heard: list[Any], pick: Callable[[Any, Any], Any]
) -> None:
    """Record a method's arguments and call it."""
    method = getattr(owner, name)

    def call(*args: Any, **kwargs: Any) -> Any:
        heard.append(pick(args, kwargs))
        return method(*args, **kwargs)

    monkeypatch.setattr(owner, name, call)


@pytest.mark.parametrize("all_of_them", [False, True], ids=["required", "all"])
@pytest.mark.parametrize("method", QUESTIONS)
def test_it_asks_what_the_sdk_asks_and_hears_the_same(
    method: str, all_of_them: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World()
    world.act(place(order(), order("21", "1", is_buy=False)))
    world.act(place(order("20", "1", is_buy=False, tif="Ioc")), wallet=OTHER)
    asked: list[Any] = []
    listen(monkeypatch, world.gateway, "info", asked, lambda args, kwargs: args[0])
    given = arguments_of(method, all_of_them=all_of_them)

    ours = getattr(InProcessVenue(world.gateway).info(), method)(**given)
    (body,) = asked

    sent: list[Any] = []
    client = world.sdk_info()
    listen(monkeypatch, client.session, "post", sent, lambda args, kwargs: kwargs["json"])
    theirs = getattr(client, method)(**given)
    assert sent == [body]
    assert ours == theirs


@pytest.mark.parametrize("method", QUESTIONS)
def test_its_parameters_have_the_names_of_the_sdk(method: str) -> None:
    ours, theirs = (inspect.signature(getattr(kind, method)).parameters for kind in (InProcessInfo, Info))

    assert list(ours) == list(theirs)

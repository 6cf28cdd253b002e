"""Paths of the control socket, and what each of them answers."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from functools import cache, partial
from importlib.resources import files
from typing import Any

import trio

from mm_trio.control.http_link import Answer, BadRequest, Request
from mm_trio.control.operator import NotFollowed, Operator, Refused
from mm_trio.control.server import Routes, StreamLines
from mm_trio.control.watch_lines import Watched, choose_status
from mm_trio.halts.requests import MOST_CHARS
from mm_trio.halts.standing import Standing, State
from mm_trio.views.account_orders import take_fills, take_orders
from mm_trio.views.account_status import StatusSource
from mm_trio.views.json_values import to_json
from mm_trio.views.maker import UnknownMarket, find_faces

__all__ = ["make_routes", "read_api"]

WAY = "the control socket"
MOST_FILLS = 200
USUAL_EVERY_S, LEAST_EVERY_S, MOST_EVERY_S = 5, 1, 60


@cache
def read_api() -> dict[str, Any]:
    """Read the description of all paths, in the form of OpenAPI 3.1."""
    text = (files("mm_trio.control") / "openapi.json").read_text("utf-8")
    api: dict[str, Any] = json.loads(text)
    return api


def make_routes(source: StatusSource, watched: Watched) -> Routes:
    """Return the answers of one maker."""
    operator = Operator(source.maker, way=WAY)
    return {
        "/v1/status": {"GET": partial(_give_status, source)},
        "/v1/orders": {"GET": partial(_give_orders, source)},
        "/v1/fills": {"GET": partial(_give_fills, source)},
        "/v1/watch": {"GET": partial(_give_stream, source, watched)},
        "/v1/pause": {"POST": partial(_tighten, operator, operator.pause)},
        "/v1/cancel-only": {"POST": partial(_tighten, operator, operator.cancel_only)},
        "/v1/resume": {"POST": partial(_resume, operator)},
        "/v1/openapi.json": {"GET": _give_api},
    }


# --- Questions ----------------------------------------------------------------------------------


async def _give_status(source: StatusSource, request: Request) -> Answer:
    coin = _read_query(request, "coin").get("coin")
    _check_coin(source, coin)
    status = choose_status(source.take(), coin)
    # Ticks that are due go before it is written out, which takes as long as the look.
    await trio.lowlevel.checkpoint()
    return Answer(values=to_json(status))


async def _give_orders(source: StatusSource, request: Request) -> Answer:
    faces = _check_coin(source, _read_query(request, "coin").get("coin"))
    now_ms = source.wall_ms()
    grids = [to_json(take_orders(name, face, now_ms=now_ms)) for name, face in faces.items()]
    return Answer(values={"at_ms": now_ms, "grids": grids})


async def _give_fills(source: StatusSource, request: Request) -> Answer:
    query = _read_query(request, "coin", "since", "limit")
    faces = _check_coin(source, query.get("coin"))
    since_ms = _read_number(query, "since", 0, 10**15)
    limit = _read_number(query, "limit", 1, MOST_FILLS) or MOST_FILLS
    grids = [to_json(take_fills(name, face, since_ms=since_ms, limit=limit)) for name, face in faces.items()]
    return Answer(values={"at_ms": source.wall_ms(), "grids": grids})


async def _give_stream(source: StatusSource, watched: Watched, request: Request) -> StreamLines:
    query = _read_query(request, "coin", "every", "screen")
    _check_coin(source, query.get("coin"))
    every_s = _read_number(query, "every", LEAST_EVERY_S, MOST_EVERY_S)
    screen = query.get("screen", "false")
    if screen not in ("true", "false"):
        raise BadRequest(400, f"screen must be true or false, got {screen[:60]!r}")
    return partial(
        watched.write_lines,
        coin=query.get("coin"),
        for_screen=screen == "true",
        every_s=float(USUAL_EVERY_S if every_s is None else every_s),
    )


async def _give_api(request: Request) -> Answer:
    _read_query(request)
    return Answer(values=read_api())


# --- Requests of the operator ---------------------------------------------------------------------


async def _tighten(operator: Operator, ask: Callable[..., Awaitable[Standing]], request: Request) -> Answer:
    coin, body = _read_order(request, "reason")
    return await _answer(operator, coin, partial(ask, coin, reason=body.get("reason", "")))


async def _resume(operator: Operator, request: Request) -> Answer:
    """Say what a resumption does; do it where that is confirmed."""
    coin, body = _read_order(request, "reason", "confirm")
    return await _answer(
        operator,
        coin,
        partial(operator.resume, coin, reason=body.get("reason", "")) if body.get("confirm") else None,
        explain=operator.describe_resumption,
    )


async def _answer(
    operator: Operator,
    coin: str | None,
    ask: Callable[[], Awaitable[Standing]] | None,
    *,
    explain: Callable[[str | None], str] | None = None,
) -> Answer:
    """Answer with the standing before and after; `ask` None: nothing is asked for."""
    try:
        before = operator.read_standing(coin)
        values: dict[str, object] = {"before": to_json(before)}
        if explain is not None:
            values["plan"] = explain(coin)
        standing = before if ask is None else await ask()
    except UnknownMarket as error:
        raise BadRequest(404, str(error)) from error
    except Refused as error:
        raise BadRequest(409, str(error)) from error
    except NotFollowed as error:
        raise BadRequest(504, str(error)) from error
    if explain is not None:
        values["resumed"] = ask is not None and standing.state is State.ACTIVE
    return Answer(values={**values, "standing": to_json(standing)})


# --- What a request may have --------------------------------------------------------------------


def _read_query(request: Request, *names: str) -> Mapping[str, str]:
    unknown = sorted(set(request.query) - set(names))
    if unknown:
        known = f"it takes {', '.join(names)}" if names else "it takes none"
        raise BadRequest(400, f"{request.path} has no parameter {unknown[0][:60]!r}; {known}")
    return request.query


def _read_number(query: Mapping[str, str], name: str, least: int, most: int) -> int | None:
    text = query.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(most)) and least <= int(text) <= most):
        raise BadRequest(400, f"{name} must be a whole number from {least} to {most}, got {text[:60]!r}")
    return int(text)


def _check_coin(source: StatusSource, coin: str | None) -> Mapping[str, Any]:
    try:
        return find_faces(source.maker, coin)
    except UnknownMarket as error:
        raise BadRequest(404, str(error)) from error


def _read_order(request: Request, *names: str) -> tuple[str | None, Mapping[str, Any]]:
    """Read the market and the body of a request of the operator. Errors: BadRequest."""
    coin = _read_query(request, "coin").get("coin")
    try:
        body = json.loads(request.body or b"{}")
    except (ValueError, RecursionError) as error:
        raise BadRequest(400, f"the body is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise BadRequest(400, "the body must be an object, such as {}")
    unknown = sorted(set(body) - set(names))
    if unknown:
        raise BadRequest(400, f"the body has an unknown field {unknown[0][:60]!r}; it takes {', '.join(names)}")
    reason, confirm = body.get("reason", ""), body.get("confirm", False)
    if not isinstance(reason, str) or len(reason) > MOST_CHARS or not reason.isprintable():
        raise BadRequest(400, f"reason must be one line of at most {MOST_CHARS} characters")
    if not isinstance(confirm, bool):
        raise BadRequest(400, f"confirm must be true or false, got {str(confirm)[:60]!r}")
    return coin, body

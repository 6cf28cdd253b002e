"""Write the description of the control socket: `python tools/make_openapi.py`.

Paths are described here; the shapes of answers are read off the frozen values that the answers are made of. A test
checks that the file in the package is what this writes.
"""

from __future__ import annotations

import json
import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from mm_trio.control.routes import LEAST_EVERY_S, MOST_EVERY_S, MOST_FILLS, USUAL_EVERY_S
from mm_trio.control.watch_lines import WatchLine
from mm_trio.halts.requests import MOST_CHARS
from mm_trio.halts.standing import Standing
from mm_trio.views.account_orders import GridFills, GridOrders
from mm_trio.views.account_status import AccountStatus
from mm_trio.views.values import BudgetView

PATH = Path(__file__).resolve().parents[1] / "mm_trio" / "control" / "openapi.json"
AMOUNT = {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?$"}
PLAIN: Mapping[Any, dict[str, Any]] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    Decimal: AMOUNT,
}
# Numbers without a bound are a word in JSON.
UNBOUNDED = {(BudgetView, "hours_left")}

# --- Shapes, read off values ------------------------------------------------------------------


class Shapes:
    """Schemas of dataclasses, each under its name."""

    def __init__(self) -> None:
        self.found: dict[str, Any] = {}

    def describe(self, kind: Any) -> dict[str, Any]:
        """Describe values of a kind."""
        origin, inner = get_origin(kind), get_args(kind)
        if origin in (Union, types.UnionType):
            (other,) = (each for each in inner if each is not type(None))
            return {"anyOf": [self.describe(other), {"type": "null"}]}
        if origin is Literal:
            return {"type": "string", "enum": list(inner)}
        if origin is tuple:
            return {"type": "array", "items": self.describe(inner[0])}
        if is_dataclass(kind):
            return self._describe_object(kind)
        if isinstance(kind, type) and issubclass(kind, Enum):
            return {"type": "string", "enum": [each.value for each in kind]}
        return dict(PLAIN[kind])

    def _describe_object(self, kind: Any) -> dict[str, Any]:
        name = kind.__name__
        if name not in self.found:
            # Named before its fields, which may name it.
            self.found[name] = {}
            hints = get_type_hints(kind)
            properties = {item.name: self.describe(hints[item.name]) for item in fields(kind)}
            for name_of_field in properties:
                if (kind, name_of_field) in UNBOUNDED:
                    properties[name_of_field]["anyOf"].append({"const": "inf"})
            self.found[name] = {
                "type": "object",
                "description": " ".join((kind.__doc__ or "").split()),
                "required": list(properties),
                "additionalProperties": False,
                "properties": properties,
            }
        return refer(name)


def refer(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def make_object(properties: Mapping[str, Any], *, optional: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        "type": "object",
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
        "properties": dict(properties),
    }


# --- Paths ----------------------------------------------------------------------------------------

COIN = {
    "name": "coin",
    "in": "query",
    "description": "one market, by its name in the configuration, the venue's name of the coin, or the pair; without "
    "it all of them, or the whole account",
    "schema": {"type": "string"},
}
ERRORS = {
    "400": "a parameter or the body is not valid",
    "404": "no such market",
    "409": "the maker cannot follow this now, such as the resumption of one that halted",
    "503": "too many connections or streams",
    "504": "no answer in time; a resumption was withdrawn then, anything stricter is followed later",
}


def make_answer(schema: Mapping[str, Any], what: str, *, kind: str = "application/json") -> dict[str, Any]:
    return {"description": what, "content": {kind: {"schema": dict(schema)}}}


def make_answers(schema: Mapping[str, Any], what: str, *errors: str, kind: str = "application/json") -> dict[str, Any]:
    return {"200": make_answer(schema, what, kind=kind)} | {
        status: make_answer(refer("Error"), ERRORS[status]) for status in errors
    }


def make_number(name: str, least: int, most: int, what: str, usual: int | None = None) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "integer", "minimum": least, "maximum": most}
    return {"name": name, "in": "query", "description": what, "schema": schema | ({"default": usual} if usual else {})}


def make_order(what: str, *, confirm: bool) -> dict[str, Any]:
    """Describe a request of the operator."""
    body: dict[str, Any] = {"reason": {"type": "string", "maxLength": MOST_CHARS}}
    answer: dict[str, Any] = {"before": refer("Standing"), "standing": refer("Standing")}
    if confirm:
        body["confirm"] = {"type": "boolean", "default": False}
        answer = {"before": refer("Standing"), "plan": {"type": "string"}} | {
            "standing": refer("Standing"),
            "resumed": {"type": "boolean"},
        }
    return {
        "summary": what,
        "parameters": [COIN],
        "requestBody": {
            "required": False,
            "content": {"application/json": {"schema": make_object(body, optional=tuple(body))}},
        },
        "responses": make_answers(make_object(answer), "the standing before and after", "400", "404", "409", "504"),
    }


def make_api() -> dict[str, Any]:
    """Return the whole description."""
    shapes = Shapes()
    status, orders, fills = (shapes.describe(kind) for kind in (AccountStatus, GridOrders, GridFills))
    line = shapes.describe(WatchLine)
    shapes.describe(Standing)
    shapes.found["Error"] = make_object({"error": {"type": "string"}, "status": {"type": "integer"}})
    several = {"at_ms": {"type": "integer"}}
    paths = {
        "/v1/status": {
            "get": {
                "summary": "Status of the account and its markets",
                "parameters": [COIN],
                "responses": make_answers(status, "the status", "400", "404", "503"),
            }
        },
        "/v1/orders": {
            "get": {
                "summary": "Orders that may rest, and what is withheld",
                "parameters": [COIN],
                "responses": make_answers(
                    make_object(several | {"grids": {"type": "array", "items": orders}}),
                    "the orders of each market",
                    "400",
                    "404",
                    "503",
                ),
            }
        },
        "/v1/fills": {
            "get": {
                "summary": "Last fills of this session; all of them are in the ledger (`mm-trio fills`)",
                "parameters": [
                    COIN,
                    make_number(
                        "since", 0, 10**15, "those of this millisecond of the epoch or later, by the venue's time"
                    ),
                    make_number("limit", 1, MOST_FILLS, "at most so many of each market, the last ones", MOST_FILLS),
                ],
                "responses": make_answers(
                    make_object(several | {"grids": {"type": "array", "items": fills}}),
                    "the fills of each market, oldest first",
                    "400",
                    "404",
                    "503",
                ),
            }
        },
        "/v1/watch": {
            "get": {
                "summary": "Stream of JSON lines: the status whenever it changes, at most four a second",
                "parameters": [
                    COIN,
                    make_number(
                        "every", LEAST_EVERY_S, MOST_EVERY_S, "a line at least every so many seconds", USUAL_EVERY_S
                    ),
                    {
                        "name": "screen",
                        "in": "query",
                        "description": "also what a screen shows of the market, four times a second",
                        "schema": {"type": "string", "enum": ["true", "false"], "default": "false"},
                    },
                ],
                "responses": make_answers(
                    line,
                    "one such object a line, until the client leaves",
                    "400",
                    "404",
                    "503",
                    kind="application/x-ndjson",
                ),
            }
        },
        "/v1/pause": {"post": make_order("Place nothing new; what rests stays", confirm=False)},
        "/v1/cancel-only": {"post": make_order("Cancel what rests, and place nothing new", confirm=False)},
        "/v1/resume": {
            "post": make_order(
                "Place orders again; without `confirm` it says what that does, and changes nothing", confirm=True
            )
        },
        "/v1/openapi.json": {
            "get": {
                "summary": "This description",
                "responses": make_answers({"type": "object"}, "the description"),
            }
        },
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "mm_trio control socket",
            "version": "1",
            "summary": "Ask and tell a running maker, over the Unix socket control.sock in its state folder",
            "description": "Amounts are strings of plain digits. Fields may be added; a client ignores those that it "
            "does not know.",
        },
        "servers": [{"url": "http://localhost"}],
        "paths": paths,
        "components": {"schemas": dict(sorted(shapes.found.items()))},
    }


def encode_api() -> str:
    return json.dumps(make_api(), indent=1) + "\n"


if __name__ == "__main__":
    PATH.write_text(encode_api())

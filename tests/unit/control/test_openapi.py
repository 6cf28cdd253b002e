"""The description of the control socket is valid, whole, and the one that is shipped."""

from __future__ import annotations

import importlib.util
import json
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

from builders import World
from control_kit import make_source
from openapi_spec_validator import OpenAPIV31SpecValidator
from trio.testing import MockClock

from mm_trio.control.routes import make_routes, read_api
from mm_trio.control.watch_lines import Watched

ROOT = Path(__file__).resolve().parents[3]


def load_tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_openapi", ROOT / "tools" / "make_openapi.py")
    assert spec is not None
    assert spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    return tool


def test_the_description_is_valid_openapi() -> None:
    assert list(OpenAPIV31SpecValidator(read_api()).iter_errors()) == []


def test_the_shipped_description_is_what_the_values_are() -> None:
    """A field that is new in a value is missing in the file until `python tools/make_openapi.py` is run."""
    tool = load_tool()

    assert tool.encode_api() == tool.PATH.read_text()
    assert read_api() == json.loads(tool.PATH.read_text())


async def test_every_route_is_described_and_nothing_else(autojump_clock: MockClock) -> None:
    source = make_source(World().maker())
    routes = make_routes(source, Watched(source))

    described = {path: sorted(each) for path, each in read_api()["paths"].items()}
    assert {path: sorted(method.lower() for method in methods) for path, methods in routes.items()} == described


def test_every_schema_that_is_named_is_there_and_used() -> None:
    text = json.dumps(read_api())
    schemas = read_api()["components"]["schemas"]
    named = {part.partition('"')[0] for part in text.split("#/components/schemas/")[1:]}

    assert named == set(schemas)
    assert all(is_whole(schema) for schema in schemas.values())


def is_whole(schema: dict[str, Any]) -> bool:
    return schema["type"] == "object" and set(schema["required"]) == set(schema["properties"])


def test_the_description_is_in_the_wheel() -> None:
    """The build takes every file of the package."""
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]

    assert build == {"packages": ["mm_trio"]}

"""What a person meets at a bare prompt: the public names, and objects that say what they are."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from builders import World
from trio.testing import MockClock

import mm_trio
from mm_trio import BatchEmitter, Inventory, OrderState, PricingGrid, RateLimitBudget, WsState

ROOT = Path(__file__).resolve().parents[1]


def test_dir_shows_the_public_names_before_their_first_use() -> None:
    code = "import mm_trio; print(*(set(mm_trio.__all__) - set(dir(mm_trio))))"

    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)

    assert ended.stdout == "\n"
    assert set(mm_trio.__all__) <= set(dir(mm_trio))


@pytest.mark.parametrize(
    "value, shown",
    [
        (PricingGrid("20", 100, sz_decimals=2), "<PricingGrid 100 levels from 20 to 26.847, tick_size=0.003>"),
        (Inventory(5, 250, None, 300, 900), "<Inventory token=250 usdc=900, account token=300 usdc=900>"),
        (OrderState(), "<OrderState 0 open, 0 in flight, 0 in doubt>"),
        (RateLimitBudget(), "<RateLimitBudget 10000 left, 0 sent, 0 traded>"),
    ],
)
def test_a_value_says_what_it_is(value: object, shown: str) -> None:
    assert repr(value) == shown


async def test_a_maker_says_what_it_does(autojump_clock: MockClock) -> None:
    world = World()
    maker = world.maker()

    before = repr(maker)
    async with world.running(maker):
        while_it_runs = repr(maker)

    assert before == "<WsState @107: not started, 0 orders open>"
    assert re.fullmatch(r"<WsState @107: quoting, [1-9]\d* orders open>", while_it_runs)


def test_no_public_class_shows_an_address_of_memory() -> None:
    """The default of Python says nothing of the object."""
    classes = (BatchEmitter, Inventory, OrderState, PricingGrid, RateLimitBudget, WsState)

    assert [each.__name__ for each in classes if each.__repr__ is object.__repr__] == []


def test_the_readme_names_what_keeps_the_next_python_out() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pins = [pin for pin in project["dependencies"] if pin.startswith("coincurve")]

    assert project["requires-python"] == ">=3.11,<3.14"
    assert pins == ["coincurve>=21,<22"]
    assert "(3.14 waits for one dependency: coincurve" in (ROOT / "README.md").read_text()

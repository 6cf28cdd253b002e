"""The section [guard]: what is allowed, what holds without it, and what is meant by a mistake."""

from __future__ import annotations

import pytest

from mm_trio.config.loading import parse_settings
from mm_trio.config.settings import Guard, Settings
from mm_trio.model.errors import ConfigError

DOCUMENT = {
    "market": {"coin": "@107", "account": "0x" + "a1" * 20},
    "strategy": {"start_px": "20", "n_orders": 10, "order_sz": "5"},
}


def read(**guard: object) -> Settings:
    return parse_settings({**DOCUMENT, "guard": guard}, environ={}, source="maker.toml")


def test_without_the_section_the_guard_waits_and_the_venue_cancels_nothing() -> None:
    assert parse_settings(DOCUMENT, environ={}, source="maker.toml").guard == Guard(dead_man="off", guard_after_s=15.0)


def test_both_settings_are_read() -> None:
    assert read(dead_man="venue", guard_after_s=2).guard == Guard(dead_man="venue", guard_after_s=2.0)


def test_a_variable_wins() -> None:
    environ = {"MM_TRIO__GUARD__GUARD_AFTER_S": "30"}

    assert parse_settings(DOCUMENT, environ=environ, source="maker.toml").guard.guard_after_s == 30.0


@pytest.mark.parametrize(
    "guard", [{"guard_after_s": 1.9}, {"guard_after_s": 601}, {"dead_man": "on"}, {"dead_man": True}]
)
def test_a_value_out_of_bounds_is_refused(guard: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="must be"):
        read(**guard)


def test_a_name_that_is_nearly_right_is_named() -> None:
    with pytest.raises(ConfigError, match="did you mean guard_after_s"):
        read(guard_after=15)

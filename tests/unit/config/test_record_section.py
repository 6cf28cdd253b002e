"""Section [record] of the configuration."""

from __future__ import annotations

from typing import Any

import pytest

from mm_trio.config.loading import parse_settings
from mm_trio.config.settings import Record, Settings
from mm_trio.model.errors import ConfigError

DOCUMENT: dict[str, Any] = {
    "market": {"coin": "@107", "account": "0x0123456789abcdef0123456789abcdef01234567"},
    "strategy": {"start_px": "20", "n_orders": 40, "order_sz": "5"},
}


def parse(**record: object) -> Settings:
    return parse_settings({**DOCUMENT, "record": record}, environ={}, source="maker.toml")


def test_a_maker_records_unless_it_is_told_otherwise() -> None:
    settings = parse_settings(DOCUMENT, environ={}, source="maker.toml")

    assert settings.record == Record(enabled=True, keep_days=90, max_mb=2000)


def test_the_section_is_read() -> None:
    assert parse(enabled=False, keep_days=7, max_mb=100).record == Record(enabled=False, keep_days=7, max_mb=100)


@pytest.mark.parametrize("wrong", [{"keep_days": 0}, {"max_mb": 9}, {"enabled": "maybe"}, {"keep_days": 1.5}])
def test_a_wrong_value_is_named_with_its_remedy(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=rf"\[record\] {next(iter(wrong))}.*must be"):
        parse(**wrong)

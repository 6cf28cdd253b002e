"""Equal settings have equal digests, and a change of any setting is another one."""

from __future__ import annotations

from typing import Any

import pytest

from mm_trio.config.digest import digest_settings
from mm_trio.config.loading import parse_settings

DOCUMENT: dict[str, dict[str, Any]] = {
    "market": {"coin": "@107", "network": "mainnet", "account": "0x" + "a1" * 20, "base": "HYPE"},
    "strategy": {"start_px": "20", "n_orders": 40, "order_sz": "5"},
    "allocation": {"token": "100", "usdc": "2000"},
    "limits": {"max_order_notional": "131.09"},
}


def digest(**changed: Any) -> str:
    """Digest the document with changed values, each named `section__key`."""
    document = {section: dict(values) for section, values in DOCUMENT.items()}
    for name, value in changed.items():
        section, _, key = name.partition("__")
        document.setdefault(section, {})[key] = value
    return digest_settings(parse_settings(document, environ={}, source="the test"))


def test_how_a_number_was_written_does_not_matter() -> None:
    assert digest(strategy__start_px="20.000", limits__max_order_notional="131.0900") == digest()


@pytest.mark.parametrize(
    "changed",
    [
        {"market__coin": "@108"},
        {"market__account": "0x" + "b2" * 20},
        {"market__base": "PURR"},
        {"strategy__order_sz": "50"},
        {"strategy__active_levels": 3},
        {"allocation__token": "1000"},
        {"limits__max_order_notional": "1310.9"},
        {"limits__price_low": "20"},
        {"tuning__foreign_orders": "cancel"},
    ],
)
def test_any_other_value_is_another_digest(changed: dict[str, Any]) -> None:
    assert digest(**changed) != digest()


def test_a_value_of_the_environment_counts_like_one_of_the_file() -> None:
    environ = {"MM_TRIO__STRATEGY__ORDER_SZ": "50"}

    assert digest_settings(parse_settings(DOCUMENT, environ=environ, source="")) == digest(strategy__order_sz="50")

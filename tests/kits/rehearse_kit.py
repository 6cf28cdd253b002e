"""A small configuration and the facts of its pair, for the tests of rehearsals."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from plan_kit import make_facts

from mm_trio.cli.rehearse_programs.preparation import Rehearsal, RehearsalOptions, prepare
from mm_trio.cli.rehearse_programs.venue_facts import VenueFacts, parse_venue_facts
from mm_trio.config.loading import parse_settings
from mm_trio.config.settings import Settings

ACCOUNT = "0x" + "11" * 20
# 20 to 21.22: it opens in the middle.
STRATEGY = {"start_px": "20", "n_orders": 20, "order_sz": "2", "active_levels": 6, "target_px": "20.6"}
# What the target asks for.
TOKENS, QUOTE = Decimal(20), Decimal("405.412")


def make_settings(limits: dict[str, object] | None = None, **strategy: object) -> Settings:
    """Settings with these values of the strategy put over it; None leaves one out."""
    document: dict[str, object] = {
        "market": {"coin": "@107", "account": ACCOUNT},
        "strategy": {name: value for name, value in (STRATEGY | strategy).items() if value is not None},
    }
    if limits is not None:
        document["limits"] = limits
    return parse_settings(document, environ={}, source="this test")


def make_spot_state(token: str, usdc: str, *, held_token: str = "0.0", held_usdc: str = "0.0") -> dict[str, Any]:
    return {
        "balances": [
            {"coin": "HYPE", "token": 150, "hold": held_token, "total": token, "entryNtl": "0.0"},
            {"coin": "USDC", "token": 0, "hold": held_usdc, "total": usdc, "entryNtl": "0.0"},
        ]
    }


def make_venue_facts(bid: str | None = "20.59", ask: str | None = "20.61", **more: object) -> VenueFacts:
    return parse_venue_facts(make_facts(bid, ask, **more), make_settings().market)


def make_rehearsal(settings: Settings | None = None, facts: VenueFacts | None = None, **options: Any) -> Rehearsal:
    """A tenth of an hour of one path, on an account with the allocation, without faults."""
    given = RehearsalOptions(paths=("calm",), hours=0.1, is_funded=True, faults=())
    return prepare(settings or make_settings(), facts or make_venue_facts(), replace(given, **options))

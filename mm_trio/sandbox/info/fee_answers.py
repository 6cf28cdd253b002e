"""Answer to `userFees`: schedule, rates and volumes.

The spot rates are this exchange's own. The perp rates are the venue's base tier; they are not used here.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from mm_trio.sandbox.info.rows import Json, number
from mm_trio.sandbox.matching.exchange import Exchange
from mm_trio.sandbox.matching.fees import DAY_MS, TIER_DAYS, TIERS

__all__ = ["user_fees"]

# Rates of (taker, maker), by the tiers of spot. Source: docs *Fees*.
_PERP_TIERS = (
    ("0.0004", "0.00012"),
    ("0.00035", "0.00008"),
    ("0.0003", "0.00004"),
    ("0.00028", "0.0"),
    ("0.00026", "0.0"),
    ("0.00024", "0.0"),
)
# Rebates by share of all maker volume.
_REBATES = (("0.005", "-0.00001"), ("0.015", "-0.00002"), ("0.03", "-0.00003"))
_STAKING_DISCOUNTS = (
    ("0.0", "0.0"),
    ("0.0001", "0.05"),
    ("0.001", "0.1"),
    ("0.01", "0.15"),
    ("0.1", "0.2"),
    ("1.0", "0.3"),
    ("5.0", "0.4"),
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def user_fees(exchange: Exchange, user: str, *, now_ms: int) -> Json:
    """Return the schedule, and an address's rates and volumes.

    The volumes are those of today and the fourteen days before.
    Source: docs *Fees*, *Info endpoint*; the order and number of the days are as captured.
    """
    rates = exchange.fee_rates(user)
    return {
        "dailyUserVlm": _daily_volumes(exchange, user, now_ms),
        "feeSchedule": _schedule(exchange),
        "userCrossRate": "0.00045",
        "userAddRate": "0.00015",
        "userSpotCrossRate": number(rates.taker),
        "userSpotAddRate": number(rates.maker),
        "activeReferralDiscount": "0.0",
        "trial": None,
        "feeTrialEscrow": "0.0",
        "nextTrialAvailableTimestamp": None,
        "stakingLink": None,
        "activeStakingDiscount": {"bpsOfMaxSupply": "0.0", "discount": "0.0"},
    }


def _schedule(exchange: Exchange) -> Json:
    return {
        "cross": "0.00045",
        "add": "0.00015",
        "spotCross": number(exchange.taker_fee),
        "spotAdd": number(exchange.maker_fee),
        "tiers": {
            "vip": [
                {
                    "ntlCutoff": number(cutoff),
                    "cross": perp[0],
                    "add": perp[1],
                    "spotCross": number(spot.taker),
                    "spotAdd": number(spot.maker),
                }
                for (cutoff, spot), perp in zip(TIERS, _PERP_TIERS, strict=True)
            ],
            "mm": [{"makerFractionCutoff": share, "add": rate} for share, rate in _REBATES],
        },
        "referralDiscount": "0.04",
        "stakingDiscountTiers": [{"bpsOfMaxSupply": stake, "discount": cut} for stake, cut in _STAKING_DISCOUNTS],
    }


def _daily_volumes(exchange: Exchange, user: str, now_ms: int) -> list[Json]:
    """Return volumes by UTC day, oldest first.

    `exchange` counts each trade of all addresses once, by its taker's volume.
    """
    by_day = {
        address: {volume.day: volume for volume in exchange.day_volumes(address)} for address in exchange.addresses()
    }
    own, today = by_day.get(user, {}), now_ms // DAY_MS
    rows: list[Json] = []
    for day in range(today - TIER_DAYS, today + 1):
        volume = own.get(day)
        all_traded = sum((days[day].cross for days in by_day.values() if day in days), Decimal(0))
        rows.append(
            {
                "date": f"{_EPOCH + timedelta(days=day):%Y-%m-%d}",
                "userCross": number(volume.cross) if volume else "0.0",
                "userAdd": number(volume.add) if volume else "0.0",
                "exchange": number(all_traded),
            }
        )
    return rows

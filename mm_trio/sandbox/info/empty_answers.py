"""Answers about portfolios, referrals, transfers, staking and auctions, mostly empty.

They have the venue's shape, so that a client can ask for everything when it starts.
"""

from __future__ import annotations

from decimal import Decimal

from mm_trio.sandbox.info.rows import Json, number
from mm_trio.sandbox.matching.exchange import Exchange

__all__ = [
    "ALLOWED",
    "MARGIN_TABLE",
    "MARGIN_TABLE_ID",
    "NO_AUCTION",
    "NO_LOANS",
    "NO_STAKE",
    "PERP_CONTEXT",
    "PERP_META",
    "portfolio",
    "referral",
    "transfer_check",
]

_DAY_MS = 86_400_000
_PERIODS_MS = {"day": _DAY_MS, "week": 7 * _DAY_MS, "month": 30 * _DAY_MS, "allTime": None}

NO_STAKE: Json = {
    "delegated": "0.0",
    "undelegated": "0.0",
    "totalPendingWithdrawal": "0.0",
    "nPendingWithdrawals": 0,
}
ALLOWED: Json = {"ipAllowed": True, "acceptedTerms": True, "userAllowed": True}
NO_LOANS: Json = {"tokenToState": [], "health": "healthy", "healthFactor": None}
# There are no perps here, but clients exist that do not start without one. So one is listed that the venue delisted.
MARGIN_TABLE_ID = 20
MARGIN_TABLE: Json = {"description": "", "marginTiers": [{"lowerBound": "0.0", "maxLeverage": 20}]}
PERP_META: Json = {
    "universe": [
        {"szDecimals": 1, "name": "MATIC", "maxLeverage": 20, "marginTableId": MARGIN_TABLE_ID, "isDelisted": True}
    ]
}
PERP_CONTEXT: Json = {
    **dict.fromkeys(("funding", "openInterest", "dayNtlVlm", "dayBaseVlm"), "0.0"),
    **dict.fromkeys(("prevDayPx", "oraclePx", "markPx"), "0.37621"),
    **dict.fromkeys(("premium", "midPx", "impactPxs")),
}
NO_AUCTION: Json = {
    "startTimeSeconds": 0,
    "durationSeconds": 0,
    "startGas": "0.0",
    "currentGas": None,
    "endGas": "0.0",
}


def portfolio(exchange: Exchange, user: str, *, now_ms: int) -> list[object]:
    """Return the traded volume of each period.

    Values over time are not kept. Source: docs *Info endpoint*, portfolio.
    """
    fills = exchange.fills(user)
    periods: list[object] = []
    for name, length_ms in _PERIODS_MS.items():
        traded = [f.price * f.size for f in fills if length_ms is None or f.time_ms > now_ms - length_ms]
        periods.append([name, _period(sum(traded, Decimal(0)))])
    return periods + [[f"perp{name[0].upper()}{name[1:]}", _period(Decimal(0))] for name in _PERIODS_MS]


def _period(volume: Decimal) -> Json:
    return {"accountValueHistory": [], "pnlHistory": [], "vlm": number(volume)}


def referral(exchange: Exchange, user: str) -> Json:
    """Return the referral state of a user without a referrer.

    Source: docs *Info endpoint*, referral.
    """
    known = user in exchange.addresses()
    return {
        "referredBy": None,
        "cumVlm": number(exchange.account(user).volume) if known else "0.0",
        "unclaimedRewards": "0.0",
        "claimedRewards": "0.0",
        "builderRewards": "0.0",
        "referrerState": {"stage": "needToTrade", "data": {"required": "10000.0"}},
        "rewardHistory": [],
        "tokenToState": [],
    }


def transfer_check(exchange: Exchange, user: str) -> Json:
    """Return what a transfer to an address would meet.

    The fee is the one for an address that was never funded. Decided here: whoever has an account has sent something.
    Source: nktkas, preTransferCheck.
    """
    known = user in exchange.addresses()
    return {"fee": "0.0" if known else "1.0", "isSanctioned": False, "userExists": known, "userHasSentTx": known}

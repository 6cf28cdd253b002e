"""Strict parser from actions on the wire to core commands.

What the venue's schema would not accept raises `Unreadable`; whether an order makes sense is not checked here. Fields
that the venue accepts and this exchange does not use (a builder's fee, a grouping) are checked and dropped.
Source: docs *Exchange endpoint*; measured: which fields may be left out, and that an action with an unknown field is
refused while an order with one is not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal

from mm_trio.sandbox.model.commands import (
    Action,
    CancelByCloid,
    CancelByOid,
    ModifyOrders,
    NewOrder,
    Noop,
    PlaceOrders,
    ReserveRequestWeight,
    ScheduleCancel,
    Tif,
)

__all__ = [
    "OTHER_L1_ACTIONS",
    "OTHER_USER_ACTIONS",
    "Unreadable",
    "parse_action",
    "parse_address",
    "parse_amount",
    "parse_integer",
]

# Decimals beyond the eighth are accepted if they are zeros.
_DECIMAL = re.compile(r"[0-9]{1,20}(\.[0-9]{1,8}0*)?")
_CLOID = re.compile(r"0x[0-9a-fA-F]{32}")
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_U64 = 1 << 64

# What the venue knows as well, and a spot exchange without perps, vaults, staking and referrers cannot carry out.
# Their fields are not read. Source: docs *Exchange endpoint*, the official SDK, nktkas.
OTHER_L1_ACTIONS = frozenset(
    {
        *("CSignerAction", "CValidatorAction", "agentEnableDexAbstraction", "agentSetAbstraction", "borrowLend"),
        *("claimRewards", "createVault", "evmUserModify", "gossipPriorityBid", "perpDeploy", "registerReferrer"),
        *("setDisplayName", "setReferrer", "spotDeploy", "spotUser", "subAccountModify", "topUpIsolatedOnlyMargin"),
        *("twapCancel", "twapOrder", "updateIsolatedMargin", "updateLeverage", "validatorL1Stream"),
        *("vaultDistribute", "vaultModify", "vaultTransfer"),
    }
)
OTHER_USER_ACTIONS = frozenset(
    {
        *("cDeposit", "cWithdraw", "convertToMultiSigUser", "linkStakingUser", "multiSig", "sendToEvmWithData"),
        *("tokenDelegate", "userDexAbstraction", "userPortfolioMargin", "userSetAbstraction"),
    }
)

Body = Mapping[str, object]


class Unreadable(Exception):
    """Raised for a body that fits no action's schema."""


def parse_action(address: str, action: object, *, expires_after: int | None) -> Action:
    """Parse an action into a command of `address`.

    Errors: Unreadable.
    """
    body = _mapping(action)
    kind = body.get("type")
    known = _KINDS.get(kind) if isinstance(kind, str) else None
    if known is None:
        raise Unreadable(f"action type {kind!r}")
    parse, fields = known
    unknown = body.keys() - fields - {"type"}
    if unknown:
        raise Unreadable(f"{kind} has no {', '.join(sorted(map(str, unknown)))}")
    return parse(address, body, expires_after)


def _order_action(address: str, body: Body, expires_after: int | None) -> Action:
    _check_grouping(body.get("grouping", "na"))
    if (builder := body.get("builder")) is not None:
        fields = _mapping(builder)
        parse_address(fields.get("b"))
        # In tenths of a basis point; no builder is paid here.
        parse_integer(fields.get("f"))
    return PlaceOrders(address, tuple(_order(row) for row in _rows(body, "orders")), expires_after)


def _check_grouping(value: object) -> None:
    """Check that a grouping is one the venue knows.

    It names a group of stop orders, or a priority. This exchange has neither and ignores it.
    """
    if isinstance(value, dict):
        parse_integer(value.get("p"))
    elif value not in ("na", "normalTpsl", "positionTpsl"):
        raise Unreadable(f"grouping {value!r}")


def _cancel(address: str, body: Body, expires_after: int | None) -> Action:
    cancels = tuple((parse_integer(row.get("a")), parse_integer(row.get("o"))) for row in _rows(body, "cancels"))
    return CancelByOid(address, cancels, expires_after, fast=_flag(body, "f"))


def _cancel_by_cloid(address: str, body: Body, expires_after: int | None) -> Action:
    cancels = tuple((parse_integer(row.get("asset")), _cloid(row.get("cloid"))) for row in _rows(body, "cancels"))
    return CancelByCloid(address, cancels, expires_after, fast=_flag(body, "f"))


def _modify(address: str, body: Body, expires_after: int | None) -> Action:
    modifies = (_modification(body),)
    return ModifyOrders(address, modifies, expires_after, single=True, always_place=_flag(body, "a"))


def _batch_modify(address: str, body: Body, expires_after: int | None) -> Action:
    modifies = tuple(_modification(row) for row in _rows(body, "modifies"))
    return ModifyOrders(address, modifies, expires_after, always_place=_flag(body, "a"))


def _schedule_cancel(address: str, body: Body, expires_after: int | None) -> Action:
    time_ms = body.get("time")
    return ScheduleCancel(address, None if time_ms is None else parse_integer(time_ms), expires_after)


def _reserve(address: str, body: Body, expires_after: int | None) -> Action:
    destination = body.get("destination")
    return ReserveRequestWeight(
        address,
        parse_integer(body.get("weight")),
        None if destination is None else parse_address(destination),
        expires_after,
    )


def _noop(address: str, _body: Body, expires_after: int | None) -> Action:
    return Noop(address, expires_after)


_KINDS: dict[str, tuple[Callable[[str, Body, int | None], Action], frozenset[str]]] = {
    "order": (_order_action, frozenset({"orders", "grouping", "builder"})),
    "cancel": (_cancel, frozenset({"cancels", "f"})),
    "cancelByCloid": (_cancel_by_cloid, frozenset({"cancels", "f"})),
    "modify": (_modify, frozenset({"oid", "order", "a"})),
    "batchModify": (_batch_modify, frozenset({"modifies", "a"})),
    "scheduleCancel": (_schedule_cancel, frozenset({"time"})),
    "reserveRequestWeight": (_reserve, frozenset({"weight", "destination"})),
    "noop": (_noop, frozenset()),
}


def _order(row: object) -> NewOrder:
    order = _mapping(row)
    is_buy, reduce_only, cloid = order.get("b"), order.get("r", False), order.get("c")
    if not isinstance(is_buy, bool) or not isinstance(reduce_only, bool):
        raise Unreadable("b and r are booleans")
    return NewOrder(
        asset=parse_integer(order.get("a")),
        is_buy=is_buy,
        price=parse_amount(order.get("p")),
        size=parse_amount(order.get("s")),
        tif=_tif(_mapping(order.get("t"))),
        cloid=None if cloid is None else _cloid(cloid),
        reduce_only=reduce_only,
    )


def _modification(row: Body) -> tuple[int | str, NewOrder]:
    target = row.get("oid")
    key = _cloid(target) if isinstance(target, str) else parse_integer(target)
    return key, _order(row.get("order"))


def _tif(order_type: Body) -> Tif:
    if "trigger" in order_type:
        trigger = _mapping(order_type["trigger"])
        if not isinstance(trigger.get("isMarket"), bool) or trigger.get("tpsl") not in ("tp", "sl"):
            raise Unreadable("a trigger has isMarket and tpsl")
        parse_amount(trigger.get("triggerPx"))
        return "Trigger"
    tif = _mapping(order_type.get("limit")).get("tif")
    if tif not in ("Alo", "Ioc", "Gtc", "FrontendMarket"):
        raise Unreadable(f"tif {tif!r}")
    return tif


def _flag(body: Body, name: str) -> bool:
    """Parse an optional flag; false means the same as absent.

    The venue hashes an action without its false flags, see `canonical`.
    """
    value = body.get(name)
    if value is None:
        return False
    if not isinstance(value, bool):
        raise Unreadable(f"{name} is a boolean")
    return value


def _mapping(value: object) -> Body:
    if not isinstance(value, dict):
        raise Unreadable("not an object")
    return value


def _rows(body: Body, key: str) -> list[Body]:
    rows = body.get(key)
    if not isinstance(rows, list):
        raise Unreadable(f"{key} is not a list")
    return [_mapping(row) for row in rows]


def parse_integer(value: object) -> int:
    """Parse an unsigned whole number of at most 64 bits.

    Errors: Unreadable.
    """
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < _U64:
        raise Unreadable(f"not a whole number: {value!r}")
    return value


def parse_amount(value: object) -> Decimal:
    """Parse a decimal string.

    It has digits and at most one point.
    Errors: Unreadable for a sign, an exponent, NaN, an empty string or a JSON number.
    """
    if not isinstance(value, str) or not _DECIMAL.fullmatch(value):
        raise Unreadable(f"not a decimal: {value!r}")
    return Decimal(value)


def parse_address(value: object) -> str:
    """Parse an address and return it in lower case.

    Errors: Unreadable.
    """
    if not isinstance(value, str) or not _ADDRESS.fullmatch(value):
        raise Unreadable(f"not an address: {value!r}")
    return value.lower()


def _cloid(value: object) -> str:
    if not isinstance(value, str) or not _CLOID.fullmatch(value):
        raise Unreadable(f"not a cloid: {value!r}")
    return value.lower()

"""Rows of `userNonFundingLedgerUpdates`: movements of an account's funds besides trades.

Source: docs *Info endpoint* and *Subscriptions* (WsUserNonFundingLedgerUpdate), and recorded answers. Other types exist
(vaults, rewards, liquidations); what they move is not guessed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from mm_trio.funds.movements import FundEvent
from mm_trio.messages.fields import get_field, read_amount, read_list, read_text, read_time_ms
from mm_trio.model.errors import ProtocolError
from mm_trio.model.journal_entries import Moved, MoveKind
from mm_trio.model.market import Market
from mm_trio.model.numbers import EXACT

__all__ = ["FundUpdates", "parse_fund_updates"]

_USDC = "USDC"
# Of amounts and fees.
_NOTHING = Decimal(0)
# The hash of what the venue does by itself. Many rows have it, so it names none of them.
_NO_HASH = "0x" + "00" * 32
_Amounts = dict[str, Decimal]


@dataclass(frozen=True, slots=True)
class FundUpdates:
    """Rows of one answer.

    `events` are those that may have moved our two tokens. `unknown` are the types of rows that are not read, `bad` the
    errors of rows that cannot be. `last_ms` is the newest time, None without rows.
    """

    events: tuple[FundEvent, ...]
    unknown: tuple[str, ...]
    bad: tuple[ProtocolError, ...]
    last_ms: int | None
    n_rows: int


def parse_fund_updates(raw: Any, market: Market, *, address: str) -> FundUpdates:
    """Read the movements of the market's two tokens on `address`.

    A row that cannot be read explains nothing, and no other row is lost by it. Errors: ProtocolError where the answer
    is not a list.
    """
    rows = read_list(raw, "ledgerUpdates")
    events, unknown, bad, times = list[FundEvent](), list[str](), list[ProtocolError](), list[int]()
    seen: Counter[str] = Counter()
    for i, row in enumerate(rows):
        path = f"ledgerUpdates[{i}]"
        try:
            times.append(read_time_ms(get_field(row, "time", path), f"{path}.time"))
            delta = get_field(row, "delta", path)
            kind = read_text(get_field(delta, "type", f"{path}.delta"), f"{path}.delta.type")
            if kind not in _READERS:
                unknown.append(kind)
                continue
            event = _read_event(row, kind, path, market, address.lower())
        except ProtocolError as error:
            bad.append(error)
            continue
        seen[event.move.ref] += 1
        # One action may move funds twice, as from and to the same account.
        if (n := seen[event.move.ref]) > 1:
            event = replace(event, move=replace(event.move, ref=f"{event.move.ref}:{n}"))
        if event.move.token or event.move.usdc:
            events.append(event)
    return FundUpdates(tuple(events), tuple(unknown), tuple(bad), max(times, default=None), len(rows))


def _read_event(row: Any, kind: str, path: str, market: Market, address: str) -> FundEvent:
    time_ms = read_time_ms(get_field(row, "time", path), f"{path}.time")
    reference = read_text(get_field(row, "hash", path), f"{path}.hash")
    name, is_certain, read = _READERS[kind]
    amounts = read(row["delta"], f"{path}.delta", address)
    token, usdc = amounts.get(market.base.name, _NOTHING), amounts.get(market.quote.name, _NOTHING)
    ref = f"{reference}:{time_ms}" if reference == _NO_HASH else reference
    return FundEvent(Moved(token, usdc, name, time_ms, ref), is_certain)


def _read_amount(delta: Any, key: str, path: str) -> Decimal:
    """Read an amount, which has no sign here. Errors: ProtocolError."""
    amount = read_amount(get_field(delta, key, path), f"{path}.{key}")
    if amount < 0:
        raise ProtocolError(f"{path}.{key}", delta[key])
    return amount


def _read_fee(delta: Mapping[str, Any], key: str, path: str) -> Decimal:
    return _NOTHING if delta.get(key) is None else _read_amount(delta, key, path)


def _read_deposit(delta: Any, path: str, address: str) -> _Amounts:
    return {_USDC: _read_amount(delta, "usdc", path)}


def _read_withdrawal(delta: Any, path: str, address: str) -> _Amounts:
    return {_USDC: EXACT.minus(EXACT.add(_read_amount(delta, "usdc", path), _read_fee(delta, "fee", path)))}


def _read_class_transfer(delta: Any, path: str, address: str) -> _Amounts:
    """Read a transfer between spot and perp."""
    amount, to_perp = _read_amount(delta, "usdc", path), get_field(delta, "toPerp", path)
    if not isinstance(to_perp, bool):
        raise ProtocolError(f"{path}.toPerp", to_perp)
    return {_USDC: EXACT.minus(amount) if to_perp else amount}


def _read_spot_transfer(delta: Any, path: str, address: str) -> _Amounts:
    """Read a transfer between two accounts; the sender pays the fee."""
    token = read_text(get_field(delta, "token", path), f"{path}.token")
    amount = _read_amount(delta, "amount", path)
    fee = _read_fee(delta, "fee", path)
    fee_token = delta.get("feeToken")
    fee_token = (None if fee_token is None else read_text(fee_token, f"{path}.feeToken")) or _USDC
    return _direct({token: amount}, {fee_token: fee}, delta, path, address)


def _read_usd_transfer(delta: Any, path: str, address: str) -> _Amounts:
    amount, fee = _read_amount(delta, "usdc", path), _read_fee(delta, "fee", path)
    return _direct({_USDC: amount}, {_USDC: fee}, delta, path, address)


def _direct(amounts: _Amounts, fees: _Amounts, delta: Any, path: str, address: str) -> _Amounts:
    """Give the amounts the signs that they have for this account.

    Errors: ProtocolError for a row of two other accounts.
    """
    sender = read_text(get_field(delta, "user", path), f"{path}.user").lower()
    receiver = read_text(get_field(delta, "destination", path), f"{path}.destination").lower()
    if address not in (sender, receiver):
        raise ProtocolError(f"{path}.user", sender)
    signed = dict[str, Decimal]()
    if receiver == address:
        signed |= amounts
    for taken in (amounts, fees) if sender == address else ():
        for name, amount in taken.items():
            signed[name] = EXACT.subtract(signed.get(name, _NOTHING), amount)
    return signed


# Each type's kind, whether it moves the spot balances of every account, and its reader. A deposit, a withdrawal and a
# transfer of USDC move the perp balance, unless the account has a single balance for both.
_READERS: dict[str, tuple[MoveKind, bool, Callable[[Any, str, str], _Amounts]]] = {
    "deposit": (MoveKind.DEPOSIT, False, _read_deposit),
    "withdraw": (MoveKind.WITHDRAWAL, False, _read_withdrawal),
    "accountClassTransfer": (MoveKind.TRANSFER, True, _read_class_transfer),
    "spotTransfer": (MoveKind.TRANSFER, True, _read_spot_transfer),
    "internalTransfer": (MoveKind.TRANSFER, False, _read_usd_transfer),
    "subAccountTransfer": (MoveKind.TRANSFER, False, _read_usd_transfer),
}

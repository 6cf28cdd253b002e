from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal

import pytest
from sandbox_kit import (
    HYPE_ASSET,
    HYPE_TOKEN,
    MAKER,
    TAKER,
    USDC_TOKEN,
    buy,
    cloid,
    dec,
    fund,
    place,
    run,
    sell,
)

from mm_trio.sandbox.matching.exchange import Exchange
from mm_trio.sandbox.matching.history import FORMAT, HistoryError, Recorder, read_history, replay
from mm_trio.sandbox.matching.history_values import Undecodable, decode, encode
from mm_trio.sandbox.model import commands as messages
from mm_trio.sandbox.model.commands import (
    CancelByCloid,
    CancelByOid,
    Command,
    ConvertDust,
    DelistPair,
    Deposit,
    ExhaustBudget,
    ForgetRecords,
    HoldElsewhere,
    ModifyOrders,
    Noop,
    PassTime,
    PlaceOrders,
    RefuseOrders,
    RelistPair,
    ReserveRequestWeight,
    ScheduleCancel,
    SetAccountMode,
    SetFees,
    SetPostOnly,
    Transfer,
    Withdraw,
)
from mm_trio.sandbox.model.limits import Limits
from mm_trio.sandbox.model.markets import DEFAULT_MARKETS, USDC, Pair, Token

EVERY_COMMAND: tuple[Command, ...] = (
    PlaceOrders(MAKER, (sell("20.5", "3", tag=1), buy("19.5", "3", "Gtc")), expires_after=10**13),
    PlaceOrders(TAKER, (buy("21", "1.50", "Ioc"),)),
    ModifyOrders(MAKER, ((cloid(1), sell("21", "2", tag=1)),), single=True, always_place=True),
    CancelByOid(MAKER, ((HYPE_ASSET, 1001),), fast=True),
    CancelByCloid(MAKER, ((HYPE_ASSET, cloid(1)),)),
    ScheduleCancel(MAKER, 9_000),
    ScheduleCancel(MAKER, None),
    Noop(MAKER),
    ReserveRequestWeight(MAKER, 7, destination=TAKER),
    Deposit(MAKER, USDC_TOKEN, dec("1E+3")),
    Withdraw(MAKER, HYPE_TOKEN, dec("0.00000001")),
    Transfer(MAKER, TAKER, HYPE_TOKEN, dec("1.10")),
    SetFees(TAKER, dec("0"), None),
    SetAccountMode(TAKER, "unified"),
    HoldElsewhere(TAKER, HYPE_TOKEN, dec("0.5")),
    ExhaustBudget(TAKER),
    ForgetRecords(MAKER, cloid(1)),
    DelistPair(HYPE_ASSET),
    RelistPair(HYPE_ASSET),
    SetPostOnly(True),
    RefuseOrders(TAKER, "Insufficient spot balance asset=10107", "batch", is_buy=True, at_least=dec("1.50")),
    ConvertDust(),
    PassTime(),
)


def record(exchange: Exchange) -> list[str]:
    """Record one command of each kind, and return the lines."""
    lines: list[str] = []
    recorder = Recorder(exchange, lines.append)
    fund(exchange, MAKER, TAKER)
    for at, command in enumerate(EVERY_COMMAND):
        exchange.apply(1000 + at, command)
    recorder.close()
    return lines


def make_exchange() -> Exchange:
    odd = Token("ODD", 900, 3, 8, "0x5a000000000000000000000000000900", total_supply=Decimal("1000.50"))
    return Exchange(
        DEFAULT_MARKETS.with_pair(Pair("@900", 900, odd, USDC)),
        maker_fee="0.00030",
        fee_tiers=True,
        dust_conversion=True,
        min_notional="5",
        first_oid=1000,
        limits=replace(Limits(), schedule_volume=None, base_requests=None),
    )


def test_every_kind_of_command_is_written_and_read_back_as_it_was() -> None:
    kinds = {getattr(messages, name) for name in messages.__all__ if name in str(messages.Command)}
    assert {type(command) for command in EVERY_COMMAND} == {kind for kind in kinds if isinstance(kind, type)}

    for command in EVERY_COMMAND:
        written = json.loads(json.dumps(encode(command)))
        # The text is compared, because `==` takes `1.5` and `1.50` for equal.
        assert repr(decode(Command, written)) == repr(command)


def test_a_replayed_exchange_stands_where_the_recorded_one_stands() -> None:
    exchange = make_exchange()

    history = read_history(record(exchange))
    replayed = replay(history)

    assert history.digest == exchange.digest() == replayed.digest()
    assert replayed.settings == exchange.settings
    assert replayed.fills(MAKER) == exchange.fills(MAKER) != ()
    assert replayed.account(MAKER) == exchange.account(MAKER)


def test_what_comes_after_the_close_is_not_written() -> None:
    exchange = make_exchange()
    lines: list[str] = []
    recorder = Recorder(exchange, lines.append)
    recorder.close()
    recorder.close()
    exchange.apply(1, PassTime())

    assert len(lines) == 2


def test_a_history_begins_with_a_new_exchange() -> None:
    exchange = make_exchange()
    exchange.apply(1, PassTime())

    with pytest.raises(ValueError, match="carried out 1 commands; use a new one"):
        Recorder(exchange, print)


def test_a_copy_is_not_recorded_and_the_original_still_is() -> None:
    exchange = make_exchange()
    lines: list[str] = []
    Recorder(exchange, lines.append)

    exchange.copy().apply(1, PassTime())
    assert len(lines) == 1
    exchange.apply(1, PassTime())
    assert len(lines) == 2


def test_a_run_that_was_cut_off_in_the_middle_of_a_line_is_read_up_to_there() -> None:
    lines = record(make_exchange())
    cut = [*lines[:10], lines[10][:20]]

    history = read_history(cut)

    assert (len(history.entries), history.digest) == (9, None)
    assert replay(history).n_commands == 9


def edited(lines: list[str], number: int, old: str, new: str) -> list[str]:
    assert old in lines[number - 1], lines[number - 1]
    return [*lines[: number - 1], lines[number - 1].replace(old, new), *lines[number:]]


@pytest.mark.parametrize(
    "number, old, new, words",
    [
        (1, FORMAT, "something", "line 1: not a sandbox history: the first line"),
        (1, '"version":1', '"version":2', "line 1: unsupported version 2: only 1 can be read"),
        (1, '"maker_fee":', '"maker":', "line 1: maker: unknown field of Settings"),
        (1, '"$":"0.00030"', '"$":"much"', "line 1: maker_fee: 'much' is not a valid number"),
        (8, '"ms":1000', '"ms":"1000"', "line 8: 'ms' must be a whole number"),
        (8, '"PlaceOrders"', '"Sing"', "line 8: value: {'is': 'Sing'"),
        (8, '"$":"20.5"', '"$":"NaN"', "line 8: orders[0].price: 'NaN' is not a valid number"),
        (8, '"Gtc"', '"Later"', "line 8: orders[1].tif: 'Later' is not allowed here"),
        (8, '"is_buy":false', '"is_buy":0', "line 8: orders[0].is_buy: 0 is not allowed here"),
        (8, '"asset":10107,', "", "line 8: orders[0].asset: missing field of NewOrder"),
        (8, '"ms"', "ms", "line 8: not valid JSON"),
        (11, "[10107,1001]", "[10107]", "line 11: cancels[0]: expected 2 values, found 1"),
    ],
)
def test_a_line_that_cannot_be_read_is_named(number: int, old: str, new: str, words: str) -> None:
    lines = edited(record(make_exchange()), number, old, new)

    with pytest.raises(HistoryError) as caught:
        read_history(lines)
    assert str(caught.value).startswith(words)
    assert caught.value.line == number


@pytest.mark.parametrize("lines, words", [([], "line 1: the history is empty"), (["[]"], "line 1: not a JSON object")])
def test_what_is_no_history_is_told_apart(lines: list[str], words: str) -> None:
    with pytest.raises(HistoryError, match=words):
        read_history(lines)


def test_nothing_may_follow_the_end() -> None:
    lines = record(make_exchange())

    with pytest.raises(HistoryError, match=f"line {len(lines) + 1}: unexpected line after the digest"):
        read_history([*lines, lines[-2]])


def test_a_replay_that_leads_elsewhere_is_an_error() -> None:
    lines = edited(record(make_exchange()), 9, "1.50", "1.51")

    with pytest.raises(HistoryError, match=f"line {len(lines)}: the replayed state differs from the recorded one"):
        replay(read_history(lines))


def test_a_digest_sees_the_smallest_difference() -> None:
    def play(size: str, *, more: tuple[Command, ...] = ()) -> str:
        exchange = Exchange()
        fund(exchange, MAKER, TAKER)
        place(exchange, MAKER, sell("20", size))
        for command in more:
            run(exchange, command)
        return exchange.digest()

    assert play("1") == play("1")
    assert len({play("1"), play("1.01"), play("1", more=(Noop(MAKER),)), play("1", more=(Noop(TAKER),))}) == 4


def test_a_digest_sees_when_an_action_last_passed_and_which_rows_are_kept() -> None:
    def play(*commands: tuple[int, Command]) -> str:
        exchange = Exchange()
        fund(exchange, MAKER)
        for now_ms, command in (*commands, (100, PassTime())):
            exchange.apply(now_ms, command)
        return exchange.digest()

    assert play((1, Noop(MAKER))) != play((2, Noop(MAKER)))
    four, six = Deposit(MAKER, USDC_TOKEN, dec("4")), Deposit(MAKER, USDC_TOKEN, dec("6"))
    assert play((1, four), (2, six)) != play((1, six), (2, four))


@pytest.mark.parametrize("value", [True, 1, "Alo", None, [], {}, {"$": 5}, {"$": "x"}, {"is": []}, [[1, 2, 3]]])
def test_values_of_the_wrong_kind_are_undecodable(value: object) -> None:
    with pytest.raises(Undecodable):
        decode(Command, value)

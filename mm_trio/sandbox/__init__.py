"""Exchange in a box: Hyperliquid spot for tests, demos and simulation.

Code outside this package imports from here and not from the modules below. The sandbox imports nothing of the maker.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mm_trio.sandbox.api.auth import Auth
    from mm_trio.sandbox.api.gateway import Gateway
    from mm_trio.sandbox.api.ip_weights import IpWeights
    from mm_trio.sandbox.api.nonces import Nonces
    from mm_trio.sandbox.api.signature_check import SignedAction
    from mm_trio.sandbox.clock import Clock, SteppedClock, WallClock
    from mm_trio.sandbox.faults.dice import WRITE_KINDS, FaultDice, FaultPlan
    from mm_trio.sandbox.faults.hub import FaultHub
    from mm_trio.sandbox.faults.kinds import FaultKind
    from mm_trio.sandbox.faults.plan import parse_words, read_plan
    from mm_trio.sandbox.faults.refusal_texts import draw_refusal
    from mm_trio.sandbox.faults.untruths import LISTED_LATE_S, MAY_BE_LATE_MS, fill_at_once, lie_about_fills
    from mm_trio.sandbox.faults.world import FaultTarget, WorldFaults
    from mm_trio.sandbox.inprocess.exchange import InProcessSigningExchange, SignedInProcess
    from mm_trio.sandbox.inprocess.info import InProcessInfo, InProcessVenue
    from mm_trio.sandbox.inprocess.socket import Feed
    from mm_trio.sandbox.matching.accounts import AccountView
    from mm_trio.sandbox.matching.book import BookView, Level
    from mm_trio.sandbox.matching.exchange import Exchange
    from mm_trio.sandbox.matching.history import HistoryError, Recorder, read_history, replay
    from mm_trio.sandbox.matching.rules import HALTED, POST_ONLY_PERIOD, TOO_MANY_REQUESTS
    from mm_trio.sandbox.model.commands import (
        Answered,
        BalancesChanged,
        CancelByCloid,
        CancelByOid,
        Command,
        DelistPair,
        Deposit,
        Effect,
        ExhaustBudget,
        Filled,
        FillMade,
        HoldElsewhere,
        ItemError,
        ModifyOrders,
        NewOrder,
        OrderChanged,
        PlaceOrders,
        Refused,
        RefuseOrders,
        RelistPair,
        ReserveRequestWeight,
        Resting,
        SetAccountMode,
        SetPostOnly,
        Withdraw,
    )
    from mm_trio.sandbox.model.limits import Limits
    from mm_trio.sandbox.model.markets import DEFAULT_MARKETS, USDC, Markets, Pair, Token
    from mm_trio.sandbox.model.records import AccountMode, Fill, LedgerRow, OrderRecord
    from mm_trio.sandbox.server.control_api import ControlRoom
    from mm_trio.sandbox.server.server import SandboxServer, serve
    from mm_trio.sandbox.server.tcp_link import TcpLink
    from mm_trio.sandbox.server.ws_session import SocketHabits
    from mm_trio.sandbox.traffic.counterparty import schedule_counterparty
    from mm_trio.sandbox.traffic.ladder_search import find_step, ladder_start
    from mm_trio.sandbox.traffic.takers import SeededTakers, TakerHabits, Takers, schedule_takers, trade_forever
    from mm_trio.sandbox.traffic.tape import (
        TapeMarket,
        TapeRow,
        TapeTakers,
        cut_pauses,
        find_coins,
        group_sweeps,
        read_tape,
        tape_market,
    )
    from mm_trio.sandbox.traffic.tape_phases import PERIOD_MS, TapePhases, find_start
    from mm_trio.sandbox.traffic.waiting import TakersOfLadder, TapeAfterLadder

__all__ = [
    "DEFAULT_MARKETS",
    "HALTED",
    "LISTED_LATE_S",
    "MAY_BE_LATE_MS",
    "PERIOD_MS",
    "POST_ONLY_PERIOD",
    "TOO_MANY_REQUESTS",
    "USDC",
    "WRITE_KINDS",
    "AccountMode",
    "AccountView",
    "Answered",
    "Auth",
    "BalancesChanged",
    "BookView",
    "CancelByCloid",
    "CancelByOid",
    "Clock",
    "Command",
    "ControlRoom",
    "DelistPair",
    "Deposit",
    "Effect",
    "Exchange",
    "ExhaustBudget",
    "FaultDice",
    "FaultHub",
    "FaultKind",
    "FaultPlan",
    "FaultTarget",
    "Feed",
    "Fill",
    "FillMade",
    "Filled",
    "Gateway",
    "HistoryError",
    "HoldElsewhere",
    "InProcessInfo",
    "InProcessSigningExchange",
    "InProcessVenue",
    "IpWeights",
    "ItemError",
    "LedgerRow",
    "Level",
    "Limits",
    "Markets",
    "ModifyOrders",
    "NewOrder",
    "Nonces",
    "OrderChanged",
    "OrderRecord",
    "Pair",
    "PlaceOrders",
    "Recorder",
    "RefuseOrders",
    "Refused",
    "RelistPair",
    "ReserveRequestWeight",
    "Resting",
    "SandboxServer",
    "SeededTakers",
    "SetAccountMode",
    "SetPostOnly",
    "SignedAction",
    "SignedInProcess",
    "SocketHabits",
    "SteppedClock",
    "TakerHabits",
    "Takers",
    "TakersOfLadder",
    "TapeAfterLadder",
    "TapeMarket",
    "TapePhases",
    "TapeRow",
    "TapeTakers",
    "TcpLink",
    "Token",
    "WallClock",
    "Withdraw",
    "WorldFaults",
    "cut_pauses",
    "draw_refusal",
    "fill_at_once",
    "find_coins",
    "find_start",
    "find_step",
    "group_sweeps",
    "ladder_start",
    "lie_about_fills",
    "parse_words",
    "read_history",
    "read_plan",
    "read_tape",
    "replay",
    "schedule_counterparty",
    "schedule_takers",
    "serve",
    "tape_market",
    "trade_forever",
]

_HOMES = {
    "AccountMode": "model.records",
    "AccountView": "matching.accounts",
    "Answered": "model.commands",
    "Auth": "api.auth",
    "BalancesChanged": "model.commands",
    "BookView": "matching.book",
    "Level": "matching.book",
    "CancelByCloid": "model.commands",
    "CancelByOid": "model.commands",
    "Clock": "clock",
    "Command": "model.commands",
    "ControlRoom": "server.control_api",
    "DEFAULT_MARKETS": "model.markets",
    "DelistPair": "model.commands",
    "Deposit": "model.commands",
    "Effect": "model.commands",
    "Exchange": "matching.exchange",
    "ExhaustBudget": "model.commands",
    "FaultDice": "faults.dice",
    "FaultHub": "faults.hub",
    "FaultKind": "faults.kinds",
    "FaultPlan": "faults.dice",
    "FaultTarget": "faults.world",
    "Feed": "inprocess.socket",
    "Fill": "model.records",
    "LedgerRow": "model.records",
    "FillMade": "model.commands",
    "Filled": "model.commands",
    "Gateway": "api.gateway",
    "HALTED": "matching.rules",
    "HistoryError": "matching.history",
    "HoldElsewhere": "model.commands",
    "InProcessInfo": "inprocess.info",
    "InProcessSigningExchange": "inprocess.exchange",
    "InProcessVenue": "inprocess.info",
    "IpWeights": "api.ip_weights",
    "ItemError": "model.commands",
    "LISTED_LATE_S": "faults.untruths",
    "Limits": "model.limits",
    "MAY_BE_LATE_MS": "faults.untruths",
    "Markets": "model.markets",
    "ModifyOrders": "model.commands",
    "NewOrder": "model.commands",
    "Nonces": "api.nonces",
    "OrderChanged": "model.commands",
    "OrderRecord": "model.records",
    "PERIOD_MS": "traffic.tape_phases",
    "POST_ONLY_PERIOD": "matching.rules",
    "Pair": "model.markets",
    "PlaceOrders": "model.commands",
    "Recorder": "matching.history",
    "Refused": "model.commands",
    "RelistPair": "model.commands",
    "ReserveRequestWeight": "model.commands",
    "Resting": "model.commands",
    "SandboxServer": "server.server",
    "SeededTakers": "traffic.takers",
    "SetAccountMode": "model.commands",
    "RefuseOrders": "model.commands",
    "draw_refusal": "faults.refusal_texts",
    "SetPostOnly": "model.commands",
    "SignedAction": "api.signature_check",
    "SignedInProcess": "inprocess.exchange",
    "SocketHabits": "server.ws_session",
    "SteppedClock": "clock",
    "TOO_MANY_REQUESTS": "matching.rules",
    "TakerHabits": "traffic.takers",
    "Takers": "traffic.takers",
    "TakersOfLadder": "traffic.waiting",
    "TapeAfterLadder": "traffic.waiting",
    "TapeMarket": "traffic.tape",
    "TapePhases": "traffic.tape_phases",
    "TapeRow": "traffic.tape",
    "TapeTakers": "traffic.tape",
    "TcpLink": "server.tcp_link",
    "Token": "model.markets",
    "USDC": "model.markets",
    "WRITE_KINDS": "faults.dice",
    "WallClock": "clock",
    "Withdraw": "model.commands",
    "WorldFaults": "faults.world",
    "cut_pauses": "traffic.tape",
    "fill_at_once": "faults.untruths",
    "find_coins": "traffic.tape",
    "find_start": "traffic.tape_phases",
    "find_step": "traffic.ladder_search",
    "group_sweeps": "traffic.tape",
    "ladder_start": "traffic.ladder_search",
    "lie_about_fills": "faults.untruths",
    "parse_words": "faults.plan",
    "read_history": "matching.history",
    "read_plan": "faults.plan",
    "read_tape": "traffic.tape",
    "replay": "matching.history",
    "schedule_counterparty": "traffic.counterparty",
    "schedule_takers": "traffic.takers",
    "serve": "server.server",
    "tape_market": "traffic.tape",
    "trade_forever": "traffic.takers",
}


def __getattr__(name: str) -> object:
    """Import a public name on first use."""
    # Names are imported on first use, because a process that needs only a client must not pay for the server.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)

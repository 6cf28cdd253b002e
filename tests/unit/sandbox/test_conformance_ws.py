"""WebSocket frames beside what the sandbox sends in the same situation: keys, types, number format.

The frames are made-up ones of the captures' form, and the captures themselves where they are there.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from captures_kit import SOURCES, Messages, as_params
from sandbox_kit import buy, sell
from ws_kit import HYPE, MAKER, TAKER, Line, Venue

# Where the sandbox means to differ, by the path of a field, and why.
DEPARTURES = {
    "user.fills[].liquidation": "nobody is liquidated on spot",
    "user.fills[].liquidation.liquidatedUser": "nobody is liquidated on spot",
    "user.fills[].liquidation.markPx": "nobody is liquidated on spot",
    "user.fills[].liquidation.method": "nobody is liquidated on spot",
    "orderUpdates[].order.reduceOnly": "a reduce-only order is refused on spot, so none ever has an update",
}
# Captures from which their source had cut fields: whether fields are missing cannot be seen.
CUT = ("tickwright_order_rows",)

Kinds = dict[str, set[str]]


# --- the captures -------------------------------------------------------------------------------


def entries(messages: Messages) -> Iterator[tuple[str, Any]]:
    """Every message of every file, with its name."""
    for path in sorted((messages.venue / "ws").glob("*.json")):
        kept = json.loads(path.read_text())
        for i, entry in enumerate(kept if isinstance(kept, list) else [kept]):
            yield f"{path.stem}-{i}", entry


def captured(messages: Messages) -> list[tuple[Messages, str, Any]]:
    """The frames that the venue sent; a row of a frame stands for the frame."""
    found = []
    for name, entry in entries(messages):
        frame = entry.get("msg", entry)
        if "element" in entry and "status" in entry["element"]:
            frame = {"channel": "orderUpdates", "data": [entry["element"]]}
        elif "element" in entry:
            frame = {"channel": "openOrders", "data": {"orders": [entry["element"]]}}
        if entry.get("dir") != "client" and "channel" in frame:
            found.append((messages, name, translate(frame)))
    return found


def exchanges(messages: Messages) -> list[tuple[Messages, str, Any, Any]]:
    """What a client asked for and how it was acknowledged."""
    found = []
    asked: Any = None
    for name, entry in entries(messages):
        if entry.get("dir") == "client":
            asked = entry["msg"]
        elif entry.get("msg", {}).get("channel") == "subscriptionResponse":
            ours_to_ask = asked if entry.get("dir") else {**entry["msg"]["data"], "method": "subscribe"}
            found.append((messages, name, ours_to_ask, entry["msg"]))
    return found


def translate(value: Any) -> Any:
    """Perps and names that were made anonymous, as a pair and a user of the sandbox."""
    if isinstance(value, dict):
        return {key: translate(each) for key, each in value.items()}
    return {"HYPE": HYPE, "BTC": HYPE, "mtiz": MAKER}.get(value, value) if isinstance(value, str) else value


# --- the sandbox in the same situations -------------------------------------------------------


@cache
def sandbox_frames() -> dict[str, tuple[Any, ...]]:
    """All that a busy minute makes the sandbox send, by channel."""
    venue = Venue()
    venue.trade("22", "1")
    line = venue.line()
    for kind in ("l2Book", "bbo", "trades", "activeAssetCtx"):
        line.subscribe(type=kind, coin=HYPE)
    line.subscribe(type="l2Book", coin=HYPE, fast=True)
    line.subscribe(type="candle", coin=HYPE, interval="1d")
    line.subscribe(type="allMids")
    for kind in ("userFills", "userEvents", "orderUpdates", "openOrders"):
        line.subscribe(type=kind, user=MAKER)
    venue.place(MAKER, buy("20", "2"), buy("20.1", "3"), sell("21", "1"))
    venue.place(MAKER, sell("21.1", "2", tag=1))
    venue.place(TAKER, sell("20.1", "1", "Ioc"))
    venue.place(TAKER, buy("21.1", "2", "Ioc"))
    venue.on_clock(after_ms=500)
    line.say({"method": "ping"})
    line.subscribe(type="noSuchType", coin=HYPE)
    return by_channel(line)


def by_channel(line: Line) -> dict[str, tuple[Any, ...]]:
    found: defaultdict[str, list[Any]] = defaultdict(list)
    for frame in line.take():
        found[frame["channel"]].append(frame)
    return {channel: tuple(frames) for channel, frames in found.items()}


# --- comparing ----------------------------------------------------------------------------------


def kind_of(value: Any) -> str:
    if value is None or isinstance(value, bool | int | float):
        return type(value).__name__
    assert isinstance(value, str)
    forms = {"decimal": r"-?\d+\.\d+", "hex": r"0x[0-9a-f]+", "number without a point": r"-?\d+([eE].*)?"}
    return next((name for name, form in forms.items() if re.fullmatch(form, value)), "text")


def describe(value: Any, path: str) -> Kinds:
    """Each path in a message, with the kinds of what stands there; the names of mids are no keys."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    parts: list[tuple[str, Any]] = []
    if isinstance(value, dict):
        found[path].add("object")
        parts = [(f"{path}.{'*' if path.endswith('.mids') else key}", each) for key, each in value.items()]
    elif isinstance(value, list):
        found[path].add("list")
        parts = [(f"{path}[]", each) for each in value]
    else:
        found[path].add(kind_of(value))
    for name, each in parts:
        for inner, kinds in describe(each, name).items():
            found[inner] |= kinds
    return dict(found)


def compare(theirs: Any, ours: Any, *, is_cut: bool) -> list[str]:
    """What differs, apart from the departures."""
    channel = theirs["channel"]
    seen, made = (describe(frame.get("data", {}), channel) for frame in (theirs, ours))
    wrong = [f"frame keys {sorted(ours)} instead of {sorted(theirs)}"] * (set(theirs) != set(ours))
    wrong += [f"{path} is missing" for path in sorted(set(seen) - set(made) - set(DEPARTURES))]
    wrong += [] if is_cut else [f"{path} is too much" for path in sorted(set(made) - set(seen))]
    wrong += [
        f"{path} is {sorted(made[path])} instead of {sorted(seen[path])}"
        for path in sorted(set(seen) & set(made))
        if made[path] != seen[path]
    ]
    return wrong


@pytest.mark.parametrize("source, name, frame", as_params(*(case for each in SOURCES for case in captured(each))))
def test_a_captured_frame_has_a_twin_in_the_sandbox(source: Messages, name: str, frame: Any) -> None:
    is_cut = name.startswith(CUT)

    differences = [compare(frame, ours, is_cut=is_cut) for ours in sandbox_frames().get(frame["channel"], ())]

    assert differences, f"the sandbox sent nothing on {frame['channel']}"
    assert min(differences, key=len) == []


@pytest.mark.parametrize(
    "source, name, asked, acknowledged", as_params(*(case for each in SOURCES for case in exchanges(each)))
)
def test_a_captured_subscription_is_acknowledged_in_the_same_words(
    source: Messages, name: str, asked: Any, acknowledged: Any
) -> None:
    line = Venue().line()

    frame = line.say(translate(asked))[0]

    assert json.dumps(frame) == json.dumps(translate(acknowledged))


def test_the_captured_complaint_quotes_what_was_sent(messages: Messages) -> None:
    found = entries(messages)
    (complaint,) = [entry["msg"]["data"] for _, entry in found if entry.get("msg", {}).get("channel") == "error"]
    text = complaint.removeprefix("Error parsing JSON into valid websocket request: ")
    line = Venue().line()

    line.connection.handle(json.loads(text), text=text)

    assert line.error() == complaint


def test_every_departure_is_still_one(messages: Messages) -> None:
    """A path that no capture has, or that the sandbox has learnt, leaves the list."""
    seen = {path for _, _, frame in captured(messages) for path in describe(frame.get("data", {}), frame["channel"])}
    made = {
        path
        for frames in sandbox_frames().values()
        for f in frames
        for path in describe(f.get("data", {}), f["channel"])
    }

    assert set(DEPARTURES) <= seen
    assert not set(DEPARTURES) & made


def test_the_comparison_sees_what_is_wrong() -> None:
    theirs = {"channel": "bbo", "data": {"px": "20.0", "n": 1, "time": 5}}
    ours = {"channel": "bbo", "data": {"px": "20", "n": "1", "extra": None}}

    assert compare(theirs, ours, is_cut=False) == [
        "bbo.time is missing",
        "bbo.extra is too much",
        "bbo.n is ['number without a point'] instead of ['int']",
        "bbo.px is ['number without a point'] instead of ['decimal']",
    ]

"""Story of one level: what was known, what was due, what was sent, what came back."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from mm_trio.cli.earnings_programs.past_words import say_number, say_time
from mm_trio.history.explanation import Explanation
from mm_trio.history.level_story import LevelEvent
from mm_trio.history.past_state import MayRest
from mm_trio.model.journal_entries import OwnEnd

__all__ = ["Story"]


# An order's usual life is two to six events.
EVENTS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Story:
    """Explanation of a level for a person and for a program.

    A person gets the last `n_events` events, a program all that were kept.
    """

    found: Explanation
    n_events: int = EVENTS_SHOWN

    def to_json(self) -> dict[str, object]:
        """Return plain JSON values."""
        return self.found.to_json()

    def to_text(self) -> str:
        """Return the text for a person."""
        found = self.found
        return "\n".join(
            [
                f"{found.state.terms.coin}, level {found.level} ({say_number(found.price)}), "
                f"at {say_time(found.state.at_ms)} UTC",
                "",
                "What was known",
                *_indent(self._describe_inputs()),
                "",
                "What was due",
                *_indent(self._describe_decision()),
                "",
                "What happened on this level",
                *_indent(self._describe_events()),
            ]
        )

    def _describe_inputs(self) -> list[str]:
        state, offer, terms = self.found.state, self.found.offer, self.found.state.terms
        minimum = say_number(terms.settings.min_notional)
        boundary = "nothing was quoted yet" if state.boundary_level is None else f"level {state.boundary_level}"
        level = f"level {offer.level}" if offer.level >= 0 else "no level"
        return [
            f"ladder: {terms.grid.n_orders} levels from {say_number(terms.grid.levels[0])} to "
            f"{say_number(terms.grid.levels[-1])}, orders of {say_number(terms.settings.order_size)} base, gap "
            f"{terms.settings.gap_levels}, by the session that began {say_time(terms.began_ms)}",
            f"least order: {minimum} quote" + ("" if terms.is_minimum_known else " (the venue's usual; not recorded)"),
            f"offered: {say_number(offer.token)} base = {offer.full} whole orders and {say_number(offer.remainder)} "
            f"(the remainder, on {level}); {say_number(offer.quote)} quote",
            f"boundary (lowest level with an ask): {boundary}",
            *self._describe_then(),
        ]

    def _describe_then(self) -> list[str]:
        market = self.found.market
        if market.prices is None and market.prices_unknown_because == market.book_unknown_because:
            return [f"best prices and state of the maker: unknown; {market.prices_unknown_because}"]
        return [self._describe_market(), self._describe_maker()]

    def _describe_market(self) -> str:
        market = self.found.market
        if market.prices is None:
            return f"best prices: unknown; {market.prices_unknown_because}"
        bid, ask = ("none" if value is None else say_number(value) for value in (market.prices.bid, market.prices.ask))
        until_ms = market.recorded_until_ms
        until = "" if until_ms is None else f"; the record reaches to {say_time(until_ms)} so far"
        return f"best prices: bid {bid}, ask {ask}, since {say_time(market.prices.time_ms)}{until}"

    def _describe_maker(self) -> str:
        market = self.found.market
        if market.book is None:
            return f"state of the maker: unknown; {market.book_unknown_because}"
        because = f": {market.book.reason}" if market.book.reason else ""
        n = len(market.book.orders)
        at = f"at {n} prices" if n != 1 else "at 1 price"
        return f"state of the maker: {market.book.state}{because}; orders of ours {at}"

    def _describe_decision(self) -> list[str]:
        decision, found = self.found.decision, self.found
        order = decision.order
        due = "no order" if order is None else f"{_say_side(order.side)} of {say_number(order.size)} base"
        lines = [f"{due}: {decision.because}"]
        if not found.resting:
            return [*lines, "by the ledger nothing of ours was there"]
        return [*lines, *(f"by the ledger there was {_say_order(each)}" for each in found.resting)]

    def _describe_events(self) -> list[str]:
        found = self.found
        before = [event for event in found.events if event.at_ms <= found.state.at_ms]
        after = [event for event in found.events if event.at_ms > found.state.at_ms]
        shown = before[-self.n_events :]
        n_left_out = found.n_left_out + len(before) - len(shown)
        lines = [_say_event(event) for event in shown] or ["nothing that the ledger tells"]
        if n_left_out:
            lines.insert(0, f"({n_left_out} earlier events are left out; --events N shows more)")
        elif found.state.read_from_ms is not None:
            lines.insert(0, f"(read from the checkpoint of {say_time(found.state.read_from_ms)})")
        if after:
            lines += ["within the minute after that:", *(_say_event(event) for event in after)]
        return lines


def _indent(lines: list[str]) -> list[str]:
    return [f"  {line}" for line in lines]


def _say_side(side: str) -> str:
    return "an ask" if side == "sell" else "a bid"


def _say_order(order: MayRest) -> str:
    since = f" since {say_time(order.since_ms)}" if order.since_ms is not None else ""
    name = f"oid {order.oid}" if order.oid is not None else f"cloid {order.cloid}"
    return f"{_say_side(order.quote.side)} of {say_number(order.quote.size)} base ({order.phase}{since}, {name})"


def _say_event(event: LevelEvent) -> str:
    return f"{say_time(event.at_ms)}  {_describe_event(event)}"


def _describe_event(event: LevelEvent) -> str:
    values = event.values
    oid, cloid = values.get("oid"), values.get("cloid")
    match event.kind:
        case "session began":
            return f"a session began (epoch {values['epoch']})"
        case "sent":
            return _describe_sent(values)
        case "arrived":
            return f"the venue took it: oid {oid}"
        case "never placed":
            return f"it never reached the book ({values['why']}), cloid {cloid}"
        case "rested" | "adopted":
            verb = "rested already" if event.kind == "rested" else "was found open and taken over"
            return f"{_describe_size(values)} {verb}, oid {oid}"
        case "filled":
            return _describe_fill(values)
        case _:
            return _describe_end(values)


def _describe_size(values: dict[str, object]) -> str:
    return f"{_say_side(str(values['side']))} of {_plain(values['size'])} base"


def _describe_sent(values: dict[str, object]) -> str:
    request, expires = values.get("request"), values["expires_ms"]
    replaced = f" in place of oid {values['replaces']}" if values.get("replaces") is not None else ""
    with_what = ""
    if isinstance(request, dict):
        items = "1 item" if request["n_items"] == 1 else f"{request['n_items']} items"
        with_what = f"; {request['method']} of {items}, nonce {request['nonce']}"
    until = f", valid until {_clock(expires)}" if isinstance(expires, int) and expires else ""
    return f"{_describe_size(values)} was sent{replaced} (cloid {values['cloid']}{with_what}{until})"


def _describe_fill(values: dict[str, object]) -> str:
    verb = "sold" if values["side"] == "sell" else "bought"
    time_ms = values["time_ms"]
    traded = f" at the venue's {_clock(time_ms)}" if isinstance(time_ms, int) else ""
    fee = f"fee {_plain(values['fee'])} {values['fee_token'] or ''}".rstrip()
    return (
        f"{verb} {_plain(values['size'])} base at {_plain(values['price'])}{traded}, {fee} "
        f"(oid {values['oid']}, tid {values['tid']})"
    )


def _describe_end(values: dict[str, object]) -> str:
    status, oid, remaining = values["status"], values["oid"], values.get("remaining")
    left = "" if remaining is None else f", {_plain(remaining)} base of it left"
    ours = {
        OwnEnd.CANCELLED: "the venue confirmed that it cancelled or replaced it",
        OwnEnd.GHOST: "it is proven to be gone",
    }
    words = next((words for end, words in ours.items() if end == status), f"the venue reports its end: {status}")
    return f"{words}{left}, oid {oid}"


def _plain(value: object) -> str:
    return say_number(Decimal(str(value)))


def _clock(time_ms: int) -> str:
    """Write the time of the day alone."""
    return say_time(time_ms)[11:]

"""Checks of pair, book and open orders."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from mm_trio.cli.check_programs.facts import Facts
from mm_trio.cli.check_programs.findings import Check, Outcome, Unknown, Verdict, expect, need
from mm_trio.cli.programs.start_checks import find_pair, make_opening_rules
from mm_trio.grids.startup import check_order_size
from mm_trio.model.errors import ConfigError
from mm_trio.model.market import Book, Market
from mm_trio.model.settings import LEAST_IN_MINIMA
from mm_trio.planning.income import BASE_TIER
from mm_trio.planning.ladder_plan import LadderPlan
from mm_trio.planning.market_view import MarketView
from mm_trio.planning.plan_warnings import PlanWarning, find_warnings
from mm_trio.refusals.beforehand import BAND_HIGH, BAND_LOW, compute_open_cap, find_reference, is_in_band
from mm_trio.state.ownership import Owner, Ownership
from mm_trio.state.snapshot_diff import describe_rivals
from mm_trio.witness.opening_check import find_opening_fault

__all__ = ["MARKET_CHECKS", "count_wanted", "find_plan_warnings"]

_MOST_NAMED = 5


def check_pair(facts: Facts) -> Outcome:
    """Show the pair, and warn of its namesakes."""
    market, meta = expect(facts.market.market), need(facts.market.meta)
    names = {token.index: token.name for token in meta.tokens}
    called = (market.base.name, market.quote.name)
    alike = [pair.name for pair in meta.pairs if (names.get(pair.base), names.get(pair.quote)) == called]
    others = [name for name in alike if name != market.coin]
    if others:
        return Outcome(
            Verdict.WARN,
            f"{market.describe()}; {len(others)} other pairs are called so too: {', '.join(others[:_MOST_NAMED])}",
            "compare the token's id with the one that you mean",
        )
    return Outcome(Verdict.PASS, market.describe())


def check_base(facts: Facts) -> Outcome:
    """Check that the base token is the one named."""
    market, configured = need(facts.market.market), facts.settings.market
    if configured.base is None:
        verdict = Verdict.WARN if configured.network == "mainnet" else Verdict.PASS
        remedy = f'put base = "{_plain(market.base.name)}" into [market]: another pair is then refused'
        return Outcome(verdict, "[market] base names no token to compare with", remedy)
    try:
        find_pair(need(facts.market.meta), configured)
    except ConfigError as error:
        return Outcome(Verdict.FAIL, str(error), "change [market] coin or base")
    return Outcome(Verdict.PASS, f"the base token is {configured.base!r}, as [market] base says")


def check_token(facts: Facts) -> Outcome:
    """Show the base token's id, which nobody can copy."""
    market, token_id = need(facts.market.market), expect(facts.market.token_id)
    if token_id is None:
        return Outcome(
            Verdict.WARN,
            f"the venue tells no id of token {market.base.index}",
            "compare the pair with the venue's web page",
        )
    return Outcome(Verdict.PASS, f"token {market.base.index} has the id {_plain(token_id)}")


def check_lots(facts: Facts) -> Outcome:
    """Check that an order is a whole number of lots."""
    grid, size = expect(facts.ladder.grid), facts.settings.strategy.order_sz
    if size % grid.lot:
        least = max(grid.lot, size // grid.lot * grid.lot)
        return Outcome(
            Verdict.FAIL,
            f"order_sz {size:f} is not a whole number of lots of {grid.lot:f}",
            f"set [strategy] order_sz to {least:f}, or to another multiple of {grid.lot:f}",
        )
    return Outcome(Verdict.PASS, f"order_sz {size:f} is {size / grid.lot:.0f} lots of {grid.lot:f}")


def check_quote(facts: Facts) -> Outcome:
    """Check that the quote token is the one meant."""
    market, coin = need(facts.market.market), facts.settings.market.coin
    name = _plain(market.quote.name)
    if market.quote.name == "USDC" or "/" in coin:
        return Outcome(Verdict.PASS, f"prices and amounts are in {name}")
    return Outcome(
        Verdict.WARN,
        f"prices and amounts of {market.coin} are in {name}, not in USDC",
        "check that start_px, usdc and [limits] are in it",
    )


def check_hip2(facts: Facts) -> Outcome:
    """Check whether HIP-2 quotes this pair already."""
    expect(facts.market.hip2)
    found = [warning for warning in find_plan_warnings(facts) if warning.name == "hip2_here"]
    if found:
        return Outcome(Verdict.WARN, found[0].what, found[0].remedy)
    return Outcome(Verdict.PASS, "no sign that HIP-2 quotes this pair")


def check_opening(facts: Facts) -> Outcome:
    """Check the price that the ladder would open with."""
    opening = expect(facts.ladder.opening)
    fault = find_opening_fault(opening, make_opening_rules(facts.settings, None))
    if fault is not None:
        return Outcome(Verdict.FAIL, fault, "change the configuration, or name this price with `run --accept-price`")
    mid = "the book of others shows no mid" if opening.mid is None else f"the market's mid is {opening.mid:f}"
    return Outcome(Verdict.PASS, f"the ladder would open at {opening.inside}; {mid}")


def check_band(facts: Facts) -> Outcome:
    """Check that the venue takes the active window's prices."""
    plan, reference = need(facts.ladder.plan), find_reference(need(facts.market.book))
    if reference is None:
        return Outcome(Verdict.SKIP, "the book shows no reference price: it has no two sides near each other")
    orders = (*plan.asks, *plan.bids)
    far = [order.price for order in orders if not is_in_band(order.price, reference)]
    low, high = BAND_LOW * reference, BAND_HIGH * reference
    if not far:
        return Outcome(Verdict.PASS, f"all prices of the window are within {low:f} to {high:f}")
    return Outcome(
        Verdict.FAIL if len(far) == len(orders) else Verdict.WARN,
        f"{len(far)} of {len(orders)} orders are outside {low:f} to {high:f}, a fifth to five times of {reference:f}: "
        f"the venue refuses them, so they are left out (such as {far[0]:f})",
        "set active_levels, or take a narrower ladder",
    )


def check_min_notional(facts: Facts) -> Outcome:
    """Check what an order is worth at the lowest level."""
    grid, size, least = need(facts.ladder.grid), facts.settings.strategy.order_sz, facts.settings.tuning.min_notional
    worth = size * grid.levels[0]
    text = f"an order is worth {worth:f} at the lowest level {grid.levels[0]:f}; the minimum is {least:f}"
    if size % grid.lot:
        return Outcome(Verdict.SKIP, f"not looked at: {size:f} is not a whole number of lots")
    if worth >= 2 * least:
        return Outcome(Verdict.PASS, text)
    if worth >= LEAST_IN_MINIMA * least:
        return Outcome(
            Verdict.WARN,
            f"{text}, and below twice that both parts of a partly filled order can be too small to place",
            "set a larger order_sz",
        )
    try:
        check_order_size(grid, size, least)
    except ConfigError as error:
        text = str(error)
    return Outcome(Verdict.FAIL, text, "set a larger order_sz, or a higher start_px")


def check_open_orders(facts: Facts) -> Outcome:
    """Check that the venue's cap leaves room for the ladder."""
    orders, plan = expect(facts.account.orders), need(facts.ladder.plan)
    volume, _ = need(facts.account.budget)
    cap, wanted = compute_open_cap(volume), count_wanted(plan)
    n_others = sum(_own(facts).classify(order) is not Owner.OURS for order in orders)
    text = f"{n_others} open orders of others and {wanted} of the ladder; the account may have {cap:,}"
    if n_others + wanted <= cap:
        return Outcome(Verdict.PASS, text)
    return Outcome(
        Verdict.WARN,
        f"{text}: the far ends are left out",
        f"set active_levels to at most {max(1, (cap - n_others) // 2)}, or cancel the other orders",
    )


def check_foreign_orders(facts: Facts) -> Outcome:
    """Check for orders of this coin that other programs placed."""
    coin = need(facts.market.market).coin
    foreign = [order for order in expect(facts.account.orders) if order.coin == coin and order.cloid is None]
    marked = Ownership(coin, keep_foreign=True)
    foreign += [o for o in need(facts.account.orders) if o.coin == coin and o.cloid and marked.is_foreign(o)]
    if not foreign:
        return Outcome(Verdict.PASS, f"no order of another program is open on {coin}")
    oids = ", ".join(str(order.oid) for order in foreign[:_MOST_NAMED])
    is_kept = facts.settings.tuning.foreign_orders == "keep"
    what = "they are kept, and hold funds" if is_kept else "a start cancels them ([tuning] foreign_orders)"
    return Outcome(
        Verdict.WARN,
        f"{len(foreign)} orders of others are open on {coin} (oids {oids}): {what}",
        "nothing, if that is meant; else cancel them, or change [tuning] foreign_orders",
    )


def check_rivals(facts: Facts) -> Outcome:
    """Check for orders of another mm_trio, which a start refuses."""
    coin = need(facts.market.market).coin
    rivals = _own(facts, knows_all=True).find_rivals(need(facts.account.orders))
    if isinstance(facts.ledger.ledger, Unknown):
        return Outcome(Verdict.SKIP, "not looked at: without the ledger it is not known which orders are its own")
    if not rivals:
        return Outcome(Verdict.PASS, f"no order of another mm_trio is open on {coin}")
    return Outcome(
        Verdict.FAIL,
        describe_rivals(rivals),
        "stop the other one; where it has stopped for good, start once with `run --take-over`",
    )


def check_left_orders(facts: Facts) -> Outcome:
    """Check for orders that rest without this maker."""
    coin = need(facts.market.market).coin
    if need(facts.ledger.is_locked):
        return Outcome(Verdict.PASS, "the maker that runs looks after its orders")
    need(facts.ledger.ledger)
    owners = _own(facts, knows_all=True)
    left = [o for o in need(facts.account.orders) if o.cloid and owners.classify(o) is Owner.OURS]
    if not left:
        return Outcome(Verdict.PASS, f"no order of this maker rests on {coin} without it")
    oids = ", ".join(str(order.oid) for order in left[:_MOST_NAMED])
    return Outcome(
        Verdict.WARN,
        f"{len(left)} orders of this maker rest on {coin} while it does not run (oids {oids}): they can trade, and "
        "nobody looks after them",
        "start the maker again, which takes them up, or cancel them; nothing, if they were left on purpose",
    )


# --- What several checks need -----------------------------------------------------------------


def count_wanted(plan: LadderPlan) -> int:
    """Count the orders that rest at the start."""
    return len(plan.asks) + len(plan.bids)


def find_plan_warnings(facts: Facts) -> Sequence[PlanWarning]:
    """Find what a plan of this ladder warns of."""
    market, fees = need(facts.market.market), facts.account.fees
    hip2 = facts.market.hip2
    tokens, quote = (None, None) if isinstance(hip2, Unknown) else hip2
    view = MarketView(
        coin=market.coin,
        base=_plain(market.base.name),
        quote=_plain(market.quote.name),
        sz_decimals=market.base.sz_decimals,
        book=_find_book_of_others(facts),
        hip2_tokens=tokens,
        hip2_quote=quote,
    )
    return find_warnings(need(facts.ladder.plan), view, BASE_TIER if isinstance(fees, Unknown) else fees)


def _find_book_of_others(facts: Facts) -> Book:
    """Leave out the rows that are the account's alone.

    A maker that runs is no rival of itself.
    """
    book, orders = need(facts.market.book), need(facts.account.orders)
    coin = need(facts.market.market).coin
    own = Counter((order.side, order.price) for order in orders if order.coin == coin)
    return Book(
        tuple(row for row in book.bids if row.n_orders > own["buy", row.price]),
        tuple(row for row in book.asks if row.n_orders > own["sell", row.price]),
    )


def _own(facts: Facts, *, knows_all: bool = False) -> Ownership:
    market: Market = need(facts.market.market)
    ledger = facts.ledger.ledger
    epochs = () if ledger is None or isinstance(ledger, Unknown) else ledger.epochs
    keep = facts.settings.tuning.foreign_orders == "keep"
    return Ownership(market.coin, keep_foreign=keep, epochs=epochs, knows_all_sessions=knows_all)


def _plain(name: str) -> str:
    """Leave out what a terminal would act on.

    Strangers choose these names.
    """
    return "".join(filter(str.isprintable, name))


MARKET_CHECKS = (
    Check("pair", "the pair exists, and no other has its name", check_pair),
    Check("base", "[market] base names the pair's base token", check_base),
    Check("token", "the id of the base token", check_token),
    Check("quote", "the quote token is USDC, or named", check_quote),
    Check("lots", "an order is a whole number of lots", check_lots),
    Check("min_notional", "an order is worth enough at the lowest level", check_min_notional),
    Check("opening", "the opening price is the one that is meant", check_opening),
    Check("band", "the venue takes the prices of the active window", check_band),
    Check("hip2", "HIP-2 does not quote this pair already", check_hip2),
    Check("open_orders", "the cap of open orders leaves room", check_open_orders),
    Check("foreign_orders", "no order of another program on this pair", check_foreign_orders),
    Check("left_orders", "no order of this maker rests while it does not run", check_left_orders),
    Check("rivals", "no order of another mm_trio on this pair", check_rivals),
)

"""Figures of small histories, with values worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest
from certificate_kit import DAY_S, book, compute, market, units

from mm_trio.liquidity.certificate import Event
from mm_trio.liquidity.samples import Change, Fill, Volume
from mm_trio.liquidity.terms import read_terms
from mm_trio.model.orders import Side

# The mid is 20.
MARKET = market("19.98", "20.02")
BOTH = book("buy 100 @ 19.98", "sell 50 @ 20.02")


def at(second: int, **more: Any) -> Change:
    return Change(DAY_S + second, **more)


def fill(second: float, tid: int, side: Side, size: str, price: str) -> Fill:
    return Fill(DAY_S * 1000 + int(second * 1000), tid, 7, units(price), units(size), side)


def test_time_on_each_side_is_counted() -> None:
    """40 s both, 30 s bid alone, 30 s unknown."""
    figures = compute(
        [
            at(0, market=MARKET, own=BOTH),
            at(40, own=book("sell 0 @ 20.02")),
            at(70, own=None),
        ]
    ).period

    assert [figures[f"uptime_{side}"] for side in ("bid", "ask", "two_sided")] == ["0.7", "0.4", "0.4"]
    assert figures["known"] == 70


def test_an_order_too_far_away_does_not_count() -> None:
    """1 % of 20 is 0.2: 19.8 is within, 19.79 is not."""
    figures = compute(
        [
            at(0, market=market("19.8", "20.2"), own=book("buy 1 @ 19.8", "sell 1 @ 20.2")),
            at(50, own=book("buy 0 @ 19.8", "sell 0 @ 20.2", "buy 1 @ 19.79", "sell 1 @ 20.21")),
        ]
    ).period

    assert [figures["uptime_bid"], figures["uptime_ask"]] == ["0.5", "0.5"]


def test_a_market_that_was_not_watched_is_downtime() -> None:
    figures = compute([at(0, market=MARKET, own=BOTH), at(75, market=None)]).period

    assert figures["uptime_two_sided"] == "0.75"
    assert figures["down_s"] == {"ours": 0, "venue": 0, "network": 25, "halt": 0, "unknown": 0}


def test_nothing_known_is_downtime_of_unknown_cause() -> None:
    figures = compute([]).period

    assert figures["uptime_two_sided"] == "0"
    assert figures["down_s"] == {"ours": 0, "venue": 0, "network": 0, "halt": 0, "unknown": 100}
    assert figures["spread_ours_bps"] == {"samples": 0, "mean": None, "p50": None, "p95": None, "on_target": "0"}


def test_spread_is_weighted_by_time() -> None:
    """0.04 of 20 is 20 bps for 60 s, 0.1 of 20 is 50 bps for 40 s; the target is 35 bps."""
    wide = book("buy 0 @ 19.98", "sell 0 @ 20.02", "buy 1 @ 19.95", "sell 1 @ 20.05")
    figures = compute([at(0, market=MARKET, own=BOTH), at(60, own=wide)]).period

    assert figures["spread_ours_bps"] == {"samples": 100, "mean": "32", "p50": "20", "p95": "50", "on_target": "0.6"}
    assert figures["spread_market_bps"] == {"samples": 100, "mean": "20", "p50": "20", "p95": "20"}


def test_spread_is_rounded_up() -> None:
    """0.06 of 20.03 is 29.955067… bps."""
    near = book("buy 1 @ 20", "sell 1 @ 20.06")
    figures = compute([at(0, market=market("20", "20.06"), own=near)]).period

    assert figures["spread_ours_bps"] == {
        "samples": 100,
        "mean": "29.955068",
        "p50": "29.96",
        "p95": "29.96",
        "on_target": "1",
    }


def test_depth_is_told_by_distance() -> None:
    """Within 0.1 %: 100 · 19.98; within 2 %: 10 · 19.6 more; nothing for 4 s of 100, which is below the 5th part."""
    deep = book("buy 100 @ 19.98", "buy 10 @ 19.6", "sell 50 @ 20.02")
    figures = compute([at(0, market=MARKET, own=deep), at(96, own=None)]).period

    depth: Any = figures["depth_bid"]
    assert depth["0.1"] == {"mean": "1918.08", "p5": "1998", "mean_while_up": "1998"}
    assert depth["2"] == {"mean": "2106.24", "p5": "2194", "mean_while_up": "2194"}
    assert depth["5"] == depth["2"]


def test_depth_of_a_hole_is_nothing() -> None:
    figures = compute([at(0, market=MARKET, own=BOTH), at(95, own=None)]).period

    depth: Any = figures["depth_ask"]
    assert depth["1"] == {"mean": "950.95", "p5": "0", "mean_while_up": "1001"}


def test_slippage_is_the_mean_price_against_the_mid() -> None:
    """1,000 buys 50 at 20 (1,000 quote): 0. 1,000 sells 40 at 20 and what 200 quote are at 19: 18/380 below."""
    figures = compute(
        [at(0, market=market("20", "20"), own=book("sell 50 @ 20", "buy 40 @ 20", "buy 100 @ 19"))],
    ).period

    slippage: Any = figures["slippage_bps"]
    assert slippage["buy_1000"] == {"enough": "1", "p50": "0", "p95": "0"}
    # 1,000 / (40 + 200/19) = 19.7916…, which is 104.1666… bps below 20.
    assert slippage["sell_1000"] == {"enough": "1", "p50": "104.2", "p95": "104.2"}


def test_slippage_is_absent_where_the_book_is_too_small() -> None:
    figures = compute([at(0, market=MARKET, own=BOTH), at(20, own=book("sell 0.01 @ 20.02"))]).period

    slippage: Any = figures["slippage_bps"]
    assert slippage["buy_1000"]["enough"] == "0.2"
    assert slippage["buy_10000"] == {"enough": "0", "p50": None, "p95": None}


def test_a_side_that_is_sold_out_is_told_as_such() -> None:
    figures = compute([at(0, market=MARKET, own=BOTH), at(90, own=book("sell 0 @ 20.02"))])

    assert figures.period["sold_out_s"] == {"bid": 0, "ask": 10}
    assert figures.outages == {
        "count": 1,
        "first": [{"at_s": DAY_S + 90, "length_s": 10, "cause": "ours", "sold_out": "ask", "excluded_by": []}],
    }


@pytest.mark.parametrize(
    ("state", "reason", "cause"),
    [
        ("halted", "max_loss_vs_hold", "halt"),
        ("paused", "socket closed", "network"),
        ("paused", "the venue does not answer", "venue"),
        ("paused", "by the operator", "ours"),
        ("starting", "starting", "ours"),
    ],
)
def test_an_outage_has_the_cause_that_the_maker_wrote_down(state: str, reason: str, cause: str) -> None:
    away = book("buy 0 @ 19.98", "sell 0 @ 20.02", state=state, reason=reason)
    figures = compute([at(0, market=MARKET, own=BOTH), at(99, own=away)])

    assert [row["cause"] for row in figures.outages["first"]] == [cause]  # type: ignore[attr-defined]


def test_a_change_of_cause_begins_another_outage() -> None:
    away = book("buy 0 @ 19.98", "sell 0 @ 20.02", state="paused", reason="socket closed")
    figures = compute([at(0, market=MARKET, own=BOTH), at(10, own=away), at(15, own=None), at(20, own=BOTH)])

    first: Any = figures.outages["first"]
    assert [(row["at_s"] - DAY_S, row["length_s"], row["cause"]) for row in first] == [
        (10, 5, "network"),
        (15, 5, "unknown"),
    ]


def test_time_to_quote_again_ends_with_both_sides_at_the_target() -> None:
    """The ask of 20.02 is sold at 10.5 s; at 12 s the ask is 100 bps away, at 14 s it is back."""
    events: list[Event] = [
        at(0, market=MARKET, own=BOTH),
        fill(10.5, 1, "sell", "50", "20.02"),
        at(11, own=book("sell 0 @ 20.02")),
        at(12, own=book("sell 5 @ 20.18")),
        at(14, own=book("sell 50 @ 20.02")),
    ]
    figures = compute(events).period

    assert figures["requote_s"] == {"emptied_levels": 1, "not_requoted": 0, "p50": "3.5", "p95": "3.5", "max": "3.5"}


def test_a_partial_fill_empties_no_level() -> None:
    events: list[Event] = [
        at(0, market=MARKET, own=BOTH),
        fill(10.5, 1, "sell", "20", "20.02"),
        at(11, own=book("sell 30 @ 20.02")),
    ]
    figures = compute(events).period

    assert figures["requote_s"] == {"emptied_levels": 0, "not_requoted": 0, "p50": None, "p95": None, "max": None}


def test_a_level_that_is_never_quoted_again_is_counted() -> None:
    events: list[Event] = [
        at(0, market=MARKET, own=BOTH),
        fill(10.5, 1, "sell", "50", "20.02"),
        at(11, own=book("sell 0 @ 20.02")),
    ]

    assert compute(events).period["requote_s"] == {
        "emptied_levels": 1,
        "not_requoted": 1,
        "p50": None,
        "p95": None,
        "max": None,
    }


def test_volume_has_its_share_of_the_market() -> None:
    """2 fills of 20.02 quote; the market traded 80.08, 40.04 of which with us."""
    volume = Volume(DAY_S, 4, units("4"), units("20.02") * units("4"), 2, units("20.02") * units("2"))
    events = [fill(1, 1, "sell", "1", "20.02"), fill(2, 2, "sell", "1", "20.02")]

    assert compute(events, volumes=[volume]).period["volume"] == {
        "fills": 2,
        "ours_base": "2",
        "ours": "40.04",
        "market_trades": 4,
        "market": "80.08",
        "ours_in_market": "40.04",
        "share": "0.5",
    }


def test_long_numbers_are_summed_exactly() -> None:
    size = "123456789012345678.12345678"
    events = [fill(n, n, "sell", size, "0.00000001") for n in range(1, 4)]

    assert compute(events).period["volume"]["ours"] == "3703703670.3703703437037034"  # type: ignore[index]


def test_days_are_cut_at_midnight() -> None:
    events: list[Event] = [at(86_390, market=MARKET, own=BOTH), fill(86_400, 1, "sell", "1", "20.02")]
    figures = compute(events, n=86_400 + 50)

    assert [day["samples"] for day in figures.days] == [86_400, 50]
    assert [day["uptime_bid"] for day in figures.days] == ["0.00011574", "1"]
    assert [day["volume"]["fills"] for day in figures.days] == [0, 1]  # type: ignore[index]


def test_a_change_out_of_order_is_refused() -> None:
    with pytest.raises(ValueError, match="out of order"):
        compute([at(5, own=BOTH), at(4, own=None)])


def test_more_fills_than_can_be_are_refused() -> None:
    """A file of nothing but fills of one moment must not take all memory."""
    events = [fill(1, n, "sell", "1", "20") for n in range(100_001)]

    with pytest.raises(ValueError, match="more fills than can be"):
        compute(events)


def test_an_order_that_is_not_there_cannot_go() -> None:
    with pytest.raises(ValueError, match="nothing rests there"):
        compute([at(0, own=book("sell 0 @ 20.02"))])


def judge(events: list[Change], **clause: Any) -> Any:
    """Judge one clause by 100 samples."""
    terms = read_terms({"within_pct": "1", "target_bps": "35", "clause": [{"name": "it", "side": "both", **clause}]})
    return compute(events, terms).clauses[0]


def test_a_clause_is_met_at_its_very_share() -> None:
    events = [at(0, market=MARKET, own=BOTH), at(75, own=None)]

    assert judge(events, at_least="0.75")["met"] is True
    assert judge(events, at_least="0.75000001")["met"] is False


def test_samples_that_failed_are_named() -> None:
    events = [at(0, market=MARKET, own=BOTH), at(30, own=None), at(33, own=BOTH), at(90, own=None)]
    judged = judge(events, at_least="0.9", within_pct="1")

    assert (judged["failed"], judged["value"]) == (13, "0.87")
    assert judged["failed_first"] == [[DAY_S + 30, 3], [DAY_S + 90, 10]]


def test_an_excluded_cause_takes_nothing_from_what_was_kept() -> None:
    """Both sides rest for 50 s more after the feed was lost, and are gone for 30 s."""
    lost, away = book(state="paused", reason="socket closed"), book("buy 0 @ 19.98", "sell 0 @ 20.02", state="paused")
    events = [at(0, market=MARKET, own=BOTH), at(20, own=lost), at(70, own=away)]
    judged = judge(events, at_least="0.7", within_pct="1", exclude=["network"])

    assert (judged["value"], judged["excluded"]) == ("0.7", 0)


def test_quantiles_are_the_least_values_that_reach_their_part() -> None:
    """Of three samples the median is the second, and 95 % is the third."""
    events = [
        at(97, market=MARKET, own=book("buy 1 @ 19.99", "sell 1 @ 20.01")),
        at(98, own=book("buy 0 @ 19.99", "sell 0 @ 20.01", "buy 1 @ 19.98", "sell 1 @ 20.02")),
        at(99, own=book("buy 0 @ 19.98", "sell 0 @ 20.02", "buy 1 @ 19.97", "sell 1 @ 20.03")),
    ]
    spread: Any = compute(events).period["spread_ours_bps"]

    assert (spread["p50"], spread["p95"]) == ("20", "30")


def test_an_excluded_cause_does_not_count() -> None:
    """10 s without a feed are left out, 10 s without a look are not: 80 of 90."""
    away = book("buy 0 @ 19.98", "sell 0 @ 20.02", state="paused", reason="socket closed")
    events = [at(0, market=MARKET, own=BOTH), at(80, own=away), at(90, own=None)]
    judged = judge(events, at_least="0.9", exclude=["network"])

    assert (judged["value"], judged["excluded"], judged["samples"]) == ("0.88888889", 10, 90)


def test_the_mean_of_both_sides_is_no_clause_on_both() -> None:
    """The ask is away for a half: 100 % and 50 %."""
    events = [at(0, market=MARKET, own=BOTH), at(50, own=book("sell 0 @ 20.02"))]

    assert judge(events, at_least="0.75", side="mean")["value"] == "0.75"
    assert judge(events, at_least="0.75", side="both")["value"] == "0.5"
    assert judge(events, at_least="0.75", side="bid")["value"] == "1"


def test_a_range_of_prices_needs_no_mid() -> None:
    """Of 100 · 0.999 and 50 · 1.001 both are inside, and the order at 0.99 is not."""
    events = [at(0, own=book("buy 100 @ 0.999", "buy 9 @ 0.99", "sell 50 @ 1.001"))]
    terms = {"price_low": "0.998", "price_high": "1.002", "at_least": "1"}

    assert judge(events, **terms, min_depth="50.05")["met"] is True
    assert judge(events, **terms, min_depth="50.06")["met"] is False
    assert judge(events, **terms, side="bid", min_depth="99.9")["met"] is True
    assert judge(events, **terms, side="bid", min_depth="99.91")["met"] is False


def test_depth_while_up_leaves_downtime_out() -> None:
    """The ask has 1,001 for 50 s, and half of it for 25 s."""
    events = [at(0, market=MARKET, own=BOTH), at(50, own=book("sell 25 @ 20.02")), at(75, own=None)]
    judged = judge(events, measure="depth_while_up", at_least="834", within_pct="2")

    assert (judged["value"], judged["met"]) == ("834.16666667", True)


def test_every_day_has_to_be_met() -> None:
    """The second day is short of it, although the period is not."""
    terms = {"within_pct": "1", "target_bps": "35"}
    clause = {"name": "it", "side": "both", "at_least": "0.9", "over": "day"}
    events = [at(0, market=MARKET, own=BOTH), at(86_440, own=None)]
    judged: Any = compute(events, read_terms({**terms, "clause": [clause]}), n=86_400 + 50).clauses[0]

    assert (judged["met"], judged["value"], judged["worst_day_s"]) == (False, "0.8", DAY_S + 86_400)


def test_nothing_that_counts_does_not_meet_a_clause() -> None:
    away = book(state="halted", reason="by hand")

    assert judge([at(0, market=MARKET, own=away)], at_least="0", exclude=["halt"])["met"] is False

from __future__ import annotations

from sandbox_kit import HYPE, MAKER, buy, cancel, make_exchange, rest, sell, take

from mm_trio.sandbox.model.commands import Cancelled


def test_a_copy_and_its_original_go_their_own_ways() -> None:
    """One order is partly filled when the copy is made; then the original fills it, and the copy cancels it."""
    exchange = make_exchange()
    oid = rest(exchange, MAKER, sell("20", "3"))
    take(exchange, buy("20", "1", "Ioc"))
    copied = exchange.copy()

    take(exchange, buy("20", "2", "Ioc"))

    assert exchange.open_orders(MAKER) == ()
    assert [order.size for order in copied.open_orders(MAKER)] == [2]
    assert cancel(copied, oid) == Cancelled()
    assert copied.book(HYPE).asks == ()
    assert [len(each.fills(MAKER)) for each in (exchange, copied)] == [2, 1]

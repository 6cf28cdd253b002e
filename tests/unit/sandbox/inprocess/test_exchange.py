from __future__ import annotations

from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest
from inprocess_kit import Cloid, make_clocked_venue, make_venue, oid_of, request
from sandbox_kit import HYPE, MAKER, TAKER, Clock, cloid

from mm_trio.sandbox.api.gateway import BadRequest
from mm_trio.sandbox.inprocess.exchange import float_to_wire
from mm_trio.sandbox.inprocess.info import InProcessSigningExchange, InProcessVenue, SignedInProcess

NOW_MS = Clock().now_ms
LATER_MS = NOW_MS + 60_000


def sign(
    exchange: InProcessSigningExchange,
    *items: dict[str, Any],
    method: str = "bulk_orders",
    nonce: int = NOW_MS,
    expires_after: int = LATER_MS,
) -> SignedInProcess:
    return exchange.sign_action(exchange.make_action(method, items, nonce=nonce, expires_after=expires_after))


def n_resting(venue: InProcessVenue) -> int:
    return len(venue.gateway.exchange.open_orders(MAKER))


def test_only_the_signing_exchange_can_sign_and_post_apart() -> None:
    venue = make_venue()
    plain, signing = venue.exchange(MAKER), venue.signing_exchange(MAKER)

    assert not any(hasattr(type(plain), name) for name in ("make_action", "sign_action", "post_signed"))
    assert all(hasattr(type(signing), name) for name in ("make_action", "sign_action", "post_signed"))


def test_signing_has_no_effect() -> None:
    venue = make_venue()
    sign(venue.signing_exchange(MAKER), request())

    assert (venue.calls, n_resting(venue)) == ([], 0)


def test_each_method_of_the_sdk_can_be_signed_and_posted() -> None:
    venue = make_venue()
    exchange = venue.signing_exchange(MAKER)

    def post(nonce: int, method: str, *items: dict[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = exchange.post_signed(sign(exchange, *items, method=method, nonce=NOW_MS + nonce))
        assert answer["status"] == "ok"
        return answer

    first = post(1, "bulk_orders", request(cloid=Cloid(cloid(1))), request(limit_px=21.0, cloid=Cloid(cloid(2))))
    moved = request(limit_px=22.0, cloid=Cloid(cloid(1)))
    post(2, "bulk_modify_orders_new", {"oid": oid_of(first), "order": moved})
    post(3, "bulk_cancel_by_cloid", {"coin": HYPE, "cloid": Cloid(cloid(1))})
    (left,) = venue.gateway.exchange.open_orders(MAKER)
    post(4, "bulk_cancel", {"coin": HYPE, "oid": left.oid})
    nothing = post(5, "noop")

    assert left.cloid == cloid(2)
    assert n_resting(venue) == 0
    assert nothing == {"status": "ok", "response": {"type": "default"}}
    assert venue.calls == [
        ("bulk_orders", 2),
        ("bulk_modify_orders_new", 1),
        ("bulk_cancel_by_cloid", 1),
        ("bulk_cancel", 1),
        ("noop", 1),
    ]


def test_a_signed_post_answers_what_the_plain_method_answers() -> None:
    signing, plain = make_venue().signing_exchange(MAKER), make_venue().exchange(MAKER)
    orders = [request(cloid=Cloid(cloid(1))), request(is_buy=True, limit_px=25.0)]

    assert signing.post_signed(sign(signing, *orders)) == plain.bulk_orders(orders)


def test_the_same_bytes_posted_again_are_refused_as_a_duplicate() -> None:
    venue = make_venue()
    exchange = venue.signing_exchange(MAKER)
    signed = sign(exchange, request())
    exchange.post_signed(signed)

    again = exchange.post_signed(signed)

    assert again == {"status": "err", "response": f"Invalid nonce: duplicate nonce {NOW_MS}"}
    assert n_resting(venue) == 1
    assert venue.calls == [("bulk_orders", 1), ("bulk_orders", 1)]


def test_the_same_bytes_act_if_they_never_arrived() -> None:
    venue = make_venue()
    exchange = venue.signing_exchange(MAKER)
    signed = sign(exchange, request())
    venue.fail_next("bulk_orders", TimeoutError(), applied=False)
    with pytest.raises(TimeoutError):
        exchange.post_signed(signed)

    assert exchange.post_signed(signed)["status"] == "ok"
    assert n_resting(venue) == 1


def test_a_lost_answer_shows_as_a_duplicate_when_the_same_bytes_come_again() -> None:
    venue = make_venue()
    exchange = venue.signing_exchange(MAKER)
    signed = sign(exchange, request())
    venue.fail_next("bulk_orders", TimeoutError(), applied=True)
    with pytest.raises(TimeoutError):
        exchange.post_signed(signed)

    assert "duplicate nonce" in exchange.post_signed(signed)["response"]
    assert n_resting(venue) == 1


def test_clients_of_one_address_share_its_nonces_and_addresses_do_not() -> None:
    venue = make_venue()
    first, second, other = (venue.signing_exchange(who) for who in (MAKER, MAKER.upper().replace("X", "x"), TAKER))

    answers = [each.post_signed(sign(each, method="noop"))["status"] for each in (first, second, other)]

    assert answers == ["ok", "err", "ok"]


def test_whoever_posts_it_an_action_is_of_the_one_who_signed() -> None:
    venue = make_venue()

    venue.signing_exchange(TAKER).post_signed(sign(venue.signing_exchange(MAKER), request()))

    assert n_resting(venue) == 1


def test_a_nonce_outside_the_window_is_refused_and_not_spent() -> None:
    venue, clock = make_clocked_venue()
    exchange = venue.signing_exchange(MAKER)
    early = sign(exchange, request(), nonce=NOW_MS + 86_400_000 - 120_000 + 1, expires_after=NOW_MS + 200_000_000)

    assert "nonce too high" in exchange.post_signed(early)["response"]
    clock.now_ms += 1
    assert exchange.post_signed(early)["status"] == "ok"


def test_a_nonce_is_spent_by_orders_that_are_refused_one_by_one() -> None:
    exchange = make_venue().signing_exchange(MAKER)
    signed = sign(exchange, request(sz=0.01))

    assert "error" in exchange.post_signed(signed)["response"]["data"]["statuses"][0]
    assert "duplicate nonce" in exchange.post_signed(signed)["response"]


def test_an_expired_action_is_refused_and_its_nonce_spent() -> None:
    venue, clock = make_clocked_venue()
    exchange = venue.signing_exchange(MAKER)
    signed = sign(exchange, request(), expires_after=NOW_MS + 5_000)
    clock.now_ms += 5_001

    assert exchange.post_signed(signed) == {"status": "err", "response": "Action already expired"}
    assert "duplicate nonce" in exchange.post_signed(signed)["response"]


def test_an_action_that_cannot_be_read_spends_no_nonce() -> None:
    exchange = make_venue().signing_exchange(MAKER)
    with pytest.raises(BadRequest):
        exchange.post_signed(sign(exchange, request(limit_px=-20.0)))

    assert exchange.post_signed(sign(exchange, request()))["status"] == "ok"


def test_the_plain_methods_of_a_signing_exchange_need_no_nonce() -> None:
    exchange = make_venue().signing_exchange(MAKER)
    exchange.post_signed(sign(exchange, method="noop"))

    assert exchange.bulk_orders([request()])["status"] == exchange.noop(NOW_MS)["status"] == "ok"


def test_a_scheduled_cancel_is_signed_and_posted_like_any_action() -> None:
    exchange = make_venue().signing_exchange(MAKER)
    made = exchange.make_action("schedule_cancel", [{"time": LATER_MS}], nonce=NOW_MS, expires_after=LATER_MS)

    answer = exchange.post_signed(exchange.sign_action(made))

    # The venue offers it above a million of volume.
    assert answer == exchange.schedule_cancel(LATER_MS)
    assert answer["response"].startswith("Cannot set scheduled cancel time")


def test_a_signed_action_does_not_change_with_what_it_was_made_of() -> None:
    venue = make_venue()
    exchange = venue.signing_exchange(MAKER)
    order = request()
    signed = sign(exchange, order)
    order["limit_px"] = 99.0
    order["order_type"]["limit"]["tif"] = "Ioc"

    exchange.post_signed(signed)

    assert [str(each.price) for each in venue.gateway.exchange.open_orders(MAKER)] == ["20"]
    with pytest.raises(FrozenInstanceError):
        signed.nonce = 1  # type: ignore[misc]


def test_a_digest_tells_signed_actions_apart() -> None:
    exchange = make_venue().signing_exchange(MAKER)
    signed = sign(exchange, request())
    others = [
        sign(exchange, request(limit_px=21.0)),
        sign(exchange, request(), nonce=NOW_MS + 1),
        sign(exchange, request(), expires_after=LATER_MS + 1),
        replace(signed, method="bulk_cancel"),
    ]

    assert signed.digest == sign(exchange, request()).digest
    assert len({each.digest for each in (signed, *others)}) == 5
    assert len(bytes.fromhex(signed.digest)) == 32


@pytest.mark.parametrize("method", ["update_leverage", "usd_transfer", "bulk_order"])
def test_other_methods_cannot_be_signed(method: str) -> None:
    with pytest.raises(KeyError):
        sign(make_venue().signing_exchange(MAKER), request(), method=method)


@pytest.mark.parametrize("value, wire", [(20.0, "20"), (0.1, "0.1"), (1e-8, "0.00000001"), (1e6, "1000000")])
def test_a_float_is_written_as_the_sdk_writes_it(value: float, wire: str) -> None:
    assert float_to_wire(value) == wire


def test_a_float_that_would_round_is_refused() -> None:
    with pytest.raises(ValueError, match="causes rounding"):
        float_to_wire(0.123456789)

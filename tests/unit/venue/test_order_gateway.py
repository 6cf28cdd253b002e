"""The one way out: nonces that only rise, bytes that are only repeated as they are, and no answer taken for another."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
import requests
import trio
from builders import run_inline
from core_kit import desired
from desk_kit import ReadySender
from hyperliquid.utils.error import ClientError, ServerError

from mm_trio.concurrency.blocking_calls import QUICK_S, TOO_LATE, NoFreeThread
from mm_trio.concurrency.thread_pools import MOST_ACTIONS, ThreadPool
from mm_trio.model.errors import JournalBusy, JournalError, NotMade
from mm_trio.model.journal_entries import Entry, Requested
from mm_trio.model.orders import Intent
from mm_trio.model.replies import Answer, Cancelled, Refusal, Refused, Resting, Unknown
from mm_trio.venue import order_gateway
from mm_trio.venue.order_gateway import (
    LAST_ANSWER_SHARE,
    MOST_SENDS,
    RESEND_AFTER_S,
    WRITE_TIMEOUT_S,
    Burnt,
    OrderGateway,
)
from mm_trio.witness.nonces import Nonces
from mm_trio.witness.venue_clock import VenueClock

NOW_MS = 1_790_000_000_000
EXPIRES_MS = NOW_MS + 10_000
DUPLICATE = {"status": "err", "response": f"Invalid nonce: duplicate nonce {NOW_MS}"}
BROKEN = requests.ConnectionError("broken")


def refused(text: str) -> dict[str, Any]:
    return {"status": "err", "response": text}


def statuses(*each: Any) -> dict[str, Any]:
    return {"status": "ok", "response": {"type": "order", "data": {"statuses": list(each)}}}


def resting(oid: int) -> dict[str, Any]:
    return {"resting": {"oid": oid}}


@dataclass(frozen=True)
class Signed:
    """What a fake exchange signed."""

    method: str
    items: tuple[Any, ...]
    nonce: int
    expires_after: int

    @property
    def digest(self) -> str:
        return f"digest of {self.nonce}"


class Script:
    """What comes of each sending, one after the other; an error is raised. The ledger writes to the same `log`."""

    def __init__(self, log: list[str], *outcomes: Any) -> None:
        self.log = log
        self.outcomes = list(outcomes)

    def next(self, what: str) -> Any:
        self.log.append(what)
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


class SigningFake:
    """An exchange object that signs apart from sending."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.posted: list[Signed] = []
        self.signed: list[Signed] = []

    def make_action(self, method: str, items: Sequence[Any], *, nonce: int, expires_after: int) -> Signed:
        return Signed(method, tuple(repr(item) for item in items), nonce, expires_after)

    def sign_action(self, unsigned: Signed) -> Signed:
        self.signed.append(unsigned)
        return unsigned

    def post_signed(self, signed: Signed) -> Any:
        self.posted.append(signed)
        return self.script.next("post")


class PosterFake:
    """A sender of signed bytes that is a coroutine; what comes of it is the exchange object's."""

    def __init__(self, signing: SigningFake, run_sync: Any) -> None:
        self._signing = signing
        self._run_sync = run_sync

    async def post_signed(self, signed: Signed) -> Any:
        return await self._run_sync(self._signing.post_signed, signed, abandon_on_cancel=True)


class PlainFake:
    """An exchange object of the SDK's shape. It answers to every name, as a mock does."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.calls: list[tuple[str, Any, int | None]] = []
        self.expires_after: int | None = None

    def set_expires_after(self, expires_after: int | None) -> None:
        self.expires_after = expires_after

    def __getattr__(self, name: str) -> Callable[[Any], Any]:
        def call(items: Any) -> Any:
            self.calls.append((name, items, self.expires_after))
            return self.script.next("post")

        return call


class Ledger:
    """Who makes entries durable; raises `trouble` while it is set, and takes `takes_s`."""

    covers = False

    def __init__(self, log: list[str], run_sync: Any) -> None:
        self.log = log
        self.entries: list[Entry] = []
        self.trouble: Exception | None = None
        self.takes_s = 0.0
        self.is_slow: list[bool] = []  # of the next writes
        self.run_sync = run_sync

    def record(self, entry: Entry) -> None:
        self.entries.append(entry)
        self.log.append("record")

    async def flush_unless_covered(self) -> None:
        await trio.sleep(self.takes_s)
        self.log.append("flush")
        if self.trouble is not None:
            raise self.trouble

    async def flush_then(self, is_wanted: Callable[[], bool], send: Callable[..., Any], *args: Any) -> Any:
        await self.flush_unless_covered()
        if (self.is_slow and self.is_slow.pop()) or not is_wanted():
            return TOO_LATE
        return await self.run_sync(send, *args, abandon_on_cancel=True)


class Clock:
    """The venue's calendar, moved by the test."""

    def __init__(self) -> None:
        self.now_ms = NOW_MS

    def __call__(self) -> int:
        return self.now_ms


class Gate:
    """Opens as the test says."""

    is_shutting_down = False

    def __init__(self) -> None:
        self.may: Callable[[], bool] = lambda: True
        self.may_still: Callable[[], bool] = lambda: True

    def may_place(self) -> bool:
        return self.may()

    def may_still_place(self) -> bool:
        return self.may_still()


class Cover:
    """Signs cancels ahead of orders, once the test wants that; `then` is done right behind."""

    def __init__(self, log: list[str]) -> None:
        self.log = log
        self.is_on = False
        self.then: Callable[[], object] = lambda: None

    def make_cover(self) -> Callable[[], None] | None:
        return self._write if self.is_on else None

    def _write(self) -> None:
        self.log.append("cover")
        self.then()


class Bench:
    """A gateway on a fake exchange, and all that it did. `has_poster`: signed bytes leave from the loop."""

    has_poster = False

    def __init__(self, *outcomes: Any, signs: bool = True, run_sync: Any = run_inline, last_nonce: int = 0) -> None:
        self.log: list[str] = []
        self.clock = Clock()
        self.ledger = Ledger(self.log, run_sync)
        self.script = Script(self.log, *outcomes)
        self.signing, self.plain = SigningFake(self.script), PlainFake(self.script)
        self.gate = Gate()
        self.cover = Cover(self.log)
        self.gateway = OrderGateway(
            self.signing if signs else self.plain,
            gate=self.gate,
            cover=self.cover,
            nonces=Nonces(VenueClock(self.clock), last=last_nonce),
            run_sync=run_sync,
            ledger=self.ledger,
            clock=VenueClock(self.clock),
            poster=PosterFake(self.signing, run_sync) if self.has_poster else None,
        )
        self.sender = ReadySender(self.gateway)

    @property
    def requested(self) -> list[Requested]:
        return [entry for entry in self.ledger.entries if isinstance(entry, Requested)]

    def intents(self, n: int = 1, *, replaces: int | None = None) -> list[Intent]:
        nonce = self.gateway.take_nonce()
        return [
            Intent(f"0x{level:032x}", desired("buy", level), replaces, 0.0, 10.0, EXPIRES_MS, nonce)
            for level in range(n)
        ]

    async def place(self, n: int = 1) -> tuple[Answer, ...]:
        return await self.sender.send_places(self.intents(n))


def hang(*hanging: str) -> Any:
    """A `run_sync` in which these calls never come back."""

    async def run(fn: Callable[..., Any], *args: Any, **options: Any) -> Any:
        assert options == {"abandon_on_cancel": True}
        await trio.lowlevel.checkpoint()
        if fn.__name__ in hanging:
            await trio.sleep_forever()
        return fn(*args)

    return run


@pytest.fixture(autouse=True, params=["sdk", "trio"])
def transport(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test is of both transports."""
    monkeypatch.setattr(Bench, "has_poster", request.param == "trio")


async def test_an_action_that_cannot_be_signed_is_neither_recorded_nor_sent() -> None:
    class Broken(SigningFake):
        def sign_action(self, unsigned: Signed) -> Signed:
            raise RuntimeError("no key")

    bench = Bench()
    bench.signing.__class__ = Broken

    with pytest.raises(NotMade, match="no key"):
        await bench.place()

    assert bench.requested == []
    assert bench.signing.posted == []


# --- cancels signed ahead ---------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["places", "modifies"])
async def test_cancels_are_written_before_the_orders_that_they_cancel_are_sent(kind: str) -> None:
    bench = Bench(statuses(resting(7)))
    bench.cover.is_on = True
    send = bench.sender.send_places if kind == "places" else bench.sender.send_modifies

    answers = await send(bench.intents(replaces=None if kind == "places" else 3))

    assert answers == (Resting(7),)
    assert bench.log == ["record", "flush", "cover", "post"]


async def test_a_cancel_waits_for_no_cover() -> None:
    bench = Bench(statuses("success"))
    bench.cover.is_on = True

    await bench.sender.send_cancels([7], expires_ms=EXPIRES_MS)

    assert "cover" not in bench.log


async def test_an_order_that_may_not_be_sent_any_more_after_its_cover_is_not_sent() -> None:
    """Signing takes a moment, in which the feed may be lost."""
    bench = Bench()
    bench.cover.is_on = True

    def close() -> None:
        bench.gate.may = bench.gate.may_still = lambda: False

    bench.cover.then = close

    (answer,) = await bench.place()

    assert isinstance(answer, Refused)
    assert answer.refusal is Refusal.NOT_SENT
    assert bench.signing.posted == []


async def place_with_threads(bench: Bench, *covers: Callable[[], object]) -> list[tuple[Answer, ...]]:
    """Place once with each of these covers."""
    bench.cover.is_on = True
    answers = []
    for cover in covers:
        bench.cover.then = cover
        answers.append(await bench.place())
    return answers


async def test_a_cover_that_hangs_holds_no_thread_that_a_cancel_needs() -> None:
    """The disk of the guard's files hangs; there are as many threads as covers."""
    pool, release = ThreadPool("actions", MOST_ACTIONS), threading.Event()
    bench = Bench(*[statuses(resting(n)) for n in range(MOST_ACTIONS)], statuses("success"), run_sync=pool)
    try:
        placed = await place_with_threads(bench, *[lambda: release.wait(60)] * MOST_ACTIONS)
        cancelled = await bench.sender.send_cancels([1], expires_ms=EXPIRES_MS)
    finally:
        release.set()

    assert placed == [(Resting(n),) for n in range(MOST_ACTIONS)]
    assert cancelled == (Cancelled(),)
    assert bench.log.count("cover") == 1
    assert pool.n_busy == 0


async def test_a_cover_that_is_slow_is_tried_once() -> None:
    bench = Bench(statuses(resting(7)), run_sync=ThreadPool("actions", MOST_ACTIONS))

    # Longer than quick, each time.
    placed = await place_with_threads(bench, lambda: threading.Event().wait(1.5 * QUICK_S))

    assert placed == [(Resting(7),)]
    assert bench.log.count("cover") == 1


async def test_an_order_that_never_left_its_cover_was_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even later, when the cover ends; else one more order would be of unknown fate."""
    monkeypatch.setattr(order_gateway, "COVER_WITHIN_S", 60.0)
    release = threading.Event()
    bench = Bench(run_sync=(pool := ThreadPool("actions", MOST_ACTIONS)))
    bench.gateway._write_timeout_s = 0.3

    ((answer,),) = await place_with_threads(bench, lambda: release.wait(60))
    release.set()
    with trio.fail_after(10):
        while pool.n_busy:  # noqa: ASYNC110 - a thread sets no event of the loop
            await trio.sleep(0.01)

    assert isinstance(answer, Refused)
    assert (answer.refusal, answer.untouched) == (Refusal.NOT_SENT, True)
    assert bench.signing.posted == []


# --- nonces -----------------------------------------------------------------------------------


def test_nonces_follow_the_clock_and_always_rise() -> None:
    bench = Bench()
    taken = []
    for now_ms in (NOW_MS, NOW_MS, NOW_MS, NOW_MS + 5, NOW_MS - 3_600_000, NOW_MS - 3_600_000, NOW_MS + 6, NOW_MS + 90):
        bench.clock.now_ms = now_ms
        taken.append(bench.gateway.take_nonce())

    assert taken == [NOW_MS + n for n in (0, 1, 2, 5, 6, 7, 8, 90)]


def test_nonces_rise_above_those_of_an_earlier_life() -> None:
    bench = Bench(last_nonce=NOW_MS + 500)

    assert [bench.gateway.take_nonce() for _ in range(2)] == [NOW_MS + 501, NOW_MS + 502]


def test_nonces_of_an_earlier_life_that_lie_far_behind_hold_nothing_up() -> None:
    bench = Bench(last_nonce=5)

    assert bench.gateway.take_nonce() == NOW_MS


async def test_every_action_has_a_nonce_of_its_own_also_where_the_clock_stands() -> None:
    bench = Bench(statuses(resting(1)), statuses("success"), statuses(resting(2)))
    await bench.place()
    await bench.sender.send_cancels([1], expires_ms=EXPIRES_MS)
    await bench.place()

    assert [signed.nonce for signed in bench.signing.posted] == [NOW_MS, NOW_MS + 1, NOW_MS + 2]
    assert [entry.nonce for entry in bench.requested] == [NOW_MS, NOW_MS + 1, NOW_MS + 2]


def test_where_the_exchange_chooses_its_nonces_there_is_none_to_take() -> None:
    assert Bench(signs=False).gateway.take_nonce() is None


def test_an_expiry_is_on_the_venue_s_calendar() -> None:
    assert Bench().gateway.compute_expiry_ms(10.0) == NOW_MS + 10_000


# --- one action -------------------------------------------------------------------------------


async def test_an_action_is_written_down_and_durable_before_it_leaves() -> None:
    bench = Bench(statuses(resting(1), resting(2)))

    answers = await bench.place(2)

    assert bench.log == ["record", "flush", "post"]
    assert bench.requested == [Requested(NOW_MS, "bulk_orders", 2, f"digest of {NOW_MS}", EXPIRES_MS)]
    assert answers == (Resting(1), Resting(2))
    (posted,) = bench.signing.posted
    assert (posted.nonce, posted.expires_after, len(posted.items)) == (NOW_MS, EXPIRES_MS, 2)


async def test_each_kind_of_action_goes_out_under_the_sdk_s_name() -> None:
    ok = {"status": "ok", "response": {"type": "default"}}
    bench = Bench(statuses(resting(1)), statuses(resting(2)), statuses("success"), statuses("success"), ok)
    intents = bench.intents(replaces=1)

    await bench.place()
    await bench.sender.send_modifies(intents)
    await bench.sender.send_cancels([1], expires_ms=EXPIRES_MS)
    await bench.sender.send_cancels_by_cloid(intents, expires_ms=EXPIRES_MS)
    assert await bench.gateway.burn_nonce(NOW_MS, expires_ms=EXPIRES_MS) is Burnt.WAS_UNUSED

    names = ["bulk_orders", "bulk_modify_orders_new", "bulk_cancel", "bulk_cancel_by_cloid", "noop"]
    assert [signed.method for signed in bench.signing.posted] == names
    assert [entry.method for entry in bench.requested] == names
    assert [entry.n_items for entry in bench.requested] == [1, 1, 1, 1, 0]


async def test_a_plain_exchange_is_told_its_deadline_before_each_call() -> None:
    bench = Bench(statuses(resting(1)), statuses("success"), signs=False)

    assert await bench.place() == (Resting(1),)
    assert await bench.sender.send_cancels([1], expires_ms=EXPIRES_MS + 7) == (Cancelled(),)
    assert [(name, expires_after) for name, _, expires_after in bench.plain.calls] == [
        ("bulk_orders", EXPIRES_MS),
        ("bulk_cancel", EXPIRES_MS + 7),
    ]
    assert bench.log == ["flush", "post", "flush", "post"]


# --- the same bytes again ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "lost",
    [
        BROKEN,
        requests.ReadTimeout("slow"),
        requests.exceptions.ChunkedEncodingError("cut"),
        ConnectionResetError("reset"),
        ServerError(502, "<html>"),
        ServerError(500, ""),
    ],
    ids=repr,
)
async def test_bytes_that_may_not_have_arrived_are_sent_again_as_they_are(
    autojump_clock: trio.testing.MockClock, lost: Exception
) -> None:
    bench = Bench(lost, statuses(resting(1)))
    began_s = trio.current_time()

    answers = await bench.place()

    assert answers == (Resting(1),)
    first, second = bench.signing.posted
    assert first is second
    assert len(bench.signing.signed) == len(bench.requested) == 1
    assert trio.current_time() - began_s == RESEND_AFTER_S
    assert bench.gateway.take_nonce() == NOW_MS + 1


async def test_bytes_are_sent_so_often_and_no_more(autojump_clock: trio.testing.MockClock) -> None:
    bench = Bench(*[BROKEN] * 5)

    answers = await bench.place(2)

    assert len(bench.signing.posted) == MOST_SENDS
    assert len({id(signed) for signed in bench.signing.posted}) == 1
    assert [type(answer) for answer in answers] == [Unknown, Unknown]
    assert "broken" in str(answers[0])


@pytest.mark.parametrize(
    "answer",
    [
        ClientError(429, None, "null", None, None),
        ClientError(422, "x", "y", None, None),
        KeyError("code"),
        AttributeError("'str' object has no attribute 'get'"),
    ],
    ids=repr,
)
async def test_what_the_door_has_read_is_not_sent_again(answer: Exception) -> None:
    bench = Bench(answer)

    assert [type(answer) for answer in await bench.place()] == [Unknown]
    assert len(bench.signing.posted) == 1


@pytest.mark.parametrize("raw", [None, "garbage", {}, {"status": "ok"}, {"error": "Could not parse JSON"}, []])
async def test_an_answer_that_says_nothing_is_unknown_and_asked_for_once(raw: Any) -> None:
    bench = Bench(raw)

    assert [type(answer) for answer in await bench.place(2)] == [Unknown, Unknown]
    assert len(bench.signing.posted) == 1


@pytest.mark.parametrize("lost", [BROKEN, ServerError(502, "")], ids=repr)
async def test_a_plain_exchange_is_never_asked_twice(lost: Exception) -> None:
    """It would sign a second action, with a nonce of its own: the order could rest twice."""
    bench = Bench(lost, statuses(resting(1)), signs=False)

    answers = await bench.place()

    assert [type(answer) for answer in answers] == [Unknown]
    assert [name for name, _, _ in bench.plain.calls] == ["bulk_orders"]


async def test_a_used_nonce_at_the_first_sending_is_a_definite_refusal() -> None:
    bench = Bench(DUPLICATE)

    (answer,) = await bench.place()

    assert isinstance(answer, Refused)
    assert (answer.refusal, answer.untouched) == (Refusal.NONCE, True)


async def test_a_used_nonce_at_a_later_sending_says_that_it_arrived_and_not_what_came_of_it(
    autojump_clock: trio.testing.MockClock,
) -> None:
    bench = Bench(BROKEN, DUPLICATE)

    assert [type(answer) for answer in await bench.place(2)] == [Unknown, Unknown]
    assert len(bench.signing.posted) == 2


@pytest.mark.parametrize(
    "text",
    [
        "Too many cumulative requests sent (10001 > 10000) for cumulative volume traded $0.0.",
        "Action already expired",
        "User or API Wallet 0x0 does not exist.",
        "Signed action over weight limit of 200.",
    ],
)
async def test_a_refusal_at_the_door_of_a_later_sending_says_nothing_of_the_first(
    autojump_clock: trio.testing.MockClock, text: str
) -> None:
    """The first may have been carried out: it took the last of the budget, or it came in time and this did not."""
    bench = Bench(ServerError(502, ""), refused(text))

    assert [type(answer) for answer in await bench.place(2)] == [Unknown, Unknown]


async def test_a_refusal_of_one_order_at_a_later_sending_is_definite(autojump_clock: trio.testing.MockClock) -> None:
    """It is said where the action is carried out, and a nonce is good for that once."""
    crossed = {"error": "Post only order would have immediately matched, bbo was 1@2. asset=10107"}
    bench = Bench(BROKEN, statuses(crossed, resting(4)))

    first, second = await bench.place(2)

    assert isinstance(first, Refused)
    assert first.refusal is Refusal.WOULD_CROSS
    assert second == Resting(4)


# --- burning a nonce --------------------------------------------------------------------------


async def test_a_nonce_that_could_be_used_up_was_unused() -> None:
    bench = Bench({"status": "ok", "response": {"type": "default"}})

    assert await bench.gateway.burn_nonce(NOW_MS - 5, expires_ms=EXPIRES_MS) is Burnt.WAS_UNUSED
    assert [(signed.nonce, signed.method) for signed in bench.signing.posted] == [(NOW_MS - 5, "noop")]


@pytest.mark.parametrize(
    "outcomes, burnt",
    [
        ((DUPLICATE,), Burnt.WAS_USED),
        ((BROKEN, DUPLICATE), Burnt.WAS_USED),
        ((refused("Too many cumulative requests sent (2 > 1)"),), Burnt.UNKNOWN),
        ((BROKEN, refused("Too many cumulative requests sent (2 > 1)")), Burnt.UNKNOWN),
        ((None,), Burnt.UNKNOWN),
        ((KeyError("code"),), Burnt.UNKNOWN),
        ((BROKEN, BROKEN, BROKEN), Burnt.UNKNOWN),
    ],
    ids=["used", "broken, then used", "refused", "broken, then refused", "unreadable", "4xx", "broken"],
)
async def test_a_nonce_is_not_called_unused_on_any_other_answer(
    autojump_clock: trio.testing.MockClock, outcomes: tuple[Any, ...], burnt: Burnt
) -> None:
    assert await Bench(*outcomes).gateway.burn_nonce(NOW_MS, expires_ms=EXPIRES_MS) is burnt


async def test_a_plain_exchange_has_no_nonce_to_burn() -> None:
    bench = Bench(signs=False)

    assert await bench.gateway.burn_nonce(NOW_MS, expires_ms=EXPIRES_MS) is Burnt.UNKNOWN
    assert bench.plain.calls == []


# --- deadlines --------------------------------------------------------------------------------


async def test_an_action_that_is_not_answered_is_unknown_at_its_deadline(
    autojump_clock: trio.testing.MockClock,
) -> None:
    bench = Bench(run_sync=hang("post_signed"))
    began_s = trio.current_time()

    answers = await bench.place(2)

    assert answers == (Unknown(f"no answer in {WRITE_TIMEOUT_S:g} s"),) * 2
    assert trio.current_time() - began_s == WRITE_TIMEOUT_S


async def test_the_deadline_is_for_all_sendings_together(autojump_clock: trio.testing.MockClock) -> None:
    async def slow(fn: Callable[..., Any], *args: Any, **options: Any) -> Any:
        await trio.sleep(2.5 if fn.__name__ == "post_signed" else 0)
        return fn(*args)

    bench = Bench(BROKEN, BROKEN, statuses(resting(1)), run_sync=slow)
    began_s = trio.current_time()

    assert [type(answer) for answer in await bench.place()] == [Unknown]
    assert trio.current_time() - began_s == WRITE_TIMEOUT_S


async def test_our_leaving_does_not_cut_an_action_off(autojump_clock: trio.testing.MockClock) -> None:
    async def slow(fn: Callable[..., Any], *args: Any, **options: Any) -> Any:
        await trio.sleep(1)
        return fn(*args)

    bench = Bench(statuses(resting(1)), run_sync=slow)
    with trio.move_on_after(0.5):
        answers = await bench.place()

    assert answers == (Resting(1),)


async def test_no_action_outlasts_the_moment_to_leave_by(autojump_clock: trio.testing.MockClock) -> None:
    bench = Bench(run_sync=hang("post_signed"))
    bench.gateway.on_shutdown(2.0)

    assert [type(answer) for answer in await bench.sender.send_cancels([1], expires_ms=EXPIRES_MS)] == [Unknown]
    assert trio.current_time() == bench.gateway.done_by_s


async def test_leaving_hurries_the_action_on_its_way_and_bounds_all_later_ones(
    autojump_clock: trio.testing.MockClock,
) -> None:
    bench = Bench(run_sync=hang("post_signed"))
    began_s = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(bench.place)
        await trio.sleep(1.0)
        bench.gateway.on_shutdown(10.0)
    assert trio.current_time() - began_s == pytest.approx(1.0 + 10.0 * LAST_ANSWER_SHARE)

    await trio.sleep(began_s + 8.0 - trio.current_time())
    await bench.sender.send_cancels([1], expires_ms=EXPIRES_MS)
    assert trio.current_time() - began_s == pytest.approx(11.0)


async def test_leaving_hurries_every_action_on_its_way(autojump_clock: trio.testing.MockClock) -> None:
    """The dead man's switch is moved on beside the tick's action, and ends first."""
    ok = {"status": "ok", "response": {"type": "default"}}
    bench = Bench(ok)
    n_posts = 0

    async def hang_first(fn: Callable[..., Any], *args: Any, **_options: Any) -> Any:
        nonlocal n_posts
        n_posts += 1
        if n_posts == 1:
            await trio.sleep_forever()
        return fn(*args)

    bench.ledger.run_sync = bench.gateway._run_sync = hang_first
    began_s = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(bench.place)
        await trio.sleep(1.0)
        assert await bench.gateway.schedule_cancel(NOW_MS, expires_ms=EXPIRES_MS) == Cancelled()
        bench.gateway.on_shutdown(10.0)

    assert trio.current_time() - began_s == pytest.approx(1.0 + 10.0 * LAST_ANSWER_SHARE)


async def test_leaving_gives_no_action_more_time_than_it_had(autojump_clock: trio.testing.MockClock) -> None:
    bench = Bench(run_sync=hang("post_signed"))
    began_s = trio.current_time()
    bench.gateway.on_shutdown(3.0)
    bench.gateway.on_shutdown(1000.0)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(bench.sender.send_cancels, [1], expires_ms=EXPIRES_MS))
        await trio.sleep(1.0)
        bench.gateway.on_shutdown(1000.0)

    assert trio.current_time() - began_s == pytest.approx(3.0)


@pytest.mark.parametrize("signs", [True, False])
@pytest.mark.parametrize("why", ["leaving", "paused"])
async def test_nothing_new_is_sent_once_we_leave_or_are_paused_and_a_cancel_is(signs: bool, why: str) -> None:
    bench = Bench(statuses("success"), signs=signs)
    if why == "leaving":
        bench.gateway.on_shutdown(5.0)
    else:
        bench.gate.may = lambda: False

    (answer,) = await bench.place()

    assert isinstance(answer, Refused)
    assert (answer.refusal, answer.untouched) == (Refusal.NOT_SENT, True)
    assert "post" not in bench.log
    assert await bench.sender.send_cancels([1], expires_ms=EXPIRES_MS) == (Cancelled(),)


async def test_what_was_sent_once_is_not_sent_again_when_we_are_paused_meanwhile(
    autojump_clock: trio.testing.MockClock,
) -> None:
    bench = Bench(ConnectionResetError("cut"), statuses(resting(1)))
    bench.gate.may = lambda: "post" not in bench.log

    assert [type(answer) for answer in await bench.place()] == [Unknown]
    assert bench.log.count("post") == 1


@pytest.mark.parametrize("signs", [True, False])
async def test_after_the_moment_to_leave_by_nothing_is_sent(
    autojump_clock: trio.testing.MockClock, signs: bool
) -> None:
    bench = Bench(statuses(resting(1)), statuses("success"), signs=signs)
    bench.gateway.on_shutdown(-1.0)

    (place,) = await bench.place()
    assert isinstance(place, Refused)
    assert place.refusal is Refusal.NOT_SENT
    assert [type(answer) for answer in await bench.sender.send_cancels([1], expires_ms=EXPIRES_MS)] == [Unknown]
    assert "post" not in bench.log


# --- a disk that takes its time ---------------------------------------------------------------


async def test_what_was_written_slowly_is_asked_about_again_before_it_leaves() -> None:
    bench = Bench(statuses(resting(1)))
    bench.ledger.is_slow = [True]
    n_asked = 0

    def may_send() -> bool:
        nonlocal n_asked
        n_asked += 1
        return True

    bench.gate.may = may_send

    assert await bench.place() == (Resting(1),)
    assert n_asked == 2
    assert bench.log.count("post") == 1


async def test_what_was_written_slowly_and_may_no_longer_leave_was_never_sent() -> None:
    bench = Bench()
    bench.ledger.is_slow = [True]
    may_send = iter((True, False))
    bench.gate.may = lambda: next(may_send)

    (answer,) = await bench.place()
    assert isinstance(answer, Refused)
    assert answer.refusal is Refusal.NOT_SENT
    assert bench.log.count("post") == 0


async def test_what_may_not_leave_once_it_is_written_down_was_never_sent() -> None:
    """The socket closed while the disk wrote: the loop finds that out when it is asked again."""
    bench = Bench()
    may_send = iter((True, False))
    bench.gate.may = lambda: next(may_send)
    bench.gate.may_still = lambda: False

    (answer,) = await bench.place()
    assert isinstance(answer, Refused)
    assert answer.untouched
    assert bench.log == ["record", "flush"]


async def test_cancels_leave_whatever_else_may_not() -> None:
    bench = Bench(statuses("success"))
    bench.gate.may = bench.gate.may_still = lambda: False

    assert await bench.sender.send_cancels([1], expires_ms=EXPIRES_MS) == (Cancelled(),)


# --- what cannot be written down --------------------------------------------------------------


@pytest.mark.parametrize("signs", [True, False])
async def test_an_order_that_cannot_be_written_down_is_not_sent(signs: bool) -> None:
    bench = Bench(signs=signs)
    bench.ledger.trouble = JournalError("the disk is full")

    with pytest.raises(JournalError, match="the disk is full"):
        await bench.place()
    with pytest.raises(JournalError, match="the disk is full"):
        await bench.sender.send_modifies(bench.intents(replaces=1))
    assert "post" not in bench.log


async def test_what_was_sent_once_is_in_doubt_though_the_ledger_fails_before_it_is_sent_again(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """`JournalError` says that nothing was sent: the first bytes may have arrived."""
    bench = Bench(BROKEN)

    async def fail_after_the_first() -> None:
        while "post" not in bench.log:  # noqa: ASYNC110 - a fake's log sets no event
            await trio.sleep(0.1)
        bench.ledger.trouble = JournalError("the disk is full")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(fail_after_the_first)
        (answer,) = await bench.place()

    assert isinstance(answer, Unknown)
    assert bench.log.count("post") == 1
    with pytest.raises(JournalError, match="the disk is full"):
        await bench.place()


@pytest.mark.parametrize("signs", [True, False])
async def test_a_cancel_that_cannot_be_written_down_is_sent_all_the_same(signs: bool) -> None:
    bench = Bench(statuses("success"), statuses("success"), signs=signs)
    bench.ledger.trouble = JournalError("the disk is full")

    assert await bench.sender.send_cancels([1], expires_ms=EXPIRES_MS) == (Cancelled(),)
    assert await bench.sender.send_cancels_by_cloid(bench.intents(), expires_ms=EXPIRES_MS) == (Cancelled(),)


NO_THREAD = NoFreeThread("all 4 threads for actions are held by earlier calls that have not ended")


@pytest.mark.parametrize("obstacle", [JournalBusy("locked by another process"), NO_THREAD], ids=["r12", "r4"])
async def test_r12_an_order_that_meets_a_locked_journal_was_not_sent(obstacle: Exception) -> None:
    """It is an answer and no error: a lock ends, and the maker goes on. The same where no thread is free (R4)."""
    bench = Bench()
    bench.ledger.trouble = obstacle

    (answer,) = await bench.place()

    assert answer == Refused(Refusal.NOT_SENT, f"not sent: {obstacle}", untouched=True)
    assert "post" not in bench.log


@pytest.mark.parametrize("obstacle", [JournalBusy("locked by another process"), NO_THREAD], ids=["r12", "r4"])
async def test_r12_what_was_sent_before_the_lock_is_in_doubt(
    autojump_clock: trio.testing.MockClock, obstacle: Exception
) -> None:
    bench = Bench(BROKEN)

    async def lock_after_the_first() -> None:
        while "post" not in bench.log:  # noqa: ASYNC110 - a fake's log sets no event
            await trio.sleep(0.1)
        bench.ledger.trouble = obstacle

    async with trio.open_nursery() as nursery:
        nursery.start_soon(lock_after_the_first)
        (answer,) = await bench.place()

    assert isinstance(answer, Unknown)
    assert bench.log.count("post") == 1


async def test_r12_a_cancel_is_sent_while_the_journal_is_locked() -> None:
    bench = Bench(statuses("success"))
    bench.ledger.trouble = JournalBusy("locked by another process")

    assert await bench.sender.send_cancels([1], expires_ms=EXPIRES_MS) == (Cancelled(),)


async def test_a_nonce_is_burnt_though_it_cannot_be_written_down() -> None:
    bench = Bench({"status": "ok", "response": {"type": "default"}})
    bench.ledger.trouble = JournalError("the disk is full")

    assert await bench.gateway.burn_nonce(NOW_MS, expires_ms=EXPIRES_MS)


async def test_an_order_whose_deadline_passed_while_it_was_written_down_is_not_sent(
    autojump_clock: trio.testing.MockClock,
) -> None:
    bench = Bench(statuses(resting(1)))
    bench.ledger.takes_s = WRITE_TIMEOUT_S + 1

    assert [type(answer) for answer in await bench.place()] == [Unknown]
    assert "post" not in bench.log


def test_a_cancel_gets_the_later_deadline_where_two_clocks_part() -> None:
    """After the machine slept for a minute, the loop's clock and the calendar disagree on the venue's time."""
    calendar = Clock()
    clock = VenueClock(calendar, now_s=lambda: 0.0, compares=True)
    gateway = OrderGateway(SigningFake(Script([])), run_sync=run_inline, ledger=Ledger([], run_inline), clock=clock)
    calendar.now_ms += 60_000

    assert gateway.compute_expiry_ms(10.0) == NOW_MS + 10_000
    assert gateway.compute_cancel_expiry_ms(10.0) == NOW_MS + 70_000

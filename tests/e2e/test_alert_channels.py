"""Messages by Apprise to a service on loopback, on real sockets and threads."""

from __future__ import annotations

import logging
import socket
import sys
from collections.abc import Iterator
from contextlib import closing

import pytest
import trio
from alert_kit import TOKEN, AlertService, serving_alerts
from secret_kit import find_secrets

from mm_trio.alerts.apprise_channel import EXTRA_MISSING, AppriseChannel, find_reason, open_channels
from mm_trio.alerts.message import Message, Severity
from mm_trio.alerts.outside_heartbeat import OutsideHeartbeat, ask_for
from mm_trio.alerts.sender import Sender, try_once
from mm_trio.config.redaction import HiddenUrl
from mm_trio.model.errors import ConfigError

pytestmark = pytest.mark.e2e

MESSAGE = Message(key="k", severity=Severity.CRITICAL, title="halted", text="limit 5 <br> & more")
TICK_S = 0.01


@pytest.fixture
def service() -> Iterator[AlertService]:
    with serving_alerts() as opened:
        yield opened


def open_channel(url: str) -> AppriseChannel:
    (channel,) = open_channels([HiddenUrl(url)])
    return channel


async def test_a_message_arrives_as_it_was_written(service: AlertService) -> None:
    fault = await try_once(open_channel(service.url), MESSAGE)

    assert fault is None
    (posted,) = service.posted
    assert (posted["title"], posted["message"], posted["type"]) == ("halted", "limit 5 <br> & more", "failure")


async def test_a_channel_takes_one_message_after_another(service: AlertService) -> None:
    channel = open_channel(service.url)

    faults = [await try_once(channel, MESSAGE) for _ in range(3)]

    assert faults == [None] * 3
    assert len(service.posted) == 3


@pytest.mark.parametrize("status", [301, 401, 404, 500])
async def test_a_service_that_refuses_is_named_by_its_status(status: int) -> None:
    with serving_alerts(status=status) as service:
        assert await try_once(open_channel(service.url), MESSAGE) == f"the service answered HTTP {status}"


async def test_a_service_that_is_away_is_named(caplog: pytest.LogCaptureFixture) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as closed:
        port = closed.getsockname()[1]
    channel = open_channel(f"json://user:{TOKEN}@127.0.0.1:{port}/{TOKEN}")

    with caplog.at_level(logging.DEBUG):
        fault = await try_once(channel, MESSAGE)

    assert fault == "the connection was refused"
    assert find_secrets(f"{fault} {channel!r} {channel.name} {caplog.text}", TOKEN) == set()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("Socket Exception: HTTPConnectionPool(...): Read timed out. (read timeout=2.0)", "no answer within 2 s"),
        ("HTTPSConnectionPool(...): Connection to x timed out. (connect timeout=2.0)", "no connection within 2 s"),
        ("NameResolutionError(... Name or service not known)", "the host's name is not known"),
        ("SSLError(... CERTIFICATE_VERIFY_FAILED)", "the certificate or the encryption is not accepted"),
        ("A Connection error occurred sending Discord", "the connection failed"),
        (f"something else with {TOKEN}", "the service did not take it"),
    ],
)
def test_reasons_are_words_of_ours_alone(line: str, words: str) -> None:
    assert find_reason([line]) == words


async def test_no_log_line_of_a_library_has_a_token(service: AlertService, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        await try_once(open_channel(service.url), MESSAGE)
        await trio.to_thread.run_sync(ask_for, HiddenUrl(service.web_url))

    assert len(service.posted) == len(service.asked) == 1
    assert find_secrets(caplog.text, TOKEN) == set()


@pytest.mark.parametrize("url", [f"nosuch://{TOKEN}", f"https://{TOKEN}/x", "tgram://x"])
def test_an_address_of_no_service_is_refused_and_not_shown(url: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), pytest.raises(ConfigError, match=r"number 2 .*not a valid address") as caught:
        open_channels([HiddenUrl("json://localhost"), HiddenUrl(url)])

    assert find_secrets(f"{caught.value} {caplog.text}", TOKEN) == set()


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)

    assert open_channels([]) == ()
    with pytest.raises(ConfigError, match=r"pip install 'mm-trio\[alerts\]'"):
        open_channels([HiddenUrl("json://localhost")])
    assert "alerts" in EXTRA_MISSING


async def test_a_service_that_never_answers_never_holds_up_the_loop() -> None:
    """Ten messages to a service that takes them and is silent, while a task ticks a hundred times a second.

    The claim is 20 ms; a machine that is busy with others may take more of its own, which the bound leaves room for.
    """
    late_s: list[float] = []
    with serving_alerts(hangs=True) as service:
        sender = Sender([open_channel(service.url)], subject="sandbox @107", most_an_hour=100)
        # What is imported and made once is not the service's doing.
        async with trio.open_nursery() as nursery:
            nursery.start_soon(sender.send_forever)
            due_s = trio.current_time()
            for number in range(450):
                if number % 45 == 0:
                    sender.put(MESSAGE)
                due_s += TICK_S
                await trio.sleep_until(due_s)
                late_s.append(trio.current_time() - due_s)
                due_s = max(due_s, trio.current_time())
            nursery.cancel_scope.cancel()

    assert service.posted
    assert sender.reports[0].sent == 0
    assert sender.reports[0].fault == "no answer within 2 s"
    assert sorted(late_s)[len(late_s) * 9 // 10] < 0.02
    assert max(late_s) < 0.5


# --- The heartbeat outside --------------------------------------------------------------------


async def test_the_heartbeat_goes_on_while_there_are_ticks(service: AlertService) -> None:
    ticks = iter([0, 1, 2, 2, 2, 2, 2, 2, 2, 2])
    asked = trio.Event()
    last = 0

    def count() -> int:
        nonlocal last
        last = next(ticks, last)
        if last == 2 and len(service.asked) == 2:
            asked.set()
        return last

    heartbeat = OutsideHeartbeat(HiddenUrl(service.web_url), every_s=0.01, count_signs=count)
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(heartbeat.beat_forever)
            await asked.wait()
            nursery.cancel_scope.cancel()

    assert service.asked == [f"/{TOKEN}"] * 2
    assert heartbeat.n_sent == 2


async def test_a_heartbeat_that_fails_is_told_once_without_its_token(
    caplog: pytest.LogCaptureFixture, autojump_clock: trio.abc.Clock
) -> None:
    answers = iter(["the service answered HTTP 500"] * 3)
    n_ticks = 0

    def count() -> int:
        nonlocal n_ticks
        n_ticks += 1
        return n_ticks

    def ask(_: HiddenUrl) -> str | None:
        return next(answers, None)

    heartbeat = OutsideHeartbeat(
        HiddenUrl(f"https://hc-ping.com/{TOKEN}"), every_s=60, count_signs=count, ask=ask, run_sync=call_inline
    )
    with caplog.at_level(logging.INFO), trio.move_on_after(301):
        await heartbeat.beat_forever()

    assert caplog.messages == [
        "heartbeat not sent: url=https://hc-ping.com reason=the service answered HTTP 500; its service will raise an "
        "alarm",
        "heartbeat sent again: url=https://hc-ping.com",
    ]
    assert heartbeat.n_sent == 3


async def call_inline(fn, /, *args, abandon_on_cancel=False):  # type: ignore[no-untyped-def]
    return fn(*args)


@pytest.mark.parametrize(("status", "fault"), [(204, None), (503, "the service answered HTTP 503")])
def test_a_heartbeat_asks_and_reads_the_status(status: int, fault: str | None) -> None:
    with serving_alerts(status=status) as service:
        assert ask_for(HiddenUrl(service.web_url)) == fault


def test_a_heartbeat_to_nobody_is_no_error() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as closed:
        port = closed.getsockname()[1]

    fault = ask_for(HiddenUrl(f"http://127.0.0.1:{port}/{TOKEN}"))

    assert fault == "the connection failed (ConnectionError)"

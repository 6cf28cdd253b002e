"""What the doctor sees of alert channels without sending anything."""

from __future__ import annotations

import socket
from contextlib import closing
from pathlib import Path

import pytest
from alert_kit import TOKEN, serving_alerts

from mm_trio.cli.alert_programs.channel_facts import NO_ALERTS, AlertFacts, look_at_alerts
from mm_trio.config.keys import Secret
from mm_trio.config.redaction import HiddenUrl
from mm_trio.config.settings import Alerts


def look(alerts: Alerts, config: Path, **environ: str) -> AlertFacts:
    return look_at_alerts(alerts, {name: Secret(text) for name, text in environ.items()}, config=config)


def urls(*texts: str) -> Alerts:
    return Alerts(urls=tuple(map(HiddenUrl, texts)))


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "maker.toml"
    path.write_text("")
    path.chmod(0o600)
    return path


def test_without_channels_there_is_nothing(config: Path) -> None:
    assert look(Alerts(), config) == NO_ALERTS


def test_a_host_that_answers_is_asked_for_no_more_than_a_connection(config: Path) -> None:
    with serving_alerts() as service:
        found = look(urls(service.url, f"tgram://123456789:{'a' * 35}/12345"), config)

    assert found.names == (f"1:json://127.0.0.1:{service.port}", "2:tgram://<hidden>")
    assert (found.fault, found.silent, found.is_exposed) == (None, (), False)
    assert (service.posted, service.asked) == ([], [])


def test_a_host_that_takes_no_connection_is_named(config: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as closed:
        port = closed.getsockname()[1]

    found = look(urls(f"json://127.0.0.1:{port}/{TOKEN}"), config, MM_TRIO_HEARTBEAT_URL=f"http://[::1]:{port}/{TOKEN}")

    assert found.silent == (f"1:json://127.0.0.1:{port}", f"heartbeat:http://[::1]:{port}")


def test_an_address_of_no_service_is_a_fault_without_its_token(config: Path) -> None:
    found = look(urls(f"nosuch://{TOKEN}"), config)

    assert found.fault is not None
    assert TOKEN not in found.fault


@pytest.mark.parametrize(("mode", "is_exposed"), [(0o600, False), (0o640, True), (0o604, True)])
def test_a_file_that_others_may_read_is_seen(mode: int, is_exposed: bool, config: Path) -> None:
    config.chmod(mode)

    with serving_alerts() as service:
        assert look(urls(service.url), config).is_exposed is is_exposed
        assert look(Alerts(), config, MM_TRIO_ALERT_URLS=service.url).is_exposed is False

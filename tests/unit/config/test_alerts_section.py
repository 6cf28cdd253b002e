"""Section [alerts] of the configuration, and addresses that nobody may see."""

from __future__ import annotations

import os
import pickle
import tomllib
from pathlib import Path
from typing import Any

import pytest
from alert_kit import TOKEN
from secret_kit import find_secrets, show_frames

from mm_trio.account_config.changes import compare_accounts
from mm_trio.account_config.loading import load_account_settings, parse_account_settings
from mm_trio.account_config.toml_text import write_toml
from mm_trio.alerts.addresses import find_addresses
from mm_trio.config.environment import take_environment
from mm_trio.config.loading import load_settings, parse_settings
from mm_trio.config.redaction import HiddenUrl
from mm_trio.config.settings import Alerts, Settings
from mm_trio.model.errors import ConfigError

DOCUMENT: dict[str, Any] = {
    "market": {"coin": "@107", "account": "0x" + "a1" * 20},
    "strategy": {"start_px": "20", "n_orders": 40, "order_sz": "5"},
}
URL = f"json://user:{TOKEN}@127.0.0.1:8080/{TOKEN}"
WEB = f"https://hc-ping.com/{TOKEN}"


def parse(**alerts: object) -> Settings:
    return parse_settings({**DOCUMENT, "alerts": alerts}, environ={}, source="maker.toml")


def reveal(alerts: Alerts) -> list[str]:
    return [url.reveal() for url in alerts.urls]


def test_nobody_is_told_unless_an_address_is_given() -> None:
    assert parse_settings(DOCUMENT, environ={}, source="maker.toml").alerts == Alerts()
    assert Alerts().urls == ()


def test_the_section_is_read() -> None:
    alerts = parse(urls=[URL, "json://localhost"], heartbeat_url=WEB, one_sided_after_min=5, most_an_hour=3).alerts

    assert reveal(alerts) == [URL, "json://localhost"]
    assert alerts.heartbeat_url is not None
    assert alerts.heartbeat_url.reveal() == WEB
    assert (alerts.one_sided_after_min, alerts.most_an_hour) == (5.0, 3)


def test_an_address_may_have_a_token_as_long_as_a_key() -> None:
    assert reveal(parse(urls=["gotify://host.example/" + "ab" * 32]).alerts) == ["gotify://host.example/" + "ab" * 32]


@pytest.mark.parametrize(
    "wrong",
    [
        {"urls": f"{TOKEN} no-address"},
        {"urls": [TOKEN]},
        {"urls": [URL, 5]},
        {"urls": [f"json://127.0.0.1/{TOKEN} and more"]},
        {"urls": [URL] * 9},
        {"urls": TOKEN},
        {"heartbeat_url": f"ftp://host/{TOKEN}"},
        {"heartbeat_url": [WEB]},
        {"one_sided_after_min": 0},
        {"most_an_hour": 0},
    ],
)
def test_a_wrong_value_is_named_and_not_shown(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=rf"\[alerts\] {next(iter(wrong))}.*must be") as caught:
        parse(**wrong)

    assert find_secrets(str(caught.value), TOKEN) == set()


def test_an_address_in_a_wrong_file_is_in_no_frame(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text(f'[alerts]\nurls = ["{URL}"]\nagent_days = "{TOKEN}"\n')

    for load in (load_settings, load_account_settings):
        with pytest.raises(ConfigError) as caught:
            load(tmp_path / "c.toml", environ={})

        assert find_secrets(show_frames(caught.value, of_files=("loading.py",)), URL) == set()


def test_no_form_of_the_settings_shows_an_address() -> None:
    settings = parse(urls=[URL], heartbeat_url=WEB)
    account = parse_account_settings(
        {**DOCUMENT, "alerts": {"urls": [URL], "heartbeat_url": WEB}}, environ={}, source="maker.toml"
    )

    shown = f"{settings!r} {settings} {settings.describe()} {account!r} {write_toml(account)}"

    assert find_secrets(shown, TOKEN) == set()
    assert "json://127.0.0.1:8080" in repr(settings)
    assert "[alerts]" in write_toml(account)


def test_a_copy_without_addresses_is_no_change() -> None:
    """What a maker has taken over is kept in its state folder, without the addresses."""
    new = parse_account_settings({**DOCUMENT, "alerts": {"urls": [URL], "agent_days": 3}}, environ={}, source="new")
    old = parse_account_settings(tomllib.loads(write_toml(new)), environ={}, source="old")

    assert old == new
    assert compare_accounts(old, new).is_empty
    assert compare_accounts(old, new).refusals == ()
    other = parse_account_settings({**DOCUMENT, "alerts": {"agent_days": 4}}, environ={}, source="other")
    assert "[alerts] agent_days 3 -> 4" in compare_accounts(old, other).refusals[0]


def test_several_markets_share_the_section(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text(
        f'[account]\naccount = "0x{"a1" * 20}"\n[alerts]\nurls = ["{URL}"]\n'
        '[[market]]\ncoin = "@107"\n[market.strategy]\nstart_px = "20"\nn_orders = 4\norder_sz = "5"\n'
        '[market.allocation]\ntoken = "10"\nusdc = "100"\n'
    )

    account = load_account_settings(tmp_path / "c.toml", environ={})

    assert reveal(account.alerts) == [URL]
    assert account.grids[0].alerts is account.alerts


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("json://127.0.0.1:8080/x?y=z", "json://127.0.0.1:8080"),
        ("json://user:password@host.example/path", "json://host.example"),
        ("jsons://[::1]:8080/", "jsons://[::1]:8080"),
        ("mailto://user:password@gmail.com?to=a", "mailto://gmail.com"),
        ("json://user:pass/word@host.example/", "json://<hidden>"),
        ("json://user:pass@word@host.example/", "json://<hidden>"),
        ("json://user:password@host.example/at@path", "json://<hidden>"),
        ("json://token", "json://<hidden>"),
        ("tgram://123456:abcdef/1", "tgram://<hidden>"),
        ("discord://1234.5678/abc", "discord://<hidden>"),
        ("no address", "<hidden>"),
        ("token with spaces://host.example", "<hidden>"),
    ],
)
def test_only_what_is_no_secret_is_shown(url: str, shown: str) -> None:
    assert repr(HiddenUrl(url)) == str(HiddenUrl(url)) == f"{HiddenUrl(url)}" == shown


def test_an_address_is_not_pickled() -> None:
    with pytest.raises(TypeError, match="neither pickled"):
        pickle.dumps(HiddenUrl(URL))


# --- The environment --------------------------------------------------------------------------


def test_addresses_leave_the_environment_and_win_over_the_file() -> None:
    environ = {"MM_TRIO_ALERT_URLS": f"{URL}\n# a comment\njson://localhost", "mm_trio_heartbeat_url": WEB, "PATH": "/"}

    taken = take_environment(environ)
    found = find_addresses(parse(urls=["json://127.0.0.1"]).alerts, taken.alerts)

    assert environ == {"PATH": "/"}
    assert taken.plain == {}
    assert taken.secrets == {}
    assert find_secrets(repr(taken), TOKEN) == set()
    assert [url.reveal() for url in found.urls] == [URL, "json://localhost"]
    assert found.heartbeat is not None
    assert found.heartbeat.reveal() == WEB


def test_a_setting_of_the_environment_is_as_hidden() -> None:
    environ = {"MM_TRIO__ALERTS__URLS": URL}

    taken = take_environment(environ)

    assert (environ, taken.plain) == ({}, {})
    assert [url.reveal() for url in find_addresses(Alerts(), taken.alerts).urls] == [URL]


def test_a_mistaken_name_hides_its_address_too() -> None:
    environ = {"MM_TRIO_ALERTS_URL": URL}

    taken = take_environment(environ)

    assert environ == {}
    assert find_secrets(repr(taken), TOKEN) == set()
    with pytest.raises(ConfigError, match="unknown variable MM_TRIO_ALERTS_URL; did you mean MM_TRIO_ALERT_URLS"):
        parse_settings(DOCUMENT, environ=taken.plain, source="maker.toml")


def test_a_private_file_and_a_descriptor_are_read(tmp_path: Path) -> None:
    path = tmp_path / "urls"
    path.write_text(f"# who hears of it\n{URL}\n")
    path.chmod(0o600)
    read_end, write_end = os.pipe()
    os.write(write_end, WEB.encode())
    os.close(write_end)

    taken = take_environment({"MM_TRIO_ALERT_URLS_FILE": str(path), "MM_TRIO_HEARTBEAT_URL_FD": str(read_end)})
    found = find_addresses(Alerts(), taken.alerts)

    assert [url.reveal() for url in found.urls] == [URL]
    assert found.heartbeat is not None
    assert found.heartbeat.reveal() == WEB


def test_a_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "urls"
    path.write_text(URL)
    path.chmod(0o644)
    taken = take_environment({"MM_TRIO_ALERT_URLS_FILE": str(path)})

    with pytest.raises(ConfigError, match="MM_TRIO_ALERT_URLS_FILE: the file has mode 0644"):
        find_addresses(Alerts(), taken.alerts)


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"MM_TRIO_ALERT_URLS": URL, "MM_TRIO_ALERT_URLS_FILE": "/x"}, "keep one of them"),
        ({"MM_TRIO_ALERT_URLS": URL, "MM_TRIO__ALERTS__URLS": URL}, "keep one of them"),
        ({"MM_TRIO_ALERT_URLS": f"{TOKEN}"}, "MM_TRIO_ALERT_URLS .* is not valid"),
        ({"MM_TRIO_HEARTBEAT_URL": f"json://{TOKEN}"}, "MM_TRIO_HEARTBEAT_URL .* is not valid"),
    ],
)
def test_a_wrong_source_is_named_and_not_shown(environ: dict[str, str], words: str) -> None:
    taken = take_environment(environ)

    with pytest.raises(ConfigError, match=words) as caught:
        find_addresses(Alerts(), taken.alerts)

    assert find_secrets(show_frames(caught.value, of_files=("addresses.py", "keys.py")), TOKEN) == set()


def test_an_empty_variable_counts_as_not_given() -> None:
    taken = take_environment({"MM_TRIO_ALERT_URLS": "", "MM_TRIO__ALERTS__URLS": ""})

    assert find_addresses(parse(urls=[URL]).alerts, taken.alerts).urls[0].reveal() == URL

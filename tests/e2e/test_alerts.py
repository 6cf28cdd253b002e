"""The operator hears of trouble, also when the process is gone: maker, guard and commands as processes of their own."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import requests
from alert_kit import TOKEN, AlertService, serving_alerts
from process_kit import Program, Sandbox, open_sandbox, run, running, wait_until
from several_kit import COINS, open_several, save_several

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

# Of the issue: from the death of the maker to the message.
KILLED_WITHIN_S = 30.0
FAST = {"MM_TRIO__GUARD__GUARD_AFTER_S": "2", "MM_TRIO__TUNING__INTERVAL_S": "0.5"}


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with open_sandbox(tmp_path_factory.mktemp("alerts"), "--no-takers") as opened:
        yield opened


@pytest.fixture
def service() -> Iterator[AlertService]:
    with serving_alerts() as opened:
        yield opened


def save(sandbox: Sandbox, folder: Path, alerts: str = "") -> str:
    path = sandbox.save_config(folder)
    path.write_text(f"{path.read_text()}\n[alerts]\n{alerts}")
    return str(path)


def assert_hidden(folder: Path, *programs: Program) -> None:
    """No stream and no file of the state folder has the token."""
    texts = [program.out + program.err for program in programs]
    texts += [path.read_bytes().decode("latin-1") for path in (folder / "state").rglob("*") if path.is_file()]
    assert [text for text in texts if TOKEN in text] == []


def has_line(url: str, line: str) -> bool:
    return line in get(url)


def test_a_killed_maker_is_told_by_its_guard_and_from_outside(
    sandbox: Sandbox, service: AlertService, tmp_path: Path
) -> None:
    """`kill -9`; then the command that systemd's OnFailure= runs, beside the guard."""
    config, told = save(sandbox, tmp_path), FAST | {"MM_TRIO_ALERT_URLS": service.url}
    with (
        running(tmp_path, "guard", "--config", config, environ=told) as guard,
        running(tmp_path, "run", "--config", config, "--plain", environ=told | sandbox.key) as maker,
    ):
        guard.wait_for("guard armed")
        maker.wait_for("tick=2 ")
        wait_until(lambda: sandbox.ask("openOrders"))
        began_s = time.monotonic()
        maker.end(signal.SIGKILL)
        words = ("alerts", "send", "--config", config, "--event", "failed", "--unit", "mm-trio@spark.service")
        code, out, _ = run(
            tmp_path, *words, "--result", "signal", "--status", "KILL", environ={"MM_TRIO_ALERT_URLS": service.url}
        )
        sent_s = time.monotonic() - began_s
        service.wait_for("the maker is silent", "limit 2 s")
        guarded_s = time.monotonic() - began_s
        service.wait_for("nothing of the silent maker rests", "two polls")
        assert guard.end(signal.SIGTERM) == 0

    print(f"kill -9: OnFailure's command {sent_s:.1f} s, guard {guarded_s:.1f} s")
    assert code == 0
    assert re.match(r"PASS  1:json://127\.0\.0\.1:\d+  taken in", out)
    service.wait_for("mm-trio@spark.service failed (result signal, status KILL)", "cancel-all")
    assert max(sent_s, guarded_s) < KILLED_WITHIN_S
    assert [title for title in service.titles if "CRITICAL sandbox" in title and "guard: the maker is silent" in title]
    assert_hidden(tmp_path, guard, maker)


def test_a_killed_maker_of_several_markets_is_told_too(service: AlertService, tmp_path: Path) -> None:
    told = FAST | {"MM_TRIO_ALERT_URLS": service.url}
    with open_several(tmp_path, "--no-takers") as sandbox:
        config = str(save_several(sandbox, tmp_path))
        words = ("run", "--config", config, "--plain", "--page", "0")
        with (
            running(tmp_path, "guard", "--config", config, environ=told) as guard,
            running(tmp_path, *words, environ=told | sandbox.key) as maker,
        ):
            guard.wait_for("guard armed")
            url = maker.wait_for(r"http://127\.0\.0\.1:\d+ \(`mm-trio page-link").split()[0]
            for coin in COINS:
                line = f'mm_trio_grid_state{{coin="{coin}",state="quoting"}} 1.0'
                wait_until(partial(has_line, f"{url}/metrics", line))
            maker.end(signal.SIGKILL)
            service.wait_for("guard: the maker is silent")
            service.wait_for("nothing of the silent maker rests")
            assert guard.end(signal.SIGTERM) == 0

    assert {title.split(" guard: ")[0].partition(" ")[2] for title in service.titles} == {f"sandbox {', '.join(COINS)}"}


def get(url: str) -> str:
    with requests.Session() as session:
        session.trust_env = False
        return session.get(url, timeout=30).text


def test_a_maker_that_halts_tells_it_before_it_ends(sandbox: Sandbox, service: AlertService, tmp_path: Path) -> None:
    config = save(sandbox, tmp_path, f'urls = ["{service.url}"]\n')
    with running(tmp_path, "run", "--config", config, "--plain", environ=FAST | sandbox.key) as maker:
        maker.wait_for("tick=2 ")
        maker.process.send_signal(signal.SIGUSR2)
        assert maker.end() == 5

    posted = service.wait_for("ended because it halted", "mm-trio resume")
    assert posted["type"] == "failure"
    assert_hidden(tmp_path, maker)


def test_a_stopped_maker_tells_what_it_waits_for(sandbox: Sandbox, service: AlertService, tmp_path: Path) -> None:
    config = save(sandbox, tmp_path)
    told = FAST | sandbox.key | {"MM_TRIO_ALERT_URLS": service.url}
    with running(tmp_path, "run", "--config", config, "--plain", environ=told) as maker:
        maker.wait_for("tick=2 ")
        assert run(tmp_path, "pause", "--config", config, "--reason", "for a test")[0] == 0
        service.wait_for("places nothing", "for a test", "mm-trio resume")
        assert maker.end(signal.SIGINT) == 0

    # A clean end is no news.
    assert [title for title in service.titles if "ended" in title] == []


def test_a_start_that_fails_is_told(service: AlertService, tmp_path: Path) -> None:
    with open_sandbox(tmp_path) as sandbox:
        config = save(sandbox, tmp_path)
    told = sandbox.key | {"MM_TRIO_ALERT_URLS": service.url}

    code, _, _ = run(tmp_path, "run", "--config", config, "--plain", environ=told)

    assert code == 3
    service.wait_for("ended with an error (exit code 3)")


def test_a_hung_service_holds_up_the_end_for_seconds_at_most(sandbox: Sandbox, tmp_path: Path) -> None:
    with serving_alerts(hangs=True) as service:
        config, told = save(sandbox, tmp_path), FAST | sandbox.key | {"MM_TRIO_ALERT_URLS": service.url}
        with running(tmp_path, "run", "--config", config, "--plain", environ=told) as maker:
            maker.wait_for("tick=2 ")
            assert run(tmp_path, "pause", "--config", config)[0] == 0
            wait_until(lambda: service.posted)
            began_s = time.monotonic()
            assert maker.end(signal.SIGINT) == 0
            took_s = time.monotonic() - began_s
            assert "alert not delivered: channel=1:json://127.0.0.1" in maker.err + maker.out

    assert took_s < 20
    assert_hidden(tmp_path, maker)


def test_the_heartbeat_stops_with_the_maker(service: AlertService, tmp_path: Path) -> None:
    with open_sandbox(tmp_path, "--no-takers") as sandbox:
        config = save(sandbox, tmp_path, "heartbeat_every_s = 5\n")
        told = FAST | sandbox.key | {"MM_TRIO_HEARTBEAT_URL": service.web_url}
        with running(tmp_path, "run", "--config", config, "--plain", environ=told) as maker:
            wait_until(lambda: len(service.asked) >= 2)
            maker.end(signal.SIGKILL)
        n_asked = len(service.asked)

    assert n_asked >= 2
    assert set(service.asked) == {f"/{TOKEN}"}
    assert_hidden(tmp_path, maker)


# --- Commands ---------------------------------------------------------------------------------


def test_a_test_message_says_of_each_channel_whether_it_was_taken(
    sandbox: Sandbox, service: AlertService, tmp_path: Path
) -> None:
    with serving_alerts(status=403) as other:
        config = save(sandbox, tmp_path, f'urls = ["{service.url}", "{other.url}"]\n')
        code, out, err = run(tmp_path, "alerts", "test", "--config", config, "--json")
        n_tried = len(other.posted)

    told = json.loads(out)
    assert code == 1
    assert not told["ok"]
    assert [(each["ok"], each["fault"]) for each in told["channels"]] == [
        (True, None),
        (False, "the service answered HTTP 403"),
    ]
    assert (len(service.posted), n_tried) == (1, 1)
    assert TOKEN not in out + err
    assert run(tmp_path, "alerts", "test", "--config", config, environ={"MM_TRIO_ALERT_URLS": service.url})[0] == 0


def test_an_event_is_sent_although_the_file_is_wrong(service: AlertService, tmp_path: Path) -> None:
    wrong, none = tmp_path / "wrong.toml", tmp_path / "none.toml"
    wrong.write_text(f'[market]\ncoin = 5\n[alerts]\nurls = ["{service.url}"]\n')
    words = ("alerts", "send", "--event", "failed", "--unit", "x", "--config")

    codes = [
        run(tmp_path, *words, str(wrong))[0],
        run(tmp_path, *words, str(none), environ={"MM_TRIO_ALERT_URLS": service.url})[0],
        run(tmp_path, *words, str(none))[0],
    ]

    assert codes == [0, 0, 2]
    assert len(service.posted) == 2


def test_addresses_come_from_a_private_file_and_a_descriptor(service: AlertService, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("[alerts]\n")
    urls = tmp_path / "urls"
    urls.write_text(f"# who hears of it\n{service.url}\n")
    words = ("alerts", "test", "--config", str(tmp_path / "c.toml"))

    codes = []
    for mode in (0o644, 0o600):
        urls.chmod(mode)
        codes.append(run(tmp_path, *words, environ={"MM_TRIO_ALERT_URLS_FILE": str(urls)})[0])

    assert codes == [2, 0]
    assert len(service.posted) == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no alert channel: set .alerts. urls"),
        (f'urls = ["nosuch://{TOKEN}"]', "number 1 .nosuch://<hidden>.: not a valid address"),
        (f'urls = "{TOKEN}"', "urls = <hidden>: must be a list"),
        (f'urls = ["json://127.0.0.1"]\nkey = "{TOKEN}"', "a key or passphrase does not belong here"),
    ],
)
def test_a_wrong_channel_is_a_usage_error_that_shows_no_address(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text(f"[alerts]\n{text}\n")

    code, out, err = run(tmp_path, "alerts", "test", "--config", str(tmp_path / "c.toml"))

    assert code == 2
    assert re.search(words, err)
    assert "Traceback" not in err
    assert TOKEN not in out + err


def test_a_maker_with_a_wrong_channel_does_not_start(sandbox: Sandbox, tmp_path: Path) -> None:
    config = save(sandbox, tmp_path, f'urls = ["nosuch://{TOKEN}"]\n')

    code, out, err = run(tmp_path, "run", "--config", config, "--plain", environ=sandbox.key)

    assert code == 2
    assert "not a valid address of a service" in err
    assert TOKEN not in out + err


def test_without_the_extra_it_says_what_to_install(tmp_path: Path) -> None:
    """A module of its name that cannot be imported stands for one that is not installed."""
    (tmp_path / "c.toml").write_text('[alerts]\nurls = ["json://127.0.0.1"]\n')
    (tmp_path / "apprise.py").write_text("raise ImportError")
    path = os.pathsep.join((str(tmp_path), os.environ.get("PYTHONPATH", "")))

    code, _, err = run(tmp_path, "alerts", "test", "--config", str(tmp_path / "c.toml"), environ={"PYTHONPATH": path})

    assert code == 2
    assert "pip install 'mm-trio[alerts]'" in err
    assert "Traceback" not in err


def test_the_list_shows_rules_and_channels_without_tokens(service: AlertService, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text(
        f'[alerts]\nurls = ["{service.url}"]\none_sided_after_min = 3\nheartbeat_url = "{service.web_url}"\n'
    )

    code, out, _ = run(tmp_path, "alerts", "list", "--config", str(tmp_path / "c.toml"))

    assert code == 0
    assert re.search(r"one-sided +warning +no bids, no asks or no orders for 3 min", out)
    assert f"1:json://127.0.0.1:{service.port}" in out
    assert TOKEN not in out
    assert (service.posted, service.asked) == ([], [])

"""Metrics of a real maker: scraped by a real Prometheus, asked for by the dashboard, probed by a service manager."""

from __future__ import annotations

import json
import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
from alert_kit import serving_alerts
from process_kit import Program, Sandbox, open_sandbox, run, running, wait_until
from prometheus_kit import CONFIG, DEPLOY, RULES, list_queries, needs_prometheus, promtool, scraping

from mm_trio.metrics.names import METRICS, MetricKind

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

DASHBOARD = DEPLOY / "grafana" / "dashboards" / "mm-trio.json"
RULES_TEST = Path(__file__).parents[1] / "data" / "prometheus" / "rules_test.yml"
# So that every limit has a figure, and none is reached.
LIMITS = """
[limits]
max_order_notional = "1000"
max_side_notional = "100000"
max_net_spend = "100000"
max_loss_vs_hold = "100000"
max_actions_per_hour = 100000
budget_floor = 10
"""
# What needs more than a fresh maker on a sandbox: an agent with an end, refusals.
NOT_SEEN = {"key_remaining_seconds", "grid_refused_items"}


@contextmanager
def serving(folder: Path, sandbox: Sandbox, **environ: str) -> Iterator[tuple[Program, str]]:
    """A maker that quotes and serves, and where."""
    config = sandbox.save_config(folder)
    config.write_text(config.read_text() + LIMITS)
    words = ("run", "--config", str(config), "--plain", "--page", "0")
    told = sandbox.key | {"MM_TRIO__TUNING__INTERVAL_S": "0.5"} | environ
    with running(folder, *words, environ=told) as maker:
        url = maker.wait_for(r"http://127\.0\.0\.1:\d+ \(`mm-trio page-link").split()[0]
        maker.wait_for("tick=2 ")
        yield maker, url


def get(url: str, **headers: str) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        return session.get(url, headers=headers, timeout=30)


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    """One for each maker: the ledger of another one would be missing."""
    (tmp_path / "sandbox").mkdir()
    with open_sandbox(tmp_path / "sandbox") as opened:
        yield opened


@needs_prometheus
def test_a_real_prometheus_and_the_dashboard_have_everything(sandbox: Sandbox, tmp_path: Path) -> None:
    queries = list_queries(DASHBOARD)
    with (
        serving_alerts() as service,
        serving(tmp_path, sandbox, MM_TRIO_ALERT_URLS=service.url) as (maker, url),
        scraping(tmp_path, url.removeprefix("http://")) as prometheus,
    ):
        began_s, missing = time.monotonic(), dict(queries)

        def has_everything() -> bool:
            for name, text in list(missing.items()):
                if prometheus.query(text):
                    del missing[name]
            return not missing

        try:
            wait_until(has_everything)
        except AssertionError:
            raise AssertionError(f"no data for {missing}") from None
        took_s = time.monotonic() - began_s
        # The counters go on, and are of this maker.
        wait_until(lambda: prometheus.query("rate(mm_trio_grid_ticks_total[10s]) > 0"))
        wait_until(lambda: prometheus.query("count_over_time(mm_trio_uptime_seconds[5m]) >= 10"))
        (target,) = prometheus.ask("targets")["activeTargets"]
        known = set(prometheus.ask("label/__name__/values"))
        rules = [rule for group in prometheus.ask("rules")["groups"] for rule in group["rules"]]
        firing = [rule["name"] for rule in rules if rule["state"] == "firing"]
        assert maker.end(signal.SIGINT) == 0

    print(f"{len(queries)} queries have data after {took_s:.1f} s; a scrape takes {target['lastScrapeDuration']} s")
    assert (target["health"], target["lastError"]) == ("up", "")
    assert {rule["health"] for rule in rules} == {"ok"}
    assert firing == []
    wanted = {metric.full_name for metric in METRICS if metric.name not in NOT_SEEN}
    wanted = {f"{name}_bucket" if name.endswith("loop_lateness_seconds") else name for name in wanted}
    assert wanted - known == set()


@needs_prometheus
def test_promtool_accepts_metrics_rules_and_configuration(sandbox: Sandbox, tmp_path: Path) -> None:
    with serving(tmp_path, sandbox) as (maker, url):
        text = get(f"{url}/metrics").content
        assert maker.end(signal.SIGINT) == 0

    config = tmp_path / "prometheus.yml"
    config.write_text(CONFIG.replace("rules/", f"{RULES.parent}/"))
    checks = [
        promtool("check", "metrics", text=text),
        promtool("check", "rules", RULES),
        promtool("check", "config", config),
        promtool("test", "rules", RULES_TEST),
    ]

    assert [(each.returncode, each.stdout, each.stderr) for each in checks if each.returncode] == []
    # What it would do better is told on stderr.
    assert checks[0].stderr == b""


def test_metrics_and_probes_need_no_cookie_and_the_page_does(sandbox: Sandbox, tmp_path: Path) -> None:
    with serving(tmp_path, sandbox) as (maker, url):
        answers = {path: get(f"{url}{path}") for path in ("/metrics", "/healthz", "/readyz", "/")}
        metrics = get(f"{url}/metrics", Accept="application/openmetrics-text; version=1.0.0")
        foreign = get(f"{url}/metrics", Host="evil.example")
        assert maker.end(signal.SIGINT) == 0

    assert {path: answer.status_code for path, answer in answers.items()} == {
        "/metrics": 200,
        "/healthz": 200,
        "/readyz": 200,
        "/": 401,
    }
    assert foreign.status_code == 403
    assert answers["/metrics"].headers["content-type"].startswith("text/plain; version=")
    assert metrics.headers["content-type"].startswith("application/openmetrics-text")
    assert metrics.text.rstrip().endswith("# EOF")
    health, ready = answers["/healthz"].json(), answers["/readyz"].json()
    assert health["ok"]
    assert health["tick"]["age_s"] <= health["tick"]["limit_s"] == 15.0
    assert health["frame"]["limit_s"] == 60.0
    assert health["commit"]["age_s"] is not None
    assert ready["ready"]
    assert ready["state"] == "quoting"


def test_a_maker_that_does_not_quote_is_well_and_not_ready(sandbox: Sandbox, tmp_path: Path) -> None:
    with serving(tmp_path, sandbox) as (maker, url):
        config = str(tmp_path / "sandbox.toml")
        assert run(tmp_path, "pause", "--config", config, "--reason", "for a test")[0] == 0
        wait_until(lambda: get(f"{url}/readyz").status_code == 503)
        ready, health = get(f"{url}/readyz").json(), get(f"{url}/healthz")
        metrics = get(f"{url}/metrics").text
        assert maker.end(signal.SIGINT) == 0

    assert not ready["ready"]
    assert "for a test" in ready["why"]
    assert health.status_code == 200
    assert re.search(r'^mm_trio_account_standing\{standing="paused"\} 1\.0$', metrics, re.MULTILINE)
    assert re.search(r'^mm_trio_grid_state\{coin="@107",state="paused"\} 1\.0$', metrics, re.MULTILINE)


def test_a_maker_without_its_venue_is_told_by_its_ages(tmp_path: Path) -> None:
    """The sandbox stands still; the ages grow, and the maker answers all the same."""
    with open_sandbox(tmp_path, "--no-takers") as sandbox, serving(tmp_path, sandbox) as (_, url):
        sandbox.program.process.send_signal(signal.SIGSTOP)
        try:
            wait_until(lambda: get(f"{url}/healthz").json()["frame"]["age_s"] > 5)
            ages = get(f"{url}/healthz").json()
        finally:
            sandbox.program.process.send_signal(signal.SIGCONT)

    assert ages["frame"]["ok"]
    assert ages["uptime_s"] > 5


# --- Files ------------------------------------------------------------------------------------


def test_the_dashboard_asks_for_metrics_that_exist() -> None:
    names = {metric.full_name for metric in METRICS} | {"process_cpu_seconds_total", "process_resident_memory_bytes"}
    names |= {"process_open_fds"}

    asked = {
        name
        for text in list_queries(DASHBOARD).values()
        for name in re.findall(r"\b(?:mm_trio|process)_\w+", re.sub(r'"[^"]*"', "", text))
    }

    assert {name.removesuffix("_bucket") for name in asked} - names == set()


def test_the_rules_ask_for_metrics_that_exist() -> None:
    yaml: Any = pytest.importorskip("yaml", reason="PyYAML is not installed")
    rules = yaml.safe_load(RULES.read_text())["groups"][0]["rules"]
    names = {metric.full_name for metric in METRICS}

    asked = {name for rule in rules for name in re.findall(r"\bmm_trio_\w+", rule["expr"])}

    assert {name.removesuffix("_bucket") for name in asked} - names == set()
    assert [rule["alert"] for rule in rules if not {"summary", "description"} <= rule["annotations"].keys()] == []
    tested = RULES_TEST.read_text()
    assert [rule["alert"] for rule in rules if f"alertname: {rule['alert']}" not in tested] == []


def test_the_dashboard_is_whole() -> None:
    """No panel hides another one, ids are unique, and nothing but the chosen Prometheus is asked."""
    board: dict[str, Any] = json.loads(DASHBOARD.read_text())
    panels = board["panels"]

    cells = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]

    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert {panel["datasource"]["uid"] for panel in panels if "targets" in panel} == {"${datasource}"}


def test_counters_are_named_as_such() -> None:
    wrong = [metric.name for metric in METRICS if (metric.kind is MetricKind.COUNTER) != metric.name.endswith("_total")]

    assert wrong == []

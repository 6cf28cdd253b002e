"""A real maker with a page: where its link is, who gets in, and what happens when it ends or cannot begin."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPCookieProcessor, OpenerDirector, ProxyHandler, build_opener

import pytest
from process_kit import CHECKOUT, DEADLINE_S, Program, Sandbox, clean_environ, open_sandbox, run, running

pytest.importorskip("starlette", reason="the extra `page` is not installed")
pytest.importorskip("hypercorn", reason="the extra `page` is not installed")

pytestmark = pytest.mark.e2e

OPEN = r"page open: url=(http://\S+);"
LINK = r"http://127\.0\.0\.1:\d+/enter\?token=[\w-]{43}"


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with open_sandbox(tmp_path_factory.mktemp("sandbox")) as opened:
        yield opened


def make_browser() -> OpenerDirector:
    return build_opener(ProxyHandler({}), HTTPCookieProcessor())


def ask(browser: OpenerDirector, url: str) -> int:
    try:
        with browser.open(url, timeout=DEADLINE_S) as answer:
            return int(answer.status)
    except HTTPError as refused:
        return refused.code


def print_link(folder: Path, config: Path, sandbox: Sandbox) -> str:
    code, out, err = run(folder, "page-link", "--config", str(config), environ=sandbox.key)
    assert code == 0, err
    return out.strip()


def find_url(maker: Program) -> str:
    found = re.search(OPEN, maker.wait_for(OPEN))
    assert found is not None
    return found[1]


def test_its_link_lets_one_browser_in_and_the_next_day_there_is_another(tmp_path: Path, sandbox: Sandbox) -> None:
    config = sandbox.save_config(tmp_path)
    words = ("run", "--config", str(config), "--page", "--json", "--log-file", str(tmp_path / "maker.log"))
    with running(tmp_path, *words, environ=sandbox.key) as maker:
        url = find_url(maker)
        maker.wait_for("tick=1 ")
        first = print_link(tmp_path, config, sandbox)
        browser, other = make_browser(), make_browser()
        assert re.fullmatch(LINK, first)
        assert ask(browser, f"{url}/none") == 401
        assert [ask(browser, first), ask(browser, f"{url}/none"), ask(other, first)] == [200, 404, 401]
        second = print_link(tmp_path, config, sandbox)
        assert second != first
        assert [ask(other, second), ask(other, f"{url}/none"), ask(browser, f"{url}/none")] == [200, 404, 404]
        (file,) = tmp_path.glob("**/page-link")
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        third = file.read_text().strip()
        code = maker.end(signal.SIGTERM)

    assert code == 0, maker.err
    assert not file.exists()
    written = maker.err + maker.out + (tmp_path / "maker.log").read_text()
    written += "".join(path.read_text() for path in tmp_path.glob("**/maker.log"))
    # Where stderr is a file, it is a log.
    assert not [link for link in (first, second, third) if link.rpartition("=")[2] in written]
    assert "page-link" in maker.err


def test_on_a_pipe_its_link_is_printed_once(tmp_path: Path) -> None:
    with open_sandbox(tmp_path) as sandbox:
        config = sandbox.save_config(tmp_path)
        maker = subprocess.Popen(
            [sys.executable, "-m", "mm_trio", "run", "--config", str(config), "--page", "--json"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=clean_environ(XDG_STATE_HOME=str(tmp_path / "state"), **sandbox.key),
        )
        try:
            assert maker.stderr is not None
            first = maker.stderr.readline()
            found = re.search(LINK, first)
            assert found is not None, first
            told = ""
            while "tick=1 " not in told:
                told += maker.stderr.readline()
            browser = make_browser()
            statuses = [ask(browser, found[0]), ask(browser, f"{found[0].partition('/enter')[0]}/")]
            maker.send_signal(signal.SIGTERM)
            told += maker.stderr.read()
        finally:
            maker.kill()
            maker.communicate()

    logged = "".join(path.read_text() for path in tmp_path.glob("**/maker.log"))
    assert statuses == [200, 200]
    assert "page open: " in logged
    assert found[0].rpartition("=")[2] not in told + logged


def test_without_a_page_there_is_no_link(tmp_path: Path, sandbox: Sandbox) -> None:
    config = sandbox.save_config(tmp_path)
    words = ("page-link", "--config", str(config), "--json")
    before = run(tmp_path, *words, environ=sandbox.key)
    with running(tmp_path, "run", "--config", str(config), "--take-over", environ=sandbox.key) as maker:
        maker.wait_for("tick=1 ")
        during = run(tmp_path, *words, environ=sandbox.key)

    assert (before[0], during[0]) == (1, 1)
    told = [json.loads(out) for out in (before[1], during[1])]
    assert [(each["running"], each["link"]) for each in told] == [(False, None), (True, None)]


def test_a_port_in_use_is_found_before_the_maker_starts(tmp_path: Path, sandbox: Sandbox) -> None:
    config = sandbox.save_config(tmp_path)
    port = str(urlsplit(sandbox.url).port)
    code, _, err = run(tmp_path, "run", "--config", str(config), "--page", port, environ=sandbox.key)

    assert code == 2
    assert f"127.0.0.1 port {port}" in err
    assert "use another port" in err
    assert "tick=" not in err


def test_a_plan_has_no_page(tmp_path: Path, sandbox: Sandbox) -> None:
    config = sandbox.save_config(tmp_path)
    code, _, err = run(tmp_path, "run", "--config", str(config), "--plan", "--page", environ=sandbox.key)

    assert (code, "leave --page out" in err) == (2, True)


def test_without_its_packages_one_line_says_what_to_install(tmp_path: Path, sandbox: Sandbox) -> None:
    config = sandbox.save_config(tmp_path)
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "starlette.py").write_text("raise ImportError('No module named starlette')\n")
    environ = {**sandbox.key, "PYTHONPATH": f"{hidden}{os.pathsep}{CHECKOUT}"}
    code, _, err = run(tmp_path, "run", "--config", str(config), "--page", environ=environ)

    assert (code, "pip install mm-trio[page]" in err) == (2, True)
    assert "Traceback" not in err

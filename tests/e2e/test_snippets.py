"""The Python that README and pages show runs as it stands, but for addresses and durations."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from process_kit import CHECKOUT, open_sandbox

pytestmark = pytest.mark.e2e

PAGES = [CHECKOUT / "README.md", *sorted((CHECKOUT / "docs").glob("*.md"))]
DEADLINE_S = 60.0
URL, LIFE = "http://127.0.0.1:3001", "move_on_after(60)"


def read_snippets() -> list[tuple[str, str]]:
    """Every block of Python, with the page that it is on."""
    return [
        (page.name, text) for page in PAGES for text in re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    ]


def run_python(folder: Path, text: str, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    path = folder / "test_snippet.py"
    path.write_text(text)
    return subprocess.run(
        [sys.executable, *words, str(path)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT), "PYTEST_ADDOPTS": "", **environ},
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )


SNIPPETS = read_snippets()
TESTS = [(page, text) for page, text in SNIPPETS if "hyperliquid_sandbox" in text]
MAKERS = [text for _, text in SNIPPETS if "WsState(" in text]
STARTERS = [text for _, text in SNIPPETS if "subprocess" in text]
OTHERS = [text for _, text in SNIPPETS if text not in (*MAKERS, *STARTERS, *(test for _, test in TESTS))]


@pytest.mark.parametrize("page, text", TESTS, ids=lambda value: value if value.endswith(".md") else "")
def test_a_test_that_is_shown_passes(tmp_path: Path, page: str, text: str) -> None:
    # Where mm_trio is installed its plugin is there already, under the name of its entry point.
    is_installed = any(point.name == "mm_trio_sandbox" for point in entry_points(group="pytest11"))
    plugin = () if is_installed else ("-p", "mm_trio.sandbox.testing")
    ended = run_python(tmp_path, text, "-m", "pytest", "-q", "-p", "no:cacheprovider", *plugin)

    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_the_maker_that_is_shown_quotes_and_leaves_no_order(tmp_path: Path) -> None:
    (text,) = MAKERS
    assert text.count(URL) == text.count(LIFE) == 1

    with open_sandbox(tmp_path) as sandbox:
        ended = run_python(
            tmp_path,
            text.replace(URL, sandbox.url).replace(LIFE, "move_on_after(4)"),
            MM_TRIO_PRIVATE_KEY=sandbox.private_key,
            MM_TRIO_ACCOUNT_ADDRESS=sandbox.account,
        )
        left = sandbox.ask("openOrders")

    assert ended.returncode == 0, ended.stderr
    assert re.match(r"<WsState @107: .*, 0 orders open>\n<Inventory token=", ended.stdout)
    assert left == []


def test_the_sandbox_that_is_started_takes_an_order(tmp_path: Path) -> None:
    """It goes on after the snippet, as the page says; here it is ended with its group."""
    (text,) = STARTERS
    path = tmp_path / "snippet.py"
    path.write_text(text.replace('["python",', f"[{sys.executable!r},"))
    environ = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    out = tmp_path / "out"
    with out.open("w") as stream:
        process = subprocess.Popen(
            [sys.executable, str(path)], cwd=tmp_path, env=environ, stdout=stream, start_new_session=True
        )
    try:
        assert process.wait(DEADLINE_S) == 0
        assert "'status': 'ok'" in out.read_text()
    finally:
        os.killpg(process.pid, signal.SIGTERM)


@pytest.mark.parametrize("text", OTHERS, ids=lambda text: text.splitlines()[0])
def test_any_other_snippet_runs(tmp_path: Path, text: str) -> None:
    ended = run_python(tmp_path, text)

    assert (ended.returncode, ended.stderr) == (0, "")

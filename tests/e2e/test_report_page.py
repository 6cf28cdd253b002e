"""The page of a report in a browser: nothing sticks out, no words lie on others, no picture is empty.

MM_TRIO_SCREENSHOTS names a folder that keeps what the browser showed.
"""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from report_kit import History, make_history, make_report_of

pytest.importorskip("matplotlib", reason="pictures are drawn by matplotlib")

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_browser = pytest.mark.skipif(BROWSER is None, reason="there is no Chromium on this machine")
WIDTHS = (1280, 390)
N_PICTURES = 12
# A phone's width has to be that of a frame: a window of Chromium is never narrower than 500 pixels.
MEASURE = """
<body style="margin:0"><iframe id="page" width="WIDTH" height="900" style="border:0" srcdoc="PAGE"></iframe><script>
addEventListener("load", () => {
  const page = document.getElementById("page").contentDocument, root = page.documentElement;
  const wide = [], overlapping = [], empty = [], outside = [];
  for (const each of page.querySelectorAll("body *")) {
    if (each.closest("svg") || each.closest(".scroll > *")) continue;
    const box = each.getBoundingClientRect();
    if (box.width && (box.right > root.clientWidth + 0.5 || box.left < -0.5)) wide.push(each.outerHTML.slice(0, 80));
  }
  let shown = 0;
  for (const svg of page.querySelectorAll("svg")) {
    const frame = svg.getBoundingClientRect();
    if (!frame.width) continue;
    shown++;
    const paths = [...svg.querySelectorAll("path")].filter(path => path.getBoundingClientRect().width > 0);
    if (!(frame.height > 50) || paths.length < 2) empty.push(svg.getAttribute("aria-label"));
    const texts = [...svg.querySelectorAll("text")].map(text => [text.textContent, text.getBoundingClientRect()]);
    for (const [words, box] of texts) {
      const isInside = box.left > frame.left - 1 && box.right < frame.right + 1 && box.bottom < frame.bottom + 1;
      if (!isInside) outside.push(words);
    }
    for (let i = 0; i < texts.length; i++) for (let j = i + 1; j < texts.length; j++) {
      const [a, b] = [texts[i][1], texts[j][1]];
      const x = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      const y = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
      if (x > 1 && y > 3)
        overlapping.push(svg.getAttribute("aria-label") + ": " + texts[i][0] + " / " + texts[j][0]);
    }
  }
  const found = {width: root.clientWidth, scroll: root.scrollWidth, wide, overlapping, empty, outside, shown};
  const result = document.createElement("pre");
  result.id = "found"; result.textContent = JSON.stringify(found); document.body.append(result);
});
</script></body>
"""


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> History:
    """Four hours with a hole in the record, and a taker whose name is hostile."""
    return make_history(tmp_path_factory.mktemp("report") / "ledger", names=('"><img src=x onerror=alert(1)>',))


@pytest.fixture(scope="module")
def page(history: History, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page as a file."""
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(make_report_of(history).to_html(), encoding="utf-8")
    return path


def browse(folder: Path, *words: str) -> str:
    assert BROWSER is not None
    options = ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={folder}/profile")
    done = subprocess.run([BROWSER, *options, *words], capture_output=True, timeout=100, check=True)
    return done.stdout.decode()


def measure(page: Path, folder: Path, width: int) -> dict[str, Any]:
    """Measure a copy of the page, inside of another one that has a script; the report has none."""
    text = html.escape(page.read_text(encoding="utf-8"))
    copy = folder / "measured.html"
    copy.write_text(MEASURE.replace("WIDTH", str(width)).replace("PAGE", text), encoding="utf-8")
    dumped = browse(folder, "--dump-dom", copy.as_uri())
    found = re.search(r'<pre id="found">(.*?)</pre>', dumped, re.S)
    assert found is not None
    values: dict[str, Any] = json.loads(html.unescape(found[1]))
    return values


@needs_browser
@pytest.mark.e2e
@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_sticks_out_or_overlaps_or_is_empty(page: Path, tmp_path: Path, width: int) -> None:
    found = measure(page, tmp_path, width)

    assert found["width"] == found["scroll"] == width
    assert [found[fault] for fault in ("wide", "overlapping", "empty", "outside")] == [[], [], [], []]
    assert found["shown"] == N_PICTURES


@needs_browser
@pytest.mark.e2e
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_is_shown_and_kept(page: Path, tmp_path: Path, width: int, scheme: str) -> None:
    folder = Path(os.environ.get("MM_TRIO_SCREENSHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    shown = folder / f"report-{width}-{scheme}.png"
    dark = ("--blink-settings=preferredColorScheme=0",) if scheme == "dark" else ()

    browse(tmp_path, *dark, f"--window-size={width},4000", f"--screenshot={shown}", page.as_uri())

    assert shown.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert shown.stat().st_size > 20_000


@needs_browser
@pytest.mark.e2e
def test_the_measures_find_what_is_wrong(tmp_path: Path) -> None:
    """A box that is too wide, words upon words, words outside, and a picture without a path."""
    picture = (
        '<svg viewBox="0 0 100 60" aria-label="p" style="width:100%;overflow:visible"><text x="1" y="20">aaaa</text>'
        '<text x="9" y="22">bbbb</text><text x="95" y="50">cccccc</text></svg>'
    )
    path = tmp_path / "wrong.html"
    path.write_text(f'<!DOCTYPE html><body style="margin:0"><p style="width:500px">x</p>{picture}', encoding="utf-8")

    found = measure(path, tmp_path, 390)

    assert [len(found[fault]) for fault in ("wide", "overlapping", "empty", "outside")] == [1, 1, 1, 1]

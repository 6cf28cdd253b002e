"""The page on metrics: its limits are those of the code. `metrics/test_exposition.py` compares its table of names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mm_trio.metrics.health import COMMIT_WITHIN_S, LEAST_FRAME_S, LEAST_TICK_S, START_WITHIN_S, TICKS_LATE
from mm_trio.web.pace import A_SECOND

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "metrics.md").read_text()


def test_its_limits_are_those_of_the_code() -> None:
    assert (TICKS_LATE, LEAST_TICK_S, LEAST_FRAME_S, COMMIT_WITHIN_S, START_WITHIN_S) == (4, 15.0, 60.0, 10.0, 120.0)
    assert "four intervals, 15 s at least" in PAGE
    assert "60 s at least" in PAGE
    assert "wait" in PAGE
    assert A_SECOND == 50


def test_its_configuration_of_prometheus_names_our_rules() -> None:
    yaml: Any = pytest.importorskip("yaml", reason="PyYAML is not installed")
    config = yaml.safe_load(PAGE.split("```yaml\n")[1].split("```")[0])

    (rules,) = config["rule_files"]
    assert (ROOT / "deploy" / "prometheus" / rules).is_file()
    assert config["scrape_configs"][0]["job_name"] == "mm_trio"

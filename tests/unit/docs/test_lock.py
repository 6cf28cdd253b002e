"""What the locks pin: all that a service needs, within its ranges, each with the hashes of its files."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[3]
TEXT = (ROOT / "requirements.lock").read_text()
PINNED = {
    match["name"]: (match["version"], len(re.findall(r"--hash=sha256:[0-9a-f]{64}\b", match["hashes"])))
    for match in re.finditer(
        r"^(?P<name>[\w.-]+)==(?P<version>[\w.]+)(?: ;[^\\\n]*)? \\\n(?P<hashes>(?:    --hash=\S+(?: \\)?\n)+)",
        TEXT,
        re.M,
    )
}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS = ast.literal_eval(re.findall(r"^SERVICE_EXTRAS = (.+)$", (ROOT / "noxfile.py").read_text(), re.M)[0])
NEEDED = [
    Requirement(each)
    for some in (
        PROJECT["project"]["dependencies"],
        *(PROJECT["project"]["optional-dependencies"].get(extra, ()) for extra in EXTRAS),
    )
    for each in some
]
BUILD_LOCK = (ROOT / "deploy" / "docker" / "build.lock").read_text()


@pytest.mark.parametrize("needed", NEEDED, ids=lambda needed: needed.name)
def test_each_package_that_a_service_needs_is_pinned_within_its_range(needed: Requirement) -> None:
    version, _ = PINNED[needed.name]

    assert version in needed.specifier


def test_every_pin_has_hashes() -> None:
    named = re.findall(r"^([\w.-]+)==", TEXT, re.M)

    assert sorted(named) == sorted(PINNED)
    assert min(n for _, n in PINNED.values()) >= 1


def test_no_address_is_named() -> None:
    assert "://" not in TEXT


@pytest.mark.parametrize("name", ["eth-account", "eth-keys", "coincurve", "msgpack", "requests", "urllib3"])
def test_whatever_signs_or_parses_is_pinned(name: str) -> None:
    assert name in PINNED


def test_what_builds_the_image_is_pinned_with_hashes() -> None:
    """`nox -s lock` writes both files."""
    pinned = dict(re.findall(r"^([\w.-]+)==([\w.]+)(?= \\\n    --hash=sha256:)", BUILD_LOCK, re.M))

    for each in map(Requirement, PROJECT["build-system"]["requires"]):
        assert pinned[each.name] in each.specifier
    assert len(pinned) == len(re.findall(r"^[\w.-]+==", BUILD_LOCK, re.M))
    assert "://" not in BUILD_LOCK

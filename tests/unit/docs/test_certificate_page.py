"""The page on the certificate: its commands run, and its tables are those of the code."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from pathlib import Path

import pytest
from certificate_kit import ACCOUNT, COIN, DAY_S, KEY, OTHER, make_folder
from eth_account import Account
from eth_account.messages import encode_defunct

from mm_trio.cli.main import main
from mm_trio.liquidity.measures import _REASON_CAUSES, _STATE_CAUSES
from mm_trio.liquidity.presets import PRESET_NOTES
from mm_trio.liquidity.terms import read_terms

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "certificate.md").read_text()
TOML = PAGE.split("```toml\n")[1].split("```")[0]


def test_its_commands_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = tmp_path / "key"
    key.write_text(KEY)
    key.chmod(0o600)
    monkeypatch.chdir(tmp_path)
    Path("terms.toml").write_text(TOML)
    users = {"users": [OTHER, ACCOUNT], "coin": COIN, "px": "20.06", "sz": "100", "time": DAY_S * 1000 + 10_150}
    Path("trades.json").write_text(json.dumps([{"tid": 1, **users}]))
    folder = make_folder(tmp_path)
    commands = re.findall("^mm-trio (.*)$", PAGE, re.MULTILINE)
    words = [line.replace("0x…", ACCOUNT).replace("FOLDER", str(folder)).split() for line in commands]

    def run(line: list[str]) -> int:
        # A command takes the secrets out of the environment.
        monkeypatch.setenv("MM_TRIO_KEY_FILE", str(key))
        return main(line)

    assert [run(line) for line in words] == [0, 0, 0, 0]


def test_its_clauses_are_terms() -> None:
    assert len(read_terms(tomllib.loads(TOML)).clauses) == 1


def test_its_presets_are_those_of_the_code() -> None:
    told = re.findall(r"^\| `([\w-]+)` \| (.+) \|$", PAGE.split("The presets:")[1].split("## ")[0], re.MULTILINE)

    assert dict(told) == PRESET_NOTES


def test_its_causes_are_those_of_the_code() -> None:
    rows = re.findall(
        r"^\| (`.+`) \| `(\w+)` \|$", PAGE.split("beginning of the reason")[1].split("## ")[0], re.MULTILINE
    )
    told = {word: cause for words, cause in rows for word in re.findall("`([^`]+)`", words)}

    assert told == {**_STATE_CAUSES, **dict(_REASON_CAUSES)}


def test_a_verifier_can_be_written_from_it() -> None:
    """Chain and signature, with nothing of the program."""
    lines = (ROOT / "tests" / "data" / "certificates" / "spark.jsonl").read_bytes().splitlines(keepends=True)
    last = ""
    for line in lines:
        body, last_now = line[len(b'{"body":') : -76], json.loads(line)["hash"]
        assert line == b'{"body":' + body + f',"hash":"{last_now}"}}\n'.encode()
        assert hashlib.sha256(last.encode() + body).hexdigest() == last_now
        last = last_now
    digest = hashlib.sha256(b"".join(lines[:-1])).hexdigest()
    signed = json.loads(lines[-1])["body"]
    text = PAGE.rsplit("```", 2)[1].strip().replace("SHA256", digest)

    assert signed["sha256"] == digest
    assert Account.recover_message(encode_defunct(text=text), signature=signed["signature"]).lower() == signed["signer"]

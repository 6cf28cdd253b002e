"""The process's environment: what of it a command sees, and that secrets leave it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import eth_account
import pytest
from secret_kit import find_secrets, show_frames

from mm_trio.config.dump_protection import forbid_dumps
from mm_trio.config.environment import Environment, take_environment
from mm_trio.config.keys import SECRET_VARIABLES, Secret, load_key
from mm_trio.config.loading import load_settings
from mm_trio.model.errors import ConfigError

KEY = "0x" + "c0ffee" * 10 + "beef"
PHRASE = "correct horse"
OURS = ("keys.py", "environment.py", "loading.py", "private_paths.py", "account.py", "functions.py")


def test_r8_the_secrets_leave_the_environment_and_stay_known() -> None:
    environ = dict.fromkeys(SECRET_VARIABLES, KEY) | {"PATH": "/bin", "XDG_STATE_HOME": "/state"}

    taken = take_environment(environ)

    assert environ == {"PATH": "/bin", "XDG_STATE_HOME": "/state"}
    assert taken.plain == {"XDG_STATE_HOME": "/state"}
    assert {name: secret.reveal() for name, secret in taken.secrets.items()} == dict.fromkeys(SECRET_VARIABLES, KEY)
    assert find_secrets(repr(taken), KEY) == set()


def test_what_a_service_manager_says_is_kept_from_child_processes() -> None:
    """A child that inherited the socket could say that the maker is well."""
    told = {"NOTIFY_SOCKET": "/run/notify", "WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "7"}
    environ = {"PATH": "/bin"} | told

    taken = take_environment(environ)

    assert environ == {"PATH": "/bin"}
    assert taken.plain == told


def test_settings_of_the_environment_are_handed_on() -> None:
    environ = {"MM_TRIO__STRATEGY__N_ORDERS": "20", "MM_TRIO_ACCOUNT_ADDRESS": "0x" + "a1" * 20}

    assert take_environment(dict(environ)) == Environment(environ, {})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MM_TRIO__MARKET__COIN", KEY),
        ("MM_TRIO__MARKET__PASSPHRASE", PHRASE),
        (f"MM_TRIO__MARKET__{KEY}", "1"),
        ("MM_TRIO_ACCOUNT_ADDRESS", KEY),
        ("MM_TRIO_KEYSTORE_PASSPHRASE", PHRASE),
    ],
)
def test_r8_a_secret_in_another_variable_of_ours_is_masked(name: str, value: str) -> None:
    environ = {name: value}

    taken = take_environment(environ)

    assert environ == {}
    assert find_secrets(repr(taken), KEY, PHRASE) == set()


def test_a_secret_in_a_setting_is_still_refused(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text('[market]\ncoin = "@107"\nnetwork = "testnet"\n')
    taken = take_environment({"MM_TRIO__MARKET__COIN": KEY})

    with pytest.raises(ConfigError, match="a key or passphrase does not belong here"):
        load_settings(tmp_path / "c.toml", environ=taken.plain)


def test_r8_a_key_in_the_configuration_is_in_no_frame(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text(f'[market]\ncoin = "{KEY}"\n')

    with pytest.raises(ConfigError) as caught:
        load_settings(tmp_path / "c.toml", environ={})

    assert find_secrets(show_frames(caught.value, of_files=OURS), KEY) == set()


def write(path: Path, content: str, *, mode: int = 0o600) -> str:
    path.write_text(content)
    path.chmod(mode)
    return str(path)


def make_sources(folder: Path) -> dict[str, dict[str, str]]:
    """Every way in which loading of a key goes wrong after something secret was read."""
    store = json.dumps(eth_account.Account.encrypt(bytes.fromhex(KEY[2:]), PHRASE, kdf="pbkdf2", iterations=1))
    phrase = write(folder / "phrase", PHRASE)
    wrong = write(folder / "wrong", f"{PHRASE} battery")
    opened = {"MM_TRIO_KEYSTORE": write(folder / "store", store)}
    return {
        "too long": {"MM_TRIO_PRIVATE_KEY": f"{KEY}0"},
        "beyond the curve": {"MM_TRIO_PRIVATE_KEY": "f" * 64},
        "alias too short": {"HYPERLIQUID_PK": KEY[:-1]},
        "key for a path": {"MM_TRIO_KEY_FILE": KEY},
        "key for a keystore": {"MM_TRIO_KEYSTORE": KEY},
        "file too open": {"MM_TRIO_KEY_FILE": write(folder / "open", KEY, mode=0o644)},
        "file too long": {"MM_TRIO_KEY_FILE": write(folder / "long", f"{KEY}00")},
        "keystore is a key": {"MM_TRIO_KEYSTORE": write(folder / "key", KEY)},
        "wrong passphrase": opened | {"MM_TRIO_KEYSTORE_PASSPHRASE_FILE": wrong},
        "passphrase for a path": opened | {"MM_TRIO_KEYSTORE_PASSPHRASE_FILE": f"{folder}/{PHRASE}"},
        "bug": opened | {"MM_TRIO_KEYSTORE_PASSPHRASE_FILE": phrase},
    }


NAMES = (
    *("too long", "beyond the curve", "alias too short", "key for a path", "key for a keystore", "file too open"),
    *("file too long", "keystore is a key", "wrong passphrase", "passphrase for a path", "bug"),
)


@pytest.mark.parametrize("name", NAMES)
def test_r8_no_way_of_failing_to_load_a_key_shows_it(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def decrypt(*values: Any) -> bytes:
        if name == "bug":
            raise RuntimeError("planted")
        raise ValueError(f"MAC mismatch for {values}")

    secrets = take_environment(make_sources(tmp_path)[name]).secrets
    monkeypatch.setattr("eth_account.Account.decrypt", decrypt)

    with pytest.raises((ConfigError, RuntimeError)) as caught:
        load_key(secrets)

    shown = show_frames(caught.value, of_files=OURS)
    assert find_secrets(shown, KEY, "f" * 64, PHRASE) == set()


def test_r8_an_interruption_of_the_decryption_shows_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def decrypt(keystore: object, phrase: bytes) -> bytes:
        raise KeyboardInterrupt

    secrets = take_environment(make_sources(tmp_path)["bug"]).secrets
    monkeypatch.setattr("eth_account.Account.decrypt", decrypt)

    with pytest.raises(KeyboardInterrupt) as caught:
        load_key(secrets)

    assert find_secrets(show_frames(caught.value, of_files=OURS), PHRASE, KEY) == set()


def test_r8_what_a_secret_is_lent_to_is_in_no_frame() -> None:
    def use(text: str) -> None:
        raise RuntimeError(len(text))

    with pytest.raises(RuntimeError) as caught:
        Secret(KEY).lend(use)

    assert caught.traceback[-1].name == "_keep_frames_in"
    assert find_secrets(show_frames(caught.value, of_files=OURS), KEY) == set()


def test_a_secret_is_lent_whole() -> None:
    assert Secret(KEY).lend(len) == 66


LIMITS = """
import resource
from mm_trio.config.dump_protection import forbid_dumps
forbid_dumps()
print(resource.getrlimit(resource.RLIMIT_CORE), __import__("ctypes").CDLL(None).prctl(3, 0, 0, 0, 0))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the flag is Linux's")
def test_r8_a_process_with_a_key_writes_no_core_and_is_not_traced() -> None:
    ended = subprocess.run([sys.executable, "-c", LIMITS], capture_output=True, text=True, check=True, env=os.environ)

    assert ended.stdout.split("\n")[0] == "(0, 0) 0"


def test_a_system_that_forbids_nothing_is_no_reason_to_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "resource", None)
    monkeypatch.setitem(sys.modules, "ctypes", None)

    forbid_dumps()

"""Signing key: allowed sources, refused ones, and no leak into any output."""

from __future__ import annotations

import copy
import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account

from mm_trio.config import keys
from mm_trio.config.keys import CURVE_ORDER, Secret, is_master_key
from mm_trio.model.errors import ConfigError

KEY = "0x" + "c0ffee" * 10 + "beef"
OTHER = "0x" + "11" * 32
PHRASE = "correct horse"


@pytest.fixture(scope="module")
def keystore() -> dict[str, Any]:
    """KEY in a keystore of version 3, with so little work that a test can open it."""
    encrypted: dict[str, Any] = Account.encrypt(bytes.fromhex(KEY[2:]), PHRASE, kdf="scrypt", iterations=2)
    return encrypted


def write(path: Path, content: str | bytes, *, mode: int = 0o600) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    path.chmod(mode)
    return path


def load_key(environ: dict[str, str], **options: Any) -> Secret:
    """The key of an environment, as a command loads it."""
    return keys.load_key({name: Secret(text) for name, text in environ.items()}, **options)


def complain(environ: dict[str, str], **options: Any) -> str:
    """The one line of the ConfigError that this causes; it shows nothing and has nothing behind it."""
    with pytest.raises(ConfigError) as caught:
        load_key(environ, **options)
    text = str(caught.value)
    assert "\n" not in text
    assert "c0ffee" not in text.lower()
    assert PHRASE not in text
    assert caught.value.__context__ is None
    return text


# --- the wrapper ------------------------------------------------------------------------------


@pytest.mark.parametrize("show", [repr, str, "{}".format, "{:>80}".format, "{!r:s}".format, "%s".__mod__, "%r".__mod__])
def test_a_secret_looks_the_same_however_it_is_written(show: Callable[[object], str]) -> None:
    assert show(Secret(KEY)) == "Secret(hidden)"


@pytest.mark.parametrize(
    "take", [copy.copy, copy.deepcopy, *(lambda s, p=p: pickle.dumps(s, protocol=p) for p in range(6))]
)
def test_a_secret_is_neither_pickled_nor_copied(take: Callable[[object], object]) -> None:
    with pytest.raises(TypeError, match="neither pickled nor copied"):
        take(Secret(KEY))


def test_no_attribute_shows_the_secret() -> None:
    secret = Secret(KEY)

    assert not hasattr(secret, "__dict__")
    for name in dir(secret):
        assert "c0ffee" not in repr(getattr(secret, name))


def test_a_secret_equals_itself_only() -> None:
    secret = Secret(KEY)

    assert secret == secret
    assert secret not in (KEY, Secret(KEY))
    assert len({secret, Secret(KEY)}) == 2


def test_a_secret_opens_for_the_signer() -> None:
    assert Secret(KEY).reveal() == KEY


def test_the_master_key_is_known_by_its_address() -> None:
    assert is_master_key("0xAbC0", "0xaBc0")
    assert not is_master_key("0xAbC0", "0xaBc1")


# --- the environment --------------------------------------------------------------------------


@pytest.mark.parametrize("text", [KEY, KEY[2:], KEY.upper(), f"{KEY}\n", f"{KEY[2:]}\r\n"])
@pytest.mark.parametrize("name", ["MM_TRIO_PRIVATE_KEY", "HYPERLIQUID_PK"])
def test_a_key_is_read_from_the_environment(name: str, text: str) -> None:
    assert load_key({name: text}).reveal() == KEY


@pytest.mark.parametrize(
    "text", [KEY[:-1], f"{KEY}0", f" {KEY}", f"{KEY}\n\n", KEY.replace("b", "g"), "\u0661" * 64, "x"]
)
def test_what_is_no_key_is_refused_without_repeating_it(text: str) -> None:
    assert "MM_TRIO_PRIVATE_KEY is not a valid private key: found" in complain({"MM_TRIO_PRIVATE_KEY": text})


@pytest.mark.parametrize("number", [0, CURVE_ORDER, 2**256 - 1])
def test_a_number_off_the_curve_is_no_key(number: int) -> None:
    assert "beyond the curve" in complain({"MM_TRIO_PRIVATE_KEY": f"{number:064x}"})


@pytest.mark.parametrize("number", [1, CURVE_ORDER - 1])
def test_the_signer_takes_the_least_and_the_greatest_key(number: int) -> None:
    assert Account.from_key(load_key({"MM_TRIO_PRIVATE_KEY": f"{number:064x}"}).reveal()).key == number.to_bytes(32)


def test_without_a_key_every_place_is_named() -> None:
    text = complain({"MM_TRIO_PRIVATE_KEY": "", "MM_TRIO_KEY_FILE": ""})

    for name in ("MM_TRIO_PRIVATE_KEY", "MM_TRIO_KEY_FILE", "MM_TRIO_KEYSTORE"):
        assert name in text


# --- the order --------------------------------------------------------------------------------


def test_a_file_that_was_asked_for_goes_before_the_environment(tmp_path: Path) -> None:
    path = write(tmp_path / "key", KEY)

    assert load_key({"MM_TRIO_PRIVATE_KEY": OTHER}, key_file=path).reveal() == KEY


@pytest.mark.parametrize(
    "names",
    [
        ("MM_TRIO_PRIVATE_KEY", "MM_TRIO_KEY_FILE"),
        ("MM_TRIO_KEY_FILE", "MM_TRIO_KEYSTORE"),
        ("MM_TRIO_KEYSTORE", "MM_TRIO_KEY_FD"),
    ],
)
def test_two_sources_at_once_are_refused_and_named(names: tuple[str, str]) -> None:
    text = complain(dict.fromkeys(names, KEY))

    assert text == f"more than one signing key: {names[0]} and {names[1]} are set; keep one of them"


def test_a_key_meant_for_another_program_is_the_last_resort(tmp_path: Path) -> None:
    environ = {"HYPERLIQUID_PK": OTHER, "MM_TRIO_KEY_FILE": str(write(tmp_path / "key", KEY))}

    assert load_key(environ).reveal() == KEY


def test_a_place_that_is_wrong_is_not_passed_over(tmp_path: Path) -> None:
    complain({"MM_TRIO_KEY_FILE": str(tmp_path / "none"), "HYPERLIQUID_PK": KEY})


# --- the file ---------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [KEY, f"{KEY}\n", f"{KEY[2:]}\r\n"])
@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_key_is_read_from_a_private_file(tmp_path: Path, content: str, mode: int) -> None:
    assert load_key({"MM_TRIO_KEY_FILE": str(write(tmp_path / "key", content, mode=mode))}).reveal() == KEY


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o610, 0o601, 0o644])
def test_a_file_that_others_may_use_is_refused(tmp_path: Path, mode: int) -> None:
    text = complain({"MM_TRIO_KEY_FILE": str(write(tmp_path / "key", KEY, mode=mode))})

    assert text == (
        f"MM_TRIO_KEY_FILE: the file has mode {mode:04o}, so other users may read or change it; set it with chmod 600; "
        "where that cannot be done, as with a mounted secret: MM_TRIO_KEY_FD (an open file descriptor), LoadCredential "
        "of systemd, or the environment"
    )


@pytest.mark.parametrize("mode", [0o400, 0o440, 0o600])
def test_a_credential_of_systemd_may_be_roots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int) -> None:
    """Its access list has the service's user, and shows as the rights of a group."""
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    path = write(tmp_path / "key", f"{KEY}\n", mode=mode)
    if os.geteuid() == 0:
        monkeypatch.setattr(os, "geteuid", lambda: 12_345)

    assert load_key({"MM_TRIO_KEY_FILE": str(path)}).reveal() == KEY


@pytest.mark.parametrize("mode", [0o444, 0o460, 0o450, 0o402])
def test_a_credential_that_others_may_use_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int
) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))

    assert f"has mode {mode:04o}" in complain({}, key_file=write(tmp_path / "key", KEY, mode=mode))


def test_a_file_elsewhere_is_no_credential(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "credentials"))

    assert "has mode 0440" in complain({}, key_file=write(tmp_path / "key", KEY, mode=0o440))


def test_a_key_is_read_from_an_open_descriptor_which_is_closed(tmp_path: Path) -> None:
    number = os.open(write(tmp_path / "key", f"{KEY}\n", mode=0o444), os.O_RDONLY)

    assert load_key({"MM_TRIO_KEY_FD": str(number)}).reveal() == KEY
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(number)


def test_a_key_is_read_from_a_pipe() -> None:
    reader, writer = os.pipe()
    os.write(writer, KEY.encode())
    os.close(writer)

    assert load_key({"MM_TRIO_KEY_FD": str(reader)}).reveal() == KEY


@pytest.mark.parametrize("number", ["x", "-1", KEY, "999999", "3.0"])
def test_a_descriptor_that_cannot_be_read_is_told_without_repeating_it(number: str) -> None:
    assert complain({"MM_TRIO_KEY_FD": number}).startswith("MM_TRIO_KEY_FD")


def test_a_path_may_begin_at_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    write(tmp_path / "key", KEY)

    assert load_key({"MM_TRIO_KEY_FILE": "~/key"}).reveal() == KEY


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(write(tmp_path / "key", KEY))

    assert "symbolic link" in complain({"MM_TRIO_KEY_FILE": str(tmp_path / "link")})


def test_a_file_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, user = write(tmp_path / "key", KEY), os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: user + 1)

    assert f"belongs to user {user}" in complain({}, key_file=path)


def test_a_pipe_or_a_folder_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    (tmp_path / "folder").mkdir(mode=0o700)

    for name in ("pipe", "folder"):
        assert "is not a regular file" in complain({}, key_file=tmp_path / name)


def test_a_folder_where_everybody_may_write_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "key", KEY)
    tmp_path.chmod(0o777)

    assert "any user may replace it" in complain({}, key_file=path)


def test_a_sticky_folder_is_as_good_as_a_private_one(tmp_path: Path) -> None:
    path = write(tmp_path / "key", KEY)
    tmp_path.chmod(0o1777)

    assert load_key({}, key_file=path).reveal() == KEY


@pytest.mark.parametrize("path", ["none", "none/key", "", "/", ".", "a\0b", KEY, "x" * 300])
def test_a_path_that_cannot_be_read_is_one_line_and_not_repeated(path: str) -> None:
    text = complain({}, key_file=Path(path))

    assert text.startswith("the key file: the file ")


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    assert "is not a valid private key" in complain({}, key_file=write(tmp_path / "key", b"\xff\x00" * 40))
    assert "larger than 16 KiB" in complain({}, key_file=write(tmp_path / "large", b"0" * 20_000))


def test_no_descriptor_stays_open(tmp_path: Path) -> None:
    good, bad = write(tmp_path / "good", KEY), write(tmp_path / "bad", KEY, mode=0o644)
    before = len(os.listdir("/proc/self/fd"))

    for _ in range(5):
        load_key({}, key_file=good)
        complain({}, key_file=bad)
        complain({}, key_file=tmp_path)

    assert len(os.listdir("/proc/self/fd")) == before


# --- the keystore -----------------------------------------------------------------------------


def test_a_keystore_opens_with_the_passphrase_of_a_file(tmp_path: Path, keystore: dict[str, Any]) -> None:
    environ = {
        "MM_TRIO_KEYSTORE": str(write(tmp_path / "store", json.dumps(keystore))),
        "MM_TRIO_KEYSTORE_PASSPHRASE_FILE": str(write(tmp_path / "phrase", f"{PHRASE}\n")),
    }

    assert load_key(environ, passphrase=pytest.fail).reveal() == KEY


def test_a_keystore_opens_with_the_passphrase_of_a_person(tmp_path: Path, keystore: dict[str, Any]) -> None:
    environ = {"MM_TRIO_KEYSTORE": str(write(tmp_path / "store", json.dumps(keystore)))}

    assert load_key(environ, passphrase=lambda: PHRASE).reveal() == KEY


def test_a_passphrase_need_not_be_english(tmp_path: Path) -> None:
    store = Account.encrypt(bytes.fromhex(KEY[2:]), "pässwörd 密", kdf="pbkdf2", iterations=1)
    environ = {"MM_TRIO_KEYSTORE": str(write(tmp_path / "store", json.dumps(store)))}

    assert load_key(environ, passphrase=lambda: "pässwörd 密").reveal() == KEY


def test_a_wrong_passphrase_is_told_without_repeating_it(tmp_path: Path, keystore: dict[str, Any]) -> None:
    environ = {"MM_TRIO_KEYSTORE": str(write(tmp_path / "store", json.dumps(keystore)))}

    assert "wrong passphrase" in complain(environ, passphrase=lambda: f"{PHRASE}!")


def no_terminal() -> str:
    """What getpass does where nobody can be asked."""
    raise EOFError


@pytest.mark.parametrize("ask", [None, lambda: "", no_terminal])
def test_a_keystore_without_a_passphrase_is_refused(
    tmp_path: Path, keystore: dict[str, Any], ask: Callable[[], str] | None
) -> None:
    environ = {"MM_TRIO_KEYSTORE": str(write(tmp_path / "store", json.dumps(keystore)))}

    assert "MM_TRIO_KEYSTORE_PASSPHRASE_FILE" in complain(environ, passphrase=ask)


def test_keystore_and_passphrase_must_be_private_too(tmp_path: Path, keystore: dict[str, Any]) -> None:
    store = write(tmp_path / "store", json.dumps(keystore), mode=0o644)
    environ = {"MM_TRIO_KEYSTORE": str(store), "MM_TRIO_KEYSTORE_PASSPHRASE_FILE": str(tmp_path / "phrase")}
    write(tmp_path / "phrase", PHRASE, mode=0o640)

    assert complain(environ).startswith("MM_TRIO_KEYSTORE: the file has mode 0644")
    store.chmod(0o600)
    assert complain(environ).startswith("MM_TRIO_KEYSTORE_PASSPHRASE_FILE: the file has mode 0640")


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"version": 4}', '{"version": "3"}', KEY, "[" * 9000, b"\xff\xfe\xfd"]
)
def test_a_file_that_is_no_keystore_is_refused_before_anybody_is_asked(tmp_path: Path, content: str | bytes) -> None:
    environ = {"MM_TRIO_KEYSTORE": str(write(tmp_path / "store", content))}

    assert "not a valid keystore (JSON, version 3)" in complain(environ, passphrase=pytest.fail)


@pytest.mark.parametrize("field", ["kdf", "kdfparams", "ciphertext", "mac", "cipherparams"])
@pytest.mark.parametrize(
    "value", [None, 1, "zz", "00", {}, {"prf": "x"}, {"n": 3, "r": 1, "p": 1, "dklen": 32, "salt": ""}]
)
def test_a_damaged_keystore_is_told_in_one_line(
    tmp_path: Path, keystore: dict[str, Any], field: str, value: object
) -> None:
    damaged = keystore | {"crypto": keystore["crypto"] | {field: value}}
    environ = {"MM_TRIO_KEYSTORE": str(write(tmp_path / "store", json.dumps(damaged)))}

    assert "MM_TRIO_KEYSTORE" in complain(environ, passphrase=lambda: PHRASE)

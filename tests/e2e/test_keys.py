"""Keys of agents: made here, approved by the owner with the SDK, listed, replaced."""

from __future__ import annotations

import json
import re
import signal
import stat
import time
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from hyperliquid.exchange import Exchange
from hyperliquid.utils.signing import sign_agent
from process_kit import Program, Sandbox, open_sandbox, run, running
from secret_kit import find_secrets

pytestmark = pytest.mark.e2e

DAY_MS = 86_400_000
# The owner of the sandbox's first account, for its first seed.
MASTER = Account.from_key(sha256(b"mm_trio sandbox account 1").hexdigest())
OTHER_MASTER = Account.from_key(sha256(b"mm_trio sandbox account 1 1").hexdigest())


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with open_sandbox(tmp_path_factory.mktemp("sandbox"), "--no-takers", "--accounts", "2") as opened:
        yield opened


@pytest.fixture(autouse=True)
def clear_agents(sandbox: Sandbox) -> Iterator[None]:
    """Let every test begin without named agents: the account has three at most."""
    yield
    for row in sandbox.ask("extraAgents"):
        approve(sandbox, "0x" + "0" * 40, row["name"])


def approve(sandbox: Sandbox, address: str, name: str, *, master: Any = MASTER) -> None:
    """Approve an agent as its owner does: `Exchange.approve_agent`, for a key that was made elsewhere."""
    exchange = Exchange(master, sandbox.url, meta={"universe": []}, spot_meta={"universe": [], "tokens": []})
    now_ms = time.time_ns() // 1_000_000
    action = {"type": "approveAgent", "agentAddress": address, "agentName": name, "nonce": now_ms}
    answer = exchange._post_action(action, sign_agent(master, action, is_mainnet=False), now_ms)
    assert answer["status"] == "ok", answer


def read_request(program: Program) -> tuple[str, str]:
    """What the owner is asked to approve: address and name, once it is on the screen."""
    program.wait_for("Waiting up to")
    text = program.out + program.err
    (address,) = re.findall(r"address  (0x[0-9a-f]{40})$", text, re.MULTILINE)
    (name,) = re.findall(r"name     (.+)$", text, re.MULTILINE)
    return address, name


def find_key_file(folder: Path, sandbox: Sandbox, name: str = "mm_trio.key") -> Path:
    return folder / "state" / "mm_trio" / "keys" / "sandbox" / sandbox.account / name


def read_address(path: Path) -> str:
    return str(Account.from_key(path.read_text().strip()).address).lower()


def make_key(folder: Path, sandbox: Sandbox, name: str = "mm_trio") -> Path:
    """A key file whose agent is approved."""
    config = str(sandbox.save_config(folder))
    with running(folder, "keys", "new", "--config", config, "--name", name) as program:
        approve(sandbox, *read_request(program))
        assert program.end() == 0, program.err
    return find_key_file(folder, sandbox, f"{name}.key")


def start(folder: Path, sandbox: Sandbox, verb: str, *words: str, environ: Mapping[str, str] | None = None) -> Any:
    config = str(sandbox.save_config(folder))
    return running(folder, "keys", verb, "--config", config, *words, environ=environ)


# --- new ------------------------------------------------------------------------------------------


def test_a_new_key_is_listed_and_then_quotes(sandbox: Sandbox, tmp_path: Path) -> None:
    with start(tmp_path, sandbox, "new", "--json") as program:
        address, name = read_request(program)
        approve(sandbox, address, name)
        code = program.end()

    told, path = program.last_object(), find_key_file(tmp_path, sandbox)
    assert code == 0, program.err
    assert (told["listed"], told["address"], told["name"]) == (True, address, "mm_trio")
    assert told["file"] == str(path)
    environ = {"MM_TRIO_KEY_FILE": str(path)}
    code, out, err = run(
        tmp_path, "run", "--config", str(tmp_path / "sandbox.toml"), "--duration", "3", "--json", environ=environ
    )
    assert code == 0, err
    assert json.loads(out)["requests"] > 0


def test_a_new_key_is_in_one_private_file_and_nowhere_else(sandbox: Sandbox, tmp_path: Path) -> None:
    path = make_key(tmp_path, sandbox)

    key = path.read_text().strip()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    others = [each for each in tmp_path.rglob("*") if each.is_file() and each != path]
    assert len(others) >= 3
    assert [each for each in others if find_secrets(each.read_text(errors="replace"), key)] == []


def test_the_name_to_approve_ends_within_180_days(sandbox: Sandbox, tmp_path: Path) -> None:
    with start(tmp_path, sandbox, "new", "--name", "bot-7", "--json") as program:
        address, name = read_request(program)
        approve(sandbox, address, name)
        program.end()

    head, until = name.split(" valid_until ")
    days = (int(until) - time.time() * 1000) / DAY_MS
    assert head == "bot-7"
    assert 179 < days < 180
    assert program.last_object()["valid_until"] == int(until)


def test_an_agent_without_a_name_is_known_by_its_role(sandbox: Sandbox, tmp_path: Path) -> None:
    with start(tmp_path, sandbox, "new", "--unnamed", "--json") as program:
        address, name = read_request(program)
        assert name.startswith("none: it replaces")
        approve(sandbox, address, "")
        code = program.end()

    assert code == 0, program.err
    assert (program.last_object()["listed"], program.last_object()["name"]) == (True, None)
    environ = {"MM_TRIO_KEY_FILE": str(find_key_file(tmp_path, sandbox, "_unnamed.key"))}
    _code, out, _err = run(tmp_path, "keys", "show", "--config", str(tmp_path / "sandbox.toml"), environ=environ)
    assert f"this key, {address}, is the account's agent without a name, of which the venue tells no end" in out


def test_a_named_key_that_was_approved_without_a_name_is_found(sandbox: Sandbox, tmp_path: Path) -> None:
    with start(tmp_path, sandbox, "new", "--json") as program:
        approve(sandbox, read_request(program)[0], "")

        assert program.end() == 0, program.err
        assert (program.last_object()["listed"], program.last_object()["name"]) == (True, None)


def test_a_key_that_is_not_approved_in_time_is_exit_code_3(sandbox: Sandbox, tmp_path: Path) -> None:
    config = str(sandbox.save_config(tmp_path))

    code, out, _err = run(tmp_path, "keys", "new", "--config", config, "--wait", "2", "--json")

    told, path = json.loads(out), find_key_file(tmp_path, sandbox)
    assert (code, told["exit_code"], told["listed"]) == (3, 3, False)
    assert told["error"] == (
        f"the venue did not list the agent {read_address(path)} within 2 s; the key stays in {path}: approve it, and "
        "look with `mm-trio keys show`, or delete the file"
    )


def test_a_file_that_is_there_is_not_overwritten(sandbox: Sandbox, tmp_path: Path) -> None:
    path = make_key(tmp_path, sandbox)
    before = path.read_bytes()

    code, _out, err = run(tmp_path, "keys", "new", "--config", str(tmp_path / "sandbox.toml"), "--wait", "2")

    assert code == 2
    assert f"mm-trio: the key file {path} is there already" in err
    assert path.read_bytes() == before


def test_a_name_that_cannot_be_is_exit_code_2(sandbox: Sandbox, tmp_path: Path) -> None:
    config = str(sandbox.save_config(tmp_path))

    code, _out, err = run(tmp_path, "keys", "new", "--config", config, "--name", "x" * 17, "--wait", "2")

    assert (code, len(err.splitlines())) == (2, 1)
    assert "--name: must be 1 to 16 letters" in err
    assert not find_key_file(tmp_path, sandbox).parent.exists()


def test_a_venue_that_cannot_be_reached_gets_no_key(tmp_path: Path, sandbox: Sandbox) -> None:
    config = str(sandbox.save_config(tmp_path, api_url='"http://127.0.0.1:9"'))

    code, out, _err = run(tmp_path, "keys", "new", "--config", config, "--wait", "5", "--json")

    assert (code, json.loads(out)["exit_code"]) == (3, 3)
    assert not (tmp_path / "state").exists()


def test_the_approval_of_another_account_is_told(sandbox: Sandbox, tmp_path: Path) -> None:
    with start(tmp_path, sandbox, "new") as program:
        address, name = read_request(program)
        approve(sandbox, address, name, master=OTHER_MASTER)

        assert program.end() == 2
        assert f"{OTHER_MASTER.address.lower()} approved the agent {address}" in program.err


def test_a_wait_that_is_cut_short_gives_no_verdict(sandbox: Sandbox, tmp_path: Path) -> None:
    with start(tmp_path, sandbox, "new", "--json") as program:
        read_request(program)
        code = program.end(signal.SIGINT)

    told, path = program.last_object(), find_key_file(tmp_path, sandbox)
    assert (code, told["interrupted"], told["listed"]) == (1, True, False)
    assert (told["checked"], told["not_checked"]) == (["key made"], ["approval"])
    assert f"the key stays in {path}" in program.err


# --- show -----------------------------------------------------------------------------------------


def test_agents_are_shown_with_their_ends_and_ours_among_them(sandbox: Sandbox, tmp_path: Path) -> None:
    path = make_key(tmp_path, sandbox)
    until_ms = round(time.time() * 1000) + 5 * DAY_MS
    approve(sandbox, "0x" + "5c" * 20, f"other valid_until {until_ms}")

    environ = {"MM_TRIO_KEY_FILE": str(path)}
    code, out, err = run(
        tmp_path, "keys", "show", "--config", str(tmp_path / "sandbox.toml"), "--json", environ=environ
    )

    rows = {row["name"]: row for row in json.loads(out)["agents"]}
    assert code == 0, err
    assert (rows["mm_trio"]["this_key"], rows["other"]["this_key"]) == (True, False)
    assert rows["other"]["valid_until"] == until_ms
    assert (rows["other"]["days_left"], 179 < rows["mm_trio"]["days_left"] <= 180) == (5.0, True)


def test_an_account_may_be_named_without_a_configuration(sandbox: Sandbox, tmp_path: Path) -> None:
    environ = {"MM_TRIO__MARKET__API_URL": sandbox.url}

    code, out, err = run(tmp_path, "keys", "show", "--account", sandbox.account, "--json", environ=environ)

    assert code == 0, err
    assert json.loads(out)["owner"] == sandbox.account


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "[market] account is missing"),
        (("--account", "0x12"), "must be an address"),
        (("--account", "0x" + "ab" * 20, "--network", "main"), "must be one of"),
        (("--account", "0x" + "ab" * 20, "--config", "maker.toml"), "give one or the other"),
    ],
)
def test_an_account_that_is_not_named_rightly_is_exit_code_2(words: tuple[str, ...], told: str, tmp_path: Path) -> None:
    code, _out, err = run(tmp_path, "keys", "show", *words)

    assert code == 2
    assert told in err


def test_a_person_reads_dates_and_days(sandbox: Sandbox, tmp_path: Path) -> None:
    path = make_key(tmp_path, sandbox)

    config = str(tmp_path / "sandbox.toml")
    _code, out, _err = run(tmp_path, "keys", "show", "--config", config, environ={"MM_TRIO_KEY_FILE": str(path)})

    address = read_address(path)
    assert re.search(
        rf"^  {address}  mm_trio +until 20\d\d-\d\d-\d\d \d\d:\d\d UTC, 1(79\.9|80\.0) days left  <- this key$",
        out,
        re.MULTILINE,
    ), out


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("0x" + "5e" * 32, "is not an agent: it was never approved here"),
        (MASTER.key.hex(), "is the account's own key"),
        (OTHER_MASTER.key.hex(), "is not an agent: the venue knows its address as 'user'"),
    ],
)
def test_a_key_that_is_not_listed_is_named_as_what_it_is(sandbox: Sandbox, tmp_path: Path, key: str, told: str) -> None:
    config = str(sandbox.save_config(tmp_path))

    code, out, _err = run(tmp_path, "keys", "show", "--config", config, environ={"MM_TRIO_PRIVATE_KEY": key})

    assert code == 0
    assert told in out
    assert find_secrets(out, "0x" + key.removeprefix("0x")) == set()


# --- rotate ---------------------------------------------------------------------------------------


def test_a_rotation_puts_the_new_key_in_the_place_of_the_old_one(sandbox: Sandbox, tmp_path: Path) -> None:
    path = make_key(tmp_path, sandbox)
    old_key, environ = path.read_text(), {"MM_TRIO_KEY_FILE": str(path)}
    old_address = read_address(path)

    with start(tmp_path, sandbox, "rotate", "--json", environ=environ) as program:
        address, name = read_request(program)
        assert name.startswith("mm_trio-2 valid_until ")
        approve(sandbox, address, name)
        code = program.end()

    told, kept = program.last_object(), path.with_name(f"mm_trio.key.{old_address[:10]}.old")
    assert code == 0, program.err
    assert read_address(path) == address != old_address
    assert (told["replaced"], told["kept"], told["restart"]) == (old_address, str(kept), True)
    assert kept.read_text() == old_key
    assert [stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()] == [0o600, 0o600]
    assert {row["address"] for row in sandbox.ask("extraAgents")} == {address, old_address}
    assert find_secrets(program.out + program.err, path.read_text().strip(), old_key.strip()) == set()


def test_a_person_is_told_to_restart_the_maker(sandbox: Sandbox, tmp_path: Path) -> None:
    path = make_key(tmp_path, sandbox)

    with start(tmp_path, sandbox, "rotate", environ={"MM_TRIO_KEY_FILE": str(path)}) as program:
        approve(sandbox, *read_request(program))
        assert program.end() == 0, program.err

    assert "Restart the maker: one that runs read its key at its start" in program.out


def test_a_rotation_that_is_not_approved_switches_nothing(sandbox: Sandbox, tmp_path: Path) -> None:
    path = make_key(tmp_path, sandbox)
    before, environ = path.read_bytes(), {"MM_TRIO_KEY_FILE": str(path)}

    config = str(tmp_path / "sandbox.toml")
    code, out, _err = run(tmp_path, "keys", "rotate", "--config", config, "--wait", "2", environ=environ)

    assert code == 3
    assert "nothing was switched, and the new key stays in" in out
    assert path.read_bytes() == before


def test_the_next_rotation_goes_on_with_the_key_that_was_left(sandbox: Sandbox, tmp_path: Path) -> None:
    path = make_key(tmp_path, sandbox)
    environ, config = {"MM_TRIO_KEY_FILE": str(path)}, str(tmp_path / "sandbox.toml")
    run(tmp_path, "keys", "rotate", "--config", config, "--wait", "2", environ=environ)
    left = read_address(path.with_name("mm_trio.key.next"))

    with start(tmp_path, sandbox, "rotate", environ=environ) as program:
        address, name = read_request(program)
        approve(sandbox, address, name)
        assert program.end() == 0, program.err

    assert address == left == read_address(path)


def test_a_next_key_that_is_half_written_is_told(sandbox: Sandbox, tmp_path: Path) -> None:
    path = make_key(tmp_path, sandbox)
    beside = path.with_name("mm_trio.key.next")
    beside.touch(mode=0o600)

    config, environ = str(tmp_path / "sandbox.toml"), {"MM_TRIO_KEY_FILE": str(path)}
    code, _out, err = run(tmp_path, "keys", "rotate", "--config", config, "--wait", "2", environ=environ)

    assert code == 2
    assert f"the next key in {beside} cannot be used" in err


def test_a_rotation_under_the_same_name_warns_of_the_end_of_the_present_key(sandbox: Sandbox, tmp_path: Path) -> None:
    path = make_key(tmp_path, sandbox)

    with start(tmp_path, sandbox, "rotate", "--name", "mm_trio", environ={"MM_TRIO_KEY_FILE": str(path)}) as program:
        program.wait_for("whose key ends with this approval: stop the maker before")
        approve(sandbox, *read_request(program))
        assert program.end() == 0, program.err

    assert [row["name"] for row in sandbox.ask("extraAgents")] == ["mm_trio"]


@pytest.mark.parametrize("owner", [MASTER, OTHER_MASTER])
def test_the_key_of_an_account_is_never_replaced(sandbox: Sandbox, tmp_path: Path, owner: Any) -> None:
    path = tmp_path / "master.key"
    path.write_text(owner.key.hex())
    path.chmod(0o600)
    config = str(sandbox.save_config(tmp_path))

    code, _out, err = run(tmp_path, "keys", "rotate", "--config", config, environ={"MM_TRIO_KEY_FILE": str(path)})

    assert code == 2
    assert "the key is not an agent's" in err
    assert not path.with_name("master.key.next").exists()


def test_a_key_of_the_environment_cannot_be_switched(sandbox: Sandbox, tmp_path: Path) -> None:
    config = str(sandbox.save_config(tmp_path))

    code, _out, err = run(tmp_path, "keys", "rotate", "--config", config, environ=sandbox.key)

    assert code == 2
    assert "the key is not read from a file, so it cannot be replaced there" in err


def test_a_keystore_is_replaced_by_a_keystore_of_the_same_passphrase(sandbox: Sandbox, tmp_path: Path) -> None:
    phrase = tmp_path / "phrase"
    phrase.write_text("a passphrase\n")
    phrase.chmod(0o600)
    secret = {"MM_TRIO_KEYSTORE_PASSPHRASE_FILE": str(phrase)}
    with start(tmp_path, sandbox, "new", "--keystore", environ=secret) as program:
        approve(sandbox, *read_request(program))
        assert program.end() == 0, program.err
    path = find_key_file(tmp_path, sandbox, "mm_trio.keystore.json")

    with start(tmp_path, sandbox, "rotate", environ=secret | {"MM_TRIO_KEYSTORE": str(path)}) as program:
        address, name = read_request(program)
        approve(sandbox, address, name)
        assert program.end() == 0, program.err

    opened = Account.from_key(Account.decrypt(json.loads(path.read_text()), "a passphrase"))
    assert opened.address.lower() == address


# --- the maker ------------------------------------------------------------------------------------


def test_a_maker_warns_of_a_key_that_ends_soon(sandbox: Sandbox, tmp_path: Path) -> None:
    with start(tmp_path, sandbox, "new", "--days", "5") as program:
        approve(sandbox, *read_request(program))
        assert program.end() == 0, program.err
    path, config = find_key_file(tmp_path, sandbox), str(tmp_path / "sandbox.toml")

    code, _out, err = run(
        tmp_path, "run", "--config", config, "--duration", "2", "--json", environ={"MM_TRIO_KEY_FILE": str(path)}
    )

    assert code == 0, err
    assert re.search(rf"WARNING .* key ends soon: address={read_address(path)} name=mm_trio days_left=5.0;", err), err
    assert f"account: {sandbox.account} is an ordinary account" in err


def test_the_address_of_an_agent_in_place_of_the_account_is_exit_code_2(sandbox: Sandbox, tmp_path: Path) -> None:
    path = make_key(tmp_path, sandbox)
    agent, config = read_address(path), str(tmp_path / "sandbox.toml")
    environ = {"MM_TRIO_KEY_FILE": str(path), "MM_TRIO_ACCOUNT_ADDRESS": agent}

    code, _out, err = run(tmp_path, "run", "--config", config, environ=environ)

    assert code == 2
    assert f'account {agent} is the address of an agent of {sandbox.account}; put account = "{sandbox.account}"' in err


def test_an_account_of_another_network_is_exit_code_2_and_names_the_right_one(sandbox: Sandbox, tmp_path: Path) -> None:
    path = make_key(tmp_path, sandbox)
    unknown, config = "0x" + "4b" * 20, str(tmp_path / "sandbox.toml")
    environ = {"MM_TRIO_KEY_FILE": str(path), "MM_TRIO_ACCOUNT_ADDRESS": unknown}

    code, _out, err = run(tmp_path, "run", "--config", config, environ=environ)

    assert code == 2
    assert f"account {unknown} is not known on sandbox" in err
    assert f'put account = "{sandbox.account}"' in err

"""The image and the compose file: linted and read as the tools read them, and as closed as a service can be."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from deploy_kit import DEPLOY, KEY_VARIABLES, ROOT, SHUTDOWN_S, parse_command

from mm_trio import __version__
from mm_trio.config.loading import parse_settings
from mm_trio.config.settings import Settings
from mm_trio.guard.heartbeat import ALIVE_NAME, HEARTBEAT_NAME

DOCKERFILE = DEPLOY / "docker" / "Dockerfile"
COMPOSE = DEPLOY / "docker" / "compose.yaml"
USER = "10001:10001"
OURS = {"maker", "guard", "copies"}
# A fraction of what each of them may never have: a key, a socket of Docker, a namespace of the host.
FORBIDDEN = {"privileged", "cap_add", "devices", "pid", "ipc", "network_mode", "userns_mode", "env_file"}


def read_steps() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile, each as a name and its words."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    found = [line.partition(" ") for line in text.splitlines() if line.strip()]
    return [(name, " ".join(words.split())) for name, _, words in found]


# --- The image ------------------------------------------------------------------------------------


def test_hadolint_finds_nothing() -> None:
    tool = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which("hadolint")
    if tool is None:
        pytest.skip("hadolint is not installed (group `deploy`)")
    ended = subprocess.run([tool, str(DOCKERFILE)], capture_output=True, text=True, timeout=60)

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


def test_the_image_is_built_from_what_is_there_and_sent() -> None:
    copied = [word for name, words in read_steps() if name == "COPY" for word in words.split()[:-1]]
    ours = [word for word in copied if not word.startswith(("--from", "/"))]
    sent = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]

    assert [name for name in ours if not (ROOT / name).exists()] == []
    assert sorted(ours) == sorted(sent)


def test_all_that_is_installed_is_checked_by_its_hash() -> None:
    """But for our own wheel, which is built beside it without the network."""
    pips = [each for name, words in read_steps() if name == "RUN" for each in words.split(" && ") if "pip " in each]

    for each in pips[1:]:
        is_locked = "--require-hashes --only-binary :all: -r " in each
        assert is_locked or "--no-deps" in each, each
        assert is_locked or "--no-index" in each, each
    assert "--without-pip" in pips[0]


def test_the_base_is_pinned_and_runs_the_program() -> None:
    (base,) = re.findall(r"^ARG BASE=python:(3\.\d+)\.\d+-slim-\w+$", DOCKERFILE.read_text(), re.MULTILINE)
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert f"Programming Language :: Python :: {base}" in wanted["classifiers"]
    assert [words for name, words in read_steps() if name == "FROM"] == ["${BASE} AS build", "${BASE}"]


def test_the_final_stage_has_no_tools_of_the_build() -> None:
    steps = read_steps()
    last = steps[len(steps) - 1 - [name for name, _ in reversed(steps)].index("FROM") :]

    assert [words for name, words in last if name == "COPY"] == ["--from=build /opt/mm-trio /opt/mm-trio"]
    assert [words for name, words in last if name == "RUN"] == ["install -d -m 0700 -o 10001 -g 10001 /state /copies"]
    assert ("USER", USER) in last
    assert ("STOPSIGNAL", "SIGTERM") in last
    assert ("ENTRYPOINT", '["mm-trio"]') in last
    assert f"VERSION={__version__}" in [words for name, words in last if name == "ARG"]


def test_the_image_is_well_while_the_heartbeat_is_new() -> None:
    (check,) = [words for name, words in read_steps() if name == "HEALTHCHECK"]

    assert f"find /state/mm_trio -name {HEARTBEAT_NAME} -newermt '15 seconds ago'" in check


# --- The compose file -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    yaml: Any = pytest.importorskip("yaml", reason="PyYAML is not installed")
    found: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())
    return found


@pytest.fixture(scope="module")
def services(compose: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = compose["services"]
    return found


def find_composer() -> list[str] | None:
    """The command that reads compose files here, None where there is none. No daemon is asked."""
    if (path := shutil.which("docker-compose")) is not None:
        return [path]
    docker = shutil.which("docker")
    if docker and subprocess.run([docker, "compose", "version"], capture_output=True, timeout=60).returncode == 0:
        return [docker, "compose"]
    return None


def test_compose_reads_the_file(tmp_path: Path) -> None:
    composer = find_composer()
    if composer is None:
        pytest.skip("docker compose is not on this machine")
    folder = tmp_path / "deploy" / "docker"
    shutil.copytree(DEPLOY, tmp_path / "deploy")
    (folder / "secrets").mkdir()
    for name in ("maker.toml", "secrets/agent.key", "secrets/grafana.pass"):
        (folder / name).touch()
    words = [*composer, "-f", str(folder / "compose.yaml"), "config", "--quiet"]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=120, cwd=folder)

    assert ended.returncode == 0, ended.stderr


def test_these_services_run(services: dict[str, Any]) -> None:
    assert services.keys() == OURS | {"prometheus", "grafana"}
    assert {services[name]["image"] for name in OURS} == {f"mm-trio:{__version__}"}
    assert [
        name for name, each in services.items() if not re.fullmatch(r"[\w/-]+:v?\d+\.\d+\.\d+", each["image"])
    ] == []


def test_no_service_may_more_than_it_needs(services: dict[str, Any]) -> None:
    for name, each in services.items():
        assert each["read_only"] is True, name
        assert each["cap_drop"] == ["ALL"], name
        assert each["security_opt"] == ["no-new-privileges:true"], name
        assert each["pids_limit"] <= 128, name
        assert re.fullmatch(r"\d+m", each["mem_limit"]), name
        assert each.keys() & FORBIDDEN == set(), name
        assert "docker.sock" not in str(each), name
    assert {services[name]["user"] for name in OURS} == {USER}


def test_every_service_has_a_check_of_its_health_and_a_rule_for_its_end(services: dict[str, Any]) -> None:
    """The maker's is that of the image."""
    assert {name for name, each in services.items() if "healthcheck" not in each} == {"maker"}
    assert f"-name {ALIVE_NAME} " in services["guard"]["healthcheck"]["test"][-1]
    assert {name: each["restart"] for name, each in services.items()} == {
        "maker": "on-failure",
        "guard": "always",
        "copies": "on-failure",
        "prometheus": "unless-stopped",
        "grafana": "unless-stopped",
    }


def test_a_stop_lasts_longer_than_a_shutdown(services: dict[str, Any]) -> None:
    assert int(services["maker"]["stop_grace_period"].removesuffix("s")) >= 2 * SHUTDOWN_S


def test_only_the_maker_has_the_key_and_it_is_a_file(services: dict[str, Any], compose: dict[str, Any]) -> None:
    assert {name: each["secrets"] for name, each in services.items() if "secrets" in each} == {
        "maker": ["agent.key"],
        "grafana": ["grafana.pass"],
    }
    assert services["maker"]["environment"].keys() & KEY_VARIABLES == {"MM_TRIO_KEY_FILE"}
    assert all(set(each) == {"file"} for each in compose["secrets"].values())
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert {"deploy/docker/secrets/", "deploy/docker/maker.toml"} <= set(ignored)


def test_nobody_but_prometheus_reaches_the_page_and_nothing_but_grafana_is_published(
    services: dict[str, Any], compose: dict[str, Any]
) -> None:
    on = {name: {other for other, each in services.items() if name in each["networks"]} for name in compose["networks"]}

    assert on == {
        "venue": OURS,
        "scrape": {"maker", "prometheus"},
        "dashboards": {"prometheus", "grafana"},
        "operator": {"grafana"},
    }
    assert {name for name, each in compose["networks"].items() if each.get("internal")} == {"scrape", "dashboards"}
    assert {name: each["ports"] for name, each in services.items() if "ports" in each} == {
        "grafana": ["127.0.0.1:3000:3000"]
    }


def test_what_is_mounted_is_there(services: dict[str, Any], compose: dict[str, Any]) -> None:
    """A folder that is missing would be made, as root's."""
    sources = {mount.split(":")[0] for each in services.values() for mount in each["volumes"]}
    folders = {source for source in sources if source.startswith((".", "/"))}

    assert sources - folders == compose["volumes"].keys()
    assert [name for name in folders if name != "./maker.toml" and not (COMPOSE.parent / name).exists()] == []


def test_the_state_and_the_copies_are_volumes(services: dict[str, Any]) -> None:
    assert {name for name in OURS if "state:/state" in services[name]["volumes"]} == OURS
    assert "copies:/copies" in services["copies"]["volumes"]


@pytest.mark.parametrize("name", sorted(OURS))
def test_the_command_of_a_service_is_one_of_ours(services: dict[str, Any], name: str) -> None:
    parse_command(services[name]["command"])


def test_every_setting_of_the_environment_is_one_of_ours(services: dict[str, Any]) -> None:
    names = [name.split("__")[1:] for name in services["maker"]["environment"] if name.startswith("MM_TRIO__")]
    sections = {section.lower() for section, _ in names}
    if unknown := [section for section in sections if section not in Settings.__dataclass_fields__]:
        pytest.skip(f"this program has no section {', '.join(unknown)}")
    values = {name: value for name, value in services["maker"]["environment"].items() if name.startswith("MM_TRIO__")}

    parse_settings(read_example(), environ=values, source="maker.example.toml")


def read_example() -> dict[str, Any]:
    return tomllib.loads((DEPLOY / "docker" / "maker.example.toml").read_text())


def test_the_example_of_a_configuration_is_valid() -> None:
    assert parse_settings(read_example(), environ={}, source="maker.example.toml").market.network == "testnet"


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not on this machine")
def test_prometheus_reads_its_configuration() -> None:
    words = ["promtool", "check", "config", str(DEPLOY / "prometheus" / "prometheus.yml")]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=60)

    assert ended.returncode == 0, ended.stdout + ended.stderr

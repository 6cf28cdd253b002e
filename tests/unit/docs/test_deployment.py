"""The manifest in `deploy/kubernetes`: read as the tools read it, and each command in it is one of ours."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from deploy_kit import DEPLOY, KEY_VARIABLES, SHUTDOWN_S, parse_command

from mm_trio.config.loading import parse_settings
from mm_trio.guard.heartbeat import HEARTBEAT_NAME

MANIFEST = DEPLOY / "kubernetes" / "maker.yaml"


# The fields that the manifest may use, by the kind of object; a misspelt one would be dropped in silence.
FIELDS: dict[str, set[str]] = {
    "StatefulSet": {"serviceName", "replicas", "selector", "template", "volumeClaimTemplates"},
    "pod": {
        *("terminationGracePeriodSeconds", "automountServiceAccountToken", "enableServiceLinks", "securityContext"),
        *("initContainers", "containers", "volumes"),
    },
    "container": {
        *("name", "image", "command", "env", "lifecycle", "readinessProbe", "securityContext", "volumeMounts"),
        "resources",
    },
    "pod security": {"runAsUser", "runAsGroup", "runAsNonRoot", "seccompProfile"},
    "container security": {
        *("runAsUser", "runAsNonRoot", "allowPrivilegeEscalation", "readOnlyRootFilesystem", "capabilities"),
    },
    "probe": {"exec", "initialDelaySeconds", "periodSeconds", "timeoutSeconds", "failureThreshold"},
    "mount": {"name", "mountPath", "readOnly"},
    "claim": {"accessModes", "resources"},
}


@pytest.fixture(scope="module")
def objects() -> dict[str, Any]:
    """The manifest's objects, by kind."""
    yaml: Any = pytest.importorskip("yaml", reason="PyYAML is not installed")
    return {each["kind"]: each for each in yaml.safe_load_all(MANIFEST.read_text())}


@pytest.fixture
def pod(objects: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = objects["StatefulSet"]["spec"]["template"]["spec"]
    return spec


def containers_of(pod: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in (*pod["initContainers"], *pod["containers"])}


def find_unknown(pod: dict[str, Any], stateful_set: dict[str, Any]) -> Iterator[str]:
    """Name the fields that the objects of these kinds do not have."""
    found = [("StatefulSet", stateful_set), ("pod", pod), ("pod security", pod["securityContext"])]
    for each in containers_of(pod).values():
        found += [("container", each), ("container security", each["securityContext"])]
        found += [("mount", mount) for mount in each["volumeMounts"]]
        found += [("probe", each["readinessProbe"])] if "readinessProbe" in each else []
    found += [("claim", claim["spec"]) for claim in stateful_set["volumeClaimTemplates"]]
    for kind, values in found:
        yield from (f"{kind}: {name}" for name in values.keys() - FIELDS[kind])


def test_the_manifest_has_these_objects_and_no_autoscaler(objects: dict[str, Any]) -> None:
    assert {kind: each["apiVersion"] for kind, each in objects.items()} == {
        "ConfigMap": "v1",
        "Service": "v1",
        "StatefulSet": "apps/v1",
    }
    assert len({each["metadata"]["name"] for each in objects.values()}) == 1


def test_every_field_of_the_manifest_is_known(objects: dict[str, Any], pod: dict[str, Any]) -> None:
    assert list(find_unknown(pod, objects["StatefulSet"]["spec"])) == []


def test_there_is_one_replica(objects: dict[str, Any]) -> None:
    spec = objects["StatefulSet"]["spec"]

    assert spec["replicas"] == 1
    assert spec["selector"]["matchLabels"] == spec["template"]["metadata"]["labels"]
    assert spec["serviceName"] == objects["Service"]["metadata"]["name"]


def test_a_pod_is_given_longer_than_a_shutdown(pod: dict[str, Any]) -> None:
    grace_s, guard = pod["terminationGracePeriodSeconds"], containers_of(pod)["guard"]
    _, waits_s = guard["lifecycle"]["preStop"]["exec"]["command"]

    assert SHUTDOWN_S < int(waits_s) < grace_s


def test_the_state_outlives_the_pod(objects: dict[str, Any], pod: dict[str, Any]) -> None:
    claims = {each["metadata"]["name"]: each["spec"] for each in objects["StatefulSet"]["spec"]["volumeClaimTemplates"]}
    volumes = {each["name"] for each in pod["volumes"]} | claims.keys()
    mounts = [(name, mount["name"]) for name, each in containers_of(pod).items() for mount in each["volumeMounts"]]

    assert {spec["accessModes"][0] for spec in claims.values()} == {"ReadWriteOncePod"}
    assert {name for name, mount in mounts if mount == "state"} == containers_of(pod).keys()
    assert [mount for mount in mounts if mount[1] not in volumes] == []


def test_the_key_is_a_file_of_the_maker_alone(pod: dict[str, Any]) -> None:
    """It is in no variable: those are seen by whoever may look at the pod."""
    each = containers_of(pod)
    has_key = {name for name in each if any(mount["name"] == "key" for mount in each[name]["volumeMounts"])}
    variables = {env["name"]: env["value"] for env in each["maker"]["env"]}

    assert has_key == {"maker"}
    assert KEY_VARIABLES & variables.keys() == {"MM_TRIO_KEY_FD"}
    assert f"{variables['MM_TRIO_KEY_FD']}< /run/secrets/mm-trio/key" in each["maker"]["command"][-1]


def test_no_container_that_goes_on_is_root(pod: dict[str, Any]) -> None:
    assert pod["securityContext"]["runAsNonRoot"] is True
    for each in pod["containers"]:
        security = each["securityContext"]
        assert (security["allowPrivilegeEscalation"], security["readOnlyRootFilesystem"]) == (False, True)
        assert (security["capabilities"], "runAsUser" in security) == ({"drop": ["ALL"]}, False)


def test_no_group_may_write_to_the_volumes(pod: dict[str, Any]) -> None:
    assert "fsGroup" not in pod["securityContext"]


def test_the_commands_of_the_containers_are_ours(pod: dict[str, Any]) -> None:
    for each in pod["containers"]:
        words = each["command"]
        if words[0] == "sh":
            words = shlex.split(words[-1].removeprefix("exec ").partition(" 3<")[0])
        assert words[0] == "mm-trio"
        parse_command(words[1:])


def test_the_configuration_of_the_manifest_is_valid(objects: dict[str, Any]) -> None:
    document = tomllib.loads(objects["ConfigMap"]["data"]["maker.toml"])

    assert parse_settings(document, environ={}, source="maker.yaml").market.network == "testnet"


@pytest.mark.parametrize(("age_s", "code"), [(0, 0), (60, 1), (None, 1)])
def test_a_maker_is_ready_while_its_heartbeat_is_new(
    pod: dict[str, Any], tmp_path: Path, age_s: int | None, code: int
) -> None:
    command = containers_of(pod)["maker"]["readinessProbe"]["exec"]["command"]
    folder = tmp_path / "mm_trio" / "testnet" / "0xab" / "@107"
    folder.mkdir(parents=True)
    if age_s is not None:
        path = folder / HEARTBEAT_NAME
        path.write_text("{}")
        at_s = path.stat().st_mtime - age_s
        os.utime(path, (at_s, at_s))

    words = [word.replace("/state", str(tmp_path)) for word in command]

    assert subprocess.run(words, timeout=30).returncode == code


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not on this machine")
def test_kubectl_reads_the_manifest(tmp_path: Path) -> None:
    """It asks no cluster: `--local`, and there is no configuration."""
    words = ["kubectl", "annotate", "--local", "-f", str(MANIFEST), "read=yes", "-o", "json"]
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "KUBECONFIG": os.devnull}
    ended = subprocess.run(words, capture_output=True, text=True, timeout=60, env=environ)

    assert ended.returncode == 0, ended.stderr
    decoder, kinds, rest = json.JSONDecoder(), [], ended.stdout.strip()
    while rest:
        found, end = decoder.raw_decode(rest)
        kinds.append(found["kind"])
        rest = rest[end:].strip()
    assert kinds == ["ConfigMap", "Service", "StatefulSet"]

"""The Structs: names, round trips, strictness, and what importing them costs."""

from __future__ import annotations

import subprocess
import sys

import msgspec
import pytest

from podrun.api.base import json_name
from podrun.api.pod import (
    Container,
    ContainerPort,
    ContainerState,
    ContainerStateTerminated,
    ContainerStatus,
    HostAlias,
    ObjectMeta,
    Pod,
    PodIP,
    PodSpec,
    PodStatus,
)

_STATUS = ContainerStatus(
    name="app",
    state=ContainerState(terminated=ContainerStateTerminated(exit_code=0, reason="Completed")),
    ready=False,
    restart_count=0,
    image="img",
    image_id="sha256:1",
    container_id="podrun://1",
)


@pytest.mark.parametrize(
    ("attribute", "name"),
    [
        ("image_pull_policy", "imagePullPolicy"),
        ("host_ip", "hostIP"),
        ("host_pid", "hostPID"),
        ("host_ipc", "hostIPC"),
        ("pod_ips", "podIPs"),
        ("container_id", "containerID"),
        ("dns_policy", "dnsPolicy"),
        ("ip", "ip"),
        ("uid", "uid"),
    ],
)
def test_names_are_those_of_the_api(attribute: str, name: str) -> None:
    assert json_name(attribute) == name


def test_a_pod_survives_json_unchanged() -> None:
    pod = Pod(
        metadata=ObjectMeta(name="web", labels={"a": "b"}, uid="1"),
        spec=PodSpec(
            containers=(Container(name="app", ports=(ContainerPort(host_ip="127.0.0.1"),)),),
            host_pid=True,
            host_aliases=(HostAlias(ip="10.0.0.1", hostnames=("db",)),),
        ),
        status=PodStatus(container_statuses=(_STATUS,), pod_ips=(PodIP(ip="10.0.0.2"),)),
    )
    text = msgspec.json.encode(pod)
    assert msgspec.json.decode(text, type=Pod) == pod
    assert msgspec.json.encode(msgspec.json.decode(text, type=Pod)) == text


def test_json_has_kind_and_version_and_no_empty_fields() -> None:
    plain = msgspec.to_builtins(Pod(metadata=ObjectMeta(name="web")))
    assert plain == {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web"},
        "spec": {},
    } or plain == {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}}


def test_a_container_status_always_prints_what_scripts_look_for() -> None:
    plain = msgspec.to_builtins(_STATUS)
    assert plain["lastState"] == {}
    assert plain["ready"] is False
    assert plain["restartCount"] == 0
    assert plain["state"]["terminated"]["exitCode"] == 0


def test_records_are_read_strictly() -> None:
    with pytest.raises(msgspec.ValidationError, match="unknown field `imge`"):
        msgspec.json.decode(b'{"spec": {"containers": [{"imge": "x"}]}}', type=Pod)


def test_importing_the_types_imports_nothing_heavy() -> None:
    heavy = "yaml re difflib hashlib ipaddress podrun.api.fields asyncio pyroute2 click"
    script = f"""
import sys, msgspec
before = set(sys.modules)
import podrun.api.pod
print(*sorted(set({heavy.split()!r}) & (set(sys.modules) - before)))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("", "")

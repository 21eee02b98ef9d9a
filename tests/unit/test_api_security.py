"""The API server's rules for securityContext, and the sysctls a node admits."""

# ruff: noqa: E501  (tables of messages read best one case a line)
from __future__ import annotations

from typing import Any

import msgspec
import pytest

from podrun.api.defaults import with_defaults
from podrun.api.pod import Pod
from podrun.api.validate import validate
from podrun.pod.actions import CreateSandbox, PassVerdict
from podrun.pod.backoff import Settings
from podrun.pod.facts import Facts
from podrun.pod.plan import plan
from podrun.pod.sysctls import forbidden, parameters


def a_pod(pod: dict[str, Any], container: dict[str, Any] | None = None, **spec: Any) -> Pod:
    whole = {
        "metadata": {"name": "web"},
        "spec": {
            "containers": [{"name": "a", "image": "x", "securityContext": container or {}}],
            "securityContext": pod,
            **spec,
        },
    }
    return with_defaults(msgspec.convert(whole, Pod))


def problems(pod: Pod) -> list[str]:
    return [str(problem) for problem in validate(pod)]


PROFILES = [
    ({}, ['type: Required value: type is required when {field} is set']),
    (
        {"type": "Default"},
        ['type: Unsupported value: "Default": supported values: "Localhost", "RuntimeDefault", '
         '"Unconfined"'],
    ),
    ({"type": "RuntimeDefault"}, []),
    ({"type": "Unconfined"}, []),
    ({"type": "Localhost"}, ["localhostProfile: Required value: must be set when {kind} type is Localhost"]),
    (
        {"type": "Unconfined", "localhostProfile": "x"},
        ['localhostProfile: Invalid value: "x": can only be set when {kind} type is Localhost'],
    ),
    ({"type": "Localhost", "localhostProfile": "a/b.json"}, []),
]  # fmt: skip


@pytest.mark.parametrize(("profile", "expected"), PROFILES)
@pytest.mark.parametrize(
    ("field", "kind"), [("seccompProfile", "seccomp"), ("appArmorProfile", "AppArmor")]
)
def test_profiles(profile: dict[str, str], expected: list[str], field: str, kind: str) -> None:
    filled = [line.format(field=field, kind=kind) for line in expected]
    at_pod = [f"spec.securityContext.{field}.{line}" for line in filled]
    assert problems(a_pod({field: profile})) == at_pod
    at_container = [f"spec.containers[0].securityContext.{field}.{line}" for line in filled]
    assert problems(a_pod({}, {field: profile})) == at_container


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("/etc/passwd", "must be a relative path"),
        ("../x", "must not contain '..'"),
        ("a/../../x", "must not contain '..'"),
        ("", "must name a file"),
        ("x\0y", "must name a file"),
    ],
)
def test_a_seccomp_file_is_below_its_directory(name: str, why: str) -> None:
    profile = {"type": "Localhost", "localhostProfile": name}
    assert why in "\n".join(problems(a_pod({"seccompProfile": profile})))


@pytest.mark.parametrize("name", ["", " a", "a\nb", "x" * 4096])
def test_an_apparmor_profile_has_a_name(name: str) -> None:
    profile = {"type": "Localhost", "localhostProfile": name}
    assert problems(a_pod({"appArmorProfile": profile}))


@pytest.mark.parametrize(
    ("context", "expected"),
    [
        ({"fsGroup": -1}, "fsGroup: Invalid value: -1: must be between 0 and 2147483647, inclusive"),
        ({"fsGroupChangePolicy": "Never"}, 'fsGroupChangePolicy: Unsupported value: "Never"'),
        ({"supplementalGroupsPolicy": "x"}, 'supplementalGroupsPolicy: Unsupported value: "x"'),
        ({"supplementalGroups": [1, 2**31]}, "supplementalGroups[1]: Invalid value: 2147483648"),
        ({"sysctls": [{"name": "", "value": "1"}]}, "sysctls[0].name: Required value"),
        ({"sysctls": [{"name": "net..x", "value": "1"}]}, "sysctls[0].name: Invalid value"),
        ({"sysctls": [{"name": "../x", "value": "1"}]}, "sysctls[0].name: Invalid value"),
        ({"sysctls": [{"name": "net.X", "value": "1"}]}, "sysctls[0].name: Invalid value"),
        (
            {"sysctls": [{"name": "net.a", "value": "1"}, {"name": "net/a", "value": "2"}]},
            'sysctls[1].name: Duplicate value: "net.a"',
        ),
    ],
)  # fmt: skip
def test_the_pods_context(context: dict[str, Any], expected: str) -> None:
    found = problems(a_pod(context))
    assert len(found) == 1 and found[0].startswith(f"spec.securityContext.{expected}"), found


def test_proc_is_unmasked_only_with_users_of_its_own() -> None:
    unmasked: dict[str, Any] = {"procMount": "Unmasked"}
    assert problems(a_pod({}, unmasked)) == [
        "spec.containers[0].securityContext.procMount: Invalid value: "
        '"Unmasked": `hostUsers` must be false to use `Unmasked`'
    ]
    assert problems(a_pod({}, unmasked, hostUsers=False)) == []


@pytest.mark.parametrize(
    ("name", "field"), [("net.ipv4.tcp_syncookies", "hostNetwork"), ("kernel.sem", "hostIPC")]
)
def test_the_hosts_namespaces_keep_their_parameters(name: str, field: str) -> None:
    context: dict[str, Any] = {"sysctls": [{"name": name, "value": "1"}]}
    assert problems(a_pod(context)) == []
    host: dict[str, Any] = {field: True}
    found = problems(a_pod(context, **host))
    assert found == [
        f'spec.securityContext.sysctls[0].name: Invalid value: "{name}": '
        f"may not be specified when '{field}' is true"
    ]


@pytest.mark.parametrize(
    ("name", "allowed", "expected"),
    [
        ("net.ipv4.tcp_syncookies", (), ""),
        ("net/ipv4/tcp_syncookies", (), ""),
        ("net.core.somaxconn", (), 'forbidden sysctl: "net.core.somaxconn" not allowlisted'),
        ("net.core.somaxconn", ("net.core.somaxconn",), ""),
        ("net.core.somaxconn", ("net.core.*",), ""),
        ("net.core.somaxconn", ("net.core",), "not allowlisted"),
        ("net.core.somaxconn", ("kernel.*",), "not allowlisted"),
        ("vm.swappiness", ("vm.*", "*"), "is not of a namespace"),
        ("kernel.panic", ("*",), "is not of a namespace"),
        ("fs.mqueue.msg_max", ("fs.mqueue.*",), ""),
    ],
)
def test_which_sysctls_a_node_admits(name: str, allowed: tuple[str, ...], expected: str) -> None:
    pod = a_pod({"sysctls": [{"name": name, "value": "1"}]})
    said = forbidden(pod, allowed)
    assert said.endswith(expected) and bool(said) == bool(expected)
    (action,) = plan(
        pod, Facts(accepted_at=1), 2.0, Settings(allowed_unsafe_sysctls=allowed)
    ).actions
    assert isinstance(action, PassVerdict if expected else CreateSandbox)


def test_a_name_with_slashes_may_hold_dots() -> None:
    pod = a_pod({"sysctls": [{"name": "net/ipv4/conf/eth0.7/forwarding", "value": "1"}]})
    assert parameters(pod) == {"net.ipv4.conf.eth0/7.forwarding": "1"}

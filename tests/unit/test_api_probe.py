"""Probes, hooks and restart rules: their JSON, their defaults, and each rule broken alone."""

# ruff: noqa: E501  (tables of messages read best one case a line)
from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from podrun.api.defaults import with_defaults
from podrun.api.pod import Container, Pod, Probe
from podrun.api.validate import validate
from podrun.api.validate_probe import SIGNALS

_INT32 = "must be between 0 and 2147483647, inclusive"
_EXEC = {"exec": {"command": ["true"]}}
_PORT = "must be between 1 and 65535, inclusive"
_NOT_PLAIN = "may not be set for init containers without restartPolicy=Always"


def _pod(container: dict[str, Any], spec: dict[str, Any] | None = None) -> Pod:
    containers = [{"name": "a", "image": "x", **container}]
    data = {"metadata": {"name": "web"}, "spec": {"containers": containers, **(spec or {})}}
    return with_defaults(msgspec.convert(data, Pod))


def _problems(container: dict[str, Any], spec: dict[str, Any] | None = None) -> list[str]:
    problems = [str(problem) for problem in validate(_pod(container, spec))]
    assert all(problem.startswith("spec.containers[0].") for problem in problems)
    return [problem.removeprefix("spec.containers[0].") for problem in problems]


def _container(container: dict[str, Any]) -> Any:
    pod = msgspec.json.decode(msgspec.json.encode(_pod(container)))
    return pod["spec"]["containers"][0]


# ── defaults ────────────────────────────────────────────────────────────────────────────────────


def test_a_probe_gets_the_figures_of_the_api_server() -> None:
    assert _container({"livenessProbe": _EXEC})["livenessProbe"] == {
        **_EXEC,
        "timeoutSeconds": 1,
        "periodSeconds": 10,
        "successThreshold": 1,
        "failureThreshold": 3,
    }


def test_given_figures_stay() -> None:
    figures = {
        "initialDelaySeconds": 9, "timeoutSeconds": 2, "periodSeconds": 3,
        "successThreshold": 4, "failureThreshold": 5,
    }  # fmt: skip
    probe = {**_EXEC, **figures}
    assert _container({"readinessProbe": probe})["readinessProbe"] == probe


@pytest.mark.parametrize("place", ["startupProbe", "lifecycle"])
def test_http_has_a_path_and_a_scheme(place: str) -> None:
    handler = {"httpGet": {"port": "web", "httpHeaders": [{"name": "A", "value": ""}]}}
    given = {place: {"preStop": handler} if place == "lifecycle" else handler}
    found = _container(given)[place]
    found = found["preStop"] if place == "lifecycle" else found
    assert found["httpGet"] == {**handler["httpGet"], "path": "/", "scheme": "HTTP"}


def test_grpc_asks_for_the_empty_service() -> None:
    probe = _container({"livenessProbe": {"grpc": {"port": 1}}})["livenessProbe"]
    assert probe["grpc"] == {"port": 1, "service": ""}


_PORTS = st.integers(-1, 70000) | st.text("a-1", max_size=16)
_FIGURES = st.integers(-2, 2)
_HANDLERS: dict[str, st.SearchStrategy[Any]] = {
    "exec": st.fixed_dictionaries({"command": st.lists(st.text(max_size=2), max_size=2)}),
    "httpGet": st.fixed_dictionaries({"port": _PORTS}, optional={"path": st.just("/x")}),
    "tcpSocket": st.fixed_dictionaries({"port": _PORTS}),
}
_PROBES = st.fixed_dictionaries(
    {},
    optional={
        **_HANDLERS,
        "periodSeconds": _FIGURES,
        "successThreshold": _FIGURES,
        "failureThreshold": _FIGURES,
        "terminationGracePeriodSeconds": _FIGURES,
    },
)


@given(_PROBES, st.fixed_dictionaries({}, optional=_HANDLERS))
def test_twice_is_once_and_validation_never_raises(
    probe: dict[str, Any], hook: dict[str, Any]
) -> None:
    pod = _pod({"livenessProbe": probe, "lifecycle": {"preStop": hook}})
    assert with_defaults(pod) == pod
    assert msgspec.json.decode(msgspec.json.encode(pod), type=Pod) == pod
    validate(pod)


def test_ports_of_probes_are_numbers_or_names() -> None:
    for port in (80, "web"):
        probe = msgspec.convert({"tcpSocket": {"port": port}}, Probe)
        assert probe.tcp_socket is not None
        assert probe.tcp_socket.port == port


# ── rules ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "handler",
    [
        _EXEC,
        {"httpGet": {"port": "web", "path": "/?x=1", "scheme": "HTTPS", "host": "h"}},
        {"tcpSocket": {"port": 65535}},
        {"grpc": {"port": 1, "service": "x"}},
    ],
)
def test_good_probes(handler: dict[str, Any]) -> None:
    probe = {**handler, "initialDelaySeconds": 0, "terminationGracePeriodSeconds": 1}
    assert _problems({"livenessProbe": probe, "startupProbe": probe}) == []
    assert _problems({"readinessProbe": {**handler, "successThreshold": 2}}) == []


@pytest.mark.parametrize(
    ("probe", "problem"),
    [
        ({}, ": Required value: must specify a handler type"),
        ({"exec": {}}, ".exec.command: Required value"),
        ({"exec": {"command": ["\0"]}}, ".exec.command: Forbidden: may not contain a null character"),
        ({**_EXEC, "grpc": {"port": 0}}, ".grpc: Forbidden: may not specify more than 1 handler type"),
        ({"httpGet": {}}, f".httpGet.port: Invalid value: 0: {_PORT}"),
        ({"httpGet": {"port": 65536}}, f".httpGet.port: Invalid value: 65536: {_PORT}"),
        ({"tcpSocket": {"port": -1}}, f".tcpSocket.port: Invalid value: -1: {_PORT}"),
        (
            {"tcpSocket": {"port": "80"}},
            '.tcpSocket.port: Invalid value: "80": must consist of lower case letters, digits and single '
            "'-' between them, and contain at least one letter",
        ),
        (
            {"httpGet": {"port": "a-name-of-16-chr"}},
            '.httpGet.port: Invalid value: "a-name-of-16-chr": must be no more than 15 characters',
        ),
        (
            {"httpGet": {"port": 1, "scheme": "https"}},
            '.httpGet.scheme: Unsupported value: "https": supported values: "HTTP", "HTTPS"',
        ),
        (
            {"httpGet": {"port": 1, "httpHeaders": [{"name": "A"}, {"name": "A:B"}]}},
            '.httpGet.httpHeaders[1].name: Invalid value: "A:B": a valid HTTP header must consist of '
            "alphanumeric characters or '-'",
        ),
        ({"grpc": {}}, f".grpc.port: Invalid value: 0: {_PORT}"),
        ({**_EXEC, "initialDelaySeconds": -1}, ".initialDelaySeconds: Invalid value: -1: must be greater than or equal to 0"),
        ({**_EXEC, "timeoutSeconds": -1}, ".timeoutSeconds: Invalid value: -1: must be greater than or equal to 0"),
        ({**_EXEC, "periodSeconds": -1}, ".periodSeconds: Invalid value: -1: must be greater than or equal to 0"),
        ({**_EXEC, "failureThreshold": -1}, ".failureThreshold: Invalid value: -1: must be greater than or equal to 0"),
        ({**_EXEC, "periodSeconds": 1 << 31}, f".periodSeconds: Invalid value: 2147483648: {_INT32}"),
        ({**_EXEC, "successThreshold": 2}, ".successThreshold: Invalid value: 2: must be 1"),
        (
            {**_EXEC, "terminationGracePeriodSeconds": 0},
            ".terminationGracePeriodSeconds: Invalid value: 0: must be greater than 0",
        ),
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["livenessProbe", "startupProbe"])
def test_bad_probes(name: str, probe: dict[str, Any], problem: str) -> None:
    assert _problems({name: probe}) == [name + problem]


def test_a_readiness_probe_has_no_grace() -> None:
    assert _problems({"readinessProbe": {**_EXEC, "terminationGracePeriodSeconds": 1}}) == [
        "readinessProbe.terminationGracePeriodSeconds: Invalid value: 1: must not be set for readinessProbes"
    ]


def test_a_port_need_not_be_declared() -> None:
    assert _problems({"livenessProbe": {"httpGet": {"port": "nowhere"}}}) == []


@pytest.mark.parametrize("hook", ["postStart", "preStop"])
@pytest.mark.parametrize(
    ("handler", "problem"),
    [
        (_EXEC, ""),
        ({"sleep": {"seconds": 0}}, ""),
        ({"sleep": {"seconds": 5}}, ""),
        ({"tcpSocket": {"port": 1}}, ""),
        ({"sleep": {"seconds": 6}}, ".sleep.seconds: Invalid value: 6: must be non-negative and less than terminationGracePeriodSeconds (5)"),
        ({"sleep": {"seconds": -1}}, ".sleep.seconds: Invalid value: -1: must be non-negative and less than terminationGracePeriodSeconds (5)"),
        ({}, ": Required value: must specify a handler type"),
        ({**_EXEC, "sleep": {"seconds": 9}}, ".sleep: Forbidden: may not specify more than 1 handler type"),
        ({"httpGet": {"port": ""}}, ".httpGet.port: Invalid value: \"\": must consist of lower case letters, digits and single '-' between them, and contain at least one letter"),
    ],
)  # fmt: skip
def test_hooks(hook: str, handler: dict[str, Any], problem: str) -> None:
    problems = _problems({"lifecycle": {hook: handler}}, {"terminationGracePeriodSeconds": 5})
    assert problems == ([f"lifecycle.{hook}{problem}"] if problem else [])


def test_a_stop_signal_needs_the_operating_system() -> None:
    assert _problems({"lifecycle": {"stopSignal": "SIGUSR1"}}) == [
        "lifecycle.stopSignal: Forbidden: may not be set for containers with empty `spec.os.name`"
    ]


@pytest.mark.parametrize("signal", ["SIGTERM", "SIGRTMIN", "SIGRTMIN+15", "SIGRTMAX-14", "SIGCLD"])
def test_good_signals(signal: str) -> None:
    assert _problems({"lifecycle": {"stopSignal": signal}}, {"os": {"name": "linux"}}) == []


@pytest.mark.parametrize("signal", ["TERM", "sigterm", "SIGRTMIN+16", "SIGRTMAX-15", "SIGX", "15"])
def test_bad_signals(signal: str) -> None:
    (problem,) = _problems({"lifecycle": {"stopSignal": signal}}, {"os": {"name": "linux"}})
    assert problem.startswith(
        f'lifecycle.stopSignal: Unsupported value: "{signal}": supported values: "SIGABRT", '
    )
    assert len(SIGNALS) == 65


@pytest.mark.parametrize("field", ["lifecycle", "livenessProbe", "readinessProbe", "startupProbe"])
def test_a_plain_init_container_has_neither_probes_nor_hooks(field: str) -> None:
    value = {"preStop": _EXEC} if field == "lifecycle" else _EXEC
    init = {"name": "i", "image": "x", field: value}
    plain = _pod({}, {"initContainers": [init]})
    assert [str(problem) for problem in validate(plain)] == [
        f"spec.initContainers[0].{field}: Forbidden: {_NOT_PLAIN}"
    ]
    never = _pod({}, {"initContainers": [{**init, "restartPolicy": "Never"}]})
    assert len(validate(never)) == 1
    sidecar = _pod({}, {"initContainers": [{**init, "restartPolicy": "Always"}]})
    assert validate(sidecar) == []


def test_a_sidecars_probes_are_checked() -> None:
    init = {"name": "i", "image": "x", "restartPolicy": "Always", "livenessProbe": {}}
    assert [str(problem) for problem in validate(_pod({}, {"initContainers": [init]}))] == [
        "spec.initContainers[0].livenessProbe: Required value: must specify a handler type"
    ]


# ── restart policies ────────────────────────────────────────────────────────────────────────────

_CODES = {"operator": "In", "values": [1, 42]}
_RULE = {"action": "Restart", "exitCodes": _CODES}


@pytest.mark.parametrize("policy", ["Always", "OnFailure", "Never"])
def test_every_kind_of_container_may_have_its_own_policy_and_rules(policy: str) -> None:
    rules = [_RULE, {"action": "RestartAllContainers", "exitCodes": {"operator": "NotIn"}}]
    fields = {"restartPolicy": policy, "restartPolicyRules": rules}
    assert _problems(fields) == []
    assert validate(_pod({}, {"initContainers": [{"name": "i", "image": "x", **fields}]})) == []


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        (
            {"restartPolicyRules": [_RULE]},
            "restartPolicy: Required value: must specify restartPolicy when restart rules are used",
        ),
        (
            {"restartPolicy": "Never", "restartPolicyRules": [_RULE] * 21},
            "restartPolicyRules: Too many: 21: must have at most 20 items",
        ),
        (
            {"restartPolicy": "Never", "restartPolicyRules": [{"action": "Stop", "exitCodes": _CODES}]},
            'restartPolicyRules[0].action: Unsupported value: "Stop": supported values: "Restart", "RestartAllContainers"',
        ),
        (
            {"restartPolicy": "Never", "restartPolicyRules": [_RULE, {"action": "Restart"}]},
            "restartPolicyRules[1].exitCodes: Required value: must be specified",
        ),
        (
            {"restartPolicy": "Never", "restartPolicyRules": [{"action": "Restart", "exitCodes": {}}]},
            'restartPolicyRules[0].exitCodes.operator: Unsupported value: "": supported values: "In", "NotIn"',
        ),
        (
            {
                "restartPolicy": "Never",
                "restartPolicyRules": [
                    {"action": "Restart", "exitCodes": {"operator": "In", "values": list(range(256))}}
                ],
            },
            "restartPolicyRules[0].exitCodes.values: Too many: 256: must have at most 255 items",
        ),
    ],
)  # fmt: skip
def test_bad_restart_rules(fields: dict[str, Any], problem: str) -> None:
    assert _problems(fields) == [problem]


def test_a_container_says_nothing_of_what_it_does_not_have() -> None:
    assert msgspec.json.encode(Container(name="a")) == b'{"name":"a"}'

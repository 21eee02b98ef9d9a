"""The rules for probes and lifecycle hooks: exactly one handler each, sane figures, known signals.

probe   exec | httpGet | tcpSocket | grpc
hook    exec | httpGet | tcpSocket | sleep
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from podrun.api import names
from podrun.api.container import Container
from podrun.api.pod import PodSpec
from podrun.api.probe import (
    ExecAction,
    GRPCAction,
    HTTPGetAction,
    Lifecycle,
    LifecycleHandler,
    Probe,
    SleepAction,
    TCPSocketAction,
)
from podrun.api.problem import Problem
from podrun.api.validate_rules import (
    MAX_INT32,
    between,
    check,
    choice,
    forbidden,
    invalid,
    not_negative,
    required,
)

_NAMED = """ABRT ALRM BUS CHLD CLD CONT FPE HUP ILL INT IO IOT KILL PIPE POLL PROF PWR QUIT SEGV
    STKFLT STOP SYS TERM TRAP TSTP TTIN TTOU URG USR1 USR2 VTALRM WINCH XCPU XFSZ RTMIN RTMAX"""
SIGNALS = frozenset(
    [f"SIG{name}" for name in _NAMED.split()]
    + [f"SIGRTMIN+{n}" for n in range(1, 16)]
    + [f"SIGRTMAX-{n}" for n in range(1, 15)]
)


def probes_and_hooks(path: str, container: Container, spec: PodSpec) -> Iterator[Problem]:
    """Of an app container or a sidecar."""
    if container.lifecycle is not None:
        yield from _lifecycle(f"{path}.lifecycle", container.lifecycle, spec)
    for name, probe in _probes(container).items():
        if probe is not None:
            yield from _probe(f"{path}.{name}", name, probe)


def no_probes_nor_hooks(path: str, container: Container) -> Iterator[Problem]:
    """A plain init container may have none of them."""
    fields = {"lifecycle": container.lifecycle, **_probes(container)}
    why = "may not be set for init containers without restartPolicy=Always"
    for name, value in fields.items():
        if value is not None:
            yield forbidden(f"{path}.{name}", why)


def _probes(container: Container) -> dict[str, Probe | None]:
    return {
        "livenessProbe": container.liveness_probe,
        "readinessProbe": container.readiness_probe,
        "startupProbe": container.startup_probe,
    }


def _probe(path: str, name: str, probe: Probe) -> Iterator[Problem]:
    yield from _handler(path, probe, 0)
    for field, value in (
        ("initialDelaySeconds", probe.initial_delay_seconds),
        ("timeoutSeconds", probe.timeout_seconds),
        ("periodSeconds", probe.period_seconds),
        ("successThreshold", probe.success_threshold),
        ("failureThreshold", probe.failure_threshold),
    ):
        yield from not_negative(f"{path}.{field}", value)
    if name != "readinessProbe" and probe.success_threshold != 1:
        yield invalid(f"{path}.successThreshold", probe.success_threshold, "must be 1")
    yield from _grace(f"{path}.terminationGracePeriodSeconds", name, probe)


def _grace(path: str, name: str, probe: Probe) -> Iterator[Problem]:
    seconds = probe.termination_grace_period_seconds
    if seconds is None:
        return
    if seconds <= 0:
        yield invalid(path, seconds, "must be greater than 0")
    else:
        yield from between(path, seconds, 1, MAX_INT32)
    if name == "readinessProbe":
        yield invalid(path, seconds, "must not be set for readinessProbes")


def _lifecycle(path: str, lifecycle: Lifecycle, spec: PodSpec) -> Iterator[Problem]:
    grace = spec.termination_grace_period_seconds or 0
    if lifecycle.post_start is not None:
        yield from _handler(f"{path}.postStart", lifecycle.post_start, grace)
    if lifecycle.pre_stop is not None:
        yield from _handler(f"{path}.preStop", lifecycle.pre_stop, grace)
    if lifecycle.stop_signal and spec.os is None:
        why = "may not be set for containers with empty `spec.os.name`"
        yield forbidden(f"{path}.stopSignal", why)
    elif lifecycle.stop_signal:
        yield from choice(f"{path}.stopSignal", lifecycle.stop_signal, tuple(SIGNALS))


# ── handlers ────────────────────────────────────────────────────────────────────────────────────


def _handler(path: str, handler: Probe | LifecycleHandler, grace: int) -> Iterator[Problem]:
    """``grace`` is the longest sleep, in seconds."""
    rules: dict[str, tuple[Any, Callable[[str, Any], Iterator[Problem]]]] = {
        "exec": (handler.exec, _exec),
        "httpGet": (handler.http_get, _http_get),
        "tcpSocket": (handler.tcp_socket, _tcp_socket),
    }
    if isinstance(handler, Probe):
        rules["grpc"] = (handler.grpc, _grpc)
    else:
        rules["sleep"] = (handler.sleep, lambda at, action: _sleep(at, action, grace))
    given = [name for name, (action, _) in rules.items() if action is not None]
    if not given:
        yield required(path, "must specify a handler type")
    for name in given[:1]:
        action, rule = rules[name]
        yield from rule(f"{path}.{name}", action)
    for name in given[1:]:
        yield forbidden(f"{path}.{name}", "may not specify more than 1 handler type")


def _exec(path: str, action: ExecAction) -> Iterator[Problem]:
    if not action.command:
        yield required(f"{path}.command")
    if any("\0" in each for each in action.command):
        yield forbidden(f"{path}.command", "may not contain a null character")


def _http_get(path: str, action: HTTPGetAction) -> Iterator[Problem]:
    if not action.path:
        yield required(f"{path}.path")
    yield from _port(f"{path}.port", action.port)
    yield from choice(f"{path}.scheme", action.scheme, ("HTTP", "HTTPS"))
    for index, header in enumerate(action.http_headers):
        yield from check(f"{path}.httpHeaders[{index}].name", header.name, names.http_header)


def _tcp_socket(path: str, action: TCPSocketAction) -> Iterator[Problem]:
    yield from _port(f"{path}.port", action.port)


def _grpc(path: str, action: GRPCAction) -> Iterator[Problem]:
    yield from _port(f"{path}.port", action.port)


def _sleep(path: str, action: SleepAction, grace: int) -> Iterator[Problem]:
    if not 0 <= action.seconds <= grace:
        why = f"must be non-negative and less than terminationGracePeriodSeconds ({grace})"
        yield invalid(f"{path}.seconds", action.seconds, why)


def _port(path: str, port: int | str) -> Iterator[Problem]:
    """Whether a port of that name exists is seen when it is needed, as upstream."""
    if isinstance(port, int):
        yield from between(path, port, 1, 65535)
    else:
        yield from check(path, port, names.port_name)

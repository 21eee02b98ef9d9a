"""Probes and lifecycle hooks: what is tried, how often, and what may stand in for what.

Each handler holds exactly one of its alternatives; the others are None. A port is a number or the
name of one of the container's own ports.
"""

from __future__ import annotations

from msgspec import field

from podrun.api.base import Object


class ExecAction(Object, kw_only=True, frozen=True):
    command: tuple[str, ...] = ()


class HTTPHeader(Object, kw_only=True, frozen=True):
    name: str = ""
    value: str = field(default_factory=str)  # printed even when empty


class HTTPGetAction(Object, kw_only=True, frozen=True):
    path: str = ""  # with its query, if any; "/" by default
    port: int | str = 0
    host: str = ""  # "": the pod's address
    scheme: str = ""  # HTTP, HTTPS
    http_headers: tuple[HTTPHeader, ...] = ()


class TCPSocketAction(Object, kw_only=True, frozen=True):
    port: int | str = 0
    host: str = ""  # "": the pod's address


class GRPCAction(Object, kw_only=True, frozen=True):
    port: int = 0
    service: str = field(default_factory=str)  # printed even when empty


class SleepAction(Object, kw_only=True, frozen=True):
    seconds: int = 0


class LifecycleHandler(Object, kw_only=True, frozen=True):
    exec: ExecAction | None = None
    http_get: HTTPGetAction | None = None
    tcp_socket: TCPSocketAction | None = None  # accepted, and fails when its time comes
    sleep: SleepAction | None = None


class Lifecycle(Object, kw_only=True, frozen=True):
    post_start: LifecycleHandler | None = None
    pre_stop: LifecycleHandler | None = None
    stop_signal: str = ""  # SIGTERM, SIGRTMIN+3, …; "": the image's


class Probe(Object, kw_only=True, frozen=True):
    """Seconds and counts are never 0 once defaults are filled in, ``initial_delay`` excepted."""

    exec: ExecAction | None = None
    http_get: HTTPGetAction | None = None
    tcp_socket: TCPSocketAction | None = None
    grpc: GRPCAction | None = None
    initial_delay_seconds: int = 0
    timeout_seconds: int = 0
    period_seconds: int = 0
    success_threshold: int = 0
    failure_threshold: int = 0
    termination_grace_period_seconds: int | None = None  # None: the pod's

"""Probes of real pods (semantics §6): every handler, thresholds, and what failing leads to."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from podrun.cgroup.group import Group
from podrun.container import control
from podrun.container.spec import ContainerRecord
from podrun.linux import process
from tests.node import PROJECT, Node

SLEEP = "exec sleep 100000"


def manifest(name: str, shared: Path, probes: str, script: str = SLEEP, spec: str = "") -> str:
    """A pod of one container ``a``; ``shared`` is /v in it."""
    return f"""
apiVersion: v1
kind: Pod
metadata: {{name: {name}}}
spec:
  terminationGracePeriodSeconds: 1
  volumes: [{{name: v, hostPath: {{path: "{shared}", type: Directory}}}}]
  {spec}
  containers:
  - name: a
    image: localhost/host
    command: [sh, -c, {script!r}]
    volumeMounts: [{{name: v, mountPath: /v}}]
    ports: [{{name: web, containerPort: 8000}}]
{probes}"""


def status(node: Node, name: str, container: str = "a") -> dict[str, Any]:
    found = node.status(name)
    every = found.get("containerStatuses", []) + found.get("initContainerStatuses", [])
    return next((c for c in every if c["name"] == container), {})


def is_ready(node: Node, name: str) -> bool:
    return status(node, name).get("ready") is True


def events(node: Node, name: str) -> str:
    return node.podrun("events", name).stdout


def record(node: Node, name: str = "a") -> ContainerRecord:
    return next(r for r in control.records(node.paths.runtime) if r.name == name)


def lines(path: Path) -> int:
    return path.read_text().count("\n") if path.exists() else 0


READY = "    readinessProbe: {{{handler}, periodSeconds: 1{more}}}\n"


def readiness(handler: str, more: str = "") -> str:
    return READY.format(handler=handler, more=more)


# ── every handler ────────────────────────────────────────────────────────────────────────────────


def test_exec_decides_by_the_exit_code(node: Node, tmp_path: Path) -> None:
    probes = readiness('exec: {command: [test, -e, "$(WHERE)/up"]}')
    probes += "    env: [{name: WHERE, value: /v}]\n"
    node.apply_text(manifest("p-exec", tmp_path, probes))
    node.wait_until(lambda: "Readiness probe failed" in events(node, "p-exec"))
    assert not is_ready(node, "p-exec")
    (tmp_path / "up").touch()
    node.wait_until(lambda: is_ready(node, "p-exec"), what="ready")
    (tmp_path / "up").unlink()
    node.wait_until(lambda: not is_ready(node, "p-exec"), timeout=30, what="not ready")
    assert status(node, "p-exec")["restartCount"] == 0


def test_http_get_by_the_name_of_a_port(node: Node, tmp_path: Path) -> None:
    (tmp_path / "healthz").write_text("ok")
    script = "cd /v; exec python3 -m http.server 8000"
    probes = readiness("httpGet: {path: /healthz, port: web}")
    node.apply_text(manifest("p-http", tmp_path, probes, script))
    node.wait_until(lambda: is_ready(node, "p-http"), what="ready")
    (tmp_path / "healthz").unlink()
    node.wait_until(lambda: not is_ready(node, "p-http"), timeout=30, what="not ready")
    words = "Readiness probe failed: HTTP probe failed with statuscode: 404"
    assert words in events(node, "p-http")


SERVER = """
import http.server, ssl, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        with open("/v/requests", "a") as file:
            headers = "|".join(map("=".join, self.headers.items()))
            file.write(self.requestline + "|" + headers + "\\n")
        there = {"/away": "http://elsewhere.example/", "/on": "/healthz"}.get(self.path)
        self.send_response(302 if there else 200)
        if there: self.send_header("Location", there)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")
server = http.server.HTTPServer(("", 8000), Handler)
if len(sys.argv) > 1:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[1])
    server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"""


def serve(shared: Path, certificate: str = "") -> str:
    (shared / "server.py").write_text(SERVER)
    return f"exec python3 /v/server.py {certificate}"


def test_https_with_a_self_made_certificate(node: Node, tmp_path: Path) -> None:
    both = tmp_path / "both.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=other",
         "-keyout", both, "-out", tmp_path / "cert", "-days", "1"],
        check=True, capture_output=True,
    )  # fmt: skip
    both.write_text(both.read_text() + (tmp_path / "cert").read_text())
    probes = readiness("httpGet: {path: /, port: 8000, scheme: HTTPS}", ", timeoutSeconds: 5")
    node.apply_text(manifest("p-https", tmp_path, probes, serve(tmp_path, "/v/both.pem")))
    node.wait_until(lambda: is_ready(node, "p-https"), what="ready")


def test_headers_and_redirects(node: Node, tmp_path: Path) -> None:
    headers = 'httpHeaders: [{name: X-A, value: "1"}, {name: Host, value: h}]'
    probes = readiness(f"httpGet: {{path: /on, port: 8000, {headers}}}", ", timeoutSeconds: 5")
    node.apply_text(manifest("p-redirect", tmp_path, probes, serve(tmp_path)))
    node.wait_until(lambda: is_ready(node, "p-redirect"), what="ready")
    asked = (tmp_path / "requests").read_text().splitlines()
    assert asked[0].startswith("GET /on HTTP/1.1") and asked[1].startswith("GET /healthz HTTP/1.1")
    for request in asked[:2]:
        assert {"X-A=1", "Host=h", "User-Agent=kube-probe/1.36"} <= set(request.split("|"))


def test_a_redirect_to_another_host_is_ready_with_a_warning(node: Node, tmp_path: Path) -> None:
    probes = readiness("httpGet: {path: /away, port: 8000}")
    node.apply_text(manifest("p-away", tmp_path, probes, serve(tmp_path)))
    node.wait_until(lambda: is_ready(node, "p-away"), what="ready")
    node.wait_until(lambda: "ProbeWarning" in events(node, "p-away"))


def test_tcp_socket(node: Node, tmp_path: Path) -> None:
    script = "while [ ! -e /v/go ]; do sleep 0.05; done; exec python3 -m http.server 8000"
    node.apply_text(manifest("p-tcp", tmp_path, readiness("tcpSocket: {port: web}"), script))
    node.wait_until(lambda: "connection refused" in events(node, "p-tcp"))
    (tmp_path / "go").touch()
    node.wait_until(lambda: is_ready(node, "p-tcp"), what="ready")


@contextmanager
def health(status: str) -> Iterator[int]:
    command = [sys.executable, "-m", "tests.health_server", status]
    with subprocess.Popen(
        command, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as server:
        assert server.stdin is not None and server.stdout is not None
        try:
            yield int(server.stdout.readline())
        finally:
            server.stdin.close()
            server.wait(10)


def test_grpc(node: Node, tmp_path: Path) -> None:
    """The pod is on the host's network, so the server may be the test's."""
    with health("SERVING") as well, health("NOT_SERVING") as ill:
        for name, port in (("p-grpc", well), ("p-grpc-ill", ill)):
            probes = readiness(f"grpc: {{port: {port}}}").replace("web", "")
            text = manifest(name, tmp_path, probes, spec="hostNetwork: true")
            node.apply_text(text.replace("ports: [{name: web, containerPort: 8000}]", "ports: []"))
        node.wait_until(lambda: is_ready(node, "p-grpc"), what="ready")
        node.wait_until(lambda: "NOT_SERVING" in events(node, "p-grpc-ill"))
        assert not is_ready(node, "p-grpc-ill")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_host_of_its_own(node: Node, tmp_path: Path, host: str) -> None:
    """What listens on the node's loopback is reached, though the pod has its own network."""
    with health("SERVING") as port:
        name = f"p-host-{len(host)}"
        probes = readiness(f"tcpSocket: {{port: {port}, host: {host}}}")
        node.apply_text(manifest(name, tmp_path, probes))
        node.wait_until(lambda: is_ready(node, name), what="ready")


def test_a_name_nobody_knows_is_an_error_not_a_failure(node: Node, tmp_path: Path) -> None:
    handler = "tcpSocket: {port: 1, host: nobody.invalid}"
    probes = f"    livenessProbe: {{{handler}, periodSeconds: 1, failureThreshold: 1}}\n"
    node.apply_text(manifest("p-name", tmp_path, probes))
    node.wait_until(lambda: "Liveness probe errored" in events(node, "p-name"))
    assert status(node, "p-name")["restartCount"] == 0


# ── thresholds ───────────────────────────────────────────────────────────────────────────────────


def test_liveness_ends_the_container_at_its_failure_threshold(node: Node, tmp_path: Path) -> None:
    handler = "exec: {command: [sh, -c, 'echo >> /v/tries; exit 1']}"
    probes = f"    livenessProbe: {{{handler}, periodSeconds: 1, failureThreshold: 3}}\n"
    node.apply_text(manifest("p-live", tmp_path, probes, spec="restartPolicy: Never"))
    node.wait_until(lambda: node.status("p-live").get("phase") == "Failed", what="Failed")
    assert lines(tmp_path / "tries") == 3
    assert "Container a failed liveness probe" in events(node, "p-live")
    assert status(node, "p-live")["state"]["terminated"]["exitCode"] in (137, 143)


def test_liveness_restarts_by_the_restart_policy(node: Node, tmp_path: Path) -> None:
    probes = "    livenessProbe: {exec: {command: [test, -e, /v/up]}, periodSeconds: 1}\n"
    (tmp_path / "up").touch()
    node.apply_text(manifest("p-again", tmp_path, probes))
    (tmp_path / "up").unlink()
    node.wait_until(lambda: status(node, "p-again").get("restartCount") == 1, what="a restart")
    (tmp_path / "up").touch()
    assert "will be restarted" in events(node, "p-again")


def test_success_threshold_of_readiness(node: Node, tmp_path: Path) -> None:
    handler = "exec: {command: [sh, -c, 'echo >> /v/tries']}"
    probes = readiness(handler, ", successThreshold: 3, timeoutSeconds: 5")
    node.apply_text(manifest("p-three", tmp_path, probes))
    node.wait_until(lambda: is_ready(node, "p-three"), what="ready")
    assert lines(tmp_path / "tries") >= 3
    assert "probe failed" not in events(node, "p-three")


def test_a_startup_probe_holds_back_the_other_probes(node: Node, tmp_path: Path) -> None:
    probes = "    startupProbe: {exec: {command: [test, -e, /v/up]}, periodSeconds: 1}\n"
    probes += "    livenessProbe: {exec: {command: [touch, /v/live]}, periodSeconds: 1}\n"
    probes += readiness("exec: {command: [touch, /v/ready]}")
    node.apply_text(manifest("p-start", tmp_path, probes))
    node.wait_until(lambda: "Startup probe failed" in events(node, "p-start"))
    assert status(node, "p-start")["started"] is False
    assert not (tmp_path / "live").exists() and not (tmp_path / "ready").exists()
    (tmp_path / "up").touch()
    node.wait_until(lambda: is_ready(node, "p-start"), what="ready")
    node.wait_until(lambda: (tmp_path / "live").exists())
    assert status(node, "p-start")["started"] is True


def test_a_startup_probe_that_never_succeeds_ends_the_container(node: Node, tmp_path: Path) -> None:
    probes = (
        "    startupProbe: {exec: {command: ['false']}, periodSeconds: 1, failureThreshold: 2}\n"
    )
    node.apply_text(manifest("p-never", tmp_path, probes, spec="restartPolicy: Never"))
    node.wait_until(lambda: node.status("p-never").get("phase") == "Failed", what="Failed")
    assert "Container a failed startup probe" in events(node, "p-never")


def test_an_initial_delay_is_waited_for(node: Node, tmp_path: Path) -> None:
    probes = readiness("exec: {command: [touch, /v/tried]}", ", initialDelaySeconds: 3600")
    node.apply_text(manifest("p-delay", tmp_path, probes))
    probes = readiness("exec: {command: ['true']}")
    node.apply_text(manifest("p-first", tmp_path, probes), "--wait")  # so much time has passed
    assert not (tmp_path / "tried").exists()
    assert not is_ready(node, "p-delay")


# ── errors, timeouts ─────────────────────────────────────────────────────────────────────────────


def test_a_command_that_cannot_be_run_says_nothing_of_the_container(
    node: Node, tmp_path: Path
) -> None:
    handler = "exec: {command: [no-such-thing]}"
    probes = f"    livenessProbe: {{{handler}, periodSeconds: 1, failureThreshold: 1}}\n"
    node.apply_text(manifest("p-error", tmp_path, probes))
    node.wait_until(lambda: "not found in $PATH" in events(node, "p-error"))
    assert status(node, "p-error")["restartCount"] == 0


def test_a_command_is_killed_at_its_timeout(node: Node, tmp_path: Path) -> None:
    probes = readiness("exec: {command: [sh, -c, 'sleep 4321 & sleep 4321']}")
    node.apply_text(manifest("p-slow", tmp_path, probes))
    node.wait_until(lambda: "timed out after 1s" in events(node, "p-slow"))
    node.podrun("delete", "p-slow")


def test_no_probe_command_is_left_when_they_keep_timing_out(node: Node, tmp_path: Path) -> None:
    handler = "exec: {command: [sh, -c, 'echo >> /v/tries; sleep 4321']}"
    node.apply_text(manifest("p-pile", tmp_path, readiness(handler)))
    group = Group(record(node).cgroup)
    node.wait_until(lambda: lines(tmp_path / "tries") >= 4, timeout=40)
    stats = [process.stat(pid) for pid in group.pids()]
    live = [stat for stat in stats if stat is not None and stat.state not in "ZX"]
    assert len(live) <= 4  # the container itself; helper, shell and sleep of one try at the most


# ── the life of the pod around them ──────────────────────────────────────────────────────────────


def test_readiness_goes_on_during_termination(node: Node, tmp_path: Path) -> None:
    (tmp_path / "up").touch()
    script = "trap 'rm /v/up' TERM; while [ ! -e /v/end ]; do sleep 0.05; done"
    text = manifest("p-term", tmp_path, readiness("exec: {command: [test, -e, /v/up]}"), script)
    text = text.replace("terminationGracePeriodSeconds: 1", "terminationGracePeriodSeconds: 60")
    node.apply_text(text, "--wait")
    with node.popen("delete", "p-term") as delete:
        node.wait_until(lambda: not (tmp_path / "up").exists(), what="TERM")
        node.wait_until(lambda: not is_ready(node, "p-term"), timeout=30, what="not ready")
        (tmp_path / "end").touch()
        assert delete.wait(30) == 0


def test_probes_go_on_under_the_next_agent(fresh_node: Node, tmp_path: Path) -> None:
    node = fresh_node
    (tmp_path / "up").touch()
    probes = readiness("exec: {command: [test, -e, /v/up]}")
    node.apply_text(manifest("p-adopt", tmp_path, probes), "--wait")
    node.kill_agent()
    (tmp_path / "up").unlink()
    node.apply_text(manifest("p-other", tmp_path, ""))  # starts the next one
    node.wait_until(lambda: not is_ready(node, "p-adopt"), timeout=30, what="not ready")
    assert status(node, "p-adopt")["restartCount"] == 0


def test_a_sidecar_with_a_startup_probe_holds_back_the_containers(
    node: Node, tmp_path: Path
) -> None:
    side = """initContainers:
  - name: side
    image: localhost/host
    restartPolicy: Always
    command: [sh, -c, exec sleep 100000]
    startupProbe: {exec: {command: [test, -e, /v/up]}, periodSeconds: 1, failureThreshold: 60}
    volumeMounts: [{name: v, mountPath: /v}]"""
    text = manifest("p-side", tmp_path, "", spec=side)
    with node.popen("apply", "-f", "-", stdin=subprocess.PIPE) as apply:
        assert apply.stdin is not None
        apply.stdin.write(text.encode())
        apply.stdin.close()
        node.wait_until(lambda: "Startup probe failed" in _maybe_events(node, "p-side"))
        assert "waiting" in status(node, "p-side")["state"]
        (tmp_path / "up").touch()
        assert apply.wait(30) == 0
    assert "running" in status(node, "p-side")["state"]


def _maybe_events(node: Node, name: str) -> str:
    return node.podrun("events", name, check=False).stdout

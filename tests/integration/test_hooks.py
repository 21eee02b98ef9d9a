"""Lifecycle hooks of real pods (semantics §2, §13)."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.integration.test_probes import events, lines, manifest, serve, status
from tests.node import Node

TRAP = "trap 'echo term >> /v/order; exit 0' TERM; touch /v/on; while :; do sleep 0.05; done"


def lifecycle(hook: str, handler: str) -> str:
    return f"    lifecycle: {{{hook}: {{{handler}}}}}\n"


def shell(script: str) -> str:
    return f"exec: {{command: [sh, -c, {script!r}]}}"


def second(name: str = "b") -> str:
    return f"""  - name: {name}
    image: localhost/host
    command: [sh, -c, echo {name} >> /v/order; exec sleep 100000]
    volumeMounts: [{{name: v, mountPath: /v}}]
"""


def test_the_next_container_waits_for_post_start(node: Node, tmp_path: Path) -> None:
    hook = lifecycle("postStart", shell("sleep 0.5; echo hook >> /v/order"))
    node.apply_text(manifest("h-order", tmp_path, hook) + second())
    node.wait_until(lambda: lines(tmp_path / "order") == 2)
    assert (tmp_path / "order").read_text().split() == ["hook", "b"]


def test_a_post_start_that_fails_ends_the_container(node: Node, tmp_path: Path) -> None:
    hook = lifecycle("postStart", shell("echo sorry; [ -e /v/up ]"))
    node.apply_text(manifest("h-fail", tmp_path, hook), check=False)
    node.wait_until(lambda: status(node, "h-fail").get("restartCount", 0) >= 1, what="a restart")
    told = events(node, "h-fail")
    assert "FailedPostStartHook" in told and "sorry" in told


def test_pre_stop_by_http(node: Node, tmp_path: Path) -> None:
    script = f"{serve(tmp_path)} & touch /v/up; wait"
    wait = "    startupProbe: {exec: {command: [test, -e, /v/up]}, periodSeconds: 1}\n"
    hook = lifecycle("preStop", "httpGet: {path: /stop, port: web}")
    ready = "    readinessProbe: {tcpSocket: {port: web}, periodSeconds: 1}\n"
    node.apply_text(manifest("h-http", tmp_path, hook + wait + ready, script), "--wait")
    node.podrun("delete", "h-http")
    asked = (tmp_path / "requests").read_text()
    assert "GET /stop HTTP/1.1" in asked and "User-Agent=kube-lifecycle/1.36" in asked


def test_pre_stop_comes_before_the_signal(node: Node, tmp_path: Path) -> None:
    hook = lifecycle("preStop", shell("sleep 0.3; echo hook >> /v/order"))
    text = manifest("h-stop", tmp_path, hook, TRAP)
    node.apply_text(text.replace("PeriodSeconds: 1", "PeriodSeconds: 30"))
    node.wait_until((tmp_path / "on").exists)
    node.podrun("delete", "h-stop")
    assert (tmp_path / "order").read_text().split() == ["hook", "term"]


def events_on_disk(node: Node) -> str:
    """Without a command, which on a slow machine takes longer than the hook."""
    return "".join(path.read_text() for path in node.paths.pods.glob("*/events.jsonl"))


def test_sleep_puts_the_signal_off(node: Node, tmp_path: Path) -> None:
    text = manifest("h-sleep", tmp_path, lifecycle("preStop", "sleep: {seconds: 2}"), TRAP)
    node.apply_text(text.replace("PeriodSeconds: 1", "PeriodSeconds: 30"))
    node.wait_until((tmp_path / "on").exists)
    with node.popen("delete", "h-sleep") as delete:
        node.wait_until(lambda: "Killing" in events_on_disk(node))
        assert not (tmp_path / "order").exists()
        assert delete.wait(30) == 0
    assert (tmp_path / "order").read_text() == "term\n"


def test_a_pre_stop_without_end_is_given_up_when_the_grace_is_over(
    node: Node, tmp_path: Path
) -> None:
    hook = lifecycle("preStop", shell("echo hook >> /v/order; exec sleep 100000"))
    text = manifest("h-long", tmp_path, hook, TRAP)
    node.apply_text(text.replace("PeriodSeconds: 1", "PeriodSeconds: 3"))  # time for the hook
    node.wait_until((tmp_path / "on").exists)
    node.podrun("delete", "h-long", timeout=30)
    assert (tmp_path / "order").read_text().split() == ["hook", "term"]


def test_a_pre_stop_that_fails_does_not_keep_the_pod(node: Node, tmp_path: Path) -> None:
    hook = lifecycle("preStop", shell("echo sorry; exit 7"))
    node.apply_text(manifest("h-ill", tmp_path, hook, TRAP))
    node.wait_until((tmp_path / "on").exists)
    with node.popen("delete", "h-ill", stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as delete:
        told = delete.communicate(timeout=30)[0].decode()
    assert delete.returncode == 0
    assert (tmp_path / "order").read_text() == "term\n"
    assert "h-ill" in told


def test_no_grace_no_pre_stop(node: Node, tmp_path: Path) -> None:
    hook = lifecycle("preStop", shell("echo hook >> /v/order"))
    node.apply_text(manifest("h-force", tmp_path, hook, TRAP))
    node.wait_until((tmp_path / "on").exists)
    node.podrun("delete", "h-force", "--force")
    assert not (tmp_path / "order").exists()


def test_no_pre_stop_for_a_container_that_ends_by_itself(node: Node, tmp_path: Path) -> None:
    hook = lifecycle("preStop", shell("echo hook >> /v/order"))
    text = manifest("h-self", tmp_path, hook, "exit 0", "restartPolicy: Never")
    node.apply_text(text)
    node.wait_until(lambda: node.status("h-self").get("phase") == "Succeeded")
    node.podrun("delete", "h-self")
    assert not (tmp_path / "order").exists()


def test_a_tcp_socket_hook_fails_when_its_time_comes(node: Node, tmp_path: Path) -> None:
    hook = lifecycle("postStart", "tcpSocket: {port: 8000}")
    node.apply_text(manifest("h-tcp", tmp_path, hook), check=False)
    node.wait_until(lambda: "FailedPostStartHook" in events(node, "h-tcp"))
    assert "invalid handler" in events(node, "h-tcp")


def test_a_post_start_under_way_survives_the_agent(fresh_node: Node, tmp_path: Path) -> None:
    node = fresh_node
    hook = lifecycle(
        "postStart", shell("echo >> /v/begun; while [ ! -e /v/go ]; do sleep 0.05; done")
    )
    with node.popen("apply", "-f", "-", stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as apply:
        assert apply.stdin is not None
        apply.stdin.write(manifest("h-kill", tmp_path, hook).encode())
        apply.stdin.close()
        node.wait_until(lambda: lines(tmp_path / "begun") == 1)
        node.kill_agent()
        apply.wait(30)
    (tmp_path / "go").touch()
    node.apply_text(manifest("h-other", tmp_path, ""))  # starts the next agent
    node.wait_until(lambda: status(node, "h-kill").get("ready") is True, what="ready")
    assert status(node, "h-kill")["restartCount"] == 0
    assert lines(tmp_path / "begun") == 2  # at least once

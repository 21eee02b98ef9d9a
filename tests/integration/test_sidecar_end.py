"""Sidecars of a pod that ends (semantics §2, KEP-4438)."""

from __future__ import annotations

from pathlib import Path

from tests.node import Node

POD = """
apiVersion: v1
kind: Pod
metadata: {{name: sidecar-end}}
spec:
  terminationGracePeriodSeconds: 60
  volumes: [{{name: v, hostPath: {{path: {path}}}}}]
  initContainers:
  - name: proxy
    image: localhost/host
    restartPolicy: Always
    command:
    - sh
    - -c
    - |
      trap 'echo asked >> /v/order; exit 0' TERM
      echo up >> /v/order
      until [ -e /v/fall ]; do sleep 0.05; done
      rm /v/fall
      exit 3
    volumeMounts: [{{name: v, mountPath: /v}}]
  containers:
  - name: app
    image: localhost/host
    command:
    - sh
    - -c
    - |
      leave() {{
        touch /v/fall
        until [ "$(grep -c up /v/order)" = 2 ]; do sleep 0.05; done
        echo done >> /v/order
        exit 0
      }}
      trap leave TERM
      touch /v/on
      while :; do sleep 0.05; done
    volumeMounts: [{{name: v, mountPath: /v}}]
"""


def test_a_sidecar_that_falls_while_the_app_ends_comes_back(node: Node, tmp_path: Path) -> None:
    """The app leaves only when it has come back; without that the delete would time out."""
    node.apply_text(POD.format(path=tmp_path))
    node.wait_until((tmp_path / "on").exists)
    node.podrun("delete", "sidecar-end", "--timeout", "20s")
    assert (tmp_path / "order").read_text().split() == ["up", "up", "done", "asked"]

"""Which objects a pod names, wherever it may name them."""

from __future__ import annotations

import textwrap

from podrun.api.admit import admit
from podrun.api.kinds import CLAIM, CONFIG_MAP, SECRET
from podrun.pod.references import references

POD = """
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  imagePullSecrets: [{name: s-pull}, {}]
  initContainers:
  - name: first
    image: x
    envFrom: [{configMapRef: {name: c-init, optional: true}}]
  containers:
  - name: app
    image: x
    env:
    - {name: A, valueFrom: {configMapKeyRef: {name: c-key, key: k}}}
    - {name: B, valueFrom: {secretKeyRef: {name: s-key, key: k}}}
    - {name: C, value: c-not}
    - {name: D, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
    envFrom: [{secretRef: {name: s-from}}]
  volumes:
  - {name: v1, configMap: {name: c-volume}}
  - {name: v2, secret: {secretName: s-volume}}
  - {name: v3, persistentVolumeClaim: {claimName: data}}
  - {name: v4, projected: {sources: [{configMap: {name: c-part}}, {secret: {name: s-part}}]}}
  - {name: v5, emptyDir: {}}
"""


def test_every_place_counts() -> None:
    [loaded] = admit([(textwrap.dedent(POD), "f.yaml")], pending=True).objects
    found = references(loaded.pod)
    assert {name for kind, name in found if kind is CONFIG_MAP} == {
        "c-init", "c-key", "c-volume", "c-part",
    }  # fmt: skip
    assert {name for kind, name in found if kind is SECRET} == {
        "s-pull", "s-key", "s-from", "s-volume", "s-part",
    }  # fmt: skip
    assert {name for kind, name in found if kind is CLAIM} == {"data"}

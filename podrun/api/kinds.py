"""The kinds of objects podrun takes: their names, nothing heavy (what they are: ``objects``)."""

from __future__ import annotations

import msgspec


class Kind(msgspec.Struct, frozen=True):
    """``words`` are what else a user may call it, beside ``name`` and ``plural`` in any case."""

    name: str  # ConfigMap
    plural: str  # configmaps
    words: tuple[str, ...]  # cm
    api_version: str

    @property
    def singular(self) -> str:
        """As in ``configmap/web created``."""
        return self.name.lower()


POD = Kind("Pod", "pods", ("po",), "v1")
CONFIG_MAP = Kind("ConfigMap", "configmaps", ("cm",), "v1")
SECRET = Kind("Secret", "secrets", (), "v1")
CLAIM = Kind("PersistentVolumeClaim", "persistentvolumeclaims", ("pvc",), "v1")
JOB = Kind("Job", "jobs", (), "batch/v1")
DEPLOYMENT = Kind("Deployment", "deployments", ("deploy",), "apps/v1")
DAEMON_SET = Kind("DaemonSet", "daemonsets", ("ds",), "apps/v1")

#: All that are carried out, in the order in which they are applied: what others refer to first.
KINDS = (CONFIG_MAP, SECRET, CLAIM, POD, JOB, DEPLOYMENT, DAEMON_SET)
BY_NAME = {kind.name: kind for kind in KINDS}


def kind_of(word: str) -> Kind | None:
    """What a user means by ``cm``, ``configmap``, ``ConfigMaps``, ``deployments.apps``, …"""
    lowered = word.lower().partition(".")[0]
    for kind in KINDS:
        if lowered in (kind.singular, kind.plural, *kind.words):
            return kind
    return None

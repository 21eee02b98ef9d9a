"""ConfigMaps, Secrets and claims from the command line, with a real agent."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.node import Node, pod_text

CLAIM = """
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}
"""
SPEC = """
  volumes:
  - {name: config, configMap: {name: settings}}
  - {name: data, persistentVolumeClaim: {claimName: data}}
  containers:
  - name: app
    image: localhost/host
    command: [sleep, "4000"]
    volumeMounts: [{name: config, mountPath: /mnt/config}, {name: data, mountPath: /mnt/data}]
"""


def test_the_life_of_objects(node: Node, tmp_path: Path) -> None:
    (tmp_path / "app.conf").write_text("colour=blue\n")
    done = node.podrun("create", "configmap", "settings", f"--from-file={tmp_path}/app.conf")
    assert done.stdout == "configmap/settings created\n"
    done = node.podrun("create", "configmap", "settings", check=False)
    assert done.returncode == 1 and 'configmaps "settings" already exists' in done.stderr
    node.podrun("create", "secret", "generic", "login", "--from-literal=password=xyzzy")
    both = tmp_path / "both.yaml"
    both.write_text(f"{CLAIM}---{pod_text('uses', SPEC)}")
    node.podrun("apply", both)
    shown = node.podrun("exec", "uses", "--", "cat", "/mnt/config/app.conf")
    assert shown.stdout == "colour=blue\n"

    words = node.podrun("get", "pvc", "--no-headers").stdout.split()
    assert words[:5] == ["data", "Bound", "data", "1Mi", "RWO"]
    assert "Used By:       uses" in node.podrun("describe", "pvc", "data").stdout
    assert "ConfigMap" in node.podrun("describe", "uses").stdout
    assert "xyzzy" not in node.podrun("describe", "secret", "login").stdout

    # What is shown can be applied, and is the same.
    whole = node.podrun("get", "cm,secrets,pvc", "-o", "yaml").stdout
    assert [line.split()[1] for line in node.apply_text(whole).stdout.splitlines()] == [
        "unchanged",
        "unchanged",
        "unchanged",
    ]

    done = node.podrun("delete", "cm/settings", "pvc/data", check=False)
    assert done.returncode == 1 and "persistentvolumeclaim/data is used by pod/uses" in done.stderr
    assert node.json("get", "cm", "settings", "-o", "json")["data"]
    held = node.paths.claims / "default" / "data"
    (held / "file").write_text("kept")
    done = node.podrun("delete", "-f", both, "--now")
    assert sorted(done.stdout.splitlines()) == [
        'persistentvolumeclaim "data" deleted',
        'pod "uses" deleted',
    ]
    assert (held / "file").exists()
    node.podrun("delete", "pvc", "data", "--reclaim")
    assert not held.exists()
    done = node.podrun("delete", "cm,secret", "--all")
    assert sorted(done.stdout.splitlines()) == [
        'configmap "settings" deleted',
        'secret "login" deleted',
    ]
    assert json.loads(node.podrun("get", "cm,secret,pvc", "-o", "json").stdout)["items"] == []


def test_secrets_are_roots(node: Node) -> None:
    node.podrun("create", "secret", "generic", "login", "--from-literal=password=xyzzy")
    node.podrun("create", "configmap", "settings")
    script = (
        "import contextlib, io, locale, os, sys; from podrun.cli.main import entry\n"
        "with contextlib.redirect_stdout(io.StringIO()):\n"
        "  entry(sys.argv[1:])\n"  # loads all modules while it may read them
        "os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534);"
        "sys.exit(entry(sys.argv[1:]))"
    )

    def as_nobody(*args: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", script, *args],
            env={**os.environ, "PODRUN_CONFIG": str(node.config_file), "NO_COLOR": "1"},
            text=True, capture_output=True, check=False,
        )  # fmt: skip

    done = as_nobody("get", "secret", "login", "-o", "yaml")
    assert done.returncode == 1 and "xyzzy" not in done.stdout
    assert done.stderr == 'error: secrets "login": you may not read it (run it with sudo)\n'
    assert "login" not in as_nobody("get", "secrets").stdout
    node.podrun("delete", "secret/login", "configmap/settings")

"""Hosts that lack something: the message says what and what to do, and nothing is left half-done.

Each case lives in a mount namespace of its own (unshare -m), with everything that runs there.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.node import PROJECT, Node

POD = """
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  hostNetwork: true
  terminationGracePeriodSeconds: 1
  containers:
  - name: app
    image: localhost/host
    command: [sh, -c, "trap 'exit 0' TERM; while :; do sleep 0.05; done"]
"""


def in_private_mounts(node: Node, script: str) -> subprocess.CompletedProcess[str]:
    """Run a shell script with a mount namespace of its own; ``podrun`` in it is the product.

    At its end the agent that it started is asked to leave, for only from there can it be reached.
    """
    manifest = node.root / "web.yaml"
    manifest.write_text(POD)
    python = node.command()[0]
    prelude = f'podrun() {{ "{python}" -m podrun "$@"; }}\nweb={manifest}\n'
    finish = "\nresult=$?\npodrun delete --all --force >&2; podrun agent --stop; exit $result\n"
    return subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "bash", "-c", prelude + script + finish],
        env=node.environment,
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_full_disk_is_told_and_nothing_is_half_done(fresh_node: Node) -> None:
    state = fresh_node.paths.state
    done = in_private_mounts(
        fresh_node,
        f"""
mkdir -p {state}; mount -t tmpfs -o size=256k,mode=755 tmpfs {state}
podrun ps; mkdir {state}/pods; head -c 1m /dev/zero > {state}/ballast 2>/dev/null
podrun apply $web; echo "apply: $?"
echo "pods: $(ls {state}/pods | wc -l)"
rm {state}/ballast
podrun apply $web --wait --timeout 30s; echo "again: $?"
""",
    )
    assert "apply: 1" in done.stdout, done.stderr
    assert "No space left on device" in done.stderr
    assert "podrun system df" in done.stderr
    assert "pods: 0" in done.stdout
    assert "again: 0" in done.stdout, done.stderr


def test_without_cgroups_the_pod_says_what_to_mount(fresh_node: Node) -> None:
    done = in_private_mounts(
        fresh_node,
        """
umount -R /sys/fs/cgroup
podrun apply $web --timeout 20s; echo "apply: $?"
""",
    )
    assert "apply: 1" in done.stdout, done.stderr
    assert "no cgroup file system is mounted" in done.stderr
    assert "mount -t cgroup2" in done.stderr


def test_a_state_directory_on_overlayfs_puts_the_upper_layer_in_memory(
    fresh_node: Node, tmp_path: Path
) -> None:
    """As in a CI container, whose own root is an overlay. The user is told once."""
    state = fresh_node.paths.state
    done = in_private_mounts(
        fresh_node,
        f"""
mkdir -p {tmp_path}/o {state}; mount -t tmpfs tmpfs {tmp_path}/o
mkdir {tmp_path}/o/l {tmp_path}/o/u {tmp_path}/o/w
mount -t overlay -o lowerdir={tmp_path}/o/l,upperdir={tmp_path}/o/u,workdir={tmp_path}/o/w \
    overlay {state}
podrun apply $web --wait --timeout 30s; echo "apply: $?"
podrun exec web -- sh -c 'echo there > /etc/written; cat /etc/written'
podrun events web
""",
    )
    assert "apply: 0" in done.stdout, done.stderr
    assert "there" in done.stdout
    assert not Path("/etc/written").exists()
    assert done.stdout.count("RootFileSystem") == 1
    assert "memory" in done.stdout


def test_a_read_only_cgroup_tree_names_the_way_out(fresh_node: Node) -> None:
    done = in_private_mounts(
        fresh_node,
        """
for m in $(grep -E ' cgroup2? ' /proc/self/mounts | cut -d' ' -f2); do
    mount -o remount,ro,bind $m; done
podrun apply $web --timeout 20s; echo "apply: $?"
""",
    )
    assert "apply: 1" in done.stdout, done.stderr
    assert "writable cgroup tree" in done.stderr

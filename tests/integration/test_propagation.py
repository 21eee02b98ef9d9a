"""mountPropagation and recursiveReadOnly: what of later and deeper mounts each side sees."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from podrun.linux import mount, mountinfo
from tests.node import Node, pod_text

_QUIET = mount.MS_NOSUID | mount.MS_NODEV


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[Path]:
    """A mount of the host with peers, with directories to mount on; gone with all below it."""
    root = tmp_path / "host"
    root.mkdir()
    mount.mount("tmpfs", str(root), "tmpfs", _QUIET, "mode=0777")
    try:
        mount.mount("", str(root), "", mount.MS_SHARED)
        for name in ("before", "later", "inside"):
            (root / name).mkdir()
        yield root
    finally:
        mountinfo.unmount_below(root)


def _tmpfs(path: Path) -> None:
    mount.mount("tmpfs", str(path), "tmpfs", _QUIET)
    (path / "file").touch()


def _container(name: str, how: str, *, privileged: bool = False) -> str:
    rights = "securityContext: {privileged: true}" * privileged
    return f"""
  - name: {name}
    image: localhost/host
    command: [sleep, "4000"]
    {rights}
    volumeMounts: [{{name: v, mountPath: /v{how}}}]"""


def _pod(name: str, *containers: str, volume: str, users: bool = True) -> str:
    own = f"\n  hostUsers: {str(users).lower()}"
    spec = f"  containers:{''.join(containers)}{own}\n  volumes: [{{name: v, {volume}}}]"
    return pod_text(name, spec)


def _sh(node: Node, name: str, container: str, script: str) -> str:
    return node.podrun("exec", name, "-c", container, "--", "sh", "-c", script).stdout


def test_later_mounts_are_seen_where_they_are_wanted(node: Node, shared: Path) -> None:
    manifest = _pod(
        "spread",
        _container("none", ""),
        _container("slave", ", mountPropagation: HostToContainer"),
        _container("peer", ", mountPropagation: Bidirectional", privileged=True),
        _container("part", ", subPath: later, mountPropagation: HostToContainer"),
        volume=f"hostPath: {{path: {shared}}}",
    )
    node.apply_text(manifest)
    (shared / "later/deep").mkdir()
    _tmpfs(shared / "later/deep")
    looks = {each: _sh(node, "spread", each, "ls /v/later/deep") for each in ("none", "slave")}
    assert looks == {"none": "", "slave": "file\n"}
    assert _sh(node, "spread", "peer", "ls /v/later/deep") == "file\n"
    assert _sh(node, "spread", "part", "ls /v/deep") == "file\n"

    _sh(node, "spread", "peer", "mount -t tmpfs t /v/inside && touch /v/inside/mine")
    assert os.listdir(shared / "inside") == ["mine"]
    assert _sh(node, "spread", "slave", "ls /v/inside") == "mine\n"
    assert _sh(node, "spread", "none", "ls /v/inside") == ""
    _sh(node, "spread", "peer", "umount /v/inside")
    assert os.listdir(shared / "inside") == []
    assert _sh(node, "spread", "slave", "ls /v/inside") == ""
    mount.umount2(str(shared / "later/deep"))
    assert _sh(node, "spread", "slave", "ls /v/later/deep") == ""


def test_root_of_a_pod_with_own_users_sees_later_mounts_but_makes_none(
    node: Node, shared: Path
) -> None:
    manifest = _pod(
        "own",
        _container("peer", ", mountPropagation: Bidirectional", privileged=True),
        volume=f"hostPath: {{path: {shared}}}",
        users=False,
    )
    done = node.apply_text(manifest, check=False)
    if "cannot be mounted with the pod's own user ids" in done.stderr:
        pytest.skip("tmpfs cannot be mounted idmapped before Linux 6.3")
    assert done.returncode == 0, done.stderr
    _tmpfs(shared / "later")
    assert _sh(node, "own", "peer", "ls /v/later") == "file\n"
    _sh(node, "own", "peer", "mount -t tmpfs t /v/inside && touch /v/inside/mine")
    assert os.listdir(shared / "inside") == []


def test_what_was_mounted_in_a_pods_own_volume_goes_with_the_pod(
    fresh_node: Node, shared: Path
) -> None:
    """The node's state lies on the shared mount, as it does where the host's root is shared."""
    node, kept = fresh_node, shared / "before"
    state = Path(node.config.state_root)
    state.mkdir()
    mount.mount(str(shared / "inside"), str(state), "", mount.MS_BIND)
    try:
        manifest = _pod(
            "mounts",
            _container("maker", ", mountPropagation: Bidirectional", privileged=True),
            _container("user", ", mountPropagation: HostToContainer"),
            volume="emptyDir: {}",
        )
        node.apply_text(manifest)
        (kept / "precious").touch()
        uid = node.pod("mounts")["metadata"]["uid"]
        volume = node.paths.pods / uid / "volumes/v"
        _sh(node, "mounts", "maker", "mkdir -p /v/a/b && mount -t tmpfs t /v/a/b")
        _sh(node, "mounts", "maker", "touch /v/a/b/seen && mkdir /v/a/b/c")
        assert _sh(node, "mounts", "user", "ls /v/a/b").split() == ["c", "seen"]
        mount.mount(str(kept), str(volume / "a/b/c"), "", mount.MS_BIND)
        assert _sh(node, "mounts", "user", "ls /v/a/b/c") == "precious\n"
        node.podrun("delete", "mounts", "--force")
        assert not volume.exists()
        assert (kept / "precious").exists()
        assert not [each for each in mountinfo.mounts() if uid in each.point]
        node.kill_agent()
        node.podrun("system", "reset", "--force")
    finally:
        mountinfo.unmount_below(state)


def test_a_mount_without_peers_is_refused_in_the_runtimes_words(node: Node, shared: Path) -> None:
    mount.mount("", str(shared), "", mount.MS_PRIVATE)
    manifest = _pod(
        "alone",
        _container("a", ", mountPropagation: HostToContainer"),
        volume=f"hostPath: {{path: {shared}}}",
    )
    done = node.apply_text(manifest, check=False)
    assert done.returncode == 1
    why = f'path "{shared}" is mounted on "{shared}" but it is not a shared or slave mount'
    assert why in done.stderr


def test_read_only_holds_below_only_where_it_is_recursive(node: Node, shared: Path) -> None:
    _tmpfs(shared / "before")
    manifest = _pod(
        "below",
        _container("top", ", readOnly: true, recursiveReadOnly: Disabled"),
        _container("all", ", readOnly: true, recursiveReadOnly: Enabled"),
        _container("can", ", readOnly: true, recursiveReadOnly: IfPossible"),
        volume=f"hostPath: {{path: {shared}}}",
    )
    node.apply_text(manifest)
    wrote = {
        each: _sh(node, "below", each, "touch /v/x 2>&1; touch /v/before/x 2>&1; true")
        for each in ("top", "all", "can")
    }
    assert {each: text.count("Read-only") for each, text in wrote.items()} == {
        "top": 1, "all": 2, "can": 2,
    }  # fmt: skip
    (shared / "before/still-writable").touch()

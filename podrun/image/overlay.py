"""overlayfs as a detached mount, on every kernel since 5.15 and with any number of layers.

Since 6.8 each layer is one "lowerdir+" of fsconfig(2). Before, fsconfig's strings end at 255 bytes
and all layers must share one of them; mount(2) has a page for them. So there it is mounted the
old way, in a mount namespace that lives for a moment, and taken out as a detached copy:

    unshare(mnt) ─► chdir /proc/self/fd ─► mount(lowerdir=7:8:9…) ─► open_tree(CLONE) ─► setns back

Layers are named by descriptor: short, and no character of a path needs escaping. They are opened
inside: overlayfs takes only layers mounted in the namespace it is mounted from (until 6.15).
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from podrun.image import attributes
from podrun.linux import mount, namespace
from podrun.linux.users import Users
from podrun.node import idmapped

LAYERS_MAX = 500  # OVL_MAX_STACK; images are held to imageLimits.layers when they come in
_OPTIONS = {"index": "off", "xino": "off", "metacopy": "off"}
_STRING_MAX = 255  # of fsconfig(2)


def mount_overlay(
    lowers: Sequence[Path], upper: Path, work: Path, users: Users | None = None
) -> int:
    """A detached overlay, ``lowers`` topmost first; the caller closes the descriptor. OSError.

    With ``users`` the lower layers have their ids (5.19).

    EINVAL may mean that "lowerdir+" is not known (6.5 says so at once, older kernels when the mount
    is created) or that ``upper`` will not do: only the other way tells.
    """
    if users is not None:
        return mount_by_namespace(lowers, upper, work, users)
    try:
        return mount_by_fsconfig(lowers, upper, work)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        return mount_by_namespace(lowers, upper, work)


def mount_by_fsconfig(lowers: Sequence[Path], upper: Path, work: Path) -> int:
    with contextlib.ExitStack() as opened:
        context = mount.fsopen("overlay")
        opened.callback(os.close, context)
        mount.fsconfig_string(context, "source", "podrun")
        for lower in lowers:
            mount.fsconfig_string(context, "lowerdir+", _named(lower, opened))
        mount.fsconfig_string(context, "upperdir", _named(upper, opened))
        mount.fsconfig_string(context, "workdir", _named(work, opened))
        for key, value in _OPTIONS.items():
            mount.fsconfig_string(context, key, value)
        mount.fsconfig_create(context, f"overlay with upper layer {upper}")
        return mount.fsmount(context)


def _named(path: Path, opened: contextlib.ExitStack) -> str:
    """The path itself, since mountinfo shows it; a long one, or one to escape, by descriptor."""
    if len(os.fsencode(path)) <= _STRING_MAX and "\\" not in str(path):
        return str(path)
    return f"/proc/self/fd/{_open(path, opened)}"


def _open(path: Path, opened: contextlib.ExitStack) -> int:
    fd = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    opened.callback(os.close, fd)
    return fd


def mount_by_namespace(
    lowers: Sequence[Path], upper: Path, work: Path, users: Users | None = None
) -> int:
    with private_mounts():
        return _mount_here(lowers, upper, work, upper.parent, users)


def mount_on_tmpfs(lowers: Sequence[Path], directory: Path, users: Users | None = None) -> int:
    """An overlay whose upper layer is a tmpfs of its own, gone with the last user of the mount."""
    with private_mounts():
        mount.mount("podrun", str(directory), "tmpfs", 0, "mode=0755")
        upper, work = directory / "upper", directory / "work"
        upper.mkdir(mode=0o755)
        work.mkdir(mode=0o755)
        with contextlib.ExitStack() as opened:
            to = os.open(upper, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            opened.callback(os.close, to)
            attributes.copy(layer(lowers[0], opened, users), to)
        return _mount_here(lowers, upper, work, directory, users)


def _mount_here(
    lowers: Sequence[Path], upper: Path, work: Path, target: Path, users: Users | None = None
) -> int:
    with contextlib.ExitStack() as opened:
        layers = [layer(path, opened, users) for path in lowers]
        above = f"upperdir={_open(upper, opened)},workdir={_open(work, opened)}"
        data = f"lowerdir={':'.join(map(str, layers))},{above}"
        data += "".join(f",{key}={value}" for key, value in _OPTIONS.items())
        if users is not None:
            attach_layers(layers, target)
        os.chdir("/proc/self/fd")
        mount.mount("podrun", str(target), "overlay", 0, data)
        return mount.open_tree(mount.AT_FDCWD, str(target))


def layer(path: Path, opened: contextlib.ExitStack, owner: Users | None) -> int:
    """A descriptor of the layer; one of its own mount, with ``owner``'s ids, where there is one.

    The writable layer is never idmapped: what a container makes there has the ids outside anyway.
    Raises MechanismFailed where the layers' file system cannot be idmapped.
    """
    if owner is None:
        return _open(path, opened)
    fd = mount.open_tree(mount.AT_FDCWD, str(path))
    opened.callback(os.close, fd)
    idmapped.idmap(fd, owner, "the image's layers", path, reason="CreateContainerError")
    return fd


def attach_layers(layers: Sequence[int], target: Path) -> None:
    """Idmapped layers, on a tmpfs over ``target``: until 6.15 overlayfs takes attached ones alone.

    In a namespace of ours; a descriptor goes on meaning the same mount.
    """
    mount.mount("podrun", str(target), "tmpfs", 0, "mode=0700")
    for number, fd in enumerate(layers):
        place = target / str(number)
        place.mkdir()
        mount.move_mount(fd, "", mount.AT_FDCWD, str(place))


@contextlib.contextmanager
def private_mounts() -> Iterator[None]:
    """A mount namespace of our own for a while; its mounts vanish with it, detached copies stay."""
    with contextlib.ExitStack() as undo:
        directory = os.open(".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        undo.callback(os.close, directory)
        here = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
        undo.callback(os.close, here)
        namespace.unshare(namespace.CLONE_NEWNS)
        undo.callback(os.fchdir, directory)  # runs after setns, which leads to /
        undo.callback(namespace.setns, here, namespace.CLONE_NEWNS, "/proc/self/ns/mnt")
        mount.mount("none", "/", "", mount.MS_REC | mount.MS_PRIVATE)
        yield

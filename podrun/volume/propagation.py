"""mountPropagation: whether what is mounted later is seen on the other side of a volume's mount.

    the host's mount ──copy──► None             private: neither sees what the other mounts
       (shared)      ──copy──► HostToContainer  its slave: what the host mounts appears inside
                     ──copy──► Bidirectional    its peer: what either mounts appears in the other,
                                                and stays on the host unless it is unmounted

A copy keeps its tie to the original while it is a descriptor; mounts travel once it is attached.
"""

from __future__ import annotations

from podrun.errors import MechanismFailed
from podrun.linux import mount, mountinfo

_FLAGS = {"HostToContainer": mount.MS_SLAVE, "Bidirectional": mount.MS_SHARED}


def flag_of(wanted: str, *, own_users: bool = False) -> int:
    """For mount_setattr(2). Root of a pod with users of its own never mounts on the host: its side
    is a slave at the most, as the kernel makes the mounts of every such mount namespace."""
    flag = _FLAGS.get(wanted, mount.MS_PRIVATE)
    return mount.MS_SLAVE if own_users and flag == mount.MS_SHARED else flag


def check(wanted: str, volume: str, path: str, fd: int) -> None:
    """``fd`` is the volume's, at ``path``. Raises MechanismFailed (CreateContainerError, as the
    CRI's runtimes) where the host's mount cannot give what is wanted."""
    flag = _FLAGS.get(wanted)
    if flag is None:
        return
    found = mountinfo.mount_of(fd)
    if found is None or found.shared or (flag == mount.MS_SLAVE and found.slave):
        return
    kind = "shared" if flag == mount.MS_SHARED else "shared or slave"
    raise MechanismFailed(
        f'mountPropagation {wanted} of volume "{volume}": path "{path}" is mounted on '
        f'"{found.point}" but it is not a {kind} mount',
        hint=f"`mount --make-shared {found.point}` makes it one, until the next boot",
        reason="CreateContainerError",
    )

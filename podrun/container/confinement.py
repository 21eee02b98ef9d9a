"""What the application may not do, imposed on the process that becomes it (child, exec).

    Confinement(…)   outside of the container, where the filter's file and the host's /proc are seen
    confine          the labels of the next execve; user, groups, capabilities, no_new_privs; the
                     filter where it needs CAP_SYS_ADMIN, which is given up right after
    seal             the filter where no_new_privs lets anybody install one: just before execve, so
                     that it need allow no more than the application's own calls

pause/enter does the same in C.
"""

from __future__ import annotations

import os

from podrun.container import user
from podrun.container.seccomp import read_filter
from podrun.container.spec import Process
from podrun.linux import capability, lsm, seccomp


def kept_capabilities(wanted: Process) -> int:
    """The bit set: what was asked for, as far as this process has it."""
    held = capability.held()
    return held if wanted.privileged else held & capability.mask(wanted.capabilities)


class Confinement:
    """Of one process-to-be. Make it outside of the container. OSError."""

    def __init__(self, wanted: Process) -> None:
        self._no_new_privileges = wanted.no_new_privileges
        self._keep = kept_capabilities(wanted)
        self._installer = capability.held() & capability.mask(["SYS_ADMIN"])
        self._filter = read_filter(wanted.seccomp)
        self._labels = {"apparmor": wanted.apparmor, "selinux": wanted.selinux}
        self._proc = -1
        if any(self._labels.values()):
            self._proc = os.open("/proc", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)

    def confine(self, who: user.User) -> None:
        """Give up every right the application does not get. OSError."""
        if self._proc >= 0:
            lsm.change_at_exec(self._proc, **self._labels)
        capability.drop_bounding(self._keep)
        capability.set_user(who.uid, who.gid, who.groups, self._keep | self._installer)
        capability.not_dumpable()  # setresuid(2) made us dumpable again
        if self._no_new_privileges:
            capability.no_new_privileges()
        elif self._filter:
            seccomp.install(self._filter)
        capability.limit(self._keep)

    def seal(self) -> None:
        """Nothing but execve comes after this. OSError."""
        if self._no_new_privileges and self._filter:
            seccomp.install(self._filter)

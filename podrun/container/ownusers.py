"""Fork the process of a container whose pod has a user namespace of its own.

    worker W ── fork ──► helper: the container's cgroup, setns(user[, pid]) ── clone3 ──► child C
       │                   │                                     CLONE_PARENT[, CLONE_NEWPID]  │
       │ ◄─ C's pid, ends ─┘                                                                   │
       └─── is C's parent: it will be the monitor ─────────────────────────────────────────────┘

Who joins a user namespace cannot leave it, so it is not W who does. The PID namespace is made in
there, for else the container could not mount its /proc.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import NoReturn

from podrun.cgroup.group import Group
from podrun.errors import MechanismFailed
from podrun.linux import capability, clone, namespace


def fork(
    group: Group,
    pause: int,
    enter_cgroup: Callable[[], None],
    run: Callable[[], NoReturn],
    *,
    share_pid: bool,
) -> int:
    """The pid of C, which does ``run``. ``pause`` is a pidfd. Raises MechanismFailed, OSError."""
    read, write = os.pipe()
    try:
        helper = group.fork()
        if helper == 0:
            _help(pause, enter_cgroup, run, write, share_pid=share_pid)
        os.close(write)
        write = -1
        answer = os.read(read, 4096).decode(errors="replace")
        os.waitpid(helper, 0)
    finally:
        os.close(read)
        if write >= 0:
            os.close(write)
    if not answer.isdecimal():
        raise MechanismFailed(f"join the pod's user namespace: {answer or 'it is gone'}")
    return int(answer)


def _help(
    pause: int,
    enter_cgroup: Callable[[], None],
    run: Callable[[], NoReturn],
    answer: int,
    *,
    share_pid: bool,
) -> NoReturn:
    try:
        capability.not_dumpable()
        enter_cgroup()
        kinds = namespace.CLONE_NEWPID if share_pid else 0
        namespace.setns(pause, namespace.CLONE_NEWUSER | kinds, "pause")
        new = 0 if share_pid else namespace.CLONE_NEWPID
        pid = clone.fork(clone.CLONE_PARENT | new)
        if pid == 0:
            os.close(answer)
            run()
        os.write(answer, str(pid).encode())
    except BaseException as error:  # a forked child never returns
        os.write(answer, str(error).encode()[:4000])
    os._exit(0)

"""Terminals of the container's own, and the caller's terminal tied to them.

For ``exec -t`` the pair is made from the container's /dev/ptmx after joining it, so that /dev/pts/N
exists inside; the master travels out over the channel (SCM_RIGHTS).

The main process gets its own (``tty: true``) before anything of the container is there: from the
devpts that will be its /dev/pts, while that is a descriptor which nobody else has. /dev/console is
bound from the terminal's descriptor too, so that no name is looked up that a container could have
replaced (CVE-2025-52565).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import socket
import struct
import termios
import tty
from collections.abc import Iterator

from podrun.container import tree
from podrun.linux import mount

_SIZE = struct.Struct("HHHH")
_TIOCSPTLCK = 0x40045431  # not in the termios module before 3.13
_TIOCGPTPEER = 0x5441
_BUFFER = 65536


def make(pts: int) -> int:
    """The master of a new pair of ``pts``, an instance of devpts that is mounted or will be."""
    flags = os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC
    master = os.open("ptmx", flags, dir_fd=pts)
    fcntl.ioctl(master, _TIOCSPTLCK, struct.pack("i", 0))
    return master


def open_peer(master: int) -> int:
    """The pair's other end, opened anew: without a name, so it cannot be somebody else's."""
    return fcntl.ioctl(master, _TIOCGPTPEER, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)


def bind_console(peer: int) -> None:
    """Make the terminal /dev/console. Called inside, once its devpts is attached."""
    flags = mount.OPEN_TREE_CLONE | mount.OPEN_TREE_CLOEXEC | mount.AT_EMPTY_PATH
    tree.attach(mount.open_tree(peer, "", flags), "/dev/console")


def take_control(peer: int) -> None:
    """Make it the controlling terminal of this session, which has none and is led by us."""
    fcntl.ioctl(peer, termios.TIOCSCTTY, 0)


def take(channel: socket.socket) -> None:
    """Make a pair, send its master, become the leader of a session on its other end."""
    pts = os.open("/dev/pts", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    master = make(pts)
    os.close(pts)
    slave = open_peer(master)
    socket.send_fds(channel, [b"t"], [master])
    channel.recv(1)  # the size is set before the command can ask for it
    os.close(master)
    os.setsid()
    take_control(slave)
    for number in (0, 1, 2):
        os.dup2(slave, number)
    os.close(slave)


def receive(channel: socket.socket) -> int:
    """The master, with the size of the caller's terminal; -1 when the other side failed."""
    _, fds, _, _ = socket.recv_fds(channel, 1, 1)
    if not fds:
        return -1
    _copy_size(fds[0])
    channel.send(b"x")
    return fds[0]


def relay(master: int, until: int) -> None:
    """Copy both ways until the other end hangs up. The caller's terminal is raw meanwhile."""
    with raw(0), _resizing(master):
        sources = [master, 0]
        while True:
            ready, _, _ = select.select(sources, [], [])
            if master in ready:
                try:
                    data = os.read(master, _BUFFER)
                except OSError:  # EIO: nobody holds the other end any more
                    return
                if not data:
                    return
                _write_all(1, data)
            if 0 in ready:
                data = os.read(0, _BUFFER)
                if data:
                    _write_all(master, data)
                else:
                    sources.remove(0)
                    os.write(master, b"\x04")  # end of file, as a terminal says it


def _write_all(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]


def _copy_size(master: int) -> None:
    with contextlib.suppress(OSError):
        size = fcntl.ioctl(0, termios.TIOCGWINSZ, bytes(_SIZE.size))
        fcntl.ioctl(master, termios.TIOCSWINSZ, size)


@contextlib.contextmanager
def raw(fd: int) -> Iterator[None]:
    """Bytes as they are typed, meanwhile; nothing where ``fd`` is no terminal."""
    if not os.isatty(fd):
        yield
        return
    before = termios.tcgetattr(fd)
    tty.setraw(fd)
    try:
        yield
    finally:
        termios.tcsetattr(fd, termios.TCSAFLUSH, before)


@contextlib.contextmanager
def _resizing(master: int) -> Iterator[None]:
    before = signal.signal(signal.SIGWINCH, lambda *_: _copy_size(master))
    try:
        yield
    finally:
        signal.signal(signal.SIGWINCH, before)

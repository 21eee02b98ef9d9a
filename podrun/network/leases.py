"""Which pod has which address: one symbolic link for each, ``network/leases/<address> → <uid>``.

A link is made whole or not at all and never over another one, so there is no half-written lease
and no address that two pods have, whoever is killed when. Nothing is synced to disk: what a crash
of the machine can lose are leases of pods that the crash has ended.

``network/last/<4|6>`` names the address given last. The next one is looked for behind it: an
address comes back only after all others had their turn, when nobody remembers its last owner.

Callers hold ``locked(paths)``.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
from collections.abc import Collection
from pathlib import Path

from podrun.errors import MechanismFailed, Unavailable
from podrun.network.layout import Layout, Range
from podrun.node.paths import Paths


def lease(paths: Paths, layout: Layout, uid: str) -> tuple[str, ...]:
    """An address of each range for ``uid``: those it has already, else new ones; IPv4 first.

    Raises Unavailable when a range is exhausted; nothing has been taken then.
    """
    taken = _everything(paths)
    had = [ip for ip, owner in taken.items() if owner == uid]
    with contextlib.ExitStack() as undo:
        ips = []
        for wanted in layout.ranges:
            ip = next((ip for ip in had if ipaddress.ip_address(ip) in wanted.network), None)
            if ip is None:
                ip = _take(paths, wanted, taken, uid)
                undo.callback(_unlink, _directory(paths) / ip)
            ips.append(ip)
        undo.pop_all()
    return tuple(ips)


def held(paths: Paths, uid: str) -> tuple[str, ...]:
    """The addresses that ``uid`` has now."""
    return by_uid(paths).get(uid, ())


def release(paths: Paths, uid: str) -> None:
    for ip in held(paths, uid):
        _unlink(_directory(paths) / ip)


def by_uid(paths: Paths) -> dict[str, tuple[str, ...]]:
    """Every lease: uid → addresses, IPv4 first."""
    found: dict[str, list[str]] = {}
    for ip, uid in _everything(paths).items():
        found.setdefault(uid, []).append(ip)
    return {uid: tuple(sorted(ips, key=lambda ip: (":" in ip, ip))) for uid, ips in found.items()}


def _everything(paths: Paths) -> dict[str, str]:
    """address → uid. Whatever in the directory is no symbolic link is passed over."""
    directory = os.fspath(_directory(paths))
    found = {}
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir(directory):
            with contextlib.suppress(OSError):
                found[name] = os.readlink(f"{directory}/{name}")
    return found


def _take(paths: Paths, wanted: Range, taken: Collection[str], uid: str) -> str:
    number = _start(paths, wanted)
    for _ in range(min(len(taken) + 1, wanted.last - wanted.first + 1)):
        address = str(wanted.address(number))
        if address not in taken:
            _record(paths, wanted, address, uid)
            return address
        number = number + 1 if number < wanted.last else wanted.first
    raise Unavailable(
        f"no address is left in {wanted.network} for another pod",
        hint="delete pods that are not needed, or set a larger range in podCidrs",
        reason="AddressesExhausted",
    )


def _start(paths: Paths, wanted: Range) -> int:
    """The number behind the address given last; the first one when that means nothing."""
    try:
        last = ipaddress.ip_address((_last(paths) / str(wanted.version)).read_text().strip())
    except (OSError, ValueError):
        return wanted.first
    number = int(last) + 1
    return number if last in wanted.network and number <= wanted.last else wanted.first


def _record(paths: Paths, wanted: Range, address: str, uid: str) -> None:
    try:
        if not _last(paths).is_dir():
            _directory(paths).mkdir(parents=True, exist_ok=True)
            _last(paths).mkdir(exist_ok=True)
        os.symlink(uid, _directory(paths) / address)
        _remember(_last(paths) / str(wanted.version), address)
    except OSError as error:
        raise MechanismFailed.from_oserror(f"lease {address} to pod {uid}", error) from None


def _remember(path: Path, address: str) -> None:
    """Overwritten in place, at a fixed width: ext4 begins to write out a file that was truncated
    when it is closed, and somebody would wait for that."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        os.write(fd, address.ljust(40).encode())
    finally:
        os.close(fd)


def _unlink(path: Path) -> None:
    path.unlink(missing_ok=True)


def _directory(paths: Paths) -> Path:
    return paths.network / "leases"


def _last(paths: Paths) -> Path:
    return paths.network / "last"

"""Which pod has which hostPort: ``network/claims/<uid>.json``, written before anything is opened.

The kernel keeps two pods from binding one port; the claim says whose it is, and holds what is
needed to take the pod's elements out of the nftables maps again. Callers hold ``locked(paths)``.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from podrun.errors import MechanismFailed
from podrun.network.types import PortMapping
from podrun.node.paths import Paths
from podrun.node.records import read_record, write_record


class Claim(msgspec.Struct, frozen=True):
    """``owner`` is for people: "namespace/name"."""

    uid: str
    owner: str
    mappings: tuple[PortMapping, ...]


def write(paths: Paths, claim: Claim) -> None:
    """Not durable: a crash of the machine ends every pod that has a claim."""
    try:
        _directory(paths).mkdir(parents=True, exist_ok=True)
        write_record(_path(paths, claim.uid), msgspec.json.encode(claim), durable=False)
    except OSError as error:
        step = f"record the hostPorts of {claim.owner}"
        raise MechanismFailed.from_oserror(step, error) from None


def read(paths: Paths, uid: str) -> Claim | None:
    return _load(_path(paths, uid))


def forget(paths: Paths, uid: str) -> None:
    _path(paths, uid).unlink(missing_ok=True)


def everyone(paths: Paths) -> list[Claim]:
    try:
        files = sorted(_directory(paths).glob("[!.]*.json"))
    except OSError:
        return []
    return [claim for claim in map(_load, files) if claim is not None]


def conflicting(paths: Paths, uid: str, wanted: PortMapping) -> Claim | None:
    """The claim of another pod that has the port of ``wanted`` on an address they share."""
    for claim in everyone(paths):
        if claim.uid != uid and any(_overlap(mapping, wanted) for mapping in claim.mappings):
            return claim
    return None


def _overlap(a: PortMapping, b: PortMapping) -> bool:
    if (a.host_port, a.protocol) != (b.host_port, b.protocol):
        return False
    ips = {a.host_ip, b.host_ip}
    if "" in ips or len(ips) == 1:
        return True
    return bool(ips & {"0.0.0.0", "::"}) and len({":" in ip for ip in ips}) == 1


def _load(path: Path) -> Claim | None:
    try:
        return read_record(path, Claim)
    except (OSError, msgspec.DecodeError):  # torn by a crash of the machine: its pod is gone too
        return None


def _path(paths: Paths, uid: str) -> Path:
    return _directory(paths) / f"{uid}.json"


def _directory(paths: Paths) -> Path:
    return paths.network / "claims"

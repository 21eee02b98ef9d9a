"""What a cgroup is allowed, as plain numbers, and the files that say so on v1 and on v2."""

from __future__ import annotations

import math

import msgspec

CPU_PERIOD_US = 100_000
MIN_QUOTA_US = 1_000


#: takes a limit away (v1 spells it -1, v2 "max")
UNLIMITED = -1


class Limits(msgspec.Struct, frozen=True, omit_defaults=True):
    """None means: leave as it is. ``cpu_quota_us`` is per CPU_PERIOD_US; memory in bytes.

    UNLIMITED lifts a limit. ``hugepages`` is page size → bytes.
    """

    cpu_shares: int | None = None
    cpu_quota_us: int | None = None
    memory_bytes: int | None = None
    pids: int | None = None
    hugepages: dict[int, int] | None = None
    oom_group: bool = False


def weight_of_shares(shares: int) -> int:
    """cpu.weight (1–10000) of v1 shares (2–262144), by the formula runc and crun use today.

    The quadratic in log2 keeps 1024 shares at weight 100, the default of both worlds.
    """
    if shares <= 2:
        return 1
    if shares >= 262_144:
        return 10_000
    log = math.log2(shares)
    return math.ceil(10 ** ((log * log + 125 * log) / 612 - 7 / 34))


def v1_files(limits: Limits) -> dict[str, dict[str, str]]:
    """controller → file → value."""
    files: dict[str, dict[str, str]] = {}
    if limits.cpu_shares is not None:
        files.setdefault("cpu", {})["cpu.shares"] = str(limits.cpu_shares)
    if limits.cpu_quota_us is not None:
        files.setdefault("cpu", {})["cpu.cfs_period_us"] = str(CPU_PERIOD_US)
        files["cpu"]["cpu.cfs_quota_us"] = str(limits.cpu_quota_us)
    if limits.memory_bytes is not None:
        files["memory"] = {"memory.limit_in_bytes": str(limits.memory_bytes)}
    if limits.pids is not None:
        files["pids"] = {"pids.max": _or_max(limits.pids)}
    if limits.hugepages is not None:
        files["hugetlb"] = _page_files(limits.hugepages, "limit_in_bytes")
    return files


def v2_files(limits: Limits, controllers: tuple[str, ...]) -> dict[str, str]:
    files: dict[str, str] = {}
    if "cpu" in controllers:
        if limits.cpu_shares is not None:
            files["cpu.weight"] = str(weight_of_shares(limits.cpu_shares))
        if limits.cpu_quota_us is not None:
            files["cpu.max"] = f"{_or_max(limits.cpu_quota_us)} {CPU_PERIOD_US}"
    if "memory" in controllers:
        if limits.memory_bytes is not None:
            files["memory.max"] = _or_max(limits.memory_bytes)
            files["memory.swap.max"] = "0"
        if limits.oom_group:
            files["memory.oom.group"] = "1"
    if "pids" in controllers and limits.pids is not None:
        files["pids.max"] = _or_max(limits.pids)
    if "hugetlb" in controllers and limits.hugepages is not None:
        files |= _page_files(limits.hugepages, "max")
    return files


def of_machine(limits: Limits, there: dict[int, int]) -> Limits:
    """``there`` is page size → bytes the machine has. Who may have no pages of a size gets none, as
    the kubelet has it; where there are none at all, nothing needs a limit.
    """
    if limits.hugepages is None or not any(there.values()):
        return msgspec.structs.replace(limits, hugepages=None)
    return msgspec.structs.replace(limits, hugepages=dict.fromkeys(there, 0) | limits.hugepages)


def _page_files(pages: dict[int, int], limit: str) -> dict[str, str]:
    """For what is used and (since 5.7) what is reserved: so mmap(2) fails, no write afterwards."""
    return {
        f"hugetlb.{_page_text(size)}.{kind}{limit}": str(most)
        for size, most in pages.items()
        for kind in ("", "rsvd.")
    }


def _page_text(size: int) -> str:
    """As the kernel's mem_fmt."""
    for suffix, unit in (("GB", 1 << 30), ("MB", 1 << 20)):
        if size >= unit:
            return f"{size // unit}{suffix}"
    return f"{size >> 10}KB"


def _or_max(limit: int) -> str:
    return "max" if limit == UNLIMITED else str(limit)

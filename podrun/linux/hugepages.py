"""The machine's huge pages: memory that nothing else uses, hugetlbpage.rst of the kernel."""

from __future__ import annotations

from pathlib import Path

_ROOT = Path("/sys/kernel/mm/hugepages")


def totals() -> dict[int, int]:
    """Page size → bytes of all such pages, used or not, in order of size; {}: a kernel without.

    Read anew each time: an administrator may add and take away pages at any moment.
    """
    found = {}
    for directory in _ROOT.glob("hugepages-*kB"):
        size = int(directory.name.removeprefix("hugepages-").removesuffix("kB")) << 10
        found[size] = int((directory / "nr_hugepages").read_text()) * size
    return dict(sorted(found.items()))

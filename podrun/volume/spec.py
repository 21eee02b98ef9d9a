"""A volume as mechanism sees it. Light: specifications are made of it."""

from __future__ import annotations

import msgspec


class Volume(msgspec.Struct, frozen=True, omit_defaults=True):
    """``kind`` is emptyDir, hostPath, image, claim or projected (a directory of files that podrun
    writes: configMap, secret, …); ``path`` and ``path_type`` belong to hostPath. A claim's ``path``
    is namespace/name.

    The layers of an image volume are found anew for every container (``VolumeMount.lowers``).
    """

    name: str
    kind: str
    path: str = ""
    path_type: str = ""
    memory: bool = False  # in a tmpfs: an emptyDir, or projected
    page_bytes: int = 0  # an emptyDir in a hugetlbfs of pages of this size
    size_bytes: int = 0  # of that file system; 0: a tmpfs has half of the machine's memory

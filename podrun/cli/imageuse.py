"""Which pods use which images: what no removal may take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from podrun.image import gc
from podrun.pod.pulling import image_ids, image_names

if TYPE_CHECKING:
    from podrun.agent.podstore import StoredPod
    from podrun.image.store import ImageStore


def users(store: ImageStore, pods: Sequence[StoredPod]) -> Mapping[str, Sequence[str]]:
    """Image ID → the pods ("pod default/web") that run it, have it as a volume, or will ask for it.

    By the agent's records (``PodStore.list``); an image that is only coming is nobody's yet.
    """
    found: dict[str, list[str]] = {}
    for stored in pods:
        ids = image_ids(stored.facts) | gc.ids_of(store, image_names(stored.pod))
        for image_id in sorted(ids):
            found.setdefault(image_id, []).append(f"pod {'/'.join(stored.key)}")
    return found

"""The volumes of a Pod, and what its containers mount of them, as mechanism understands them."""

from __future__ import annotations

from collections.abc import Mapping

from podrun.api import hugepages, quantity
from podrun.api.pod import Container, Pod, VolumeMount
from podrun.api.pod import Volume as PodVolume
from podrun.container.spec import VolumeMount as Mount
from podrun.errors import PodrunError
from podrun.pod.expansion import expand, references
from podrun.pod.projection import in_memory, is_projection
from podrun.pod.resources import pod_figures, pod_pages
from podrun.volume.spec import Volume


def volumes(pod: Pod) -> tuple[Volume, ...]:
    found = []
    for volume in pod.spec.volumes:
        if volume.host_path is not None:
            host = volume.host_path
            found.append(Volume(volume.name, "hostPath", host.path, host.type or ""))
        elif volume.image is not None:
            found.append(Volume(volume.name, "image"))
        elif volume.persistent_volume_claim is not None:
            claim = f"{pod.metadata.namespace}/{volume.persistent_volume_claim.claim_name}"
            found.append(Volume(volume.name, "claim", claim))
        elif is_projection(volume):
            found.append(Volume(volume.name, "projected", memory=in_memory(volume)))
        else:
            found.append(_empty_dir(pod, volume))
    return tuple(found)


def _empty_dir(pod: Pod, volume: PodVolume) -> Volume:
    """In memory it has the size of its limit, or the pod's limit of memory (or huge pages) if that
    is smaller: what is in it counts as memory of the containers that write it."""
    source = volume.empty_dir
    if source is None or not source.medium:
        return Volume(volume.name, "emptyDir")
    page = 0
    if hugepages.is_medium(source.medium):
        page = hugepages.page_of_medium(pod.spec, source.medium)
    limits = [pod_pages(pod).get(page, 0) if page else pod_figures(pod).memory_limit or 0]
    limits += [quantity.bytes(source.size_limit)] if source.size_limit else []
    size = min((limit for limit in limits if limit), default=0)
    return Volume(volume.name, "emptyDir", memory=not page, page_bytes=page, size_bytes=size)


def mounts(
    pod: Pod,
    container: Container,
    lowers: Mapping[str, tuple[str, ...]],
    variables: Mapping[str, str],
) -> tuple[Mount, ...]:
    """``lowers`` are the layers of each image volume that ``container`` mounts, topmost first;
    ``variables`` its environment as the manifest has it.

    Raises PodrunError (CreateContainerConfigError) for a subPathExpr that has no value.
    """
    by_name = {volume.name: volume for volume in volumes(pod)}
    read_only = _read_only(pod)
    devices = tuple(
        Mount(volume=by_name[each.name], target=each.device_path, device=True)
        for each in container.volume_devices
    )
    return devices + tuple(
        Mount(
            volume=by_name[mount.name],
            target=mount.mount_path,
            read_only=mount.read_only or mount.name in read_only,
            recursive=mount.recursive_read_only in ("Enabled", "IfPossible"),
            propagation=mount.mount_propagation,
            sub_path=_sub_path(mount, variables),
            lowers=lowers.get(mount.name, ()),
        )
        for mount in container.volume_mounts
    )


def _read_only(pod: Pod) -> set[str]:
    """The volumes that no container writes to, whatever its mount says."""
    claims = ((each.name, each.persistent_volume_claim) for each in pod.spec.volumes)
    found = {name for name, claim in claims if claim is not None and claim.read_only}
    return found | {each.name for each in filter(is_projection, pod.spec.volumes)}


def _sub_path(mount: VolumeMount, variables: Mapping[str, str]) -> str:
    """The expanded subPathExpr, or subPath. Its rules are those of the manifest's subPath."""
    if not mount.sub_path_expr:
        return mount.sub_path
    missing = [name for name in references(mount.sub_path_expr) if not variables.get(name)]
    if missing:
        raise _refused(f"missing value for {', '.join(missing)} in a subPathExpr")
    expanded = expand(mount.sub_path_expr, variables)
    if expanded.startswith("/") or ".." in expanded.split("/"):
        raise _refused(f'subPathExpr "{mount.sub_path_expr}" leads out of the volume')
    return expanded


def _refused(message: str) -> PodrunError:
    return PodrunError(
        message,
        hint="it may use variables of the container's own env that are not empty",
        reason="CreateContainerConfigError",
    )

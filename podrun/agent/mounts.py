"""The volumes of a Pod, and what its containers mount of them, as mechanism understands them."""

from __future__ import annotations

from collections.abc import Mapping

from podrun.agent.expansion import expand, references
from podrun.api.pod import Container, Pod, VolumeMount
from podrun.container.spec import VolumeMount as Mount
from podrun.errors import PodrunError
from podrun.volume.spec import Volume


def volumes(pod: Pod) -> tuple[Volume, ...]:
    found = []
    for volume in pod.spec.volumes:
        if volume.host_path is not None:
            host = volume.host_path
            found.append(Volume(volume.name, "hostPath", host.path, host.type or ""))
        else:
            found.append(Volume(volume.name, "emptyDir" if volume.image is None else "image"))
    return tuple(found)


def mounts(
    pod: Pod, container: Container, lowers: Mapping[str, tuple[str, ...]]
) -> tuple[Mount, ...]:
    """``lowers`` are the layers of each image volume that ``container`` mounts, topmost first.

    Raises PodrunError (CreateContainerConfigError) for a subPathExpr that has no value.
    """
    by_name = {volume.name: volume for volume in volumes(pod)}
    return tuple(
        Mount(
            volume=by_name[mount.name],
            target=mount.mount_path,
            read_only=mount.read_only,
            sub_path=_sub_path(container, mount),
            lowers=lowers.get(mount.name, ()),
        )
        for mount in container.volume_mounts
    )


def _sub_path(container: Container, mount: VolumeMount) -> str:
    """The expanded subPathExpr, or subPath. Its rules are those of the manifest's subPath."""
    if not mount.sub_path_expr:
        return mount.sub_path
    values = {variable.name: variable.value for variable in container.env if variable.value}
    missing = [name for name in references(mount.sub_path_expr) if name not in values]
    if missing:
        raise _refused(f"missing value for {', '.join(missing)} in a subPathExpr")
    expanded = expand(mount.sub_path_expr, values)
    if expanded.startswith("/") or ".." in expanded.split("/"):
        raise _refused(f'subPathExpr "{mount.sub_path_expr}" leads out of the volume: "{expanded}"')
    return expanded


def _refused(message: str) -> PodrunError:
    return PodrunError(
        message,
        hint="it may use variables of the container's own env that are not empty",
        reason="CreateContainerConfigError",
    )

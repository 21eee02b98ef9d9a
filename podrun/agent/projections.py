"""Write the files of a pod's configMap, secret, downwardAPI and projected volumes.

Done by workers: the agent never holds what is in a Secret.
"""

from __future__ import annotations

from podrun.agent import rights
from podrun.agent.node import Node
from podrun.agent.objectstore import ObjectStore
from podrun.agent.podstore import StoredPod
from podrun.api.kinds import Kind
from podrun.api.objects import AnyObject
from podrun.api.pod import Pod
from podrun.pod import projection
from podrun.volume import projected
from podrun.volume.volumes import failed


def has_projections(pod: Pod) -> bool:
    return any(map(projection.is_projection, pod.spec.volumes))


def write(node: Node, stored: StoredPod) -> None:
    """All of the pod's, whose directories are there; what is right already is not touched.

    Raises PodrunError (FailedMount) for what is missing; those before it are written.
    """
    pod = stored.pod
    store = ObjectStore(node.paths)
    owner = rights.volume_owner(pod)

    def find(kind: Kind, name: str) -> AnyObject | None:
        return store.read(kind, pod.metadata.namespace, name)

    for volume in filter(projection.is_projection, pod.spec.volumes):
        files = projection.files(pod, volume, find, node.open_limits)
        try:
            root = stored.paths.volume(volume.name)
            projected.write(root, files, owner.gid if owner is not None else None)
        except OSError as error:
            raise failed(f'write the files of volume "{volume.name}"', error) from None

"""Who a container's process is and what it may do, as its securityContext and the pod's say. Pure
but for the image, which is given."""

from __future__ import annotations

from podrun.api.pod import Pod, PodSecurityContext, SecurityContext
from podrun.container.spec import DEFAULT_CAPABILITIES
from podrun.errors import PodrunError
from podrun.image.types import Image
from podrun.linux.capability import NAMES
from podrun.volume.ownership import GroupOwner


def of_pod(pod: Pod) -> PodSecurityContext:
    return pod.spec.security_context or PodSecurityContext()


def ids(pod: Pod, context: SecurityContext) -> tuple[int | None, int | None]:
    """uid and gid; None: the image's."""
    shared = of_pod(pod)
    uid = shared.run_as_user if context.run_as_user is None else context.run_as_user
    gid = shared.run_as_group if context.run_as_group is None else context.run_as_group
    return uid, gid


def groups(pod: Pod) -> tuple[int, ...]:
    """Beside the primary one and, unless the policy is Strict, the image's own."""
    shared = of_pod(pod)
    owner = () if shared.fs_group is None else (shared.fs_group,)
    return tuple(dict.fromkeys((*shared.supplemental_groups, *owner)))


def volume_owner(pod: Pod) -> GroupOwner | None:
    """Whom the pod's volumes are given to: fsGroup."""
    shared = of_pod(pod)
    if shared.fs_group is None:
        return None
    return GroupOwner(shared.fs_group, always=shared.fs_group_change_policy != "OnRootMismatch")


def merges_groups(pod: Pod) -> bool:
    return of_pod(pod).supplemental_groups_policy != "Strict"


def check_non_root(pod: Pod, context: SecurityContext, image: Image, uid: int | None) -> None:
    """runAsNonRoot. Raises PodrunError (CreateContainerConfigError), in the kubelet's words."""
    wanted = context.run_as_non_root
    if wanted is None:
        wanted = of_pod(pod).run_as_non_root
    if not wanted:
        return
    image_user = image.config.user.partition(":")[0]
    if uid == 0:
        message = "container's runAsUser breaks non-root policy"
    elif uid is not None:
        return
    elif image_user in ("", "0"):
        message = "container has runAsNonRoot and image will run as root"
    elif not image_user.isdecimal():
        message = (
            f"container has runAsNonRoot and image has non-numeric user ({image_user}), "
            "cannot verify user is non-root"
        )
    else:
        return
    raise PodrunError(message, reason="CreateContainerConfigError")


def capabilities(context: SecurityContext) -> tuple[str, ...]:
    """The default set, less ``drop``, plus ``add``; ALL means all. What is added stays."""
    asked = context.capabilities
    if asked is None:
        return DEFAULT_CAPABILITIES
    drop, add = _named(asked.drop), _named(asked.add)
    kept = set() if "ALL" in drop else set(DEFAULT_CAPABILITIES) - drop
    kept |= set(NAMES) if "ALL" in add else add
    return tuple(name for name in NAMES if name in kept)


def added_capabilities(context: SecurityContext) -> tuple[str, ...]:
    """Those that ``add`` names one by one."""
    return tuple(sorted(_named(context.capabilities.add if context.capabilities else ()) - {"ALL"}))


def _named(names: tuple[str, ...]) -> set[str]:
    return {name.upper().removeprefix("CAP_") for name in names}

"""The logins a pod brings along for its images: ``spec.imagePullSecrets``.

Secret objects are not kept yet: every secret that is named is one that does not exist. As with the
kubelet that is a warning, and the pull is tried with what the machine knows.
"""

from __future__ import annotations

import time

from podrun.api.pod import Pod
from podrun.pod.events import WARNING, Event
from podrun.registry.credentials import PullSecret


def secrets_of(pod: Pod) -> list[PullSecret]:
    """Those that exist, in the order in which the spec names them."""
    found = (_secret(pod.metadata.namespace, each.name) for each in pod.spec.image_pull_secrets)
    return [secret for secret in found if secret is not None]


def _secret(namespace: str, name: str) -> PullSecret | None:
    """The one place where a Secret will be looked up (``PullSecret.of`` takes its data)."""
    return None


def missing_event(pod: Pod) -> Event | None:
    """What to tell before a pull when some do not exist, or are of no use."""
    have = {secret.name for secret in secrets_of(pod)}
    names = [each.name for each in pod.spec.image_pull_secrets if each.name]
    missing = [n for n in names if f"{pod.metadata.namespace}/{n}" not in have]
    if not missing:
        return None
    now = time.time()
    message = (
        f"Unable to retrieve some image pull secrets ({', '.join(missing)}); "
        "attempting to pull the image may not succeed."
    )
    return Event(WARNING, "FailedToRetrieveImagePullSecret", message, "", now, now)

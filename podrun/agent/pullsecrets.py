"""The logins a pod brings along for its images: ``spec.imagePullSecrets``.

The agent's loop looks only whether the Secrets are there; the worker of a pull reads them. One that
is not there is a warning, as with the kubelet, and the pull is tried with what the machine knows.
"""

from __future__ import annotations

import base64
import time

import msgspec

from podrun.agent.objectstore import ObjectStore
from podrun.api.configuration import Secret
from podrun.api.kinds import SECRET
from podrun.api.pod import Pod
from podrun.node.paths import Paths
from podrun.pod.events import WARNING, Event
from podrun.registry.credentials import PullSecret


class Reference(msgspec.Struct, frozen=True):
    """A Secret that exists. ``version`` is another one after each change of it: who pulls with the
    new content does not wait for a pull with the old one."""

    namespace: str
    name: str
    version: str


def references(paths: Paths, pod: Pod) -> tuple[Reference, ...]:
    """Those that exist, in the order in which the spec names them."""
    store, namespace = ObjectStore(paths), pod.metadata.namespace
    named = (each.name for each in pod.spec.image_pull_secrets if each.name)
    found = (Reference(namespace, n, store.version(SECRET, namespace, n)) for n in named)
    return tuple(each for each in found if each.version)


def read(paths: Paths, wanted: tuple[Reference, ...]) -> list[PullSecret]:
    """For a worker. One of another type, or gone meanwhile, is passed over. OSError."""
    found = (_secret(paths, each) for each in wanted)
    return [secret for secret in found if secret is not None]


def _secret(paths: Paths, wanted: Reference) -> PullSecret | None:
    stored = ObjectStore(paths).read(SECRET, wanted.namespace, wanted.name)
    if not isinstance(stored, Secret):
        return None
    data = {key: base64.b64decode(text) for key, text in stored.data.items()}
    return PullSecret.of(f"{wanted.namespace}/{wanted.name}", stored.type, data)


def missing_event(paths: Paths, pod: Pod) -> Event | None:
    """What to tell before a pull when some do not exist."""
    have = {each.name for each in references(paths, pod)}
    names = [each.name for each in pod.spec.image_pull_secrets if each.name]
    missing = [name for name in names if name not in have]
    if not missing:
        return None
    now = time.time()
    message = (
        f"Unable to retrieve some image pull secrets ({', '.join(missing)}); "
        "attempting to pull the image may not succeed."
    )
    return Event(WARNING, "FailedToRetrieveImagePullSecret", message, "", now, now)

"""What a pod waits for because an object it refers to is missing."""

from __future__ import annotations

from podrun.api.pod import Pod
from podrun.pod.facts import Facts, Trouble
from podrun.pod.pulling import BACK_OFF, FAILED

CONFIG_ERROR = "CreateContainerConfigError"
FAILED_MOUNT = "FailedMount"


def forget_missing(pod: Pod, facts: Facts) -> None:
    """Such troubles wait no longer: what was missing may be there now; a login, too."""
    if facts.sandbox_trouble is not None and facts.sandbox_trouble.reason == FAILED_MOUNT:
        facts.sandbox_trouble = None
    for known in facts.containers.values():
        if known.trouble is not None and _is_of_objects(pod, known.trouble):
            known.trouble = None


def _is_of_objects(pod: Pod, trouble: Trouble) -> bool:
    if trouble.reason in (*FAILED, BACK_OFF):
        return bool(pod.spec.image_pull_secrets)
    return trouble.reason == CONFIG_ERROR

"""What a pod waits for because an object it refers to is missing."""

from __future__ import annotations

from podrun.pod.facts import Facts

CONFIG_ERROR = "CreateContainerConfigError"
FAILED_MOUNT = "FailedMount"


def forget_missing(facts: Facts) -> None:
    """Such troubles wait no longer: what was missing may be there now."""
    if facts.sandbox_trouble is not None and facts.sandbox_trouble.reason == FAILED_MOUNT:
        facts.sandbox_trouble = None
    for known in facts.containers.values():
        if known.trouble is not None and known.trouble.reason == CONFIG_ERROR:
            known.trouble = None

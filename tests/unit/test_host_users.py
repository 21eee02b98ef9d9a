"""hostUsers: false beside the other namespaces of the host, in the API server's words."""

from __future__ import annotations

import msgspec
import pytest

from podrun.api.defaults import with_defaults
from podrun.api.pod import Pod
from podrun.api.validate import validate


def problems(**spec: object) -> list[str]:
    whole = {
        "metadata": {"name": "web"},
        "spec": {"containers": [{"name": "a", "image": "x"}], **spec},
    }
    return [str(problem) for problem in validate(with_defaults(msgspec.convert(whole, Pod)))]


@pytest.mark.parametrize("field", ["hostNetwork", "hostPID", "hostIPC"])
def test_other_namespaces_of_the_host_need_its_users(field: str) -> None:
    why = "Forbidden: when `pod.Spec.HostUsers` is false"
    assert problems(hostUsers=False, **{field: True}) == [f"spec.{field}: {why}"]
    assert problems(hostUsers=False, **{field: False}) == []
    assert problems(hostUsers=True, **{field: True}) == []
    assert problems(**{field: True}) == []

"""Resources of the pod as a whole (KEP-2837): defaults, rules, QoS class, figures."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from podrun.api.admit import admit
from podrun.api.pod import Pod
from podrun.errors import InvalidManifest
from podrun.pod.resources import limits, oom_score_adj, pod_figures, qos_class, requests

GI = 1 << 30


def pod(whole: dict[str, Any], *containers: dict[str, Any]) -> Pod:
    manifest = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "whole"},
        "spec": {
            "resources": whole,
            "containers": [
                {"name": f"c{i}", "image": "localhost/host", "resources": resources}
                for i, resources in enumerate(containers)
            ],
        },
    }
    return admit([(msgspec.json.encode(manifest), "f")]).objects[0].pod


def test_the_limit_is_the_request_where_no_container_asks() -> None:
    whole = pod({"limits": {"cpu": "2", "memory": "1Gi"}}, {}, {})
    assert requests(whole) == limits(whole) == {"cpu": 2000, "memory": GI}
    assert qos_class(whole) == "Guaranteed"


def test_what_containers_ask_for_together_is_the_default() -> None:
    one = {"requests": {"cpu": "500m"}}
    whole = pod({"limits": {"cpu": "2"}}, one, one)
    assert requests(whole) == {"cpu": 1000}
    assert qos_class(whole) == "Burstable"


def test_the_whole_decides_over_the_containers() -> None:
    each = {"requests": {"memory": "128Mi"}, "limits": {"memory": "256Mi"}}
    whole = pod({"requests": {"memory": "1Gi"}, "limits": {"memory": "2Gi"}}, each, {})
    assert requests(whole) == {"memory": GI}
    figures = pod_figures(whole)
    assert figures.memory_limit == 2 * GI  # though a container has none


def test_without_it_nothing_changes() -> None:
    whole = pod({}, {"limits": {"memory": "1Gi"}}, {})
    assert whole.spec.resources is None
    assert pod_figures(whole).memory_limit is None


def test_what_is_left_of_the_request_is_shared_out_for_the_oom_score() -> None:
    whole = pod({"requests": {"memory": "4Gi"}}, {"requests": {"memory": "2Gi"}}, {})
    scores = [oom_score_adj(whole, c, 10 * GI) for c in whole.spec.containers]
    assert scores == [1000 - 300, 1000 - 100]  # 2 + 1, and 0 + 1, of 10


@pytest.mark.parametrize(
    ("whole", "container", "says"),
    [
        (
            {"requests": {"cpu": "1"}},
            {"requests": {"cpu": "2"}},
            "spec.resources.requests[cpu]: Invalid value: "
            '"1": must be greater than or equal to aggregate container requests of 2',
        ),
        (
            {"limits": {"memory": "1Gi"}},
            {"limits": {"memory": "2Gi"}, "requests": {"memory": "1Mi"}},
            "spec.containers[0].resources.limits[memory]: Invalid value: "
            '"2Gi": must be less than or equal to pod limits of 1Gi',
        ),
        (
            {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}},
            {},
            "spec.resources.requests[cpu]: Invalid value",
        ),
        ({"limits": {"gpu": "1"}}, {}, "spec.resources.limits[gpu]"),
    ],
)
def test_the_rules(whole: dict[str, Any], container: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidManifest) as refused:
        pod(whole, container)
    assert says in refused.value.message

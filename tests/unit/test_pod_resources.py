"""Effective resources, QoS class and cgroup figures (semantics §7)."""

from __future__ import annotations

import pytest

from podrun.api.pod import Container
from podrun.pod.resources import (
    Figures,
    container_figures,
    cpu_quota,
    cpu_shares,
    limits,
    oom_score_adj,
    pod_figures,
    qos_class,
    requests,
)
from tests.unit.podsim import asks, container, pod

GI = 1024**3


def test_app_containers_add_up() -> None:
    assert requests(pod(asks("a", cpu="1", memory="1Gi"), asks("b", cpu="250m"))) == {
        "cpu": 1250,
        "memory": GI,
    }


def test_a_regular_init_container_counts_alone() -> None:
    both = pod(asks("a", cpu="1"), init=[asks("i", cpu="3"), asks("j", cpu="2")])
    assert requests(both) == {"cpu": 3000}


def test_sidecars_add_to_the_app_containers_and_to_later_init_containers() -> None:
    inits = [asks("i", cpu="2"), asks("s", sidecar=True, cpu="500m"), asks("j", cpu="2")]
    assert requests(pod(asks("a", cpu="1"), init=inits)) == {"cpu": 2500}
    assert requests(pod(asks("a", cpu="4"), init=inits)) == {"cpu": 4500}


def test_limits_follow_the_same_rule() -> None:
    found = limits(pod(asks("a", max_memory="1Gi"), init=[asks("i", max_memory="2Gi")]))
    assert found == {"memory": 2 * GI}


@pytest.mark.parametrize(("containers", "expected"), [
    ([container("a")], "BestEffort"),
    ([asks("a", cpu="0")], "BestEffort"),
    ([asks("a", cpu="1")], "Burstable"),
    ([asks("a", cpu="1", memory="1Gi", max_cpu="1", max_memory="1Gi")], "Guaranteed"),
    ([asks("a", cpu="1000m", memory="1024Mi", max_cpu="1", max_memory="1Gi")], "Guaranteed"),
    ([asks("a", max_cpu="1", max_memory="1Gi")], "Guaranteed"),
    ([asks("a", cpu="500m", max_cpu="1", max_memory="1Gi")], "Burstable"),
    ([asks("a", max_cpu="1")], "Burstable"),
    ([asks("a", max_cpu="1", max_memory="1Gi"), container("b")], "Burstable"),
])  # fmt: skip
def test_qos_class(containers: list[Container], expected: str) -> None:
    assert qos_class(pod(*containers)) == expected


def test_init_containers_count_for_the_qos_class() -> None:
    full = asks("a", max_cpu="1", max_memory="1Gi")
    assert qos_class(pod(full, init=["one"])) == "Burstable"
    assert qos_class(pod("a", init=[asks("i", cpu="1")])) == "Burstable"


@pytest.mark.parametrize(("milli", "shares", "quota"), [
    (0, 2, 1000), (1, 2, 1000), (10, 10, 1000), (100, 102, 10000), (250, 256, 25000),
    (1000, 1024, 100000), (4000, 4096, 400000), (10**6, 262144, 10**8),
])  # fmt: skip
def test_shares_and_quota(milli: int, shares: int, quota: int) -> None:
    assert (cpu_shares(milli), cpu_quota(milli)) == (shares, quota)


def test_figures_of_a_container() -> None:
    assert container_figures(container("a")) == Figures(2, None, None)
    assert container_figures(asks("a", max_cpu="500m", max_memory="1Gi")) == Figures(512, 50000, GI)


def test_a_pod_limit_needs_a_limit_of_every_container() -> None:
    limited = asks("a", max_cpu="1", max_memory="1Gi", cpu="1", memory="1Gi")
    assert pod_figures(pod(limited)) == Figures(1024, 100000, GI)
    assert pod_figures(pod(limited, asks("b", max_cpu="1", cpu="1"))) == Figures(2048, 200000, None)
    assert pod_figures(pod(limited, init=["one"])) == Figures(1024, None, None)


def test_figures_of_a_best_effort_pod() -> None:
    assert pod_figures(pod("a")) == Figures(2, None, None)


@pytest.mark.parametrize(("asked", "expected"), [
    (container("a"), 1000),
    (asks("a", max_cpu="1", max_memory="1Gi"), -997),
    (asks("a", memory="2Gi"), 500),
    (asks("a", memory="4Gi"), 3),
    (asks("a", cpu="1"), 999),
])  # fmt: skip
def test_oom_score_adj(asked: Container, expected: int) -> None:
    assert oom_score_adj(pod(asked), asked, 4 * GI) == expected


def test_a_sidecar_is_not_killed_before_the_app_containers() -> None:
    sidecar = asks("s", sidecar=True, memory="1Mi")
    both = pod(asks("a", memory="2Gi"), asks("b", memory="1Gi"), init=[sidecar])
    assert oom_score_adj(both, sidecar, 4 * GI) == 750

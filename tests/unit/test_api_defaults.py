"""Defaults, compared with what a Kubernetes API server stores."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from podrun.api.defaults import default_pull_policy, with_defaults
from podrun.api.pod import (
    Container,
    ContainerPort,
    HostPathVolumeSource,
    ImageVolumeSource,
    Pod,
    PodSpec,
    ResourceRequirements,
    Volume,
)


def _printed(value: Any) -> Any:
    return msgspec.json.decode(msgspec.json.encode(value))


def test_a_minimal_pod() -> None:
    pod = with_defaults(Pod(spec=PodSpec(containers=(Container(name="a", image="b"),))))
    assert _printed(pod) == {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"namespace": "default"},
        "spec": {
            "containers": [
                {
                    "name": "a",
                    "image": "b",
                    "imagePullPolicy": "Always",
                    "resources": {},
                    "terminationMessagePath": "/dev/termination-log",
                    "terminationMessagePolicy": "File",
                }
            ],
            "restartPolicy": "Always",
            "terminationGracePeriodSeconds": 30,
            "dnsPolicy": "ClusterFirst",
            "securityContext": {},
            "enableServiceLinks": True,
            "schedulerName": "default-scheduler",
        },
    }


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("nginx", "Always"),
        ("nginx:latest", "Always"),
        ("nginx:1.27", "IfNotPresent"),
        ("localhost:5000/nginx", "Always"),
        ("localhost:5000/nginx:1", "IfNotPresent"),
        ("nginx@sha256:0123", "IfNotPresent"),
        ("nginx:latest@sha256:0123", "Always"),
        ("nginx:1@sha256:0123", "IfNotPresent"),
    ],
)
def test_pull_policy_follows_the_tag(image: str, policy: str) -> None:
    assert default_pull_policy(image) == policy


def test_a_limit_is_the_request_unless_there_is_one() -> None:
    resources = ResourceRequirements(
        limits={"cpu": "0.5", "memory": "1024Mi"}, requests={"cpu": "0.1"}
    )
    spec = PodSpec(containers=(Container(resources=resources),))
    defaulted = with_defaults(Pod(spec=spec)).spec.containers[0]
    assert defaulted.limits == {"cpu": "500m", "memory": "1Gi"}
    assert defaulted.requests == {"cpu": "100m", "memory": "1Gi"}


def test_resources_are_rounded_up_to_thousandths_and_bad_ones_are_left_to_validation() -> None:
    resources = ResourceRequirements(limits={"cpu": "1n", "memory": "much"})
    spec = PodSpec(init_containers=(Container(resources=resources),))
    assert with_defaults(Pod(spec=spec)).spec.init_containers[0].limits == {
        "cpu": "1m",
        "memory": "much",
    }


@pytest.mark.parametrize(("host_network", "host_port"), [(True, 80), (False, 0)])
def test_on_the_hosts_network_every_port_is_a_host_port(host_network: bool, host_port: int) -> None:
    ports = (ContainerPort(container_port=80),)
    spec = PodSpec(containers=(Container(ports=ports),), host_network=host_network)
    port = with_defaults(Pod(spec=spec)).spec.containers[0].ports[0]
    assert (port.host_port, port.protocol) == (host_port, "TCP")


def test_volumes() -> None:
    volumes = (
        Volume(name="a"),
        Volume(name="b", host_path=HostPathVolumeSource(path="/x")),
        Volume(name="c", image=ImageVolumeSource(reference="x")),
        Volume(name="d", image=ImageVolumeSource(reference="x:1")),
        Volume(name="e", image=ImageVolumeSource(reference="x:1", pull_policy="Never")),
    )
    pod = with_defaults(Pod(spec=PodSpec(volumes=volumes)))
    assert _printed(pod.spec.volumes) == [
        {"name": "a", "emptyDir": {}},
        {"name": "b", "hostPath": {"path": "/x", "type": ""}},
        {"name": "c", "image": {"reference": "x", "pullPolicy": "Always"}},
        {"name": "d", "image": {"reference": "x:1", "pullPolicy": "IfNotPresent"}},
        {"name": "e", "image": {"reference": "x:1", "pullPolicy": "Never"}},
    ]


_RESOURCES = st.dictionaries(
    st.sampled_from(["cpu", "memory"]), st.text("0123456789.kMi", max_size=6)
)
_CONTAINERS = st.builds(
    Container,
    name=st.text(max_size=3),
    image=st.text("ab:@/", max_size=6),
    resources=st.none() | st.builds(ResourceRequirements, limits=_RESOURCES, requests=_RESOURCES),
    ports=st.tuples(st.builds(ContainerPort, container_port=st.integers(0, 70000))),
)
_PODS = st.builds(
    Pod,
    spec=st.builds(
        PodSpec,
        containers=st.lists(_CONTAINERS, max_size=2).map(tuple),
        init_containers=st.lists(_CONTAINERS, max_size=2).map(tuple),
        host_network=st.booleans(),
        volumes=st.just(()) | st.just((Volume(name="v"),)),
        termination_grace_period_seconds=st.none() | st.integers(0, 9),
    ),
)


@given(_PODS)
def test_twice_is_once(pod: Pod) -> None:
    once = with_defaults(pod)
    assert with_defaults(once) == once
    assert msgspec.json.decode(msgspec.json.encode(once), type=Pod) == once

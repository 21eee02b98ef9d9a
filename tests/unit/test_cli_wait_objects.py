"""``podrun wait`` for workloads and other objects: what is so, what will be, what never will."""

from __future__ import annotations

import time

import pytest
from msgspec.structs import replace

from podrun.agent.objectstore import ObjectStore
from podrun.api.configuration import ConfigMap
from podrun.api.kinds import CONFIG_MAP
from podrun.api.meta import ObjectMeta
from podrun.api.workload import (
    Condition,
    DaemonSet,
    Deployment,
    DeploymentStatus,
    Job,
    JobStatus,
)
from tests.unit.cli_node import Cli
from tests.unit.test_cli_pods import command

META = ObjectMeta(name="it", namespace="default", uid="u1", generation=2)
FAILED = Condition(type="Failed", status="True", reason="BackoffLimitExceeded", message="too many")
AVAILABLE = Condition(type="Available", status="True")
SOON = ("--timeout", "10ms")


@pytest.fixture
def store(cli: Cli) -> ObjectStore:
    return ObjectStore(cli.paths)


def test_the_conditions_of_a_job(cli: Cli, store: ObjectStore) -> None:
    store.write(Job(metadata=META))
    done = cli("wait", "job/it", "--for=condition=Complete", *SOON)
    assert done == (124, "", "error: timed out waiting for condition=Complete on job/it\n")
    store.write(Job(metadata=META, status=JobStatus(failed=1, conditions=(FAILED,))))
    met = (0, "job/it condition met\n", "")
    assert cli("wait", "jobs", "it", "--for=condition=failed") == met
    assert cli("wait", "job", "--all", "--for=condition=Failed=true") == met
    assert cli("wait", "job/it", "--for=jsonpath={.status.failed}=1") == met
    never = cli("wait", "job/it", "--for=condition=Complete", "--timeout", "20s")
    assert never.code == 1
    assert "job/it has ended (Failed): it will not be Complete" in never.err
    assert "BackoffLimitExceeded: too many" in never.err


def test_a_deployment_is_waited_for_as_it_was_last_applied(cli: Cli, store: ObjectStore) -> None:
    status = DeploymentStatus(observed_generation=1, conditions=(AVAILABLE,))
    store.write(Deployment(metadata=META, status=status))
    assert cli("wait", "deploy/it", "--for=condition=Available", *SOON).code == 124
    store.write(Deployment(metadata=META, status=replace(status, observed_generation=2)))
    assert cli("wait", "deploy/it", "--for=condition=Available").out == (
        "deployment/it condition met\n"
    )


def test_until_any_object_is_gone(cli: Cli, store: ObjectStore) -> None:
    assert cli("wait", "cm/it", "--for=delete") == (0, "configmap/it deleted\n", "")
    store.write(ConfigMap(metadata=META))
    assert cli("wait", "cm/it", "--for=delete", *SOON).code == 124
    process = command(cli, "wait", "cm/it", "--for=delete", "--timeout", "20s")
    time.sleep(0.1)
    store.remove(CONFIG_MAP, "default", "it")
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (0, "configmap/it deleted\n", "")


def test_what_objects_cannot_be_waited_for(cli: Cli, store: ObjectStore) -> None:
    store.write(DaemonSet(metadata=META))
    done = cli("wait", "ds/it", "--for=condition=Ready")
    assert done.code == 2 and "a DaemonSet has no conditions" in done.err
    assert cli("wait", "ds/it", "--for=exit").code == 2
    assert cli("wait", "job/it", "--for=condition=Complete").code == 1
    mixed = cli("wait", "ds/it", "web", "--for=delete")
    assert mixed.code == 2 and "only pods can be named here" in mixed.err

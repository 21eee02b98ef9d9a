"""Manifests of Job, Deployment and DaemonSet: fields, defaults, rules, and what may change."""

# ruff: noqa: E501  (tables of messages read best one case a line)

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from podrun.api import defaults_workload, kinds, objects, validate_workload
from podrun.api.admit import admit
from podrun.api.fields import below
from podrun.api.kinds import DAEMON_SET, DEPLOYMENT, JOB
from podrun.api.labelselector import matches
from podrun.api.meta import LabelSelector, LabelSelectorRequirement
from podrun.api.workload import DaemonSet, Deployment, Job
from podrun.errors import InvalidManifest
from tests.unit.test_api_fields import _paths

_HANDLING = {
    "Job": objects.Handling(Job, defaults_workload.job, validate_workload.job),
    "Deployment": objects.Handling(
        Deployment, defaults_workload.deployment, validate_workload.deployment
    ),
    "DaemonSet": objects.Handling(
        DaemonSet, defaults_workload.daemon_set, validate_workload.daemon_set
    ),
}


@pytest.fixture(autouse=True)
def taken(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The three kinds are admitted, whether or not something carries them out yet."""
    for kind in (JOB, DEPLOYMENT, DAEMON_SET):
        monkeypatch.setitem(kinds.BY_NAME, kind.name, kind)
        monkeypatch.setitem(objects.HANDLING, kind.name, _HANDLING[kind.name])
    yield


def _document(kind: str, spec: str = "", *, template: str = "", labels: str = "app: web") -> str:
    """``spec`` and ``template`` are further lines, in flow style, of the spec and the pod's."""
    version = JOB.api_version if kind == "Job" else DEPLOYMENT.api_version
    policy = "Never" if kind == "Job" else "Always"
    selector = "" if kind == "Job" or "selector:" in spec else "selector: {matchLabels: {app: web}}"
    parts = ", ".join(part for part in (spec, selector) if part)
    inner = f"restartPolicy: {policy}" if "restartPolicy" not in template else ""
    pod = ", ".join(part for part in (inner, template) if part)
    return (
        f"apiVersion: {version}\nkind: {kind}\nmetadata: {{name: web}}\n"
        f"spec: {{{parts + ', ' if parts else ''}template: {{metadata: {{labels: {{{labels}}}}}, "
        f"spec: {{{pod + ', ' if pod else ''}containers: [{{name: a, image: x}}]}}}}}}\n"
    )


def _admitted(kind: str, spec: str = "", **more: str) -> Any:
    return admit([(_document(kind, spec, **more), "f.yaml")]).objects[0].object


def _problems(kind: str, spec: str = "", **more: str) -> list[str]:
    with pytest.raises(InvalidManifest) as caught:
        _admitted(kind, spec, **more)
    return [line.partition(": ")[2] for line in caught.value.message.splitlines()]


# ── the table ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("struct", [Job, Deployment, DaemonSet])
def test_the_table_and_the_structs_agree(struct: type[msgspec.Struct]) -> None:
    support = {field.path: field for field in below(struct.__name__)}
    typed = _paths(struct)
    missing = {path for path in typed if path not in support}
    assert missing == set()
    refused = {path for path in typed if support[path].support == "no"}
    assert all(_below_pending(path, support) for path in refused)
    kept = {path for path, field in support.items() if field.support in ("yes", "note")}
    rows = {path for path in kept if support[path].row.support != "" or path in typed}
    assert rows - typed == set()
    assert {p for p in kept - typed if not _is_opaque(p, support)} == set()


def _below_pending(path: str, support: dict[str, Any]) -> bool:
    parts = path.split(".")
    return any(support[".".join(parts[:n])].row.pending for n in range(1, len(parts) + 1))


def _is_opaque(path: str, support: dict[str, Any]) -> bool:
    """Below a noted field that is kept as it is written."""
    parts = path.split(".")
    return any(support[".".join(parts[:n])].row.support == "note" for n in range(1, len(parts)))


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ("podFailurePolicy: {rules: []}", "podFailurePolicy"),
        ("successPolicy: {rules: []}", "successPolicy"),
        ("backoffLimitPerIndex: 1", "backoffLimitPerIndex"),
        ("maxFailedIndexes: 1", "maxFailedIndexes"),
        ("manualSelector: true", "manualSelector"),
        ("podReplacementPolicy: Failed", "podReplacementPolicy"),
        ("managedBy: example.com/mine", "managedBy"),
    ],
)
def test_what_a_job_cannot_is_refused_by_its_path(spec: str, path: str) -> None:
    assert _problems("Job", spec) == [f"spec.{path}: podrun does not support this field yet"]


def test_what_an_api_server_prints_of_a_job_is_accepted() -> None:
    spec = (
        "manualSelector: false, podReplacementPolicy: TerminatingOrFailed, "
        "managedBy: kubernetes.io/job-controller, completionMode: NonIndexed, suspend: false, "
        "selector: {matchLabels: {batch.kubernetes.io/controller-uid: abc}}"
    )
    marks = (
        "batch.kubernetes.io/controller-uid: abc, batch.kubernetes.io/job-name: web, "
        "controller-uid: abc, job-name: web"
    )
    assert _admitted("Job", spec, labels=marks) == _admitted("Job", labels="")


def test_no_history_is_kept_which_is_a_note() -> None:
    for kind in ("Deployment", "DaemonSet"):
        quiet = admit([(_document(kind, "revisionHistoryLimit: 10"), "f.yaml")])
        told = admit([(_document(kind, "revisionHistoryLimit: 3"), "f.yaml")])
        assert [each.path for each in quiet.notes] == []
        assert [each.path for each in told.notes] == ["spec.revisionHistoryLimit"]


# ── defaults ────────────────────────────────────────────────────────────────────────────────────


def test_the_defaults_of_a_job() -> None:
    spec = _admitted("Job").spec
    assert (spec.completions, spec.parallelism, spec.backoff_limit) == (1, 1, 6)
    assert (spec.completion_mode, spec.suspend) == ("NonIndexed", False)
    assert spec.ttl_seconds_after_finished is None
    assert spec.template.spec.termination_grace_period_seconds == 30


@pytest.mark.parametrize(
    ("spec", "completions", "parallelism"),
    [("parallelism: 3", None, 3), ("completions: 3", 3, 1), ("parallelism: 0", None, 0)],
)
def test_a_job_with_parallelism_alone_is_a_queue(
    spec: str, completions: int | None, parallelism: int
) -> None:
    found = _admitted("Job", spec).spec
    assert (found.completions, found.parallelism) == (completions, parallelism)


def test_the_defaults_of_a_deployment() -> None:
    spec = _admitted("Deployment").spec
    assert (spec.replicas, spec.progress_deadline_seconds) == (1, 600)
    rolling = spec.strategy.rolling_update
    assert (spec.strategy.type, rolling.max_surge, rolling.max_unavailable) == (
        "RollingUpdate", "25%", "25%",
    )  # fmt: skip
    assert _admitted("Deployment", "replicas: 0").spec.replicas == 0
    assert (
        _admitted("Deployment", "strategy: {type: Recreate}").spec.strategy.rolling_update is None
    )


def test_the_defaults_of_a_daemon_set() -> None:
    strategy = _admitted("DaemonSet").spec.update_strategy
    rolling = strategy.rolling_update
    assert (strategy.type, rolling.max_surge, rolling.max_unavailable) == ("RollingUpdate", 0, 1)
    on_delete = _admitted("DaemonSet", "updateStrategy: {type: OnDelete}").spec.update_strategy
    assert on_delete.rolling_update is None


@pytest.mark.parametrize("kind", ["Job", "Deployment", "DaemonSet"])
def test_defaults_twice_are_defaults_once(kind: str) -> None:
    once = _admitted(kind)
    assert objects.with_defaults(once) == once
    again = msgspec.json.decode(msgspec.json.encode(once), type=type(once))
    assert again == once


# ── rules ───────────────────────────────────────────────────────────────────────────────────────

_POSITIVE = "must be greater than or equal to 0"
_MISMATCH = "`selector` does not match template `labels`"


@pytest.mark.parametrize(
    ("kind", "field"),
    [
        ("Job", "parallelism"),
        ("Job", "completions"),
        ("Job", "backoffLimit"),
        ("Job", "activeDeadlineSeconds"),
        ("Job", "ttlSecondsAfterFinished"),
        ("Deployment", "replicas"),
        ("Deployment", "minReadySeconds"),
        ("Deployment", "revisionHistoryLimit"),
        ("DaemonSet", "minReadySeconds"),
        ("DaemonSet", "revisionHistoryLimit"),
    ],
)
def test_negative_counts(kind: str, field: str) -> None:
    assert f"spec.{field}: Invalid value: -1: {_POSITIVE}" in _problems(kind, f"{field}: -1")


def test_a_jobs_pods_must_end() -> None:
    why = 'spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"'
    assert _problems("Job", template="restartPolicy: Always") == [why]
    assert _admitted("Job", template="restartPolicy: OnFailure")


@pytest.mark.parametrize("kind", ["Deployment", "DaemonSet"])
@pytest.mark.parametrize("policy", ["OnFailure", "Never"])
def test_the_others_pods_must_not(kind: str, policy: str) -> None:
    why = f'Unsupported value: "{policy}": supported values: "Always"'
    found = _problems(kind, template=f"restartPolicy: {policy}")
    assert found == [f"spec.template.spec.restartPolicy: {why}"]


@pytest.mark.parametrize(("kind", "word"), [("Deployment", "ReplicaSet"), ("DaemonSet",) * 2])
def test_no_deadline_for_pods_that_last(kind: str, word: str) -> None:
    why = f"Forbidden: activeDeadlineSeconds in {word} is not Supported"
    found = _problems(kind, template="activeDeadlineSeconds: 5")
    assert found == [f"spec.template.spec.activeDeadlineSeconds: {why}"]


@pytest.mark.parametrize("kind", ["Deployment", "DaemonSet"])
def test_selectors(kind: str) -> None:
    labels = 'spec.template.metadata.labels: Invalid value: {"app":"api"}: '
    assert _problems(kind, labels="app: api") == [labels + _MISMATCH]
    empty = f"spec.selector: Invalid value: {{}}: empty selector is invalid for {kind.lower()}"
    assert _problems(kind, "selector: {}") == [empty]
    assert _problems(kind, "selector: ") == ["spec.selector: Required value"]
    assert _admitted(kind, "selector: {matchExpressions: [{key: app, operator: Exists}]}")


@pytest.mark.parametrize(
    ("requirement", "path", "message"),
    [
        ("key: app, operator: In", "values", "Required value: must be specified when `operator` is 'In' or 'NotIn'"),
        ("key: app, operator: Exists, values: [a]", "values", "Forbidden: may not be specified when `operator` is 'Exists' or 'DoesNotExist'"),
        ("key: app, operator: Is", "operator", 'Invalid value: "Is": not a valid selector operator'),
        ("key: -, operator: Exists", "key", 'Invalid value: "-": name part'),
    ],
)  # fmt: skip
def test_selector_requirements(requirement: str, path: str, message: str) -> None:
    found = _problems("Deployment", f"selector: {{matchExpressions: [{{{requirement}}}]}}")
    wanted = f"spec.selector.matchExpressions[0].{path}: {message}"
    assert any(line.startswith(wanted) for line in found)


@pytest.mark.parametrize(
    ("operator", "values", "labels", "holds"),
    [
        ("In", ("a", "b"), {"k": "a"}, True),
        ("In", ("a",), {}, False),
        ("NotIn", ("a",), {}, True),
        ("NotIn", ("a",), {"k": "a"}, False),
        ("Exists", (), {"k": ""}, True),
        ("Exists", (), {}, False),
        ("DoesNotExist", (), {}, True),
        ("DoesNotExist", (), {"k": "x"}, False),
    ],
)
def test_matching(
    operator: str, values: tuple[str, ...], labels: dict[str, str], holds: bool
) -> None:
    one = LabelSelectorRequirement(key="k", operator=operator, values=values)
    assert matches(LabelSelector(match_expressions=(one,)), labels) is holds


_NO_PERCENT = (
    "a valid percent string must be a numeric string followed by an ending '%' "
    "(e.g. '1%', or '93%')"
)


@pytest.mark.parametrize(
    ("kind", "strategy", "problem"),
    [
        ("Deployment", "type: Recreate, rollingUpdate: {maxSurge: 1}", "strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'"),
        ("Deployment", "type: OnDelete", 'strategy.type: Unsupported value: "OnDelete": supported values: "Recreate", "RollingUpdate"'),
        ("Deployment", "rollingUpdate: {maxSurge: 0, maxUnavailable: 0%}", 'strategy.rollingUpdate.maxUnavailable: Invalid value: "0%": may not be 0 when `maxSurge` is 0'),
        ("Deployment", "rollingUpdate: {maxSurge: -1}", f"strategy.rollingUpdate.maxSurge: Invalid value: -1: {_POSITIVE}"),
        ("Deployment", "rollingUpdate: {maxUnavailable: 101%}", 'strategy.rollingUpdate.maxUnavailable: Invalid value: "101%": must not be greater than 100%'),
        ("Deployment", "rollingUpdate: {maxSurge: '3'}", f'strategy.rollingUpdate.maxSurge: Invalid value: "3": {_NO_PERCENT}'),
        ("Deployment", "rollingUpdate: {maxSurge: -5%}", f'strategy.rollingUpdate.maxSurge: Invalid value: "-5%": {_NO_PERCENT}'),
        ("DaemonSet", "type: Recreate", 'updateStrategy.type: Unsupported value: "Recreate": supported values: "OnDelete", "RollingUpdate"'),
        ("DaemonSet", "rollingUpdate: {maxSurge: 1}", "updateStrategy.rollingUpdate.maxSurge: Invalid value: 1: may not be set when maxUnavailable is non-zero"),
        ("DaemonSet", "rollingUpdate: {maxUnavailable: 0}", "updateStrategy.rollingUpdate.maxUnavailable: Required value: cannot be 0 when maxSurge is 0"),
    ],
)  # fmt: skip
def test_strategies(kind: str, strategy: str, problem: str) -> None:
    name = "strategy" if kind == "Deployment" else "updateStrategy"
    assert _problems(kind, f"{name}: {{{strategy}}}") == [f"spec.{problem}"]


def test_strategies_that_are_right() -> None:
    assert _admitted("Deployment", "strategy: {rollingUpdate: {maxSurge: 150%}}")
    rolling = "updateStrategy: {rollingUpdate: {maxSurge: 1, maxUnavailable: 0}}"
    assert _admitted("DaemonSet", rolling)


def test_the_progress_deadline_is_longer_than_the_wait_for_readiness() -> None:
    found = _problems("Deployment", "progressDeadlineSeconds: 5, minReadySeconds: 5")
    why = "Invalid value: 5: must be greater than minReadySeconds"
    assert found == [f"spec.progressDeadlineSeconds: {why}"]


def test_completion_modes() -> None:
    indexed = 'spec.completionMode: podrun does not support the value "Indexed" yet'
    assert _problems("Job", "completionMode: Indexed, completions: 2") == [indexed]
    (found,) = _problems("Job", "completionMode: Sorted")
    assert found.startswith('spec.completionMode: Unsupported value: "Sorted"')


@pytest.mark.parametrize("kind", ["Job", "Deployment", "DaemonSet"])
def test_errors_of_the_template_have_its_path_and_line(kind: str) -> None:
    text = (
        _document(kind).replace("image: x", "image: ' x'").replace("app: web}", "app: web, -: a}")
    )
    with pytest.raises(InvalidManifest) as caught:
        admit([(text, "f.yaml")])
    lines = caught.value.message.splitlines()
    assert any("f.yaml:4: spec.template.spec.containers[0].image: " in line for line in lines)
    assert any("spec.template.metadata.labels[-]: " in line for line in lines)


@pytest.mark.parametrize("kind", ["Job", "Deployment", "DaemonSet"])
def test_the_object_has_a_name_and_the_template_needs_none(kind: str) -> None:
    text = _document(kind).replace("{name: web}", "{}")
    with pytest.raises(InvalidManifest) as caught:
        admit([(text, "f.yaml")])
    (line,) = caught.value.message.splitlines()
    assert "metadata.name: Required value" in line and "template" not in line


def test_a_jobs_name_is_a_label_of_its_pods() -> None:
    name = "n" * 64
    with pytest.raises(InvalidManifest, match=r"metadata\.name: Invalid value: .*63 characters"):
        admit([(_document("Job").replace("name: web", f"name: {name}"), "f.yaml")])
    (found,) = _problems("Job", labels="job-name: other")
    assert found.endswith("""labels[job-name]: Invalid value: "other": must be 'web'""")


# ── changes ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("kind", "before", "after", "fixed"),
    [
        ("Job", "completions: 2", "completions: 3", "spec.completions"),
        ("Job", "parallelism: 2", "parallelism: 3", ""),
        ("Job", "", "backoffLimit: 1, suspend: true, ttlSecondsAfterFinished: 3", ""),
        ("Deployment", "", "replicas: 3, paused: true, minReadySeconds: 2", ""),
    ],
)
def test_what_may_change(kind: str, before: str, after: str, fixed: str) -> None:
    found = validate_workload.update_problems(_admitted(kind, before), _admitted(kind, after))
    assert [each.path for each in found] == [fixed] * bool(fixed)
    assert all(each.message.endswith(": field is immutable") for each in found)


def test_a_jobs_template_stays_and_a_deployments_does_not() -> None:
    for kind, fixed in (("Job", ["spec.template"]), ("Deployment", []), ("DaemonSet", [])):
        old, new = _admitted(kind), _admitted(kind, template="hostNetwork: true")
        assert [each.path for each in validate_workload.update_problems(old, new)] == fixed


@pytest.mark.parametrize("kind", ["Deployment", "DaemonSet"])
def test_selectors_stay(kind: str) -> None:
    wider = "selector: {matchExpressions: [{key: app, operator: Exists}]}"
    found = validate_workload.update_problems(_admitted(kind), _admitted(kind, wider))
    assert [each.path for each in found] == ["spec.selector"]

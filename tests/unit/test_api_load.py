"""Manifests as people write them, well and badly: each problem with its file, line and path."""

# ruff: noqa: E501  (tables of messages read best one case a line)

from __future__ import annotations

import json
import textwrap

import msgspec
import pytest

from podrun.api.defaults import with_defaults
from podrun.api.load import load_manifests
from podrun.api.pod import Pod
from podrun.api.scalars import Value, resolve
from podrun.api.validate import validate
from podrun.errors import InvalidManifest

SEED = """
apiVersion: v1
kind: Pod
metadata:
  name: javaweb-2
spec:
  initContainers:
  - image: geektime/sample:v2
    name: war
    command: ["cp", "/sample.war", "/app"]
    volumeMounts:
    - mountPath: /app
      name: app-volume
  containers:
  - image: geektime/tomcat:7.0
    name: tomcat
    command: ["sh","-c","/root/apache-tomcat-7.0.42-v2/bin/start.sh"]
    volumeMounts:
    - mountPath: /root/apache-tomcat-7.0.42-v2/webapps
      name: app-volume
    ports:
    - containerPort: 8080
      hostPort: 8001 
  volumes:
  - name: app-volume
    emptyDir: {}
"""  # noqa: W291

_HEAD = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\n"


def _problems(text: str | bytes) -> list[str]:
    with pytest.raises(InvalidManifest) as caught:
        load_manifests(text, "f.yaml")
    return caught.value.message.splitlines()


def _pod(text: str) -> Pod:
    (loaded,) = load_manifests(text, "f.yaml").objects
    return loaded.pod


def _container(fields: str) -> str:
    """A pod whose one container has ``fields``; they begin on line 7."""
    return _HEAD + "spec:\n  containers:\n  - name: a\n" + textwrap.indent(fields, "    ")


def test_the_pod_of_the_seed() -> None:
    pod = _pod(SEED)
    assert pod.metadata.name == "javaweb-2"
    assert pod.spec.init_containers[0].volume_mounts[0].mount_path == "/app"
    assert pod.spec.containers[0].ports[0].host_port == 8001
    assert pod.spec.volumes[0].empty_dir is not None
    assert validate(with_defaults(pod)) == []


def test_json_is_read_too_with_lines() -> None:
    data = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "\U0001f600\\ud83d"}, "x": 1}
    text = json.dumps(data, indent="\t")
    assert "\\ud83d\\ude00" in text
    assert _problems(text) == ["f.yaml:7: x: unknown field"]
    del data["x"]
    assert _pod(json.dumps(data)).metadata.name == "\U0001f600\\ud83d"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no object in f.yaml"),
        ("# nothing\n---\n---\n~\n", "no object in f.yaml"),
        ("[1]", "f.yaml:1: expected an object (apiVersion, kind, …)"),
        ("text", "f.yaml:1: expected an object (apiVersion, kind, …)"),
        ("apiVersion: v1\n", "f.yaml:1: kind: Required value"),
        ("apiVersion: v1\nkind: 5\n", "f.yaml:2: kind: Required value"),
        ("kind: Pod\n", "f.yaml:1: apiVersion: Required value"),
        ("\nkind: Pod\napiVersion: v2\n", 'f.yaml:3: apiVersion: Unsupported value: "v2": a Pod has v1'),
        ("apiVersion: apps/v1\nkind: StatefulSet\nspec: {x: 1}\n", "f.yaml:2: kind StatefulSet is not supported yet"),
        ("\nkind: Pod\napiVersion: V1\n", 'f.yaml:3: apiVersion: Unsupported value: "V1": did you mean "v1"?'),
        ("apiVersion: apps/v1\nkind: deployment\n", "f.yaml:2: kind deployment is not supported yet"),
        ("apiVersion: v1\nkind: Pood\n", 'f.yaml:2: kind Pood is unknown to podrun (did you mean "Pod"?)'),
        ("apiVersion: v1\nkind: pod\n", 'f.yaml:2: kind pod is unknown to podrun (did you mean "Pod"?)'),
        ("apiVersion: v1\nkind: Boat\n", "f.yaml:2: kind Boat is unknown to podrun"),
        ("apiVersion: v1\nkind: List\n", "f.yaml:1: items: expected a list of objects"),
        (
            "apiVersion: v1\nkind: List\nitems:\n- kind: List\n",
            "f.yaml:4: items[0]: kind List cannot be inside a List",
        ),
        (
            "apiVersion: v1\nkind: List\nitems:\n- null\n",
            "f.yaml:4: items[0]: expected an object (apiVersion, kind, …)",
        ),
        ("a: [", "f.yaml:2: while parsing a flow node: did not find expected node content"),
        ("a: b: c", "f.yaml:1: mapping values are not allowed in this context"),
        (
            "\ta: b",
            "f.yaml:1: while scanning for the next token: found character that cannot start any token"
            " (indent with blanks: YAML takes no tabs)",
        ),
        ("a: @b", "f.yaml:1: while scanning for the next token: found character that cannot start any token"),
        ("a: 1\nb: 2\na: 3", 'f.yaml:3: the key "a" is already on line 1'),
        ("yes: 1", 'f.yaml:1: the key yes is not a string: quote it ("yes")'),
        ("? [a]\n: b", "f.yaml:1: a key must be a string"),
        ("~: b", "f.yaml:1: a key must be a string"),
        ("? " + "k" * 1025 + "\n: b", "f.yaml:1: a key is longer than 1024 characters"),
        ("a: !!python/object:os.system {}", "f.yaml:1: the tag !!python/object:os.system is not supported"),
        ("a: !mine x", "f.yaml:1: the tag !mine is not supported"),
        ("a: !!int x", "f.yaml:1: cannot read 'x' as !!int"),
        ("a: *b", "f.yaml:1: the alias *b is not defined"),
        ("a: &a [*a]", "f.yaml:1: the alias *a refers to itself"),
        ("a: &a {b: c}\n---\nb: *a", "f.yaml:3: the alias *a is not defined"),
        ("<<: 1", "f.yaml:1: << needs a mapping or a list of mappings"),
        ("[" * 100_000, "f.yaml:1: nested more than 64 levels deep"),
        ("{a: " * 1000, "f.yaml:1: nested more than 64 levels deep"),
        ("- - " * 100, "f.yaml:1: nested more than 64 levels deep"),
        ("[" + "1," * 100_001 + "]", "f.yaml:1: more than 100000 values"),
        ("#" * (3 * 1024 * 1024 + 1), "f.yaml: larger than 3 MiB"),
        (b"\xff\xfe", "f.yaml: not UTF-8 text: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte"),
    ],
    ids=range(39),
)  # fmt: skip
def test_what_is_no_manifest(text: str | bytes, problem: str) -> None:
    if isinstance(text, str) and text.startswith(("a:", "b:", "yes", "?", "~:", "<<")):
        text += "\n"
    assert _problems(text)[-1] == problem


def test_control_characters_are_refused() -> None:
    assert "control characters are not allowed" in _problems("a: \x00")[0]
    assert "not UTF-8" in _problems("a: \ud800")[0]


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ("comand: [a]", '7: spec.containers[0].comand: unknown field (did you mean "command"?)'),
        ("Image: x", '7: spec.containers[0].Image: unknown field (did you mean "image"?)'),
        ("zzz: x", "7: spec.containers[0].zzz: unknown field"),
        ("resources: {claims: [{}]}", "7: spec.containers[0].resources.claims: podrun does not support this field yet"),
        (
            "resources:\n  {limits: {cpu: 1},\n   claims: [{}]}",
            "9: spec.containers[0].resources.claims: podrun does not support this field yet",
        ),
        ("image: 5", '7: spec.containers[0].image: expected a string, got the number 5 (quote it: "5")'),
        ("image: yes", '7: spec.containers[0].image: expected a string, got the boolean yes (quote it: "yes")'),
        ("image: [a]", "7: spec.containers[0].image: expected a string, got a list"),
        ("image: {a: b}", "7: spec.containers[0].image: expected a string, got a mapping"),
        ("command: sh", '7: spec.containers[0].command: expected a list, got the string "sh"'),
        ("command: [sh, 1]", '7: spec.containers[0].command[1]: expected a string, got the number 1 (quote it: "1")'),
        ("command:\n- sh\n- ~", "9: spec.containers[0].command[1]: null is not allowed in a list"),
        ("resources: x", '7: spec.containers[0].resources: expected a mapping, got the string "x"'),
        (
            "resources:\n  limits:\n    cpu: [1]",
            "9: spec.containers[0].resources.limits[cpu]: expected a quantity, got a list",
        ),
        (
            "ports:\n- containerPort: '80'",
            '8: spec.containers[0].ports[0].containerPort: expected an integer, got the string "80"',
        ),
        (
            "ports:\n- containerPort: 80.5",
            "8: spec.containers[0].ports[0].containerPort: expected an integer, got the number 80.5",
        ),
        (
            "ports:\n- containerPort: 99999999999999999999",
            "8: spec.containers[0].ports[0].containerPort: the number 99999999999999999999 is too large",
        ),
        (
            "securityContext: {privileged: 'true'}",
            '7: spec.containers[0].securityContext.privileged: expected true or false, got the string "true"',
        ),
        (
            "securityContext: {runAsUser: .inf}",
            "7: spec.containers[0].securityContext.runAsUser: expected an integer, got the number .inf",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_field(fields: str, problem: str) -> None:
    assert _problems(_container(fields)) == [f"f.yaml:{problem}"]


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ("containers: {}", "spec.containers: expected a list, got a mapping"),
        ("ephemeralContainers: [{}]", "spec.ephemeralContainers: podrun does not support this field yet"),
        ("volumes: [{name: a, nfs: {}}]", "spec.volumes[0].nfs: podrun does not support this field yet"),
        (
            "volumes: [{name: a, ephemeral: {}}]",
            "spec.volumes[0].ephemeral: podrun does not support this field yet",
        ),
        ("securityContext: {seLinuxChangePolicy: Recursive}", "spec.securityContext.seLinuxChangePolicy: podrun does not support this field yet"),
        ("tolerations: [{opertor: x}]", 'spec.tolerations[0].opertor: unknown field (did you mean "operator"?)'),
        (
            "affinity: {nodeAffinity: {required: x}}",
            "spec.affinity.nodeAffinity.required: unknown field",
        ),
        ("nodeSelector: {a: 1}", 'spec.nodeSelector[a]: expected a string, got the number 1 (quote it: "1")'),
    ],
)  # fmt: skip
def test_what_is_wrong_with_the_spec(spec: str, problem: str) -> None:
    assert _problems(f"{_HEAD}spec:\n  {spec}\n") == [f"f.yaml:5: {problem}"]


def test_all_problems_are_told_not_only_the_first() -> None:
    text = _HEAD + "spec:\n  a: 1\n  b: 2\n---\nkind: Pod\n---\nkind: Service\n"
    assert _problems(text) == [
        "f.yaml:5: spec.a: unknown field",
        "f.yaml:6: spec.b: unknown field",
        "f.yaml:8: apiVersion: Required value",
        "f.yaml:10: kind Service is not supported yet",
    ]


def test_after_twenty_problems_only_their_number() -> None:
    text = _HEAD + "spec:\n" + "".join(f"  field{n}: 1\n" for n in range(25))
    problems = _problems(text)
    assert len(problems) == 21
    assert problems[-1] == "and 5 more"


def test_null_and_empty_are_absent() -> None:
    text = _container(
        "command: ~\nimage: null\nports: null\nenvFrom: []\nstdin: false\ntty: false\n"
        "volumeMounts: [{name: v, mountPath: /v, subPath: '', mountPropagation: None}]\n"
        "livenessProbe: null\nsecurityContext: {procMount: Default}\n"
    )
    container = _pod(text + "  hostUsers: true\n  imagePullSecrets: []\n").spec.containers[0]
    assert (container.command, container.image, container.ports) == ((), "", ())


def test_scalars_stay_what_was_written() -> None:
    text = _container(
        "env:\n- {name: A, value: 12:30:45}\n- {name: B, value: 2001-12-14}\n"
        "- {name: C, value: '8080'}\n- {name: D, value: 1.2.3}\n- {name: E, value: |\n    x\n  }\n"
    ).replace(", value: |\n        x\n      }", "}")
    values = [each.value for each in _pod(text).spec.containers[0].env]
    assert values == ["12:30:45", "2001-12-14", "8080", "1.2.3", ""]


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("0.5", "0.5"),
        ("2", "2"),
        ("1Gi", "1Gi"),
        ("'100m'", "100m"),
        ("1e3", "1e3"),
        ("0x10", "16"),
    ],
)
def test_quantities_may_be_numbers(written: str, kept: str) -> None:
    text = _container(f"resources: {{limits: {{cpu: {written}}}}}")
    assert _pod(text).spec.containers[0].limits == {"cpu": kept}


def test_octal_and_whole_floats_are_integers() -> None:
    text = _container("securityContext: {runAsUser: 0644, runAsGroup: 1e3}")
    context = _pod(text).spec.containers[0].security_context
    assert context is not None
    assert (context.run_as_user, context.run_as_group) == (420, 1000)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", True), ("On", True), ("y", True), ("TRUE", True), ("tRue", "tRue"), ("no", False),
        ("OFF", False), ("n", False), ("", None), ("~", None), ("Null", None), ("nUll", "nUll"),
        ("0644", 420), ("0o644", 420), ("0x1F", 31), ("0b11", 3), ("-0x1F", -31), ("1_000", 1000),
        ("08", 8.0), ("+12", 12), ("-0", 0), ("1e3", 1000.0), (".5", 0.5), ("1.", 1.0),
        ("12:30:45", "12:30:45"), ("190:20:30.15", "190:20:30.15"), ("2001-12-14", "2001-12-14"),
        ("2001-12-14t21:59:43Z", "2001-12-14t21:59:43Z"), ("0x", "0x"), ("1.2.3", "1.2.3"),
        ("-", "-"), ("+", "+"), ("e3", "e3"), ("._1", "._1"), ("=", "="), (".inf", float("inf")),
        ("9" * 65, "9" * 65), ("٣", "٣"),
    ],
)  # fmt: skip
def test_scalars_mean_what_they_mean_to_kubectl(text: str, value: Value) -> None:
    resolved = resolve(text, plain=True, tag=None)
    assert (type(resolved), resolved) == (type(value), value)
    assert resolve(text, plain=False, tag=None) == text


def test_merge_keys() -> None:
    text = """
common: &common {image: x, imagePullPolicy: Never}
apiVersion: v1
kind: Pod
spec:
  containers:
  - <<: *common
    name: a
  - name: b
    image: z
    <<: [{workingDir: /w}, *common]
"""
    assert _problems(text) == ["f.yaml:2: common: unknown field"]
    inline = text.replace("common: &common {image: x, imagePullPolicy: Never}\n", "")
    anchored = inline.replace("*common", "&common {image: x, imagePullPolicy: Never}", 1)
    first, second = _pod(anchored).spec.containers
    assert (first.image, first.image_pull_policy, first.name) == ("x", "Never", "a")
    assert (second.image, second.image_pull_policy, second.working_dir) == ("z", "Never", "/w")


def test_lists_and_several_documents() -> None:
    text = f"{_HEAD}---\napiVersion: v1\nkind: List\nitems:\n- {{kind: Pod, apiVersion: v1}}\n---\n"
    one, two = load_manifests(text, "f.yaml").objects
    assert (one.line, one.prefix, two.line, two.prefix) == (1, "", 8, "items[0].")
    problems = _problems(text.replace("apiVersion: v1}", "apiVersion: v1, spec: {a: 1}}"))
    assert problems == ["f.yaml:8: items[0].spec.a: unknown field"]


def test_the_output_of_kubectl_can_be_applied() -> None:
    text = """
apiVersion: v1
kind: Pod
metadata:
  creationTimestamp: "2026-01-01T00:00:00Z"
  generateName: web-
  generation: 1
  labels: {app: web}
  managedFields: [{manager: kubectl, fieldsV1: {f:metadata: {}}}]
  name: web-1
  namespace: default
  ownerReferences: [{kind: ReplicaSet}]
  resourceVersion: "1"
  uid: 0b0e
spec:
  containers: [{name: a, image: x, resources: {}, terminationMessagePath: /dev/termination-log}]
  enableServiceLinks: true
  nodeName: node-1
  preemptionPolicy: PreemptLowerPriority
  priority: 0
  schedulerName: default-scheduler
  securityContext: {}
  serviceAccount: default
  serviceAccountName: default
  tolerations: [{effect: NoExecute, key: node.kubernetes.io/not-ready, tolerationSeconds: 300}]
status:
  phase: Running
  whatever: 1
"""
    loaded = load_manifests(text, "f.yaml")
    pod = loaded.objects[0].pod
    assert (pod.metadata.uid, pod.status) == ("", None)
    assert [str(note) for note in loaded.notes] == [
        "f.yaml:18: spec.nodeName: has no effect here",
        "f.yaml:25: spec.tolerations: has no effect here",
    ]
    assert pod.spec.tolerations[0]["tolerationSeconds"] == 300
    again = load_manifests(msgspec.json.encode(with_defaults(pod)), "again.json")
    assert again.objects[0].pod == with_defaults(pod)

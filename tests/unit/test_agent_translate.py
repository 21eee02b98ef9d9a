"""From a Pod to what mechanism understands: names, arguments, environment, user, rights."""

from __future__ import annotations

from pathlib import Path

import pytest

from podrun.agent import translate
from podrun.api.admit import admit
from podrun.api.pod import Pod
from podrun.container.spec import DEFAULT_CAPABILITIES, ContainerSpec, VolumeMount
from podrun.errors import PodrunError
from podrun.image.types import Image, ImageConfig
from podrun.node.config import Config
from podrun.node.paths import Paths
from podrun.pod.environment import Surroundings, variables

CONFIG = Config()


def a_pod(container: str = "", spec: str = "", name: str = "web") -> Pod:
    text = f"""
apiVersion: v1
kind: Pod
metadata: {{name: {name}}}
spec:
  {spec}
  containers:
  - name: app
    image: x
    {container}
"""
    return admit([(text, "test")]).objects[0].pod


AROUND = Surroundings(
    find=lambda kind, name: None,
    read_file=lambda volume, path: None,
    pod_ips=(),
    host_ips=(),
    node_name="node",
    allocatable={},
)


def image(**config: object) -> Image:
    return Image(name="x", id="sha256:1", config=ImageConfig(**config))  # type: ignore[arg-type]


def spec_of(pod: Pod, of: Image) -> ContainerSpec:
    return translate.container_spec(
        CONFIG,
        Paths(CONFIG).pod("u", "default", "web"),
        pod,
        pod.spec.containers[0],
        of,
        ("/lower",),
        container_id="c" * 64,
        attempt=0,
        node_name="node",
        memory_capacity=1 << 34,
        volume_lowers={"files": ("/top", "/bottom")},
        variables=variables(pod, pod.spec.containers[0], AROUND),
    )


@pytest.mark.parametrize(
    ("fields", "arguments"),
    [
        ("", ("entry", "cmd")),
        ("command: [c]", ("c",)),
        ("args: [a]", ("entry", "a")),
        ("command: [c]\n    args: [a]", ("c", "a")),
    ],
)
def test_command_and_args_against_entrypoint_and_cmd(
    fields: str, arguments: tuple[str, ...]
) -> None:
    built = spec_of(a_pod(fields), image(entrypoint=("entry",), cmd=("cmd",)))
    assert built.process.args == arguments


def test_no_command_at_all_is_an_error_of_running() -> None:
    with pytest.raises(PodrunError, match="no command") as caught:
        spec_of(a_pod(), image())
    assert caught.value.reason == "RunContainerError"


def test_environment_base_then_image_then_manifest() -> None:
    pod = a_pod("env: [{name: B, value: pod}, {name: C, value: c}]")
    built = spec_of(pod, image(cmd=("x",), env=("A=image", "B=image", "PATH=/p")))
    assert built.process.env == ("PATH=/p", "HOSTNAME=web", "A=image", "B=pod", "C=c")


@pytest.mark.parametrize(
    ("name", "spec", "hostname"),
    [
        ("web", "", "web"),
        ("web", "hostname: other", "other"),
        ("a" * 62 + "." + "b", "", "a" * 62),
        ("web", "hostNetwork: true", "node"),
    ],
)
def test_hostname_is_cut_and_trimmed_as_the_kubelet_does(
    name: str, spec: str, hostname: str
) -> None:
    assert translate.hostname(CONFIG, a_pod(spec=spec, name=name), "node") == hostname


@pytest.mark.parametrize(
    ("container", "spec", "parent"),
    [
        ("", "", "podrun/besteffort/pod"),
        ("resources: {requests: {cpu: 1m}}", "", "podrun/burstable/pod"),
        ("resources: {limits: {cpu: 1, memory: 1Mi}}", "", "podrun/pod"),
    ],
)
def test_cgroups_by_qos_class(container: str, spec: str, parent: str) -> None:
    assert translate.pod_cgroup(CONFIG, a_pod(container, spec)) == parent


def test_user_of_container_over_pod_over_image() -> None:
    of = image(cmd=("x",), user="www-data")
    process = spec_of(a_pod(), of).process
    assert (process.user, process.uid, process.gid) == ("www-data", None, None)
    pod = a_pod(
        "securityContext: {runAsUser: 5}",
        "securityContext: {runAsUser: 1, runAsGroup: 2, supplementalGroups: [3]}",
    )
    process = spec_of(pod, of).process
    assert (process.uid, process.gid, process.groups) == (5, 2, (3,))


@pytest.mark.parametrize(
    ("container", "user", "message"),
    [
        ("runAsUser: 0", "1000", "breaks non-root policy"),
        ("", "", "image will run as root"),
        ("", "www-data", "non-numeric user (www-data)"),
    ],
)
def test_run_as_non_root(container: str, user: str, message: str) -> None:
    fields = f"securityContext: {{runAsNonRoot: true, {container}}}"
    with pytest.raises(PodrunError) as caught:
        spec_of(a_pod(fields), image(cmd=("x",), user=user))
    assert message in caught.value.message
    assert caught.value.reason == "CreateContainerConfigError"


def test_run_as_non_root_is_content_with_a_number() -> None:
    pod = a_pod("securityContext: {runAsNonRoot: true}")
    assert spec_of(pod, image(cmd=("x",), user="7")).process.user == "7"


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        ("{drop: [ALL]}", set()),
        ("{drop: [ALL], add: [NET_ADMIN]}", {"NET_ADMIN"}),
        ("{add: [SYS_TIME]}", {*DEFAULT_CAPABILITIES, "SYS_TIME"}),
        ("{drop: [KILL]}", set(DEFAULT_CAPABILITIES) - {"KILL"}),
    ],
)
def test_capabilities(asked: str, wanted: set[str]) -> None:
    pod = a_pod(f"securityContext: {{capabilities: {asked}}}")
    assert set(spec_of(pod, image(cmd=("x",))).process.capabilities) == wanted


def test_volumes_and_their_mounts() -> None:
    pod = a_pod(
        "volumeMounts: [{name: e, mountPath: /e}, {name: h, mountPath: /h, readOnly: true}]",
        "volumes: [{name: e, emptyDir: {}}, {name: h, hostPath: {path: /srv, type: Directory}}]",
    )
    e, h = spec_of(pod, image(cmd=("x",))).mounts
    assert (e.volume.kind, e.target, e.read_only) == ("emptyDir", "/e", False)
    assert (h.volume.path, h.volume.path_type, h.read_only) == ("/srv", "Directory", True)


def test_a_claim_is_read_only_when_the_volume_or_the_mount_says_so() -> None:
    pod = a_pod(
        "volumeMounts: [{name: c, mountPath: /c}, {name: d, mountPath: /d}]",
        "volumes: [{name: c, persistentVolumeClaim: {claimName: data}},"
        " {name: d, persistentVolumeClaim: {claimName: data, readOnly: true}}]",
    )
    c, d = spec_of(pod, image(cmd=("x",))).mounts
    assert (c.volume.kind, c.volume.path, c.read_only) == ("claim", "default/data", False)
    assert (d.volume.path, d.read_only) == ("default/data", True)


def test_propagation_and_recursive_read_only_of_mounts() -> None:
    (mount,) = mounts_of("name: data, mountPath: /d, mountPropagation: HostToContainer")
    assert (mount.propagation, mount.recursive) == ("HostToContainer", False)
    (mount,) = mounts_of("name: data, mountPath: /d, readOnly: true, recursiveReadOnly: IfPossible")
    assert (mount.propagation, mount.recursive) == ("", True)


def test_dns_of_the_host_by_default_and_of_the_pod_alone_with_none() -> None:
    spec = translate.sandbox_spec(CONFIG, a_pod(), 0, "node", ())
    assert spec.dns.from_host
    pod = a_pod(
        spec="dnsPolicy: None\n  dnsConfig: {nameservers: [192.0.2.1], options: [{name: x}]}"
    )
    dns = translate.sandbox_spec(CONFIG, pod, 0, "node", ()).dns
    assert (dns.from_host, dns.nameservers, dns.options) == (False, ("192.0.2.1",), ("x",))


def test_the_log_is_where_the_kubelet_would_put_it() -> None:
    log = Path(spec_of(a_pod(), image(cmd=("x",))).log)
    assert log == Path("/var/log/podrun/pods/default_web_u/app/0.log")


VOLUMES = """volumes:
  - name: data
  - name: files
    image: {reference: registry.example/files:1}
"""


def mounts_of(fields: str, env: str = "[]") -> tuple[VolumeMount, ...]:
    container = f"env: {env}\n    volumeMounts:\n    - {{{fields}}}"
    return spec_of(a_pod(container, VOLUMES), image(cmd=("c",))).mounts


def test_a_mount_of_an_image_has_its_layers() -> None:
    (mount,) = mounts_of("name: files, mountPath: /f, subPath: a/b")
    assert (mount.volume.kind, mount.sub_path, mount.lowers) == (
        "image",
        "a/b",
        ("/top", "/bottom"),
    )


def test_variables_in_a_sub_path() -> None:
    env = "[{name: POD, value: web-0}]"
    (mount,) = mounts_of("name: data, mountPath: /d, subPathExpr: logs/$(POD)-$$(POD)", env)
    assert (mount.sub_path, mount.lowers) == ("logs/web-0-$(POD)", ())


@pytest.mark.parametrize(
    ("expression", "value", "said"),
    [
        ("$(GONE)/$(A)", "a", "missing value for GONE"),
        ("$(A)", "", "missing value for A"),
        ("$(A)", "/etc", "leads out of the volume"),
        ("x/$(A)", "../..", "leads out of the volume"),
    ],
)
def test_a_sub_path_that_cannot_be_expanded(expression: str, value: str, said: str) -> None:
    env = f"[{{name: A, value: {value!r}}}]"
    with pytest.raises(PodrunError, match=said) as raised:
        mounts_of(f'name: data, mountPath: /d, subPathExpr: "{expression}"', env)
    assert raised.value.reason == "CreateContainerConfigError"

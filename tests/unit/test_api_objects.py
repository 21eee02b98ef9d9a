"""ConfigMap, Secret, PersistentVolumeClaim: defaults and the API server's rules."""

# ruff: noqa: E501  (tables of messages read best one case a line)

from __future__ import annotations

import base64
from typing import Any

import pytest

from podrun.api.admit import admit
from podrun.api.configuration import ConfigMap, PersistentVolumeClaim, Secret
from podrun.api.defaults_objects import bound
from podrun.api.objects import problems, update_problems, with_defaults
from podrun.errors import InvalidManifest

_MIB = 1 << 20
_CLAIM = "spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}"


def made(kind: str, body: str, name: str = "x") -> Any:
    text = f"apiVersion: v1\nkind: {kind}\nmetadata: {{name: {name}}}\n{body}\n"
    return admit([(text, "f.yaml")]).objects[0].object


def refused(kind: str, body: str, name: str = "x") -> list[str]:
    with pytest.raises(InvalidManifest) as caught:
        made(kind, body, name)
    return [line.partition(": ")[2] for line in caught.value.message.splitlines()]


# ── defaults ─────────────────────────────────────────────────────────────────────────────────────


def test_text_of_a_secret_joins_its_data_and_wins() -> None:
    secret = made("Secret", "data: {a: b2xk, b: Yg==}\nstringData: {a: new, c: ''}")
    assert secret.type == "Opaque" and secret.string_data == {}
    assert secret.data == {"a": "bmV3", "b": "Yg==", "c": ""}


def test_base64_may_be_broken_into_lines() -> None:
    assert made("Secret", 'data: {a: "YWJj\\nZGVm\\n"}').data == {"a": "YWJjZGVm"}
    assert made("ConfigMap", 'binaryData: {a: "YWJj\\r\\nZGVm"}').binary_data == {"a": "YWJjZGVm"}


def test_a_claims_amount_is_canonical_and_it_is_bound_at_once() -> None:
    claim = made("PersistentVolumeClaim", _CLAIM.replace("1Gi", "1024Mi") + "}", "data")
    assert claim.spec.volume_mode == "Filesystem" and claim.status is None
    claim = bound(claim)
    assert claim.status is not None
    assert claim.spec.volume_name == "data"
    assert (claim.status.phase, claim.status.capacity) == ("Bound", {"storage": "1Gi"})
    assert claim.status.access_modes == ("ReadWriteOnce",)
    assert problems(claim) == []


# ── rules ────────────────────────────────────────────────────────────────────────────────────────

_KEY_RULE = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'"


@pytest.mark.parametrize("field", ["data", "binaryData"])
@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("a/b", _KEY_RULE),
        ("a b", _KEY_RULE),
        ("ä", _KEY_RULE),
        ('""', _KEY_RULE),
        (".", "must not be '.'"),
        ("..", "must not be '..'"),
        ("..data", "must not start with '..'"),
        ("a" * 254, "must be no more than 253 characters"),
    ],
)
def test_keys(field: str, key: str, why: str) -> None:
    [found] = refused("ConfigMap", f"{field}: {{{key}: YQ==}}")
    name = key.strip('"')
    assert found.startswith(f"{field}[{name}]: Invalid value: ") and why in found


@pytest.mark.parametrize("key", ["a", ".a", "a..b", "-", "_", "A.9-_", "a" * 253])
def test_good_keys(key: str) -> None:
    assert made("ConfigMap", f"data: {{{key}: x}}").data == {key: "x"}
    assert made("Secret", f"stringData: {{{key}: x}}").data == {key: "eA=="}


def test_a_key_is_text_or_binary_not_both() -> None:
    assert refused("ConfigMap", "data: {a: x, b: z}\nbinaryData: {b: eA==}") == [
        'data[b]: Invalid value: "b": duplicate of key present in binaryData',
        'binaryData[b]: Invalid value: "b": duplicate of key present in data',
    ]


@pytest.mark.parametrize(
    "text", ["c2VzYW1l=", "c2V zYW1l", "c2VzYW1", "sesäme", "!!!!", "YQ==YQ=="]
)
def test_broken_base64_is_told_without_what_it_is(text: str) -> None:
    found = refused("Secret", f'data: {{password: "{text}"}}')
    assert found == ["data[password]: Invalid value: illegal base64 data"]
    assert refused("ConfigMap", f'binaryData: {{a: "{text}"}}')[0].startswith("binaryData[a]: ")


def test_a_number_for_a_text_is_told_without_what_it_is() -> None:
    found = refused("Secret", "stringData: {pin: 4711}\ndata: {list: [4712]}")
    assert len(found) == 2 and "47" not in "".join(found) and "(quote it)" in found[0]


def test_a_mebibyte_is_the_most() -> None:
    half = "x" * (_MIB // 2)
    assert made("ConfigMap", f"data: {{a: {half}, b: {half}}}")
    too_long = f"Too long: may not be more than {_MIB} bytes"
    assert refused("ConfigMap", f"data: {{a: {half}, b: {half}y}}") == [too_long]
    both = (
        f"data: {{a: {half}}}\nbinaryData: {{b: {base64.b64encode(half.encode() + b'y').decode()}}}"
    )
    assert refused("ConfigMap", both) == [too_long]
    assert made("Secret", f"stringData: {{a: {half}{half}}}")
    assert refused("Secret", f"stringData: {{a: {half}{half}, b: z}}") == [f"data: {too_long}"]


_DOCKER = "data[.dockerconfigjson]"


@pytest.mark.parametrize(
    ("kind", "data", "wrong"),
    [
        ("kubernetes.io/dockerconfigjson", "{a: b}", [f"{_DOCKER}: Required value"]),
        ("kubernetes.io/dockercfg", "{}", ["data[.dockercfg]: Required value"]),
        (
            "kubernetes.io/dockerconfigjson",
            "{.dockerconfigjson: sesame}",
            [f"{_DOCKER}: Invalid value: <secret contents redacted>: must be a JSON object"],
        ),
        (
            "kubernetes.io/dockerconfigjson",
            "{.dockerconfigjson: '[]'}",
            [f"{_DOCKER}: Invalid value: <secret contents redacted>: must be a JSON object"],
        ),
        (
            "kubernetes.io/basic-auth",
            "{a: b}",
            ["data[username]: Required value", "data[password]: Required value"],
        ),
        ("kubernetes.io/ssh-auth", "{ssh-privatekey: ''}", ["data[ssh-privatekey]: Required value"]),
        ("kubernetes.io/tls", "{tls.key: x}", ["data[tls.crt]: Required value"]),
        (
            "kubernetes.io/service-account-token",
            "{}",
            ["metadata.annotations[kubernetes.io/service-account.name]: Required value"],
        ),
    ],
)  # fmt: skip
def test_types_of_secrets_have_their_keys(kind: str, data: str, wrong: list[str]) -> None:
    assert refused("Secret", f"type: {kind}\nstringData: {data}") == wrong


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("kubernetes.io/dockerconfigjson", "{.dockerconfigjson: '{}'}"),
        ("kubernetes.io/dockercfg", "{.dockercfg: '{\"r.example\": {}}'}"),
        ("kubernetes.io/basic-auth", "{password: x}"),
        ("kubernetes.io/ssh-auth", "{ssh-privatekey: x}"),
        ("kubernetes.io/tls", "{tls.key: '', tls.crt: ''}"),
        ("example.com/my-own", "{}"),
    ],
)
def test_secrets_of_types(kind: str, data: str) -> None:
    assert made("Secret", f"type: {kind}\nstringData: {data}").type == kind


@pytest.mark.parametrize(
    ("old", "new", "wrong"),
    [
        ("spec: {resources: {requests: {storage: 1Gi}}}", "", "spec.accessModes: Required value: at least 1 access mode is required"),
        ("[ReadWriteOnce]", "[Mine]", 'spec.accessModes[0]: Unsupported value: "Mine": supported values: "ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"'),
        ("[ReadWriteOnce]", "[ReadWriteOncePod, ReadWriteMany]", "spec.accessModes: Forbidden: may not use ReadWriteOncePod with other access modes"),
        ("storage: 1Gi", "", "spec.resources[storage]: Required value"),
        ("storage: 1Gi", "storage: 0", 'spec.resources.requests[storage]: Invalid value: "0": must be greater than zero'),
        ("storage: 1Gi", "storage: much", "spec.resources.requests[storage]: Invalid value: "),
        ("}}", "}}, volumeMode: Block", 'spec.volumeMode: podrun does not support the value "Block" yet'),
        ("}}", "}}, volumeMode: Tape", 'spec.volumeMode: Unsupported value: "Tape"'),
        ("}}", "}}, storageClassName: A_B", 'spec.storageClassName: Invalid value: "A_B"'),
        ("}}", "}}, volumeName: pv1", 'spec.volumeName: Invalid value: "pv1"'),
        ("}}", "}}, selector: {matchLabels: {a: b}}", "spec.selector: podrun does not support this field yet"),
        ("}}", "}}, dataSource: {kind: A, name: b}", "spec.dataSource: podrun does not support this field yet"),
    ],
)  # fmt: skip
def test_claims(old: str, new: str, wrong: str) -> None:
    body = _CLAIM + "}"
    body = old if old.startswith("spec") else body.replace(old, new, 1)
    [found] = refused("PersistentVolumeClaim", body)
    assert found.startswith(wrong)


def test_another_storage_class_is_worth_a_note() -> None:
    text = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: x}\n" + _CLAIM
    assert admit([(text + "}", "f")]).notes == ()
    assert admit([(text + ", storageClassName: local}", "f")]).notes == ()
    [note] = admit([(text + ", storageClassName: fast}", "f")]).notes
    assert note.path == "spec.storageClassName"


# ── updates ──────────────────────────────────────────────────────────────────────────────────────


def changed(old: Any, new: Any) -> list[str]:
    return [str(each) for each in update_problems(with_defaults(old), with_defaults(new))]


def test_what_is_immutable_stays_so() -> None:
    why = "Forbidden: field is immutable when `immutable` is set"
    old = ConfigMap(data={"a": "1"}, immutable=True)
    assert changed(old, old) == []
    assert changed(old, ConfigMap(data={"a": "2"}, immutable=True)) == [f"data: {why}"]
    assert changed(old, ConfigMap(data={"a": "1"})) == [f"immutable: {why}"]
    binary = ConfigMap(data={"a": "1"}, binary_data={"b": "eA=="}, immutable=True)
    assert changed(old, binary) == [f"binaryData: {why}"]
    assert changed(ConfigMap(data={"a": "1"}), old) == []
    secret = Secret(data={"a": "YQ=="}, immutable=True)
    assert changed(secret, Secret(immutable=True)) == [f"data: {why}"]


def test_a_secret_keeps_its_type() -> None:
    found = changed(Secret(), Secret(type="example.com/x"))
    assert found == ['type: Invalid value: "example.com/x": field is immutable']


def test_a_claim_may_only_grow() -> None:
    def claim(storage: str, more: str = "") -> PersistentVolumeClaim:
        body = _CLAIM.replace("1Gi", storage) + more + "}"
        found: PersistentVolumeClaim = made("PersistentVolumeClaim", body)
        return bound(found)

    assert changed(claim("1Gi"), claim("2Gi")) == changed(claim("1Gi"), claim("1024Mi")) == []
    assert changed(claim("2Gi"), claim("1Gi")) == [
        "spec.resources.requests.storage: Forbidden: field can not be less than status.capacity"
    ]
    assert changed(claim("1Gi"), claim("1Gi", ", storageClassName: x")) == [
        "spec: Forbidden: spec is immutable after creation except resources.requests and "
        "volumeAttributesClassName for bound claims"
    ]

"""imagePullSecrets: the kubelet's rules for keys, and what is wrong with a secret."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from podrun.registry.credentials import PullSecret, SecretKeyring
from podrun.registry.pullsecrets import DOCKER_CONFIG_JSON, DOCKERCFG, matches
from podrun.registry.types import RegistryError


def secret(auths: dict[str, str], *, legacy: bool = False) -> PullSecret:
    """Keys → names of users; each password is the name again."""
    name = "default/regcred"
    entries = {key: {"username": user, "password": user} for key, user in auths.items()}
    if legacy:
        return PullSecret(name, DOCKERCFG, json.dumps(entries).encode())
    return PullSecret(name, DOCKER_CONFIG_JSON, json.dumps({"auths": entries}).encode())


def users(keyring: SecretKeyring, host: str, repository: str = "x") -> list[str]:
    return [login.username for login in keyring.find(host, repository)]


# pkg/credentialprovider/keyring_test.go has more of the same kind
@pytest.mark.parametrize(
    ("key", "image", "does"),
    [
        ("kubernetes.io", "kubernetes.io/x", True),
        ("kubernetes.io", "k8s.io/x", False),
        ("*.kubernetes.io", "prefix.kubernetes.io/x", True),
        ("*.kubernetes.io", "kubernetes.io/x", False),
        ("*.kubernetes.io", "a.b.kubernetes.io/x", False),
        ("*.*.kubernetes.io", "a.b.kubernetes.io/x", True),
        ("app*.kubernetes.io", "app2.kubernetes.io/x", True),
        ("k8s.*.io", "k8s.gcr.io/x", True),
        ("k8s.*", "k8s.io/x", True),
        ("?.r.example", "a.r.example/x", True),
        ("?.r.example", "ab.r.example/x", False),
        ("[ab].r.example", "b.r.example/x", True),
        ("[^ab].r.example", "b.r.example/x", False),
        ("*", "localhost/x", True),
        ("*", "r.example/x", False),
        ("r.example", "r.example:5000/x", True),
        ("r.example:5000", "r.example:5000/x", True),
        ("r.example:5000", "r.example/x", False),
        ("r.example:5000", "r.example:5001/x", False),
        ("*.example:5000", "r.example:5000/x", True),
        ("r.example/team", "r.example/team/x", True),
        ("r.example/team", "r.example/team-2/x", True),
        ("r.example/team", "r.example/x", False),
        ("r.example/*", "r.example/x", False),
        ("[::1]:5000", "[::1]:5000/x", True),
        ("[::1]", "[::2]/x", False),
    ],
)
def test_matching(key: str, image: str, does: bool) -> None:
    assert matches(key, image) == does


def test_all_that_match_are_tried_most_specific_first() -> None:
    keyring = SecretKeyring(
        [
            secret({"r.example": "host", "*.example": "glob", "r.example/a": "a"}),
            secret({"r.example/a/b": "ab", "r.example/a": "a2", "other": "o"}),
        ]
    )
    assert users(keyring, "r.example", "a/b/c") == ["ab", "a", "a2", "host", "glob"]
    assert users(keyring, "r.example", "x") == ["host", "glob"]
    assert users(keyring, "q.example") == ["glob"]
    assert users(keyring, "example") == []


@pytest.mark.parametrize(
    "key", ["https://r.example/v1/", "http://r.example", "r.example/v2/", "https://r.example/"]
)
def test_keys_may_be_urls(key: str) -> None:
    assert users(SecretKeyring([secret({key: "me"})]), "r.example") == ["me"]
    keyring = SecretKeyring([secret({"https://r.example/v2/team": "me"})])
    assert users(keyring, "r.example", "team/x") == ["me"]
    assert users(keyring, "r.example", "x") == []


def test_docker_hubs_old_name_is_the_last_resort() -> None:
    keyring = SecretKeyring([secret({"https://index.docker.io/v1/": "old"})])
    assert users(keyring, "docker.io", "library/nginx") == ["old"]
    assert users(keyring, "r.example") == []
    keyring = SecretKeyring([secret({"https://index.docker.io/v1/": "old", "docker.io/me": "n"})])
    assert users(keyring, "docker.io", "me/x") == ["n"]
    assert users(keyring, "docker.io", "you/x") == ["old"]


def test_the_old_type_has_no_auths_around() -> None:
    assert users(SecretKeyring([secret({"r.example": "me"}, legacy=True)]), "r.example") == ["me"]


def test_auth_goes_before_name_and_password() -> None:
    entry: dict[str, Any] = {
        "username": "no",
        "password": "no",
        "auth": base64.b64encode(b"me:pw:1").decode(),
    }
    payload = json.dumps({"auths": {"r": entry, "empty": {}}}).encode()
    keyring = SecretKeyring([PullSecret("default/s", DOCKER_CONFIG_JSON, payload)])
    (login,) = keyring.find("r", "x")
    assert (login.username, login.password) == ("me", "pw:1")
    assert keyring.find("empty", "x") == ()


def test_from_a_secrets_data() -> None:
    data = {".dockerconfigjson": b"{}", ".dockercfg": b"{}"}
    for kind in (DOCKER_CONFIG_JSON, DOCKERCFG):
        made = PullSecret.of("default/s", kind, data)
        assert made is not None and SecretKeyring([made]).find("r", "x") == ()
    assert PullSecret.of("default/s", "Opaque", data) is None
    assert PullSecret.of("default/s", DOCKERCFG, {".dockerconfigjson": b"{}"}) is None
    assert PullSecret.of("default/s", DOCKERCFG, {".dockercfg": b""}) is None


@pytest.mark.parametrize(
    ("payload", "says"),
    [
        (b"s3cr3t", "is not JSON"),
        (b'["s3cr3t"]', "Expected `object`"),
        (b'{"auths": {"r": {"auth": "s3cr3t!"}}}', "auths['r']: auth is not base64"),
        (b'{"auths": {"r": {"auth": ["s3cr3t"]}}}', "auths['r']"),
        (b"\xff", "is not JSON"),
    ],
)
def test_a_broken_secret_is_named_and_not_shown(payload: bytes, says: str) -> None:
    broken = PullSecret("default/regcred", DOCKER_CONFIG_JSON, payload)
    with pytest.raises(RegistryError) as caught:
        SecretKeyring([broken])
    assert caught.value.message.startswith("secret default/regcred: ")
    assert says in caught.value.message
    assert "s3cr3t" not in caught.value.text + repr(broken)

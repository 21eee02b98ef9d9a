"""Logins against a real registry: basic, bearer tokens, and who never gets a password."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from podrun.registry.client import Repository, check_login
from podrun.registry.retry import Patience
from podrun.registry.types import Credential, Endpoint, NoKeyring, RegistryError
from tests.registry import (
    Certificate,
    Misbehaving,
    Registry,
    Serving,
    TokenServer,
    layout_manifest,
)

ANNA = Credential("anna", "secret")
WRONG = Credential("anna", "wrong")
IDENTITY = Credential(identity_token="identity-anna")
LIMIT = 1 << 20
QUICK = Patience(pause_first_seconds=0.01)


class Keys:
    """A keyring that knows these logins, and remembers what it was asked."""

    def __init__(self, *logins: Credential) -> None:
        self.logins = logins
        self.asked: list[tuple[str, str]] = []

    def find(self, host: str, repository: str) -> tuple[Credential, ...]:
        self.asked.append((host, repository))
        return self.logins


@pytest.fixture(scope="module")
def basic(serving: Serving) -> Registry:
    return serving(login=("anna", "secret"))


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TokenServer]:
    with TokenServer(tmp_path_factory.mktemp("tokens")) as server:
        yield server


@pytest.fixture(scope="module")
def bearer(serving: Serving, layout: Path, tokens: TokenServer) -> Registry:
    registry = serving(tokens=tokens)
    registry.push(layout, "public/app:v1")
    return registry


def digest_of(registry: Registry | Misbehaving, name: str, *logins: Credential) -> str:
    with Repository(registry.endpoint(name), Keys(*logins), patience=QUICK) as repository:
        return repository.manifest("v1", LIMIT).digest


# ── basic ────────────────────────────────────────────────────────────────────────────────────────


def test_basic_authentication(basic: Registry, layout: Path) -> None:
    assert digest_of(basic, "app", ANNA) == layout_manifest(layout)[0]


def test_logins_are_tried_in_order_until_one_fits(basic: Registry, bearer: Registry) -> None:
    for registry in (basic, bearer):
        assert digest_of(registry, "app", Credential("eve", "x"), WRONG, ANNA)


def test_the_keyring_is_asked_only_when_the_registry_asks(basic: Registry, tmp_path: Path) -> None:
    keys = Keys(ANNA)
    with Repository(basic.endpoint("app"), keys) as repository:
        assert keys.asked == []
        repository.manifest("v1", LIMIT)
        repository.manifest("v1", LIMIT)
    assert keys.asked == [(basic.host, "app")]


def test_no_login_where_one_is_needed(basic: Registry, bearer: Registry) -> None:
    for registry in (basic, bearer):
        with pytest.raises(RegistryError, match="access needs a login") as caught:
            digest_of(registry, "app")
        assert caught.value.status == 401
        assert caught.value.hint == f"podrun login {registry.host}"


def test_wrong_logins(basic: Registry, bearer: Registry) -> None:
    with pytest.raises(RegistryError, match="the login was refused") as caught:
        digest_of(basic, "app", WRONG)
    assert caught.value.status == 401
    with pytest.raises(RegistryError, match=r"refused the login 'anna'.*incorrect") as caught:
        digest_of(bearer, "app", WRONG)
    assert "wrong" not in caught.value.text
    assert caught.value.hint == f"podrun login {bearer.host}"


# ── bearer ───────────────────────────────────────────────────────────────────────────────────────


def test_everybody_gets_a_token_for_what_is_public(bearer: Registry) -> None:
    assert digest_of(bearer, "public/app")


def test_an_identity_token_is_exchanged_by_post(bearer: Registry, tokens: TokenServer) -> None:
    assert digest_of(bearer, "app", IDENTITY)
    assert tokens.requests()[-1] == {
        "method": "POST",
        "login": "anna",
        "scopes": ["repository:app:pull"],
        "grant": "refresh_token",
        "status": 200,
    }


def test_a_token_is_used_until_it_expires(bearer: Registry, tokens: TokenServer) -> None:
    before = len(tokens.requests())
    with Repository(bearer.endpoint("app"), Keys(ANNA)) as repository:
        digest = repository.manifest("v1", LIMIT).digest
        repository.manifest(digest, LIMIT)
        repository.tags()
    assert len(tokens.requests()) == before + 1


def test_a_token_that_expired_is_replaced(layout: Path, tmp_path: Path) -> None:
    with (
        TokenServer(tmp_path / "tokens", lifetime=1) as tokens,
        Registry(tmp_path / "registry", tokens=tokens) as registry,
    ):
        registry.push(layout, "app:v1")
        before = len(tokens.requests())
        with Repository(registry.endpoint("app"), Keys(ANNA)) as repository:
            repository.manifest("v1", LIMIT)
            repository.manifest("v1", LIMIT)
        assert len(tokens.requests()) == before + 2


def test_to_push_is_another_right(bearer: Registry, tokens: TokenServer) -> None:
    with Repository(bearer.endpoint("app"), Keys(ANNA), push=True) as repository:
        repository.manifest("v1", LIMIT)
    assert tokens.requests()[-1]["scopes"] == ["repository:app:pull,push"]
    with Repository(bearer.endpoint("public/x"), NoKeyring(), push=True) as repository:
        with pytest.raises(RegistryError, match="needs a login") as caught:
            repository.put_manifest("v1", "application/json", b"{}")
        assert caught.value.status == 401


def test_a_token_server_that_is_busy_is_asked_again(
    layout: Path, tmp_path: Path, tokens: TokenServer
) -> None:
    with Misbehaving(tmp_path / "way", tokens.host) as way:
        realm = f"http://{way.host}/token"
        with Registry(tmp_path / "registry", tokens=tokens, realm=realm) as registry:
            registry.push(layout, "public/app:v1")
            way.faults({"do": "answer", "status": 503, "times": 2})
            assert digest_of(registry, "public/app")
        assert [one["fault"] for one in way.requests()][-3:] == ["answer", "answer", ""]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("no JSON", "did not answer with a JSON object"),
        ("[]", "did not answer with a JSON object"),
        ('{"hello": 1}', "gave no token, only: hello"),
        ('{"token": "a\\r\\nX-Evil: 1"}', "gave no token"),
        ('{"token": 5}', "gave no token"),
        ("[" * 100_000, "did not answer with a JSON object"),
    ],
)
def test_a_token_server_that_talks_nonsense(
    bearer: Registry, tmp_path: Path, body: str, says: str
) -> None:
    with Misbehaving(tmp_path / "way", bearer.host) as way:
        challenge = {"WWW-Authenticate": f'Bearer realm="http://{way.host}/token"'}
        way.faults(
            {"match": "/v2/", "do": "answer", "status": 401, "headers": challenge},
            {"match": "/token", "do": "answer", "status": 200, "body": body},
        )
        with pytest.raises(RegistryError, match=says):
            digest_of(way, "app")


# ── who never gets a password ────────────────────────────────────────────────────────────────────


def test_a_login_does_not_follow_a_redirect(basic: Registry, tmp_path: Path) -> None:
    with (
        Misbehaving(tmp_path / "front", basic.host) as front,
        Misbehaving(tmp_path / "cdn", basic.host) as cdn,
    ):
        front.faults(
            {"match": "blobs", "do": "redirect", "to": f"http://{cdn.host}{{path}}"},
            {"match": "manifests/v2", "do": "redirect", "to": "/v2/app/manifests/v1"},
        )
        with Repository(front.endpoint("app"), Keys(ANNA), patience=QUICK) as repository:
            assert repository.manifest("v2", LIMIT).data  # to itself: it does
            with pytest.raises(RegistryError, match=r"where the registry sent us, answered 401"):
                repository.blob("sha256:" + "0" * 64, 5).read()
        assert any("authorization" in one["headers"] for one in front.requests())
        assert cdn.requests()
        assert not any("authorization" in one["headers"] for one in cdn.requests())


def test_a_challenge_of_another_host_is_not_answered(
    basic: Registry, tokens: TokenServer, tmp_path: Path
) -> None:
    with (
        Misbehaving(tmp_path / "front", basic.host) as front,
        Misbehaving(tmp_path / "cdn", basic.host) as cdn,
        Misbehaving(tmp_path / "thief", tokens.host) as thief,
    ):
        challenge = {"WWW-Authenticate": f'Bearer realm="http://{thief.host}/token"'}
        cdn.faults({"do": "answer", "status": 401, "headers": challenge})
        front.faults({"match": "blobs", "do": "redirect", "to": f"http://{cdn.host}{{path}}"})
        with (
            Repository(front.endpoint("app"), Keys(ANNA), patience=QUICK) as repository,
            pytest.raises(RegistryError, match=r"where the registry sent us, answered 401"),
        ):
            repository.blob("sha256:" + "0" * 64, 5).read()
        assert thief.requests() == []


def test_a_realm_without_tls_gets_nothing_from_a_registry_with(
    layout: Path, tokens: TokenServer, tmp_path: Path
) -> None:
    certificate = Certificate.make(tmp_path / "c")
    with (
        Misbehaving(tmp_path / "listener", tokens.host) as listener,
        Registry(
            tmp_path / "r",
            tokens=tokens,
            realm=f"http://{listener.host}/token",
            certificate=certificate,
        ) as registry,
    ):
        certs = install(certificate, tmp_path / "certs.d", registry.host)
        endpoint = registry.endpoint("app")
        with pytest.raises(RegistryError, match="not encrypted"):
            ask(endpoint, certs)
        assert listener.requests() == []
        insecure = msgspec.structs.replace(endpoint, insecure=True)
        with pytest.raises(RegistryError, match="manifest unknown"):
            ask(insecure, certs)
        sent = base64.b64decode(listener.requests()[0]["headers"]["authorization"].split()[1])
        assert sent == b"anna:secret"


def test_a_token_server_with_another_authority_gets_nothing(tmp_path: Path) -> None:
    ours, theirs = Certificate.make(tmp_path / "a"), Certificate.make(tmp_path / "b", "other")
    with (
        TokenServer(tmp_path / "t", certificate=theirs) as tokens,
        Registry(tmp_path / "r", tokens=tokens, certificate=ours) as registry,
    ):
        certs = install(ours, tmp_path / "certs.d", registry.host)
        with pytest.raises(RegistryError, match=f"certificate of {tokens.host} is not"):
            ask(registry.endpoint("app"), certs)
        assert tokens.requests() == []
        install(theirs, tmp_path / "certs.d", tokens.host)
        with pytest.raises(RegistryError, match="manifest unknown"):
            ask(registry.endpoint("app"), certs)


def ask(endpoint: Endpoint, certs: str) -> None:
    with Repository(endpoint, Keys(ANNA), certs_dirs=[certs], patience=QUICK) as repository:
        repository.manifest("v1", LIMIT)


def install(certificate: Certificate, certs_dir: Path, host: str) -> str:
    directory = certs_dir / host
    directory.mkdir(parents=True)
    (directory / "ca.crt").write_bytes(certificate.ca.read_bytes())
    return str(certs_dir)


# ── hidden from strangers ────────────────────────────────────────────────────────────────────────


def test_a_registry_that_says_not_found_to_strangers(basic: Registry, tmp_path: Path) -> None:
    with Misbehaving(tmp_path / "front", basic.host) as front:
        front.faults({"match": "manifests", "do": "answer", "status": 404, "times": 1})
        assert digest_of(front, "app", ANNA)
        front.faults({"match": "manifests", "do": "answer", "status": 404})
        with pytest.raises(RegistryError, match="not found or no access"):
            digest_of(front, "app")


# ── podrun login ─────────────────────────────────────────────────────────────────────────────────


def test_check_login(basic: Registry, bearer: Registry) -> None:
    for registry in (basic, bearer):
        check_login(registry.endpoint(""), ANNA)
        with pytest.raises(RegistryError, match=f"login to {registry.host}: .*refused") as caught:
            check_login(registry.endpoint(""), WRONG)
        assert caught.value.status == 401
    check_login(bearer.endpoint(""), IDENTITY)


def test_check_login_where_there_is_no_registry(basic: Registry, tmp_path: Path) -> None:
    with Misbehaving(tmp_path / "front", basic.host) as front:
        front.faults({"do": "answer", "status": 404})
        with pytest.raises(RegistryError, match="there is no registry"):
            check_login(front.endpoint(""), ANNA)
    with pytest.raises(RegistryError, match="is not the name of a host"):
        check_login(Endpoint("a b", "", "a b"), ANNA)

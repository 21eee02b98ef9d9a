"""Certificates, plain HTTP, and proxies, against a real registry."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from podrun.registry.client import Repository
from podrun.registry.retry import Patience
from podrun.registry.types import Endpoint, NoKeyring, RegistryError
from tests.registry import Certificate, Misbehaving, Registry, Serving, layout_manifest

LIMIT = 1 << 20
QUICK = Patience(connect_seconds=5, pause_first_seconds=0.01)
# A host that is not this machine: reached through a proxy that leads everything to the registry.
ELSEWHERE = "registry.test"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return Certificate.make(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="module")
def plain(serving: Serving) -> Registry:
    return serving()


@pytest.fixture(scope="module")
def secure(serving: Serving, certificate: Certificate) -> Registry:
    return serving(certificate=certificate)


@pytest.fixture
def proxied(
    secure: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Misbehaving]:
    with Misbehaving(tmp_path / "proxy", secure.host) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://bob:p%40ss@{proxy.host}")
        monkeypatch.delenv("https_proxy", raising=False)
        yield proxy


def digest_of(endpoint: Endpoint, *certs_dirs: Path) -> str:
    with Repository(
        endpoint, NoKeyring(), certs_dirs=list(map(str, certs_dirs)), patience=QUICK
    ) as repository:
        return repository.manifest("v1", LIMIT).digest


def install(certs_dir: Path, host: str, **files: Path) -> Path:
    """A directory of certs.d: ``ca_crt=path`` becomes ``ca.crt``."""
    (certs_dir / host).mkdir(parents=True)
    for name, source in files.items():
        shutil.copy(source, certs_dir / host / name.replace("_", "."))
    return certs_dir


# ── this machine ─────────────────────────────────────────────────────────────────────────────────


def test_a_registry_on_loopback_needs_no_tls_and_no_authority(
    plain: Registry, secure: Registry
) -> None:
    assert digest_of(plain.endpoint("app")) == digest_of(secure.endpoint("app"))
    by_name = plain.host.replace("127.0.0.1", "localhost")
    assert digest_of(Endpoint(by_name, "app", by_name))


def test_with_certificates_of_its_own_loopback_is_verified(
    plain: Registry, secure: Registry, certificate: Certificate, tmp_path: Path
) -> None:
    right = install(tmp_path / "right", secure.host, ca_crt=certificate.ca)
    assert digest_of(secure.endpoint("app"), tmp_path / "none", right)
    other = Certificate.make(tmp_path / "other", "other")
    wrong = install(tmp_path / "wrong", secure.host, ca_crt=other.ca)
    with pytest.raises(RegistryError, match="is not to be trusted") as caught:
        digest_of(secure.endpoint("app"), wrong)
    assert f"certs.d/{secure.host}" in caught.value.hint
    never = install(tmp_path / "never", plain.host)
    with pytest.raises(RegistryError, match="speaks no HTTPS"):
        digest_of(plain.endpoint("app"), never)


def test_insecure_wins_over_certificates(secure: Registry, tmp_path: Path) -> None:
    certs = install(tmp_path / "certs.d", secure.host)
    assert digest_of(secure.endpoint("app", insecure=True), certs)


def test_a_client_shows_its_certificate(
    layout: Path, certificate: Certificate, tmp_path: Path
) -> None:
    client = Certificate.make(tmp_path / "client", "client")
    with Registry(tmp_path / "r", certificate=certificate, client_ca=client.ca) as registry:
        host = registry.host
        only_ca = install(tmp_path / "1", host, ca_crt=certificate.ca)
        with pytest.raises(RegistryError) as caught:
            digest_of(registry.endpoint("app"), only_ca)
        assert "wants a client's certificate" in caught.value.text or caught.value.status == 0
        both = install(
            tmp_path / "2",
            host,
            ca_crt=certificate.ca,
            me_cert=client.certificate,
            me_key=client.key,
        )
        with pytest.raises(RegistryError, match="manifest unknown"):
            digest_of(registry.endpoint("app"), both)
        half = install(tmp_path / "3", host, me_cert=client.certificate)
        with pytest.raises(RegistryError, match=r"me.cert: there is no me.key beside it"):
            digest_of(registry.endpoint("app"), half)
        bad = install(tmp_path / "4", host, ca_crt=client.key)
        with pytest.raises(RegistryError, match=r"cannot use .*ca.crt"):
            digest_of(registry.endpoint("app"), bad)


# ── elsewhere, through a proxy ───────────────────────────────────────────────────────────────────


def test_https_through_a_proxy(
    proxied: Misbehaving, certificate: Certificate, tmp_path: Path, layout: Path
) -> None:
    certs = install(tmp_path / "certs.d", ELSEWHERE, ca_crt=certificate.ca)
    endpoint = Endpoint(ELSEWHERE, "app", ELSEWHERE)
    assert digest_of(endpoint, certs) == layout_manifest(layout)[0]
    asked = proxied.requests()
    assert [(one["method"], one["path"]) for one in asked] == [("CONNECT", f"{ELSEWHERE}:443")]
    assert asked[0]["headers"]["proxy-authorization"] == "Basic Ym9iOnBAc3M="


def test_elsewhere_a_certificate_is_verified_unless_insecure(
    proxied: Misbehaving, monkeypatch: pytest.MonkeyPatch, certificate: Certificate
) -> None:
    with pytest.raises(RegistryError, match="is not to be trusted"):
        digest_of(Endpoint(ELSEWHERE, "app", ELSEWHERE))
    assert digest_of(Endpoint(ELSEWHERE, "app", ELSEWHERE, insecure=True))
    monkeypatch.setenv("SSL_CERT_FILE", "/nonexistent")
    with pytest.raises(RegistryError) as caught:
        digest_of(Endpoint(ELSEWHERE, "app", ELSEWHERE))
    assert caught.value.hint == "SSL_CERT_FILE names /nonexistent, which does not exist"
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.ca))
    assert digest_of(Endpoint(ELSEWHERE, "app", ELSEWHERE))


def test_another_hosts_certificate_is_refused(
    proxied: Misbehaving, certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.ca))
    with pytest.raises(RegistryError, match=r"not to be trusted: Hostname mismatch"):
        digest_of(Endpoint("other.test", "app", "other.test"))


def test_plain_http_through_a_proxy_when_insecure(
    plain: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Misbehaving(tmp_path / "proxy", plain.host) as proxy:
        for name in ("HTTP_PROXY", "HTTPS_PROXY"):
            monkeypatch.setenv(name, proxy.host)
        assert digest_of(Endpoint(ELSEWHERE, "app", ELSEWHERE, insecure=True))
        assert proxy.requests()[-1]["path"] == f"http://{ELSEWHERE}/v2/app/manifests/v1"
        with pytest.raises(RegistryError, match="speaks no HTTPS"):
            digest_of(Endpoint(ELSEWHERE, "app", ELSEWHERE))


def test_a_proxy_that_refuses_is_named(
    proxied: Misbehaving, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxied.faults({"do": "answer", "status": 407})
    with pytest.raises(RegistryError, match=r"the proxy: .*407") as caught:
        digest_of(Endpoint(ELSEWHERE, "app", ELSEWHERE))
    assert "p@ss" not in caught.value.text and "p%40ss" not in caught.value.text
    monkeypatch.setenv("HTTPS_PROXY", "socks5://bob:secret@127.0.0.1:1")
    with pytest.raises(RegistryError, match="HTTPS_PROXY is not the URL") as caught:
        digest_of(Endpoint(ELSEWHERE, "app", ELSEWHERE))
    assert "secret" not in caught.value.text


# ── redirects between the two ────────────────────────────────────────────────────────────────────


def test_a_redirect_from_https_to_http_is_refused_unless_insecure(
    plain: Registry, certificate: Certificate, tmp_path: Path
) -> None:
    with Misbehaving(tmp_path / "front", plain.host, certificate) as front:
        certs = install(tmp_path / "certs.d", front.host, ca_crt=certificate.ca)
        front.faults({"match": "manifests", "do": "redirect", "to": f"http://{plain.host}{{path}}"})
        with pytest.raises(RegistryError, match=r"leads to http://.*not encrypted"):
            digest_of(front.endpoint("app"), certs)
        assert digest_of(front.endpoint("app", insecure=True), certs)

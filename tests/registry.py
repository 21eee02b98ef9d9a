"""A registry of a test's own: Debian's docker-registry on a free loopback port.

    with Registry(tmp_path / "r") as registry:                      # open to all, plain HTTP
        registry.push(oci_image(tmp_path / "i", [{"etc/motd": b"hi"}]), "app:v1")
        registry.endpoint("app")                                    # for registry.client.Repository

    Registry(path, login=("anna", "secret"))      basic authentication
    Registry(path, tokens=TokenServer)            bearer tokens; login as above
    Registry(path, certificate=Certificate.make(path))   HTTPS, signed by certificate.ca

``Misbehaving(registry.host)`` stands in front of one and does what its faults say
(``tests.misbehaving``). All of them are child processes that end with their ``with`` block.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pytest

from podrun.registry.types import Endpoint
from tests.node import PATIENCE, wait_until

PROJECT = Path(__file__).resolve().parent.parent
SERVICE, ISSUER = "podrun-test-registry", "podrun-test-tokens"
_LISTENING = re.compile(r"listening on ([0-9.]+:\d+)")
_Self = TypeVar("_Self", bound="_Server")
#: starts a registry with these settings, to the end of the module's tests
Serving = Callable[..., "Registry"]
NOW = 1_700_000_000.0  # Tue, 14 Nov 2023 22:13:20 GMT


class FakeClock:
    """A clock on which sleeping takes no time; ``slept`` tells how long it would have been."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return sum(self.slept)

    def time(self) -> float:
        return NOW + sum(self.slept)

    def sleep(self, seconds: float, /) -> None:
        self.slept.append(seconds)


def need(*programs: str) -> None:
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")


def run(*command: str | Path, input: str = "") -> str:
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False, input=input
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


class _Server:
    """A child process with a log; ``host`` is ``127.0.0.1:PORT`` once it listens."""

    host = ""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self._process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str | Path]:
        raise NotImplementedError

    def __enter__(self: _Self) -> _Self:
        log = self._log
        with log.open("wb") as out:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *self.command()],  # a killed run leaves nothing
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd=PROJECT,
            )
        try:
            self.host = wait_until(lambda: self._listening(log), what=f"{log.name}: a port")
        except BaseException:
            self.close()
            raise
        return self

    def _listening(self, log: Path) -> str:
        text = log.read_text(errors="replace")
        assert self._process is not None and self._process.poll() is None, text
        found = _LISTENING.search(text)
        return found[1] if found else ""

    @property
    def _log(self) -> Path:
        return self.directory / f"{type(self).__name__.lower()}.log"

    def _said(self) -> list[dict[str, Any]]:
        """The lines of JSON in the log; it is written all the time: what has no end yet is none."""
        lines = self._log.read_text().rpartition("\n")[0].splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def close(self) -> None:
        """End it at once. Idempotent."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(20 * PATIENCE)
            self._process = None

    def __exit__(self, *exc: object) -> None:
        self.close()


class Certificate:
    """A server's certificate for 127.0.0.1, ::1, localhost and registry.test, and its authority."""

    def __init__(self, directory: Path) -> None:
        self.ca = directory / "ca.crt"
        self.certificate = directory / "server.crt"
        self.key = directory / "server.key"

    @classmethod
    def make(cls, directory: Path, name: str = "podrun test") -> Certificate:
        need("openssl")
        directory.mkdir(parents=True, exist_ok=True)
        made = cls(directory)
        ca_key, request = directory / "ca.key", directory / "server.csr"
        extensions = directory / "server.ext"
        extensions.write_text(
            "subjectAltName=DNS:localhost,DNS:registry.test,IP:127.0.0.1,IP:::1\n"
        )
        curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
        run(
            "openssl", "req", "-x509", *curve, "-days", "2", "-subj", f"/CN={name} CA",
            "-keyout", ca_key, "-out", made.ca,
        )  # fmt: skip
        run(
            "openssl", "req", *curve, "-subj", f"/CN={name}",
            "-keyout", made.key, "-out", request,
        )  # fmt: skip
        run(
            "openssl", "x509", "-req", "-in", request, "-CA", made.ca, "-CAkey", ca_key,
            "-CAcreateserial", "-days", "2", "-extfile", extensions, "-out", made.certificate,
        )  # fmt: skip
        return made


class TokenServer(_Server):
    """Gives bearer tokens: everything to ``login`` (also by POST, with the identity token
    ``identity-NAME``), pulling from ``public/…`` to everybody. ``url`` is the realm.

    ``lifetime`` is what it says as expires_in, in seconds.
    """

    def __init__(
        self,
        directory: Path,
        login: tuple[str, str] = ("anna", "secret"),
        lifetime: int = 300,
        certificate: Certificate | None = None,
    ) -> None:
        super().__init__(directory)
        need("openssl")
        self.login = login
        self.lifetime = lifetime
        self.certificate = certificate
        self.roots, self.key = directory / "tokens.crt", directory / "tokens.key"
        run(
            "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
            "-subj", f"/CN={ISSUER}", "-keyout", self.key, "-out", self.roots,
        )  # fmt: skip

    def command(self) -> list[str | Path]:
        tls = self.certificate
        settings = {
            "service": SERVICE,
            "issuer": ISSUER,
            "key": str(self.key),
            "certificate": str(self.roots),
            "login": self.login,
            "lifetime": self.lifetime,
            "tls": [str(tls.certificate), str(tls.key)] if tls else None,
        }
        return [sys.executable, "-m", "tests.token_server", json.dumps(settings)]

    @property
    def url(self) -> str:
        return f"{'https' if self.certificate else 'http'}://{self.host}/token"

    def requests(self) -> list[dict[str, Any]]:
        """What it was asked: {"method", "login", "scopes", "grant", "status"}, in order."""
        return self._said()


class Registry(_Server):
    def __init__(
        self,
        directory: Path,
        *,
        login: tuple[str, str] | None = None,
        tokens: TokenServer | None = None,
        realm: str = "",
        certificate: Certificate | None = None,
        client_ca: Path | None = None,
    ) -> None:
        """``realm``: another way to the token server than its ``url``. ``client_ca``: clients
        have to show a certificate of this authority."""
        super().__init__(directory)
        need("docker-registry")
        self.login = tokens.login if tokens else login
        self.certificate = certificate
        self._config = directory / "config.json"  # JSON is YAML, too
        self._config.write_text(json.dumps(self._settings(tokens, realm, client_ca)))

    def _settings(
        self, tokens: TokenServer | None, realm: str, client_ca: Path | None
    ) -> dict[str, Any]:
        http: dict[str, Any] = {"addr": "127.0.0.1:0", "secret": "test"}
        if self.certificate:
            names = self.certificate
            http["tls"] = {"certificate": str(names.certificate), "key": str(names.key)}
            if client_ca:
                http["tls"]["clientcas"] = [str(client_ca)]
        storage = {
            "filesystem": {"rootdirectory": str(self.directory / "data")},
            "delete": {"enabled": True},
        }
        settings: dict[str, Any] = {"version": "0.1", "storage": storage, "http": http}
        if tokens:
            settings["auth"] = {
                "token": {
                    "realm": realm or tokens.url,
                    "service": SERVICE,
                    "issuer": ISSUER,
                    "rootcertbundle": str(tokens.roots),
                }
            }
        elif self.login:
            settings["auth"] = {"htpasswd": {"realm": "test", "path": str(self._htpasswd())}}
        return settings

    def _htpasswd(self) -> Path:
        need("htpasswd")
        assert self.login is not None
        path = self.directory / "htpasswd"
        path.write_text(run("htpasswd", "-nbB", "-C", "4", *self.login))
        return path

    def command(self) -> list[str | Path]:
        return ["docker-registry", "serve", self._config]

    def endpoint(self, repository: str, *, insecure: bool = False) -> Endpoint:
        return Endpoint(self.host, repository, self.host, insecure)

    def push(self, layout: Path, name: str, tag: str = "v1") -> str:
        """Push ``tag`` of an OCI image layout as ``name`` (``app:v1``); returns ``host/name``."""
        need("skopeo")
        login = [f"--dest-creds={':'.join(self.login)}"] if self.login else []
        target = f"docker://{self.host}/{name}"
        run(
            "skopeo", "copy", "--quiet", "--all", "--preserve-digests", "--dest-tls-verify=false",
            *login, f"oci:{layout}:{tag}", target,
        )  # fmt: skip
        return f"{self.host}/{name}"


class Misbehaving(_Server):
    """A proxy in front of ``upstream`` (``host:port``, plain HTTP) that does wrong as told.

    See ``tests.misbehaving`` for the faults. With a certificate it speaks HTTPS to its clients.
    It also serves as an HTTP proxy (HTTP_PROXY, HTTPS_PROXY): all hosts are ``upstream`` then.
    """

    def __init__(
        self, directory: Path, upstream: str, certificate: Certificate | None = None
    ) -> None:
        super().__init__(directory)
        self._upstream = upstream
        self._control = directory / "faults.json"
        self._tls = [certificate.certificate, certificate.key] if certificate else []

    def command(self) -> list[str | Path]:
        return [
            sys.executable, "-m", "tests.misbehaving", self._upstream, self._control, *self._tls
        ]  # fmt: skip

    def faults(self, *faults: Mapping[str, Any]) -> None:
        """From now on these, and only these."""
        temporary = self._control.with_suffix(".new")
        temporary.write_text(json.dumps(faults))
        os.replace(temporary, self._control)

    def requests(self) -> list[dict[str, Any]]:
        """What it was asked: {"method", "path", "headers" (names in lower case), "fault"}."""
        return self._said()

    def endpoint(self, repository: str, *, insecure: bool = False) -> Endpoint:
        return Endpoint(self.host, repository, self.host, insecure)


# ── images ───────────────────────────────────────────────────────────────────────────────────────


def oci_image(
    layout: Path,
    layers: Sequence[Mapping[str, bytes]],
    *,
    tag: str = "v1",
    config: Mapping[str, Any] | None = None,
) -> Path:
    """An OCI image layout with one image: each layer has these files, gzip-compressed."""
    (layout / "blobs" / "sha256").mkdir(parents=True, exist_ok=True)
    tars = [_tar(files) for files in layers]
    blobs = [gzip.compress(tar, mtime=0) for tar in tars]
    configuration = {
        "architecture": _architecture(),
        "os": "linux",
        "config": dict(config or {}),
        "rootfs": {"type": "layers", "diff_ids": [_digest(tar) for tar in tars]},
    }
    oci = "application/vnd.oci.image"
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{oci}.manifest.v1+json",
        "config": _store(layout, json.dumps(configuration).encode(), f"{oci}.config.v1+json"),
        "layers": [_store(layout, blob, f"{oci}.layer.v1.tar+gzip") for blob in blobs],
    }
    entry = _store(layout, json.dumps(manifest).encode(), f"{oci}.manifest.v1+json")
    entry["annotations"] = {"org.opencontainers.image.ref.name": tag}
    (layout / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    return layout


def layout_manifest(layout: Path) -> tuple[str, dict[str, Any]]:
    """(digest, manifest) of the first image of a layout."""
    digest: str = json.loads((layout / "index.json").read_text())["manifests"][0]["digest"]
    return digest, json.loads(layout_blob(layout, digest))


def layout_blob(layout: Path, digest: str) -> bytes:
    return (layout / "blobs" / digest.replace(":", "/")).read_bytes()


def _tar(files: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(content), 0o755
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def _architecture() -> str:
    names = {"x86_64": "amd64", "aarch64": "arm64"}
    return names.get(os.uname().machine, os.uname().machine)


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _store(layout: Path, data: bytes, media_type: str) -> dict[str, Any]:
    digest = _digest(data)
    (layout / "blobs" / digest.replace(":", "/")).write_bytes(data)
    return {"mediaType": media_type, "digest": digest, "size": len(data)}

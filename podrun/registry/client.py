"""The distribution API of one repository (opencontainers/distribution-spec 1.1, Docker's v2).

    with Repository(endpoint, keyring) as repository:
        manifest = repository.manifest("v1", 4 << 20)
        with repository.blob(digest, size) as layer: ...

Synchronous, one request at a time; a worker that reads several blobs at once has one Repository for
each process (``after_fork``). Where requests may go is in ``registry.origin``, what is tried again
in ``registry.retry``, who gets which login in ``registry.auth`` and ``registry.tokens``.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Sequence
from typing import Any, BinaryIO
from urllib.parse import urlencode

import msgspec

from podrun.registry.blob import BlobReader
from podrun.registry.retry import Clock, Patience
from podrun.registry.session import Call, Document, Session
from podrun.registry.types import Credential, Endpoint, Keyring, RegistryError
from podrun.registry.upload import Tell, Upload

MANIFEST_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_NEXT = re.compile(r'<([^<>]{1,4096})>\s*;\s*rel="?next"?', re.IGNORECASE)
_ANSWER_MAX = 64 << 10
_TAGS_PAGE_MAX = 4 << 20
_TAGS_PAGES = 1000


class Fetched(msgspec.Struct, frozen=True):
    """A manifest or an index. ``media_type`` is what the registry's header says, without
    parameters, "" without one; ``digest`` is computed from ``data``."""

    media_type: str
    digest: str
    data: bytes


class Repository:
    """One endpoint's repository, and the connections to it. Closing it ends them.

    ``push`` asks for the right to push, too, where the registry wants tokens. Every method raises
    RegistryError (``status``: of the registry's answer, 0 when there was none).
    """

    def __init__(
        self,
        endpoint: Endpoint,
        keyring: Keyring,
        *,
        certs_dirs: Sequence[str] = (),
        push: bool = False,
        patience: Patience | None = None,
        clock: Clock = time,
    ) -> None:
        self.endpoint = endpoint
        scope = f"repository:{endpoint.repository}:{'pull,push' if push else 'pull'}"
        self._session = Session(
            endpoint, keyring, certs_dirs, (scope,), patience=patience, clock=clock
        )
        self._opened: dict[str, str] = {}  # digest → upload session that a mount became

    def __enter__(self) -> Repository:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        self._session.close()

    def after_fork(self) -> None:
        """In a child: forget the parent's connections, keep what is known of scheme and login."""
        self._session.close()

    # ── reading ──────────────────────────────────────────────────────────────────────────────────

    def manifest(self, reference: str, max_bytes: int) -> Fetched:
        """By tag or by digest; one that does not have its digest is refused."""
        what = self._what(f"manifest {reference}")
        headers = {"Accept": ", ".join(MANIFEST_TYPES)}
        call = Call("GET", self._path(f"manifests/{reference}"), what, headers)
        answer = self._session.document(call, max_bytes)
        digest = f"sha256:{hashlib.sha256(answer.data).hexdigest()}"
        said = answer.headers.get("docker-content-digest", "")
        wanted = reference if ":" in reference else said
        if wanted.startswith("sha256:") and wanted != digest:
            raise RegistryError(f"{what}: has digest {digest}, not {wanted[:80]}")
        return Fetched(_media_type(answer), digest, answer.data)

    def head_manifest(self, reference: str) -> str | None:
        """The digest a tag has now, without its bytes; None: the registry does not tell."""
        what = self._what(f"manifest {reference}")
        headers = {"Accept": ", ".join(MANIFEST_TYPES)}
        call = Call(
            "HEAD", self._path(f"manifests/{reference}"), what, headers, accept=(200, 400, 405)
        )
        answer = self._session.document(call, _ANSWER_MAX)
        digest = answer.headers.get("docker-content-digest", "")
        return digest if answer.status == 200 and _DIGEST.fullmatch(digest) else None

    def blob(self, digest: str, size: int, offset: int = 0) -> BlobReader:
        """The blob's bytes from ``offset`` on; nothing is asked for before the first read."""
        call = Call("GET", self._blob_path(digest), self._what(f"blob {_short(digest)}"))
        return BlobReader(self._session, call, size, offset)

    def has_blob(self, digest: str) -> bool:
        what = self._what(f"blob {_short(digest)}")
        # A redirect says yes: nobody signs a URL for what is not there.
        accept = (200, 301, 302, 303, 307, 308, 404)
        call = Call("HEAD", self._blob_path(digest), what, accept=accept, follow=False)
        return self._session.document(call, _ANSWER_MAX).status != 404

    def tags(self) -> list[str]:
        """All tags, in the registry's order."""
        what = self._what("tags")
        path, found = self._path("tags/list"), []
        for _ in range(_TAGS_PAGES):
            answer = self._session.document(Call("GET", path, what), _TAGS_PAGE_MAX)
            found += _tags(answer.data, what)
            following = _NEXT.search(answer.headers.get("link", ""))
            if not following:
                return found
            path = self._session.target(answer.url, following[1])
        raise RegistryError(f"{what}: more than {_TAGS_PAGES} pages")

    # ── writing ──────────────────────────────────────────────────────────────────────────────────

    def mount(self, digest: str, from_repository: str) -> bool:
        """Have the registry take a blob from another repository of its own; False: send it."""
        query = urlencode({"mount": digest, "from": from_repository})
        call = Call(
            "POST", f"{self._path('blobs/uploads/')}?{query}", self._what("blobs"),
            accept=(201, 202), scopes=(f"repository:{from_repository}:pull",),
        )  # fmt: skip
        answer = self._session.document(call, _ANSWER_MAX)
        location = answer.headers.get("location", "")
        if answer.status == 202 and location:
            self._opened[digest] = self._session.target(answer.url, location)
        return answer.status == 201

    def upload(self, digest: str, size: int, source: BinaryIO, tell: Tell) -> None:
        """Send a blob; ``source`` can seek. ``tell`` gets the number of bytes sent so far, which
        goes back when some have to be sent again."""
        what = self._what(f"blob {_short(digest)}")
        location = self._opened.pop(digest, "")
        path = self._path("blobs/uploads/")
        Upload(self._session, path, what, digest, size, source, tell, location).run()

    def put_manifest(self, reference: str, media_type: str, data: bytes) -> str:
        """Give it a tag, or its digest; returns its digest."""
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        what = self._what(f"manifest {reference}")
        call = Call(
            "PUT", self._path(f"manifests/{reference}"), what, {"Content-Type": media_type},
            body=lambda: data, body_bytes=len(data), accept=(200, 201, 202),
            wait_seconds=self._session.patience.commit_seconds,
        )  # fmt: skip
        answer = self._session.document(call, _ANSWER_MAX)
        said = answer.headers.get("docker-content-digest", "")
        if said.startswith("sha256:") and said != digest:
            raise RegistryError(f"{what}: the registry stored {said[:80]}, not {digest}")
        return digest

    # ── names ────────────────────────────────────────────────────────────────────────────────────

    def _path(self, rest: str) -> str:
        return f"/v2/{self.endpoint.repository}/{rest}"

    def _blob_path(self, digest: str) -> str:
        if not _DIGEST.fullmatch(digest):  # it may come from a hostile manifest
            raise RegistryError(f"{digest[:80]!r} is not a sha256 digest")
        return self._path(f"blobs/{digest}")

    def _what(self, thing: str) -> str:
        return f"{thing} of {self.endpoint.host}/{self.endpoint.repository}"


def check_login(
    endpoint: Endpoint,
    credential: Credential,
    certs_dirs: Sequence[str] = (),
    *,
    patience: Patience | None = None,
) -> None:
    """Raises RegistryError when the registry does not take the login (status 401 or 403).

    ``endpoint.repository`` does not matter. A registry that asks nobody for a login takes any.
    """

    class Only:
        def find(self, host: str, repository: str) -> tuple[Credential, ...]:
            return (credential,)

    session = Session(endpoint, Only(), certs_dirs, patience=patience)
    try:
        session.document(Call("GET", "/v2/", f"login to {endpoint.domain}"), _ANSWER_MAX)
    except RegistryError as error:
        if error.status != 404:
            raise
        text = f"login to {endpoint.domain}: there is no registry at {endpoint.host}"
        raise RegistryError(text, hint="it answers 404 for /v2/", status=404) from None
    finally:
        session.close()


def _media_type(answer: Document) -> str:
    return answer.headers.get("content-type", "").partition(";")[0].strip().lower()


def _short(digest: str) -> str:
    return digest[:19]


def _tags(data: bytes, what: str) -> list[str]:
    try:
        said: Any = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        said = None
    tags = said.get("tags") if isinstance(said, dict) else said
    if not isinstance(said, dict) or not isinstance(tags, list | None):
        raise RegistryError(f"{what}: the registry's list is not readable")
    return [tag for tag in tags or () if isinstance(tag, str)]

"""Requests to one endpoint: with its login, redirected, tried again.

    document(), open_()                  tries and pauses (registry.retry)
      └─ ask()                           answers challenges (registry.auth)
           └─ _follow()                  redirects (registry.origin)
                └─ Transport.send()      one request

The scheme is https. Only for an endpoint that may be spoken to without TLS it is found out first,
by asking for /v2/: https, then http when https cannot be spoken.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NoReturn, TypeVar

import msgspec

from podrun.registry import origin, problem, tls, tokens
from podrun.registry.auth import Authorizer
from podrun.registry.retry import TEMPORARY_STATUSES, Backoff, Clock, Patience, Temporary
from podrun.registry.retry import retry_after as read_retry_after
from podrun.registry.types import Credential, Endpoint, Keyring, RegistryError

if TYPE_CHECKING:
    from podrun.registry.transport import Answer, Body, Transport

REDIRECTS = frozenset({301, 302, 303, 307, 308})
REDIRECTS_MAX = 8
TOKEN_ANSWER_MAX = 1 << 20
T = TypeVar("T")


class Call(msgspec.Struct, frozen=True):
    """One request. ``what`` names its object in errors; ``url`` may be a path of the endpoint.

    ``body`` makes what is sent, anew for each try, with its length.
    """

    method: str
    url: str
    what: str
    headers: dict[str, str] = {}
    body: Callable[[], Body | bytes] | None = None
    body_bytes: int = 0
    accept: tuple[int, ...] = (200,)
    scopes: tuple[str, ...] = ()
    wait_seconds: float = 0.0
    follow: bool = True


class Document(msgspec.Struct, frozen=True):
    status: int
    headers: Mapping[str, str]
    data: bytes
    url: str


class Session:
    """One endpoint's scheme, login and connections."""

    def __init__(
        self,
        endpoint: Endpoint,
        keyring: Keyring,
        certs_dirs: Sequence[str] = (),
        scopes: tuple[str, ...] = (),
        *,
        patience: Patience | None = None,
        clock: Clock = time,
    ) -> None:
        self.endpoint = endpoint
        self.patience = patience or Patience()
        self.clock = clock
        self.scopes = scopes
        self._certs_dirs = tuple(certs_dirs)
        _check_host(endpoint.host)
        has_certs = bool(tls.directories(endpoint.host, certs_dirs))
        self._safety = origin.Safety(endpoint, has_certs=has_certs)
        self._base = "" if self._safety.lax(endpoint.host) else f"https://{endpoint.host}"
        self._transport: Transport | None = None
        self.auth = Authorizer(
            lambda: keyring.find(endpoint.domain, endpoint.repository),
            self._fetch_token,
            clock.monotonic,
        )

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()
            self._transport = None

    @property
    def transport(self) -> Transport:
        if self._transport is None:
            from podrun.registry.transport import Transport  # urllib3 is not cheap to load

            self._transport = Transport(self._safety, self._certs_dirs, self.patience)
        return self._transport

    # ── with further tries ───────────────────────────────────────────────────────────────────────

    def retried(self, work: Callable[[], T]) -> T:
        """``work`` until it raises no Temporary, or it has been enough."""
        backoff = Backoff(self.patience, self.clock)
        while True:
            try:
                return work()
            except Temporary as failure:
                backoff.pause(failure)

    def document(self, call: Call, max_bytes: int) -> Document:
        """The answer with its whole body, of ``max_bytes`` at the most."""

        def work() -> Document:
            answer = self.ask(call)
            try:
                data = answer.document(max_bytes, self.patience.document_seconds)
            except RegistryError as error:
                raise _about(error, call.what) from None
            return Document(answer.status, answer.headers, data, answer.url)

        return self.retried(work)

    # ── one try ──────────────────────────────────────────────────────────────────────────────────

    def ask(self, call: Call) -> Answer:
        """An answer with a status of ``call.accept``.

        Raises Temporary when another try may help, else RegistryError, with the reason in words.
        """
        try:
            return self._answered(call)
        except RegistryError as error:
            raise _about(error, call.what) from None

    def _answered(self, call: Call) -> Answer:
        scopes = (*self.scopes, *call.scopes)
        probed = False
        while True:
            answer = self._follow(call, self.auth.header(scopes))
            if answer.status in call.accept:
                self.auth.succeeded()
                return answer
            body = answer.gist()
            if answer.status not in {401, 403, 404} or not self._is_ours(answer.url):
                self._refuse(answer, body)
            if self.auth.refused(answer.status, answer.challenges(), scopes):
                continue
            if probed or not self.auth.has_hidden_logins or not self._hidden_challenge(scopes):
                self._refuse(answer, body)
            probed = True

    def _hidden_challenge(self, scopes: tuple[str, ...]) -> bool:
        """Some registries say "not found" to strangers, and ask for a login only at /v2/."""
        ping = self._follow(Call("GET", "/v2/", ""), "")
        ping.gist()
        refused = ping.status == 401 and self._is_ours(ping.url)
        return refused and self.auth.refused(401, ping.challenges(), scopes)

    def _refuse(self, answer: Answer, body: bytes) -> NoReturn:
        refusal = self._refusal(answer, body)
        if answer.status in TEMPORARY_STATUSES:
            after = read_retry_after(answer.header("retry-after"), self.clock.time())
            raise Temporary(refusal.message, hint=refusal.hint, status=answer.status, after=after)
        raise refusal

    def _refusal(self, answer: Answer, body: bytes) -> RegistryError:
        if self._is_ours(answer.url):
            login = self.endpoint.domain
            return problem.refusal("", answer.status, body, login=login, tried=self.auth.tried)
        there = origin.split(answer.url).netloc
        text = f"{there}, where the registry sent us, answered {problem.status_text(answer.status)}"
        return RegistryError(text, status=answer.status)

    def _follow(self, call: Call, authorization: str) -> Answer:
        """Send, and go where it leads; the login only to the endpoint itself."""
        url, method = self.url(call.url), call.method
        for _ in range(REDIRECTS_MAX):
            answer = self._send(call, method, url, authorization)
            if answer.status not in REDIRECTS or not call.follow or not answer.header("location"):
                return answer
            if method not in {"GET", "HEAD"} and answer.status not in {307, 308}:
                return answer
            answer.gist()
            url = self._safety.target(url, answer.header("location"))
        raise RegistryError(f"more than {REDIRECTS_MAX} redirects, the last to {_short(url)}")

    def _send(self, call: Call, method: str, url: str, authorization: str) -> Answer:
        headers = dict(call.headers)
        if authorization and self._is_ours(url):
            headers["Authorization"] = authorization
        body = None
        if call.body is not None:
            headers["Content-Length"] = str(call.body_bytes)
            body = call.body()
        elif method in {"POST", "PUT", "PATCH"}:
            headers["Content-Length"] = "0"
        return self.transport.send(method, url, headers, body, wait_seconds=call.wait_seconds)

    # ── where ────────────────────────────────────────────────────────────────────────────────────

    def url(self, path: str) -> str:
        """``path`` at the endpoint; a whole URL stays as it is."""
        return f"{self._found_base()}{path}" if path.startswith("/") else path

    def target(self, base: str, location: str) -> str:
        """Where a Location header leads, checked. Raises RegistryError."""
        return self._safety.target(base, location)

    def _is_ours(self, url: str) -> bool:
        return origin.origin(url) == origin.origin(self._found_base())

    def _found_base(self) -> str:
        if not self._base:
            self._base = self.retried(self._find_base)
        return self._base

    def _find_base(self) -> str:
        secure = f"https://{self.endpoint.host}"
        try:
            self.transport.send("GET", f"{secure}/v2/", {}).gist()
        except Temporary:  # refused, no TLS there, or a server that waits for a line to end
            plain = f"http://{self.endpoint.host}"
            self.transport.send("GET", f"{plain}/v2/", {}).gist()
            return plain
        return secure

    # ── tokens ───────────────────────────────────────────────────────────────────────────────────

    def _fetch_token(
        self, realm: str, service: str, scopes: tuple[str, ...], login: Credential | None
    ) -> tokens.Token:
        realm = self._safety.target(self._found_base(), realm)
        request = tokens.request(realm, service, scopes, login)
        server = origin.split(realm).netloc
        answer = self.transport.send(request.method, request.url, request.headers, request.body)
        data = answer.document(TOKEN_ANSWER_MAX, self.patience.document_seconds)
        if answer.status == 200:
            return tokens.read(data, server, self.clock.monotonic())
        self._token_refused(answer, data, server, login)

    def _token_refused(
        self, answer: Answer, data: bytes, server: str, login: Credential | None
    ) -> NoReturn:
        said = problem.reason(data)
        tail = f": {said}" if said else ""
        status = answer.status
        if status in TEMPORARY_STATUSES:
            text = f"the token server {server} answered {problem.status_text(status)}{tail}"
            after = read_retry_after(answer.header("retry-after"), self.clock.time())
            raise Temporary(text, status=status, after=after)
        who = f"the login {login.username!r}" if login and login.username else "this login"
        who = who if login is not None else "an anonymous request"
        raise RegistryError(
            f"the token server {server} refused {who} ({problem.status_text(status)}){tail}",
            hint=f"podrun login {self.endpoint.domain}",
            status=status,
        )


def _about(error: RegistryError, what: str) -> RegistryError:
    """The same error, which says what it is about."""
    if what and not error.message.startswith(what):
        error.message = f"{what}: {error.message.removeprefix(': ')}"
        error.args = (error.message,)
    return error


def _check_host(host: str) -> None:
    try:
        usable = origin.split(f"https://{host}/").netloc == host
    except ValueError:
        usable = False
    if not usable:
        raise RegistryError(f"{problem.printable(host, 80)!r} is not the name of a host")


def _short(url: str) -> str:
    return problem.printable(url, 80)

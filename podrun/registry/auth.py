"""Which Authorization goes with a request, learnt from the registry's challenges.

    without ──401 Bearer──► token of login 1 ──401/403──► token of login 2 … ──► refused
       │                       ▲    │ expired, or 401 of an old token
       │                       └────┘ a new one, same login
       └────401 Basic─────► login 1 ──401/403──► login 2 … ──► refused

Logins are tried in the keyring's order; without any, a token is asked for anonymously. A login that
worked once is kept for the life of the object. A wrong login is not followed by an anonymous try:
as with the kubelet, what is configured is meant.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from podrun.registry.challenge import Challenge, parse
from podrun.registry.tokens import Token, basic, merge_scopes
from podrun.registry.types import Credential, RegistryError

#: (realm, service, scopes, login) → token; RegistryError when the token server refuses.
Fetch = Callable[[str, str, tuple[str, ...], Credential | None], Token]


class Authorizer:
    """For one registry. ``find`` gives the logins, and is asked at the first challenge."""

    def __init__(
        self,
        find: Callable[[], tuple[Credential, ...]],
        fetch: Fetch,
        now: Callable[[], float],
    ) -> None:
        self._find = find
        self._fetch = fetch
        self._now = now
        self._logins: tuple[Credential | None, ...] | None = None
        self._index = 0
        self._proven = False
        self._challenge: Challenge | None = None
        self._tokens: dict[tuple[str, ...], Token] = {}
        self._fresh = False  # the last header was made of a token that was fetched for it

    @property
    def tried(self) -> bool:
        """Whether a login (not: anonymous) was in use."""
        return self._challenge is not None and self._login() is not None

    @property
    def has_hidden_logins(self) -> bool:
        """Whether there are logins that no challenge asked for yet."""
        return self._challenge is None and self._all_logins() != (None,)

    def header(self, scopes: tuple[str, ...]) -> str:
        """Authorization for a request in need of ``scopes``, "" for none.

        Raises RegistryError when every login was refused by the token server.
        """
        self._fresh = False
        if self._challenge is None:
            return ""
        if self._challenge.scheme == "basic":
            login = self._login()
            self._fresh = True
            return basic(login) if login is not None else ""
        return f"Bearer {self._token(scopes).value}"

    def succeeded(self) -> None:
        self._proven = True

    def refused(self, status: int, headers: list[str], scopes: tuple[str, ...]) -> bool:
        """After a 401, 403 or 404 to a request with ``header(scopes)``: is another try worth it?"""
        if self._challenge is None or status == 401:
            known = self._usable(parse(headers))
            first = self._challenge is None
            if known is None:
                return not first and self._next_login()
            self._challenge = known
            if first:
                return known.scheme == "bearer" or self._login() is not None
        if status == 401 and not self._fresh:
            self._tokens.clear()
            return True
        return not self._proven and self._next_login()

    def _usable(self, challenges: list[Challenge]) -> Challenge | None:
        """The challenge to answer: Bearer before Basic."""
        for challenge in challenges:
            if challenge.scheme == "bearer" and challenge.parameters.get("realm"):
                return challenge
        basics = (challenge for challenge in challenges if challenge.scheme == "basic")
        return next(basics, None)

    def _all_logins(self) -> tuple[Credential | None, ...]:
        if self._logins is None:
            self._logins = self._find() or (None,)
        return self._logins

    def _login(self) -> Credential | None:
        return self._all_logins()[self._index]

    def _next_login(self) -> bool:
        if self._index + 1 >= len(self._all_logins()):
            return False
        self._index += 1
        self._tokens.clear()
        return True

    def _token(self, scopes: tuple[str, ...]) -> Token:
        challenge = self._challenge
        assert challenge is not None
        wanted = merge_scopes((*scopes, challenge.parameters.get("scope", "")))
        token = self._tokens.get(wanted)
        if token is not None and token.expires > self._now():
            return token
        self._fresh = True
        self._tokens[wanted] = token = self._fetch_with_any_login(challenge, wanted)
        return token

    def _fetch_with_any_login(self, challenge: Challenge, scopes: tuple[str, ...]) -> Token:
        while True:
            realm, service = challenge.parameters["realm"], challenge.parameters.get("service", "")
            login = self._login()
            if login is not None and login.registry_token:
                return Token(login.registry_token, math.inf)  # no server has to be asked for it
            try:
                return self._fetch(realm, service, scopes, login)
            except RegistryError as error:
                if error.status not in {400, 401, 403} or self._proven or not self._next_login():
                    raise

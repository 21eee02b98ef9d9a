"""Which login goes with which request, without any network."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from podrun.registry.auth import Authorizer
from podrun.registry.tokens import Token
from podrun.registry.types import Credential, RegistryError

ANNA, BERT = Credential("anna", "a"), Credential("bert", "b")
BEARER = ['Bearer realm="https://t.example/token",service="s",scope="repository:app:pull"']
BASIC = ['Basic realm="r"']
PULL = ("repository:app:pull",)
ANNA_BASIC, BERT_BASIC = "Basic YW5uYTph", "Basic YmVydDpi"


class TokenServer:
    """Gives ``name-N`` for the N-th token, to all but ``refused``."""

    def __init__(self, refused: tuple[Credential | None, ...] = (), lifetime: float = 60) -> None:
        self.refused = refused
        self.lifetime = lifetime
        self.now = 0.0
        self.asked: list[tuple[str, tuple[str, ...], str]] = []

    def __call__(
        self, realm: str, service: str, scopes: tuple[str, ...], login: Credential | None
    ) -> Token:
        name = login.username if login else "nobody"
        self.asked.append((f"{realm} {service}", scopes, name))
        if login in self.refused:
            raise RegistryError(f"{name} refused", status=401)
        return Token(f"{name}-{len(self.asked)}", self.now + self.lifetime)


Make = Callable[..., Authorizer]


@pytest.fixture
def server() -> TokenServer:
    return TokenServer()


@pytest.fixture
def make(server: TokenServer) -> Make:
    return lambda *logins: Authorizer(lambda: logins, server, lambda: server.now)


def test_nothing_is_sent_before_a_challenge(make: Make) -> None:
    auth = make(ANNA)
    assert auth.header(PULL) == ""
    assert not auth.tried


def test_basic_goes_through_the_logins(make: Make) -> None:
    auth = make(ANNA, BERT)
    assert auth.refused(401, BASIC, PULL)
    assert auth.header(PULL) == ANNA_BASIC
    assert auth.refused(401, BASIC, PULL)
    assert auth.header(PULL) == BERT_BASIC
    assert auth.tried
    assert not auth.refused(401, BASIC, PULL)


def test_basic_without_a_login_is_hopeless(make: Make) -> None:
    auth = make()
    assert not auth.refused(401, BASIC, PULL)
    assert not auth.tried


def test_a_token_for_nobody(make: Make, server: TokenServer) -> None:
    auth = make()
    assert auth.refused(401, BEARER, PULL)
    assert auth.header(PULL) == "Bearer nobody-1"
    assert not auth.refused(401, BEARER, PULL)
    assert server.asked == [("https://t.example/token s", PULL, "nobody")]


def test_a_token_is_kept_until_it_expires(make: Make, server: TokenServer) -> None:
    auth = make(ANNA)
    auth.refused(401, BEARER, PULL)
    assert auth.header(PULL) == auth.header(PULL) == "Bearer anna-1"
    server.now = 60.0
    assert auth.header(PULL) == "Bearer anna-2"


def test_each_scope_has_its_token(make: Make, server: TokenServer) -> None:
    auth = make(ANNA)
    auth.refused(401, BEARER, PULL)
    more = ("repository:app:pull,push", "repository:other:pull")
    assert [auth.header(PULL), auth.header(more), auth.header(PULL)] == [
        "Bearer anna-1",
        "Bearer anna-2",
        "Bearer anna-1",
    ]
    assert server.asked[1][1] == more


def test_an_old_token_that_is_refused_is_replaced_once(make: Make, server: TokenServer) -> None:
    auth = make(ANNA)
    auth.refused(401, BEARER, PULL)
    auth.header(PULL)
    auth.succeeded()
    auth.header(PULL)
    assert auth.refused(401, BEARER, PULL)
    assert auth.header(PULL) == "Bearer anna-2"
    assert not auth.refused(401, BEARER, PULL)


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_token_that_opens_nothing_is_followed_by_the_next_login(make: Make, status: int) -> None:
    auth = make(ANNA, BERT)
    auth.refused(401, BEARER, PULL)
    assert auth.header(PULL) == "Bearer anna-1"
    assert auth.refused(status, BEARER if status == 401 else [], PULL)
    assert auth.header(PULL) == "Bearer bert-2"
    assert not auth.refused(status, BEARER if status == 401 else [], PULL)


@pytest.mark.parametrize("status", [403, 404])
def test_a_login_that_worked_is_kept(make: Make, status: int) -> None:
    auth = make(ANNA, BERT)
    auth.refused(401, BEARER, PULL)
    auth.header(PULL)
    auth.succeeded()
    assert not auth.refused(status, [], PULL)
    assert auth.header(PULL) == "Bearer anna-1"


def test_the_token_server_may_refuse_a_login(make: Make, server: TokenServer) -> None:
    server.refused = (ANNA,)
    auth = make(ANNA, BERT)
    auth.refused(401, BEARER, PULL)
    assert auth.header(PULL) == "Bearer bert-2"
    server.refused = (ANNA, BERT)
    auth = make(ANNA, BERT)
    auth.refused(401, BEARER, PULL)
    with pytest.raises(RegistryError, match="bert refused"):
        auth.header(PULL)


def test_a_wrong_login_is_not_followed_by_an_anonymous_try(make: Make, server: TokenServer) -> None:
    server.refused = (ANNA,)
    auth = make(ANNA)
    auth.refused(401, BEARER, PULL)
    with pytest.raises(RegistryError, match="anna refused"):
        auth.header(PULL)


def test_bearer_goes_before_basic_and_needs_a_realm(make: Make) -> None:
    auth = make(ANNA)
    auth.refused(401, [*BASIC, *BEARER], PULL)
    assert auth.header(PULL).startswith("Bearer ")
    auth = make(ANNA)
    auth.refused(401, ['Bearer error="x"', *BASIC], PULL)
    assert auth.header(PULL) == ANNA_BASIC


@pytest.mark.parametrize("headers", [[], ["Negotiate"], ["Bearer"], ["nonsense ,,, ="]])
def test_challenges_that_cannot_be_answered(make: Make, headers: list[str]) -> None:
    auth = make(ANNA, BERT)
    assert not auth.refused(401, headers, PULL)
    assert auth.header(PULL) == ""
    assert auth.has_hidden_logins


def test_every_way_ends(make: Make, server: TokenServer) -> None:
    server.lifetime = -1.0  # expired when it comes
    for headers in (BEARER, BASIC, [], ["Negotiate"]):
        auth = make(ANNA, BERT)
        for _ in range(10):
            auth.header(PULL)
            if not auth.refused(401, headers, PULL):
                break
        else:
            pytest.fail(f"no end with {headers}")


def test_a_registry_token_is_used_as_it_is(make: Make, server: TokenServer) -> None:
    auth = make(Credential(registry_token="mine"), BERT)
    assert auth.refused(401, BEARER, PULL)
    assert auth.header(PULL) == "Bearer mine"
    assert server.asked == []
    assert auth.refused(401, BEARER, PULL)  # no good: the next login
    assert auth.header(PULL) == "Bearer bert-1"

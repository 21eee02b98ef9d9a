"""Logins: which file has one, how entries and keys are read, who is believed."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podrun.errors import PodrunError
from podrun.node.config import Config
from podrun.registry import authpaths
from podrun.registry.authentry import Entry, encoded, place_of, places
from podrun.registry.authpaths import sources
from podrun.registry.credentials import Chain, FileKeyring, sudo_uid
from podrun.registry.types import Credential, NoKeyring, RegistryError


def basic(text: str) -> dict[str, str]:
    return {"auth": base64.b64encode(text.encode()).decode()}


class Home:
    """A home directory with files of logins, and nothing of this machine's."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.environ = {"HOME": str(root)}
        self.config = Config()
        monkeypatch.setattr(authpaths, "RUN", root / "run")

    def write(self, name: str, content: Any) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    def auths(self, name: str, **auths: Any) -> Path:
        return self.write(name, {"auths": auths})

    def docker(self, **auths: Any) -> Path:
        return self.auths(".docker/config.json", **auths)

    def find(self, host: str, repository: str = "x", **options: Any) -> Credential | None:
        keyring = FileKeyring(self.config, environ=self.environ, **options)
        return next(iter(keyring.find(host, repository)), None)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    return Home(tmp_path, monkeypatch)


# ── entries ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("entry", "login"),
    [
        (basic("me:secret"), Credential("me", "secret")),
        (basic("me:a:b"), Credential("me", "a:b")),
        (basic("mé:pässwörd€"), Credential("mé", "pässwörd€")),
        (basic("me:secret\0\0"), Credential("me", "secret")),
        ({"auth": "bWU6c2VjcmV0cw"}, Credential("me", "secrets")),
        ({"auth": " bWU6c2VjcmV0cw==\n"}, Credential("me", "secrets")),
        ({"username": "me", "password": "secret"}, Credential("me", "secret")),
        ({"username": "no", "password": "no", **basic("me:secret")}, Credential("me", "secret")),
        ({"auth": None, "username": "me", "password": "x", "email": "e"}, Credential("me", "x")),
        ({"identitytoken": "t", **basic("<token>:")}, Credential("<token>", "", "t")),
        ({"registrytoken": "t"}, Credential(registry_token="t")),
        ({}, None),
        ({"username": "me"}, None),
        ({"auth": ""}, None),
    ],
)
def test_an_entry_is_a_login(home: Home, entry: dict[str, Any], login: Credential | None) -> None:
    home.docker(**{"r.example": entry})
    assert home.find("r.example") == login


@given(
    st.text(min_size=1).filter(lambda text: ":" not in text),
    st.text(min_size=1).filter(lambda text: "\0" not in text),
)
def test_what_is_encoded_can_be_read(username: str, password: str) -> None:
    login = Credential(username, password)
    assert Entry(auth=encoded(login)).credential("") == login


@pytest.mark.parametrize("auth", ["s3cr3t", "czNjcjN0", "/////w==", "s3cr3t!:x"])
def test_broken_base64_is_named_and_not_shown(home: Home, auth: str) -> None:
    path = home.docker(**{"ok.example": basic("a:b"), "r.example/team": {"auth": auth}})
    with pytest.raises(RegistryError) as caught:
        home.find("r.example", "team/x")
    assert str(path) in caught.value.message and "'r.example/team'" in caught.value.message
    assert auth not in caught.value.text and "s3cr3t" not in caught.value.text
    assert home.find("ok.example") == Credential("a", "b")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ('{"auths": {"r": {"auth": "s3cr3t"', "is not JSON"),
        ("[]", "Expected `object`"),
        ('{"auths": ["s3cr3t"]}', "$.auths"),
        ('{"auths": {"r": "s3cr3t"}}', "auths['r']"),
        ('{"auths": {"r": {"auth": 53}}}', "auths['r']"),
        ('{"credHelpers": {"r": 1}}', "$.credHelpers"),
        ('{"credsStore": 1}', "$.credsStore"),
        ('{"auths": {"r": {"auth": "\\ud800"}}}', "is not JSON"),
        ("[" * 100_000, "is not JSON"),
    ],
)
def test_a_broken_file_is_named_and_not_shown(home: Home, content: str, says: str) -> None:
    path = home.write(".docker/config.json", content)
    with pytest.raises(RegistryError) as caught:
        home.find("r")
    assert caught.value.message.startswith(str(path)) and says in caught.value.message
    assert "s3cr3t" not in caught.value.text


def test_an_empty_file_is_none(home: Home) -> None:
    home.write(".docker/config.json", "")
    assert home.find("r") is None


def test_secrets_are_not_in_a_repr() -> None:
    assert "s3cr3t" not in repr((Credential("me", "s3cr3t"), Entry(password="s3cr3t")))


# ── keys ────────────────────────────────────────────────────────────────────────────────────────


def test_places_go_from_the_repository_to_the_host() -> None:
    assert list(places("r.example:1", "a/b/c")) == [
        "r.example:1/a/b/c",
        "r.example:1/a/b",
        "r.example:1/a",
        "r.example:1",
    ]
    assert list(places("index.docker.io", "library/x"))[-1] == "docker.io"
    assert list(places("r", "")) == ["r"]


@pytest.mark.parametrize(
    ("key", "place"),
    [
        ("r.example", "r.example"),
        ("https://r.example", "r.example"),
        ("http://r.example:5000/", "r.example:5000"),
        ("https://r.example/v2/", "r.example"),
        ("https://r.example/v1/team", "r.example/team"),
        ("r.example/team/", "r.example/team"),
        ("https://index.docker.io/v1/", "docker.io"),
        ("index.docker.io", "docker.io"),
        ("registry-1.docker.io", "docker.io"),
        ("docker.io/team", "docker.io/team"),
    ],
)
def test_what_a_key_is_for(key: str, place: str) -> None:
    assert place_of(key) == place


def test_the_most_specific_key_wins(home: Home) -> None:
    home.docker(
        **{
            "r.example": basic("host:x"),
            "r.example/team": basic("team:x"),
            "r.example/team/app": basic("app:x"),
            "r.example:5000": basic("port:x"),
        }
    )
    names = {
        repository: login.username
        for repository in ("team/app", "team/app/x", "team/application", "team", "other", "teams/x")
        if (login := home.find("r.example", repository))
    }
    assert names == {
        "team/app": "app",
        "team/app/x": "app",
        "team/application": "team",
        "team": "team",
        "other": "host",
        "teams/x": "host",
    }
    assert home.find("r.example:5000", "team") == Credential("port", "x")
    assert home.find("r.example:5001") is None
    assert home.find("example") is None


def test_docker_hub_has_many_names(home: Home) -> None:
    home.docker(**{"https://index.docker.io/v1/": basic("old:x")})
    for host in ("docker.io", "index.docker.io", "registry-1.docker.io"):
        assert home.find(host, "library/nginx") == Credential("old", "x")
    home.docker(**{"https://index.docker.io/v1/": basic("old:x"), "docker.io": basic("new:x")})
    assert home.find("docker.io", "library/nginx") == Credential("new", "x")


def test_an_entry_without_secret_does_not_hide_a_shorter_one(home: Home) -> None:
    home.docker(**{"r.example/team": {}, "r.example": basic("host:x")})
    assert home.find("r.example", "team/x") == Credential("host", "x")


# ── files ───────────────────────────────────────────────────────────────────────────────────────


def test_the_order_of_files(home: Home, tmp_path: Path) -> None:
    uid = os.geteuid()
    home.config = Config(auth_file=str(tmp_path / "a.json"))
    home.environ |= {
        "REGISTRY_AUTH_FILE": str(tmp_path / "b.json"),
        "XDG_RUNTIME_DIR": str(tmp_path / "runtime"),
    }
    order = [
        "a.json",
        "b.json",
        "runtime/containers/auth.json",
        f"run/containers/{uid}/auth.json",
        ".config/containers/auth.json",
        ".docker/config.json",
    ]
    for index, name in enumerate(order):
        home.auths(name, **{"r.example": basic(f"{index}:x")})
    home.write(".dockercfg", {"https://r.example/v1/": basic("legacy:x")})
    seen = []
    for name in [*order, ".dockercfg"]:
        login = home.find("r.example")
        assert login is not None
        seen.append(login.username)
        (tmp_path / name).unlink()
    assert seen == ["0", "1", "2", "3", "4", "5", "legacy"]
    assert home.find("r.example") is None


def test_variables_move_the_files(home: Home, tmp_path: Path) -> None:
    home.environ |= {
        "XDG_CONFIG_HOME": str(tmp_path / "xdg"),
        "DOCKER_CONFIG": str(tmp_path / "docker"),
    }
    home.auths("docker/config.json", **{"r.example": basic("docker:x")})
    home.docker(**{"r.example": basic("no:x")})
    assert home.find("r.example") == Credential("docker", "x")
    home.auths("xdg/containers/auth.json", **{"r.example": basic("xdg:x")})
    assert home.find("r.example") == Credential("xdg", "x")


def test_a_file_without_the_host_leaves_it_to_the_next(home: Home) -> None:
    home.auths(".config/containers/auth.json", **{"other.example": basic("a:b")})
    home.docker(**{"r.example": basic("c:d")})
    assert home.find("r.example") == Credential("c", "d")


@pytest.mark.parametrize("name", [".docker/config.json", "named.json"])
def test_what_is_no_regular_file(home: Home, tmp_path: Path, name: str) -> None:
    """A fifo would hang whoever opens it to read; a directory is none."""
    (tmp_path / name).parent.mkdir(exist_ok=True)
    os.mkfifo(tmp_path / name)
    if name == "named.json":
        home.config = Config(auth_file=str(tmp_path / name))
        with pytest.raises(RegistryError, match=r"authFile .*named\.json is not a regular file"):
            home.find("r.example")
    else:
        assert home.find("r.example") is None


def test_a_huge_file_is_not_read(home: Home, tmp_path: Path) -> None:
    path = home.docker(**{"r.example": basic("a:b")})
    os.truncate(path, (1 << 20) + 1)
    assert home.find("r.example") is None
    home.config = Config(auth_file=str(path))
    with pytest.raises(RegistryError, match="is larger than"):
        home.find("r.example")


def test_a_named_file_may_be_missing(home: Home, tmp_path: Path) -> None:
    home.config = Config(auth_file=str(tmp_path / "later.json"))
    assert home.find("r.example") is None


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="gives files to others: needs root")


@needs_root
def test_files_of_others_are_not_believed(home: Home) -> None:
    path = home.docker(**{"r.example": basic("a:b")})
    os.chown(path, 1234, 1234)
    assert home.find("r.example") is None
    home.environ["REGISTRY_AUTH_FILE"] = str(path)
    with pytest.raises(RegistryError, match="belongs to uid 1234"):
        home.find("r.example")
    assert home.find("r.example", user=1234) == Credential("a", "b")


@needs_root
def test_a_home_of_somebody_else_is_not_ours(tmp_path: Path) -> None:
    os.chown(tmp_path, 1234, 1234)
    found = sources(Config(), {"HOME": str(tmp_path)}, None)
    assert found and not [each for each in found if each.path.is_relative_to(tmp_path)]


@needs_root
def test_the_user_behind_sudo_comes_last(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = tmp_path / "theirs"
    home.auths("theirs/.docker/config.json", **{"r.example": basic("theirs:x")})
    monkeypatch.setattr(authpaths, "passwd_home", lambda uid: theirs)
    assert home.find("r.example", user=1234) is None  # root's file in their home proves nothing
    os.chown(theirs / ".docker/config.json", 1234, 1234)
    assert home.find("r.example", user=1234) == Credential("theirs", "x")
    assert home.find("r.example") is None
    home.docker(**{"r.example": basic("root:x")})
    assert home.find("r.example", user=1234) == Credential("root", "x")
    assert home.find("r.example", user=None) == Credential("root", "x")


@needs_root
def test_a_link_to_what_is_not_theirs_is_not_followed(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = home.auths("secret.json", **{"r.example": basic("root:x")})
    link = tmp_path / "theirs/.docker/config.json"
    link.parent.mkdir(parents=True)
    link.symlink_to(secret)
    monkeypatch.setattr(authpaths, "passwd_home", lambda uid: tmp_path / "theirs")
    assert home.find("r.example", user=1234) is None


@needs_root
def test_who_is_behind_sudo() -> None:
    assert sudo_uid({"SUDO_UID": "1000"}) == 1000
    assert sudo_uid({"SUDO_UID": "-1"}) is None
    assert sudo_uid({}) is None


# ── several keyrings ────────────────────────────────────────────────────────────────────────────


class Knows:
    def __init__(self, *logins: Credential) -> None:
        self.logins = logins

    def find(self, host: str, repository: str) -> tuple[Credential, ...]:
        return self.logins


class Broken:
    def find(self, host: str, repository: str) -> tuple[Credential, ...]:
        raise RegistryError("broken")


def test_a_chain_keeps_the_order_and_no_doubles() -> None:
    a, b, c = (Credential(name, "x") for name in "abc")
    chain = Chain(Knows(b, a), NoKeyring(), Knows(a, c, b))
    assert chain.find("r", "x") == (b, a, c)
    assert Chain().find("r", "x") == ()


def test_a_broken_keyring_matters_only_where_no_login_is_known() -> None:
    a = Credential("a", "x")
    assert Chain(Knows(a), Broken()).find("r", "x") == (a,)
    with pytest.raises(PodrunError):
        Chain(Knows(), Broken(), Knows(a)).find("r", "x")

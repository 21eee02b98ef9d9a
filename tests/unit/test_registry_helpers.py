"""Credential helpers: programs in PATH, asked as docker asks them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from podrun.node.config import Config
from podrun.registry import authpaths, helpers
from podrun.registry.credentials import FileKeyring, login, logout
from podrun.registry.types import Credential, RegistryError
from tests.node import wait_until

KEEPER = """#!/bin/sh
# keeps each login in a file named by its server; says what it was asked
dir=$(dirname "$0")/kept
name() { tr -c 'a-z0-9.\\n' _ | head -n 1; }
echo "$1" >> "$dir/../asked"
case $1 in
get) file=$dir/$(name); [ -f "$file" ] && exec cat "$file"
     echo 'credentials not found in native keychain'; exit 1 ;;
store) cat > "$dir/new"
       file=$dir/$(sed 's/.*"ServerURL":"\\([^"]*\\)".*/\\1/' "$dir/new" | name)
       mv "$dir/new" "$file" ;;
erase) rm -f "$dir/$(name)" ;;
esac
"""


class Helpers:
    """A directory at the front of PATH, and a home with a file of logins."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.bin = root / "bin"
        (self.bin / "kept").mkdir(parents=True)
        (root / ".docker").mkdir()
        self.file = root / ".docker/config.json"
        self.environ = {"HOME": str(root)}
        self.config = Config(registries_conf=str(root / "registries.conf"))
        monkeypatch.setenv("PATH", f"{self.bin}:{os.environ['PATH']}")
        monkeypatch.setattr(authpaths, "RUN", root / "run")
        self.add("keeper", KEEPER)

    def add(self, name: str, script: str) -> None:
        path = self.bin / f"docker-credential-{name}"
        path.write_text(script)
        path.chmod(0o755)

    def says(self, name: str, text: str, code: int = 0) -> None:
        self.add(name, f"#!/bin/sh\ncat > /dev/null\nprintf '%s\\n' '{text}'\nexit {code}\n")

    def keep(self, server: str, username: str, secret: str) -> None:
        helpers.store("keeper", server, Credential(username, secret), "test")

    def write(self, **content: Any) -> None:
        self.file.write_text(json.dumps(content))

    def read(self) -> Any:
        return json.loads(self.file.read_text())

    def keyring(self, **options: Any) -> FileKeyring:
        return FileKeyring(self.config, environ=self.environ, **options)

    def find(self, host: str, repository: str = "x", **options: Any) -> Credential | None:
        return next(iter(self.keyring(**options).find(host, repository)), None)

    @property
    def asked(self) -> list[str]:
        path = self.root / "bin/asked"
        return path.read_text().split() if path.exists() else []


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Helpers:
    return Helpers(tmp_path, monkeypatch)


# ── the protocol ────────────────────────────────────────────────────────────────────────────────


def test_get_store_erase(box: Helpers) -> None:
    assert helpers.get("keeper", "r.example", "test") is None
    box.keep("r.example", 'm"e', "se\\cret")
    assert helpers.get("keeper", "r.example", "test") == Credential('m"e', "se\\cret")
    helpers.erase("keeper", "r.example", "test")
    helpers.erase("keeper", "r.example", "test")
    assert helpers.get("keeper", "r.example", "test") is None


def test_a_token_is_an_identity_token(box: Helpers) -> None:
    helpers.store("keeper", "r.example", Credential("me", "", "t0ken"), "test")
    assert helpers.get("keeper", "r.example", "test") == Credential(identity_token="t0ken")


def test_an_answer_without_secret_is_none(box: Helpers) -> None:
    box.says("empty", '{"ServerURL":"r","Username":"","Secret":""}')
    assert helpers.get("empty", "r", "test") is None


@pytest.mark.parametrize("name", ["", "../x", "a/b", "a b", "-x", "x;y", "$(x)", ".x", "x\n"])
def test_a_name_is_a_plain_word(box: Helpers, name: str) -> None:
    with pytest.raises(RegistryError, match="is not the name of a credential helper"):
        helpers.get(name, "r", "/etc/file.json")


@pytest.mark.parametrize(
    ("text", "code", "says"),
    [
        ("the keychain is locked", 1, "get: the keychain is locked"),
        ("", 3, "get: exit code 3"),
        ('{"Secret":"s3cr3t"}', 2, "get: exit code 2"),
        ("s3cr3t", 0, "it did not print a login in JSON"),
        ('["s3cr3t"]', 0, "it did not print a login in JSON"),
    ],
)
def test_a_failure_names_the_helper_and_shows_no_secret(
    box: Helpers, text: str, code: int, says: str
) -> None:
    box.says("bad", text, code)
    with pytest.raises(RegistryError) as caught:
        helpers.get("bad", "r", "/root/.docker/config.json")
    assert "docker-credential-bad" in caught.value.message and says in caught.value.message
    assert "/root/.docker/config.json" in caught.value.hint
    assert "s3cr3t" not in caught.value.text


def test_a_helper_that_is_not_there_is_named(box: Helpers) -> None:
    with pytest.raises(RegistryError, match="docker-credential-nowhere is not in PATH"):
        helpers.get("nowhere", "r", "f")
    (box.bin / "docker-credential-plain").write_text("no program")
    with pytest.raises(RegistryError, match="docker-credential-plain Permission denied"):
        helpers.get("plain", "r", "f")


def test_time_is_bounded_and_nothing_is_left(box: Helpers, monkeypatch: pytest.MonkeyPatch) -> None:
    fifo = box.root / "fifo"
    os.mkfifo(fifo)
    # both wait for a writer that never comes, and both keep our pipe open
    box.add("slow", f"#!/bin/sh\ncat {fifo} &\ncat {fifo}\n")
    monkeypatch.setattr(helpers, "SECONDS", 0.5)
    with pytest.raises(RegistryError, match=r"docker-credential-slow get: no answer in 0\.5 s"):
        helpers.get("slow", "r", "f")
    wait_until(lambda: not is_read(fifo), what="the end of what the helper started")


def is_read(fifo: Path) -> bool:
    try:
        os.close(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))
    except OSError:  # ENXIO
        return False
    return True


# ── who is asked ────────────────────────────────────────────────────────────────────────────────


def test_a_hosts_own_helper_is_the_only_one_asked(box: Helpers) -> None:
    box.write(
        credHelpers={"r.example": "keeper"},
        auths={"r.example": {"username": "no", "password": "no"}},
    )
    assert box.find("r.example") is None
    box.keep("r.example", "me", "x")
    assert box.find("r.example") == Credential("me", "x")
    before = len(box.asked)
    assert box.find("other.example") is None
    assert len(box.asked) == before


def test_creds_store_is_for_every_host(box: Helpers) -> None:
    box.write(credsStore="keeper", auths={"f.example": {"username": "file", "password": "x"}})
    box.keep("r.example", "me", "x")
    box.keep("https://index.docker.io/v1/", "hub", "x")
    assert box.find("r.example") == Credential("me", "x")
    assert box.find("docker.io", "library/nginx") == Credential("hub", "x")
    assert box.find("f.example") == Credential("file", "x")


def test_podmans_name_of_docker_hub_is_asked_for_too(box: Helpers) -> None:
    box.write(credHelpers={"docker.io": "keeper"})
    box.keep("docker.io", "hub", "x")
    assert box.find("docker.io", "library/nginx") == Credential("hub", "x")


def test_a_broken_store_matters_where_a_login_is_said_to_be(box: Helpers) -> None:
    box.says("broken", "no desktop", 1)
    box.write(credsStore="broken", auths={"r.example": {}})
    assert box.find("public.example") is None
    with pytest.raises(RegistryError, match="no desktop"):
        box.find("r.example", "team/x")


def test_a_file_that_others_may_write_runs_nothing(box: Helpers) -> None:
    box.write(credHelpers={"r.example": "keeper"}, credsStore="keeper")
    box.keep("r.example", "me", "x")
    box.file.chmod(0o666)
    before = len(box.asked)
    assert box.find("r.example") is None and box.find("q.example") is None
    assert len(box.asked) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="gives files to others: needs root")
def test_a_users_file_runs_nothing_as_root(box: Helpers, monkeypatch: pytest.MonkeyPatch) -> None:
    box.write(
        credHelpers={"r.example": "keeper"}, auths={"q.example": {"username": "a", "password": "b"}}
    )
    box.keep("r.example", "me", "x")
    monkeypatch.setattr(authpaths, "passwd_home", lambda uid: box.root if uid else Path("/none"))
    box.environ["HOME"] = "/nonexistent"
    os.chown(box.file, 1234, 1234)
    before = len(box.asked)
    assert box.find("r.example", user=1234) is None
    assert box.find("q.example", user=1234) == Credential("a", "b")
    assert len(box.asked) == before


def test_helpers_of_registries_conf(box: Helpers) -> None:
    box.write(auths={"r.example": {"username": "file", "password": "x"}})
    box.keep("r.example", "helper", "x")
    order = {("keeper", "containers-auth.json"): "helper", ("containers-auth.json",): "file"}
    for names, user in order.items():
        found = box.keyring(helpers=names).locate("r.example", "x")
        assert found is not None and found[0].username == user
    assert box.find("r.example", helpers=("nowhere", "containers-auth.json")) is not None
    with pytest.raises(RegistryError, match="nowhere is not in PATH"):
        box.find("q.example", helpers=("nowhere", "containers-auth.json"))


# ── login and logout ────────────────────────────────────────────────────────────────────────────

ME = Credential("me", "pw")


def test_login_with_a_helper_keeps_the_secret_out_of_the_file(box: Helpers) -> None:
    box.write(credHelpers={"r.example": "keeper"}, auths={"https://r.example": {"auth": "bTpv"}})
    assert login(box.config, "r.example", ME, environ=box.environ) == "credential helper keeper"
    assert box.read()["auths"] == {"r.example": {}}
    assert box.find("r.example") == ME
    assert logout(box.config, "r.example", environ=box.environ) == ["credential helper keeper"]
    assert box.find("r.example") is None and box.read()["auths"] == {}
    assert logout(box.config, "r.example", environ=box.environ) == []


def test_login_with_a_store(box: Helpers) -> None:
    box.write(credsStore="keeper")
    login(box.config, "docker.io", ME, environ=box.environ)
    assert box.read()["auths"] == {"https://index.docker.io/v1/": {}}
    assert box.find("docker.io", "library/nginx") == ME
    assert str(box.file) in login(box.config, "q.example/team", ME, environ=box.environ)
    assert logout(box.config, environ=box.environ) == ["credential helper keeper", str(box.file)]
    assert box.read() == {"credsStore": "keeper", "auths": {}}


def test_a_helper_that_fails_leaves_the_file_alone(box: Helpers) -> None:
    box.says("broken", "no desktop", 1)
    box.write(credHelpers={"r.example": "broken"}, auths={"r.example": {"auth": "bTpv"}})
    before = box.file.read_bytes()
    with pytest.raises(RegistryError, match="docker-credential-broken store: no desktop"):
        login(box.config, "r.example", ME, environ=box.environ)
    assert box.file.read_bytes() == before


def test_helpers_know_no_paths(box: Helpers) -> None:
    box.write(credHelpers={"r.example": "keeper"})
    with pytest.raises(RegistryError, match=r"no login for r\.example/team"):
        login(box.config, "r.example/team", ME, environ=box.environ)


def test_login_with_a_helper_of_registries_conf(box: Helpers) -> None:
    names = ("keeper", "containers-auth.json")
    kept = login(box.config, "r.example", ME, helpers=names, environ=box.environ)
    assert kept == "credential helper keeper" and not box.file.exists()
    assert box.find("r.example", helpers=names) == ME
    assert logout(box.config, "r.example", helpers=names, environ=box.environ) == [kept]
    assert box.find("r.example", helpers=names) is None

"""login and logout: one key of one file changes, whoever else uses it and whatever happens."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from podrun.errors import MechanismFailed
from podrun.node.config import Config
from podrun.registry import authpaths
from podrun.registry.credentials import FileKeyring, login, logout
from podrun.registry.types import Credential, RegistryError
from tests.node import wait_until

ME = Credential("me", "pw")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(authpaths, "RUN", tmp_path / "run")
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "DOCKER_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def docker(home: Path) -> Path:
    return home / ".docker/config.json"


def write(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def test_the_first_login_makes_the_file_for_us_alone(home: Path) -> None:
    assert login(Config(), "r.example:5000", ME) == str(docker(home))
    assert json.loads(docker(home).read_text()) == {
        "auths": {"r.example:5000": {"auth": "bWU6cHc="}}
    }
    assert docker(home).stat().st_mode & 0o777 == 0o600
    assert docker(home).parent.stat().st_mode & 0o777 == 0o700
    assert [path.name for path in docker(home).parent.iterdir()] == ["config.json"]


def test_everything_else_in_the_file_stays(home: Path) -> None:
    other = {
        "HttpHeaders": {"X-Meta": "é"},
        "auths": {"z.example": {"auth": "YTpi", "email": "x"}, "a.example": {}},
        "proxies": {"default": {"httpProxy": "http://p"}},
        "credHelpers": {"h.example": "pass"},
    }
    write(docker(home), other).chmod(0o644)
    login(Config(), "r.example", ME)
    text = docker(home).read_text()
    found = json.loads(text)
    assert found["auths"].pop("r.example") == {"auth": "bWU6cHc="}
    assert found == other and list(found) == list(other)
    assert "é" in text and "\n\t" in text
    assert docker(home).stat().st_mode & 0o777 == 0o600
    assert logout(Config(), "r.example") == [str(docker(home))]
    assert json.loads(docker(home).read_text()) == other


def test_docker_hub_is_kept_under_dockers_key(home: Path) -> None:
    write(docker(home), {"auths": {"docker.io": {"auth": "YTpi"}, "docker.io/me": {}}})
    login(Config(), "docker.io", ME)
    assert json.loads(docker(home).read_text())["auths"] == {
        "docker.io/me": {},
        "https://index.docker.io/v1/": {"auth": "bWU6cHc="},
    }
    assert FileKeyring(Config()).find("docker.io", "library/x") == (ME,)


def test_a_part_of_a_registry(home: Path) -> None:
    login(Config(), "r.example", ME)
    login(Config(), "r.example/team", Credential("team", "x"))
    keyring = FileKeyring(Config())
    assert keyring.find("r.example", "team/x")[0].username == "team"
    assert keyring.find("r.example", "x") == (ME,)
    logout(Config(), "r.example/team")
    assert keyring.find("r.example", "team/x") == (ME,)


def test_settings_say_where(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(home / "b.json"))
    assert login(Config(auth_file=str(home / "a.json")), "r.example", ME) == str(home / "a.json")
    assert login(Config(), "r.example", ME) == str(home / "b.json")
    assert not docker(home).exists()


def test_logout_forgets_in_all_files(home: Path) -> None:
    uid = os.geteuid()
    podman = write(home / f"run/containers/{uid}/auth.json", {"auths": {"r": {"auth": "YTpi"}}})
    legacy = write(home / ".dockercfg", {"https://r/v1/": {"auth": "YTpi"}, "s": {}})
    login(Config(), "r", ME)
    assert logout(Config(), "r") == [str(podman), str(docker(home)), str(legacy)]
    assert FileKeyring(Config()).find("r", "x") == ()
    assert json.loads(legacy.read_text()) == {"s": {}}
    assert logout(Config(), "r") == []


def test_logout_of_all(home: Path) -> None:
    write(docker(home), {"auths": {"a": {"auth": "YTpi"}, "b": {}}, "detachKeys": "ctrl-x"})
    assert logout(Config()) == [str(docker(home))]
    assert json.loads(docker(home).read_text()) == {"auths": {}, "detachKeys": "ctrl-x"}
    assert logout(Config()) == []


def test_logging_out_makes_no_files(home: Path) -> None:
    assert logout(Config(auth_file=str(home / "deep/er.json")), "r") == []
    assert list(home.iterdir()) == []


def test_a_link_stays_a_link(home: Path) -> None:
    target = write(home / "dotfiles/docker.json", {"auths": {}})
    docker(home).parent.mkdir()
    docker(home).symlink_to(target)
    login(Config(), "r", ME)
    assert docker(home).is_symlink() and "r" in json.loads(target.read_text())["auths"]


@pytest.mark.parametrize("content", ["{", "[]", '{"auths": []}', '{"auths": {"x": 1}}'])
def test_a_broken_file_is_not_changed(home: Path, content: str) -> None:
    docker(home).parent.mkdir()
    docker(home).write_text(content)
    for act in (lambda: login(Config(), "r", ME), lambda: logout(Config(), "r")):
        with pytest.raises(RegistryError) as caught:
            act()
        assert str(docker(home)) in caught.value.message
    assert docker(home).read_text() == content


def test_a_place_where_no_file_can_be(home: Path) -> None:
    (home / ".docker").write_text("a file")
    with pytest.raises(MechanismFailed) as caught:
        login(Config(), "r", ME)
    assert str(docker(home)) in caught.value.message


@pytest.mark.skipif(os.geteuid() != 0, reason="gives files to others: needs root")
def test_root_does_not_write_where_others_do(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = home / "theirs"
    theirs.mkdir()
    os.chown(theirs, 1234, 1234)
    monkeypatch.setenv("DOCKER_CONFIG", str(theirs))
    with pytest.raises(RegistryError, match="belongs to uid 1234: no login is written there"):
        login(Config(), "r", ME)
    assert list(theirs.iterdir()) == []
    write(docker(home), {"auths": {"x": {}}})
    os.chown(docker(home), 1234, 1234)
    monkeypatch.delenv("DOCKER_CONFIG")
    with pytest.raises(RegistryError, match="belongs to uid 1234: it is not used"):
        login(Config(), "r", ME)


def test_what_a_killed_login_left_is_removed(home: Path) -> None:
    login(Config(), "r", ME)
    stale = docker(home).with_name(".config.json.12345.tmp")
    stale.write_text("half a login")
    login(Config(), "s", ME)
    assert not stale.exists()
    assert set(json.loads(docker(home).read_text())["auths"]) == {"r", "s"}


def test_logins_at_the_same_time_all_stay(home: Path) -> None:
    script = (
        "import sys; from podrun.node.config import Config;"
        "from podrun.registry.credentials import login; from podrun.registry.types import *;"
        "[login(Config(), f'{sys.argv[1]}{n}', Credential('me', 'pw')) for n in range(5)]"
    )
    running = [subprocess.Popen([sys.executable, "-c", script, name]) for name in ("a", "b", "c")]
    assert [each.wait(60) for each in running] == [0, 0, 0]
    assert len(json.loads(docker(home).read_text())["auths"]) == 15


def test_a_login_that_is_killed_leaves_a_whole_file(home: Path) -> None:
    login(Config(), "first", ME)
    script = (
        "import itertools; from podrun.node.config import Config;"
        "from podrun.registry.credentials import login; from podrun.registry.types import *;"
        "[login(Config(), f'r{n % 50}', Credential('me', 'p' * n)) for n in itertools.count(1)]"
    )
    for _ in range(3):
        before = docker(home).read_bytes()
        with subprocess.Popen([sys.executable, "-c", script]) as process:
            wait_until(partial(_differs, docker(home), before), what="a login")
            process.kill()
        assert "first" in json.loads(docker(home).read_text())["auths"]
    login(Config(), "last", ME)
    assert [path.name for path in docker(home).parent.iterdir()] == ["config.json"]


def _differs(path: Path, before: bytes) -> bool:
    return path.read_bytes() != before

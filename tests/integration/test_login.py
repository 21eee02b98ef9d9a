"""podrun login and logout at real registries, and what skopeo (podman's code) makes of it."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from podrun.cli.main import entry
from podrun.node.config import Config
from podrun.registry import authpaths
from podrun.registry.client import Repository
from podrun.registry.config import Registries
from podrun.registry.credentials import FileKeyring
from podrun.registry.name import parse
from podrun.registry.types import NoKeyring, RegistryError
from tests.node import PATIENCE
from tests.registry import PROJECT, Certificate, Registry, Serving, TokenServer, need, oci_image

LOGIN = ("anna", "s3cr3t")


class Machine:
    """A home, a configuration and registries.conf of the test's own; root's are not touched."""

    def __init__(
        self, root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.root = root
        self.file = root / ".docker/config.json"
        self.conf = root / "registries.conf"
        self.certs = root / "certs.d"
        self.config = Config(registries_conf=str(self.conf), certs_dirs=(str(self.certs),))
        self._capsys = capsys
        self._monkeypatch = monkeypatch
        config_file = root / "config.json"
        config_file.write_bytes(msgspec.json.encode(self.config))
        for name in ("REGISTRY_AUTH_FILE", "XDG_CONFIG_HOME", "DOCKER_CONFIG", "SUDO_UID"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("HOME", str(root))
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(root / "runtime"))
        (root / "runtime").mkdir()
        monkeypatch.setenv("PODRUN_CONFIG", str(config_file))
        monkeypatch.setenv("NO_COLOR", "1")
        monkeypatch.setattr(authpaths, "RUN", root / "run")

    def podrun(self, *args: str, stdin: str = "", code: int = 0) -> str:
        """Both streams of a command in this process."""
        read, write = os.pipe()
        with os.fdopen(write, "w") as out:
            out.write(stdin)
        with os.fdopen(read) as piped:
            self._monkeypatch.setattr(sys, "stdin", piped)
            self._capsys.readouterr()
            found = entry(list(args))
        out_text, err_text = self._capsys.readouterr()
        assert found == code, f"{args}: exit {found}\n{out_text}{err_text}"
        return out_text + err_text

    def login(self, registry: str, *flags: str, password: str = LOGIN[1], code: int = 0) -> str:
        return self.podrun(
            "login", registry, "-u", LOGIN[0], "--password-stdin", *flags,
            stdin=f"{password}\n", code=code,
        )  # fmt: skip

    def keyring(self) -> FileKeyring:
        return FileKeyring(self.config)

    def reads(self, registry: Registry) -> bool:
        """Whether what is known of logins is enough to read app:v1."""
        with Repository(registry.endpoint("app"), self.keyring()) as repository:
            try:
                return bool(repository.manifest("v1", 1 << 20).data)
            except RegistryError as error:
                assert error.status in (401, 403), error
                return False


@pytest.fixture
def machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Machine:
    return Machine(tmp_path, monkeypatch, capsys)


@pytest.fixture(scope="module")
def guarded(serving: Serving) -> Registry:
    return serving(login=LOGIN)


def test_a_login_opens_the_registry_until_logout(machine: Machine, guarded: Registry) -> None:
    assert not machine.reads(guarded)
    said = machine.login(guarded.host)
    assert said == f"logged in to {guarded.host} as anna; kept in {machine.file}\n"
    assert machine.reads(guarded)
    assert machine.podrun("login", guarded.host, "--get-login") == "anna\n"
    assert machine.file.stat().st_mode & 0o777 == 0o600
    said = machine.podrun("logout", guarded.host)
    assert said == f"logged out of {guarded.host}; removed from {machine.file}\n"
    assert not machine.reads(guarded)
    assert machine.podrun("logout", guarded.host) == f"not logged in to {guarded.host}\n"
    assert "not logged in" in machine.podrun("login", guarded.host, "--get-login", code=1)


def test_a_wrong_password_is_not_kept(machine: Machine, guarded: Registry) -> None:
    said = machine.login(guarded.host, password="wr0ng", code=1)
    assert guarded.host in said and "wr0ng" not in said
    assert not machine.file.exists()
    machine.login(guarded.host)
    before = machine.file.read_bytes()
    machine.login(guarded.host, password="wr0ng", code=1)
    assert machine.file.read_bytes() == before


def test_a_registry_that_is_not_there(machine: Machine) -> None:
    assert "127.0.0.1:1" in machine.login("127.0.0.1:1", code=1)
    assert not machine.file.exists()


def test_a_token_server_is_asked(machine: Machine, tmp_path: Path) -> None:
    with (
        TokenServer(tmp_path / "tokens", login=LOGIN) as tokens,
        Registry(tmp_path / "registry", tokens=tokens) as registry,
    ):
        registry.push(oci_image(tmp_path / "image", [{"a": b"b"}]), "app:v1")
        assert not machine.reads(registry)
        machine.login(registry.host, password="wr0ng", code=1)
        machine.login(registry.host)
        assert machine.reads(registry)
        machine.podrun("logout", "--all")
        assert not machine.reads(registry)


def test_part_of_a_registry(machine: Machine, guarded: Registry) -> None:
    machine.login(f"https://{guarded.host}/app/")
    assert list(json.loads(machine.file.read_text())["auths"]) == [f"{guarded.host}/app"]
    assert machine.reads(guarded)
    assert machine.keyring().find(guarded.host, "other") == ()


@pytest.mark.parametrize(
    ("args", "stdin", "says"),
    [
        (("r.example", "--password-stdin"), "x", "needs a name"),
        (("r.example", "-u", "me"), "x", "no terminal"),
        (("r.example", "-u", "me", "--password-stdin"), "\n", "the password is empty"),
        (("r.example", "-u", "a:b", "--password-stdin"), "x", "no colon"),
        (("r.example:x", "-u", "me", "--password-stdin"), "x", "is not a registry"),
        (("r.example/a:v1", "-u", "me", "--password-stdin"), "x", "is not a registry"),
    ],
)
def test_what_is_refused(machine: Machine, args: tuple[str, ...], stdin: str, says: str) -> None:
    assert says in machine.podrun("login", *args, stdin=stdin, code=2)


def test_a_login_that_another_file_hides_is_told(machine: Machine, guarded: Registry) -> None:
    other = machine.root / "runtime/containers/auth.json"
    other.parent.mkdir(parents=True)
    other.write_text(json.dumps({"auths": {guarded.host: {"auth": "YTpi"}}}))
    said = machine.login(guarded.host)
    assert f"note: {other} has another login for {guarded.host}, and goes first" in said
    said = machine.podrun("logout", guarded.host)
    assert str(other) in said and str(machine.file) in said
    assert machine.keyring().find(guarded.host, "app") == ()


def test_without_registry_it_is_where_short_names_are_looked_for(
    machine: Machine, guarded: Registry
) -> None:
    assert machine.podrun("logout") == "not logged in to docker.io\n"
    machine.conf.write_text(f'unqualified-search-registries = ["{guarded.host}"]')
    said = machine.podrun("login", "-u", LOGIN[0], "--password-stdin", stdin=LOGIN[1])
    assert said.startswith(f"logged in to {guarded.host} as anna")
    reference, *_ = Registries.load(machine.config).references("app:v1")
    (endpoint,) = Registries.load(machine.config).endpoints(reference)
    with Repository(endpoint, machine.keyring()) as repository:
        assert repository.tags() == ["v1"]


def test_a_mirror_has_a_login_of_its_own(machine: Machine, guarded: Registry) -> None:
    machine.conf.write_text(
        f'[[registry]]\nprefix = "r.invalid/team"\nlocation = "r.invalid/team"\n'
        f'[[registry.mirror]]\nlocation = "{guarded.host}"\n'
    )
    mirror, itself = Registries.load(machine.config).endpoints(parse("r.invalid/team/app:v1"))
    assert (itself.host, itself.repository) == ("r.invalid", "team/app")
    auths = {"r.invalid": {"username": LOGIN[0], "password": LOGIN[1]}}
    machine.file.parent.mkdir()
    machine.file.write_text(json.dumps({"auths": auths}))
    with Repository(mirror, machine.keyring()) as repository, pytest.raises(RegistryError):
        repository.manifest("v1", 1 << 20)  # the login is r.invalid's, and is not sent elsewhere
    machine.login(guarded.host)
    with Repository(mirror, machine.keyring()) as repository:
        assert repository.manifest("v1", 1 << 20).data


# ── certificates ────────────────────────────────────────────────────────────────────────────────


def test_the_certificate_is_verified_unless_told_otherwise(
    machine: Machine, tmp_path: Path
) -> None:
    right = Certificate.make(tmp_path / "right")
    wrong = Certificate.make(tmp_path / "wrong", "somebody else")
    with Registry(tmp_path / "registry", login=LOGIN, certificate=right) as registry:
        authority = machine.certs / registry.host / "ca.crt"
        authority.parent.mkdir(parents=True)
        authority.write_bytes(wrong.ca.read_bytes())
        assert "certificate" in machine.login(registry.host, code=1)
        assert not machine.file.exists()
        said = machine.login(registry.host, "--tls-verify=false")
        assert f"note: pulls still verify {registry.host}" in said
        machine.podrun("logout", registry.host)
        machine.conf.write_text(f'[[registry]]\nlocation = "{registry.host}"\ninsecure = true')
        assert "note:" not in machine.login(registry.host, "--tls-verify=false")
        machine.podrun("logout", registry.host)
        machine.conf.unlink()
        authority.write_bytes(right.ca.read_bytes())
        machine.login(registry.host)
        endpoint = Registries.load(machine.config).registry(registry.host, "app")
        certs = machine.config.certs_dirs
        with Repository(endpoint, NoKeyring(), certs_dirs=certs) as repository:
            with pytest.raises(RegistryError) as caught:
                repository.tags()
            assert caught.value.status == 401  # that far it came


# ── what others make of it ──────────────────────────────────────────────────────────────────────


def test_skopeo_uses_our_login_and_we_use_its(machine: Machine, guarded: Registry) -> None:
    need("skopeo")
    image = f"docker://{guarded.host}/app:v1"
    inspect = ["skopeo", "inspect", "--tls-verify=false", image]

    def run(*command: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, capture_output=True, text=True, check=False, input=stdin)

    assert run(*inspect).returncode != 0
    machine.login(guarded.host)
    assert run(*inspect).returncode == 0
    machine.podrun("logout", guarded.host)
    assert run(*inspect).returncode != 0
    done = run(
        "skopeo", "login", "--tls-verify=false", "-u", LOGIN[0], "--password-stdin", guarded.host,
        stdin=LOGIN[1],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert machine.reads(guarded)
    assert str(machine.root / "runtime") in machine.podrun("logout", guarded.host)
    assert run(*inspect).returncode != 0


# ── a terminal ──────────────────────────────────────────────────────────────────────────────────


def test_on_a_terminal_it_asks_and_does_not_show_the_password(
    machine: Machine, guarded: Registry
) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "podrun", "login", guarded.host]
    with subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=PROJECT, start_new_session=True,
        preexec_fn=lambda: _take_terminal(theirs),
    ) as process:  # fmt: skip
        os.close(theirs)
        shown = _expect(ours, f"Username for {guarded.host}: ")
        os.write(ours, b"anna\n")
        shown += _expect(ours, "Password: ")
        os.write(ours, f"{LOGIN[1]}\n".encode())
        shown += _expect(ours, "kept in")
        assert process.wait(20 * PATIENCE) == 0
    os.close(ours)
    assert LOGIN[1] not in shown
    assert machine.reads(guarded)


def _take_terminal(fd: int) -> None:
    import fcntl
    import termios

    fcntl.ioctl(fd, termios.TIOCSCTTY, 0)


def _expect(fd: int, text: str) -> str:
    """What was shown up to ``text``; the test's own time limit is that of the read."""
    import select

    shown = ""
    while text not in shown:
        assert select.select([fd], [], [], 20 * PATIENCE)[0], f"only: {shown!r}"
        shown += os.read(fd, 4096).decode()
    return shown

"""``podrun create``: keys and contents from files and words, asked of the agent as a manifest."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from podrun.agent.objectstore import ObjectStore
from podrun.api.admit import admit
from tests.unit.cli_node import Cli
from tests.unit.fake_agent import FakeAgent


@pytest.fixture
def files(tmp_path: Path) -> Path:
    root = tmp_path / "files"
    (root / "inside").mkdir(parents=True)
    (root / "app.conf").write_text("a: 1\n")
    (root / "blob").write_bytes(b"\xff\x00")
    (root / "link").symlink_to("app.conf")
    return root


def dry(cli: Cli, *args: str | Path) -> dict[str, Any]:
    done = cli("create", *args, "--dry-run=client", "-o", "yaml")
    assert done.code == 0, done.err
    found: dict[str, Any] = yaml.safe_load(done.out)
    return found


def plain(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def test_a_config_map(cli: Cli, files: Path) -> None:
    made = dry(
        cli, "configmap", "c", f"--from-file={files}", f"--from-file=other={files}/app.conf",
        "--from-literal", "k=v=w", "--from-literal=empty=", "-n", "team",
    )  # fmt: skip
    assert made == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "c", "namespace": "team"},
        "data": {"app.conf": "a: 1\n", "other": "a: 1\n", "k": "v=w", "empty": ""},
        "binaryData": {"blob": "/wA="},
    }


def test_an_env_file(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FROM_OUTSIDE", "here")
    path = tmp_path / "env"
    path.write_bytes(b'\xef\xbb\xbfA=1\r\n\n  # no\n  B="x y" \nFROM_OUTSIDE\nUNSET_HERE\n')
    made = dry(cli, "configmap", "c", "--from-env-file", path)
    expected = {"A": "1", "B": '"x y" ', "FROM_OUTSIDE": "here", "UNSET_HERE": ""}
    assert made["data"] == expected
    path.write_bytes(b"A=1\nB=\xff\n")
    assert (
        "invalid utf8 bytes at line 2"
        in cli("create", "configmap", "c", f"--from-env-file={path}").err
    )


def test_secrets(cli: Cli, files: Path) -> None:
    made = dry(cli, "secret", "generic", "s", "--from-literal", "k=v", "--type", "x/y")
    assert (made["type"], plain(made["data"]["k"])) == ("x/y", b"v")
    assert "type" not in dry(cli, "secret", "generic", "s", "--immutable")

    login = ("--docker-username=u", "--docker-password=p", "--docker-email=e@x")
    made = dry(cli, "secret", "docker-registry", "r", *login)
    assert made["type"] == "kubernetes.io/dockerconfigjson"
    assert json.loads(plain(made["data"][".dockerconfigjson"])) == {
        "auths": {
            "https://index.docker.io/v1/": {
                "username": "u", "password": "p", "email": "e@x", "auth": "dTpw",
            }
        }
    }  # fmt: skip
    (files / "config.json").write_text('{"auths": {}}')
    made = dry(cli, "secret", "docker-registry", "r", f"--from-file={files}/config.json")
    assert plain(made["data"][".dockerconfigjson"]) == b'{"auths": {}}'


def test_a_key_pair(cli: Cli, tmp_path: Path) -> None:
    for name in ("a", "b"):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-subj", "/CN=x", "-keyout", f"{name}.key", "-out", f"{name}.crt"],
            cwd=tmp_path, check=True, capture_output=True,
        )  # fmt: skip
    pair = ("--cert", tmp_path / "a.crt", "--key", tmp_path / "a.key")
    made = dry(cli, "secret", "tls", "t", *pair)
    assert made["type"] == "kubernetes.io/tls"
    assert plain(made["data"]["tls.key"]) == (tmp_path / "a.key").read_bytes()
    done = cli("create", "secret", "tls", "t", *pair[:3], tmp_path / "b.key", "--dry-run")
    assert done.code == 1 and "failed to load key pair" in done.err
    assert cli("create", "secret", "tls", "t", "--cert", "x").code == 2


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (("--from-literal", "k"), 2, "invalid literal source k, expected key=value"),
        (("--from-literal", "=v"), 2, "invalid literal source =v, expected key=value"),
        (("--from-literal", "a/b=v"), 2, '"a/b" is not a valid key name for a ConfigMap'),
        (("--from-literal", "..=v"), 2, '".." is not a valid key name'),
        (("--from-literal", "a=1", "--from-literal", "a=2"), 2, 'another key by that name already'),
        (("--from-file", "/nonexistent"), 1, "error reading /nonexistent: No such file"),
        (("--from-file", "=x"), 2, "key name for file path x missing"),
        (("--from-file", "k="), 2, "file path for key name k missing"),
        (("--from-file", "k=a=b"), 2, "key names or file paths cannot contain '='"),
        (("--from-file", "k=/tmp"), 2, "cannot give a key name for a directory path"),
        (("--from-env-file", "x", "--from-file", "y"), 2, "from-env-file cannot be combined"),
        (("-o", "yaml"), 2, "-o goes with --dry-run only"),
    ],
)  # fmt: skip
def test_what_is_wrong(cli: Cli, args: tuple[str, ...], code: int, message: str) -> None:
    done = cli("create", "configmap", "c", *args)
    assert done.code == code and message in done.err


def test_a_bad_name(cli: Cli) -> None:
    done = cli("create", "configmap", "Bad_", "--dry-run")
    assert done.code == 3 and "metadata.name: Invalid value" in done.err


@pytest.mark.usefixtures("as_root")
def test_what_is_asked_of_the_agent(cli: Cli, agent: FakeAgent) -> None:
    agent.answers = [
        {"object": "configmap/c", "namespace": "default", "result": "created"},
        {"done": {}},
    ]
    done = cli("create", "configmap", "c", "--from-literal=a=1")
    assert (done.code, done.out) == (0, "configmap/c created\n")
    (request,) = agent.requests
    assert (request["verb"], request["wait"]) == ("apply", "none")


@pytest.mark.usefixtures("as_root")
def test_there_is_one_already(cli: Cli, agent: FakeAgent) -> None:
    manifest = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n"
    ObjectStore(cli.paths).write(admit([(manifest, "f")]).objects[0].object)
    done = cli("create", "configmap", "c")
    assert done.code == 1 and 'configmaps "c" already exists' in done.err
    assert agent.requests == []
    assert cli("create", "secret", "generic", "c").code == 0

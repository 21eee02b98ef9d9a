"""What the configuration says is checked when it is read: file, key, value, and what is right."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from podrun.errors import UsageError
from podrun.network import attach
from podrun.node import config
from podrun.node.config import Config, ImageLimits
from podrun.node.configrules import RULES, complaints
from podrun.node.paths import Paths
from tests.unit.cli_node import Cli


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PODRUN_CONFIG", str(tmp_path / "config"))
    return tmp_path / "config"


def test_every_key_has_a_rule_and_its_default_is_right() -> None:
    limits = RULES["imageLimits"]
    assert isinstance(limits, dict)
    assert set(RULES) == set(Config.__struct_encode_fields__)
    assert set(limits) == set(ImageLimits.__struct_encode_fields__)
    assert complaints(msgspec.to_builtins(Config())) == []


@pytest.mark.parametrize(
    "said",
    [
        {"agentIdleSeconds": 0.3, "imagePullBackoff": 0},
        {"cgroupRoot": "system.slice/podrun-2", "nodeName": "a.example", "runRoot": "/" + "r" * 82},
        {"podCidrs": ["10.0.0.0/30"]},
        {"systemReserved": {"cpu": "0.5", "memory": "1Gi"}},
        {"allowedUnsafeSysctls": ["net.core.*", "kernel.msgmax", "net/ipv4/tcp_*"]},
        {"podPidsLimit": -1, "imageGcHighThresholdPercent": 100, "imageMinimumGcAge": 0},
        {"imageLimits": {"layers": 4}, "certsDirs": [], "authFile": ""},
    ],
)
def test_what_is_right(said: dict[str, object]) -> None:
    assert complaints(said) == []


@pytest.mark.parametrize(
    ("key", "value", "right"),
    [
        ("podCidrs", ["300.0.0.0/8"], "10.85.0.0/16"),
        ("podCidrs", "10.0.0.0/8", "a list of ranges"),
        ("nftTable", "a b", "nftables table"),
        ("bridge", "a" * 17, "at most 15 letters"),
        ("bridge", None, "network interface"),
        ("agentIdleSeconds", -1, "number of seconds from 0"),
        ("agentIdleSeconds", "30", "number of seconds"),
        ("agentIdleSeconds", True, "number of seconds"),
        ("maxParallelImagePulls", 0, "1 or more"),
        ("maxParallelLayers", 2.5, "a whole number, 1 or more"),
        ("imageGcHighThresholdPercent", 400, "from 0 to 100"),
        ("usernsFirstId", 5, "from 65536 to 2147483647"),
        ("systemReserved", {"memory": "1Q"}, "'100Mi'"),
        ("systemReserved", {"cpu": "-1"}, "quantities"),
        ("systemReserved", {"disk": "1Gi"}, "cpu and memory"),
        ("cgroupRoot", "../x", 'a relative path without ".."'),
        ("cgroupRoot", "/x", "a relative path"),
        ("stateRoot", "var", "an absolute path"),
        ("runRoot", "/" + "r" * 83, "longer than 83 bytes"),
        ("podPidsLimit", 0, "-1 for no limit"),
        ("seccompDefault", "yes", "true or false"),
        ("allowedUnsafeSysctls", ["*"], "sysctl names"),
        ("certsDirs", ["certs.d"], "absolute paths"),
        ("imageLimits", 5, "a mapping of bytes, entries"),
    ],
)
def test_what_is_wrong(file: Path, key: str, value: object, right: str) -> None:
    file.write_text(json.dumps({key: value}))
    with pytest.raises(UsageError) as caught:
        config.load()
    assert caught.value.message.startswith(f"{file}: {key}: ")
    assert right in caught.value.message
    shown = json.dumps(value, separators=(",", ":"))
    assert shown[:57] in caught.value.message


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("state_root: /x", "state_root: there is no such key; did you mean stateRoot?"),
        ("podcidr: []", "did you mean podCidrs?"),
        ("imageLimits: {byte: 1}", "imageLimits.byte: there is no such key; did you mean bytes?"),
        ("1: x", "1: there is no such key"),
        ("- a", "keys with their values are wanted"),
        ("imageLimits: {layers: 0}", "imageLimits.layers: 0 is not a whole number, 1 or more"),
    ],
)
def test_keys(file: Path, text: str, meant: str) -> None:
    file.write_text(text)
    with pytest.raises(UsageError) as caught:
        config.load()
    assert meant in caught.value.message


def test_all_that_is_wrong_is_told_at_once(file: Path) -> None:
    file.write_text("bridge: a b\nseccompDefault: 1\n")
    with pytest.raises(UsageError) as caught:
        config.load()
    assert [line.split(": ")[1] for line in caught.value.message.splitlines()] == [
        "bridge",
        "seccompDefault",
    ]


def test_what_cannot_be_read(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_bytes(b"nodeName: \xff")
    with pytest.raises(UsageError, match="not UTF-8"):
        config.load()
    monkeypatch.setenv("PODRUN_CONFIG", str(file.parent))
    with pytest.raises(UsageError, match="PODRUN_CONFIG names a directory"):
        config.load()
    monkeypatch.setenv("PODRUN_CONFIG", f"{file}/below")
    with pytest.raises(UsageError, match="Not a directory"):
        config.load()


def test_a_wrong_one_is_a_mistake_of_usage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cli = Cli(tmp_path, monkeypatch, capsys)
    cli.config_file.write_text(json.dumps({"podCidrs": ["300.0.0.0/8"], "runRoot": "/nowhere"}))
    for args in (("ps",), ("apply", "-"), ("system", "reset", "--force")):
        done = cli(*args, stdin="kind: Pod")
        assert done.code == 2, args
        assert f"{cli.config_file}: podCidrs: " in done.err
        assert "docs/configuration.md" in done.err


@pytest.mark.parametrize(
    "wrong",
    [{"pod_cidrs": ("300.0.0.0/8",)}, {"nft_table": "a b"}, {"bridge": "a" * 17}],
)
def test_what_was_never_made_is_taken_away_all_the_same(
    tmp_path: Path, wrong: dict[str, object]
) -> None:
    node = Config(state_root=str(tmp_path), **wrong)  # type: ignore[arg-type]
    attach.detach(node, Paths(node), "0-1-2")
    attach.reset(node, Paths(node))
    assert not Paths(node).network.exists()

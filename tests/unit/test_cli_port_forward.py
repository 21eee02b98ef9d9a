"""``podrun port-forward``: which ports are meant, and what is refused."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from podrun.api.container import ContainerPort
from podrun.api.pod import Container, ObjectMeta, Pod, PodSpec
from podrun.cli.port_forward import parse_addresses, parse_ports
from podrun.errors import Conflict, NotFound, PodrunError, UsageError
from podrun.sandbox.forward import Ports, listen
from tests.unit.cli_node import Cli

PORTS = (
    ContainerPort(name="dns", container_port=53, protocol="UDP"),
    ContainerPort(name="http", container_port=8000),
)
POD = Pod(
    metadata=ObjectMeta(name="web"),
    spec=PodSpec(containers=(Container(name="app", image="x", ports=PORTS),)),
)


@pytest.mark.parametrize(
    ("text", "ports"),
    [
        ("80", Ports(80, 80)),
        ("8080:80", Ports(8080, 80)),
        (":80", Ports(0, 80)),
        ("0:80", Ports(0, 80)),
        ("9000:http", Ports(9000, 8000)),
        ("http", Ports(8000, 8000)),
        (":http", Ports(0, 8000)),
    ],
)
def test_ports(text: str, ports: Ports) -> None:
    assert parse_ports(text, POD) == ports


@pytest.mark.parametrize(
    "text", ["", ":", "80:", "0", "8080:0", "65536", "1:2:3", "http:80", "-1:80", "9" * 5000]
)
def test_no_ports(text: str) -> None:
    with pytest.raises(UsageError):
        parse_ports(text, POD)


@pytest.mark.parametrize("text", ["dns", ":https", "80 "])
def test_names_that_no_tcp_port_has(text: str) -> None:
    with pytest.raises(NotFound) as caught:
        parse_ports(text, POD)
    assert caught.value.hint == "it has dns, http"


def test_addresses() -> None:
    assert parse_addresses(["localhost, ::1", "10.0.0.1"]) == ["localhost", "::1", "10.0.0.1"]
    for wrong in ("", "example.org", "1.2.3", "127.0.0.1:80"):
        with pytest.raises(UsageError):
            parse_addresses([wrong])


def test_listening_on_one_free_port_everywhere() -> None:
    listeners = listen(["localhost", "127.0.0.1", "127.0.0.2"], Ports(0, 80))
    try:
        assert len({listener.port for listener in listeners}) == 1
        addresses = [listener.address.rpartition(":")[0] for listener in listeners]
        assert [each for each in addresses if each != "[::1]"] == ["127.0.0.1", "127.0.0.2"]
    finally:
        for listener in listeners:
            listener.socket.close()


def test_a_port_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(Conflict, match=f"127.0.0.1:{port} is taken") as caught:
            listen(["localhost"], Ports(port, 80))
        assert ":REMOTE" in caught.value.hint
    with pytest.raises(Conflict, match="no address of this machine"):
        listen(["192.0.2.1"], Ports(0, 80))


def test_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cli = Cli(tmp_path, monkeypatch, capsys)
    cli.pod("web")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "only root" in cli("port-forward", "web", "80").err
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert cli("port-forward", "web").code == 2
    assert cli("port-forward", "web", "x:80").code == 2
    assert 'pods "db" not found' in cli("port-forward", "db", "80").err
    done = cli("port-forward", "web", ":80")
    assert (done.code, done.out) == (PodrunError.exit_code, "")
    assert done.err == 'error: pod "web" is not running (see `podrun ps`)\n'

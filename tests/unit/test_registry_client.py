"""The client as a whole, as far as no server is needed."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from podrun.registry.client import Repository
from podrun.registry.types import Endpoint, NoKeyring, RegistryError


def test_urllib3_is_loaded_only_when_something_is_asked_for() -> None:
    code = (
        "import sys; from podrun.registry.client import Repository; "
        "from podrun.registry.types import *; "
        "r = Repository(Endpoint('r.example', 'app', 'r.example'), NoKeyring()); "
        "b = r.blob('sha256:' + '0' * 64, 5); r.close(); "
        "sys.exit('urllib3' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    "host", ["", "a b", "a/b", "user@host", "h:port", "h?x", "h#x", "ä.example", "a\nb", "["]
)
def test_what_is_no_host_is_refused(host: str) -> None:
    with pytest.raises(RegistryError, match="is not the name of a host"):
        Repository(Endpoint(host, "app", host), NoKeyring())


def test_an_empty_blob_is_not_asked_for() -> None:
    with Repository(Endpoint("r.invalid", "app", "r.invalid"), NoKeyring()) as repository:
        assert repository.blob("sha256:" + "0" * 64, 0).read() == b""


def test_a_name_that_does_not_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)

    def fail(*args: object, **kwargs: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    endpoint = Endpoint("r.invalid", "app", "r.invalid")
    with (
        Repository(endpoint, NoKeyring()) as repository,
        pytest.raises(RegistryError, match=r"cannot find the address of r\.invalid") as caught,
    ):
        repository.manifest("v1", 1000)
    assert "tries" not in caught.value.message
    assert os.linesep not in caught.value.text

"""The short way to the agent says what the whole configuration says."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from podrun.agent import client
from podrun.errors import UsageError
from podrun.node import config, endpoint
from podrun.node.config import Config
from podrun.node.endpoint import Endpoint
from podrun.node.paths import Paths


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PODRUN_CONFIG", str(tmp_path / "config"))
    return tmp_path / "config"


def same(one: Endpoint | Config, other: Endpoint | Config) -> bool:
    names = ("run_root", "log_root")
    return all(getattr(one, name) == getattr(other, name) for name in names)


def test_the_defaults_are_those_of_the_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    assert same(Endpoint(), Config())
    assert str(config.DEFAULT_FILE) == endpoint.DEFAULT_FILE
    monkeypatch.delenv("PODRUN_CONFIG", raising=False)
    monkeypatch.setattr(endpoint, "DEFAULT_FILE", "/nowhere/at/all")
    assert same(endpoint.load(), Endpoint())
    assert client._log(Config()) == str(Paths(Config()).agent_log)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        ' {"runRoot": "/a"}',
        '{"logRoot": "/l", "bridge": "b"}',
        "runRoot: /b\nlogRoot: /c",
        f'{{"runRoot": "/{"r" * 70}"}}',
    ],
)
def test_every_way_to_write_it(file: Path, text: str) -> None:
    file.write_text(text)
    found = endpoint.load()
    assert same(found, config.load())
    assert found.environment() == config.load().environment() == {"PODRUN_CONFIG": str(file)}


@pytest.mark.parametrize(
    "text",
    [
        None,
        "{",
        '{"runRoot": 1}',
        '{"logRoot": "log"}',
        f'{{"runRoot": "/{"r" * 90}"}}',
        "runRoot: [",
        "- a",
    ],
)
def test_what_cannot_be_read_is_said(file: Path, text: str | None) -> None:
    if text is not None:
        file.write_text(text)
    with pytest.raises(UsageError) as short:
        endpoint.load()
    with pytest.raises(UsageError) as whole:
        config.load()
    assert short.value.text == whole.value.text


def test_it_has_the_encoding_of_tests_and_tools(file: Path) -> None:
    file.write_bytes(msgspec.json.encode(Config(run_root="/x")))
    assert type(endpoint.load()) is Endpoint and endpoint.load().run_root == "/x"

"""What the worker gathers: of the machine, and of files that containers may have tampered with."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from podrun.agent.environment import variables
from podrun.agent.node import Node
from podrun.agent.podstore import StoredPod
from podrun.api.pod import (
    Container,
    EnvVar,
    EnvVarSource,
    FileKeySelector,
    ObjectMeta,
    Pod,
    PodSpec,
    ResourceFieldSelector,
)
from podrun.errors import PodrunError
from podrun.node.config import Config
from podrun.node.paths import Paths
from podrun.pod.facts import Facts


def _told(root: Path, source: EnvVarSource) -> dict[str, str]:
    config = Config(state_root=str(root))
    node = Node(config, Paths(config), "here", ("192.0.2.1",), 1 << 30)
    container = Container(name="app", env=(EnvVar(name="K", value_from=source),))
    metadata = ObjectMeta(name="web", namespace="default")
    pod = Pod(metadata=metadata, spec=PodSpec(containers=(container,)))
    paths = node.paths.pod("u", "default", "web")
    return variables(node, StoredPod(pod, Facts(accepted_at=0.0), paths), container)


def _value(root: Path, path: str, *, optional: bool = False) -> dict[str, str]:
    ref = FileKeySelector(volume_name="v", path=path, key="K", optional=optional)
    return _told(root, EnvVarSource(file_key_ref=ref))


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    config = Config(state_root=str(tmp_path))
    path = Path(Paths(config).pod("u", "default", "web").volume("v"))
    path.mkdir(parents=True)
    (tmp_path / "outside").write_text("K='secret of the host'\n")
    return path


def test_files_of_the_volume_also_by_links_within(volume: Path, tmp_path: Path) -> None:
    (volume / "deep").mkdir()
    (volume / "deep/file").write_text("K='v'\n")
    (volume / "link").symlink_to("/deep/file")
    assert _value(tmp_path, "deep/file") == _value(tmp_path, "link") == {"K": "v"}


@pytest.mark.parametrize("target", ["outside", "../../../../../outside", "/proc/self/cwd/outside"])
def test_no_link_leads_to_a_file_of_the_host(volume: Path, tmp_path: Path, target: str) -> None:
    whole = target if "/" in target else str(tmp_path / target)
    (volume / "link").symlink_to(whole)
    assert _value(tmp_path, "link", optional=True) == {}
    with pytest.raises(PodrunError, match=r'couldn\'t find file link of volume "v"'):
        _value(tmp_path, "link")


def _large(path: Path) -> None:
    path.touch()
    os.truncate(path, 1 << 40)


def _loop(path: Path) -> None:
    path.symlink_to(path.name)


MADE: list[tuple[Callable[[Path], object], str]] = [
    (os.mkfifo, "not a regular file"),
    (Path.mkdir, "not a regular file"),
    (_large, "larger than 64 KiB"),
    (_loop, "Too many levels of symbolic links"),
    (lambda path: path.write_bytes(b"K='\xff'"), "no UTF-8 text"),
    (lambda path: path.write_text("K='v"), "line 1: the value must be in single quotes"),
    (lambda path: path.write_text("K='a\0b'"), "the value of variable K has a null character"),
]


@pytest.mark.parametrize(("make", "why"), MADE)
def test_what_is_no_file_of_variables_is_told_and_holds_nobody_up(
    volume: Path, tmp_path: Path, make: Callable[[Path], object], why: str
) -> None:
    make(volume / "file")
    with pytest.raises(PodrunError) as caught:
        _value(tmp_path, "file", optional=True)
    assert caught.value.message.endswith(why)
    assert caught.value.reason == "CreateContainerConfigError"


def test_a_volume_that_is_not_there_has_no_files(tmp_path: Path) -> None:
    assert _value(tmp_path, "file", optional=True) == {}


def test_without_a_limit_of_storage_the_disk_is_the_limit(tmp_path: Path) -> None:
    ref = ResourceFieldSelector(resource="limits.ephemeral-storage")
    disk = os.statvfs(tmp_path)
    assert _told(tmp_path, EnvVarSource(resource_field_ref=ref)) == {
        "K": str(disk.f_blocks * disk.f_frsize)
    }

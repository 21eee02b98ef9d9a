"""registries.conf: what short names, aliases and full names mean."""

from __future__ import annotations

from pathlib import Path

import pytest

from podrun.errors import UsageError
from podrun.node.config import Config
from podrun.registry.config import Registries
from podrun.registry.name import parse
from tests.unit.test_registry_config import DIGEST, conf, names


@pytest.mark.parametrize("text", ["", "unqualified-search-registries = []"])
def test_a_short_name_without_a_list_is_docker_hubs(tmp_path: Path, text: str) -> None:
    registries = conf(tmp_path, text)
    assert names(registries, "nginx") == ["docker.io/library/nginx:latest"]
    assert names(registries, f"a/b@{DIGEST}") == [f"docker.io/a/b@{DIGEST}"]
    assert registries.default_registry == "docker.io"


def test_no_file_at_all_is_the_default(tmp_path: Path) -> None:
    found = Registries.load(Config(registries_conf=str(tmp_path / "none" / "registries.conf")))
    assert found == Registries()


def test_search_registries_are_tried_in_order(tmp_path: Path) -> None:
    registries = conf(
        tmp_path, 'unqualified-search-registries = ["quay.io", "docker.io", "r:5000"]'
    )
    assert names(registries, "nginx:1") == [
        "quay.io/nginx:1",
        "docker.io/library/nginx:1",
        "r:5000/nginx:1",
    ]
    assert names(registries, f"a/b:1@{DIGEST}")[2] == f"r:5000/a/b:1@{DIGEST}"
    assert registries.default_registry == "quay.io"


@pytest.mark.parametrize(
    "text", ["docker.io/nginx", "index.docker.io/nginx", "localhost/x", "r:5000/x", "Upper/x"]
)
def test_full_names_are_themselves(tmp_path: Path, text: str) -> None:
    registries = conf(tmp_path, 'unqualified-search-registries = ["quay.io"]')
    assert names(registries, text) == [str(parse(text))]


def test_an_alias_goes_before_the_list_and_keeps_tag_and_digest(tmp_path: Path) -> None:
    registries = conf(
        tmp_path,
        'unqualified-search-registries = ["quay.io"]\n'
        '[aliases]\n"web" = "r.example/team/web"\n"db" = "docker.io/postgres"\n"a/b" = "r:1/c"',
    )
    assert names(registries, "web") == ["r.example/team/web:latest"]
    assert names(registries, "web:2") == ["r.example/team/web:2"]
    assert names(registries, f"web:2@{DIGEST}") == [f"r.example/team/web:2@{DIGEST}"]
    assert names(registries, "db") == ["docker.io/library/postgres:latest"]
    assert names(registries, "a/b") == ["r:1/c:latest"]
    assert names(registries, "library/web") == ["quay.io/library/web:latest"]


def test_enforcing_refuses_to_guess(tmp_path: Path) -> None:
    registries = conf(
        tmp_path,
        'unqualified-search-registries = ["a.example", "b.example", "c.example"]',
        mode='short-name-mode = "enforcing"',
    )
    with pytest.raises(UsageError) as caught:
        registries.references("nginx")
    assert caught.value.reason == "InvalidImageName"
    assert "a.example, b.example or c.example" in caught.value.message
    assert str(tmp_path / "registries.conf.d/mode.conf") in caught.value.message
    assert names(registries, "c.example/nginx") == ["c.example/nginx:latest"]


@pytest.mark.parametrize("mode", ["permissive", "disabled", ""])
def test_other_modes_try_all(tmp_path: Path, mode: str) -> None:
    registries = conf(
        tmp_path,
        f'unqualified-search-registries = ["a.example", "b.example"]\nshort-name-mode = "{mode}"',
    )
    assert len(registries.references("nginx")) == 2


def test_enforcing_with_one_registry_has_nothing_to_guess(tmp_path: Path) -> None:
    registries = conf(
        tmp_path, 'unqualified-search-registries = ["a.example"]\nshort-name-mode = "enforcing"'
    )
    assert names(registries, "nginx") == ["a.example/nginx:latest"]


def test_a_bad_name_is_an_invalid_image_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        conf(tmp_path, "").references("No/../good")
    assert caught.value.reason == "InvalidImageName"

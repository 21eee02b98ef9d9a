"""References: docker's normalization, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podrun.errors import UsageError
from podrun.registry.name import candidates, image_id_prefix, parse

DIGEST = "sha256:" + "a1" * 32


@pytest.mark.parametrize(
    ("text", "full"),
    [
        ("tomcat", "docker.io/library/tomcat:latest"),
        ("geektime/tomcat:7.0", "docker.io/geektime/tomcat:7.0"),
        ("docker.io/tomcat", "docker.io/library/tomcat:latest"),
        ("index.docker.io/a/b", "docker.io/a/b:latest"),
        ("localhost/x", "localhost/x:latest"),
        ("localhost/host", "localhost/host:latest"),
        ("localhost:5000/x:1", "localhost:5000/x:1"),
        ("Registry/x", "Registry/x:latest"),
        ("r.example:5000/a/b/c:v1.2_3-x", "r.example:5000/a/b/c:v1.2_3-x"),
        ("[::1]:5000/a", "[::1]:5000/a:latest"),
        (f"tomcat@{DIGEST}", f"docker.io/library/tomcat@{DIGEST}"),
        (f"a/b:1@{DIGEST}", f"docker.io/a/b:1@{DIGEST}"),
        ("a__b/c-d.e---f", "docker.io/a__b/c-d.e---f:latest"),
        ("x:5000", "docker.io/library/x:5000"),
    ],
)
def test_is_normalized_as_docker_does(text: str, full: str) -> None:
    assert str(parse(text)) == full


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "a b", "A", "foo/Bar", "a:", ":1", "a/", "/a", "a//b", "a:b:c", "-a", "a-", "a_.b",
        "a___b", "a@sha256:12", f"a@{DIGEST.upper()}", "a@md5:" + "0" * 32, "a:" + "t" * 129,
        "x" * 300, "https://r.example/a", "../../etc", "r.example/..", "a\n", "-r.example/a", "ä",
    ],
)  # fmt: skip
def test_a_name_that_means_nothing_is_refused_with_kubernetes_reason(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(text)
    assert caught.value.reason == "InvalidImageName"
    assert len(caught.value.message) < 300


def test_a_short_name_falls_back_to_localhost() -> None:
    assert [str(r) for r in candidates("geektime/tomcat:7.0")] == [
        "docker.io/geektime/tomcat:7.0",
        "localhost/geektime/tomcat:7.0",
    ]
    assert [str(r) for r in candidates("x")][1] == "localhost/x:latest"
    assert [str(r) for r in candidates(f"x@{DIGEST}")][1] == f"localhost/x@{DIGEST}"


@pytest.mark.parametrize("text", ["docker.io/library/x", "r.example/x", "localhost/x"])
def test_a_full_name_means_only_itself(text: str) -> None:
    assert len(candidates(text)) == 1


def test_image_ids() -> None:
    assert image_id_prefix("a1b") == "a1b"
    assert image_id_prefix(DIGEST) == "a1" * 32
    assert image_id_prefix("ab") == image_id_prefix("xyz") == image_id_prefix("0" * 65) == ""


@given(st.text(max_size=60))
def test_any_text_is_a_reference_or_refused_and_normalizing_twice_changes_nothing(
    text: str,
) -> None:
    try:
        reference = parse(text)
    except UsageError:
        return
    assert parse(str(reference)) == reference

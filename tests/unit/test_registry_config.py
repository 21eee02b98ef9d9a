"""registries.conf: what names mean, where images are pulled from, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from podrun.errors import UsageError
from podrun.node.config import Config
from podrun.registry.config import Registries
from podrun.registry.name import parse
from podrun.registry.resolve import covered
from podrun.registry.types import Endpoint, RegistryError

DIGEST = "sha256:" + "a1" * 32


def conf(tmp_path: Path, text: str, **drop_ins: str) -> Registries:
    """The configuration of a main file and of drop-ins, by their names without .conf."""
    main = tmp_path / "registries.conf"
    main.write_text(text)
    directory = tmp_path / "registries.conf.d"
    directory.mkdir(exist_ok=True)
    for name, inner in drop_ins.items():
        (directory / f"{name}.conf").write_text(inner)
    return Registries.load(Config(registries_conf=str(main)))


def names(registries: Registries, text: str) -> list[str]:
    return [str(reference) for reference in registries.references(text)]


def hosts(registries: Registries, text: str) -> list[str]:
    """host/repository of each endpoint; "!" before insecure ones, "~" before mirrors."""
    return [
        f"{'~' if e.mirror else ''}{'!' if e.insecure else ''}{e.host}/{e.repository}"
        for e in registries.endpoints(parse(text))
    ]


# ── endpoints ───────────────────────────────────────────────────────────────────────────────────


def test_docker_hub_is_asked_where_it_answers() -> None:
    assert Registries().endpoints(parse("nginx")) == (
        Endpoint("registry-1.docker.io", "library/nginx", "docker.io"),
    )


def test_mirrors_come_first_and_logins_stay_with_their_hosts(tmp_path: Path) -> None:
    registries = conf(
        tmp_path,
        """
        [[registry]]
        prefix = "docker.io"
        location = "docker.io"
        [[registry.mirror]]
        location = "m.example/hub"
        [[registry.mirror]]
        location = "localhost:5000"
        insecure = true
        """,
    )
    found = registries.endpoints(parse("nginx:1"))
    assert found == (
        Endpoint("m.example", "hub/library/nginx", "m.example", False, True),
        Endpoint("localhost:5000", "library/nginx", "localhost:5000", True, True),
        Endpoint("registry-1.docker.io", "library/nginx", "docker.io"),
    )
    assert hosts(registries, "quay.io/nginx") == ["quay.io/nginx"]


def test_the_longest_prefix_decides(tmp_path: Path) -> None:
    registries = conf(
        tmp_path,
        """
        [[registry]]
        location = "r.example"
        insecure = true
        [[registry]]
        prefix = "r.example/team"
        location = "new.example/old/team"
        [[registry]]
        prefix = "r.example/team/app"
        location = "r.example/app"
        [[registry]]
        prefix = "*.example"
        """,
    )
    assert hosts(registries, "r.example/x") == ["!r.example/x"]
    assert hosts(registries, "r.example/team/x/y") == ["new.example/old/team/x/y"]
    assert hosts(registries, "r.example/team/app") == ["r.example/app"]
    assert hosts(registries, "r.example/team/app/x:1") == ["r.example/app/x"]
    assert hosts(registries, "r.example/team/apps") == ["new.example/old/team/apps"]
    assert hosts(registries, "other.example/x") == ["other.example/x"]


@pytest.mark.parametrize(
    ("prefix", "text", "length"),
    [
        ("r.example", "r.example/x", 9),
        ("r.example", "r.example:5000/x", 9),
        ("r.example", "r.example.org/x", 0),
        ("r.example", "r.example", 9),
        ("r.example/x", "r.example/x:1", 11),
        ("r.example/x", "r.example/xy:1", 0),
        ("r.example/x:1", "r.example/x:1", 13),
        ("r.example/x:1", "r.example/x:10", 0),
        ("r.example/x:1", f"r.example/x:1@{DIGEST}", 13),
        ("*.example", "r.example/x", 9),
        ("*.example", "a.b.example:5000/x", 11),
        ("*.example", "example/x", 0),
        ("*.example", ".example/x", 0),
        ("*.example", "r.example.org/x", 0),
        ("*.example", "r.org/x.example/y", 0),
        ("*.example", "rexample/x", 0),
    ],
)
def test_what_a_prefix_covers(prefix: str, text: str, length: int) -> None:
    assert covered(prefix, text) == length


def test_a_wildcard_replaces_the_host(tmp_path: Path) -> None:
    registries = conf(
        tmp_path,
        """
        [[registry]]
        prefix = "*.r.example"
        insecure = true
        [[registry.mirror]]
        location = "m.example/cache"
        """,
    )
    assert hosts(registries, "a.b.r.example/x/y:1") == [
        "~m.example/cache/x/y",
        "!a.b.r.example/x/y",
    ]


@pytest.mark.parametrize(
    ("pull", "by_tag", "by_digest"),
    [
        ("all", True, True),
        ("", True, True),
        ("digest-only", False, True),
        ("tag-only", True, False),
    ],
)
def test_pull_from_mirror(tmp_path: Path, pull: str, by_tag: bool, by_digest: bool) -> None:
    registries = conf(
        tmp_path,
        f"""
        [[registry]]
        location = "r.example"
        [[registry.mirror]]
        location = "m.example"
        pull-from-mirror = "{pull}"
        """,
    )
    assert (len(hosts(registries, "r.example/x:1")) == 2) == by_tag
    assert (len(hosts(registries, f"r.example/x@{DIGEST}")) == 2) == by_digest
    assert (len(hosts(registries, f"r.example/x:1@{DIGEST}")) == 2) == by_digest


def test_mirror_by_digest_only(tmp_path: Path) -> None:
    registries = conf(
        tmp_path,
        """
        [[registry]]
        location = "r.example"
        mirror-by-digest-only = true
        [[registry.mirror]]
        location = "m.example"
        """,
    )
    assert hosts(registries, "r.example/x:1") == ["r.example/x"]
    assert hosts(registries, f"r.example/x@{DIGEST}") == ["~m.example/x", "r.example/x"]


def test_blocked_names_the_file(tmp_path: Path) -> None:
    registries = conf(
        tmp_path,
        "",
        block='[[registry]]\nlocation = "bad.example"\nblocked = true\n'
        '[[registry]]\nprefix = "bad.example/good"\nlocation = "bad.example/good"',
    )
    for ask in (registries.endpoints, registries.push_endpoint):
        with pytest.raises(RegistryError) as caught:
            ask(parse("bad.example/x"))
        assert "bad.example/x:latest is blocked" in caught.value.message
        assert str(tmp_path / "registries.conf.d/block.conf") in caught.value.message
        with pytest.raises(RegistryError):
            ask(parse("bad.example:5000/x"))
    assert hosts(registries, "bad.example/good/x") == ["bad.example/good/x"]


def test_a_prefix_with_a_tag_rewrites_the_repository_only(tmp_path: Path) -> None:
    registries = conf(
        tmp_path,
        '[[registry]]\nprefix = "r.example/x:1"\nlocation = "n.example/y:1"\n'
        '[[registry]]\nprefix = "r.example/x:2"\nlocation = "n.example/y:3"\n'
        '[[registry]]\nprefix = "r.example/z"\nlocation = "n.example"\n'
        '[[registry]]\nprefix = "p.example"\nlocation = "n.example:1"',
    )
    assert hosts(registries, "r.example/x:1") == ["n.example/y"]
    assert hosts(registries, "r.example/x:4") == ["r.example/x"]
    for text in ("r.example/x:2", "r.example/z", "p.example:2/x"):
        with pytest.raises(RegistryError, match=r"registries\.conf leaves no repository, or"):
            registries.endpoints(parse(text))


def test_pushing_goes_to_the_registry_itself(tmp_path: Path) -> None:
    registries = conf(
        tmp_path,
        """
        [[registry]]
        prefix = "r.example"
        location = "n.example"
        insecure = true
        [[registry.mirror]]
        location = "m.example"
        """,
    )
    assert registries.push_endpoint(parse("r.example/x")) == Endpoint(
        "r.example", "x", "r.example", insecure=True
    )
    assert registries.registry("r.example") == Endpoint("r.example", "", "r.example", True)
    assert registries.registry("docker.io").host == "registry-1.docker.io"


# ── several files ───────────────────────────────────────────────────────────────────────────────


def test_later_files_replace_what_earlier_ones_say(tmp_path: Path) -> None:
    registries = conf(
        tmp_path,
        """
        unqualified-search-registries = ["a.example"]
        credential-helpers = ["containers-auth.json", "pass"]
        [[registry]]
        location = "r.example"
        insecure = true
        [[registry.mirror]]
        location = "m.example"
        [aliases]
        "web" = "a.example/web"
        "db" = "a.example/db"
        """,
        **{
            "10-first": 'unqualified-search-registries = ["b.example"]\n'
            '[aliases]\n"web" = "b.example/web"\n"db" = ""',
            "20-second": '[[registry]]\nprefix = "r.example"\nlocation = "s.example"',
        },
    )
    assert names(registries, "x") == ["b.example/x:latest"]
    assert names(registries, "web") == ["b.example/web:latest"]
    assert names(registries, "db") == ["b.example/db:latest"]
    assert hosts(registries, "r.example/x") == ["s.example/x"]
    assert registries.credential_helpers == ("containers-auth.json", "pass")


def test_only_conf_files_count(tmp_path: Path) -> None:
    directory = tmp_path / "registries.conf.d"
    (directory / "sub.conf").mkdir(parents=True)
    (directory / "old.conf.bak").write_text("not toml")
    (directory / "gone.conf").symlink_to(tmp_path / "nowhere")
    assert conf(tmp_path, "") == Registries()


def test_drop_ins_count_without_a_main_file(tmp_path: Path) -> None:
    directory = tmp_path / "registries.conf.d"
    directory.mkdir()
    (directory / "a.conf").write_text('unqualified-search-registries = ["a.example"]')
    registries = Registries.load(Config(registries_conf=str(tmp_path / "registries.conf")))
    assert registries.search == ("a.example",)


# ── what is refused ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[registry]", "is not TOML"),
        ("unqualified-search-registries = 'docker.io'", "$.unqualified-search-registries"),
        ("unqualified-search-registries = ['https://r']", "unqualified-search-registries[0]"),
        ("unqualified-search-registries = ['r.example/x']", "is not host[:port]"),
        ("short-name-mode = 'maybe'", "$.short-name-mode"),
        ("[[registry]]\ninsecure = true", "registry[0] has neither location nor prefix"),
        ("[[registry]]\nlocation = 'http://r.example'", "registry[0].location"),
        ("[[registry]]\nlocation = 'r.example'\ninsecure = 'yes'", "$.registry[0].insecure"),
        ("[[registry]]\nprefix = 'a.*.example'", "registry[0].prefix"),
        ("[[registry]]\nprefix = '*.r.example/x'", "registry[0].prefix"),
        ("[[registry]]\nlocation = 'r.example/../x'", "registry[0].location"),
        (
            "[[registry]]\nlocation = 'r'\n[[registry.mirror]]\ninsecure = true",
            "mirror[0].location",
        ),
        (
            "[[registry]]\nlocation = 'r'\n[[registry.mirror]]\nlocation = 'm'\n"
            "pull-from-mirror = 'never'",
            "$.registry[0].mirror[0].pull-from-mirror",
        ),
        (
            "[[registry]]\nlocation = 'r'\nmirror-by-digest-only = true\n"
            "[[registry.mirror]]\nlocation = 'm'\npull-from-mirror = 'all'",
            "contradicts mirror-by-digest-only",
        ),
        (
            "[[registry]]\nlocation = 'r'\nblocked = true\n"
            "[[registry]]\nprefix = 's'\nlocation = 'r'",
            "with and without blocked",
        ),
        ("[[registry]]\nlocation = 'r'\nbloked = true", "registry[0].bloked is no key"),
        ("unqualified-search-registry = []", "unqualified-search-registry is no key"),
        ("[aliases]\n'r.example/x' = 'r.example/y'", "without registry"),
        ("[aliases]\n'x:1' = 'r.example/y'", "without registry"),
        ("[aliases]\n'x' = 'y'", "is not a full name"),
        ("[aliases]\n'x' = 'r.example/y:1'", "is not a full name"),
        ("[aliases]\n'x' = 1", "$.aliases"),
        ("[registries.search]\nregistries = ['docker.io']", "version 1"),
        ("[registries.block]\nregistries = ['docker.io']", "version 1"),
    ],
)
def test_what_is_broken_is_named(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        conf(tmp_path, text)
    assert str(tmp_path / "registries.conf") in caught.value.message
    assert says in caught.value.message


def test_what_is_not_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "registries.conf").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="is not TOML"):
        Registries.load(Config(registries_conf=str(tmp_path / "registries.conf")))


def test_keys_of_others_are_passed_over(tmp_path: Path) -> None:
    registries = conf(
        tmp_path,
        'additional-layer-store-auth-helper = "x"\n[registries.search]\nregistries = []\n'
        '[[registry]]\nlocation = "r.example"\nfrobnicate = 3',
    )
    assert hosts(registries, "r.example/x") == ["r.example/x"]

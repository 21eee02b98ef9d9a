"""``podrun -n NS VERB``."""

from __future__ import annotations

import pytest

from podrun.cli.order import verb_first
from tests.unit.cli_node import Cli


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("", ""),
        ("ps", "ps"),
        ("-n team ps -o wide", "ps -n team -o wide"),
        ("--namespace team get pods", "get --namespace team pods"),
        ("--namespace=team --debug get pods", "get --namespace=team --debug pods"),
        ("-nteam exec web -- ls -n", "exec -nteam web -- ls -n"),
        ("-n team", "-n team"),
        ("-n", "-n"),
        ("-n team --help", "--help -n team"),
        ("--help", "--help"),
        ("ps -n team", "ps -n team"),
    ],
)
def test_the_verb_comes_first(typed: str, meant: str) -> None:
    assert verb_first(typed.split()) == meant.split()


def test_the_namespace_may_stand_before_the_verb(cli: Cli) -> None:
    cli.pod("web", namespace="team")
    cli.pod("db")
    for flag in (("-n", "team"), ("--namespace=team",)):
        done = cli(*flag, "get", "pods", "-o", "name")
        assert (done.code, done.out) == (0, "pod/web\n")


@pytest.mark.parametrize("args", [("version",), ("image", "ls"), ("explain", "pod"), ()])
def test_who_has_no_namespace_refuses_one(cli: Cli, args: tuple[str, ...]) -> None:
    done = cli("-n", "team", *args)
    assert done.code == 2 and "no such option" in done.err and "-n" in done.err

"""``podrun top`` without cgroups: what is asked for, and how figures are rounded."""

from __future__ import annotations

import pytest

from podrun.cli.top import millicores
from tests.unit.cli_node import Cli


@pytest.mark.parametrize(
    ("used", "elapsed", "cores"),
    [
        (500_000_000, 1_000_000_000, 500),
        (1, 1_000_000_000, 1),  # rounded up: it is not nothing
        (0, 1_000_000_000, 0),
        (-5, 1_000_000_000, 0),
        (None, 1_000_000_000, None),
        (5, 0, None),
    ],
)
def test_millicores(used: int | None, elapsed: int, cores: int | None) -> None:
    assert millicores(used, elapsed) == cores


def test_no_pods(cli: Cli) -> None:
    done = cli("top")
    assert (done.code, done.out) == (0, "")
    assert done.err == "No resources found in default namespace.\n"


def test_an_unknown_pod(cli: Cli) -> None:
    done = cli("top", "web")
    assert done.code == 1 and 'pods "web" not found' in done.err


def test_a_pod_that_does_not_run(cli: Cli) -> None:
    cli.pod("web", running=False)
    done = cli("top", "web")
    assert done.code == 1 and done.err.startswith("error: nothing runs in web")


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (("events",), "only pods"),
        (("--sort-by=age",), "age"),
        (("--interval", "0"), "longer than nothing"),
        (("--interval", "soon"), "no duration"),
        (("web", "-A"), "names go with neither"),
    ],
)
def test_wrong_usage(cli: Cli, args: tuple[str, ...], text: str) -> None:
    done = cli("top", *args)
    assert done.code == 2 and text in done.err


def test_without_its_cgroup_it_has_just_ended(cli: Cli) -> None:
    cli.pod("web")
    done = cli("top", "--interval", "1ms")
    assert (done.code, done.out) == (0, "NAME   CPU(cores)   MEMORY(bytes)\n")

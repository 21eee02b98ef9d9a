"""What is kept back is whole when it is touched, and nothing of the command line misses it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from podrun.cli.main import VERBS

EVERY = [name for section in VERBS.values() for name in section]


def python(script: str, *args: str) -> subprocess.CompletedProcess[str]:
    """In a fresh interpreter without site, where nothing has loaded inspect yet."""
    return subprocess.run(
        [sys.executable, "-S", "-c", script, *args],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        text=True,
        capture_output=True,
        check=False,
    )


def test_a_deferred_module_is_real_when_touched() -> None:
    script = """
import sys, podrun.cli
first = sys.modules["inspect"]
import inspect
assert inspect is first and "ast" not in sys.modules, "importing it is no touch"
assert inspect.cleandoc("  a") == "a" and inspect.isfunction(lambda: 0)
from inspect import Parameter, signature
assert sys.modules["inspect"] is not first and sys.modules["inspect"].signature is signature
assert first.Parameter is Parameter and type(first) is type(sys) and "ast" in sys.modules
assert not hasattr(first, "nothing_of_that_name")
"""
    done = python(script)
    assert (done.returncode, done.stderr) == (0, "")


def test_what_is_loaded_already_is_left_alone() -> None:
    done = python(
        "import inspect, sys; import podrun.cli; assert sys.modules['inspect'] is inspect"
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("args", [(), ("nonsense",), *((verb,) for verb in EVERY)])
def test_help_is_whole_without_it(args: tuple[str, ...]) -> None:
    script = "import sys; from podrun.cli.main import entry; sys.exit(entry([*sys.argv[1:]]))"
    done = python(script, *args, "--help")
    if args == ("nonsense",):
        assert done.returncode == 2 and "there is no verb" in done.stderr
        return
    assert (done.returncode, done.stderr) == (0, "")
    assert "  -h, --help" in done.stdout and "Show this message and exit." in done.stdout

"""What holds for every test: under PODRUN_TEST_STRICT=1 a skip is a failure.

A test that did not run proves nothing. On a developer's machine a skip with its reason is honest;
in CI (`.ci/run` sets the variable) it would let a run that tests nothing look green. There are no
exceptions: what cannot be had in CI belongs into another target (``make test-vm``, ``make bench``).
"""

from __future__ import annotations

import os
import signal
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from _pytest.reports import BaseReport

STRICT = os.environ.get("PODRUN_TEST_STRICT") == "1"

# Whoever runs the suite in the background (nohup, a shell's &) hands ignored signals down, and
# what is ignored stays so in all that the tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)
for _number in (signal.SIGHUP, signal.SIGQUIT):
    signal.signal(_number, signal.SIG_DFL)

# The leak checker of a sanitized program stops all of its threads with ptrace when it ends, and
# now and then never comes back on a busy machine. What allocates nothing leaks nothing.
os.environ.setdefault("ASAN_OPTIONS", "detect_leaks=0")


def _forbid_skip(report: BaseReport) -> None:
    if not STRICT or report.outcome != "skipped" or hasattr(report, "wasxfail"):
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    report.outcome = "failed"
    report.longrepr = f"PODRUN_TEST_STRICT=1 allows no skip: {report.nodeid}: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _forbid_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """A module that skips itself as a whole is a skip too."""
    report = yield
    _forbid_skip(report)
    return report


def pytest_report_header(config: pytest.Config) -> str:
    facts: dict[str, Any] = {"strict": STRICT, "root": os.geteuid() == 0}
    return f"podrun: kernel {os.uname().release}, " + ", ".join(
        f"{k}={v}" for k, v in facts.items()
    )

"""The process of one command.

words ──► plain to see (`podrun apply pod.yaml`)? ──yes──► done, without click
              └─ no ──► podrun.cli.main
"""

from __future__ import annotations

import contextlib
import gc
import os
import sys
from collections.abc import Sequence


def run() -> None:
    """No collector for so short a life, and no tidying up after it. Never returns.

    Taking the interpreter down module by module would cost 10 ms in which nothing is done.
    """
    gc.disable()
    code = entry(sys.argv[1:])
    with contextlib.suppress(OSError):
        sys.stderr.flush()
    os._exit(code)


def entry(args: Sequence[str]) -> int:
    """Carry out one command line and return its exit code; never raises."""
    code = _plainly(args)
    if code is None:
        from podrun.cli import main

        code = main.entry(args)
    return code


def _plainly(args: Sequence[str]) -> int | None:
    """The exit code of what click is not needed for; None: it is."""
    if args[:1] != ["apply"] or "_PODRUN_COMPLETE" in os.environ:
        return None
    try:
        from podrun.cli import applying

        wanted = applying.plain(args[1:])
        if wanted is None:
            return None
        applying.apply(wanted)
        sys.stdout.flush()
    except BaseException as error:
        from podrun.cli.main import report

        return report(error)
    return 0

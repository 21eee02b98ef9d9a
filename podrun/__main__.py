"""``python -m podrun`` is ``podrun``."""

from __future__ import annotations

from podrun.cli.main import run

run()

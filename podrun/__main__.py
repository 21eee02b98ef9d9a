"""``python -m podrun`` is ``podrun``."""

from __future__ import annotations

from podrun.cli.start import run

run()

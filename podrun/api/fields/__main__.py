"""``python -m podrun.api.fields`` prints docs/fields.md."""

from __future__ import annotations

import sys

from podrun.api.fields.explain import markdown

sys.stdout.write(markdown())

"""Fields that have types, defaults and rules already, but that nothing carries out yet.

A row of the table that is named here is refused as "no" is. To accept a field, delete its line
and write the page anew: ``python -m podrun.api.fields > docs/fields.md``.
"""

from __future__ import annotations

PENDING: frozenset[str] = frozenset()

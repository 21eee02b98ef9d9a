"""Errors of the limits: each says what was too much, and what in the configuration allows it."""

from __future__ import annotations

from podrun.image.types import BadArchive, Limits


def beyond(what: str, limits: Limits, field: str) -> BadArchive:
    """``what`` is more than ``field`` of ``limits`` allows: "9 entries, more than 8 (limit: …)"."""
    return BadArchive(f"{what}, more than {getattr(limits, field)} ({named(field)})")


def named(field: str) -> str:
    """The limit and its key in the configuration: path_bytes, imageLimits.pathBytes."""
    first, *rest = field.split("_")
    key = first + "".join(word.capitalize() for word in rest)
    return f"limit: {field}, in the configuration imageLimits.{key}"

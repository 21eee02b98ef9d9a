"""Times and durations as Kubernetes writes them."""

from __future__ import annotations

from datetime import UTC, datetime


def rfc3339(at: float | None) -> str:
    """``2024-05-01T10:00:00Z``; whole seconds, as the API has them. None: ""."""
    if at is None:
        return ""
    return datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def epoch(text: str) -> float | None:
    """Seconds since the epoch of an RFC 3339 time; None for "". ValueError on anything else."""
    return datetime.fromisoformat(text).timestamp() if text else None


def go_duration(seconds: int) -> str:
    """As Go prints a duration of whole seconds: ``10s``, ``1m20s``, ``5m0s``, ``1h0m0s``."""
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes}m{seconds}s"
    return f"{minutes}m{seconds}s" if minutes else f"{seconds}s"


def go_milliseconds(seconds: float) -> str:
    """The same of a duration in milliseconds: ``345ms``, ``1.2s``, ``1m0.25s``."""
    milliseconds = max(int(seconds * 1000), 0)
    if milliseconds < 1000:
        return f"{milliseconds}ms" if milliseconds else "0s"
    whole, rest = divmod(milliseconds, 1000)
    fraction = f".{rest:03}".rstrip("0") if rest else ""
    return go_duration(whole).removesuffix("s") + f"{fraction}s"


def human_duration(seconds: float) -> str:
    """An age as kubectl prints it: two units while the first is small (``5s 2m10s 3h 4d``)."""
    whole = int(seconds)
    if whole < -1:
        return "<invalid>"  # kubectl's word for a time that lies ahead
    if whole < 120:
        return f"{max(whole, 0)}s"
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    if minutes < 10:
        return _two(minutes, "m", whole % 60, "s")
    if hours < 3:
        return f"{minutes}m"
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if days < 8:
        return _two(days, "d", hours % 24, "h")
    if days < 2 * 365:
        return f"{days}d"
    years = days // 365
    return _two(years, "y", days % 365, "d") if years < 8 else f"{years}y"


def _two(large: int, large_unit: str, small: int, small_unit: str) -> str:
    return f"{large}{large_unit}{small}{small_unit}" if small else f"{large}{large_unit}"

"""How many pods a rolling update may have too many, or too few."""

from __future__ import annotations

from podrun.api.workload import RollingUpdate


def scaled(value: int | str | None, replicas: int, *, up: bool) -> int:
    """A number, or a percentage of ``replicas`` rounded ``up`` or down; 0 for what is neither."""
    if not isinstance(value, str):
        return value or 0
    digits = value.removesuffix("%")
    hundredths = int(digits) * replicas if digits.isdecimal() else 0
    return -(-hundredths // 100) if up else hundredths // 100


def limits(rolling: RollingUpdate | None, replicas: int) -> tuple[int, int]:
    """The most pods beyond ``replicas``, and the most below that are not available.

    Both 0 (possible by rounding) would never change anything: then one may be unavailable.
    """
    rolling = rolling or RollingUpdate(max_surge="25%", max_unavailable="25%")
    surge = scaled(rolling.max_surge, replicas, up=True)
    unavailable = scaled(rolling.max_unavailable, replicas, up=False)
    if surge == 0 and unavailable == 0:
        return 0, 1
    return surge, min(unavailable, replicas)

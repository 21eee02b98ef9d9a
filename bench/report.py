"""What was measured, and how it is printed."""

from __future__ import annotations

import msgspec


class Figure(msgspec.Struct, rename="camel", omit_defaults=True):
    """One figure; smaller is better. ``target`` bounds ``ratio`` when there is a peer's value."""

    name: str
    unit: str
    podrun: float
    podman: float | None = None
    target: float | None = None
    samples: int = 1

    @property
    def ratio(self) -> float | None:
        return self.podrun / self.podman if self.podman else None

    @property
    def reached(self) -> bool | None:
        """None: nothing was aimed at."""
        value = self.podrun if self.ratio is None else self.ratio
        return None if self.target is None else value <= self.target


def table(figures: list[Figure]) -> str:
    head = ("FIGURE", "PODRUN", "PODMAN", "RATIO", "TARGET", "")
    rows = [head, *(_row(figure) for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    lines = (
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows
    )
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _row(figure: Figure) -> tuple[str, ...]:
    return (
        figure.name,
        f"{figure.podrun:.4g} {figure.unit}",
        "" if figure.podman is None else f"{figure.podman:.4g} {figure.unit}",
        "" if figure.ratio is None else f"{figure.ratio:.2f}",
        "" if figure.target is None else f"≤ {figure.target:g}",
        {None: "", True: "ok", False: "MISSED"}[figure.reached],
    )

"""The picture of a simulation: what ran, and what was held in vain, turn by turn."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from podrun.errors import PodrunError, Unavailable, UsageError
from podrun.schedule.simulate import Figures

_ENDINGS = (".svg", ".png", ".pdf")
_RUNS, _IDLE = "#2a6f97", "#e07a5f"


def draw(figures: Sequence[Figures], path: Path) -> None:
    """Write the plot; the same figures give the same file. UsageError for another ending."""
    if path.suffix not in _ENDINGS:
        raise UsageError(f"--plot {path}: it can be one of {', '.join(_ENDINGS)}")
    plt = _pyplot()
    figure, axes = plt.subplots(len(figures), 1, sharex=True, squeeze=False)
    figure.set_size_inches(8, 1.8 * len(figures) + 0.6)
    longest = max(each.turns for each in figures)
    for axis, each in zip(axes[:, 0], figures, strict=True):
        _panel(axis, each, longest)
    axes[0, 0].legend(loc="upper right", frameon=False, ncols=2)
    axes[-1, 0].set_xlabel("turn")
    try:
        metadata = {"Date": None} if path.suffix == ".svg" else None
        figure.savefig(path, metadata=metadata, bbox_inches="tight")
    except OSError as error:
        raise PodrunError(f"--plot {path}: {error.strerror}") from None
    finally:
        plt.close(figure)


def _panel(axis: Any, each: Figures, longest: int) -> None:
    turns = range(1, each.turns + 1)
    used = [100 * share for share in each.used]
    idle = [100 * share for share in each.idle]
    axis.stackplot(turns, used, idle, colors=(_RUNS, _IDLE), labels=("runs", "held in vain"))
    axis.set_title(
        f"{each.policy}: {each.placed} of {each.gangs} pods placed, mean wait {each.mean_wait:.0f}"
        f" turns, {each.conflicts} conflicts, {each.deadlocks} deadlocks",
        loc="left",
        fontsize=9,
    )
    axis.set_ylabel("memory, %")
    axis.set_ylim(0, 100)
    axis.set_xlim(1, longest)


def _pyplot() -> Any:
    try:
        import matplotlib
    except ImportError:
        raise Unavailable(
            "--plot needs matplotlib, which is not installed", hint="pip install 'podrun[plot]'"
        ) from None
    matplotlib.use("agg")
    matplotlib.rcParams["svg.hashsalt"] = "podrun"  # else ids differ from run to run
    from matplotlib import pyplot

    return pyplot

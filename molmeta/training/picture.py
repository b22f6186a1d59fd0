"""The picture of a training: losses, learning rate and validation of each stage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from molmeta.plotting import BLUE, LINE, ORANGE, SOFT, svg
from molmeta.training.report import Progress

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PICTURE = "training.svg"
_COLOURS = (BLUE, ORANGE, "#2a7f62", "#7a4fa3", SOFT)


def draw_training(log: Sequence[Progress]) -> bytes:
    """SVG of a log: a column for each stage, in their order, with a point for each line of the log."""
    stages: dict[str, list[Progress]] = {}
    for one in log:
        stages.setdefault(one.stage, []).append(one)

    def draw(figure: Figure) -> None:
        grid = figure.subplots(3, len(stages), sharex="col", squeeze=False)
        for number, (name, lines) in enumerate(stages.items()):
            losses, rate, scores = grid[:, number]
            losses.set_title(f"stage {name}", fontsize=12)
            _curves(losses, lines, [one.loss for one in lines])
            _curves(rate, lines, [{"": one.rate} if one.rate else {} for one in lines])
            rate.set_ylim(bottom=0)
            looks = [one for one in lines if one.validation]
            _curves(scores, looks, [_short(one.validation) for one in looks])
            scores.set_xlabel("step")
        for axes, label in zip(grid[:, 0], ("loss", "learning rate", "validation ΔAUPRC"), strict=True):
            axes.set_ylabel(label)
        for axes in grid.flat:
            axes.grid(color=LINE, linewidth=0.6)
            axes.set_axisbelow(True)

    return svg((max(6.0, 3.6 * len(stages)), 8.0), draw)


def _curves(axes: Axes, lines: Sequence[Progress], numbers: Sequence[dict[str, float]]) -> None:
    """A curve for each name among the numbers, which are those of the lines."""
    names = list(dict.fromkeys(name for one in numbers for name in one))
    for name, colour in zip(names, _COLOURS, strict=False):
        points = [(at.step, one[name]) for at, one in zip(lines, numbers, strict=True) if name in one]
        label = name.replace("_", " ")
        axes.plot(*zip(*points, strict=True), color=colour, label=label, marker=_marker(points))
    if any(names):
        axes.margins(y=0.3)  # room for the legend
        axes.legend(
            frameon=False,
            fontsize=9,
            loc="upper right",
            ncols=len(names),
            handlelength=1.2,
            columnspacing=1.2,
        )


def _marker(points: Sequence[object]) -> str:
    """Single points would not be seen without one."""
    return "o" if len(points) < 20 else ""


def _short(validation: dict[str, float]) -> dict[str, float]:
    """The ranking at each support size, and its mean, without the name of the head."""
    found = {name.rpartition("/")[2]: value for name, value in validation.items()}
    sizes = {f"k = {name[12:]}": value for name, value in found.items() if name.startswith("delta_auprc@")}
    return sizes | ({"mean": found["delta_auprc"]} if len(sizes) > 1 else {})

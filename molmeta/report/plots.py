"""The plots of a report, each an image of its own that a page can hold in a `data:` address."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from molmeta.learningcurve import LearningCurve
from molmeta.plotting import BLUE, LINE, ORANGE, PALE, SOFT, svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[np.float64]

_SIZE = (5.2, 3.7)  # inches
_BINS = 5  # of a calibration curve, with as many compounds each
_LEVELS = np.arange(0.1, 0.96, 0.05)


def roc(y: Array, score: Array) -> str:
    """How many actives are found before how many inactives, from labels 0/1 and scores float64[n]."""
    from sklearn.metrics import roc_curve

    false, true, _ = roc_curve(y, score)

    def draw(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], color=SOFT, linewidth=1, linestyle="--", label="random order")
        axes.plot(false, true, color=BLUE, linewidth=2.2, label="molmeta")
        axes.set(xlabel="share of inactives above the cut", ylabel="share of actives found")
        axes.legend(loc="lower right", frameon=False)

    return _image(draw)


def precision_recall(y: Array, score: Array) -> str:
    """Share of actives among the best compounds, against the share of all actives that these are."""
    from sklearn.metrics import precision_recall_curve

    precision, recall, _ = precision_recall_curve(y, score)

    def draw(axes: Axes) -> None:
        axes.axhline(y.mean(), color=SOFT, linewidth=1, linestyle="--", label="random order")
        axes.step(recall, precision, where="post", color=BLUE, linewidth=2.2, label="molmeta")
        axes.set(xlabel="share of actives found", ylabel="share of actives among the picks", ylim=(0, 1.03))
        axes.legend(loc="lower left", frameon=False)

    return _image(draw)


def reliability(y: Array, probability: Array) -> str:
    """What came true of predicted probabilities, in groups of as many compounds, with 90 % intervals."""
    order = np.argsort(probability, kind="stable")
    groups = [group for group in np.array_split(order, min(_BINS, max(1, len(y) // 5))) if len(group)]
    said = np.array([probability[group].mean() for group in groups])
    came = np.array([y[group].mean() for group in groups])
    low, high = np.transpose([_wilson(y[group].sum(), len(group)) for group in groups])

    def draw(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], color=SOFT, linewidth=1, linestyle="--", label="as predicted")
        axes.errorbar(
            said, came, [came - low, high - came], fmt="o", color=BLUE, capsize=3, label="groups of compounds"
        )
        axes.set(xlabel="predicted chance of being active", ylabel="share that is active")
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        axes.legend(loc="upper left", frameon=False)

    return _image(draw)


def predicted_against_measured(
    y: Array, relation: NDArray[np.int8], predicted: Array, low: Array, high: Array, unit: str
) -> str:
    """Values float64[n] with the intervals of their predictions; triangles point where bounds leave room."""
    marks = {0: ("o", "measured"), -1: ("v", "measured to be below"), 1: ("^", "measured to be above")}

    def draw(axes: Axes) -> None:
        ends = [min(y.min(), low.min()), max(y.max(), high.max())]
        axes.plot(ends, ends, color=SOFT, linewidth=1, linestyle="--")
        axes.vlines(y, low, high, color=PALE, linewidth=1.4)
        for sign, (mark, name) in marks.items():
            if (relation == sign).any():
                axes.plot(
                    y[relation == sign],
                    predicted[relation == sign],
                    mark,
                    color=BLUE if sign == 0 else ORANGE,
                    markersize=5,
                    label=name,
                )
        axes.set(xlabel=f"{unit}, measured", ylabel=f"{unit}, predicted")
        axes.legend(loc="upper left", frameon=False)

    return _image(draw)


def coverage(y: Array, predicted: Array, std: Array) -> str:
    """How many of values float64[n] lie in intervals of how many per cent."""
    z = np.abs(y - predicted) / std
    inside = [float((z <= norm.ppf((1 + level) / 2)).mean()) for level in _LEVELS]

    def draw(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], color=SOFT, linewidth=1, linestyle="--", label="as predicted")
        axes.plot(_LEVELS, inside, "o-", color=BLUE, markersize=4, label="your compounds")
        axes.set(xlabel="interval, as predicted", ylabel="share of compounds inside", ylim=(-0.02, 1.02))
        axes.legend(loc="upper left", frameon=False)

    return _image(draw)


def learning_curve(curve: LearningCurve, n: int) -> str:
    """Scores with fewer compounds, and the forecast from n compounds on."""
    sizes = [point.compounds for point in curve.points]
    scores = np.array([point.score for point in curve.points])
    errors = [point.error for point in curve.points]
    ahead = [n, *(n + one.added for one in curve.forecasts)]
    middle, low, high = (
        scores[-1] + np.array([0.0, *(getattr(one, name) for one in curve.forecasts)])
        for name in ("gain", "low", "high")
    )

    def draw(axes: Axes) -> None:
        axes.fill_between(ahead, low, high, color=PALE, alpha=0.6, linewidth=0, label="forecast, 90 %")
        axes.plot(ahead, middle, color=BLUE, linewidth=1.6, linestyle="--")
        axes.errorbar(sizes, scores, errors, fmt="o-", color=BLUE, capsize=3, label="measured")
        axes.axvline(n, color=LINE, linewidth=1)
        axes.set_xscale("log", base=2)
        ticks = sorted({*sizes, n, ahead[-1], 2 * n})
        axes.set_xticks(ticks, [str(tick) for tick in ticks])
        axes.minorticks_off()
        axes.set(xlabel="labelled compounds", ylabel=curve.metric)
        axes.legend(loc="lower right", frameon=False)

    return _image(draw)


def similarities(edges: Array, library: NDArray[np.int64], own: Array, limit: float) -> str:
    """To the nearest labelled compound: of a library, counted between edges, and of the labelled ones."""
    shares = library / max(1, library.sum())
    own_shares = np.histogram(own, edges)[0] / max(1, len(own))

    def draw(axes: Axes) -> None:
        width = np.diff(edges)
        axes.bar(edges[:-1], shares, width, align="edge", color=PALE, label="library")
        axes.stairs(own_shares, edges, color=BLUE, linewidth=1.8, label="your labelled compounds")
        axes.axvline(limit, color=ORANGE, linewidth=1.4, linestyle="--", label="limit of the domain")
        axes.set(xlabel="similarity to the nearest labelled compound", ylabel="share of compounds")
        axes.set(xlim=(0, 1))
        axes.legend(loc="upper right", frameon=False)

    return _image(draw)


def _wilson(hits: float, n: int, z: float = 1.6448536269514722) -> tuple[float, float]:
    """Interval of a share (Wilson 1927, J. Am. Stat. Assoc. 22, 209)."""
    share = hits / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, min(middle - half, share)), min(1.0, max(middle + half, share))


def _image(draw: Callable[[Axes], None]) -> str:
    """A `data:` address of an SVG that `draw` fills."""

    def fill(figure: Figure) -> None:
        axes = figure.add_subplot()
        draw(axes)
        for label in (axes.xaxis.label, axes.yaxis.label):
            label.set_parse_math(False)  # a dollar in the name of a column is no formula

    return "data:image/svg+xml;base64," + base64.b64encode(svg(_SIZE, fill)).decode()

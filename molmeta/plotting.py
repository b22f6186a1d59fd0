"""How plots look, in reports and beside checkpoints; the same bytes for the same numbers."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from molmeta.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK, SOFT, LINE = "#1c2430", "#55606e", "#d9dee5"
BLUE, PALE, ORANGE = "#0b5cad", "#bcd4ee", "#b85c00"


def load_matplotlib(what: str, extra: str) -> None:
    """Raises ConfigError, which says that `what` needs the extra, where matplotlib is not installed."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ConfigError(f"{what} needs matplotlib: pip install 'molmeta[{extra}]' ({error})") from error


def svg(size: tuple[float, float], draw: Callable[[Figure], None]) -> bytes:
    """The SVG of a figure of a size in inches, which `draw` fills."""
    from matplotlib.figure import Figure

    with _look():
        figure = Figure(figsize=size, layout="constrained")
        draw(figure)
        made = io.BytesIO()
        # Without a date and with a fixed salt, so that a plot of the same numbers is the same.
        figure.savefig(made, format="svg", metadata={"Date": None, "Creator": None})
    return made.getvalue()


@contextmanager
def _look() -> Iterator[None]:
    import matplotlib as mpl

    with mpl.rc_context(
        {
            "font.size": 11,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.edgecolor": SOFT,
            "svg.fonttype": "path",
            "svg.hashsalt": "molmeta",
            "xtick.color": INK,
            "ytick.color": INK,
            "axes.labelcolor": INK,
            "text.color": INK,
        }
    ):
        yield

"""A sheet of compounds whose atoms are coloured by what they contribute, as SVG or PNG."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from molmeta.drawing import MOST_ATOMS, colour_of, png, structure
from molmeta.errors import ConfigError
from molmeta.explain.account import Account, largest
from molmeta.explain.captions import LETTERS, caption, explained_quantity
from molmeta.files import write_whole
from molmeta.predictor import Predictor
from molmeta.wording import escaped

SUFFIXES = (".svg", ".png")
MOST = 100  # more compounds are a picture that nobody can look at

_WIDTH, _DRAWN, _LINE, _GAP = 330, 240, 17, 14  # pixels: a panel, its structure, a line of text
_FOOT = 44
_COLUMNS = 4
_STEPS = 20  # of each half of the scale of colours
_FONT, _SMALL = 12.5, 11.5
_DENSITY = 2  # pixels of a PNG for one of an SVG
_DARK, _PALE = "#1a1a1a", "#555555"


@dataclass(frozen=True)
class Text:
    """A line of a sheet; x is its left end, its middle or its right end."""

    x: float
    y: float
    text: str
    anchor: str = "start"
    bold: bool = False
    pale: bool = False


@dataclass(frozen=True, eq=False)
class Layout:
    """Where things stand on a sheet."""

    accounts: Sequence[Account]
    captions: Sequence[Sequence[str]]
    title: str
    scale: float

    @property
    def columns(self) -> int:
        return min(_COLUMNS, max(1, math.ceil(math.sqrt(len(self.accounts)))))

    @property
    def panel(self) -> int:
        """Height of a panel."""
        return _DRAWN + _LINE * max(map(len, self.captions)) + _GAP

    @property
    def size(self) -> tuple[int, int]:
        rows = math.ceil(len(self.accounts) / self.columns)
        return max(self.columns, 1) * _WIDTH, rows * self.panel + _FOOT

    def corner(self, i: int) -> tuple[int, int]:
        """Left and upper end of a panel."""
        row, column = divmod(i, self.columns)
        return column * _WIDTH, row * self.panel

    def texts(self) -> Iterator[Text]:
        for i, lines in enumerate(self.captions):
            x, y = self.corner(i)
            if self.accounts[i].atoms.mol.GetNumAtoms() > MOST_ATOMS:
                yield Text(x + _WIDTH / 2, y + _DRAWN / 2, "too large to draw", "middle", pale=True)
            for number, line in enumerate(lines):
                at = y + _DRAWN + _LINE * (number + 0.8)
                yield Text(x + _WIDTH / 2, at, _fitting(line), "middle", number == 0, number > 1)
        width, height = self.size
        yield Text(width / 2, height - 30, self.title, "middle")
        left, right, _ = self.bar()
        yield Text(left - 6, height - 11, f"lowers  {-self.scale:.2g}", "end", pale=True)
        yield Text(right + 6, height - 11, f"+{self.scale:.2g}  raises", pale=True)

    def bar(self) -> tuple[float, float, float]:
        """Left, right and upper end of the scale of colours."""
        width, height = self.size
        return width / 2 - 70, width / 2 + 70, height - 21

    def steps(self) -> Iterator[tuple[float, float, float, str]]:
        """Left end, upper end, width and colour of the pieces of the scale."""
        left, right, y = self.bar()
        step = (right - left) / (2 * _STEPS + 1)
        for i in range(-_STEPS, _STEPS + 1):
            channels = (round(255 * channel) for channel in colour_of(i / _STEPS, 1.0))
            yield left + (i + _STEPS) * step, y, step, "#{:02x}{:02x}{:02x}".format(*channels)


def draw(path: Path, accounts: Sequence[Account], predictor: Predictor) -> None:
    """Writes a sheet; its file appears whole or not at all.

    Parameters
    ----------
    path : Path
        Ends in one of `SUFFIXES`.
    accounts : sequence of Account
        At least one and at most `MOST`.

    Raises
    ------
    ConfigError
        Another ending, or too many compounds.
    """
    check(path, len(accounts))
    title = f"{_fitting(predictor.name)}: contributions to {explained_quantity(predictor)}"
    if len(accounts) == 1:
        title = f"Contributions to {explained_quantity(predictor)}"
    lines = [caption(predictor, one) for one in accounts]
    layout = Layout(accounts, lines, title, largest(accounts))
    write_whole(path, as_png(layout) if path.suffix.lower() == ".png" else as_svg(layout).encode())


def check(path: Path, n: int) -> None:
    """Raises ConfigError for a file whose name does not end as a picture's, and for too many compounds."""
    if path.suffix.lower() not in SUFFIXES:
        raise ConfigError(f"{path} is no picture; give a file that ends in {' or '.join(SUFFIXES)}")
    if n > MOST:
        raise ConfigError(f"{n} compounds are too many for one picture; wanted at most {MOST}")


def as_svg(layout: Layout) -> str:
    """A document of its own, with text that can be searched."""
    width, height = layout.size
    parts = [f'<rect width="{width}" height="{height}" fill="#ffffff"/>']
    for i, one in enumerate(layout.accounts):
        x, y = layout.corner(i)
        drawn = _structure(one, layout.scale)
        if drawn is not None:
            parts.append(f'<g transform="translate({x} {y})">{drawn}</g>')
    for left, top, step, colour in layout.steps():
        parts.append(f'<rect x="{left:.2f}" y="{top}" width="{step + 0.3:.2f}" height="11" fill="{colour}"/>')
    parts += map(_svg_text, layout.texts())
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="Helvetica, Arial, sans-serif" role="img" '
        f'aria-label="{escaped(layout.title)}">' + "\n".join(parts) + "</svg>\n"
    )


def _structure(one: Account, scale: float) -> str | None:
    name = one.compound.name
    drawn = structure(one.atoms.mol, (_WIDTH, _DRAWN), one.atoms.values, scale, label=name)
    return drawn if drawn.startswith("<svg") else None


def _svg_text(one: Text) -> str:
    weight = ' font-weight="bold"' if one.bold else ""
    return (
        f'<text x="{one.x:.1f}" y="{one.y:.1f}" text-anchor="{one.anchor}" fill="{_colour(one)}" '
        f'font-size="{_size(one)}"{weight}>{escaped(one.text)}</text>'
    )


def as_png(layout: Layout) -> bytes:
    """The same as pixels, twice as dense as on a common screen."""
    width, height = (_DENSITY * side for side in layout.size)
    sheet = Image.new("RGB", (width, height), "white")
    for i, one in enumerate(layout.accounts):
        drawn = png(one.atoms.mol, (_DENSITY * _WIDTH, _DENSITY * _DRAWN), one.atoms.values, layout.scale)
        if drawn is not None:
            x, y = layout.corner(i)
            sheet.paste(Image.open(io.BytesIO(drawn)).convert("RGB"), (_DENSITY * x, _DENSITY * y))
    pen = ImageDraw.Draw(sheet)
    for left, top, step, colour in layout.steps():
        box = (_DENSITY * left, _DENSITY * top, _DENSITY * (left + step), _DENSITY * (top + 11))
        pen.rectangle(box, fill=colour)
    for text in layout.texts():
        anchor = {"start": "ls", "middle": "ms", "end": "rs"}[text.anchor]
        pen.text(
            (_DENSITY * text.x, _DENSITY * text.y),
            text.text.encode("utf-8", "backslashreplace").decode(),
            _colour(text),
            ImageFont.load_default(_DENSITY * _size(text)),
            anchor,
            stroke_width=0.5 if text.bold else 0,
        )
    stream = io.BytesIO()
    sheet.save(stream, "PNG", optimize=True)
    return stream.getvalue()


def _colour(one: Text) -> str:
    return _PALE if one.pale else _DARK


def _size(one: Text) -> float:
    return _SMALL if one.pale else _FONT


def _fitting(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LETTERS else line[: LETTERS - 1] + "…"

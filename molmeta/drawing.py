"""Structures as pictures: the one place that draws them.

A picture is on white whatever is around it. As SVG it has no ids, classes, style sheets, scripts or
links, so that many of them can stand in one page, also in one whose policy forbids inline styles.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree  # of what RDKit drew, never of a file  # nosec B405

import numpy as np
from numpy.typing import ArrayLike, NDArray
from rdkit import Chem, rdBase
from rdkit.Chem import rdDepictor
from rdkit.Chem.Draw import rdMolDraw2D

from molmeta.wording import escaped

Colour = tuple[float, float, float]

# Blue raises and orange lowers, which all kinds of colour vision tell apart; see `colour_of`.
RAISES: Colour = (0.27, 0.58, 0.93)
LOWERS: Colour = (0.96, 0.57, 0.13)
# Above this a picture shows nothing, takes seconds and fills megabytes.
MOST_ATOMS = 300
_BOND = 28.0  # pixels: small molecules are not blown up
_DISC = 0.55  # radius of an atom's colour, in bonds of RDKit's drawings
_SHOWN = {"rect": "width height x y fill", "path": "d", "ellipse": "cx cy rx ry"}
_SHOWN_STYLES = {
    "fill": "",
    "stroke": "none",
    "stroke-width": "1",
    "fill-opacity": "1",
    "stroke-linecap": "butt",
}
_LONGEST_TEXT = 300


def structure(
    mol: Chem.Mol | str,
    size: tuple[int, int] = (300, 220),
    contributions: ArrayLike | None = None,
    scale: float | None = None,
    label: str | None = None,
) -> str:
    """A structure as SVG to put into HTML, or into a file of its own.

    Parameters
    ----------
    mol : Chem.Mol or str
        Or a SMILES. It is not changed; coordinates that it has are not used.
    size : (int, int)
        Width and height in pixels.
    contributions : float[n_atoms] or None
        What to colour atoms by: `RAISES` above zero, `LOWERS` below, white at zero.
    scale : float or None
        Size of a contribution that has the full colour, the same for pictures that are to be compared; by
        default the largest of this molecule.
    label : str or None
        What it is called by screen readers and in a tool tip; by default its SMILES.

    Returns
    -------
    str
        An element `svg`. For a structure that cannot be drawn, or of more than `MOST_ATOMS` atoms, an
        element `code` with the label or the SMILES.
    """
    try:
        drawn = _drawn(mol, rdMolDraw2D.MolDraw2DSVG(*size), contributions, scale)
        return _inline(drawn, size, label if label is not None else _smiles_of(mol))
    except Exception:  # RDKit raises many types; a picture is not worth an error
        return f"<code>{escaped(_short(_smiles_of(mol)))}</code>"


def png(
    mol: Chem.Mol | str,
    size: tuple[int, int] = (600, 440),
    contributions: ArrayLike | None = None,
    scale: float | None = None,
) -> bytes | None:
    """A structure as the bytes of a PNG file; None for one that cannot be drawn. Parameters: `structure`.

    It is drawn at twice the size of an SVG of half its width and height, for screens of many pixels.
    """
    try:
        drawn: bytes = _drawn(mol, rdMolDraw2D.MolDraw2DCairo(*size), contributions, scale, zoom=2.0)
    except Exception:
        return None
    return drawn


def colour_of(contribution: float, scale: float) -> Colour:
    """White at zero; `RAISES` at `scale` and above, `LOWERS` at -`scale` and below.

    >>> colour_of(0.0, 1.0), colour_of(7.0, 2.0) == RAISES, colour_of(-2.0, 2.0) == LOWERS
    ((1.0, 1.0, 1.0), True, True)
    """
    if not (math.isfinite(contribution) and scale > 0):
        return (1.0, 1.0, 1.0)
    share = min(abs(contribution) / scale, 1.0)
    full = RAISES if contribution > 0 else LOWERS
    red, green, blue = ((1.0 - share) + share * channel for channel in full)
    return (red, green, blue)


def _drawn(
    mol: Chem.Mol | str, drawer: Any, contributions: ArrayLike | None, scale: float | None, zoom: float = 1.0
) -> Any:
    """What a drawer of RDKit makes of a molecule; raises whatever RDKit does."""
    with rdBase.BlockLogs():
        flat = _laid_out(mol)
        options = drawer.drawOptions()
        options.fixedBondLength = _BOND * zoom
        options.bondLineWidth = 1.6 * zoom
        options.scaleBondWidth = False
        options.padding = 0.06
        options.atomHighlightsAreCircles = True
        options.prepareMolsBeforeDrawing = False
        options.minFontSize, options.maxFontSize = round(7 * zoom), round(15 * zoom)
        lights: dict[str, Any] = {}
        if contributions is not None:
            values = np.asarray(contributions, dtype=np.float64)
            options.useBWAtomPalette()  # red and blue are taken
            lights = _lights(flat, values.tolist(), _largest(values) if scale is None else scale)
        drawer.DrawMolecule(flat, **lights)
        drawer.FinishDrawing()
        return drawer.GetDrawingText()


def _laid_out(mol: Chem.Mol | str) -> Chem.Mol:
    """A copy with flat coordinates of its own and bonds as they are drawn; atoms keep their numbers."""
    copy = Chem.MolFromSmiles(mol) if isinstance(mol, str) else Chem.Mol(mol)
    if copy is None or not 0 < copy.GetNumAtoms() <= MOST_ATOMS:
        raise ValueError("nothing that can be drawn")
    copy.RemoveAllConformers()
    rdDepictor.Compute2DCoords(copy, useRingTemplates=True)
    rdDepictor.StraightenDepiction(copy)
    try:
        return rdMolDraw2D.PrepareMolForDrawing(copy, addChiralHs=False)
    except Chem.KekulizeException:
        return rdMolDraw2D.PrepareMolForDrawing(copy, kekulize=False, addChiralHs=False)


def _largest(values: NDArray[np.float64]) -> float:
    return float(np.max(np.abs(values), where=np.isfinite(values), initial=0.0))


def _lights(mol: Chem.Mol, contributions: Sequence[float], scale: float) -> dict[str, Any]:
    """Arguments of `DrawMolecule` that put a disc behind each atom that matters."""
    if len(contributions) > mol.GetNumAtoms():
        raise ValueError(f"{len(contributions)} contributions for {mol.GetNumAtoms()} atoms")
    colours = {i: colour_of(each, scale) for i, each in enumerate(contributions)}
    colours = {i: colour for i, colour in colours.items() if min(colour) < 0.97}
    return {
        "highlightAtoms": list(colours),
        "highlightAtomColors": colours,
        "highlightAtomRadii": dict.fromkeys(colours, _DISC),
        "highlightBonds": [],
    }


def _inline(svg: str, size: tuple[int, int], label: str) -> str:
    """The shapes of an SVG of RDKit, without its header, ids, classes and style attributes."""
    width, height = size
    said = escaped(_short(label))
    root = ElementTree.fromstring(svg.encode("iso-8859-1"))  # nosec B314
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{said}" width="{width}" '
        f'height="{height}" viewBox="0 0 {width} {height}"><title>{said}</title>'
        + "".join(map(_shape, root))
        + "</svg>"
    )


def _shape(element: ElementTree.Element) -> str:
    name = element.tag.rpartition("}")[2]
    own = {key: element.attrib[key] for key in _SHOWN[name].split() if key in element.attrib}
    styles = dict(part.split(":", 1) for part in element.attrib.get("style", "").split(";") if ":" in part)
    own |= {
        key: styles[key].removesuffix("px")
        for key, usual in _SHOWN_STYLES.items()
        if key in styles and styles[key].removesuffix("px") != usual
    }
    return f"<{name} " + " ".join(f'{key}="{escaped(value)}"' for key, value in own.items()) + "/>"


def _smiles_of(mol: Chem.Mol | str) -> str:
    if isinstance(mol, str):
        return mol
    try:
        return str(Chem.MolToSmiles(mol))
    except Exception:
        return f"a molecule of {mol.GetNumAtoms()} atoms"


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_TEXT else text[: _LONGEST_TEXT - 1] + "…"

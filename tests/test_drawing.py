"""Pictures of structures: whatever the structure and whatever it is called, they are sound SVG and PNG."""

from __future__ import annotations

import io
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image
from rdkit import Chem
from rdkit.Chem import AllChem, Crippen

from molmeta.drawing import LOWERS, MOST_ATOMS, RAISES, colour_of, png, structure

ERYTHROMYCIN = (
    "CC[C@H]1OC(=O)[C@H](C)[C@@H](O[C@H]2C[C@@](C)(OC)[C@@H](O)[C@H](C)O2)[C@H](C)[C@@H](O[C@@H]2O[C@H](C)"
    "C[C@@H]([C@H]2O)N(C)C)[C@](C)(O)C[C@@H](C)C(=O)[C@H](C)[C@@H](O)[C@]1(C)O"
)
STRUCTURES = {
    "drug": "CC(C)NCC(O)COc1cccc2ccccc12",
    "macrocycle": ERYTHROMYCIN,
    "salt": "[Na+].[Cl-]",
    "one atom": "[He]",
    "chain": "C" * MOST_ATOMS,
    "dummy": "*CC[*:3]",
    "complex": "Cl[Pt](Cl)(<-[NH3])<-[NH3]",
    "isotopes": "[2H]C([2H])([2H])[13C](=O)O",
}
HOSTILE = "\"><script>alert('1')</script><!-- ]]> & \x00\x1b[31m\ud800 \u202e"
SVG = "{http://www.w3.org/2000/svg}"


def parsed(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg.encode())


def fills(svg: str) -> list[str]:
    return [e.attrib["fill"] for e in parsed(svg).iter(f"{SVG}ellipse")]


@pytest.mark.parametrize("smiles", STRUCTURES.values(), ids=STRUCTURES.keys())
def test_it_stands_in_any_page(smiles: str) -> None:
    root = parsed(structure(smiles))
    assert root.attrib["role"] == "img"
    assert root.attrib["aria-label"] == root.findtext(f"{SVG}title")
    assert {e.tag.removeprefix(SVG) for e in root.iter()} <= {"svg", "title", "rect", "path", "ellipse"}
    for element in root.iter():
        assert not element.attrib.keys() & {"id", "class", "style", "href"}
    ground = root.find(f"{SVG}rect")
    assert ground is not None
    assert ground.attrib["fill"] == "#FFFFFF"
    assert len(root) > 2
    picture = Image.open(io.BytesIO(png(smiles) or b""))
    assert picture.size == (600, 440)
    assert picture.convert("L").getextrema()[0] < 100  # something is drawn on the white


@pytest.mark.parametrize("bad", ["no<b>", "", "C1CC", "C" * (MOST_ATOMS + 1), Chem.Mol()])
def test_what_cannot_be_drawn_is_text(bad: str | Chem.Mol) -> None:
    text = structure(bad)
    assert re.fullmatch(r"<code>[^<>]*</code>", text)
    assert len(text) < 400
    assert png(bad) is None


def test_a_hostile_name_is_text() -> None:
    svg = structure("CCO", label=HOSTILE)
    assert "<script" not in svg
    assert "alert" in (parsed(svg).findtext(f"{SVG}title") or "")
    assert structure("x" + HOSTILE).count("<") == 2


def test_atoms_are_coloured_by_what_they_contribute() -> None:
    mol = Chem.MolFromSmiles("CCCCO")
    drawn = structure(mol, contributions=[1.0, -1.0, 0.0, 0.5, np.nan])
    raises, lowers, half = fills(drawn)
    assert raises == "#{:02X}{:02X}{:02X}".format(*(int(255 * channel) for channel in RAISES))
    assert lowers == "#{:02X}{:02X}{:02X}".format(*(int(255 * channel) for channel in LOWERS))
    assert half not in (raises, lowers)
    assert fills(structure(mol, contributions=[1.0, -1.0, 0.0, 0.5, 0.0], scale=100.0)) == []
    assert fills(structure(mol, contributions=np.zeros(5))) == []
    assert "<code>" in structure(mol, contributions=np.ones(6))


def test_one_scale_makes_pictures_comparable() -> None:
    small, large = (
        structure("CO", contributions=[c, 0.0], scale=2.0, label="x").split("title")[2] for c in (1.0, 2.0)
    )
    assert small != large
    assert structure("CO", contributions=[1.0, 0.0], scale=2.0) == structure(
        "CO", contributions=[1.0, 0.0], scale=2.0
    )
    assert colour_of(1.0, 0.0) == (1.0, 1.0, 1.0)


def test_coordinates_of_a_record_are_left_alone_and_not_used() -> None:
    mol = Chem.AddHs(Chem.MolFromSmiles("OCc1ccccc1"))
    AllChem.EmbedMolecule(mol, randomSeed=0)
    before = mol.GetConformer().GetPositions().copy()
    flat = Chem.Mol(mol)
    flat.RemoveAllConformers()
    assert structure(mol) == structure(flat)
    assert (mol.GetConformer().GetPositions() == before).all()


def test_the_numbers_of_atoms_are_those_of_the_molecule() -> None:
    """The disc of the only coloured atom is drawn where that atom is, also in a chiral ring."""
    smiles = "C[C@@H]1CC[C@H]2[C@@H](C)C(=O)O[C@@H]3O[C@@]4(C)CC[C@H]1[C@@]23OO4"
    mol = Chem.MolFromSmiles(smiles)
    values = np.array([part[0] for part in Crippen._GetAtomContribs(mol)])
    order = np.random.default_rng(0).permutation(mol.GetNumAtoms())
    turned = Chem.RenumberAtoms(mol, order.tolist())
    a, b = (
        sorted(fills(structure(m, contributions=v, scale=0.5)))
        for m, v in ((mol, values), (turned, values[order]))
    )
    assert a == b

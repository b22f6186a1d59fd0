"""Atom contributions: how faithful definitions of them are to the models that they explain.

    python benchmarks/atoms.py DATA_DIR --checkpoint base --fsmol FSMOL_DIR --out atoms.json

DATA_DIR is as in external.py; FSMOL_DIR, if given, is the folder of FS-Mol tables, whose validation assays
are added; so is the shipped assay `logp`. A model is adapted to `--labels` compounds of each assay, and
explains `--compounds` others. Each definition is asked, of each compound:

- hidden: how much lower the prediction gets when the fifth of the atoms that is said to raise it most is
  hidden, and higher with the other end, each minus the mean of 30 random fifths; over that of single atoms.
- removed: the compound without a substituent is another compound. Rank correlation of the sums of
  contributions with the change of the prediction, over all substituents of up to 40 % of the atoms (four or
  more); `two or more` over those of two atoms and more; `missed` is the mean distance, on the scale of the
  model.
- logP: rank correlation with Crippen's contributions, on models of logP.

Definitions: `neighbourhoods`, what molmeta ships; `single`, one atom hidden at a time; `features`, the change
with each count of a fingerprint in turn, shared out evenly among its atoms: gradient times input, by
differences, as counts have no gradient; `shapley`, the mean over 20 orders in which all atoms are hidden one
after the other; `deleted`, the prediction of the molecule that is left without the atom; and `random`.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from external import FILES, read
from harness import save, seconds
from numpy.typing import NDArray
from rdkit import Chem, rdBase
from rdkit.Chem import Crippen
from scipy.stats import spearmanr

import molmeta
from molmeta import assays
from molmeta.chem.batch import MolBatch
from molmeta.chem.features import featurize
from molmeta.chem.molecule import Molecule
from molmeta.chem.smiles import read_smiles
from molmeta.explain.atoms import contributions
from molmeta.explain.masking import Maskable
from molmeta.explain.reading import level
from molmeta.predictor import Predictor

Floats = NDArray[np.float64]
Masks = NDArray[np.bool_]
FEWEST, MOST = 8, 60  # atoms
RANDOM, ORDERS, SHARE = 30, 20, 0.2


@dataclass(frozen=True, eq=False)
class Subject:
    """A compound and the function that is explained: a prediction of compounds that nobody measured."""

    predictor: Predictor
    molecule: Molecule
    maskable: Maskable

    @property
    def n(self) -> int:
        return int(self.molecule.mol.GetNumAtoms())

    def levels(self, mols: MolBatch) -> Floats:
        if mols.identity is not None:
            mols = replace(mols, identity=torch.zeros_like(mols.identity))
        return level(self.predictor.conditioned(self.predictor.ensemble.prepare(mols))).cpu().numpy()

    def hidden(self, masks: Masks) -> Floats:
        return self.levels(self.maskable.hide(masks))

    def of(self, mols: list[Chem.Mol]) -> Floats:
        found = [Molecule(row, None, mol) for row, mol in enumerate(mols, 1)]
        return self.levels(featurize(found, self.predictor.needs))

    @property
    def whole(self) -> float:
        return float(self.hidden(np.zeros((1, self.n), dtype=bool))[0])


Definition = Callable[[Subject, np.random.Generator], Floats]


def neighbourhoods(subject: Subject, rng: np.random.Generator) -> Floats:
    return contributions(subject.predictor, subject.molecule.smiles)[0].values


def single(subject: Subject, rng: np.random.Generator) -> Floats:
    return subject.whole - subject.hidden(np.eye(subject.n, dtype=bool))


def features(subject: Subject, rng: np.random.Generator) -> Floats:
    whole, out = subject.maskable.whole, np.zeros(subject.n)
    for name, parts in subject.maskable.fingerprints.items():
        k = len(parts.bit)
        rows = whole.select(torch.zeros(k, dtype=torch.long))
        rows.need(name)[torch.arange(k), torch.from_numpy(parts.bit)] -= 1
        change = subject.whole - subject.levels(rows)
        touches = parts.touches.toarray()
        out += (touches / touches.sum(1, keepdims=True)).T @ change
    return out


def shapley(subject: Subject, rng: np.random.Generator) -> Floats:
    n, out = subject.n, np.zeros(subject.n)
    first = [rng.permutation(n) for _ in range(ORDERS // 2)]
    for order in [*first, *(one[::-1] for one in first)]:
        rank = np.empty(n, dtype=np.int64)
        rank[order] = np.arange(n)
        falling = subject.hidden(rank[None, :] < np.arange(n + 1)[:, None])
        out[order] += (falling[:-1] - falling[1:]) / ORDERS
    return out


def deleted(subject: Subject, rng: np.random.Generator) -> Floats:
    out, found = np.zeros(subject.n), {}
    for atom in range(subject.n):
        left = without(subject.molecule.mol, {atom})
        if left is not None:
            found[atom] = left
    out[list(found)] = subject.whole - subject.of(list(found.values()))
    return out


def chance(subject: Subject, rng: np.random.Generator) -> Floats:
    return rng.standard_normal(subject.n)


DEFINITIONS: dict[str, Definition] = {
    "neighbourhoods": neighbourhoods,
    "single": single,
    "features": features,
    "shapley": shapley,
    "deleted": deleted,
    "random": chance,
}


def without(mol: Chem.Mol, atoms: set[int]) -> Chem.Mol | None:
    """The molecule that is left, with hydrogens where bonds were; None where there is none."""
    left = Chem.RWMol(mol)
    try:
        Chem.Kekulize(left, clearAromaticFlags=True)
        for atom in atoms:
            for bond in left.GetAtomWithIdx(atom).GetBonds():
                other = bond.GetOtherAtom(left.GetAtomWithIdx(atom))
                if other.GetNoImplicit():
                    order = int(bond.GetBondTypeAsDouble())
                    other.SetNumExplicitHs(other.GetNumExplicitHs() + order)
        for atom in sorted(atoms, reverse=True):
            left.RemoveAtom(atom)
        Chem.SanitizeMol(left)
        # As it is read, so that stereo marks that have lost their sense are gone.
        return Chem.MolFromSmiles(Chem.MolToSmiles(left))
    except Exception:
        return None


def substituents(mol: Chem.Mol) -> Iterator[set[int]]:
    """The atoms on either side of an acyclic single bond, up to 40 % of all."""
    for bond in mol.GetBonds():
        if bond.IsInRing() or bond.GetBondType() != Chem.BondType.SINGLE:
            continue
        cut = Chem.RWMol(mol)
        cut.RemoveBond(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx())
        for part in Chem.GetMolFrags(cut):
            ends = {bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()} & set(part)
            if ends and len(part) <= 0.4 * mol.GetNumAtoms():
                yield set(part)


def judge(subject: Subject, rng: np.random.Generator, oracle: bool) -> Iterator[dict[str, float | str]]:
    """A row of measurements for each definition."""
    n = subject.n
    few = max(1, round(SHARE * n))
    usual = subject.hidden(np.array([picked(n, rng.choice(n, few, False)) for _ in range(RANDOM)])).mean()
    pairs = [
        (part, left)
        for part in substituents(subject.molecule.mol)
        if (left := without(subject.molecule.mol, part))
    ]
    change = subject.whole - subject.of([left for _, left in pairs]) if pairs else np.zeros(0)
    large = np.array([len(part) > 1 for part, _ in pairs], dtype=bool)
    for name, definition in DEFINITIONS.items():
        began = time.perf_counter()
        values = definition(subject, rng)
        took = time.perf_counter() - began
        order = np.argsort(-values)
        top, bottom = subject.hidden(np.array([picked(n, order[:few]), picked(n, order[-few:])]))
        sums = np.array([values[list(part)].sum() for part, _ in pairs])
        yield {
            "definition": name,
            "hidden": float((usual - top) + (bottom - usual)),
            "removed": agreement(sums, change),
            "two or more": agreement(sums[large], change[large]),
            "missed": float(np.abs(sums - change).mean()) if len(sums) else np.nan,
            "logP": agreement(values, crippen(subject.molecule.mol)) if oracle else np.nan,
            "seconds": took,
        }


def picked(n: int, atoms: NDArray[np.int64]) -> Masks:
    return np.isin(np.arange(n), atoms)


def agreement(a: Floats, b: Floats) -> float:
    return float(spearmanr(a, b)[0]) if len(a) >= 4 and np.ptp(a) > 0 and np.ptp(b) > 0 else np.nan


def crippen(mol: Chem.Mol) -> Floats:
    return np.array([part[0] for part in Crippen._GetAtomContribs(mol)])


def tables(options: argparse.Namespace) -> Iterator[tuple[str, pd.DataFrame, list[str]]]:
    """Name of each assay, its labelled compounds, and those to explain."""
    long = pd.concat([read(options.data / file) for file in FILES], ignore_index=True)
    if options.fsmol:
        valid = pd.read_csv(options.fsmol / "valid.csv.gz").assign(p_value=np.nan)
        names = sorted(valid["assay"].unique())[: options.assays]
        long = pd.concat([long, valid[valid["assay"].isin(names)]], ignore_index=True)
    for name, rows in long.groupby("assay", sort=False):
        rows = rows.drop_duplicates("smiles").sample(frac=1.0, random_state=0)
        valued = rows["p_value"].notna().all()
        own = pd.DataFrame({"smiles": rows["smiles"]})
        own["value" if valued else "active"] = rows["p_value"] if valued else rows["label"].astype(int)
        yield str(name), own.head(options.labels), rows["smiles"].tolist()[options.labels :]
    drugs = [row.split()[0] for row in assays.path("drugs").read_text().splitlines()]
    yield "logp", pd.read_csv(assays.path("logp"))[["smiles", "logP"]], drugs[::20]


def compounds(smiles: list[str], most: int) -> list[Molecule]:
    """Those that can be read and are of a usual size, read from their canonical SMILES."""
    found = (read_smiles(1, text) for text in smiles)
    good = (one for one in found if isinstance(one, Molecule) and FEWEST <= one.mol.GetNumAtoms() <= MOST)
    again = (read_smiles(1, one.smiles) for one, _ in zip(good, range(most), strict=False))
    return [one for one in again if isinstance(one, Molecule)]


def main() -> None:
    options = parse()
    torch.set_num_threads(1)
    rdBase.DisableLog("rdApp.*")
    started, rows = time.perf_counter(), []
    for name, table, others in tables(options):
        predictor = molmeta.adapt(table, options.checkpoint, device="cpu", verdict=False, name=name)
        rng = np.random.default_rng(0)
        for one in compounds(others, options.compounds):
            with torch.no_grad():
                subject = Subject(predictor, one, Maskable.of(one, predictor.needs))
                rows += [row | {"assay": name} for row in judge(subject, rng, name == "logp")]
        print(f"\r{name}, {seconds(started)}", end="", file=sys.stderr, flush=True)
    table = pd.DataFrame(rows)
    summary = summarize(table)
    print(f"\n{table['assay'].nunique()} assays, {len(table) // len(DEFINITIONS)} compounds\n")
    print(summary.to_string(float_format="{:.3f}".format))
    if options.out:
        settings = {
            key: str(value) for key, value in vars(options).items() if key not in ("data", "out", "fsmol")
        }
        save(options.out, {"settings": settings, "means": summary.reset_index().to_dict("records")})


def summarize(table: pd.DataFrame) -> pd.DataFrame:
    """Means over assays, with the standard error of the difference to what is shipped."""
    means = table.groupby(["definition", "assay"]).mean().reset_index()
    single_atoms = means[means["definition"] == "single"].set_index("assay")["hidden"]
    means["hidden"] /= means["assay"].map(single_atoms)
    columns = [name for name in means.columns if name not in ("definition", "assay")]
    wide = {name: means.pivot(index="assay", columns="definition", values=name) for name in columns}
    out = pd.DataFrame(index=list(DEFINITIONS))
    for name, values in wide.items():
        out[name] = values.mean()
        if name not in ("seconds", "logP"):
            apart = values.sub(values["neighbourhoods"], axis=0)
            out[f"± {name}"] = apart.std(ddof=1) / np.sqrt(apart.notna().sum())
    return out


def parse() -> argparse.Namespace:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("data", type=Path, metavar="DATA_DIR")
    made.add_argument("--checkpoint", default="base")
    made.add_argument("--fsmol", type=Path, help="folder of FS-Mol tables")
    made.add_argument("--assays", type=int, default=20, help="of FS-Mol, at most")
    made.add_argument("--labels", type=int, default=48)
    made.add_argument("--compounds", type=int, default=8, help="to explain, of an assay")
    made.add_argument("--out", type=Path)
    return made.parse_args()


if __name__ == "__main__":
    main()

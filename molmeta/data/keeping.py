"""Rows of a file, with their labels measured, become a ledger: measurements, rejected and unlabelled rows."""

from __future__ import annotations

from molmeta.chem.molecule import Molecule, Rejection
from molmeta.chem.smiles import read_smiles
from molmeta.data.classes import Measured
from molmeta.data.entries import Entries, Entry
from molmeta.data.labels import Blank, Unreadable
from molmeta.data.ledger import Convention, Ledger, Measurement, Part


def keep(
    name: str, entries: Entries, measured: Measured, convention: Convention
) -> tuple[Ledger, dict[str, Molecule]]:
    """The ledger of one file, and its molecules by their SMILES."""
    unparsed = 0
    rejected: list[Rejection] = []
    unlabelled: list[int] = []
    measurements: list[Measurement] = []
    molecules: dict[str, Molecule] = {}
    for entry, reading in zip(entries.rows, measured.readings, strict=True):
        found = entry.problem or read_smiles(entry.row, entry.smiles)
        if isinstance(found, Rejection):
            rejected.append(found)
            unparsed += 1
        elif isinstance(reading, Blank):
            unlabelled.append(entry.row)
        elif isinstance(reading, Unreadable):
            rejected.append(_bad_label(entries, entry, reading))
        else:
            molecules.setdefault(found.smiles, found)
            measurements.append(
                Measurement(
                    entry.row,
                    entry.line,
                    entry.smiles[:200],
                    found.smiles,
                    entry.identifier,
                    reading.value,
                    reading.relation,
                )
            )
    n = len(entries.rows)
    notes = (
        *entries.notes,
        f"SMILES from '{entries.smiles_column}' ({n - unparsed} of {n} rows parse)",
        *measured.notes,
    )
    part = Part(entries.file, entries.label_column, n, notes)
    ledger = Ledger(name, convention, (part,), tuple(measurements), tuple(rejected), tuple(unlabelled))
    return ledger, molecules


def _bad_label(entries: Entries, entry: Entry, reading: Unreadable) -> Rejection:
    detail = (
        f"{entries.file} row {entry.row} (line {entry.line}): value '{reading.text[:60]}' "
        f"in column '{entries.label_column}' is refused: {reading.why}"
    )
    return Rejection(entry.row, entry.smiles[:200], "bad_label", detail)

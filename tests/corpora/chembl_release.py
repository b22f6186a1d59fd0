"""A small database with the schema of a ChEMBL release, with the traps that the real ones are full of."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

# The tables of ChEMBL 34 that are read, with the columns of these that matter here and some that do not.
SCHEMA = """
CREATE TABLE version (name VARCHAR(50) NOT NULL PRIMARY KEY, creation_date DATETIME, comments VARCHAR(2000));
CREATE TABLE molecule_dictionary (molregno BIGINT NOT NULL PRIMARY KEY, pref_name VARCHAR(255),
    chembl_id VARCHAR(20) NOT NULL, molecule_type VARCHAR(30), structure_type VARCHAR(10) NOT NULL);
CREATE TABLE compound_structures (molregno BIGINT NOT NULL PRIMARY KEY, molfile TEXT,
    standard_inchi VARCHAR(4000),
    standard_inchi_key VARCHAR(27) NOT NULL, canonical_smiles VARCHAR(4000));
CREATE TABLE target_dictionary (tid BIGINT NOT NULL PRIMARY KEY, target_type VARCHAR(30),
    pref_name VARCHAR(200) NOT NULL,
    tax_id BIGINT, organism VARCHAR(150), chembl_id VARCHAR(20) NOT NULL,
    species_group_flag SMALLINT NOT NULL);
CREATE TABLE component_sequences (component_id BIGINT NOT NULL PRIMARY KEY, component_type VARCHAR(50),
    accession VARCHAR(25), sequence TEXT, tax_id BIGINT, organism VARCHAR(150));
CREATE TABLE target_components (tid BIGINT NOT NULL, component_id BIGINT NOT NULL,
    targcomp_id BIGINT NOT NULL PRIMARY KEY, homologue SMALLINT NOT NULL);
CREATE TABLE protein_classification (protein_class_id BIGINT NOT NULL PRIMARY KEY, parent_id BIGINT,
    pref_name VARCHAR(500), short_name VARCHAR(50), class_level BIGINT NOT NULL);
CREATE TABLE component_class (component_id BIGINT NOT NULL, protein_class_id BIGINT NOT NULL,
    comp_class_id BIGINT NOT NULL PRIMARY KEY);
CREATE TABLE assays (assay_id BIGINT NOT NULL PRIMARY KEY, doc_id BIGINT NOT NULL, description VARCHAR(4000),
    assay_type VARCHAR(1), assay_organism VARCHAR(250), tid BIGINT, confidence_score SMALLINT,
    chembl_id VARCHAR(20) NOT NULL, variant_id BIGINT);
CREATE TABLE activities (activity_id BIGINT NOT NULL PRIMARY KEY, assay_id BIGINT NOT NULL, doc_id BIGINT,
    record_id BIGINT NOT NULL, molregno BIGINT, standard_relation VARCHAR(50), standard_value NUMERIC,
    standard_units VARCHAR(100), standard_flag SMALLINT, standard_type VARCHAR(250),
    activity_comment VARCHAR(4000),
    data_validity_comment VARCHAR(30), potential_duplicate SMALLINT, pchembl_value NUMERIC(4, 2),
    type VARCHAR(250),
    relation VARCHAR(50), value NUMERIC, units VARCHAR(100));
"""


class Release:
    """Writes a database, row by row; targets 1 to 4 are there from the start."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._base = sqlite3.connect(path)
        self._base.executescript(SCHEMA)
        self._molecules: dict[str, int] = {}
        self._activities = 0
        self._write("version", [("ChEMBL_34", "2024-02-15", "")])
        self._write(
            "target_dictionary",
            [
                (1, "SINGLE PROTEIN", "CDK2", 9606, "Homo sapiens", "CHEMBL301", 0),
                (2, "PROTEIN COMPLEX", "CDK2/Cyclin A", 9606, "Homo sapiens", "CHEMBL2094128", 0),
                (3, "SINGLE PROTEIN", "Adenosine A1 receptor", 9606, "Homo sapiens", "CHEMBL226", 0),
                (4, "CELL-LINE", "HeLa", 9606, "Homo sapiens", "CHEMBL399", 0),
            ],
        )
        sequences = [(10, "PROTEIN", "P24941"), (11, "PROTEIN", "P20248"), (12, "PROTEIN", "P30542")]
        self._write("component_sequences", [(*one, "M", 9606, "Homo sapiens") for one in sequences])
        self._write("target_components", [(1, 10, 1, 0), (2, 10, 2, 0), (2, 11, 3, 0), (3, 12, 4, 0)])
        classes = [
            (0, None, "Protein class", "Protein class", 0),
            (1, 0, "Enzyme", "Enzyme", 1),
            (2, 1, "Kinase", "Kinase", 2),
            (3, 0, "Membrane receptor", "Membrane receptor", 1),
        ]
        self._write("protein_classification", classes)
        self._write("component_class", [(10, 2, 1), (11, 1, 2), (12, 3, 3)])

    def _write(self, table: str, rows: Iterable[Sequence[Any]]) -> None:
        for row in rows:
            self._base.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)

    def molecule(self, smiles: str | None) -> int:
        """A molecule with this structure; without one, where it is None (an antibody, say)."""
        if smiles not in self._molecules:
            number = len(self._molecules) + 1
            self._molecules[str(smiles)] = number
            self._write("molecule_dictionary", [(number, None, f"CHEMBL{number}", "Small molecule", "MOL")])
            if smiles is not None:
                self._write("compound_structures", [(number, None, None, f"KEY{number}", smiles)])
        return self._molecules[str(smiles)]

    def assay(self, number: int, target: int | None, kind: str = "B", confidence: int = 9) -> int:
        row = (number, 1, "an assay", kind, "Homo sapiens", target, confidence, f"CHEMBL10{number:03d}", None)
        self._write("assays", [row])
        return number

    def activity(
        self,
        assay: int,
        smiles: str | None,
        value: float | None,
        *,
        relation: str | None = "=",
        units: str | None = "nM",
        endpoint: str = "IC50",
        validity: str | None = None,
        copy: int = 0,
        pchembl: float | None = None,
    ) -> None:
        self._activities += 1
        row = (
            self._activities, assay, 1, 1, self.molecule(smiles), relation, value, units, 1, endpoint, None,
            validity, copy, pchembl, endpoint, relation, value, units,
        )  # fmt: skip
        self._write("activities", [row])

    def close(self) -> Path:
        self._base.commit()
        self._base.close()
        return self.path


def alkanols(n: int, start: int = 1) -> list[str]:
    """n different compounds."""
    return [f"{'C' * length}O" for length in range(start, start + n)]

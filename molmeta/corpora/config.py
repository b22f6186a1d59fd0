"""How a corpus is made: a TOML file, all of which has defaults; what was used stands in the corpus."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from molmeta.chem.features import FIELDS
from molmeta.configuration import Count, Positive, Section, Seed, Share, nearest, parse_as, read_toml
from molmeta.corpora.losses import FAULTS
from molmeta.data.replicates import CONFLICTS
from molmeta.errors import ConfigError

Part = Annotated[float, Field(ge=0.0, le=1.0)]


class Columns(Section):
    """Columns of a long table; one that is not named here is found by its name."""

    assay: str = ""
    smiles: str = ""
    value: str = ""
    unit: str = ""
    relation: str = ""
    endpoint: str = ""
    label: str = ""
    target: str = ""
    family: str = ""
    organism: str = ""
    fold: str = ""


class Chembl(Section):
    """What is taken from a ChEMBL release.

    potencies : standard types that are concentrations; with "p" or "-log" before them, their logarithms.
    percentages : standard types that are percent; none, if empty.
    assay_types : B binding, F functional, A ADMET, T toxicity, P physicochemical, U unclassified.
    least_confidence : confidence score of the target, 0 to 9.
    potential_duplicates : keep activities that ChEMBL marks as copies of others.
    validity : comments on the validity of an activity that do not speak against it.
    """

    potencies: tuple[str, ...] = ("IC50", "EC50", "AC50", "XC50", "Ki", "Kd", "Potency", "GI50")
    percentages: tuple[str, ...] = ("Inhibition", "Activity")
    assay_types: tuple[str, ...] = ("B", "F", "A", "T")
    least_confidence: int = Field(default=4, ge=0, le=9)
    potential_duplicates: bool = False
    validity: tuple[str, ...] = ("Manually validated",)


class Scale(Section):
    """Labels that can be; others are faults.

    p_lowest, p_highest : -log10(mol/L).
    percent_lowest, percent_highest : percent.
    """

    p_lowest: float = -1.0
    p_highest: float = 15.0
    percent_lowest: float = -1000.0
    percent_highest: float = 1000.0


class Replicates(Section):
    """Measurements of one compound in one assay.

    conflicts : "median", "drop" or "stop", as `molmeta.data.table.read_assay` has it.
    most_apart : logarithmic units between which values agree. On other scales it is a standard deviation.
    """

    conflicts: Annotated[str, Field(pattern=f"^({'|'.join(CONFLICTS)})$")] = "median"
    most_apart: Positive = 1.0


class Threshold(Section):
    """Where values become classes: what is above a quantile of its assay is active.

    quantile : 0.5 is the median.
    lowest, highest : limits of that threshold for potencies, in -log10(mol/L).
    relabel : make classes anew where a source has both classes and values (FS-Mol has).
    """

    quantile: Part = 0.5
    lowest: float = 5.0
    highest: float = 9.0
    relabel: bool = False


class Filters(Section):
    """Assays that are kept, by their compounds and by the share of these that is active."""

    min_compounds: Count = 32
    max_compounds: Count = 5000
    min_active: Part = 0.3
    max_active: Part = 0.7

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.min_compounds > self.max_compounds or self.min_active > self.max_active:
            raise ValueError("a minimum must not be above its maximum")
        return self


class Folds(Section):
    """Folds beside "train", by the share of the assays and of the compounds that they hold.

    assays : no target is in two folds. Not used where the source names folds.
    compounds : no cluster, the compounds of one Bemis-Murcko scaffold, is in two folds.
    seed : of the order in which targets and clusters are dealt out.
    """

    assays: dict[str, Share] = Field(default={"valid": 0.05, "test": 0.1})
    compounds: dict[str, Share] = Field(default={"valid": 0.05, "test": 0.1})
    seed: Seed = 0

    @model_validator(mode="after")
    def _possible(self) -> Self:
        for shares in (self.assays, self.compounds):
            if sum(shares.values()) >= 1:
                raise ValueError("the shares of the folds must leave something to train on")
            if any(not name or "@" in name or name == "train" for name in shares):
                raise ValueError('a fold has a name without "@"; "train" is what the others leave')
        return self


class Features(Section):
    """What is computed of a compound beforehand; a model needs all that its encoder and heads read."""

    fields: tuple[str, ...] = tuple(FIELDS)

    @model_validator(mode="after")
    def _known(self) -> Self:
        for name in self.fields:
            if name not in FIELDS:
                raise ValueError(f"no feature is called '{name}'; {nearest(name, FIELDS)}")
        return self


class Overlap(Section):
    """The report on what folds have in common.

    sample : compounds of a fold, drawn at random, whose nearest one in another fold is sought.
    similar : Tanimoto similarity of ECFP4 counts from which two compounds are near-duplicates.
    """

    sample: int = Field(default=300, ge=0)
    similar: Part = 0.8


class Faults(Section):
    """Faults that are left out, with a count, where they would stop the build: names in
    `molmeta.corpora.losses.FAULTS`. None: those that the source is known for."""

    drop: tuple[str, ...] | None = None

    @model_validator(mode="after")
    def _known(self) -> Self:
        for name in self.drop or ():
            if name not in FAULTS:
                raise ValueError(f"no fault is called '{name}'; {nearest(name, FAULTS)}")
        return self


class CorpusConfig(Section):
    """All that a corpus depends on beside its source."""

    columns: Columns = Columns()
    chembl: Chembl = Chembl()
    scale: Scale = Scale()
    replicates: Replicates = Replicates()
    threshold: Threshold = Threshold()
    filters: Filters = Filters()
    folds: Folds = Folds()
    features: Features = Features()
    overlap: Overlap = Overlap()
    faults: Faults = Faults()


def read_corpus_config(path: Path | None) -> CorpusConfig:
    """The configuration in a TOML file; all defaults, if there is none.

    Raises
    ------
    ConfigError
        No such file, no TOML, an unknown key (the nearest known one is named) or a value out of range.
    """
    return CorpusConfig() if path is None else parse_as(CorpusConfig, read_toml(path), str(path))


def with_drops(config: CorpusConfig, drop: Sequence[str] | None) -> CorpusConfig:
    """A configuration with these faults in the place of those to drop; as it is, where there are none.

    Raises
    ------
    ConfigError
        No fault is called so.
    """
    if not drop:
        return config
    for name in drop:
        if name not in FAULTS:
            raise ConfigError(f"no fault is called '{name}'; {nearest(name, FAULTS)}")
    return config.model_copy(update={"faults": Faults(drop=tuple(drop))})

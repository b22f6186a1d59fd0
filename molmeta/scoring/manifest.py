"""`Manifest`: what the parts of an output are parts of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd
from pydantic import TypeAdapter, ValidationError

from molmeta.bundle import versions
from molmeta.data.identity import identify
from molmeta.data.library import Library
from molmeta.errors import RefusedError
from molmeta.scoring.formats import Format, format_of
from molmeta.scoring.models import Models
from molmeta.scoring.ranking import Ranked


@dataclass(frozen=True)
class Manifest:
    """Everything that the bytes of a part depend on; equal manifests, equal parts.

    Attributes
    ----------
    models : list of str
        A hash of each.
    device : str
        Type of the device that computes: the last digits of a score depend on it.
    precision : str
        In which the network multiplies matrices.
    versions : dict of str to str
        Of molmeta, and of what computes.
    header : list of str
        Columns of the library.
    smiles_column : int or None
        Position of the structures.
    columns : dict of str to str
        molmeta's columns that are written, with their types.
    chunk : int
        Rows a part.
    top : int or None
        How many of the best rows are written; None is all.
    shards : int
        Runs that share the work.
    screened : str or None
        What chose the rows, where not all are scored.
    excel_safe : bool
        Whether what a spreadsheet would run gets a quote in front.
    """

    models: list[str]
    device: str
    precision: str
    versions: dict[str, str]
    header: list[str]
    smiles_column: int | None
    columns: dict[str, str]
    chunk: int
    top: int | None
    shards: int
    screened: str | None = None
    excel_safe: bool = False

    @classmethod
    def of(
        cls, library: Library, models: Models, top: int | None, shards: int, *, excel_safe: bool = False
    ) -> Manifest:
        empty = models.empty()
        return cls(
            models=models.identity,
            device=models.device,
            precision=str(models.precision).removeprefix("torch."),
            versions=versions(),
            header=list(library.header),
            smiles_column=library.smiles_column,
            columns={str(name): str(kind) for name, kind in empty.dtypes.items()},
            chunk=library.chunk,
            top=top,
            shards=shards,
            excel_safe=excel_safe,
        )

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Manifest:
        """Raises RefusedError where it is none."""
        try:
            return TypeAdapter(cls).validate_python({k: v for k, v in found.items() if k != "input"})
        except ValidationError as error:
            raise RefusedError(f"the manifest of the parts is damaged ({error}); score again") from error

    def identified(self, library: Library) -> dict[str, Any]:
        """As JSON, with the library itself; raises ConfigError where that is a stream."""
        return {"input": identify(library.sources), **asdict(self)}

    def layout(self, name: str) -> Format | Ranked:
        """How rows are written to a file of a name."""
        empty = pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in self.columns.items()})
        layout = format_of(name, excel_safe=self.excel_safe)(self.header, empty)
        return layout if self.top is None else Ranked(layout, empty, self.top)

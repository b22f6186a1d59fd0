"""`Atlas`: what each training assay said of compounds, as one direction in the space of the embedding.

It stands beside the weights of a checkpoint (`atlas.safetensors`): it says what to expect of an assay on a
family of targets before anything is measured, and which training assays an adapted model behaves like.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from molmeta.errors import CheckpointError, ConfigError

# Assays that all others together count as, beside those of a family.
_PSEUDO = 5.0
# A family of fewer assays is not offered: its mean would be that of all others.
FEWEST = 5


@dataclass(frozen=True, eq=False)
class Atlas:
    """Directions of T training assays.

    Attributes
    ----------
    names : tuple of str, length T
        In the order in which heads count the assays whose measurements they keep.
    families : tuple of tuple of str, length T
        Families of the target, from wide to narrow; empty where they are not known, and for assays whose
        labels mean the opposite of activity.
    outputs : float32[T, dim]
        Of a unit embedding u, assay t says that the log-odds of being active are u @ outputs[t], up to a
        constant. Zero where an assay had too few labels.
    """

    names: tuple[str, ...]
    families: tuple[tuple[str, ...], ...]
    outputs: Tensor

    def __post_init__(self) -> None:
        if not len(self.names) == len(self.families) == len(self.outputs):
            raise CheckpointError(
                f"the atlas has {len(self.names)} names, {len(self.families)} families and "
                f"{len(self.outputs)} outputs; install the model again"
            )

    @cached_property
    def sizes(self) -> dict[str, int]:
        """Number of assays of each family that is large enough, the largest first."""
        counted = Counter(family for own in self.families for family in own)
        return {family: n for family, n in counted.most_common() if n >= FEWEST}

    def expected(self, family: str | None = None) -> Tensor:
        """Mean direction float32[dim] over a family, shrunk to that of all assays; over all, if None.

        Raises
        ------
        ConfigError
            No such family, of which the nearest ones are named; or no assay had enough labels.
        """
        spoken = self.outputs.any(dim=1)
        if not spoken.any():
            raise ConfigError("no assay of the atlas had enough labels to say anything; use a larger model")
        everyone = self.outputs[spoken].mean(0)
        if family is None:
            return everyone
        if family not in self.sizes:
            near = difflib.get_close_matches(family, self.sizes, n=3, cutoff=0.4) or list(self.sizes)[:8]
            raise ConfigError(
                f"no target family '{family}' among those with at least {FEWEST} assays; "
                f"near: {', '.join(near)}"
            )
        members = self.outputs[spoken & self.among(family)]
        return (members.sum(0) + _PSEUDO * everyone) / (len(members) + _PSEUDO)

    def among(self, family: str) -> Tensor:
        """bool[T]: whether the target of each assay belongs to a family."""
        return torch.tensor([family in own for own in self.families], dtype=torch.bool)

    def tensors(self) -> dict[str, Tensor]:
        """What is stored of it as tensors; the rest is `index`."""
        return {"outputs": self.outputs.half().contiguous()}

    def index(self) -> dict[str, Any]:
        """What is stored of it as JSON."""
        return {"names": self.names, "families": self.families}

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor], index: Mapping[str, Any]) -> Atlas:
        """Raises CheckpointError where the parts do not fit."""
        try:
            families = tuple(tuple(str(one) for one in own) for own in index["families"])
            names, outputs = tuple(str(name) for name in index["names"]), tensors["outputs"].float()
        except (KeyError, TypeError) as error:
            raise CheckpointError(f"the atlas is not complete ({error}); install the model again") from error
        if outputs.dim() != 2 or not outputs.isfinite().all():
            raise CheckpointError("the atlas has outputs that are no finite table; install the model again")
        return cls(names, families, outputs)

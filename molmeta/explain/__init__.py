"""What a prediction rests on: labelled compounds, training assays, atoms."""

from __future__ import annotations

from molmeta.explain.atoms import AtomContributions, contributions
from molmeta.explain.carriers import carriers
from molmeta.explain.relatives import relatives

__all__ = ["AtomContributions", "carriers", "contributions", "relatives"]

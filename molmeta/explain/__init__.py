"""What a prediction rests on: labelled compounds, training assays, atoms."""

from __future__ import annotations

from molmeta.explain.carriers import carriers
from molmeta.explain.relatives import relatives

__all__ = ["carriers", "relatives"]

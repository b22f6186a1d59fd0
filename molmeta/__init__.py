"""Few-shot molecular property prediction: adapt a meta-trained model to a new assay in seconds.

>>> import molmeta
>>> sorted(molmeta.__all__)[:3]
['FewShotClassifier', 'FewShotRegressor', 'Predictor']
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from molmeta.adaptation import adapt as adapt
    from molmeta.data.table import read_assay as read_assay
    from molmeta.estimators import FewShotClassifier as FewShotClassifier
    from molmeta.estimators import FewShotRegressor as FewShotRegressor
    from molmeta.loading import load as load
    from molmeta.predictor import Predictor as Predictor
    from molmeta.scoring import score_library as score_library
    from molmeta.updating import update as update
    from molmeta.zeroshot import zero_shot as zero_shot

__all__ = [
    "FewShotClassifier",
    "FewShotRegressor",
    "Predictor",
    "adapt",
    "load",
    "read_assay",
    "score_library",
    "update",
    "zero_shot",
]

# Loaded when first used, so that `import molmeta` and `molmeta --help` cost no torch and no rdkit.
_HOMES = {
    "FewShotClassifier": "molmeta.estimators",
    "FewShotRegressor": "molmeta.estimators",
    "Predictor": "molmeta.predictor",
    "adapt": "molmeta.adaptation",
    "load": "molmeta.loading",
    "read_assay": "molmeta.data.table",
    "score_library": "molmeta.scoring",
    "update": "molmeta.updating",
    "zero_shot": "molmeta.zeroshot",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return import_module("importlib.metadata").version("molmeta")
    if name not in _HOMES:
        raise AttributeError(f"module 'molmeta' has no attribute '{name}'; it has {', '.join(__all__)}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])

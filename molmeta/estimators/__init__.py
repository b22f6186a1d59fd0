"""Estimators of scikit-learn whose X are structures."""

from molmeta.estimators.classifier import FewShotClassifier
from molmeta.estimators.regressor import FewShotRegressor

__all__ = ["FewShotClassifier", "FewShotRegressor"]

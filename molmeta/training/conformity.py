"""The last stage: how held-out compounds of assays that the encoder has not seen came out."""

from __future__ import annotations

import numpy as np

from molmeta.conformity import Array, Conformity, Scores, log_odds
from molmeta.data.corpus import Corpus
from molmeta.data.protocol import Rows
from molmeta.evaluation import Method, evaluate, methods_of
from molmeta.learner import Learner
from molmeta.prediction import Bernoulli, Prediction
from molmeta.scores import Score
from molmeta.training.data import Corpora
from molmeta.units import Kind

SIZES = (4, 8, 16, 32, 64, 128, 256)
_NONE = np.zeros(0)


def learn_conformity(learner: Learner, corpora: Corpora) -> Conformity:
    """Conformity of the default head, on one draw at each of SIZES of the reserved assays, or of the
    validation assays where none are reserved."""
    (method,) = methods_of(learner, [learner.default_head]).values()
    reserved = corpora.reserved
    return conformity_of(method, corpora.train.select(reserved) if reserved else corpora.valid)


def conformity_of(method: Method, corpus: Corpus, workers: int = 1) -> Conformity:
    """Conformity of any method, on one draw of each assay at each of SIZES."""
    scores: list[Scores] = []
    kinds: dict[Kind, Score] = {"classification": _classes, "regression": _values}
    for kind, score in kinds.items():
        if kind in method.head.kinds:
            methods = {"the method": method}
            table = evaluate(corpus, methods, SIZES, 1, "clean", kind, None, workers, score=score)
            scores += [Scores(row["k"], *row["scores"]) for row in table.to_dict("records")]
    return Conformity.learn(scores)


def _classes(support: Rows, query: Rows, prediction: Prediction) -> dict[str, tuple[Array, Array, Array]]:
    assert isinstance(prediction, Bernoulli)
    score = prediction.logit.double().cpu().numpy() - log_odds(support.y)
    active = query.y > 0.5
    return {"scores": (score[active], score[~active], _NONE)}


def _values(support: Rows, query: Rows, prediction: Prediction) -> dict[str, tuple[Array, Array, Array]]:
    """Of exact values only: where a value may be anywhere beyond a bound, the residual is not known."""
    mean, std = (x.double().cpu().numpy() for x in (prediction.mean, prediction.std))
    return {"scores": (_NONE, _NONE, (np.abs(query.y - mean) / std)[query.relation == 0])}

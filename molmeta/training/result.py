"""What a run leaves: the checkpoint, and its scores on the validation assays."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from molmeta.atlas import Atlas
from molmeta.checkpoint import load_checkpoint, save_checkpoint
from molmeta.files import write_whole
from molmeta.heads.evidence.head import Evidence
from molmeta.learner import Learner
from molmeta.training.atlas import learn_atlas
from molmeta.training.config import TrainConfig
from molmeta.training.conformity import learn_conformity
from molmeta.training.data import Corpora
from molmeta.training.growth import note_compounds
from molmeta.training.report import TrainReport
from molmeta.training.start import atlas_of, same_heads
from molmeta.training.validation import validate


def leave(
    learner: Learner, corpora: Corpora, config: TrainConfig, out: Path, device: torch.device, seconds: float
) -> TrainReport:
    """Writes the checkpoint of a trained learner and `metrics.json` to `out`."""
    scores = {name: validate(learner, corpora.valid, name, config.validation) for name in learner.heads}
    learner.conformity = learn_conformity(learner, corpora)
    source = None if config.start is None else load_checkpoint(config.start)
    note_compounds(learner, corpora.train, source)
    atlas = _atlas(learner, source, corpora, config)
    learner.info = {
        "name": config.name,
        "assays": len(corpora.train) if atlas is None else len(atlas.names),
        "compounds": corpora.train.mols.n,
        "measurements": int((corpora.train.mol >= 0).sum()),
        "seconds": round(seconds),
        "device": str(device),
        "torch": torch.__version__,
    }
    save_checkpoint(out, learner, atlas=atlas)
    validation = {name: score.flat() for name, score in scores.items()}
    write_whole(out / "metrics.json", (json.dumps({"validation": validation}, indent=1) + "\n").encode())
    return TrainReport(out, scores, seconds)


def _atlas(learner: Learner, source: Learner | None, corpora: Corpora, config: TrainConfig) -> Atlas | None:
    """The assays in the order in which the tables of the heads count them: those of the tables themselves.

    Tables that were taken over from the checkpoint `source` count its assays, not those of this run. None,
    where these are not at hand on the embedding as it is now.
    """
    kept = [] if source is None else [learner.head(name) for name in same_heads(learner, source)]
    if any(isinstance(head, Evidence) and head.rank for head in kept):
        return atlas_of(str(config.start)) if config.episodic.freeze_encoder else None
    left_out = corpora.reserved if config.episodic.steps else ()
    return learn_atlas(learner, corpora.train, left_out)
